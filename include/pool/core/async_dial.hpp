// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <cstdint>
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

/// Counts the dials of an operation, and the owners of the one that runs. Owners of an earlier dial change nothing.
/// Thread-safe, but for `begin`.
class dial_count {
public:
    /// The next dial begins, with one owner. Returns its number.
    std::uint32_t begin() noexcept {
        running_.store(std::uint64_t{++last_} << 32 | 1);
        return last_;
    }

    /// One more may end this dial.
    void add_owner(std::uint32_t number) noexcept {
        (void)change(number, [](std::uint64_t seen) { return seen + 1; });
    }

    /// One less. Returns true for the last one of a dial that runs: then that has ended.
    bool remove_owner(std::uint32_t number) noexcept {
        bool is_last = false;
        const auto without = [&](std::uint64_t seen) {
            is_last = static_cast<std::uint32_t>(seen) == 1;
            return is_last ? none : seen - 1;
        };
        return change(number, without) && is_last;
    }

    /// Ends this dial. Returns whether it was running.
    bool end(std::uint32_t number) noexcept {
        return change(number, [](std::uint64_t) { return none; });
    }

private:
    static constexpr std::uint64_t none = 0;

    /// Changes the state, if this dial is running.
    template <class Change>
    bool change(std::uint32_t number, const Change& to) noexcept {
        std::uint64_t seen = running_.load();
        while (seen >> 32 == number)
            if (running_.compare_exchange_weak(seen, to(seen))) return true;
        return false;
    }

    std::uint32_t last_ = 0;
    std::atomic<std::uint64_t> running_ = none;  ///< the number of the dial that runs, and in the low half its owners
};

/// One owner of the running dial of an operation. The dial ends exactly once: when it succeeds, when it fails, or when
/// its last owner is destroyed. All owners keep the operation alive.
template <class Operation>
class dial_owner {
    using connection_type = typename Operation::connection_type;

public:
    /// The first owner of the next dial.
    explicit dial_owner(std::shared_ptr<Operation> operation) noexcept
        : operation_{std::move(operation)},
          number_{operation_->dials.begin()} {}
    dial_owner(const dial_owner& other) noexcept : operation_{other.operation_}, number_{other.number_} {
        if (operation_) operation_->dials.add_owner(number_);
    }
    dial_owner(dial_owner&& other) noexcept = default;
    dial_owner& operator=(dial_owner other) noexcept {
        operation_.swap(other.operation_);
        std::swap(number_, other.number_);
        return *this;
    }
    ~dial_owner() {
        if (operation_ && operation_->dials.remove_owner(number_)) operation_->dial_failed(asio::errc::dial_dropped, nullptr);
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
    bool end() const noexcept { return operation_->dials.end(number_); }

    std::shared_ptr<Operation> operation_;
    std::uint32_t number_;
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
