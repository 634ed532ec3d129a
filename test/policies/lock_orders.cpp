// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <array>
#include <atomic>
#include <iostream>
#include <ostream>

#include <pool/core/adaptive_mutex.hpp>

// It defines macros such as `new`, `memory_order_acquire` and `$`, and a global operator new. So it comes last, and this
// file is a program of its own.
#include <relacy/relacy.hpp>

/// @file
/// The memory orders of `adaptive_mutex`, in the memory model of Relacy: a load may return an older value, as far as the
/// orders allow, and an access to plain data is a race unless the orders put it after the last one. Relacy runs the
/// schedules of a few threads, each with all values that the loads may return.
///
/// A sleeping thread is one that looks again and again, so nobody has to wake it. lock_schedules.cpp checks the
/// notifications, with sequential consistency. In a complete search, a load returns the last value or the one before it,
/// and at random also the one before that.

namespace {

/// Which of the lock's orders are relaxed instead.
enum class weakened { none, acquire, acquire_after_sleep, release, release_to_sleepers };

constexpr unsigned asleep = 2;  ///< the flag in the state of the lock

/// How often a thread has released a lock that was reserved, over all runs of a test.
unsigned long reserved_releases = 0;

/// The atomic of the lock, in Relacy's memory model.
template <weakened Weakened>
class modelled_atomic {
public:
    modelled_atomic(unsigned value) : value_{value} {}

    unsigned load(std::memory_order order) const noexcept { return value_.load(of(order, 0), RL_INFO); }
    bool compare_exchange_strong(unsigned& seen, unsigned next, std::memory_order order,
        std::memory_order failed = std::memory_order::relaxed) noexcept {
        return value_.compare_exchange_strong(seen, next, of(order, seen | next), RL_INFO, of(failed, 0), RL_INFO);
    }
    bool compare_exchange_weak(
        unsigned& seen, unsigned next, std::memory_order order, std::memory_order failed) noexcept {
        return value_.compare_exchange_weak(seen, next, of(order, seen | next), RL_INFO, of(failed, 0), RL_INFO);
    }
    void wait(unsigned old, std::memory_order order) const noexcept {
        while (load(order) == old) rl::yield(1, RL_INFO);
    }
    void notify_one() noexcept {}
    void notify_all() noexcept { ++reserved_releases; }

private:
    /// The order of a step that changes the state from or to one with these flags.
    static rl::memory_order of(std::memory_order order, unsigned flags) noexcept {
        const bool sleeps = (flags & asleep) != 0;
        if (order == std::memory_order::acquire) {
            const bool is_weak = Weakened == weakened::acquire || (Weakened == weakened::acquire_after_sleep && sleeps);
            return is_weak ? rl::mo_relaxed : rl::mo_acquire;
        }
        if (order == std::memory_order::release) {
            const bool is_weak = Weakened == weakened::release || (Weakened == weakened::release_to_sleepers && sleeps);
            return is_weak ? rl::mo_relaxed : rl::mo_release;
        }
        return rl::mo_relaxed;  // the lock has no other
    }

    rl::atomic<unsigned> value_;
};

template <weakened Weakened>
struct modelled_processor {
    using atomic = modelled_atomic<Weakened>;
    static void pause() noexcept {}
};

/// Threads that change plain data under the lock: the first as often as `Rounds` says, the others once.
template <int Threads, int Rounds, weakened Weakened = weakened::none>
struct contenders : rl::test_suite<contenders<Threads, Rounds, Weakened>, Threads> {
    void before() { data_(RL_INFO) = 0; }

    void thread(unsigned index) {
        for (int i = index == 0 ? Rounds : 1; i != 0; --i) {
            lock_.lock();
            add_one();
            lock_.unlock();
        }
    }

    void after() { RL_ASSERT(data_(RL_INFO) == Threads - 1 + Rounds); }

protected:
    void add_one() { data_(RL_INFO) = data_(RL_INFO) + 1; }

    pool::core::basic_adaptive_mutex<modelled_processor<Weakened>> lock_;
    rl::var<int> data_;
};

/// A thread that locks, and one that only tries to.
template <weakened Weakened = weakened::none>
struct locker_and_trier : rl::test_suite<locker_and_trier<Weakened>, 2> {
    void before() { data_(RL_INFO) = 0; }

    void thread(unsigned index) {
        if (index == 0) lock_.lock();
        else if (!lock_.try_lock()) return;
        data_(RL_INFO) = data_(RL_INFO) + 1;
        lock_.unlock();
    }

private:
    pool::core::basic_adaptive_mutex<modelled_processor<Weakened>> lock_;
    rl::var<int> data_;
};

/// How Relacy chooses the schedules.
struct search {
    rl::scheduler_type_e how;
    unsigned stops = 0;      ///< how many threads are stopped in a schedule, where they could go on
    unsigned long runs = 0;  ///< how many, if they are chosen at random
};
constexpr search complete{.how = rl::sched_full};
constexpr search stopped(unsigned times) { return {.how = rl::sched_bound, .stops = times}; }
constexpr search at_random{.how = rl::sched_random, .runs = 50'000};

/// Runs schedules until one fails, and returns how the last one ended.
template <class Test>
rl::test_params run(const search& among, std::ostream& out) {
    std::ostream silent{nullptr};
    rl::test_params params;
    params.search_type = among.how;
    params.context_bound = among.stops;
    params.iteration_count = among.runs;
    params.output_stream = &out;
    params.progress_stream = &silent;
    reserved_releases = 0;
    rl::simulate<Test>(params);
    return params;
}

/// Whether a test ends as expected. If not, prints the schedule.
template <class Test>
bool ends(rl::test_result_e expected, const char* what, const search& among) {
    std::ostream silent{nullptr};  // a stream with a buffer would allocate, which Relacy takes for a step of the test
    const rl::test_params ended = run<Test>(among, silent);
    std::cout << what << ": " << rl::test_result_str(ended.test_result) << " after " << ended.stop_iteration
              << " runs, with " << reserved_releases << " releases of a reserved lock\n";
    if (ended.test_result == expected) return true;
    run<Test>(among, std::cerr);
    return false;
}

/// With the lock as it is.
template <class Test>
bool passes(const char* what, const search& among) {
    return ends<Test>(rl::test_result_success, what, among);
}

/// With a weakened lock.
template <class Test>
bool races(const char* what) {
    return ends<Test>(rl::test_result_data_race, what, complete);
}

}  // namespace

int main() {
    const std::array results{
        passes<contenders<2, 1>>("two threads", complete),
        passes<locker_and_trier<>>("a thread that locks, and one that tries", complete),
        passes<contenders<2, 2>>("two threads, one of them twice, stopped three times", stopped(3)),
        passes<contenders<2, 4>>("two threads, one of them four times, stopped three times", stopped(3)),
        reserved_releases != 0,
        passes<contenders<3, 1>>("three threads, stopped twice", stopped(2)),
        passes<contenders<4, 4>>("four threads, one of them four times, at random", at_random),
        reserved_releases != 0,
        races<contenders<2, 1, weakened::acquire>>("without acquire"),
        races<contenders<2, 1, weakened::acquire_after_sleep>>("without acquire after a sleep"),
        races<contenders<2, 1, weakened::release>>("without release"),
        races<contenders<2, 1, weakened::release_to_sleepers>>("without release to sleepers"),
        races<locker_and_trier<weakened::acquire>>("a try without acquire"),
        races<locker_and_trier<weakened::release>>("a try without release"),
    };
    return std::ranges::all_of(results, [](bool right) { return right; }) ? 0 : 1;
}
