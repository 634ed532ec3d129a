// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <list>
#include <string>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>

#include <support/observed_pool.hpp>
#include <support/requests.hpp>

// What the observer of a pool is told of its callers in the wait queue.

namespace observed {

struct waiting_fixture : fixture<open_pool> {
    using request_state = pool::core::request_state;
    using time_point = pool::manual_clock::time_point;

    /// A caller without a thread.
    struct caller final : requests::request<open_pool> {
        explicit caller(time_point deadline) : request{false, deadline} {}
        bool notified() noexcept override { return true; }
        bool is_stop_requested() const noexcept override { return stops; }
        bool stops = false;
    };

    explicit waiting_fixture(const pool::bounded_open& bounds) : fixture{bounds} {}

    caller& ask(const char* key = "a", time_point deadline = time_point::max()) {
        callers.emplace_back(deadline);
        requests::submit(*conns, callers.back(), key);
        return callers.back();
    }
    request_state look(caller& asking) { return requests::look(*conns, asking); }
    open_pool::lease_type lease_of(const caller& served) { return requests::lease_of(*conns, served); }

    std::list<caller> callers;
};

TEST_CASE("events: a caller that waits is told of, and how long it has waited when it is served [C29]") {
    waiting_fixture f{{.max_open = 1, .patience = 10ms}};
    auto lent = f.acquire();
    waiting_fixture::caller* asking = nullptr;
    CHECK(f.events_of([&] { asking = &f.ask(); }) == texts{"\"a\": queued"});
    f.clock.advance(3ms);
    SUBCASE("it is nudged, and looks") {
        CHECK(f.events_of([&] { lent.give_back(); }) ==
              texts{"\"a\": connection 1 given back after 3 ms", "\"a\": nudged"});
        f.clock.advance(1ms);
        CHECK(f.events_of([&] { CHECK(f.look(*asking) == pool::core::request_state::lent); }) ==
              texts{"\"a\": connection 1 lent, reused after 4 ms"});
        f.lease_of(*asking).give_back();
    }
    SUBCASE("it gets a permit, and dials") {
        lent.discard();
        CHECK(f.look(*asking) == pool::core::request_state::may_dial);
        f.clock.advance(9ms);
        CHECK(f.events_of([&] { requests::dial_succeeded(*f.conns, *asking, f.dial()); }).back() ==
              "\"a\": connection 2 lent, fresh after 3 ms");
        f.lease_of(*asking).give_back();
    }
}

TEST_CASE("events: a caller that is lent a connection when its patience is over") {
    waiting_fixture f{{.max_open = 1, .patience = 1ms}};
    auto lent = f.acquire();
    waiting_fixture::caller& asking = f.ask();
    f.clock.advance(2ms);
    CHECK(f.events_of([&] { lent.give_back(); }) ==
          texts{"\"a\": connection 1 given back after 2 ms", "\"a\": connection 1 lent, reused after 2 ms"});
    f.lease_of(asking).give_back();
}

TEST_CASE("events: the next caller has not waited because another one has") {
    waiting_fixture f{{.max_open = 1}};
    auto lent = f.acquire();
    waiting_fixture::caller& asking = f.ask();
    f.clock.advance(3ms);
    lent.give_back();
    (void)f.look(asking);
    f.lease_of(asking).give_back();
    CHECK(f.events_of([&] { f.acquire().give_back(); }).at(0) == "\"a\": connection 1 lent, reused");
}

TEST_CASE("events: a caller that is not served is told of, with its reason [C29]") {
    waiting_fixture f{{.max_open = 1, .max_waiting = 1}};
    auto lent = f.acquire();
    waiting_fixture::caller& asking = f.ask("a", f.clock.now() + 5ms);
    SUBCASE("timed out") {
        f.clock.advance(5ms);
        CHECK(f.events_of([&] { (void)f.look(asking); }) == texts{"\"a\": timed out after 5 ms"});
    }
    SUBCASE("a stop is requested") {
        asking.stops = true;
        f.clock.advance(1ms);
        CHECK(f.events_of([&] { (void)f.look(asking); }) == texts{"\"a\": cancelled after 1 ms"});
    }
    SUBCASE("cancelled") {
        CHECK(f.events_of([&] { requests::cancel(*f.conns, asking); }) == texts{"\"a\": cancelled"});
    }
    SUBCASE("too many wait") {
        CHECK(f.events_of([&] { (void)f.ask("b"); }) == texts{"\"b\": turned away: the wait queue is full"});
    }
    SUBCASE("closed") {
        CHECK(f.events_of([&] { f.conns->close(); }) == texts{"\"a\": turned away: the pool is closed"});
    }
    SUBCASE("paused") {
        CHECK(f.events_of([&] { f.conns->pause(); }) == texts{"\"a\": turned away: the pool is paused"});
    }
    SUBCASE("invalidated") {
        CHECK(f.events_of([&] { f.conns->invalidate({.fail_waiting = true}); }) ==
              texts{"\"a\": turned away: the pool was invalidated"});
    }
    if (pool::core::is_waiting(asking.state())) requests::cancel(*f.conns, asking);
}

TEST_CASE("events: a wait that a pause has interrupted is told as a whole") {
    waiting_fixture f{{.max_open = 1}};
    auto lent = f.acquire();
    waiting_fixture::caller& asking = f.ask();
    f.clock.advance(5ms);
    lent.discard();  // so it may dial
    f.conns->pause(pool::wait_for_resume);
    CHECK(f.look(asking) != pool::core::request_state::may_dial);
    f.clock.advance(3ms);
    f.conns->resume();
    REQUIRE(f.look(asking) == pool::core::request_state::may_dial);
    CHECK(f.events_of([&] { requests::dial_succeeded(*f.conns, asking, f.dial()); }).back() ==
          "\"a\": connection 2 lent, fresh after 8 ms");
    f.lease_of(asking).give_back();
}

TEST_CASE("events: the key of a caller outlives its queue") {
    std::string key;
    waiting_fixture f{{.max_open = 1}};
    auto lent = f.acquire("b");
    const std::string wanted = "a key that is longer than the buffer of a short string";
    waiting_fixture::caller& asking = f.ask(wanted.c_str());
    f.then = [&](const event& e) { key = e.key.text(); };
    requests::cancel(*f.conns, asking);  // nothing of the key is left in the pool then
    CHECK(key == '"' + wanted + '"');
    f.then = nullptr;
}

}  // namespace observed
