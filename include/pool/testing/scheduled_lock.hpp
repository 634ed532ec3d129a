// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <pool/core/saturating.hpp>
#include <pool/policies/lock.hpp>
#include <pool/testing/exploration.hpp>
#include <pool/testing/kernel/sanitizers.hpp>
#include <pool/testing/scheduled_clock.hpp>
#include <pool/testing/scheduled_stop_callback.hpp>

/// @file
/// The lock and the condition variable of an exploration.

namespace pool::testing {

/// A mutex of an exploration. A thread may be stopped before it takes it. A LockPolicy, and what `std::unique_lock` and
/// `std::scoped_lock` need.
///
/// A run fails if a thread waits for itself, frees what it does not have, or destroys what somebody has or wants.
/// Outside an exploration, and while an invariant is checked, nobody can wait for it: whoever takes it while it is
/// taken ends the program.
class scheduled_lock {
public:
    scheduled_lock() noexcept {
        if (exploration* const all = exploration::running()) all->begin(*this);
    }
    scheduled_lock(const scheduled_lock&) = delete;
    scheduled_lock& operator=(const scheduled_lock&) = delete;
    ~scheduled_lock() {
        if (exploration* const all = exploration::running()) all->end(*this);
    }

    /// Returns when the calling thread has it.
    void lock() {
        if (exploration* const all = exploration::running()) all->take(*this);
        else if (is_taken_outside_.exchange(true))
            misused("a scheduled_lock that is taken is taken again, outside the threads of an exploration");
        else if (number_ != 0 && scheduler::running() == nullptr)
            misused("lock " + std::to_string(number_) +
                    " of an exploration is taken outside its threads: by a std::thread that the code has started?");
    }

    /// Takes it, if it is free. Returns whether it was.
    bool try_lock() {
        exploration* const all = exploration::running();
        return all != nullptr ? all->try_take(*this) : !is_taken_outside_.exchange(true);
    }

    /// Frees it.
    void unlock() {
        if (exploration* const all = exploration::running()) all->free(*this);
        else if (!is_taken_outside_.exchange(false))
            misused("a scheduled_lock is freed that is not taken, outside the threads of an exploration");
    }

    /// Whether the calling thread has it; outside an exploration, and while an invariant is checked, whether any has.
    bool is_mine() const noexcept {
        const exploration* const all = exploration::running();
        return all != nullptr ? all->has(*this) : is_taken_outside_.load();
    }

private:
    friend exploration;

    int number_ = 0;
    int object_ = 0;
    bool is_taken_ = false;
    int owner_ = -1;  ///< the number of a thread
    std::atomic<bool> is_taken_outside_ = false;
};

/// A condition variable of an exploration. Each waiting thread is one that `notify_one` may wake. If the limits allow
/// it, a wait ends for no reason. A wait with a time may always end by that time. Used as `std::condition_variable` is,
/// with times of `scheduled_clock`.
class scheduled_condition {
public:
    scheduled_condition() noexcept {
        if (exploration* const all = exploration::running()) all->begin(*this);
    }
    scheduled_condition(const scheduled_condition&) = delete;
    scheduled_condition& operator=(const scheduled_condition&) = delete;
    ~scheduled_condition() {
        if (exploration* const all = exploration::running()) all->end(*this);
    }

    /// Waits until notified, or for no reason.
    void wait(std::unique_lock<scheduled_lock>& guard) { (void)wait_to(guard, exploration::for_ever); }

    /// The same, until `holds()`.
    template <class Predicate>
    void wait(std::unique_lock<scheduled_lock>& guard, Predicate holds) {
        while (!holds()) wait(guard);
    }

    /// Waits until notified, for no reason, or until a time.
    std::cv_status wait_until(std::unique_lock<scheduled_lock>& guard, scheduled_clock::time_point until) {
        return wait_to(guard, until.time_since_epoch()) ? std::cv_status::timeout : std::cv_status::no_timeout;
    }

    /// The same, until `holds()` or that time. Returns `holds()`.
    template <class Predicate>
    bool wait_until(std::unique_lock<scheduled_lock>& guard, scheduled_clock::time_point until, Predicate holds) {
        while (!holds()) {
            if (wait_until(guard, until) == std::cv_status::timeout) return holds();
        }
        return true;
    }

    /// Waits until notified, for no reason, or for that long.
    template <class Rep, class Period>
    std::cv_status wait_for(std::unique_lock<scheduled_lock>& guard, std::chrono::duration<Rep, Period> time) {
        return wait_until(guard, from_now(time));
    }

    /// The same, until `holds()`, or for that long. Returns `holds()`.
    template <class Rep, class Period, class Predicate>
    bool wait_for(std::unique_lock<scheduled_lock>& guard, std::chrono::duration<Rep, Period> time, Predicate holds) {
        return wait_until(guard, from_now(time), std::move(holds));
    }

    /// Wakes one thread that waits. Which one is a choice.
    void notify_one() {
        if (exploration* const all = exploration::running()) all->notify(*this, false);
    }

    /// Wakes all that wait.
    void notify_all() {
        if (exploration* const all = exploration::running()) all->notify(*this, true);
    }

private:
    friend exploration;

    bool wait_to(std::unique_lock<scheduled_lock>& guard, std::chrono::nanoseconds until) {
        exploration* const all = exploration::running();
        if (all == nullptr)
            misused(std::string{"a wait for a scheduled_condition "} +
                    (scheduler::running() != nullptr ? "in an invariant" : "outside an exploration"));
        if (!guard.owns_lock()) misused("a wait for a scheduled_condition without its lock");
        return all->wait(*this, *guard.mutex(), until);
    }

    template <class Rep, class Period>
    static scheduled_clock::time_point from_now(std::chrono::duration<Rep, Period> time) {
        return core::saturating_add(scheduled_clock::now(), core::saturating_cast<scheduled_clock::duration>(time));
    }

    int number_ = 0;
    int object_ = 0;
    std::vector<int> waiting_;  ///< the numbers of threads
};

/// Blocks until that time, or until a stop is requested. A reaper of the pool sleeps by it.
inline void sleep_until(const scheduled_clock&, scheduled_clock::time_point until, const std::stop_token& stop) {
    scheduled_lock lock;
    scheduled_condition woken;
    const auto wake_up = [&] {
        const std::lock_guard guard{lock};
        woken.notify_one();
    };
    const scheduled_stop_callback<decltype(wake_up)> stopping{stop, wake_up};
    std::unique_lock guard{lock};
    if (!stop.stop_requested()) (void)woken.wait_until(guard, until);
}

inline bool exploration::has(const scheduled_lock& lock) const noexcept { return lock.owner_ == self_->number; }

inline void exploration::begin(scheduled_lock& lock) noexcept {
    const kernel::unwatched own;
    lock.number_ = ++locks_;
    lock.object_ = locks_ + conditions_;
}

inline void exploration::begin(scheduled_condition& condition) noexcept {
    const kernel::unwatched own;
    condition.number_ = ++conditions_;
    condition.object_ = locks_ + conditions_;
}

inline void exploration::take(scheduled_lock& lock) {
    const kernel::unwatched own;
    const kernel::step step{"takes lock #", lock.number_};
    go_on({step, &lock.is_taken_, &lock.owner_});
    take_free(lock, step);
}

inline bool exploration::try_take(scheduled_lock& lock) {
    const kernel::unwatched own;
    has_learned_ |= !std::exchange(stops_before_freeing_, true);
    go_on({{"tries to take lock #", lock.number_}});
    touch(lock.object_);
    if (lock.is_taken_) {
        record(self_->number, {"does not get lock #", lock.number_});
        return false;
    }
    take_free(lock, {"takes lock #", lock.number_});
    return true;
}

inline void exploration::take_free(scheduled_lock& lock, const kernel::step& step) {
    has_locks_ = true;
    lock.is_taken_ = true;
    lock.owner_ = self_->number;
    ++self_->locks;
    ++locks_held_;
    self_->has_only_taken_locks = true;
    kernel::acquire(&lock);
    touch(lock.object_);
    record(self_->number, step);
}

inline void exploration::let_go(scheduled_lock& lock) {
    if (!has(lock)) fail(self_->name + " frees lock " + std::to_string(lock.number_) + ", which it does not have");
    kernel::release(&lock);
    lock.is_taken_ = false;
    lock.owner_ = -1;
    --self_->locks;
    --locks_held_;
    self_->has_only_taken_locks = false;
    touch(lock.object_);
}

inline void exploration::free(scheduled_lock& lock) {
    const kernel::unwatched own;
    const kernel::step step{"frees lock #", lock.number_};
    if (stops_before_freeing_) go_on({step});
    let_go(lock);
    record(self_->number, step);
}

inline bool exploration::wait(scheduled_condition& condition, scheduled_lock& lock, std::chrono::nanoseconds until) {
    const kernel::unwatched own;
    if (!condition.waiting_.empty() && thread_of(condition.waiting_.front()).afterwards.owner != &lock.owner_)
        fail(self_->name + " waits at condition " + std::to_string(condition.number_) + " with lock " +
             std::to_string(lock.number_) + ", and another thread waits there with another lock");
    go_on({{"waits at condition #", condition.number_}});  // it has the lock: others may change what no lock guards
    let_go(lock);
    logical_thread& me = *self_;
    touch(condition.object_);
    record(me.number, {"waits at condition #", condition.number_});
    condition.waiting_.push_back(me.number);
    me.where = state::waiting;
    me.condition = &condition;
    me.afterwards = {{"takes lock #", lock.number_}, &lock.is_taken_, &lock.owner_};
    me.until = until;
    me.since = made_.steps();
    reschedule();
    take_free(lock, me.afterwards.step);
    me.next = {};
    me.is_woken = false;
    return now_ >= until;  // also if it was notified in time, as the standard's
}

void exploration::wake(auto& waiting, const kernel::step& how) {
    scheduled_condition& condition = *waiting.condition;
    condition.waiting_.erase(std::find(condition.waiting_.begin(), condition.waiting_.end(), waiting.number));
    touch(condition.object_);
    waiting.where = state::ready;
    waiting.is_woken = true;
    waiting.next = waiting.afterwards;
    record(waiting.number, how);
}

/// Whether others can tell if something has happened between the last point and a notification. They cannot if they
/// need a lock to wait, or to stop waiting, that the calling thread has. Nor if it has only taken locks since: then it
/// may as well have taken them later, unless somebody has tried to take them.
inline bool exploration::can_tell_when_notified(const scheduled_condition& condition) const noexcept {
    const auto& waiting = condition.waiting_;
    if (!waiting.empty() && *thread_of(waiting.front()).afterwards.owner == self_->number) return false;
    return self_->locks == 0 || !self_->has_only_taken_locks || stops_before_freeing_;
}

inline void exploration::notify(scheduled_condition& condition, bool all) {
    const kernel::unwatched own;
    const kernel::step step{all ? "notifies all at condition #" : "notifies one at condition #", condition.number_};
    if (can_tell_when_notified(condition)) go_on({step});
    touch(condition.object_);
    self_->has_only_taken_locks = false;
    record(self_->number, step);
    auto& waiting = condition.waiting_;
    if (all) {
        while (!waiting.empty()) wake(thread_of(waiting.front()), {"is notified"});
    } else if (!waiting.empty()) {
        options_.clear();
        for (const int each : waiting) options_.push_back({each, kernel::way::notified});
        const int chosen = options_.size() == 1 ? waiting.front() : decide(self_->number).thread;
        wake(thread_of(chosen), {"is notified"});
    }
}

inline void exploration::end(const scheduled_lock& lock) {
    const kernel::unwatched own;
    touch_world();
    const std::string name = "lock " + std::to_string(lock.number_);
    if (lock.is_taken_) fail(name + " is destroyed while it is taken");
    for (const auto& each : threads_) {
        const bool wants = each->where == state::ready && each->next.blocked == &lock.is_taken_;
        const bool will_want = each->where == state::waiting && each->afterwards.blocked == &lock.is_taken_;
        if (wants || will_want) fail(name + " is destroyed while " + each->name + " wants it");
    }
}

inline void exploration::end(const scheduled_condition& condition) {
    const kernel::unwatched own;
    if (condition.waiting_.empty()) return;
    const logical_thread& waiting = thread_of(condition.waiting_.front());
    fail("condition " + std::to_string(condition.number_) + " is destroyed while " + waiting.name + " waits at it");
}

}  // namespace pool::testing

/// A pool with a `scheduled_lock` waits as the exploration decides.
template <>
struct pool::lock_traits<pool::testing::scheduled_lock> {
    using condition_variable = pool::testing::scheduled_condition;  ///< the kit's
    template <class F>
    using stop_callback = pool::testing::scheduled_stop_callback<F>;  ///< the kit's
    /// Whether the calling thread has it.
    static bool held(const pool::testing::scheduled_lock& lock) noexcept { return lock.is_mine(); }
};
