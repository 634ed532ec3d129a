// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include <boost/asio/execution/blocking.hpp>

#include <pool/testing/scheduled_lock.hpp>

/// @file
/// An event loop of an exploration: its queue is guarded by a lock of the kit, so whoever posts may be stopped before.

namespace interleavings {

/// Runs what is posted to its executor, in that order, in the thread that calls `run_until`.
class loop {
public:
    class executor_type {
    public:
        explicit executor_type(loop& home) noexcept : home_{&home} {}

        template <class F>
        void execute(F&& f) const {
            home_->post(std::make_shared<std::decay_t<F>>(std::forward<F>(f)));
        }

        /// Never in the call of `execute`.
        static constexpr boost::asio::execution::blocking_t query(boost::asio::execution::blocking_t) noexcept {
            return boost::asio::execution::blocking.never;
        }
        friend bool operator==(const executor_type&, const executor_type&) noexcept = default;

    private:
        loop* home_;
    };

    executor_type get_executor() noexcept { return executor_type{*this}; }

    /// Runs what comes, until `is_done`.
    void run_until(const bool& is_done) {
        while (!is_done) {
            std::function<void()> next;
            {
                std::unique_lock guard{lock_};
                posted_.wait(guard, [&] { return !queue_.empty(); });
                next = std::move(queue_.front());
                queue_.pop_front();
            }
            next();
        }
    }

private:
    template <class F>
    void post(std::shared_ptr<F> f) {
        const std::lock_guard guard{lock_};
        queue_.push_back([f = std::move(f)] { std::move(*f)(); });
        posted_.notify_one();
    }

    pool::testing::scheduled_lock lock_;
    pool::testing::scheduled_condition posted_;
    std::deque<std::function<void()>> queue_;
};

}  // namespace interleavings
