// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <vector>

#include <doctest/doctest.h>

#include <support/ids.hpp>
#include <support/wait_queue.hpp>

// A caller that waits closes a connection itself, for its permit. Its request takes no other part meanwhile.

using namespace std::chrono_literals;
using namespace wait_queues;
using fake::ids;

namespace {

/// As many connections are open as may be. A caller of "c" closes the idle one, of "a".
struct closes : fixture {
    using deadline = wait_queues::clock::time_point;

    explicit closes(bounds chosen, const std::vector<const char*>& keys_of_lent, deadline until = never)
        : fixture{chosen} {
        put("a");
        for (const char* const key : keys_of_lent) others.push_back(&lent(key));
        first = &enqueue("c", true, until);
        CHECK(closing() == ids{1});
        CHECK(first->state() == request_state::promised);
        gone = &begin_close(*first);
        CHECK(first->state() == request_state::closing);
    }
    void end_close() { fixture::end_close(*first, *gone); }

    std::vector<store::entry*> others;
    store::entry* gone = nullptr;
    caller* first = nullptr;
};

}  // namespace

TEST_CASE("admission: a caller that closes a connection gets its permit, and no other") {
    closes f{strict({.max_open = 2}), {"b"}};
    auto& second = f.enqueue("d");
    CHECK(f.queue.waiting() == 2);
    f.give_back(*f.others[0]);  // closed for the second one, although the first is older
    CHECK(second.state() == request_state::promised);
    f.close_oldest();
    CHECK(second.state() == request_state::may_dial);
    CHECK(f.first->state() == request_state::closing);
    CHECK(f.look(*f.first) == request_state::closing);

    f.end_close();
    CHECK(f.first->state() == request_state::may_dial);
    CHECK(f.queue.waiting() == 0);
    CHECK(f.queue.open_count() == 2);
    CHECK(f.look(*f.first) == request_state::may_dial);
}

TEST_CASE("admission: a caller that closes a connection is not nudged, and is lent nothing") {
    closes f{bounds{.max_open = 2, .patience = 1ms}, {"c"}};
    auto& second = f.enqueue("c");
    f.give_back(*f.others[0]);
    CHECK(second.state() == request_state::nudged);
    CHECK(f.look(second) == request_state::lent);
    f.end_close();
    CHECK(f.first->state() == request_state::may_dial);
}

TEST_CASE("admission: a caller that closes a connection holds up no other of its key") {
    closes f{strict({.max_open = 3, .max_open_per_key = 1, .max_dials_per_key = 1}), {"b", "d"}};
    auto& second = f.enqueue("c");
    CHECK(second.state() == request_state::able);
    f.give_back(*f.others[0]);
    f.close_oldest();
    CHECK(f.look(second) == request_state::may_dial);
    f.end_close();
    CHECK(f.first->state() == request_state::held);  // it has come too late
    f.dial_failed(second);
    CHECK(f.first->state() == request_state::may_dial);
}

TEST_CASE("admission: a caller that closes a connection is not one of too many") {
    closes f{strict({.max_open = 2, .max_waiting = 1}), {"b"}};
    CHECK(f.enqueue("d").state() == request_state::able);
    CHECK(f.enqueue("e").state() == request_state::queue_full);
}

TEST_CASE("admission: while callers close, the next ones are told, the oldest first") {
    fixture f{strict({.max_open = 3})};
    for (int i = 0; i != 3; ++i) f.put("a");
    auto& first = f.enqueue("b");
    auto& second = f.enqueue("b");
    auto& third = f.enqueue("b");
    CHECK(f.closing() == ids{1, 2, 3});
    const auto call = [&](std::size_t unclosed, std::size_t fresh = 0, std::size_t most = 128) {
        f.step([&](moment&) { f.queue.call_to_close(unclosed, fresh, most); });
        return ids{first.times, second.times, third.times};
    };
    CHECK(call(1) == ids{1, 0, 0});
    CHECK(call(1) == ids{1, 0, 0});  // it has not looked since
    SUBCASE("who closes is not told again") {
        auto& gone = f.begin_close(first);
        CHECK(call(1) == ids{1, 1, 0});
        f.end_close(first, gone);
    }
    SUBCASE("as many as there are to close") { CHECK(call(3) == ids{1, 1, 1}); }
    SUBCASE("as many as a batch") { CHECK(call(3, 3, 2) == ids{1, 1, 0}); }
    SUBCASE("one more for one more connection: those that were told may be unable to look") {
        CHECK(call(1, 1) == ids{1, 1, 0});
        CHECK(call(2, 1) == ids{1, 1, 1});
        CHECK(call(2, 2) == ids{1, 1, 1});
    }
}

TEST_CASE("admission: a caller may have closed a connection in vain") {
    const auto soon = wait_queues::clock{}.now() + 1ms;
    closes f{strict({.max_open = 2}), {"b"}, soon};
    auto& second = f.enqueue("d");
    auto expected = request_state::timed_out;
    SUBCASE("it is late") { f.time.advance(1ms); }
    SUBCASE("it was late, and is cancelled, too") {
        f.time.advance(1ms);
        f.step([&](moment& now) { f.queue.cancel(*f.first, request_state::timed_out, now); });
        f.cancel(*f.first);
    }
    SUBCASE("its thread has been asked to stop") {
        f.first->is_stopped = true;
        expected = request_state::cancelled;
    }
    SUBCASE("it is cancelled meanwhile") {
        f.cancel(*f.first);
        CHECK(f.first->state() == request_state::closing);
        expected = request_state::cancelled;
    }
    SUBCASE("the pool is closed") {
        f.step([&](moment&) { f.queue.close(); });
        CHECK(f.first->state() == request_state::closing);
        CHECK(second.state() == request_state::closed);
        expected = request_state::closed;
    }
    f.end_close();
    CHECK(f.first->state() == expected);
    CHECK(f.queue.waiting() == 0);
    if (expected != request_state::closed) CHECK(second.state() == request_state::may_dial);
}

TEST_CASE("admission: if the permit is not free after the close, the request waits again, at its place") {
    closes f{strict({.max_open = 2}), {"b"}};
    auto& second = f.enqueue("c");
    SUBCASE("a new bound") { f.reconfigure(strict({.max_open = 1})); }
    SUBCASE("another connection") { f.lent("e"); }
    f.end_close();
    CHECK(f.first->state() == request_state::able);
    CHECK(f.queue.waiting() == 2);
    CHECK(f.first->times == 1);  // it looks, whatever has become of it
    CHECK(f.look(*f.first) == request_state::able);
    f.give_back(*f.others[0]);
    CHECK(f.first->state() == request_state::promised);
    CHECK(second.state() == request_state::able);
}

TEST_CASE("admission: a request that waits again is nudged before younger ones") {
    closes f{bounds{.max_open = 3, .max_waiting = 2, .patience = 1ms}, {"c", "b"}};
    auto& second = f.enqueue("c");
    f.give_back(*f.others[0]);
    CHECK(second.state() == request_state::nudged);
    f.reconfigure(bounds{.max_open = 2, .max_waiting = 2, .patience = 1ms});
    f.end_close();
    CHECK(f.first->state() == request_state::nudged);
    CHECK(second.state() == request_state::able);
    CHECK(f.look(*f.first) == request_state::lent);
    CHECK(f.enqueue("d").state() == request_state::able);
    CHECK(f.enqueue("d").state() == request_state::queue_full);
}

TEST_CASE("admission: a request for whose key a bound was lowered waits again, too") {
    closes f{strict({.max_open = 3}), {"c", "b"}};
    f.reconfigure(strict({.max_open = 3, .max_open_per_key = 1}));
    f.end_close();
    CHECK(f.first->state() == request_state::held);
    f.give_back(*f.others[0]);
    CHECK(f.first->state() == request_state::lent);
}

TEST_CASE("admission: a request that has a permit is lent a connection instead that has come back for nobody") {
    SUBCASE("while its caller has closed another one") {
        closes f{strict({.max_open = 2}), {"c"}};
        f.give_back(*f.others[0]);
        CHECK(f.idle.stats().idle == 1);
        f.end_close();
        CHECK(f.first->state() == request_state::may_dial);
        CHECK(f.look(*f.first) == request_state::lent);
        CHECK(f.queue.dialing() == 0);
    }
    SUBCASE("before its caller looks") {
        fixture f{strict({.max_open = 2})};
        auto& lent = f.lent("a");
        auto& asking = f.submit("a");
        CHECK(asking.state() == request_state::may_dial);
        f.give_back(lent);
        CHECK(f.look(asking) == request_state::lent);
        CHECK(f.queue.dialing() == 0);
        CHECK(f.idle.stats().idle == 0);
    }
}

TEST_CASE("admission: a caller that has given up does not begin a close") {
    fixture f{strict({.max_open = 1})};
    f.put("a");
    auto& asking = f.enqueue("b", true, f.time.now() + 1ms);
    CHECK(asking.state() == request_state::promised);
    f.time.advance(1ms);
    f.step([&](moment& now) { CHECK_FALSE(f.queue.begin_close(asking, now)); });
    CHECK(asking.state() == request_state::timed_out);
    f.step([&](moment& now) { CHECK_FALSE(f.queue.begin_close(asking, now)); });
}

TEST_CASE("admission: a request that does not dial on its own thread takes a connection before younger ones, also then") {
    fixture f{bounds{.max_open = 2, .patience = 1ms}};
    f.put("a");
    auto& lent = f.lent("c");
    auto& first = f.enqueue("c", false);
    auto& gone = f.begin_close(first);
    auto& second = f.enqueue("c");
    f.give_back(lent);
    CHECK(second.state() == request_state::nudged);
    f.end_close(first, gone);
    CHECK(first.state() == request_state::lent);
    CHECK(first.lent().conn().id() == 2);
    CHECK(second.state() == request_state::may_dial);  // with the permit of the first one
}
