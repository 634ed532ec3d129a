// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include <pool/testing/failure_plan.hpp>
#include <pool/testing/kernel/sanitizers.hpp>

/// @file
/// What the parts of the testing kit share: they report to the test that runs in this thread.

namespace pool::testing {

/// Runs the threads of a test one at a time, and decides which one goes on. `explore` has one.
class scheduler {
public:
    scheduler(const scheduler&) = delete;
    scheduler& operator=(const scheduler&) = delete;

    /// The one that runs in this thread. Null outside an exploration, and while one looks at an invariant.
    static scheduler* running() noexcept { return current(); }

    static constexpr std::int64_t anything = -1;  ///< no object's number

    /// The calling thread may be stopped here. `what` says what it does next, and must outlive the exploration. What it
    /// does touches nothing that threads share without a lock but the object of this number, or `anything`.
    virtual void at(const char* what, std::int64_t object) = 0;

    /// Blocks the calling thread until `blocked` is false. `what` is as for `at`.
    virtual void wait_while(const char* what, const bool& blocked) = 0;

    /// Whether the calling thread has a lock of the test.
    virtual bool has_lock() const noexcept = 0;

    /// The calling thread.
    virtual const void* calling_thread() const noexcept = 0;

    /// Ends this run of the test. Nothing is unwound.
    [[noreturn]] virtual void fail(std::string_view why) = 0;

    /// What to print when the program ends in this run of the test.
    virtual std::string last_words() const = 0;

    /// Prints that, if one runs in this thread.
    static void print_last_words() {
        const kernel::unwatched own;
        if (current() != nullptr) std::fprintf(stderr, "%s\n", current()->last_words().c_str());
    }

protected:
    scheduler() = default;
    ~scheduler() = default;

    /// Thread-local, so that two tests in two threads share nothing.
    static scheduler*& current() noexcept {
        static thread_local scheduler* running = nullptr;
        return running;
    }
};

/// A point at which an exploration may stop the calling thread. Does nothing outside an exploration. `what` says what
/// the thread does next, such as "dials", and must outlive the exploration, as a literal does.
inline void at(const char* what) {
    const kernel::unwatched own;
    if (scheduler* const running = scheduler::running()) running->at(what, scheduler::anything);
}

/// The same, where the thread touches nothing that threads share without a lock but one object. Its number, from 0 on,
/// replaces the `#` in `what`, as in "closes connection #". So the exploration knows that closes of two connections may
/// be made in either order.
inline void at(const char* what, std::int64_t object) {
    const kernel::unwatched own;
    if (scheduler* const running = scheduler::running()) running->at(what, object);
}

namespace kernel {

/// The failure that came before, as a line: a mistake may be its consequence.
inline std::string after_a_failure() {
    const failure_plan* const plan = failure_plan::of_this_thread();
    return plan != nullptr && plan->failed() ? "\n  " + plan->text() : "";
}

}  // namespace kernel

/// Reports a mistake of the code under test, such as a connection that is closed twice. In an exploration, this run of
/// the test fails, and the schedule that led to it is printed. Otherwise it prints `what`, and aborts.
[[noreturn]] inline void misused(std::string_view what) {
    const kernel::unwatched own;
    if (scheduler* const running = scheduler::running()) running->fail(what);
    std::fprintf(stderr, "%s%s\n", std::string{what}.c_str(), kernel::after_a_failure().c_str());
    std::abort();
}

}  // namespace pool::testing
