// SPDX-License-Identifier: BSL-1.0
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include <doctest/doctest.h>

#include <pool/error.hpp>
#include <pool/retry_stale.hpp>

#include <support/tended_pool.hpp>

// Connections that are dialled whatever is idle, and calls that are made once more on such a connection.

namespace hooks_fresh_cases {

using namespace tended;

namespace {

struct write_failed : std::runtime_error {
    write_failed() : std::runtime_error{"nothing was sent"} {}
};

constexpr auto if_nothing_was_sent = [](const std::exception& error) {
    return dynamic_cast<const write_failed*>(&error) != nullptr;
};

/// A call that throws `error` the first `times` times.
template <class Error>
struct failing {
    Error error;
    int times;
    int calls = 0;

    int operator()(tended_connection& conn) {
        if (++calls <= times) throw error;
        return conn.id();
    }
};
template <class Error>
failing(Error, int) -> failing<Error>;

}  // namespace

TEST_CASE_TEMPLATE("fresh: acquire_fresh dials, whatever is idle", Pool, idle_pool, shards) {
    fixture<Pool> f;
    f.put("a", 2);
    {
        auto lent = f.conns->acquire_fresh("a", f.dial());
        CHECK(lent->id() == 3);
        CHECK_FALSE(lent.reused());
    }
    CHECK(f.stats().idle == 3);
    CHECK(f.history(1) == "dialled for a");
    CHECK(f.history(3) == "dialled for a, reset");
    f.conns->close();
    CHECK_THROWS_AS((void)f.conns->acquire_fresh("a", f.dial()), pool::pool_closed);
    f.check_sums(2);
}

TEST_CASE(
    "fresh: in a pool that bounds what is open, an idle one that it is lent is closed for its permit, unchecked") {
    fixture<open_pool> f{{}, {.max_open = 1, .max_waiting = 0}};
    f.put("a");
    f.dials.next([&](const auto&) {
        CHECK(f.far(1).closes == 1);
        CHECK(f.stats().dialing == 1);
    });
    auto lent = f.conns->acquire_fresh("a", f.dial());
    CHECK(lent->id() == 2);
    CHECK_FALSE(lent.reused());
    CHECK(f.history(1) == "dialled for a, closed");
    CHECK(f.stats().discarded == 1);
    CHECK(f.stats().found_unhealthy == 0);
    CHECK_THROWS_AS((void)f.conns->acquire_fresh("a", f.dial()), pool::queue_full);
    CHECK_THROWS_AS((void)f.conns->acquire_fresh("a", f.dial(), 0s), pool::acquire_timeout);
    lent.give_back();
    f.check_sums(3);  // the one that it was lent counts as a hit, too
}

TEST_CASE("fresh: a caller that waits closes the connection that comes back, and dials") {
    fixture<open_pool> f{{}, {.max_open = 1, .patience = 0ns}};
    auto lent = f.acquire();
    int got = 0;
    std::thread waits{[&] { got = f.conns->acquire_fresh("a", f.dial())->id(); }};
    while (f.stats().waiting == 0) std::this_thread::yield();
    lent.give_back();
    waits.join();
    CHECK(got == 2);
    CHECK(f.far(1).closes == 1);
    f.check_sums(3);
}

TEST_CASE_TEMPLATE("retry_stale: a call that has failed on a reused connection is made once more, on a fresh one", Pool,
    idle_pool, open_pool, shards) {
    fixture<Pool> f;
    f.put("a", 2);
    auto peer = f.conns->get("a", f.dial());
    failing call{write_failed{}, 1};
    CHECK(peer.invoke(pool::retry_stale{if_nothing_was_sent}, call) == 3);
    CHECK(call.calls == 2);
    CHECK(f.far(1).closes == 1);
    CHECK(f.stats().discarded >= 1);
    CHECK(f.stats().checking == 0);
}

TEST_CASE("retry_stale: at the bound, the second call has the permit of the first") {
    fixture<open_pool> f{{}, {.max_open = 1, .max_waiting = 0}};
    f.put("a");
    auto peer = f.conns->get("a", f.dial());
    failing call{write_failed{}, 1};
    CHECK(peer.invoke(pool::retry_stale{if_nothing_was_sent}, call) == 2);
    f.check_sums(2);
}

TEST_CASE_TEMPLATE("retry_stale: it is not made again on a dialled one, or more than once, or if that is not safe",
    Pool, idle_pool, open_pool) {
    fixture<Pool> f;
    auto peer = f.conns->get("a", f.dial());
    const pool::retry_stale retry{if_nothing_was_sent};
    failing on_new{write_failed{}, 1};
    CHECK_THROWS_AS(peer.invoke(retry, on_new), write_failed);
    CHECK(on_new.calls == 1);
    f.put("a");
    failing twice{write_failed{}, 2};
    CHECK_THROWS_AS(peer.invoke(retry, twice), write_failed);
    CHECK(twice.calls == 2);
    f.put("a");
    failing unsafe{std::runtime_error{"it may have been executed"}, 1};
    CHECK_THROWS_WITH(peer.invoke(retry, unsafe), "it may have been executed");
    CHECK(unsafe.calls == 1);
    f.put("a");
    failing foreign{1, 1};
    CHECK_THROWS_AS(peer.invoke(retry, foreign), int);
    CHECK(foreign.calls == 1);
    CHECK(f.stats().idle == 0);
    CHECK(f.dials.open() == 0);
}

TEST_CASE_TEMPLATE(
    "retry_stale: what is no std::exception can be asked as an exception_ptr", Pool, idle_pool, open_pool) {
    fixture<Pool> f;
    f.put("a");
    auto peer = f.conns->get("a", f.dial());
    const pool::retry_stale retry{[](const std::exception_ptr& error) {
        try {
            std::rethrow_exception(error);
        } catch (int) {
            return true;
        } catch (...) {
            return false;
        }
    }};
    failing call{1, 1};
    CHECK(peer.invoke(retry, call) == 2);
    failing other{'x', 1};
    CHECK_THROWS_AS(peer.invoke(retry, other), char);
    CHECK(other.calls == 1);
}

TEST_CASE_TEMPLATE(
    "retry_stale: what a failed dial throws, or the predicate, is the caller's", Pool, idle_pool, open_pool) {
    fixture<Pool> f;
    f.put("a");
    auto peer = f.conns->get("a", f.dial());
    failing call{write_failed{}, 1};
    f.dials.next([](const auto&) { throw std::runtime_error{"refused"}; });
    CHECK_THROWS_WITH(peer.invoke(pool::retry_stale{if_nothing_was_sent}, call), "refused");
    CHECK(call.calls == 1);
    f.put("a");
    failing again{write_failed{}, 1};
    const pool::retry_stale throws{[](const std::exception&) -> bool { throw std::runtime_error{"cannot say"}; }};
    CHECK_THROWS_WITH(peer.invoke(throws, again), "cannot say");
    CHECK(f.dials.open() == 0);
}

TEST_CASE("retry_stale: the result may be void, or a value that cannot be copied") {
    fixture<idle_pool> f;
    auto peer = f.conns->get("a", f.dial());
    peer.invoke(pool::retry_stale{if_nothing_was_sent}, [](tended_connection& c) { c.use(); });
    CHECK(*peer.invoke(pool::retry_stale{if_nothing_was_sent},
              [](tended_connection& c) { return std::make_unique<int>(c.id()); }) == 1);
    CHECK(f.history(1) == "dialled for a, used, reset, checked, reset");
}

}  // namespace hooks_fresh_cases
