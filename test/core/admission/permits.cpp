// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <support/ids.hpp>
#include <support/wait_queue.hpp>

// Which request may open a connection, and what is closed to make room for it. The tests of a bounded pool show
// what a pool makes of this.

using namespace wait_queues;
using fake::ids;

TEST_CASE("admission: a permit that is free is given at once") {
    fixture f{strict({.max_open = 1})};
    auto& first = f.submit("a");
    CHECK(first.state() == request_state::may_dial);
    CHECK(first.key() == "a");
    CHECK(first.times == 0);  // its caller looks anyway
    CHECK(f.look(first) == request_state::may_dial);
    CHECK(first.state() == request_state::dialing);
    auto& second = f.enqueue("a");
    CHECK(second.state() == request_state::able);
    CHECK(f.queue.waiting() == 1);
    CHECK(f.queue.dialing() == 1);
    CHECK(f.dial_succeeded(first));
    CHECK(first.state() == request_state::lent);
    CHECK(f.queue.dialing() == 0);
    CHECK(f.queue.open_count() == 1);
}

TEST_CASE("admission: room is made once for each request, of the longest idle connections of other keys") {
    fixture f{strict({.max_open = 3})};
    f.put("a");
    f.put("b");
    f.put("c");
    auto& first = f.submit("b");
    CHECK(first.state() == request_state::lent);
    auto& second = f.enqueue("d");
    auto& third = f.enqueue("d");
    CHECK(f.closing() == ids{1, 3});
    f.serve();
    CHECK(f.closing() == ids{1, 3});
    CHECK(second.state() == request_state::promised);
    CHECK(third.state() == request_state::promised);
    f.close_oldest();
    CHECK(second.state() == request_state::may_dial);
    CHECK(third.state() == request_state::promised);
    f.close_oldest();
    CHECK(third.state() == request_state::may_dial);
}

TEST_CASE("admission: what a nudged request is to take is not closed to make room, but a blocked connection is") {
    fixture f{bounds{.max_open = 2, .patience = std::chrono::seconds{1}}};
    auto& one = f.lent("a");
    auto& two = f.lent("a");
    auto& first = f.enqueue("a");
    f.give_back(one);
    CHECK(first.state() == request_state::nudged);
    f.far[2].blocked = true;
    f.give_back(two);
    auto& other = f.enqueue("b");
    CHECK(other.state() == request_state::promised);
    CHECK(f.closing() == ids{2});
    CHECK(f.look(first) == request_state::lent);
    CHECK(first.lent().conn().id() == 1);
}

TEST_CASE("admission: the search for one of too many idle connections goes on in a step of its own") {
    fixture f{bounds{}};
    std::vector<store::entry*> others;
    for (int i = 0; i != 300; ++i) f.put(std::to_string(i).c_str());
    for (int i = 0; i != 300; ++i) others.push_back(f.lend(std::to_string(i).c_str()));
    f.put("a");
    auto& last = f.lent("b");
    f.capacity.max_idle = 1;
    moment now{f.capacity, f.time, f.retired};
    f.queue.give_back(last, pool::core::no_time{}, now);
    CHECK(now.is_over());
    CHECK(f.idle.stats().idle == 2);
    f.serve();
    CHECK(f.idle.stats().idle == 1);
    CHECK(f.closing() == ids{301});
}

TEST_CASE("admission: the one idle connection of a key is closed to make room for an older request of another") {
    fixture f{strict({.max_open = 1})};
    SUBCASE("with patience") { f.capacity.patience = std::chrono::seconds{1}; }
    SUBCASE("without") {}
    auto& lent = f.lent("a");
    auto& older = f.enqueue("b");
    auto& younger = f.enqueue("a");
    f.give_back(lent);
    CHECK(f.closing() == ids{1});
    CHECK(older.state() == request_state::promised);
    f.close_retired();
    CHECK(older.state() == request_state::may_dial);
    CHECK(younger.state() == request_state::able);
}

TEST_CASE("admission: a blocked connection of the oldest request's own key makes room for the next key") {
    fixture f{strict({.max_open = 1})};
    f.put("a");
    f.far[1].blocked = true;
    auto& first = f.enqueue("a");
    CHECK(first.state() == request_state::able);
    CHECK(f.closing().empty());
    auto& second = f.enqueue("b");
    CHECK(f.closing() == ids{1});
    CHECK(first.state() == request_state::promised);  // the older one gets the permit
    CHECK(second.state() == request_state::able);
    f.close_retired();
    CHECK(first.state() == request_state::may_dial);
}

TEST_CASE("admission: a permit that has not been used is free when its request is served or cancelled") {
    fixture f{strict({.max_open = 2, .max_open_per_key = 1})};
    auto& lent = f.lent("b");
    auto& first = f.submit("a", false);
    CHECK(first.state() == request_state::may_dial);
    auto& second = f.enqueue("c");
    CHECK(second.state() == request_state::able);
    SUBCASE("cancelled") {
        f.cancel(first);
        CHECK(first.state() == request_state::cancelled);
        CHECK(second.state() == request_state::may_dial);
    }
    SUBCASE("found to have given up") {
        first.is_stopped = true;
        CHECK(f.look(first) == request_state::cancelled);
        CHECK(second.state() == request_state::may_dial);
    }
    SUBCASE("served, by a connection that comes from elsewhere") {
        f.put("a");
        CHECK(first.state() == request_state::lent);
        CHECK(second.state() == request_state::able);
        CHECK(f.queue.dialing() == 0);
        f.give_back(lent);
        CHECK(second.state() == request_state::promised);
        f.close_retired();
        CHECK(second.state() == request_state::may_dial);
    }
    CHECK(f.queue.dialing() == 1);
    f.cancel(second);
    CHECK(f.queue.dialing() == 0);
}

TEST_CASE("admission: a dial whose caller has left is good for nobody who waits, and holds its permit") {
    fixture f{strict({.max_open = 2})};
    auto& first = f.enqueue("a", false);
    f.cancel(first);
    CHECK(first.state() == request_state::cancelled);
    CHECK(f.queue.dialing() == 1);
    auto& second = f.enqueue("a");
    CHECK(second.state() == request_state::dialing);
    auto& third = f.enqueue("a");
    CHECK(third.state() == request_state::able);
    CHECK(f.queue.dialing() == 2);
    CHECK_FALSE(f.dial_succeeded(first));
    CHECK(third.state() == request_state::lent);  // its connection comes back
    CHECK(f.dial_succeeded(second));
}

TEST_CASE("admission: a connection that is being closed beyond the bound makes no room") {
    fixture f{strict({.max_open = 1})};
    f.put("a");
    auto& beyond = f.lent("c");
    f.step([&](moment& now) { f.idle.refuse(beyond, pool::retirement::refused, now.retired); });
    auto& waits = f.enqueue("b");
    CHECK(waits.state() == request_state::promised);
    CHECK(f.closing() == ids{2, 1});
    f.close_oldest();
    CHECK(waits.state() == request_state::promised);
    f.close_oldest();
    CHECK(waits.state() == request_state::may_dial);
}

TEST_CASE("admission: permits that will be free are promised to the oldest requests of all keys") {
    fixture f{strict({.max_open = 2})};
    for (auto* each : {&f.lent("x"), &f.lent("x")})
        f.step([&](moment& now) { f.idle.discard(*each, now.retired); });
    auto& first = f.enqueue("a");
    auto& second = f.enqueue("b");
    auto& third = f.enqueue("a");
    CHECK(f.queue.promised() == 2);
    CHECK(second.state() == request_state::promised);
    CHECK(third.state() == request_state::able);
    SUBCASE("the next one is promised it when one of them leaves") {
        f.cancel(first);
        CHECK(third.state() == request_state::promised);
        f.close_oldest();
        CHECK(second.state() == request_state::may_dial);
        CHECK(third.state() == request_state::promised);
    }
    SUBCASE("the youngest loses it when the bound shrinks") {
        f.reconfigure(strict({.max_open = 1}));
        CHECK(first.state() == request_state::promised);
        CHECK(second.state() == request_state::able);
        f.close_oldest();
        CHECK(first.state() == request_state::promised);
        f.close_oldest();
        CHECK(first.state() == request_state::may_dial);
        CHECK(second.state() == request_state::able);
    }
    SUBCASE("those of them are told, the oldest first, for whom somebody should close") {
        const int before = first.times;
        f.step([&](moment&) { f.queue.call_to_close(1, 0, 1); });
        CHECK(first.times == before + 1);
        CHECK(second.times == 0);
        CHECK(f.look(first) == request_state::promised);
    }
}

TEST_CASE("admission: the dials of a key have a bound of their own") {
    fixture f{strict({.max_dials_per_key = 1})};
    auto& first = f.enqueue("a");
    auto& second = f.enqueue("a");
    auto& other = f.enqueue("b");
    CHECK(second.state() == request_state::held);
    CHECK(other.state() == request_state::dialing);
    CHECK(f.dial_succeeded(first));
    CHECK(f.look(second) == request_state::may_dial);
    f.dial_failed(second);
    f.dial_failed(other);
    CHECK(f.queue.dialing() == 0);
}

TEST_CASE("admission: the requests of a key fit new bounds in steps, and nothing is given before") {
    fixture f{strict({.max_open = 2, .max_open_per_key = 1})};
    f.lent("a");
    auto& other = f.lent("b");
    for (int i = 0; i != 1000; ++i) f.enqueue("a");
    const auto able = [&] {
        std::size_t count = 0;
        for (const auto& each : f.callers) count += each->state() == request_state::able;
        return count;
    };
    const auto one_step = [&] {
        moment now{f.capacity, f.time, f.retired};
        f.queue.serve(now);
        return now.is_over();
    };
    f.capacity = strict({.max_open = 2});
    f.queue.bounds_changed();
    CHECK(one_step());
    CHECK(able() == moment::batch);
    f.serve();
    CHECK(able() == 1000);

    f.capacity = strict({.max_open = 3, .max_open_per_key = 1});
    f.queue.bounds_changed();
    CHECK(one_step());
    CHECK(able() == 1000 - moment::batch);
    f.give_back(other);  // serves all of them
    CHECK(able() == 0);
    CHECK(f.queue.dialing() == 0);
}

TEST_CASE("admission: nothing is given before all queues fit new bounds") {
    fixture f{strict({.max_open = 2, .max_open_per_key = 2})};
    f.lent("a");
    f.lent("b");
    auto& first = f.enqueue("a");
    auto& second = f.enqueue("b");
    CHECK(first.state() == request_state::able);
    CHECK(second.state() == request_state::able);
    f.reconfigure(strict({.max_open = 4, .max_open_per_key = 1}));
    CHECK(first.state() == request_state::held);
    CHECK(second.state() == request_state::held);
    CHECK(f.queue.dialing() == 0);
    f.reconfigure(strict({.max_open = 3, .max_open_per_key = 2}));
    CHECK(first.state() == request_state::may_dial);
    CHECK(second.state() == request_state::able);
}

TEST_CASE("admission: a step that has used up its batch goes on with another one [C10]") {
    constexpr std::size_t many = 1'000;
    fixture f{strict({.max_open = 1})};
    auto& lent = f.lent("x");
    std::vector<fixture::caller*> all;
    for (std::size_t i = 0; i != many; ++i) all.push_back(&f.enqueue(std::to_string(i % 300).c_str()));
    SUBCASE("bounds that grow") {
        f.reconfigure(strict({}));
        CHECK(f.queue.dialing() == many);
        for (auto* each : all) CHECK(each->state() == request_state::may_dial);
    }
    SUBCASE("callers that have given up") {
        for (auto* each : all) each->is_stopped = true;
        auto& last = f.enqueue("x");
        f.give_back(lent);
        for (auto* each : all) CHECK(each->state() == request_state::cancelled);
        CHECK(last.state() == request_state::lent);
    }
    SUBCASE("the end of the pool") {
        f.step([&](moment&) { f.queue.close(); });
        for (auto* each : all) CHECK(each->state() == request_state::closed);
    }
    CHECK(f.queue.waiting() == 0);
}
