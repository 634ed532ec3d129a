// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#include <pool/dial.hpp>
#include <pool/testing/scheduler.hpp>

/// @file
/// How a test holds a thread: a gate that is closed until the test opens it.

namespace pool::testing {

/// Threads that pass it block until it is open. All members are thread-safe. It must not be destroyed while a thread
/// blocks.
///
/// In an exploration, a thread that blocks does not block the exploration: each look at the gate is a point at which
/// another thread may go on.
class gate {
public:
    gate() = default;
    gate(const gate&) = delete;
    gate& operator=(const gate&) = delete;
    ~gate() {
        if (passing_ != 0) misused("a gate is destroyed while a thread waits at it");
    }

    /// Lets pass whoever waits, and whoever comes later.
    void open() { set(true); }

    /// Blocks whoever comes from now on.
    void close() { set(false); }

    /// Blocks until the gate is open.
    void pass() { (void)pass({}); }

    /// The same, but no longer than until the deadline, or until a stop is requested. Returns whether the gate is open.
    /// The deadline is one of real time.
    bool pass(const dial_context& context) {
        if (scheduler::running() != nullptr) return pass_in_exploration(context);
        std::unique_lock guard{mutex_};
        ++passing_;
        ++arrivals_;
        changed_.notify_all();
        const auto is_open = [this] { return is_open_; };
        if (context.deadline == context.deadline.max()) changed_.wait(guard, context.stop, is_open);
        else changed_.wait_until(guard, context.stop, context.deadline, is_open);
        --passing_;
        return is_open_;
    }

    /// Blocks until `count` threads have come to the gate since it was made.
    void await_arrivals(int count = 1) {
        std::unique_lock guard{mutex_};
        changed_.wait(guard, [&] { return arrivals_ >= count; });
    }

private:
    void set(bool is_open) {
        const std::scoped_lock guard{mutex_};
        is_open_ = is_open;
        changed_.notify_all();
    }

    /// No real mutex is held at a point.
    bool pass_in_exploration(const dial_context& context) {
        add(1);
        while (!looks_open() && !context.stop.stop_requested()) at("waits at a gate");
        add(-1);
        return looks_open();
    }

    bool looks_open() {
        const std::scoped_lock guard{mutex_};
        return is_open_;
    }

    void add(int passing) {
        const std::scoped_lock guard{mutex_};
        passing_ += passing;
        arrivals_ += passing > 0;
    }

    std::mutex mutex_;  ///< guards all below
    std::condition_variable_any changed_;
    bool is_open_ = false;
    int passing_ = 0;
    int arrivals_ = 0;
};

}  // namespace pool::testing
