// SPDX-License-Identifier: BSL-1.0
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <pool/hook_done.hpp>
#include <pool/testing/actions.hpp>
#include <pool/testing/async_tended_connection.hpp>
#include <pool/testing/explore.hpp>
#include <pool/testing/failure_point.hpp>
#include <pool/testing/failures.hpp>
#include <pool/testing/fake_connection.hpp>
#include <pool/testing/fake_dialer.hpp>
#include <pool/testing/gate.hpp>
#include <pool/testing/kernel/watchdog.hpp>
#include <pool/testing/probe_lock.hpp>
#include <pool/testing/scheduled_lock.hpp>

// Misuses a part of the testing kit in the way that its argument names. The kit has to end the program, with a sentence,
// which the test reads.

using namespace pool::testing;

namespace {

struct two_connections {
    fake_dialer dials;
    fake_connection first = dials(std::string{"a"});
    fake_connection second = dials(std::string{"b"});
};

void close_twice() {
    two_connections conns;
    conns.second.use();
    conns.second.use();
    conns.second.close();
    conns.second.close();
}
void lose_a_dead_one() {
    two_connections conns;
    conns.dials[2].dead = true;
    conns.first.close();
}
void lose() {
    fake_dialer dials;
    const std::optional conn{dials(std::string{"a"})};
}
void lose_by_assignment() {
    two_connections conns;
    conns.first = std::move(conns.second);
}
void use_a_closed_one() {
    two_connections conns;
    conns.first.close();
    conns.first.use("asks");
}
void use_a_blocked_one() {
    two_connections conns;
    conns.first.far().blocked = true;
    conns.first.use("asks");
}
void use_after_a_move() {
    two_connections conns;
    const auto moved = std::move(conns.first);
    (void)conns.first.closed();
}
/// Calls `act` while another thread is in `call`.
void during(void (*call)(fake_connection&), void (*act)(std::optional<fake_connection>&)) {
    fake_dialer dials;
    std::optional conn{dials(std::string{"a"})};
    gate here;
    dials[1].on_use = dials[1].on_close = hangs(here);
    std::thread calls{[&] { call(*conn); }};
    here.await_arrivals();
    act(conn);
    here.open();
    calls.join();
}
void ask(fake_connection& conn) { conn.use("asks"); }
void close(fake_connection& conn) { conn.close(); }

void use_by_two_threads() {
    during(ask, [](auto& conn) { conn->use(); });
}
void close_during_a_use() {
    during(ask, [](auto& conn) { conn->close(); });
}
void move_during_a_close() {
    during(close, [](auto& conn) { const auto moved = std::move(*conn); });
}
void destroy_during_a_close() {
    during(close, [](auto& conn) { conn.reset(); });
}
void use_within_its_use() {
    two_connections conns;
    conns.dials[1].on_use = [&] { conns.first.use(); };
    conns.first.use();
}
void close_within_its_use() {
    two_connections conns;
    conns.dials[1].on_use = [&] { conns.first.close(); };
    conns.first.use();
}
void destroy_within_its_close() {
    fake_dialer dials;
    std::optional conn{dials()};
    dials[1].on_close = [&] { conn.reset(); };
    conn->close();
}
void close_during_a_reset() {
    fake_dialer dials;
    async_tended_connection conn{dials(std::string{"a"})};
    std::optional<pool::hook_done> kept;
    dials[1].on_async_reset = [&](pool::hook_done done) { kept.emplace(std::move(done)); };
    conn.reset_session(pool::hook_done{[](void*, void*, bool) noexcept {}, nullptr, nullptr});
    conn.close();
}
void destroy_a_gate_in_use() {
    std::optional<gate> here{std::in_place};
    std::thread waits{[&] { here->pass(); }};
    here->await_arrivals();
    here.reset();
    waits.join();
}
void destroy_a_gate_of_two() {
    std::optional<gate> here{std::in_place};
    std::thread first{[&] { here->pass(); }};
    std::thread second{[&] { here->pass(); }};
    here->await_arrivals(2);
    here.reset();
    first.join();
    second.join();
}

void lock_twice() {
    probe_lock lock;
    lock.lock();
    lock.lock();
}
void try_its_own_lock() {
    probe_lock lock;
    lock.lock();
    (void)lock.try_lock();
}
void destroy_its_own_lock() {
    probe_lock lock;
    lock.lock();
}
void destroy_the_lock_of_another() {
    probe_lock lock;
    std::thread{[&] { lock.lock(); }}.join();
}
void unlock_for_another() {
    probe_lock lock;
    lock.lock();
    std::thread{[&] { lock.unlock(); }}.join();
}
void wait_without_the_lock() {
    probe_lock lock;
    pool::lock_traits<probe_lock>::condition_variable changed;
    std::unique_lock guard{lock, std::defer_lock};
    changed.wait(guard);
}
void dial_under_a_lock() {
    probe_lock lock;
    const std::scoped_lock guard{lock};
    (void)fake_dialer{}();
}
void dial_a_key_under_a_lock() {
    probe_lock lock;
    const std::scoped_lock guard{lock};
    (void)fake_dialer{}(std::string{"a"});
}
void hang_under_a_lock() {
    probe_lock lock;
    const std::scoped_lock guard{lock};
    gate here;
    here.open();
    hangs(here)();
}
void close_under_a_lock() {
    two_connections conns;
    probe_lock lock;
    const std::scoped_lock guard{lock};
    conns.first.close();
}
void use_under_a_lock() {
    two_connections conns;
    probe_lock lock;
    const std::scoped_lock guard{lock};
    conns.first.use();
}
void destroy_under_a_lock() {
    two_connections conns;
    conns.first.close();
    probe_lock lock;
    const std::scoped_lock guard{lock};
    const auto ends_here = std::move(conns.first);
}

void fail_where_nothing_may() {
    (void)explore_failures([](failure_run& run) {
        run.during([]() noexcept {
            may_fail(point::dial);
            may_fail(point::hook);
        });
    });
}
void lose_after_a_failure() {
    (void)explore_failures([](failure_run& run) {
        fake_dialer dials;
        run.during([&] {
            const auto conn = dials();
            fragile_connection moved{dials()};
            const auto again = std::move(moved);
        });
    });
}

/// One that fails, and then, while a simpler schedule is looked for, ends the program.
void end_the_program_in_an_exploration() {
    int failures = 0;
    (void)explore([&](exploration& test) {
        bool is_first = false;
        test.run({{"one",
                      [&] {
                          test.at("looks");
                          if (is_first) return;
                          if (failures++ != 0) std::abort();
                          test.require(false, "it is the first");
                      }},
            {"two", [&] {
                 test.at("is first");
                 is_first = true;
             }}});
    });
}
void exhaust_a_stack() {
    (void)explore([](exploration& test) {
        test.run({{"one", [&] {
                       test.at("calls itself");
                       const std::function<int(int)> call = [&call](int depth) {
                           std::array<volatile char, 4096> much{};
                           much[0] = static_cast<char>(depth);
                           return call(depth + 1) + much[0];
                       };
                       (void)call(0);
                   }}});
    });
}
void stand_still() {
    kernel::watchdog dog{std::chrono::milliseconds{5}};
    dog.note("Bob", {"takes lock #", 3});
    dog.await();
    std::abort();
}
void count_down_allocations() { const countdown nth{point::allocation, 1}; }
void lock_twice_outside() {
    scheduled_lock lock;
    lock.lock();
    lock.lock();
}
void unlock_outside() {
    scheduled_lock lock;
    lock.unlock();
}

void dial_the_0th() {
    fake_dialer dials;
    dials.nth(0, [](const pool::dial_context&) {});
}
void die_at_the_0th_use() {
    two_connections conns;
    conns.dials[1].die_at_use(0);
}
void count_down_to_the_0th() { const countdown none{point::hook, 0}; }
void run_no_failure() {
    (void)explore_failures([](failure_run& run) { run.during([] { may_fail(point::hook); }); }, {.most_runs = 0});
}
void ask_for_no_connection() { (void)fake_dialer{}[9]; }
void ask_for_connection_0() {
    fake_dialer dials;
    dials().close();
    (void)dials[0];
}

// This program does not include failing_allocation.hpp. The result says it.
[[noreturn]] void print(const failures_result& result) {
    std::printf("%s, %s\n", result ? "right" : "wrong", result.text().c_str());
    std::exit(EXIT_SUCCESS);
}
void fail_nothing() {
    print(explore_failures([](failure_run& run) { run.during([] { (void)std::string(100, 'x'); }); }));
}
void fail_no_allocation() {
    print(explore_failures([](failure_run& run) { run.during([] { may_fail(point::hook); }); }));
}
void fail_hooks_alone() {
    print(explore_failures([](failure_run& run) { run.during([] {}); }, {.only = point::hook}));
}

struct misuse {
    std::string_view name;
    void (*act)();
};
constexpr std::array misuses{
    misuse{"close_twice", close_twice},
    misuse{"lose_a_dead_one", lose_a_dead_one},
    misuse{"lose", lose},
    misuse{"lose_by_assignment", lose_by_assignment},
    misuse{"use_a_closed_one", use_a_closed_one},
    misuse{"use_a_blocked_one", use_a_blocked_one},
    misuse{"use_after_a_move", use_after_a_move},
    misuse{"use_by_two_threads", use_by_two_threads},
    misuse{"close_during_a_use", close_during_a_use},
    misuse{"move_during_a_close", move_during_a_close},
    misuse{"destroy_during_a_close", destroy_during_a_close},
    misuse{"use_within_its_use", use_within_its_use},
    misuse{"close_within_its_use", close_within_its_use},
    misuse{"destroy_within_its_close", destroy_within_its_close},
    misuse{"close_during_a_reset", close_during_a_reset},
    misuse{"destroy_a_gate_in_use", destroy_a_gate_in_use},
    misuse{"destroy_a_gate_of_two", destroy_a_gate_of_two},
    misuse{"lock_twice", lock_twice},
    misuse{"try_its_own_lock", try_its_own_lock},
    misuse{"destroy_its_own_lock", destroy_its_own_lock},
    misuse{"destroy_the_lock_of_another", destroy_the_lock_of_another},
    misuse{"unlock_for_another", unlock_for_another},
    misuse{"wait_without_the_lock", wait_without_the_lock},
    misuse{"dial_under_a_lock", dial_under_a_lock},
    misuse{"dial_a_key_under_a_lock", dial_a_key_under_a_lock},
    misuse{"hang_under_a_lock", hang_under_a_lock},
    misuse{"close_under_a_lock", close_under_a_lock},
    misuse{"use_under_a_lock", use_under_a_lock},
    misuse{"destroy_under_a_lock", destroy_under_a_lock},
    misuse{"fail_where_nothing_may", fail_where_nothing_may},
    misuse{"lose_after_a_failure", lose_after_a_failure},
    misuse{"end_the_program_in_an_exploration", end_the_program_in_an_exploration},
    misuse{"exhaust_a_stack", exhaust_a_stack},
    misuse{"stand_still", stand_still},
    misuse{"count_down_allocations", count_down_allocations},
    misuse{"lock_twice_outside", lock_twice_outside},
    misuse{"unlock_outside", unlock_outside},
    misuse{"dial_the_0th", dial_the_0th},
    misuse{"die_at_the_0th_use", die_at_the_0th_use},
    misuse{"count_down_to_the_0th", count_down_to_the_0th},
    misuse{"run_no_failure", run_no_failure},
    misuse{"ask_for_no_connection", ask_for_no_connection},
    misuse{"ask_for_connection_0", ask_for_connection_0},
    misuse{"fail_nothing", fail_nothing},
    misuse{"fail_no_allocation", fail_no_allocation},
    misuse{"fail_hooks_alone", fail_hooks_alone},
};

/// The kit has said its sentence. A test that is killed by a signal would count as failed.
extern "C" void aborted(int) { std::_Exit(EXIT_SUCCESS); }

}  // namespace

int main(int count, char** arguments) {
    std::signal(SIGABRT, aborted);
#if defined(__unix__)
    struct sigaction on_own_stack = {};
    on_own_stack.sa_handler = aborted;
    on_own_stack.sa_flags = SA_ONSTACK;
    sigaction(SIGSEGV, &on_own_stack, nullptr);
    sigaction(SIGBUS, &on_own_stack, nullptr);
#endif
    for (const auto& [name, act] : misuses) {
        if (count != 2 || name != arguments[1]) continue;
        act();
        std::puts("nothing stopped it");
        return EXIT_FAILURE;
    }
    std::puts("no such misuse");
    return EXIT_FAILURE;
}
