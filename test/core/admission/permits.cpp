// SPDX-License-Identifier: BSL-1.0
#include <doctest/doctest.h>

#include <support/ids.hpp>
#include <support/wait_queue.hpp>

// Which request may open a connection, and what is closed to make room for it. The tests of a bounded pool show
// what a pool makes of this.

using namespace wait_queues;
using fake::ids;
using pool::core::request_state;

TEST_CASE("admission: a permit that is free is given at once") {
    fixture f{bounds{.max_open = 1}};
    auto& first = f.enqueue("a");
    CHECK(first.state() == request_state::dialing);
    CHECK(first.times == 1);
    CHECK(first.key() == "a");
    auto& second = f.enqueue("a");
    CHECK(second.state() == request_state::waiting);
    CHECK(f.queue.waiting() == 1);
    CHECK(f.queue.dialing() == 1);
    CHECK(f.dial_succeeded(first));
    CHECK(first.state() == request_state::lent);
    CHECK(f.queue.dialing() == 0);
    CHECK(f.queue.open_count() == 1);
}

TEST_CASE("admission: room is made once for each request, of the longest idle connections of other keys") {
    fixture f{bounds{.max_open = 3}};
    f.put("a");
    f.put("b");
    f.put("c");
    auto& first = f.enqueue("b");
    CHECK(first.state() == request_state::lent);
    auto& second = f.enqueue("d");
    auto& third = f.enqueue("d");
    CHECK(f.closing() == ids{1, 3});
    f.serve();
    CHECK(f.closing() == ids{1, 3});
    CHECK(second.state() == request_state::waiting);
    f.close_retired();
    f.serve();
    CHECK(second.state() == request_state::dialing);
    CHECK(third.state() == request_state::dialing);
}

TEST_CASE("admission: the one idle connection of a key is closed to make room for an older request of another") {
    fixture f{bounds{.max_open = 1}};
    auto& lent = f.lent("a");
    auto& older = f.enqueue("b");
    auto& younger = f.enqueue("a");
    f.give_back(lent);
    CHECK(f.closing() == ids{1});
    f.close_retired();
    f.serve();
    CHECK(older.state() == request_state::dialing);
    CHECK(younger.state() == request_state::waiting);
}

TEST_CASE("admission: a permit that has not been used is free when its request is served or cancelled") {
    fixture f{bounds{.max_open = 2, .max_open_per_key = 1}};
    auto& lent = f.lent("b");
    auto& first = f.enqueue("a", false);
    CHECK(first.state() == request_state::dialing);
    auto& second = f.enqueue("c");
    CHECK(second.state() == request_state::waiting);
    SUBCASE("cancelled") { f.queue.cancel(first); }
    SUBCASE("served, which an older request notices") {
        // The bound of the key has grown, and a connection has come from elsewhere.
        f.capacity.max_open_per_key = 2;
        auto& third = f.enqueue("a", false);
        CHECK(third.state() == request_state::waiting);
        f.queue.cancel(third);
        f.put("a");
        CHECK(first.state() == request_state::lent);
    }
    f.serve();
    CHECK(f.queue.dialing() == (second.state() == request_state::dialing ? 1 : 0));
    f.give_back(lent);
    f.close_retired();
    f.serve();
    CHECK(second.state() == request_state::dialing);
    f.queue.dial_failed(second, request_state::failed, nullptr);
    f.queue.take_notifications().deliver();
}

TEST_CASE("admission: a spare dial does not keep a free permit from those that wait") {
    fixture f{bounds{.max_open = 3}};
    auto& first = f.enqueue("a", false);
    f.queue.take_notifications().deliver();
    f.queue.poll(first);
    f.queue.cancel(first);
    auto& second = f.enqueue("a");
    CHECK(second.state() == request_state::dialing);
    CHECK(f.queue.dialing() == 2);
    CHECK_FALSE(f.dial_succeeded(first));
    CHECK(f.dial_succeeded(second));
    f.queue.take_notifications().deliver();
}

TEST_CASE("admission: a connection that is being closed beyond the bound makes no room") {
    fixture f{bounds{.max_open = 1}};
    f.put("a");
    store::entries refused;
    f.idle.refuse(f.lent("c"), refused);
    auto& waits = f.enqueue("b");
    CHECK(waits.state() == request_state::waiting);
    CHECK(f.closing() == ids{1});
    f.close(refused);
}

TEST_CASE("admission: the dials of a key have a bound of their own") {
    fixture f{bounds{.max_dials_per_key = 1}};
    auto& first = f.enqueue("a");
    auto& second = f.enqueue("a");
    auto& other = f.enqueue("b");
    CHECK(second.state() == request_state::waiting);
    CHECK(other.state() == request_state::dialing);
    CHECK(f.dial_succeeded(first));
    f.serve();
    CHECK(second.state() == request_state::dialing);
    f.queue.dial_failed(second, request_state::failed, nullptr);
    f.queue.dial_failed(other, request_state::failed, nullptr);
}
