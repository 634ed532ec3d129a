// SPDX-License-Identifier: BSL-1.0
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>

#include <support/fake.hpp>

using fake::ids;

namespace {

template <class Conn>
using pool_of = pool::basic_pool<std::string, Conn>;

/// Cannot be moved.
struct pinned_connection : fake::connection {
    explicit pinned_connection(fake::network& net) : fake::connection{net.dial()} {}
    pinned_connection(pinned_connection&&) = delete;
};

/// A handle of some C library, which has a function to close it.
enum class handle : int { none = -1 };

}  // namespace

template <>
struct pool::connection_traits<handle> {
    static void close(handle& h) { closed_handles.push_back(std::exchange(h, handle::none)); }
    static bool closed(const handle& h) noexcept { return h == handle::none; }
    static bool unblocked(const handle&) noexcept { return true; }

    static inline std::vector<handle> closed_handles;
};

TEST_CASE_TEMPLATE("basic_pool: a connection may be a pointer", Pointer, std::unique_ptr<fake::connection>,
    std::shared_ptr<fake::connection>) {
    fake::network net;
    pool_of<Pointer> conns;
    const auto dial = [&](const std::string&) { return std::make_unique<fake::connection>(net.dial()); };
    CHECK((*conns.acquire("a", dial))->id() == 1);
    net[1].blocked = true;
    CHECK((*conns.acquire("a", dial))->id() == 2);
    net[2].dead = true;
    CHECK((*conns.acquire("a", dial))->id() == 3);
    conns.clear();
    CHECK(net.closed() == ids{2, 1, 3});
}

TEST_CASE_TEMPLATE("basic_pool: a null pointer is neither lent nor kept [C6]", Pointer, std::unique_ptr<fake::connection>,
    std::shared_ptr<fake::connection>) {
    pool_of<Pointer> conns;
    CHECK_THROWS_WITH_AS((void)conns.acquire("a", [](const std::string&) { return Pointer{}; }),
        "pool \"\": no connection for key \"a\": the dial has returned a dead one: a null pointer", pool::dial_failed);
    conns.put("a", Pointer{});
    CHECK(conns.stats().idle == 0);
    CHECK(conns.stats().refused == 1);
}

TEST_CASE("basic_pool: a connection that cannot be moved has one address for life") {
    fake::network net;
    pool_of<pinned_connection> conns;
    const auto dial = [&](const std::string&) { return pinned_connection{net}; };
    const auto address = [](pinned_connection& c) -> const void* { return &c; };
    const auto* const first = &*conns.acquire("a", dial);
    CHECK(&*conns.try_acquire("a") == first);
    CHECK(conns.get("a", dial).invoke(address) == first);
    CHECK(conns.clear() == 1);
}

TEST_CASE("basic_pool: a connection may be a handle that has traits") {
    auto& closed = pool::connection_traits<handle>::closed_handles;
    closed.clear();
    pool::basic_pool<int, handle> conns;
    CHECK(*conns.acquire(1, [](int) { return handle{3}; }) == handle{3});
    conns.put(1, handle{4});
    CHECK(conns.take(1) == handle{3});  // which is the caller's now
    conns.close();
    CHECK(closed == std::vector{handle{4}});
}
