// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <support/ids.hpp>
#include <support/wait_queue.hpp>

// The end of a request: it is served, fails, is cancelled or is refused.

using namespace wait_queues;
using fake::ids;

TEST_CASE("admission: a request that is passed over keeps its place") {
    fixture f{strict({.max_open = 3, .max_open_per_key = 1})};
    auto& a = f.lent("a");
    auto& b = f.lent("b");
    auto& first = f.enqueue("a");
    auto& second = f.enqueue("b");
    auto& third = f.enqueue("c");
    CHECK(first.state() == request_state::held);
    CHECK(third.state() == request_state::dialing);
    f.give_back(b);
    CHECK(first.state() == request_state::held);
    CHECK(second.state() == request_state::lent);
    f.give_back(a);
    CHECK(first.state() == request_state::lent);
}

TEST_CASE("admission: a dialled connection is its own request's, and never passes to an older one") {
    fixture f{strict({.max_open = 2})};
    bool on_own_thread = false;
    SUBCASE("neither dials on its own thread") {}
    SUBCASE("both dial on their own threads") { on_own_thread = true; }
    auto& first = f.enqueue("a", on_own_thread);
    auto& second = f.enqueue("a", on_own_thread);
    auto& third = f.enqueue("a", on_own_thread);
    CHECK(f.dial_succeeded(second));
    CHECK(second.state() == request_state::lent);
    CHECK(first.state() == request_state::dialing);
    CHECK(third.state() == request_state::able);
    CHECK(f.dial_succeeded(first));
    CHECK(first.state() == request_state::lent);
    CHECK(third.state() == request_state::able);
}

TEST_CASE("admission: a request that does not dial on its own thread may be served before its dial is over") {
    fixture f{strict({.max_open = 2})};
    auto& lent = f.lent("a");
    auto& first = f.submit("a", false);
    CHECK(first.times == 0);
    CHECK(f.look(first) == request_state::may_dial);
    f.give_back(lent);
    CHECK(first.state() == request_state::lent);
    CHECK(first.times == 0);  // it is told after the step
    f.deliver();
    CHECK(first.times == 1);

    auto& second = f.enqueue("a");
    CHECK(second.state() == request_state::able);
    CHECK(f.queue.dialing() == 1);
    SUBCASE("then its connection goes to the next") {
        CHECK_FALSE(f.dial_succeeded(first));
        CHECK(second.state() == request_state::lent);
    }
    SUBCASE("or is closed, as room for an older request of another key") {
        f.cancel(second);
        auto& older = f.enqueue("b");
        auto& younger = f.enqueue("a");
        CHECK(older.state() == request_state::able);
        CHECK_FALSE(f.dial_succeeded(first));
        CHECK(f.closing() == ids{2});
        f.close_retired();
        CHECK(f.look(older) == request_state::may_dial);
        CHECK(younger.state() == request_state::able);
        f.dial_failed(older);
        f.cancel(younger);
    }
    SUBCASE("or its dial fails, and the next dials") {
        f.dial_failed(first, "no answer");
        CHECK(first.state() == request_state::lent);
        CHECK(f.look(second) == request_state::may_dial);
        f.dial_failed(second);
        CHECK(second.state() == request_state::failed);
    }
    CHECK(f.queue.dialing() == 0);
    f.deliver();
    CHECK(first.times == 1);
}

TEST_CASE(
    "admission: a request that does not dial on its own thread may take a connection that is unblocked meanwhile") {
    fixture f{strict({.max_open = 3})};
    auto& blocked = f.lent("a");
    f.far[1].blocked = true;
    f.give_back(blocked);
    auto& waits_for_its_dial = f.enqueue("a");
    CHECK_FALSE(f.queue.awaits_blocked());
    auto& dialing = f.enqueue("a", false);
    CHECK(f.queue.awaits_blocked());
    f.far[1].blocked = false;
    f.queue.begin_look_again();
    f.step([&](moment& now) { CHECK(f.queue.look_again(now)); });
    CHECK(dialing.state() == request_state::lent);
    CHECK(waits_for_its_dial.state() == request_state::dialing);
    CHECK_FALSE(f.queue.awaits_blocked());
    f.dial_failed(dialing);
    f.dial_failed(waits_for_its_dial);
}

TEST_CASE("admission: a dialled connection that no request wants becomes idle") {
    fixture f{strict({})};
    auto& first = f.enqueue("a", false);
    f.cancel(first);
    CHECK_FALSE(f.dial_succeeded(first));
    CHECK(f.queue.empty());
    CHECK(f.idle.stats().idle == 1);
}

TEST_CASE("admission: a request that is notified is not notified again before it has looked") {
    fixture f{strict({.max_open = 1})};
    auto& lent = f.lent("a");
    auto& first = f.enqueue("a", false);
    f.cancel(first);
    CHECK(first.times == 0);
    f.deliver();
    CHECK(first.times == 1);
    CHECK(first.is_notified());
    CHECK(f.queue.empty());
    CHECK(f.look(first) == request_state::cancelled);
    CHECK_FALSE(first.is_notified());
    f.deliver();
    CHECK(first.times == 1);

    auto& second = f.enqueue("a", false);
    f.capacity.patience = std::chrono::seconds{1};
    f.give_back(lent);
    CHECK(second.state() == request_state::nudged);
    f.deliver();
    f.time.advance(std::chrono::seconds{1});
    CHECK(f.lend("a") == nullptr);
    CHECK(second.state() == request_state::lent);
    f.deliver();
    CHECK(second.times == 1);
}

TEST_CASE("admission: cancelling a request that was not submitted does nothing") {
    fixture f{strict({.max_open = 1})};
    fixture::caller asking{false, fixture::never};
    f.cancel(asking);
    CHECK_FALSE(asking.is_submitted());
    f.deliver();
    CHECK(asking.times == 0);
}

TEST_CASE("admission: a request that could not be told is told after the next step") {
    fixture f{strict({.max_open = 1})};
    auto& lent = f.lent("a");
    auto& first = f.enqueue("a", false);
    first.has_memory = false;
    f.give_back(lent);
    f.deliver();
    f.deliver();
    CHECK(first.times == 2);
    first.has_memory = true;
    f.deliver();
    f.deliver();
    CHECK(first.times == 3);
    CHECK(f.look(first) == request_state::lent);
}

TEST_CASE("admission: a request that is refused tells what it saw, its own wait included, and leaves no trace [C17]") {
    fixture f{strict({.max_open_per_key = 1, .max_waiting = 2})};
    f.put("x");
    auto& first = f.enqueue("a");
    auto& second = f.enqueue("a");
    f.dial_failed(first, "no answer");
    CHECK(f.look(second) == request_state::may_dial);
    auto& third = f.enqueue("a");
    auto& fourth = f.enqueue("a");
    auto& fifth = f.enqueue("a");
    const auto check = [](const fixture::caller& refused, request_state state, std::size_t waiting) {
        CHECK(refused.state() == state);
        const pool::core::seen_figures& seen = refused.seen();
        CHECK(seen.idle == 1);
        CHECK(seen.lent == 0);
        CHECK(seen.dialing == 1);
        CHECK(seen.closing == 0);
        CHECK(seen.waiting == waiting);
        REQUIRE(seen.last_error);
        CHECK(*seen.last_error == "no answer");
    };
    check(fifth, request_state::queue_full, 3);
    f.cancel(third);
    check(third, request_state::cancelled, 2);
    f.cancel(fourth);
    check(fourth, request_state::cancelled, 1);
    f.dial_failed(second);
    CHECK(f.queue.empty());
    CHECK(f.idle.find(store::hashed{"a"}) == nullptr);
    CHECK(f.idle.stats().misses == 5);
}

TEST_CASE("admission: those for whom a connection is on its way do not count as waiting") {
    fixture f{strict({.max_open = 2, .max_waiting = 0})};
    SUBCASE("promised") {
        f.put("a");
        f.put("a");
        auto& first = f.enqueue("b");
        auto& second = f.enqueue("b");
        CHECK(first.state() == request_state::promised);
        CHECK(second.state() == request_state::promised);
    }
    SUBCASE("nudged") {
        f.capacity.patience = std::chrono::seconds{1};
        f.put("a");
        f.put("a");
        CHECK(f.submit("a").state() == request_state::nudged);
        CHECK(f.submit("a").state() == request_state::nudged);
    }
    auto& third = f.enqueue("c");
    CHECK(third.state() == request_state::queue_full);
    CHECK(f.queue.waiting() == 2);
}

TEST_CASE("admission: a caller that has to look again is not notified of what happens before") {
    fixture f{strict({.max_open = 2, .max_open_per_key = 1})};
    auto& blocked = f.lent("a");
    f.far[1].blocked = true;
    f.give_back(blocked);
    const auto soon = f.time.now() + std::chrono::milliseconds{1};
    for (int i = 0; i != 200; ++i) f.enqueue("a", true, soon);
    auto& asking = f.enqueue("a", false);
    f.time.advance(std::chrono::milliseconds{1});
    f.far[1].blocked = false;
    moment now{f.capacity, f.time, f.retired};
    CHECK(f.queue.look(asking, now) == request_state::held);
    CHECK(now.is_over());
    f.serve();
    f.deliver();
    CHECK(asking.state() == request_state::lent);
    CHECK(asking.times == 0);
    CHECK(f.look(asking) == request_state::lent);
}

TEST_CASE("admission: a request that is settled before it is admitted stays as it is") {
    fixture f{strict({.max_open = 1})};
    auto& lent = f.lent("a");
    auto& asking = f.submit("a");
    f.give_back(lent);
    CHECK(asking.state() == request_state::lent);
    f.queue.close();
    f.step([&](moment& now) { CHECK(f.queue.admit(asking, now)); });
    CHECK(asking.state() == request_state::lent);
}

TEST_CASE("admission: a request is not refused before it is known what is for it") {
    fixture f{strict({.max_open = 1})};
    f.lent("x");
    for (int i = 0; i != 300; ++i) f.enqueue(std::to_string(i).c_str());
    f.capacity = strict({.max_open = 400, .max_waiting = 0});
    f.queue.bounds_changed();  // a step looks at 128 queues
    CHECK(f.submit("z").state() == request_state::may_dial);
    CHECK(f.queue.waiting() == 0);
}

TEST_CASE("admission: at the end all requests are refused, those of a key in their order [C11]") {
    fixture f{strict({.max_open = 2})};
    auto& dials = f.enqueue("a");
    auto& also = f.enqueue("b", false);
    auto& waits = f.enqueue("c");
    f.step([&](moment&) { f.queue.close(); });
    CHECK(dials.state() == request_state::dialing);  // its thread has still to come back
    CHECK(also.state() == request_state::closed);
    CHECK(waits.state() == request_state::closed);
    CHECK(f.look(also) == request_state::closed);
    CHECK(f.enqueue("d").state() == request_state::closed);
    f.dial_failed(dials, nullptr, request_state::closed);
    CHECK(dials.state() == request_state::closed);
    f.dial_failed(also);
    CHECK(also.state() == request_state::closed);
    CHECK(f.queue.empty());
}
