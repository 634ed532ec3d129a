// SPDX-License-Identifier: BSL-1.0
#include <memory>
#include <string>

#include <doctest/doctest.h>

#include <support/ids.hpp>
#include <support/wait_queue.hpp>

// The end of a request: it is served, fails, is cancelled or is refused.

using namespace wait_queues;
using fake::ids;
using pool::core::request_state;

TEST_CASE("admission: a request that is passed over keeps its place") {
    fixture f{bounds{.max_open = 3, .max_open_per_key = 1}};
    auto& a = f.lent("a");
    auto& b = f.lent("b");
    auto& first = f.enqueue("a");
    auto& second = f.enqueue("b");
    auto& third = f.enqueue("c");
    CHECK(first.state() == request_state::waiting);
    CHECK(third.state() == request_state::dialing);
    f.give_back(b);
    CHECK(first.state() == request_state::waiting);
    CHECK(second.state() == request_state::lent);
    f.give_back(a);
    CHECK(first.state() == request_state::lent);
}

TEST_CASE("admission: a dialled connection goes to the oldest request of its key that can take it") {
    fixture f{bounds{}};
    SUBCASE("neither dials on its own thread") {
        auto& first = f.enqueue("a", false);
        auto& second = f.enqueue("a", false);
        CHECK(f.dial_succeeded(second));
        CHECK(first.state() == request_state::lent);
        CHECK(second.state() == request_state::waiting);
        CHECK_FALSE(f.dial_succeeded(first));
        CHECK(second.state() == request_state::lent);
    }
    SUBCASE("both dial on their own threads") {
        auto& first = f.enqueue("a");
        auto& second = f.enqueue("a");
        CHECK(f.dial_succeeded(second));
        CHECK(second.state() == request_state::lent);
        CHECK(f.dial_succeeded(first));
        CHECK(first.state() == request_state::lent);
    }
    f.queue.take_notifications().deliver();
}

TEST_CASE("admission: a request that does not dial on its own thread may be served before its dial is over") {
    fixture f{bounds{.max_open = 2}};
    auto& lent = f.lent("a");
    auto& first = f.enqueue("a", false);
    CHECK(first.times == 0);
    f.queue.take_notifications().deliver();
    CHECK(first.times == 1);
    CHECK(f.queue.poll(first) == request_state::dialing);
    f.give_back(lent);
    CHECK(first.state() == request_state::lent);
    CHECK_FALSE(f.queue.is_wanted(store::hashed{"a"}));

    auto& second = f.enqueue("a");
    CHECK(second.state() == request_state::waiting);  // the dial of the first is for it
    CHECK(f.queue.dialing() == 1);
    SUBCASE("then its connection goes to the next") {
        CHECK_FALSE(f.dial_succeeded(first));
        CHECK(second.state() == request_state::lent);
    }
    SUBCASE("or is closed, as room for an older request of another key") {
        f.queue.cancel(second);
        auto& older = f.enqueue("b");
        auto& younger = f.enqueue("a");
        CHECK(older.state() == request_state::waiting);
        CHECK_FALSE(f.dial_succeeded(first));
        CHECK(f.closing() == ids{2});
        f.close_retired();
        f.serve();
        CHECK(older.state() == request_state::dialing);
        CHECK(younger.state() == request_state::waiting);
        f.queue.dial_failed(older, request_state::failed, nullptr);
    }
    SUBCASE("or its dial fails, and the next dials") {
        f.queue.dial_failed(first, request_state::failed, std::make_shared<const std::string>("no answer"));
        CHECK(first.state() == request_state::lent);
        f.serve();
        CHECK(second.state() == request_state::dialing);
        f.queue.dial_failed(second, request_state::failed, nullptr);
        CHECK(second.state() == request_state::failed);
    }
    CHECK(f.queue.dialing() == 0);
    f.queue.take_notifications().deliver();
}

TEST_CASE("admission: a dialled connection that no request wants is not taken") {
    fixture f{bounds{}};
    auto& first = f.enqueue("a", false);
    f.queue.take_notifications().deliver();
    f.queue.poll(first);
    f.queue.cancel(first);
    CHECK_FALSE(f.dial_succeeded(first));
    CHECK(f.queue.empty());
    f.queue.take_notifications().deliver();
}

TEST_CASE("admission: a request that is notified is not notified again before it has been polled") {
    fixture f{bounds{.max_open = 1}};
    auto& first = f.enqueue("a", false);
    f.queue.cancel(first);
    f.queue.take_notifications().deliver();
    CHECK(first.times == 1);
    CHECK(f.queue.dialing() == 0);
    CHECK(f.queue.empty());
    CHECK(f.queue.poll(first) == request_state::cancelled);
    f.queue.take_notifications().deliver();
    CHECK(first.times == 1);
}

TEST_CASE("admission: a request that is cancelled gets the last error of its key, and leaves no trace [C17]") {
    fixture f{bounds{.max_open_per_key = 2}};
    f.lent("a");
    auto& first = f.enqueue("a");
    auto& second = f.enqueue("a");
    f.queue.dial_failed(first, request_state::failed, std::make_shared<const std::string>("no answer"));
    CHECK(f.queue.waiting(store::hashed{"a"}) == 1);
    f.queue.cancel(second);
    CHECK(second.state() == request_state::cancelled);
    REQUIRE(second.last_error());
    CHECK(*second.last_error() == "no answer");
    CHECK(f.queue.empty());
    CHECK(f.idle.stats().misses == 2);
}

TEST_CASE("admission: at the end all requests are refused, the oldest first") {
    fixture f{bounds{.max_open = 2}};
    auto& dials = f.enqueue("a");
    auto& also = f.enqueue("b", false);
    auto& waits = f.enqueue("c");
    f.queue.refuse_all();
    CHECK(dials.state() == request_state::dialing);  // its thread has still to come back
    CHECK(also.state() == request_state::closed);
    CHECK(waits.state() == request_state::closed);
    f.queue.take_notifications().deliver();
    CHECK(f.queue.poll(also) == request_state::closed);
    f.queue.dial_failed(dials, request_state::closed, nullptr);
    CHECK(f.queue.empty());
}
