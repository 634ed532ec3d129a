// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

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
///
/// It may be passed under a lock: so a test keeps a lock taken for as long as it likes. For code that must not block under a
/// lock there is `hangs`, which reports it.
class gate {
public:
    gate() : gate{disarmed{}} {}
    gate(const gate&) = delete;
    gate& operator=(const gate&) = delete;
    ~gate() {
        int count = 0;
        for (const visit* each = visits_; each != nullptr; each = each->next) ++count;
        if (count == 0) return;
        const disarmed unnoticed;
        misused("a gate is destroyed while " +
                (count == 1 ? "a thread waits" : std::to_string(count) + " threads wait") + " at it");
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

    /// The same, but no longer than until the deadline, or until a stop is requested. Returns whether the gate has let it
    /// pass. (It may be closed again.) The deadline is one of real time; in an exploration there is none.
    bool pass(const dial_context& context) {
        std::unique_lock guard{mutex_};
        ++arrivals_;
        end_visits([this](const visit& each) { return each.awaited != 0 && each.awaited <= arrivals_; });
        visit mine{.has_ended = is_open_};
        wait(guard, mine, "waits at a gate", context);
        return mine.has_ended;
    }

    /// Blocks until `count` threads have come to the gate since it was made.
    void await_arrivals(int count = 1) {
        std::unique_lock guard{mutex_};
        visit mine{.awaited = count, .has_ended = arrivals_ >= count};
        wait(guard, mine, "waits for threads to come to a gate", {});
    }

private:
    explicit gate(const disarmed&) {}

    /// One wait of a thread. It is on the stack of that thread, so a wait allocates nothing.
    struct visit {
        int awaited = 0;          ///< it waits until so many threads have come; if 0, until the gate is opened
        bool has_ended = false;   ///< that has happened
        bool is_blocked = false;  ///< in an exploration: that has not happened, nor was the wait given up
        visit* next = nullptr;
    };

    void set(bool is_open) {
        const std::scoped_lock guard{mutex_};
        is_open_ = is_open;
        if (is_open) end_visits([](const visit& each) { return each.awaited == 0; });
    }

    template <class Which>
    void end_visits(Which which) {
        for (visit* each = visits_; each != nullptr; each = each->next) {
            if (!which(*each)) continue;
            each->has_ended = true;
            each->is_blocked = false;
        }
        changed_.notify_all();
    }

    /// Returns when the visit has ended, or was given up.
    void wait(std::unique_lock<std::mutex>& guard, visit& mine, const char* what, const dial_context& context) {
        mine.next = std::exchange(visits_, &mine);
        if (scheduler* const running = scheduler::running()) {
            mine.is_blocked = !mine.has_ended;
            guard.unlock();  // another thread may go on while this one waits
            wait_in(*running, mine, what, context.stop);
            guard.lock();
        } else {
            const auto has_ended = [&] { return mine.has_ended; };
            if (context.deadline == context.deadline.max()) changed_.wait(guard, context.stop, has_ended);
            else changed_.wait_until(guard, context.stop, context.deadline, has_ended);
        }
        visit** each = &visits_;
        while (*each != &mine) each = &(*each)->next;
        *each = mine.next;
    }

    void wait_in(scheduler& running, visit& mine, const char* what, const std::stop_token& stop) {
        const auto give_up = [&] {
            const std::scoped_lock guard{mutex_};
            mine.is_blocked = false;
        };
        std::optional<scheduled_stop_callback<decltype(give_up)>> stopping;
        if (stop.stop_possible()) stopping.emplace(stop, give_up);
        const kernel::unwatched its_own;
        running.wait_while(what, mine.is_blocked);
    }

    std::mutex mutex_;  ///< guards all below; not held where a thread of an exploration may be stopped
    std::condition_variable_any changed_;
    bool is_open_ = false;
    int arrivals_ = 0;
    visit* visits_ = nullptr;
};

}  // namespace pool::testing
