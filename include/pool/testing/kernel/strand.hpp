// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <functional>
#include <semaphore>
#include <thread>
#include <utility>

#include <pool/core/platform.hpp>

/// @file
/// A flow of control that runs only when it is its turn.

namespace pool::testing::kernel {

/// One of several flows of control, of which one runs at a time. It calls its function again whenever that returns.
/// Destroy it only while it waits at the end of its function, or before it has begun.
class strand {
public:
    strand(const strand&) = delete;
    strand& operator=(const strand&) = delete;
    virtual ~strand() = default;

    /// Goes on with this one. The caller is `from`, which stops until it is taken over itself.
    virtual void take_over(strand& from) = 0;

    /// It will never be taken over again, nor destroyed. What it refers to is not leaked.
    virtual void abandon() noexcept {}

protected:
    strand() = default;
};

/// One with a thread of its own. It works everywhere, and whatever asks for the thread's id sees several threads.
/// Switching takes some microseconds.
class thread_strand final : public strand {
public:
    /// The calling thread.
    thread_strand() = default;

    /// A new thread, which calls `main` as often as it is its turn.
    explicit thread_strand(std::function<void()> main)
        : thread_{[this, main = std::move(main)] {
              turn_.acquire();
              while (!is_over_) main();
          }} {}
    thread_strand(const thread_strand&) = delete;
    thread_strand& operator=(const thread_strand&) = delete;
    ~thread_strand() override {
        if (!thread_.joinable()) return;
        is_over_ = true;
        turn_.release();
        thread_.join();
    }

    void take_over(strand& from) override {
        turn_.release();
        static_cast<thread_strand&>(from).turn_.acquire();
    }

private:
    bool is_over_ = false;
    std::binary_semaphore turn_{0};
    std::thread thread_;
};

}  // namespace pool::testing::kernel
