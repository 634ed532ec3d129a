// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <stop_token>
#include <string>
#include <thread>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/error.hpp>
#include <pool/stats.hpp>

#include <support/bounded_pool.hpp>
#include <support/fake.hpp>
#include <support/ids.hpp>
#include <support/requests.hpp>

// A connection that comes back while a caller waits: until the caller has waited for the patience of the policy, others
// may take it first.

namespace bounded_patience_cases {

using namespace std::chrono_literals;
using namespace bounded_pools;
using fake::ids;
using pool::core::request_state;

namespace {

using pool_type = pool_of<>;

/// A caller that looks when the test says so.
struct asker final : requests::request<pool_type> {
    explicit asker(pool::manual_clock::time_point deadline = fixture<>::never) : request{true, deadline} {}
    bool notified() noexcept override { return ++times, true; }
    int times = 0;
    bool has_taken = false;
};

/// A pool of one connection, which is lent, and callers that wait for it.
struct busy : fixture<> {
    explicit busy(bounds capacity) : fixture{capacity} {
        requests::submit(conns, first, "a");
        requests::submit(conns, second, "a");
        CHECK(requests::look(conns, first) == request_state::able);
        CHECK(requests::look(conns, second) == request_state::able);
    }
    ~busy() {
        for (asker* each : {&first, &second}) {
            requests::cancel(conns, *each);
            if (each->state() == request_state::lent && !each->has_taken) (void)got(*each);
        }
    }

    /// What a caller was lent.
    lease got(asker& served) {
        served.has_taken = true;
        return requests::lease_of(conns, served);
    }

    lease lent = acquire("a");
    asker first;
    asker second;
};

}  // namespace

TEST_CASE("bounded: the default is a patience of a millisecond") {
    CHECK(bounds{}.patience() == 1ms);
    busy f{bounds{.max_open = 1}};
    f.clock.advance(1ms - 1ns);
    f.lent.give_back();
    CHECK(f.first.state() == request_state::nudged);
    f.clock.advance(1ns);
    CHECK_FALSE(f.conns.try_acquire("a"));
    CHECK(f.first.state() == request_state::lent);
}

TEST_CASE("bounded: a caller that is nudged finds the connection, unless another one was faster") {
    busy f{bounds{.max_open = 1, .patience = 1s}};
    f.lent.give_back();
    CHECK(f.first.times == 1);
    CHECK(f.second.times == 0);
    CHECK(f.conns.stats("a") == pool::key_stats{.idle = 1, .waiting = 2});
    SUBCASE("it finds it") {
        CHECK(requests::look(f.conns, f.first) == request_state::lent);
        CHECK(f.conns.stats().overtaken == 0);
        return;
    }
    SUBCASE("acquire is faster") { f.lent = f.acquire("a"); }
    SUBCASE("try_acquire is faster") { f.lent = f.conns.try_acquire("a"); }
    SUBCASE("a younger caller that waits is faster") {
        REQUIRE(requests::look(f.conns, f.second) == request_state::lent);
        f.lent = f.got(f.second);
    }
    CHECK(f.lent->id() == 1);
    CHECK(f.conns.stats().overtaken == 1);
    CHECK(requests::look(f.conns, f.first) == request_state::able);
    f.lent.give_back();
    CHECK(f.first.times == 2);
    CHECK(requests::look(f.conns, f.first) == request_state::lent);
    CHECK(f.conns.stats().overtaken == 1);
    CHECK(f.net.dials() == 1);
}

TEST_CASE("bounded: take past a caller that waits counts, and its permit is for that caller") {
    busy f{bounds{.max_open = 1, .patience = 1s}};
    f.lent.give_back();
    f.conns.take("a")->close();
    CHECK(f.conns.stats().overtaken == 1);
    CHECK(requests::look(f.conns, f.first) == request_state::may_dial);
    requests::dial_failed(f.conns, f.first);
}

TEST_CASE("bounded: who has waited for the patience is not overtaken") {
    busy f{bounds{.max_open = 1, .patience = 1s}};
    f.clock.advance(1s);
    f.lent.give_back();
    CHECK(f.first.state() == request_state::lent);
    CHECK_FALSE(f.conns.try_acquire("a"));
    f.got(f.first).give_back();
    CHECK(f.second.state() == request_state::lent);  // it came as early
    CHECK(f.conns.stats().overtaken == 0);
}

TEST_CASE("bounded: without patience nobody is overtaken") {
    busy f{bounds{.max_open = 1, .patience = 0ms}};
    f.lent.give_back();
    CHECK(f.first.state() == request_state::lent);
    CHECK_FALSE(f.conns.try_acquire("a"));
    CHECK_FALSE(f.conns.take("a"));
    CHECK(f.conns.stats().overtaken == 0);
}

TEST_CASE("bounded: what was idle for a nudged caller is the next one's when that caller leaves") {
    busy f{bounds{.max_open = 1, .patience = 1s}};
    f.lent.give_back();
    SUBCASE("the next one of its key") {
        requests::cancel(f.conns, f.first);
        CHECK(f.second.state() == request_state::nudged);
    }
    SUBCASE("one of another key that is older than the next of its key") {
        requests::cancel(f.conns, f.second);
        asker other;
        asker third;
        requests::submit(f.conns, other, "b");
        requests::submit(f.conns, third, "a");
        CHECK(other.state() == request_state::able);
        CHECK(f.net.closed().empty());
        requests::cancel(f.conns, f.first);
        CHECK(other.state() == request_state::promised);
        CHECK(third.state() == request_state::able);
        CHECK(f.conns.stats().closing == 1);
        requests::cancel(f.conns, other);
        requests::cancel(f.conns, third);
    }
}

TEST_CASE("bounded: a caller with a thread is nudged, and gets its connection") {
    fixture f{bounds{.max_open = 1}};
    auto lent = f.acquire("a");
    auto next = f.waits("a");  // a second one could be faster than the one that is nudged
    lent.give_back();
    CHECK(next.got()->id() == 1);
    CHECK(f.conns.stats().waiting == 0);
    CHECK(f.net.dials() == 1);
}

TEST_CASE("bounded: those to whom a connection is on its way do not count as waiting") {
    SUBCASE("a nudged one") {
        fixture f{bounds{.max_open = 1, .max_waiting = 0, .patience = 1s}};
        f.put("a");
        asker first;
        asker second;
        requests::submit(f.conns, first, "a");
        CHECK(first.state() == request_state::nudged);
        requests::submit(f.conns, second, "a");
        CHECK(second.state() == request_state::queue_full);
        CHECK(requests::look(f.conns, first) == request_state::lent);
        requests::lease_of(f.conns, first).give_back();
    }
    SUBCASE("promised ones, until the promise is gone") {
        fixture f{strict({.max_open = 2, .max_waiting = 0})};
        f.put("a");
        f.put("a");
        asker first;
        asker second;
        requests::submit(f.conns, first, "b");
        CHECK(first.state() == request_state::promised);
        requests::submit(f.conns, second, "b");
        CHECK(second.state() == request_state::promised);
        CHECK_THROWS_AS((void)f.acquire("b"), pool::queue_full);
        requests::cancel(f.conns, first);
        CHECK(f.acquire("b").key() == "b");  // its permit is for the next one
        CHECK(second.state() == request_state::lent);
        requests::lease_of(f.conns, second).give_back();
    }
}

TEST_CASE("bounded: the figures have the waits of all callers that have waited") {
    busy f{bounds{.max_open = 1, .patience = 0ms}};
    CHECK(f.conns.stats().total_wait == 0s);
    f.clock.advance(2s);
    f.lent.give_back();
    CHECK(f.conns.stats().total_wait == 2s);
    CHECK(f.conns.stats().longest_wait == 2s);
    f.clock.advance(1s);
    requests::cancel(f.conns, f.second);
    const pool::stats s = f.conns.stats();
    CHECK(s.total_wait == 5s);
    CHECK(s.longest_wait == 3s);
}

TEST_CASE("bounded: a pool in which nobody has waited, or can wait, has no waits") {
    fake::network net;
    pool::basic_pool<std::string, fake::connection> never_waits;
    (void)never_waits.acquire("a", net.dialer());
    CHECK(never_waits.stats().total_wait == 0s);
    CHECK(never_waits.stats().longest_wait == 0s);
    CHECK(never_waits.stats().overtaken == 0);
    fixture f{bounds{.max_open = 1}};
    (void)f.acquire("a");
    (void)f.acquire("a");
    CHECK(f.conns.stats().total_wait == 0s);
}

}  // namespace bounded_patience_cases
