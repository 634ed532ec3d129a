// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/system/error_code.hpp>

#include <pool/core/saturating.hpp>
#include <pool/policies/clock.hpp>

/// @file
/// The deadline of an asynchronous operation, as a timer.

namespace pool::core {

/// A time of a clock, on the clock of timers and dial contexts. If the clock has other time points, it is as far away on
/// that clock.
template <clock_policy Clock>
std::chrono::steady_clock::time_point real_time_of(const Clock& clock, typename Clock::time_point at) {
    using real = std::chrono::steady_clock;
    if constexpr (std::is_same_v<typename Clock::time_point, real::time_point>) {
        return at;
    } else {
        if (at == Clock::time_point::max()) return real::time_point::max();
        return saturating_add(real::now(), saturating_since(clock.now(), at));
    }
}

/// The function that ends the wait for a timer. The executor may destroy it without calling it, because it has no memory
/// to call it, or because it ends itself: then the operation is late all the same.
template <class Operation>
class time_out {
public:
    using allocator_type = typename Operation::allocator_type;

    explicit time_out(std::shared_ptr<Operation> operation)
        : allocator_{operation->timer_allocator()},
          operation_{std::move(operation)} {}
    time_out(time_out&&) noexcept = default;
    time_out& operator=(time_out&&) = delete;
    ~time_out() {
        if (operation_) operation_->timed_out();
    }

    allocator_type get_allocator() const noexcept { return allocator_; }
    void operator()(boost::system::error_code error) {
        const auto operation = std::move(operation_);
        if (!error) operation->timed_out();
    }

private:
    allocator_type allocator_;
    std::shared_ptr<Operation> operation_;
};

/// Calls `timed_out()` of an operation on its executor, when its deadline has passed.
template <class Executor>
class deadline_timer {
    using real = std::chrono::steady_clock;

public:
    /// Starts it. It keeps the operation alive until it is over or reset, and the executor has seen that.
    template <class Operation>
    void start(std::shared_ptr<Operation> operation, real::time_point deadline) {
        timer_.emplace(operation->get_executor(), deadline);
        timer_->async_wait(time_out<Operation>{std::move(operation)});
    }

    bool is_started() const noexcept { return timer_.has_value(); }  ///< and not reset

    /// Ends it.
    void reset() noexcept { timer_.reset(); }

private:
    std::optional<boost::asio::basic_waitable_timer<real, boost::asio::wait_traits<real>, Executor>> timer_;
};

}  // namespace pool::core
