// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/core/request.hpp>
#include <pool/error.hpp>
#include <pool/stats.hpp>

#include <support/bounded_pool.hpp>
#include <support/fake.hpp>
#include <support/figures.hpp>
#include <support/ids.hpp>
#include <support/requests.hpp>

// Callers that wait while a pool is invalidated: their permits, the bounds, and which of them fail.

namespace bounded_invalidate_cases {

using namespace std::chrono_literals;
using namespace bounded_pools;
using fake::ids;

namespace {

/// A dial that is outdated while it waits at a gate, in its first call.
template <class Fixture>
auto outdated_dial(Fixture& f, gate& first) {
    return [&f, &first, n = 0](const std::string&) mutable {
        if (++n == 1) first.pass();
        return f.net.dial();
    };
}

}  // namespace

TEST_CASE(
    "bounded, invalidate: a lent connection that comes back is closed, and a caller that waits gets its permit [C24]") {
    fixture f{strict({.max_open = 1})};
    auto lent = f.acquire("a");
    auto next = f.waits("a");
    CHECK(f.conns.invalidate() == 0);
    CHECK(f.conns.stats().waiting == 1);
    f.net[1].on_close = [&] { CHECK(f.net.dials() == 1); };  // its permit is not free yet
    lent.give_back();
    CHECK(next.got()->id() == 2);
    CHECK(f.net.closed() == ids{1});
    CHECK(f.conns.stats().invalidated == 1);
    figures::check_exact(f.conns.stats(), 2);
}

TEST_CASE(
    "bounded, invalidate: an outdated dial keeps its permit while its connection is closed, and for the next [C24]") {
    fixture f{strict({.max_open = 1})};
    gate dial;
    gate close;
    f.net.prepare([&](fake::line& far) {
        CHECK(f.net.open() == 1);  // the bound holds for the peers, too
        if (far.id == 1) far.on_close = [&] { close.pass(); };
    });
    decltype(f)::caller first{
        [&, act = outdated_dial(f, dial)](const std::stop_token&) mutable { return f.conns.acquire("a", act); }};
    dial.reached.wait();
    auto second = f.waits("a");
    f.conns.invalidate();
    dial.open.count_down();
    close.reached.wait();
    pool::stats during = f.conns.stats();
    CHECK(during.dialing == 1);
    CHECK(during.waiting == 1);
    close.open.count_down();
    auto got = first.got();
    CHECK(got->id() == 2);
    CHECK(f.conns.stats().outdated_dials == 1);
    got.give_back();
    CHECK(second.got()->id() == 2);
    figures::check_exact(f.conns.stats(), 2);
}

TEST_CASE(
    "bounded, invalidate: a caller whose dial was outdated may get a connection that has come back instead [C24]") {
    fixture f{strict({.max_open = 2})};
    gate dial;
    decltype(f)::caller first{
        [&, act = outdated_dial(f, dial)](const std::stop_token&) mutable { return f.conns.acquire("a", act); }};
    dial.reached.wait();
    f.conns.invalidate();
    f.put("a");  // it is new
    dial.open.count_down();
    CHECK(first.got()->id() == 1);
    CHECK(f.net.closed() == ids{2});
    CHECK(f.conns.stats().hits == 1);
    CHECK(f.conns.stats().dialing == 0);
    figures::check_exact(f.conns.stats(), 1);
}

TEST_CASE("bounded, invalidate: a caller that has given up during an outdated dial makes no other [C24]") {
    fixture f{strict({.max_open = 1})};
    gate dial;
    auto act = outdated_dial(f, dial);
    decltype(f)::caller first{[&, deadline = f.clock.now() + 1s](std::stop_token stop) {
        return f.conns.acquire("a", act, deadline, std::move(stop));
    }};
    dial.reached.wait();
    auto second = f.waits("b");
    f.conns.invalidate();
    SUBCASE("it is late") {
        f.clock.advance(1s);
        dial.open.count_down();
        CHECK_THROWS_AS((void)first.got(), pool::acquire_timeout);
    }
    SUBCASE("it is cancelled") {
        first.cancel();
        dial.open.count_down();
        CHECK_THROWS_AS((void)first.got(), pool::acquire_cancelled);
    }
    SUBCASE("the pool is closed") {
        f.conns.close();
        dial.open.count_down();
        CHECK_THROWS_AS((void)first.got(), pool::pool_closed);
        CHECK_THROWS_AS((void)second.got(), pool::pool_closed);
        CHECK(f.net.closed() == ids{1});
        return;
    }
    SUBCASE("the pool is paused") {
        f.conns.pause(pool::wait_for_resume);
        dial.open.count_down();
        while (f.conns.stats().waiting != 2) std::this_thread::yield();
        CHECK(f.conns.stats().dialing == 0);
        f.conns.resume();
        auto got = first.got();
        CHECK(got->id() == 2);
        got.discard();
        CHECK(second.got()->id() == 3);
        return;
    }
    CHECK(second.got()->id() == 2);  // it has the permit
    CHECK(f.net.closed() == ids{1});
    figures::check_exact(f.conns.stats(), 2);
}

TEST_CASE("bounded, invalidate: the permits of the idle connections go to those that wait, one after the other [C24]") {
    fixture f{strict({.max_open = 2, .max_open_per_key = 2})};
    f.put("a");
    f.put("a");
    for (const int id : {1, 2}) f.net[id].blocked = true;
    auto first = f.waits("a");
    auto second = f.waits("a");
    f.net.prepare([&](fake::line&) { CHECK(f.net.open() <= 2); });
    CHECK(f.conns.invalidate("a") == 2);
    auto one = first.got();
    auto two = second.got();
    CHECK(one->id() + two->id() == 7);
    CHECK(f.conns.stats().invalidated == 2);
    figures::check_exact(f.conns.stats(), 2);
}

// fail_waiting

TEST_CASE("bounded, invalidate: those that wait are served later, unless they are to fail [C25]") {
    fixture f{strict({.max_open = 1})};
    auto lent = f.acquire("a");
    auto first = f.waits("a");
    auto other = f.waits("b");
    SUBCASE("they are served") {
        f.conns.invalidate();
        CHECK(f.conns.stats().waiting == 2);
        lent.give_back();
        auto got = first.got();
        CHECK(got->id() == 2);
        got.give_back();
        CHECK(other.got()->id() == 3);
    }
    SUBCASE("they fail") {
        f.conns.invalidate({.fail_waiting = true});
        CHECK_THROWS_AS((void)other.got(), pool::acquire_invalidated);
        CHECK(
            first.error().find("the pool was invalidated (1 open, 0 idle, 1 lent, 0 dialling, ") != std::string::npos);
        CHECK(f.conns.stats().waiting == 0);
        auto late = f.waits("a");  // which came later
        lent.give_back();
        CHECK(late.got()->id() == 2);
    }
    SUBCASE("those of a key fail") {
        f.conns.invalidate("a", {.fail_waiting = true});
        CHECK_THROWS_AS((void)first.got(), pool::acquire_invalidated);
        CHECK(f.conns.stats().waiting == 1);
        f.conns.invalidate("c", {.fail_waiting = true});  // for which nobody waits
        lent.give_back();
        CHECK(other.got()->id() == 2);
    }
    figures::check_exact(f.conns.stats(), f.conns.stats().hits + f.conns.stats().misses);
    CHECK(f.conns.stats().waiting + f.conns.stats().dialing == 0);
}

TEST_CASE("bounded, invalidate: those that dial or close do not fail [C25]") {
    fixture f{strict({.max_open = 1})};
    SUBCASE("one dials") {
        gate dial;
        decltype(f)::caller first{
            [&, act = outdated_dial(f, dial)](const std::stop_token&) mutable { return f.conns.acquire("a", act); }};
        dial.reached.wait();
        auto second = f.waits("a");
        f.conns.invalidate({.fail_waiting = true});
        CHECK_THROWS_AS((void)second.got(), pool::acquire_invalidated);
        dial.open.count_down();
        CHECK(first.got()->id() == 2);
    }
    SUBCASE("one closes a connection, whose permit it gets") {
        f.put("b");
        gate close;
        f.net[1].on_close = [&] { close.pass(); };
        decltype(f)::caller first{[&](const std::stop_token&) { return f.acquire("a"); }};
        close.reached.wait();
        auto second = f.waits("a");
        f.conns.invalidate({.fail_waiting = true});
        CHECK_THROWS_AS((void)second.got(), pool::acquire_invalidated);
        close.open.count_down();
        CHECK(first.got()->id() == 2);
    }
}

namespace {

using requesting_pool = pool_of<>;

/// A caller whose request the test makes.
struct refused_caller final : requests::request<requesting_pool> {
    refused_caller() : request{false, pool::manual_clock::time_point::max()} {}
    bool notified() noexcept override { return ++times, true; }
    int times = 0;
};

}  // namespace

TEST_CASE("bounded, invalidate: more than a batch of callers fail, of all keys or of one, and nobody else [C10, C25]") {
    using pool::core::request_state;
    fixture f{strict({.max_open = 1})};
    auto lent = f.acquire("a");
    std::vector<std::unique_ptr<refused_caller>> callers;
    const auto join = [&](const char* key) {
        callers.push_back(std::make_unique<refused_caller>());
        requests::submit(f.conns, *callers.back(), key);
        CHECK(requests::look(f.conns, *callers.back()) <= request_state::nudged);
    };
    for (int i = 0; i != 300; ++i) join("a");
    for (int i = 0; i != 300; ++i) join("b");
    bool are_all = false;
    SUBCASE("all") {
        are_all = true;
        f.conns.invalidate({.fail_waiting = true});
    }
    SUBCASE("of a key") { f.conns.invalidate("a", {.fail_waiting = true}); }
    for (std::size_t i = 0; i != 600; ++i) {
        CAPTURE(i);
        const bool fails = are_all || i < 300;
        CHECK((callers[i]->state() == request_state::invalidated) == fails);
        CHECK(callers[i]->times == (fails ? 1 : 0));
    }
    CHECK(f.conns.stats().waiting == (are_all ? 0 : 300));
    join("a");  // whoever comes later waits
    CHECK(f.conns.stats("a").waiting == 1);
    lent.give_back();
    auto& next = are_all ? *callers.back() : *callers[300];
    CHECK(requests::look(f.conns, next) == request_state::may_dial);
    requests::dial_succeeded(f.conns, next, [&](const std::string&) { return f.net.dial(); });
    CHECK(requests::lease_of(f.conns, next)->id() == 2);
    for (auto& each : callers) {
        requests::cancel(f.conns, *each);
        if (each.get() != &next && each->state() == request_state::lent) (void)requests::lease_of(f.conns, *each);
    }
}

}  // namespace bounded_invalidate_cases
