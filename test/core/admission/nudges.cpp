// SPDX-License-Identifier: BSL-1.0
#include <chrono>

#include <doctest/doctest.h>

#include <support/ids.hpp>
#include <support/wait_queue.hpp>

// Patience: a connection that comes back stays idle, and a request is nudged to look for it.

using namespace std::chrono_literals;
using namespace wait_queues;
using fake::ids;

TEST_CASE("admission: with patience, a connection that comes back stays idle, and the oldest request is nudged") {
    fixture f{bounds{.max_open = 1, .patience = 1ms}};
    auto& lent = f.lent("a");
    auto& first = f.enqueue("a");
    auto& second = f.enqueue("a");
    f.give_back(lent);
    CHECK(first.state() == request_state::nudged);
    CHECK(first.times == 1);
    CHECK(second.state() == request_state::able);
    CHECK(second.times == 0);
    CHECK(f.idle.stats().idle == 1);

    SUBCASE("it looks, and gets it") {
        CHECK(f.look(first) == request_state::lent);
        CHECK(f.queue.overtaken() == 0);
    }
    SUBCASE("a younger one looks before, and gets it") {
        CHECK(f.look(second) == request_state::lent);
        CHECK(f.queue.overtaken() == 1);
        CHECK(first.state() == request_state::able);
        CHECK(f.look(first) == request_state::able);  // and keeps its place
        f.give_back(second.lent());
        CHECK(first.state() == request_state::nudged);
    }
    SUBCASE("a caller that does not wait gets it") {
        auto* const taken = f.lend("a");
        REQUIRE(taken != nullptr);
        CHECK(f.queue.overtaken() == 1);
        CHECK(first.state() == request_state::able);
        CHECK(f.lend("a") == nullptr);
        f.give_back(*taken);
        CHECK(first.state() == request_state::nudged);
        CHECK(first.times == 1);  // it has not looked since
    }
    SUBCASE("it leaves, and the next one is nudged") {
        f.cancel(first);
        CHECK(second.state() == request_state::nudged);
        CHECK(second.times == 1);
        CHECK(f.look(second) == request_state::lent);
    }
    SUBCASE("the connection is closed, and the permit is its own") {
        f.clear();
        CHECK(first.state() == request_state::promised);
        f.close_retired();
        CHECK(first.state() == request_state::may_dial);
        CHECK(second.state() == request_state::able);
    }
    SUBCASE("the connection becomes blocked, and nobody is nudged for it") {
        f.far[1].blocked = true;
        CHECK(f.look(first) == request_state::able);
        f.far[1].blocked = false;
        CHECK(f.look(first) == request_state::lent);
    }
}

TEST_CASE("admission: as many are nudged as there are connections for them") {
    fixture f{bounds{.max_open = 2, .patience = 1ms}};
    auto& one = f.lent("a");
    auto& two = f.lent("a");
    auto& first = f.enqueue("a");
    auto& second = f.enqueue("a");
    auto& third = f.enqueue("a");
    f.give_back(one);
    f.give_back(two);
    CHECK(first.state() == request_state::nudged);
    CHECK(second.state() == request_state::nudged);
    CHECK(third.state() == request_state::able);
    CHECK(f.look(second) == request_state::lent);
    CHECK(first.state() == request_state::nudged);
    CHECK(f.look(third) == request_state::lent);
    CHECK(first.state() == request_state::able);
    CHECK(f.queue.overtaken() == 2);
}

TEST_CASE("admission: a nudged request uses up no room of its key") {
    fixture f{bounds{.max_open = 2, .max_open_per_key = 2, .patience = 1ms}};
    auto& own = f.lent("a");
    auto& other = f.lent("b");
    auto& first = f.enqueue("a");
    auto& second = f.enqueue("a");
    auto& third = f.enqueue("b");
    CHECK(second.state() == request_state::held);
    f.give_back(own);
    CHECK(first.state() == request_state::nudged);
    CHECK(second.state() == request_state::able);
    f.step([&](moment& now) { f.idle.discard(other, now.retired); });
    f.close_oldest();
    CHECK(second.state() == request_state::may_dial);
    CHECK(third.state() == request_state::able);
}

TEST_CASE(
    "admission: a connection that no nudged request is to take is for the oldest of the others, also if it dials") {
    fixture f{bounds{.max_open = 2, .patience = 1ms}};
    auto& one = f.lent("a");
    auto& two = f.lent("a");
    auto& first = f.enqueue("a");
    auto& dialing = f.enqueue("a", false);
    auto& last = f.enqueue("a");
    f.give_back(one);
    CHECK(first.state() == request_state::nudged);
    f.reconfigure(bounds{.max_open = 3, .patience = 1ms});
    f.deliver();
    CHECK(f.look(dialing) == request_state::may_dial);
    f.give_back(two);
    CHECK(dialing.state() == request_state::lent);
    CHECK(last.state() == request_state::able);
    CHECK_FALSE(f.dial_succeeded(dialing));
    CHECK(last.state() == request_state::nudged);
}

TEST_CASE("admission: who has waited for the patience is handed the connection") {
    fixture f{bounds{.max_open = 1, .patience = 1ms}};
    auto& lent = f.lent("a");
    auto& first = f.enqueue("a");
    SUBCASE("not just before") {
        f.time.advance(1ms - 1ns);
        f.give_back(lent);
        CHECK(first.state() == request_state::nudged);
        f.time.advance(1ns);
        CHECK(f.lend("a") == nullptr);  // from now on a newcomer does not overtake
    }
    SUBCASE("but then") {
        f.time.advance(1ms);
        f.give_back(lent);
    }
    CHECK(first.state() == request_state::lent);
    CHECK(f.queue.overtaken() == 0);
}

TEST_CASE("admission: with a patience of zero nobody overtakes") {
    fixture f{bounds{.max_open = 1, .patience = 0ms}};
    auto& lent = f.lent("a");
    auto& first = f.enqueue("a");
    auto& second = f.enqueue("a");
    f.give_back(lent);
    CHECK(first.state() == request_state::lent);
    CHECK(f.lend("a") == nullptr);
    f.give_back(first.lent());
    CHECK(second.state() == request_state::lent);
    CHECK(f.queue.overtaken() == 0);
}

TEST_CASE("admission: a connection that could not stay idle is handed over at once") {
    fixture f{bounds{.max_open = 2, .patience = 1ms}};
    SUBCASE("none may be idle") { f.capacity.max_idle = 0; }
    SUBCASE("none of the key may be idle") { f.capacity.max_idle_per_key = 0; }
    SUBCASE("as many are idle as may be [C2]") {
        f.capacity.max_idle = 1;
        f.put("b");
    }
    auto& lent = f.lent("a");
    f.capacity.max_open_per_key = 1;
    auto& first = f.enqueue("a");
    REQUIRE(first.state() == request_state::held);
    f.give_back(lent);
    CHECK(first.state() == request_state::lent);
    CHECK(f.closing().empty());
}

TEST_CASE("admission: a request that dials, and can take a connection, is not nudged but gets it at once") {
    fixture f{bounds{.max_open = 2, .patience = 1h}};
    auto& lent = f.lent("a");
    auto& dials = f.enqueue("a", false);
    auto& waits = f.enqueue("a");
    f.give_back(lent);
    CHECK(dials.state() == request_state::lent);
    CHECK(waits.state() == request_state::able);
    CHECK_FALSE(f.dial_succeeded(dials));
    CHECK(waits.state() == request_state::nudged);
}

TEST_CASE("admission: a connection that a nudged request is to take makes no room for another key") {
    fixture f{bounds{.max_open = 2, .patience = 1h}};
    auto& one = f.lent("a");
    auto& two = f.lent("a");
    auto& first = f.enqueue("a");
    f.give_back(one);
    auto& other = f.enqueue("b");
    CHECK(other.state() == request_state::able);
    CHECK(f.closing().empty());
    SUBCASE("but a second one does") {
        f.give_back(two);
        CHECK(f.closing() == ids{1});  // the oldest: either will do for the nudged one
        CHECK(first.state() == request_state::nudged);
        CHECK(other.state() == request_state::promised);
    }
    SUBCASE("and one does that it does not take any more") {
        f.cancel(first);
        CHECK(f.closing() == ids{1});
        CHECK(other.state() == request_state::promised);
    }
}

TEST_CASE("admission: who has given up is passed over") {
    fixture f{bounds{.max_open = 1, .patience = 1ms}};
    auto& lent = f.lent("a");
    auto& late = f.enqueue("a", true, f.time.now() + 1ms);
    auto& stopped = f.enqueue("a");
    auto& next = f.enqueue("a");
    f.time.advance(1ms);
    stopped.is_stopped = true;
    SUBCASE("by a connection") {
        f.give_back(lent);
        CHECK(next.state() == request_state::lent);
    }
    SUBCASE("by a permit") {
        f.step([&](moment& now) { f.idle.discard(lent, now.retired); });
        f.close_retired();
        CHECK(next.state() == request_state::may_dial);
    }
    SUBCASE("by a nudge") {
        f.capacity.patience = 1s;
        f.give_back(lent);
        CHECK(next.state() == request_state::nudged);
    }
    CHECK(late.state() == request_state::timed_out);
    CHECK(stopped.state() == request_state::cancelled);
    CHECK(late.times == 1);
    CHECK(stopped.times == 1);
}

TEST_CASE("admission: the waits are counted, of those that were served and of those that were not") {
    fixture f{bounds{.max_open = 1, .patience = 1ms}};
    auto& lent = f.lent("a");
    auto& first = f.enqueue("a");
    f.time.advance(2s);
    auto& second = f.enqueue("a");
    f.time.advance(1s);
    CHECK(f.queue.total_wait() == 0s);
    f.cancel(second);
    CHECK(f.queue.total_wait() == 1s);
    CHECK(f.queue.longest_wait() == 1s);
    f.give_back(lent);
    REQUIRE(first.state() == request_state::lent);
    CHECK(f.queue.total_wait() == 4s);
    CHECK(f.queue.longest_wait() == 3s);

    auto& third = f.enqueue("b");
    f.time.advance(clock::duration::max());
    f.cancel(third);
    CHECK(f.queue.total_wait() == clock::duration::max());  // at most [C18]
    CHECK(f.queue.longest_wait() == clock::duration::max() - 3s);
}
