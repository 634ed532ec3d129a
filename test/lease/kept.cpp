// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <functional>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/pool.hpp>

#include <support/pools.hpp>

// Leases that are given back only if their user says so, for callers that do not use exceptions.

using namespace std::chrono_literals;

using fake::default_fixture;
using fake::default_pool;
using fake::ids;
using pool::discard_unless_kept;

namespace {

using lease = default_pool::lease_type;

/// Calls `f` while an exception is on its way out.
template <class F>
void while_unwinding(F f) {
    struct at_exit {
        F& call;
        ~at_exit() { call(); }
    };
    try {
        const at_exit guard{f};
        throw std::runtime_error{"on its way"};
    } catch (const std::runtime_error&) {
    }
}

}  // namespace

TEST_CASE_FIXTURE(default_fixture, "lease: one that is not kept closes its connection, whatever ends it [C14]") {
    lease lent = conns.acquire("a", net.dialer());
    lent.discard_unless_kept();
    SUBCASE("the end of its scope") { const lease ends = std::move(lent); }
    SUBCASE("an assignment") { lent = lease{}; }
    SUBCASE("an assignment of another lease") { lent = conns.acquire("b", net.dialer()); }
    SUBCASE("the second of two moves") {
        lease other = std::move(lent);
        lent = std::move(other);
        lent = lease{};
    }
    SUBCASE("an exception") {
        while_unwinding([&] { lent = lease{}; });
    }
    SUBCASE("a move during an exception") {
        lease kept;
        while_unwinding([&] { kept = std::move(lent); });
        kept = lease{};
    }
    CHECK(net.closed() == ids{1});
    CHECK(conns.stats().discarded == 1);
}

TEST_CASE_FIXTURE(default_fixture, "lease: one that is kept is given back, whatever ends it [C14]") {
    lease lent = conns.acquire("a", net.dialer());
    lent.discard_unless_kept();
    SUBCASE("the end of its scope") {
        const lease ends = [&] {
            lent.keep();
            return std::move(lent);
        }();
    }
    SUBCASE("an assignment") {
        lent.keep();
        lent = lease{};
    }
    SUBCASE("a move to another lease") {
        lease other = std::move(lent);
        other.keep();
    }
    SUBCASE("twice") {
        lent.keep();
        lent.keep();
        lent = lease{};
    }
    SUBCASE("during an exception that began before") {
        while_unwinding([&] {
            lent.keep();
            lent = lease{};
        });
    }
    CHECK(net.closed().empty());
    CHECK(conns.stats("a").idle == 1);
}

TEST_CASE_FIXTURE(default_fixture, "lease: an exception after keep closes the connection [C14]") {
    const auto use = [&] {
        lease lent = conns.acquire("a", net.dialer(), discard_unless_kept);
        lent.keep();
        throw std::runtime_error{"later"};
    };
    SUBCASE("of its own scope") { CHECK_THROWS_AS(use(), std::runtime_error); }
    SUBCASE("that begins and ends during another one") {
        while_unwinding([&] { CHECK_THROWS_AS(use(), std::runtime_error); });
    }
    CHECK(net.closed() == ids{1});
}

TEST_CASE_FIXTURE(default_fixture, "lease: keep can be taken back [C14]") {
    lease lent = conns.acquire("a", net.dialer(), discard_unless_kept);
    lent.keep();
    lent.discard_unless_kept();
    lent = lease{};
    CHECK(net.closed() == ids{1});
}

TEST_CASE_FIXTURE(default_fixture, "lease: one that is not kept gives a reusable connection back [C14]") {
    net.prepare([](fake::line& line) { line.reusable = true; });
    { const lease lent = conns.acquire("a", net.dialer(), discard_unless_kept); }
    CHECK(conns.stats("a").idle == 1);
}

TEST_CASE_FIXTURE(default_fixture, "lease: one that is not kept does what it is told to do") {
    lease lent = conns.acquire("a", net.dialer(), discard_unless_kept);
    SUBCASE("give_back") {
        lent.give_back();
        CHECK(conns.stats("a").idle == 1);
    }
    SUBCASE("detach") {
        fake::connection mine = lent.detach();
        CHECK(net.closed().empty());
        mine.close();
    }
    CHECK_FALSE(lent);
}

TEST_CASE_FIXTURE(default_fixture, "lease: the next lease of the same connection begins anew [C14]") {
    {
        lease lent = conns.acquire("a", net.dialer(), discard_unless_kept);
        lent.keep();
    }
    { const lease lent = conns.acquire("a", net.dialer()); }
    CHECK(conns.stats("a").idle == 1);
    { const lease lent = conns.acquire("a", net.dialer(), discard_unless_kept); }
    CHECK(net.closed() == ids{1});
}

TEST_CASE("lease: an empty one can be told to keep nothing") {
    lease empty;
    empty.discard_unless_kept();
    empty.keep();
    CHECK_FALSE(empty);
}

TEST_CASE("discard_unless_kept: follows all that an acquire takes, and reaches the dial with none of it changed") {
    fake::network net;
    bool has_deadline = false;
    const auto dial = [&](const pool::dial_context& context) {
        has_deadline = context.deadline != pool::dial_context{}.deadline;
        return net.dial();
    };
    pool::basic_pool<pool::no_key, fake::connection, pool::bounded_open> conns{{}, {}, {}, dial};
    const auto later = std::chrono::steady_clock::now() + 1h;
    const pool::dial_context context{.deadline = later};
    const std::stop_token stop;
    using lease_type = decltype(conns)::lease_type;
    struct call {
        std::function<lease_type()> acquire;
        bool limits;
    };
    const std::vector<call> calls{
        {[&] { return conns.acquire(discard_unless_kept); }, false},
        {[&] { return conns.acquire(context, discard_unless_kept); }, true},
        {[&] { return conns.acquire(stop, discard_unless_kept); }, false},
        {[&] { return conns.acquire(later, discard_unless_kept); }, true},
        {[&] { return conns.acquire(later, stop, discard_unless_kept); }, true},
        {[&] { return conns.acquire(1h, discard_unless_kept); }, true},
        {[&] { return conns.acquire(1h, stop, discard_unless_kept); }, true},
        {[&] { return conns.acquire(dial, discard_unless_kept); }, false},
        {[&] { return conns.acquire(dial, context, discard_unless_kept); }, true},
        {[&] { return conns.acquire(dial, stop, discard_unless_kept); }, false},
        {[&] { return conns.acquire(dial, later, discard_unless_kept); }, true},
        {[&] { return conns.acquire(dial, later, stop, discard_unless_kept); }, true},
        {[&] { return conns.acquire(dial, 1h, discard_unless_kept); }, true},
        {[&] { return conns.acquire(dial, 1h, stop, discard_unless_kept); }, true},
    };
    for (std::size_t i = 0; i < calls.size(); ++i) {
        CAPTURE(i);
        has_deadline = !calls[i].limits;
        { const auto lent = calls[i].acquire(); }
        CHECK(has_deadline == calls[i].limits);
        CHECK(conns.stats().idle == 0);
        CHECK(conns.stats().discarded == i + 1);
    }
    conns.put(net.dial());
    { const auto lent = conns.try_acquire(discard_unless_kept); }
    CHECK(conns.stats().idle == 0);
}

TEST_CASE("discard_unless_kept: an acquire that fails, or finds nothing, has nothing to discard") {
    default_fixture f;
    CHECK_FALSE(f.conns.try_acquire("a", discard_unless_kept));
    const auto fails = [](const std::string&) -> fake::connection { throw std::runtime_error{"no answer"}; };
    CHECK_THROWS_AS((void)f.conns.acquire("a", fails, discard_unless_kept), std::runtime_error);
    CHECK(f.conns.stats().discarded == 0);
}

TEST_CASE_TEMPLATE("discard_unless_kept: as an option, it holds for each lease, and for no call [C14]", Pool,
    pool::connection_pool<std::string, fake::connection>, pool::bounded_pool<std::string, fake::connection>) {
    fake::network net;
    Pool conns{{.discard_unless_kept = true}, net.dialer()};
    { const auto lent = conns.acquire("a"); }
    { const auto lent = conns.acquire("a", pool::dial_context{}); }
    { const auto lent = conns.acquire("a", net.dialer()); }
    { const auto lent = conns.acquire("a", net.dialer(), pool::dial_context{}); }
    CHECK(net.closed() == ids{1, 2, 3, 4});
    conns.get("a").invoke([](fake::connection&) {});
    conns.invoke("a", [](fake::connection&) {});
    CHECK(conns.stats().idle == 1);
    {
        auto lent = conns.try_acquire("a");
        CHECK(lent->id() == 5);
        lent.keep();
    }
    CHECK(conns.stats().idle == 1);
    { const auto lent = conns.try_acquire("a"); }
    CHECK(conns.stats().idle == 0);
}

TEST_CASE("discard_unless_kept: a stream keeps the connection by its end, with the option, too [C14]") {
    fake::network net;
    pool::basic_pool<std::string, fake::connection> conns{{}, {}, {.discard_unless_kept = true}, net.dialer()};
    const auto messages = [](fake::connection& conn) { return fake::stream{conn, 2}; };
    {
        auto stream = conns.get("a").open_stream(messages);
        stream.next();
        CHECK(stream.next() == 0);
    }
    CHECK(conns.stats().idle == 1);
    { (void)conns.get("a").open_stream(messages); }
    CHECK(net.closed() == ids{1});
}

TEST_CASE_TEMPLATE("invoke: a function that takes the lease has to keep it [C14]", Pool,
    pool::connection_pool<std::string, fake::connection>, pool::bounded_pool<std::string, fake::connection>) {
    fake::network net;
    Pool conns{{}, net.dialer()};
    using lent_type = typename Pool::lease_type;
    auto lazy = conns.get("a");
    std::vector<std::function<int(std::function<int(lent_type&)>)>> calls{
        [&](const auto& f) { return conns.invoke("a", f); },
        [&](const auto& f) { return conns.invoke("a", pool::dial_context{}, f); },
        [&](const auto& f) { return conns.invoke("a", 1h, f); },
        [&](const auto& f) { return lazy.invoke(f); },
        [&](const auto& f) { return lazy.invoke(pool::dial_context{}, f); },
        [&](const auto& f) { return lazy.invoke(1h, f); },
    };
    for (const auto& call : calls) {
        const int id = call([](lent_type& lent) {
            lent.keep();
            return lent->id();
        });
        CHECK(conns.stats().idle == 1);
        CHECK(call([](lent_type& lent) { return lent->id(); }) == id);
        CHECK(conns.stats().idle == 0);
        const auto throws = [](lent_type& lent) -> int {
            lent.keep();
            throw std::runtime_error{"afterwards"};
        };
        CHECK_THROWS_AS(call(throws), std::runtime_error);
        CHECK(conns.stats().idle == 0);
        CHECK(conns.stats().lent == 0);
    }
}

TEST_CASE_FIXTURE(default_fixture, "invoke: a function that takes the lease may end it, or have it for good") {
    auto lazy = conns.get("a", net.dialer());
    lease mine;
    lazy.invoke([](lease& lent) { lent.discard(); });
    CHECK(net.closed() == ids{1});
    lazy.invoke([&](lease& lent) { mine = std::move(lent); });
    CHECK(conns.stats("a").lent == 1);
    mine = lease{};
    CHECK(net.closed() == ids{2});
}

TEST_CASE_FIXTURE(default_fixture, "invoke: a function that takes either gets the connection") {
    const auto either = []<class T>(T&) { return std::is_same_v<T, fake::connection>; };
    CHECK(conns.get("a", net.dialer()).invoke(either));
    CHECK(conns.stats("a").idle == 1);
}
