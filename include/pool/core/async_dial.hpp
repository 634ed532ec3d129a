// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <exception>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include <boost/asio/error.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>

#include <pool/asio/errc.hpp>
#include <pool/core/close_conn.hpp>
#include <pool/core/dial_with.hpp>
#include <pool/dial.hpp>

// Coroutines depend on the program's compiler and Boost. The first include defines whether there are any.
#include <boost/asio/detail/config.hpp>
#ifdef BOOST_ASIO_HAS_CO_AWAIT
#include <boost/asio/awaitable.hpp>
#endif

/// @file
/// An asynchronous dial: how it is called, and how it ends.

namespace pool::core {

/// What a coroutine of Asio returns.
template <class T>
inline constexpr bool is_awaitable = false;
#ifdef BOOST_ASIO_HAS_CO_AWAIT
template <class T, class Executor>
inline constexpr bool is_awaitable<boost::asio::awaitable<T, Executor>> = true;  ///< with any executor
#endif

/// A dial that calls this handler when it is over.
template <class Dial, class Key, class Handler>
concept callback_dial = requires(Dial& dial, const Key& key, const dial_context& context, Handler handler) {
    requires !is_awaitable<
        std::remove_cvref_t<decltype(core::call_dial(dial, key, context, std::move(handler)))>>;
};

/// A dial that is a coroutine.
template <class Dial, class Key>
concept coroutine_dial = requires(Dial& dial, const Key& key, const dial_context& context) {
    requires is_awaitable<std::remove_cvref_t<decltype(core::call_dial(dial, key, context))>>;
};

/// A dial of either kind. It is asked first whether it takes a handler, because a template might fail to compile with a
/// context in the handler's place.
template <class Dial, class Key, class Handler>
concept async_dial = callback_dial<Dial, Key, Handler> || coroutine_dial<Dial, Key>;

/// The error code that stands for the exception of a dial.
inline boost::system::error_code code_of(const std::exception_ptr& error) noexcept {
    try {
        std::rethrow_exception(error);
    } catch (const boost::system::system_error& known) {
        return known.code();
    } catch (const std::bad_alloc&) {
        return boost::asio::error::no_memory;
    } catch (...) {
        return asio::errc::dial_failed;
    }
}

/// One owner of the running dial of an operation. The dial ends exactly once: when it succeeds, when it fails, or when
/// its last owner is destroyed. All owners keep the operation alive.
template <class Operation>
class dial_owner {
    using connection_type = typename Operation::connection_type;

public:
    explicit dial_owner(std::shared_ptr<Operation> operation) noexcept : operation_{std::move(operation)} { add(); }
    dial_owner(const dial_owner& other) noexcept : operation_{other.operation_} { add(); }
    dial_owner(dial_owner&& other) noexcept = default;
    dial_owner& operator=(dial_owner other) noexcept {
        operation_.swap(other.operation_);
        return *this;
    }
    ~dial_owner() {
        if (operation_ && operation_->dial_owners.fetch_sub(1) == 1) failed(asio::errc::dial_dropped);
    }

    Operation& operation() const noexcept { return *operation_; }

    /// A dial that is over already has no use for this connection.
    void opened(connection_type& conn) const noexcept {
        if (end()) operation_->dial_opened(conn);
        else core::close_conn(conn);
    }
    void failed(boost::system::error_code error) const noexcept {
        if (end()) operation_->dial_failed(error, nullptr);
    }
    void failed(const std::exception_ptr& error) const noexcept {
        if (end()) operation_->dial_failed(core::code_of(error), error);
    }

private:
    void add() const noexcept {
        if (operation_) operation_->dial_owners.fetch_add(1);
    }
    bool end() const noexcept { return !operation_->is_dial_over.exchange(true); }

    std::shared_ptr<Operation> operation_;
};

/// The handler that a dial calls when it is over. A connection that comes with an error, or too late, is closed.
template <class Operation>
class dial_handler {
    using connection_type = typename Operation::connection_type;

public:
    using executor_type = typename Operation::executor_type;

    explicit dial_handler(dial_owner<Operation> dial) noexcept
        : executor_{dial.operation().get_executor()},
          dial_{std::move(dial)} {}

    executor_type get_executor() const noexcept { return executor_; }

    void operator()(boost::system::error_code error, connection_type conn) {
        if (!error) return dial_.opened(conn);
        core::close_conn(conn);
        dial_.failed(error);
    }
    void operator()(boost::system::error_code error) { dial_.failed(error ? error : asio::errc::dial_failed); }
    void operator()(const std::exception_ptr& error) {
        if (error) dial_.failed(error);
        else dial_.failed(asio::errc::dial_failed);
    }

private:
    executor_type executor_;
    dial_owner<Operation> dial_;
};

#ifdef BOOST_ASIO_HAS_CO_AWAIT
/// Awaits a dial, and reports its end.
template <class Operation, class Executor>
boost::asio::awaitable<void, Executor> await_dial(
    dial_owner<Operation> owner, boost::asio::awaitable<typename Operation::connection_type, Executor> dial) {
    try {
        auto conn = co_await std::move(dial);
        owner.opened(conn);
    } catch (...) {
        owner.failed(std::current_exception());
    }
}
#endif

}  // namespace pool::core
