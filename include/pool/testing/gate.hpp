// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <vector>

#include <pool/dial.hpp>
#include <pool/testing/failure_plan.hpp>
#include <pool/testing/kernel/sanitizers.hpp>
#include <pool/testing/scheduled_lock.hpp>
#include <pool/testing/scheduled_stop_callback.hpp>
#include <pool/testing/scheduler.hpp>

/// @file
/// How a test holds a thread: a gate that is closed until the test opens it.

namespace pool::testing {

/// Threads that pass it block until it is open. All members are thread-safe. It must not be destroyed while a thread
/// blocks. In an exploration, the other threads go on meanwhile; if none can, that is a deadlock, and the run fails.
class gate {
public:
    gate() : gate{disarmed{}} {}
    gate(const gate&) = delete;
    gate& operator=(const gate&) = delete;
    ~gate() {
        if (passing_ != 0) misused("a gate is destroyed while a thread waits at it");
    }

    /// Lets pass whoever waits, and whoever comes later.
    void open() {
        at("opens a gate");
        set(true);
    }

    /// Blocks whoever comes from now on.
    void close() {
        at("closes a gate");
        set(false);
    }

    /// Blocks until the gate is open.
    void pass() { (void)pass({}); }

    /// The same, but no longer than until the deadline, or until a stop is requested. Returns whether the gate is open.
    /// The deadline is one of real time; in an exploration there is none.
    bool pass(const dial_context& context) {
        std::unique_lock guard{mutex_};
        ++passing_;
        ++arrivals_;
        changed_.notify_all();
        if (scheduler* const running = scheduler::running()) {
            guard.unlock();  // another thread may go on while this one waits
            wait_in(*running, context.stop);
            guard.lock();
        } else {
            const auto is_open = [this] { return is_open_; };
            if (context.deadline == context.deadline.max()) changed_.wait(guard, context.stop, is_open);
            else changed_.wait_until(guard, context.stop, context.deadline, is_open);
        }
        --passing_;
        return is_open_;
    }

    /// Blocks until `count` threads have come to the gate since it was made. For tests with real threads.
    void await_arrivals(int count = 1) {
        std::unique_lock guard{mutex_};
        changed_.wait(guard, [&] { return arrivals_ >= count; });
    }

private:
    explicit gate(const disarmed&) {}

    void set(bool is_open) {
        const std::scoped_lock guard{mutex_};
        is_open_ = is_open;
        if (is_open)
            for (bool* const each : blocked_) *each = false;
        changed_.notify_all();
    }

    void wait_in(scheduler& running, const std::stop_token& stop) {
        bool is_blocked = true;
        {
            const disarmed unnoticed;
            const std::scoped_lock guard{mutex_};
            is_blocked = !is_open_;
            blocked_.push_back(&is_blocked);
        }
        {
            const auto give_up = [&] {
                const std::scoped_lock guard{mutex_};
                is_blocked = false;
            };
            const scheduled_stop_callback<decltype(give_up)> stopping{stop, give_up};
            const kernel::unwatched its_own;
            running.wait_while("waits at a gate", is_blocked);
        }
        const std::scoped_lock guard{mutex_};
        blocked_.erase(std::find(blocked_.begin(), blocked_.end(), &is_blocked));
    }

    std::mutex mutex_;  ///< guards all below; not held where a thread of an exploration may be stopped
    std::condition_variable_any changed_;
    bool is_open_ = false;
    int passing_ = 0;
    int arrivals_ = 0;
    std::vector<bool*> blocked_;  ///< the threads of an exploration that wait
};

}  // namespace pool::testing
