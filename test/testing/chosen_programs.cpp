// SPDX-License-Identifier: BSL-1.0
#include <limits>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <testing/comparison.hpp>
#include <testing/small_programs.hpp>

// Programs in which one rule of an exploration matters: a point at which a thread may be stopped, an object that two threads
// touch, a choice. Without it, something is missing that the reference sees.

using namespace small_programs;

namespace {

using operations = std::vector<operation>;

operations locked(int lock, const operations& inside) {
    operations all{{act::lock, lock}};
    all.insert(all.end(), inside.begin(), inside.end());
    all.push_back({act::unlock, lock});
    return all;
}

operations operator+(operations first, const operations& second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
}

const operation writes{act::write_world};
const operation reads_clock{act::read_clock};
const operation passes_time{act::advance, 0, 0, 3};
operation writes_object(int object) { return {act::write_object, object}; }
operation writes_guarded(int lock) { return {act::write_guarded, lock}; }
operation notifies_one(int condition) { return {act::notify_one, condition}; }
operation notifies_all(int condition) { return {act::notify_all, condition}; }
operation waits(int condition, int lock) { return {act::wait, condition, lock}; }
operation waits_until(int time, int condition, int lock) { return {act::wait_until, condition, lock, time}; }
operation tries(int lock, int else_skips) { return {act::try_lock, lock, 0, else_skips}; }

/// Compares it. `ends` is in how many ways the reference sees it end, or get stuck. There may be too many runs for the
/// search without skips.
void check(const std::string& what, const program& threads, std::size_t ends, const limits& within = {},
    bool is_small = true) {
    CAPTURE(what);
    INFO("spurious wake-ups: ", within.spurious_wake_ups, ", early time-outs: ", within.early_time_outs,
        text_of(threads));
    const reference expected = expected_of(threads, within);
    CHECK(expected.ends.size() + expected.stuck.size() == ends);
    const progress made = compare(threads, within, expected, 50'000);
    CHECK(made.is_complete == is_small);
    CHECK(made.is_complete_with_skips);
}

}  // namespace

TEST_CASE("chosen programs: two threads touch the same thing") {
    const operations locks = locked(0, {writes_guarded(0)});
    check("a lock", {locks, locks}, 2);
    check("an object", {{writes_object(0)}, {writes_object(0)}}, 2);
    check("two objects", {{writes_object(0), writes_object(1)}, {writes_object(1), writes_object(0)}}, 3);
    check("anything", {{writes}, {writes}}, 2);
    check("time, which one lets pass", {{passes_time}, {reads_clock}}, 2);
    check("time, which passes in a wait", {locked(0, {waits_until(5, 0, 0)}), {reads_clock}}, 2);
    check("a condition variable", {locked(0, {waits_until(5, 0, 0)}), {notifies_one(0)}}, 2);
    check("a lock that one tries to take", {locks, {tries(0, 2), writes_guarded(0), {act::unlock, 0}}}, 3);
}

TEST_CASE("chosen programs: a thread is stopped in the middle") {
    const operations waiting = locked(0, {waits_until(5, 0, 0)});
    const operations trying{tries(0, 1), {act::unlock, 0}};
    check("between two writes", {{writes, writes}, {writes}}, 3);
    check("between two sections",
        {locked(0, {writes_guarded(0)}) + locked(0, {writes_guarded(0)}), locked(0, {writes_guarded(0)})}, 3);
    check("before it waits", {locked(0, {writes_guarded(0), waits_until(5, 0, 0)}), {notifies_one(0), writes}}, 2);
    check("before it notifies",
        {locked(0, {writes_guarded(0)}) + operations{notifies_one(0)},
            locked(0, {writes_guarded(0), waits_until(5, 0, 0)})},
        4);
    check("before it lets time pass", {{writes, passes_time}, {writes, reads_clock}}, 4);
    check("before it tries", {operations{writes} + trying, locked(0, {writes})}, 4);
    check("before it frees what another one tries to take", {locked(0, {}), trying + trying}, 4);
    check("under a lock, between a write and a notification",
        {locked(1, {writes_object(0), notifies_one(0)}), operations{writes_object(0)} + waiting}, 4);
    check("under a lock, between the end of a section and a notification",
        {locked(1, locked(0, {writes_guarded(0)}) + operations{notifies_one(0)}),
            locked(0, {writes_guarded(0), waits_until(5, 0, 0)})},
        4);
    check("under a lock, between two notifications",
        {locked(1, {notifies_all(0), notifies_all(0)}), locked(0, {waits_until(2, 0, 0), waits_until(5, 0, 0)})}, 4);
    check("under a lock, between a write and a notification, while another one waits",
        {locked(0, {writes_guarded(0)}) + locked(1, {writes_object(0), notifies_all(0)}),
            locked(0, {writes_guarded(0), waits_until(5, 0, 0)}), operations{writes_object(0)} + waiting},
        16, {}, false);
    check("under a lock that another one tries to take, before a notification",
        {locked(1, {notifies_one(0)}),
            {tries(1, 1), {act::unlock, 1}, {act::lock, 0}, waits_until(2, 0, 0), {act::unlock, 0}}},
        4);
}

TEST_CASE("chosen programs: how a wait ends") {
    const auto waiting = [](int until) { return locked(0, {waits_until(until, 0, 0), reads_clock}); };
    check("either of two is notified", {waiting(2), waiting(5), {notifies_one(0)}}, 6);
    check("both are notified", {waiting(2), waiting(5), {notifies_all(0)}}, 7);
    check("it is notified in time, and late",
        {locked(0, {writes_guarded(0), waits_until(2, 0, 0), reads_clock}),
            locked(0, {writes_guarded(0), notifies_one(0), reads_clock})},
        4);
    check("it is notified, but time passes before it has the lock",
        {waiting(2), locked(0, {notifies_one(0), passes_time})}, 3);
    check("its time is over before it begins", {locked(0, {passes_time, waits_until(2, 0, 0)}), {notifies_one(0)}}, 1);
    check("time passes before it has its lock again", {waiting(2), {notifies_one(0)}, {passes_time}}, 3,
        {.early_time_outs = 0});
    check("time is not set back", {waiting(5), waiting(2)}, 2);
    check("nobody ends it", {locked(0, {waits(0, 0)}), {notifies_one(0)}}, 2);
}

TEST_CASE("chosen programs: what the limits allow") {
    const operations two_waits = locked(0, {waits_until(2, 0, 0), waits_until(5, 0, 0), reads_clock});
    check("no wait ends for no reason", {two_waits, {writes}}, 1);
    check("one does", {two_waits, {writes}}, 3, {.spurious_wake_ups = 1});
    check("two do", {two_waits, {writes}}, 4, {.spurious_wake_ups = 2});
    const operations notifying{writes, notifies_one(0), reads_clock};
    check("no wait times out early", {two_waits, notifying}, 2, {.early_time_outs = 0});
    check("one does", {two_waits, notifying}, 5, {.early_time_outs = 1});
    check("two do", {two_waits, notifying}, 6, {.early_time_outs = 2});
    check("any number", {two_waits, notifying}, 6);
    check("one does, after one that is not early",
        {locked(0, {waits_until(2, 0, 0)}) + operations{reads_clock, writes},
            locked(1, {waits_until(5, 1, 1)}) + operations{writes}},
        4, {.early_time_outs = 1});
    // A thread waits with one lock, and keeps another one, which a thread that was notified needs.
    const operations keeps_another = locked(0, operations{writes_guarded(0)} + locked(1, {waits_until(2, 1, 1)}));
    const operations waiting = locked(0, {writes_guarded(0), waits_until(5, 0, 0)});
    const operations notifies = locked(0, {writes_guarded(0), notifies_one(0)});
    check("no wait is late if no thread can go on", {keeps_another, waiting, notifies}, 7, {.early_time_outs = 0});
    check("whichever is the first", {waiting, keeps_another, notifies}, 7, {.early_time_outs = 0});
}
