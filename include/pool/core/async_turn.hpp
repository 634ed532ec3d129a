// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <memory>
#include <typeinfo>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <pool/core/platform.hpp>

/// @file
/// How an operation goes on on its executor.

namespace pool::core {

/// Numbers the turns of an operation. A turn that was not called may have been destroyed by its executor, or by a post
/// that has thrown. Only in the first case is the operation lost. Thread-safe for the end of a post and the end of its
/// turn.
class turn_count {
public:
    /// The number of the next turn, which its post and the turn then pass to `end`.
    unsigned next() noexcept { return ++last_; }

    /// The post has returned, or the turn was destroyed without being called. Returns true for the second of these two.
    bool end(unsigned number) noexcept {
        unsigned seen = ended_.load();
        while (seen < number && !ended_.compare_exchange_weak(seen, number)) {
        }
        return seen == number;
    }

private:
    unsigned last_ = 0;
    std::atomic<unsigned> ended_ = 0;
};

/// The function that continues an operation. The executor may also destroy it without calling it.
template <class Operation>
class turn {
public:
    using allocator_type = typename Operation::allocator_type;

    turn(std::shared_ptr<Operation> operation, unsigned number)
        : allocator_{operation->turn_allocator()},
          operation_{std::move(operation)},
          number_{number} {}
    turn(turn&&) noexcept = default;
    turn& operator=(turn&&) = delete;
    ~turn() {
        if (operation_ && operation_->turns.end(number_)) operation_->dropped();
    }

    allocator_type get_allocator() const noexcept { return allocator_; }
    void operator()() { Operation::take(std::move(operation_)); }

private:
    allocator_type allocator_;
    std::shared_ptr<Operation> operation_;
    unsigned number_;
};

/// Posts a function. A type-erased executor, as coroutines have, would need more memory than the function's allocator
/// has. So it is looked through, if it is the executor of an `io_context`.
template <class Executor, class Function>
void post_through(const Executor& executor, Function&& function) {
#ifndef BOOST_ASIO_NO_TYPEID
    using plain = boost::asio::io_context::executor_type;
    if constexpr (requires { executor.target_type(), executor.template target<plain>(); }) {
        // In Boost 1.74, `target` of an `any_io_executor` does not check the type.
        if (executor.target_type() == typeid(plain))
            return boost::asio::post(*executor.template target<plain>(), std::forward<Function>(function));
    }
#endif
    boost::asio::post(executor, std::forward<Function>(function));
}

/// Posts the next turn of an operation. Throws what the post throws: then there is no turn.
template <class Operation>
void post_turn(std::shared_ptr<Operation> operation) {
    const unsigned number = operation->turns.next();
    core::post_through(operation->get_executor(), turn<Operation>{operation, number});
    if (operation->turns.end(number)) operation->dropped();
}

}  // namespace pool::core
