// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include <pool/policies/lock.hpp>

/// @file
/// Threads that contend for an `adaptive_mutex`. One of them runs at a time: before each step of the lock, a chooser
/// decides which one goes on. Every step has to keep some rules. Each call of `contest::fail` states one.

namespace schedules {

constexpr std::size_t patience = 2;  ///< sleeps before a thread reserves the lock

/// The schedules to choose from.
struct limits {
    /// How often a thread may be stopped between two steps. A thread that sleeps, or has the lock, makes way for any
    /// other without a stop.
    int stops = 0;

    /// A woken thread runs before the lock is released again. A thread that releases the lock is not stopped before it
    /// has woken the threads that it has to wake. The thread that has slept longest is woken first.
    bool are_fair = false;

    /// The first thread runs after all others that do not have the lock, but before the one that has it.
    bool is_first_unlucky = false;
};

constexpr int any_number = 1'000'000'000;

class contest;

/// Asks the contest before each step, and tells it what was done. It sleeps as a futex does, which promises less than
/// the standard: a notification may go to a thread that fell asleep after the change that it is for. That thread sleeps
/// on.
class stepped_atomic {
public:
    constexpr explicit stepped_atomic(unsigned value) noexcept : value_{value} {}

    unsigned load(std::memory_order) const noexcept;
    bool compare_exchange_strong(
        unsigned& seen, unsigned next, std::memory_order order, std::memory_order = std::memory_order_relaxed) noexcept;
    bool compare_exchange_weak(
        unsigned& seen, unsigned next, std::memory_order order, std::memory_order failed) noexcept {
        return compare_exchange_strong(seen, next, order, failed);
    }
    void wait(unsigned old, std::memory_order) const noexcept;
    void notify_one() noexcept;
    void notify_all() noexcept;

private:
    unsigned value_;
};

struct stepped_processor {
    using atomic = stepped_atomic;
    static void pause() noexcept {}
};

using stepped_mutex = pool::core::basic_adaptive_mutex<stepped_processor>;

/// How far a thread is in one run. Time is counted in changes of the lock's state.
struct progress {
    bool is_done = false;
    bool is_asleep = false;
    bool has_lock = false;         ///< up to its release
    bool rests = false;            ///< with the lock
    bool is_owed = false;          ///< was woken after a change that it had not seen when it fell asleep
    std::size_t seen = 0;          ///< when it did its last step
    std::size_t changed = 0;       ///< when it did its last change
    std::memory_order order = {};  ///< that of its last change
    int equal_looks = 0;           ///< at the state as it is

    std::size_t called = 0;                  ///< when it called `lock`
    std::optional<std::size_t> waits_since;  ///< when it was about to sleep for the first time, until it has the lock
    std::size_t sleeps = 0;                  ///< in this call
    std::size_t reserves = 0;                ///< the sleeps that it had behind it when it reserved the lock
    int overtaken = 0;                       ///< by threads that called `lock` when it was waiting already
};

struct contender : progress {
    explicit contender(contest& where, char letter) : home{where}, name{letter} {}

    contest& home;
    char name;
    std::binary_semaphore turn{0};
};

/// The threads, the locks that they contend for, one in each run, and the rules.
class contest {
public:
    using chooser = std::function<std::size_t(std::size_t end)>;

    /// One thread for each number. In each run, a thread takes the lock as often as its number says.
    contest(const std::vector<int>& rounds, limits within);
    ~contest();

    /// Whether all rules were kept. If not, it has to be the last run.
    bool run(chooser choose);

    // Of all runs.
    int reservations() const { return reservations_; }
    int most_overtaken() const { return most_overtaken_; }  ///< the most often in one call of `lock`

    /// Which rule was broken, after which steps.
    std::string failure() const;

    // What the lock does, in the thread that does it. After a failure every step succeeds, so the run comes to an end.

    bool has_failed() const { return failure_ != nullptr; }

    /// Before each step: another thread may run.
    void step();

    /// Before each look. The third look in a row that finds the same is no step of its own: others can act before the
    /// second instead.
    void look();

    void did(const char* what, unsigned value);
    void touched();
    void changed(std::memory_order order);
    void will_sleep();
    void sleep();
    void wake_one();
    void wake_all();

    void fail(const char* rule) {
        if (!has_failed()) failure_ = rule;
    }

private:
    struct event {
        char who;
        const char* what;
        unsigned value;
    };

    void work(contender& me, int rounds);
    void call();
    void got_it();
    void wake(contender& sleeper);

    std::size_t choose(std::size_t end) { return end == 1 || has_failed() ? 0 : choose_(end); }

    /// Null if all are done. The first choice is the thread that runs already.
    contender* choose_next();
    void ready();
    void run_next(contender& next);

    limits limits_;
    chooser choose_;
    std::optional<stepped_mutex> lock_;
    std::deque<contender> all_;
    std::vector<contender*> ready_;
    std::vector<contender*> asleep_;  ///< the one that has slept longest comes first
    std::vector<event> events_;
    const char* failure_ = nullptr;
    std::size_t now_ = 0;
    int stops_ = 0;  ///< that are left
    int reservations_ = 0;
    int most_overtaken_ = 0;
    bool is_over_ = false;
    std::binary_semaphore ended_{0};
    std::vector<std::jthread> threads_;  ///< end before all else does
};

}  // namespace schedules
