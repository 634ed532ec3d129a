// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>
#include <boost/version.hpp>

#include <pool/asio/errc.hpp>
#include <pool/basic_pool.hpp>

// Depends on the program's Boost and compiler: cancellation slots exist since Boost 1.77, coroutines if the compiler
// has them.
#if BOOST_VERSION >= 107700
#include <boost/asio/associated_cancellation_slot.hpp>
#endif
#ifdef BOOST_ASIO_HAS_CO_AWAIT
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#endif

/// @file
/// An acquire that blocks no thread, for programs on Boost.Asio.

namespace pool::core {

#ifdef BOOST_ASIO_HAS_CO_AWAIT
template <class T>
inline constexpr bool is_awaitable = false;
template <class T, class Executor>
inline constexpr bool is_awaitable<boost::asio::awaitable<T, Executor>> = true;

/// A dial that is a coroutine: `awaitable<Conn> dial(const Key&)`.
template <class Dial, class Key>
concept coroutine_dial = requires(Dial& dial, const Key& key) { requires is_awaitable<decltype(dial(key))>; };
#else
template <class Dial, class Key>
concept coroutine_dial = false;
#endif

/// One `async_acquire`. It lives until its handler has been called and its dial, if there was one, has ended.
template <class State, class Dial, class Handler>
class acquire_operation final : public State::request,
                                public std::enable_shared_from_this<acquire_operation<State, Dial, Handler>> {
    using key_type = typename State::key_type;
    using connection_type = typename State::connection_type;
    using executor = boost::asio::associated_executor_t<Handler>;
    using error_code = boost::system::error_code;
    using self_ptr = std::shared_ptr<acquire_operation>;

public:
    /// Does not start the operation: call `start`.
    acquire_operation(const std::shared_ptr<State>& state, Dial dial, Handler handler)
        : State::request{false},
          state_{state},
          dial_{std::move(dial)},
          work_{boost::asio::get_associated_executor(handler)},
          handler_{std::move(handler)} {}

    /// Checks the dial. Returns whether it can be called. Not a part of `dial`, which the compiler reaches through all
    /// of Asio.
    static consteval bool check_dial() {
        constexpr bool can_dial =
            coroutine_dial<Dial, key_type> || std::is_invocable_v<Dial&, const key_type&, dial_handler>;
        static_assert(can_dial,
            "pool: an asynchronous dial must be callable as dial(const Key&, handler), or be a coroutine "
            "awaitable<Conn> dial(const Key&)");
        return can_dial;
    }

    /// Submits the request: it is served at once, or waits in the queue.
    void start(const key_type& key) {
        self_ = this->shared_from_this();
        try {
            cancel_by_slot();
            state_->submit(*this, typename State::hashed{key}, [] {});
        } catch (...) {
            self_.reset();
            throw;
        }
    }

private:
    /// The function that continues the operation on its executor. The executor may also destroy it without calling it.
    class continuation {
    public:
        using allocator_type = boost::asio::associated_allocator_t<Handler>;

        explicit continuation(self_ptr operation)
            : allocator_{boost::asio::get_associated_allocator(*operation->handler_)},
              operation_{std::move(operation)} {}
        continuation(continuation&&) noexcept = default;
        continuation& operator=(continuation&&) = delete;
        ~continuation() {
            if (operation_) operation_->dropped();
        }

        allocator_type get_allocator() const noexcept { return allocator_; }
        void operator()() { resume(std::move(operation_)); }

    private:
        allocator_type allocator_;
        self_ptr operation_;
    };

    /// A running dial. It ends exactly once: by `opened`, by `failed`, or when its last owner is destroyed.
    class pending_dial {
    public:
        explicit pending_dial(self_ptr operation) noexcept : operation_{std::move(operation)} {}
        pending_dial(const pending_dial&) = delete;
        pending_dial& operator=(const pending_dial&) = delete;
        ~pending_dial() { failed(asio::errc::dial_dropped); }

        acquire_operation& operation() const noexcept { return *operation_; }

        void opened(connection_type conn) {
            if (const self_ptr ended = std::exchange(operation_, nullptr)) ended->opened(conn);
        }
        void failed(error_code error) noexcept {
            if (const self_ptr ended = std::exchange(operation_, nullptr)) ended->failed(error, error.message());
        }
        void failed(const std::exception_ptr& error) noexcept {
            if (const self_ptr ended = std::exchange(operation_, nullptr))
                ended->failed(code_of(error), core::what(error));
        }

    private:
        self_ptr operation_;
    };

    /// The handler that a dial calls when it is over.
    class dial_handler {
    public:
        using executor_type = executor;

        explicit dial_handler(std::shared_ptr<pending_dial> dial) noexcept
            : executor_{dial->operation().work_executor()}, dial_{std::move(dial)} {}

        executor_type get_executor() const noexcept { return executor_; }

        void operator()(error_code error, connection_type conn) {
            if (error) dial_->failed(error);
            else dial_->opened(std::move(conn));
        }
        void operator()(error_code error) { dial_->failed(error); }

    private:
        executor executor_;
        std::shared_ptr<pending_dial> dial_;
    };

    void notified() noexcept override {
        boost::asio::post(work_.get_executor(), continuation{this->shared_from_this()});
    }

    static void resume(self_ptr operation) {
        acquire_operation& self = *operation;
        switch (self.state_->poll(self)) {
        case request_state::waiting: return;
        case request_state::dialing: return self.dial();
        case request_state::lent: return complete(std::move(operation), {}, {*self.state_, self.lent()});
        case request_state::failed: return complete(std::move(operation), self.error_);
        case request_state::closed: return complete(std::move(operation), asio::errc::pool_closed);
        case request_state::queue_full: return complete(std::move(operation), asio::errc::queue_full);
        case request_state::cancelled: return complete(std::move(operation), boost::asio::error::operation_aborted);
        }
    }

    /// Moves the handler out and calls it. The operation keeps no part of the handler.
    static void complete(self_ptr operation, error_code error, lease<State> lent = {}) {
        operation->clear_slot();
        const auto work = operation->work_;  // a copy: a dial that begins in another thread reads the executor
        operation->work_.reset();
        Handler handler = std::move(*operation->handler_);
        operation->handler_.reset();
        operation->self_.reset();
        operation.reset();
        std::move(handler)(error, std::move(lent));
    }

    /// The executor was destroyed, or has dropped the continuation, so the handler is never called.
    void dropped() noexcept {
        const self_ptr self = std::move(self_);
        state_->cancel(*this);
        if (state_->poll(*this) == request_state::lent) lease<State>{*state_, this->lent()}.give_back();
    }

    void dial() {
        std::shared_ptr<pending_dial> pending;
        try {
            pending = std::make_shared<pending_dial>(this->shared_from_this());
        } catch (...) {
            return failed(boost::asio::error::no_memory, "no memory for it");
        }
        try {
            if constexpr (coroutine_dial<Dial, key_type>) co_spawn_dial(pending);
            else dial_(this->key(), dial_handler{pending});
        } catch (...) {
            pending->failed(std::current_exception());
        }
    }

#ifdef BOOST_ASIO_HAS_CO_AWAIT
    void co_spawn_dial(const std::shared_ptr<pending_dial>& pending) {
        boost::asio::co_spawn(work_.get_executor(), await_dial(pending, dial_(this->key())), boost::asio::detached);
    }

    template <class Executor>
    static boost::asio::awaitable<void, Executor> await_dial(
        std::shared_ptr<pending_dial> pending, boost::asio::awaitable<connection_type, Executor> dial) {
        try {
            pending->opened(co_await std::move(dial));
        } catch (...) {
            pending->failed(std::current_exception());
        }
    }
#endif

    void opened(connection_type& conn) noexcept {
        error_ = boost::asio::error::no_memory;  // the error, if the next lines throw
        try {
            const auto moved = [&conn](const key_type&) -> connection_type { return std::move(conn); };
            state_->dial_succeeded(*this, state_->make_entry_with(this->hashed(), moved));
        } catch (...) {
            State::close(conn, nullptr);
            failed(error_, "no memory for it");
        }
    }

    void failed(error_code error, const std::string& text) noexcept {
        error_ = error;
        state_->dial_failed(*this, core::kept_text(text), count_dial::yes);
    }

    static error_code code_of(const std::exception_ptr& error) noexcept {
        try {
            std::rethrow_exception(error);
        } catch (const boost::system::system_error& known) {
            return known.code();
        } catch (...) {
            return asio::errc::dial_failed;
        }
    }

    executor work_executor() const noexcept { return work_.get_executor(); }

#if BOOST_VERSION >= 107700
    /// Cancelling takes the request out of the queue. It is not thread-safe, as no use of a cancellation slot is:
    /// cancel on the handler's executor.
    void cancel_by_slot() {
        auto slot = boost::asio::get_associated_cancellation_slot(*handler_);
        if (!slot.is_connected()) return;
        slot.assign([waiting = this->weak_from_this()](boost::asio::cancellation_type type) {
            if (type == boost::asio::cancellation_type::none) return;
            if (const self_ptr self = waiting.lock()) self->state_->cancel(*self);
        });
    }
    void clear_slot() noexcept { boost::asio::get_associated_cancellation_slot(*handler_).clear(); }
#else
    void cancel_by_slot() noexcept {}
    void clear_slot() noexcept {}
#endif

    std::shared_ptr<State> state_;
    Dial dial_;
    boost::asio::executor_work_guard<executor> work_;
    std::optional<Handler> handler_;
    error_code error_;
    self_ptr self_;  ///< keeps the operation alive until the handler is called
};

/// Makes an operation for a handler, and starts it. Not a lambda, because the compiler would show all that is around it
/// with each of Asio's frames.
struct start_acquire {
    /// Refuses a dial that cannot be called.
    template <class Handler, class State, class Dial>
    void operator()(Handler handler, std::shared_ptr<State> state, typename State::key_type key, Dial dial) const {
        using operation = acquire_operation<State, Dial, Handler>;
        if constexpr (operation::check_dial())
            std::make_shared<operation>(std::move(state), std::move(dial), std::move(handler))->start(key);
    }
};

/// Checks the dial of an acquire, as far as the token tells: one that is called like a handler is the handler. Any
/// other is checked when its handler is known.
template <class State, class Dial, class Token>
consteval bool check_async_dial() {
    if constexpr (std::is_invocable_v<Token, boost::system::error_code, lease<State>>)
        return acquire_operation<State, Dial, Token>::check_dial();
    else return true;
}

}  // namespace pool::core

namespace pool::asio {

/// The asynchronous form of `basic_pool::acquire`. Lends an idle connection of `key`, or dials one. It may have to wait
/// for either, but blocks no thread. Completes with `void(boost::system::error_code, lease)`. The lease is empty if
/// there is an error. The pool must bound the open connections. Its blocking and asynchronous callers wait in one
/// queue.
///
/// `dial` is an asynchronous operation, too. It is called on the executor of the handler, as one of
/// - `dial(const Key&, handler)`, which calls `handler(error_code, Conn)`, or `handler(error_code)` if there is an
///   error and no connection. The handler has the executor of the caller's handler, and can be moved and copied.
/// - `awaitable<Conn> dial(const Key&)`, a coroutine. An exception of the coroutine becomes an error code. A
///   `system_error` gives its own code, any other exception gives `errc::dial_failed`.
///
/// The dial gets neither a deadline nor a stop token. One that may take long needs a timer of its own.
///
/// The key is valid until the dial is over. While a dial runs, its caller may get a connection that another caller
/// gives back, or may be cancelled. In both cases the dial goes on. Its connection goes to the next waiting caller, or
/// becomes idle. So a dial may outlive its caller. Whatever it refers to has to live as long as the dial.
///
/// The handler is called on its executor, never within this call. The pool uses the handler's cancellation slot (Boost
/// 1.77 or later), and the handler's allocator for what it posts. Cancelling takes the caller out of the queue. A
/// caller that already has a connection keeps it and gets no error. If the pool is destroyed first, the operation
/// completes with `pool_closed`. Do not destroy the executor's context while the operation waits in the queue: close
/// the pool before that. Throws what Key's copy throws. When the operation is started, it also throws `std::bad_alloc`
/// and what Key's hash throws, unless the completion token catches them.
template <class Key, class Conn, class Capacity, class Expiry, class Lock, class Clock, class Dial, class Token>
auto async_acquire(basic_pool<Key, Conn, Capacity, Expiry, Lock, Clock>& pool, key_view<std::type_identity_t<Key>> key,
    Dial&& dial, Token&& token) {
    constexpr bool bounds_open = open_capacity_policy<Capacity, Key>;
    static_assert(bounds_open,
        "pool: async_acquire needs a CapacityPolicy that bounds what is open, such as bounded_open");
    static_assert(std::move_constructible<Conn>, "pool: async_acquire needs a Conn that can be moved");
    if constexpr (bounds_open && std::move_constructible<Conn>) {
        using state = core::state_for<Key, Conn, Capacity, Expiry, Lock, Clock>;
        if constexpr (core::check_async_dial<state, std::decay_t<Dial>, std::decay_t<Token>>()) {
            return boost::asio::async_initiate<Token, void(boost::system::error_code, lease<state>)>(
                core::start_acquire{}, token, core::pool_access::state(pool), Key(key), std::forward<Dial>(dial));
        }
    }
}

}  // namespace pool::asio
