// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <memory>
#include <string>
#include <type_traits>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/connection.hpp>
#include <pool/core/pointee.hpp>

#include <support/fake.hpp>

namespace {

/// A handle of another library. It is open while it is positive.
struct descriptor {
    int value;
};

/// Its functions do not return bool, but types that convert to bool.
struct terse {
    void close() {}
    std::true_type closed() const noexcept { return {}; }
    std::false_type unblocked() const noexcept { return {}; }
};

/// Has only what a connection must have, so it has no `reusable`.
struct plain {
    void close() {}
    bool closed() const noexcept { return false; }
    bool unblocked() const noexcept { return true; }
};

/// Says why it is dead.
struct explaining : plain {
    const char* why_dead() const { return "kicked out"; }
};

/// Handles of another library, which deleters end.
struct opaque {
    int ends = 0;
};
struct ends_opaque {
    void operator()(opaque* c) const { ++c->ends; }
};
struct answering {
    bool is_dead = false;
};
struct ends_answering {
    void operator()(answering*) const {}
};

struct line_is_cut {};

/// Checks that the traits of `conn` answer and close as the fake behind it does.
template <class Conn>
void check_answers(Conn& conn, fake::line& line) {
    using traits = pool::connection_traits<Conn>;

    CHECK(!traits::closed(conn));
    CHECK(traits::unblocked(conn));
    CHECK(!traits::reusable(conn));
    line.blocked = true;
    line.reusable = true;
    CHECK(!traits::unblocked(conn));
    CHECK(traits::reusable(conn));
    traits::close(conn);
    CHECK(line.closes == 1);
    CHECK(traits::closed(conn));
}

}  // namespace

template <>
struct pool::connection_traits<descriptor> {
    static void close(descriptor& d) { d.value = -d.value; }
    static bool closed(const descriptor& d) noexcept { return d.value < 0; }
    static bool unblocked(const descriptor& d) noexcept { return d.value != 0; }
};

template <>
struct pool::connection_traits<answering> {
    static bool closed(const answering& c) noexcept { return c.is_dead; }
    static bool unblocked(const answering&) noexcept { return false; }
    static bool reusable(const answering&) noexcept { return true; }
    static std::string why_dead(const answering&) { return "out of order"; }
};

TEST_CASE("connection_traits: a class answers by its members") {
    fake::network net;
    auto conn = net.dial();
    check_answers(conn, net[1]);
}

TEST_CASE("connection_traits: a unique_ptr answers as the connection that it points to") {
    fake::network net;
    auto conn = std::make_unique<fake::connection>(net.dial());
    check_answers(conn, net[1]);
}

TEST_CASE("connection_traits: a shared_ptr answers as the connection that it points to") {
    fake::network net;
    auto conn = std::make_shared<fake::connection>(net.dial());
    check_answers(conn, net[1]);
}

TEST_CASE("connection_traits: a pointer to a pointer answers as the connection behind both") {
    fake::network net;
    auto conn = std::make_unique<std::shared_ptr<fake::connection>>(std::make_shared<fake::connection>(net.dial()));
    check_answers(conn, net[1]);
}

TEST_CASE_TEMPLATE("connection_traits: a null pointer is closed, and closing it does nothing", Pointer,
    std::unique_ptr<fake::connection>, std::shared_ptr<fake::connection>,
    std::unique_ptr<std::unique_ptr<fake::connection>>) {
    using traits = pool::connection_traits<Pointer>;

    Pointer null;
    CHECK(traits::closed(null));
    CHECK(traits::unblocked(null));
    CHECK(!traits::reusable(null));
    traits::close(null);
}

TEST_CASE("connection_traits: dead is not released, and released is what was closed") {
    const auto check = [](auto& conn, fake::line& line) {
        using conn_type = std::remove_reference_t<decltype(conn)>;
        CHECK(!pool::core::is_released(conn));
        line.dead = true;
        CHECK(pool::connection_traits<conn_type>::closed(conn));
        CHECK(!pool::core::is_released(conn));
        pool::connection_traits<conn_type>::close(conn);
        CHECK(pool::core::is_released(conn));
    };
    fake::network net;
    auto direct = net.dial();
    check(direct, net[1]);
    auto unique = std::make_unique<fake::connection>(net.dial());
    check(unique, net[2]);
    auto shared = std::make_shared<fake::connection>(net.dial());
    check(shared, net[3]);
    auto both = std::make_unique<std::shared_ptr<fake::connection>>(std::make_shared<fake::connection>(net.dial()));
    check(both, net[4]);
}

TEST_CASE("connection_traits: what does not say whether it is released is so if it is null, and no other") {
    plain silent;
    CHECK(!pool::core::is_released(silent));
    CHECK(!pool::core::is_released(descriptor{-7}));
    CHECK(!pool::core::is_released(std::make_unique<plain>()));
    CHECK(pool::core::is_released(std::unique_ptr<plain>{}));
    CHECK(pool::core::is_released(std::shared_ptr<plain>{}));
    CHECK(pool::core::is_released(static_cast<plain*>(nullptr)));
    CHECK(!pool::core::is_released(&silent));
    CHECK(pool::core::is_released(std::unique_ptr<opaque, ends_opaque>{}));
}

TEST_CASE("connection_traits: a deleter of its own ends a connection without a close, and once") {
    using pointer = std::unique_ptr<opaque, ends_opaque>;
    using traits = pool::connection_traits<pointer>;
    static_assert(pool::poolable<pointer>);
    static_assert(!pool::reusable_reporting<pointer>);
    opaque far;
    pointer conn{&far};
    CHECK(!traits::closed(conn));
    CHECK(traits::unblocked(conn));
    traits::close(conn);
    CHECK(far.ends == 1);
    CHECK(conn == nullptr);
    CHECK(traits::closed(conn));
    CHECK(traits::unblocked(conn));
    traits::close(conn);
    CHECK(far.ends == 1);
}

TEST_CASE("connection_traits: what ends by a deleter answers as its target, as far as that has answers") {
    using pointer = std::unique_ptr<answering, ends_answering>;
    using traits = pool::connection_traits<pointer>;
    answering far;
    const pointer conn{&far};
    CHECK(!traits::closed(conn));
    CHECK(!traits::unblocked(conn));
    CHECK(traits::reusable(conn));
    CHECK(traits::why_dead(conn) == "out of order");
    far.is_dead = true;
    CHECK(traits::closed(conn));
    CHECK(!traits::released(conn));
}

TEST_CASE("connection_traits: a pointer with a deleter of its own to a class with a close is closed first") {
    fake::network net;
    bool is_deleted = false;
    const auto deleter = [&](fake::connection* conn) {
        is_deleted = true;
        delete conn;
    };
    std::unique_ptr<fake::connection, decltype(deleter)> conn{new fake::connection{net.dial()}, deleter};
    pool::connection_traits<decltype(conn)>::close(conn);
    CHECK(net.closed() == fake::ids{1});
    CHECK(!is_deleted);
}

TEST_CASE("connection_traits: a class says why it is dead, and so does a pointer to it") {
    using traits = pool::connection_traits<explaining>;
    CHECK(traits::why_dead(explaining{}) == "kicked out");
    CHECK(pool::connection_traits<std::unique_ptr<explaining>>::why_dead(std::make_unique<explaining>()) == "kicked out");
    CHECK(pool::connection_traits<std::shared_ptr<explaining>>::why_dead({}) == "a null pointer");
    CHECK(pool::connection_traits<std::shared_ptr<plain>>::why_dead(std::make_shared<plain>()).empty());
    static_assert(pool::death_explaining<explaining>);
    static_assert(!pool::death_explaining<plain>);
}

TEST_CASE("connection_traits: an exception of a close passes through") {
    fake::network net;
    net.prepare([](fake::line& line) { line.on_close = [] { throw line_is_cut{}; }; });
    auto conn = net.dial();
    auto pointer = std::make_unique<fake::connection>(net.dial());
    CHECK_THROWS_AS(pool::connection_traits<fake::connection>::close(conn), line_is_cut);
    CHECK_THROWS_AS(pool::connection_traits<decltype(pointer)>::close(pointer), line_is_cut);
}

TEST_CASE("connection_traits: a specialisation adapts a foreign type, and pointers to it") {
    auto descriptor_pointer = std::make_unique<descriptor>(descriptor{7});
    using traits = pool::connection_traits<decltype(descriptor_pointer)>;

    static_assert(pool::poolable<descriptor>);
    CHECK(!traits::closed(descriptor_pointer));
    CHECK(traits::unblocked(descriptor_pointer));
    traits::close(descriptor_pointer);
    CHECK(descriptor_pointer->value == -7);
    CHECK(traits::closed(descriptor_pointer));
}

TEST_CASE("connection_traits: an answer may be anything that converts to bool") {
    static_assert(pool::poolable<terse>);
    CHECK(pool::connection_traits<terse>::closed(terse{}));
    CHECK(!pool::connection_traits<terse>::unblocked(terse{}));
}

TEST_CASE("reusable_reporting: it is optional, and a pointer has it if its pointee has it") {
    CHECK(pool::reusable_reporting<fake::connection>);
    CHECK(pool::reusable_reporting<std::unique_ptr<fake::connection>>);
    CHECK(pool::reusable_reporting<std::shared_ptr<fake::connection>>);
    CHECK(pool::poolable<plain>);
    CHECK(!pool::reusable_reporting<plain>);
    CHECK(!pool::reusable_reporting<std::unique_ptr<plain>>);
    CHECK(!pool::reusable_reporting<std::shared_ptr<plain>>);
    CHECK(!pool::reusable_reporting<descriptor>);
}

TEST_CASE("expiry_reporting: it is optional, and a pointer has it if its pointee has it") {
    struct announced : plain {
        std::chrono::seconds expires() const noexcept { return std::chrono::seconds{5}; }
    };
    using owned = std::unique_ptr<announced>;
    CHECK(pool::expiry_reporting<announced>);
    CHECK(pool::expiry_reporting<owned>);
    CHECK(!pool::expiry_reporting<plain>);
    CHECK(!pool::expiry_reporting<std::unique_ptr<plain>>);
    CHECK(pool::connection_traits<owned>::expires(std::make_unique<announced>()) == std::chrono::seconds{5});
    CHECK(pool::connection_traits<owned>::expires(nullptr) == std::chrono::seconds{0});
}

TEST_CASE("pointee: it is the object behind a pointer, and any other object itself") {
    plain object;
    auto unique = std::make_unique<plain>();
    auto shared = std::make_shared<plain>();
    CHECK(&pool::core::pointee(object) == &object);
    CHECK(&pool::core::pointee(unique) == unique.get());
    CHECK(&pool::core::pointee(shared) == shared.get());
}

TEST_CASE("poolable: a connection whose destructor may throw is closed and destroyed as any other") {
    struct careless : plain {
        ~careless() noexcept(false) {}
    };
    pool::basic_pool<int, careless> conns;
    { const auto lent = conns.acquire(1, [](int) { return careless{}; }); }
    CHECK(conns.stats().idle == 1);
    CHECK(conns.clear() == 1);
}
