// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
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
#include <boost/asio/steady_timer.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>
#include <boost/version.hpp>

#include <pool/core/basic_pool.hpp>

// What a program's Boost has: cancellation slots since 1.77, coroutines where the compiler has them.
#if BOOST_VERSION >= 107700
#include <boost/asio/associated_cancellation_slot.hpp>
#endif
#ifdef BOOST_ASIO_HAS_CO_AWAIT
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#endif

/// @file
/// A pool that bounds what is open, for programs on Boost.Asio: nobody blocks a thread to wait for a turn. Nothing else of
/// the library includes this.

namespace pool::asio {

/// What `async_acquire` reports of its own. What a dial reports reaches its caller unchanged, and who is cancelled gets
/// `boost::asio::error::operation_aborted`.
enum class errc {
    pool_closed = 1,   ///< the pool is closed
    too_many_waiters,  ///< nothing was free, and as many were waiting as may
    dial_failed,       ///< the dial threw something else than a `boost::system::system_error`
    dial_dropped,      ///< the dial destroyed its handler without having called it
};

/// The category of `errc`.
inline const boost::system::error_category& category() noexcept {
    static const struct final : boost::system::error_category {
        const char* name() const noexcept override { return "pool"; }
        std::string message(int value) const override {
            switch (static_cast<errc>(value)) {
            case errc::pool_closed: return "the pool is closed";
            case errc::too_many_waiters: return "too many wait for a connection already";
            case errc::dial_failed: return "the dial failed with an exception";
            case errc::dial_dropped: return "the dial was dropped before it was over";
            }
            return "unknown error";
        }
    } instance;
    return instance;
}

/// An error code of this category.
inline boost::system::error_code make_error_code(errc value) noexcept {
    return {static_cast<int>(value), category()};
}

}  // namespace pool::asio

namespace boost::system {

/// Makes `pool::asio::errc` convert to an error code.
template <>
struct is_error_code_enum<pool::asio::errc> : std::true_type {};

}  // namespace boost::system

namespace pool::asio {

#ifdef BOOST_ASIO_HAS_CO_AWAIT
template <class T>
inline constexpr bool is_awaitable = false;
template <class T, class Executor>
inline constexpr bool is_awaitable<boost::asio::awaitable<T, Executor>> = true;

/// A dial that is a coroutine: `awaitable<Conn> dial(const Key&)`.
template <class Dial, class Key>
concept coroutine_dialer = requires(Dial& dial, const Key& key) { requires is_awaitable<decltype(dial(key))>; };
#else
template <class Dial, class Key>
concept coroutine_dialer = false;
#endif

/// One `async_acquire`, from its initiation until its handler has been called and its dial, if it began one, is over.
template <class State, class Dial, class Handler>
class acquire_operation final : public State::request,
                                public std::enable_shared_from_this<acquire_operation<State, Dial, Handler>> {
    using key_type = typename State::key_type;
    using connection_type = typename State::connection_type;
    using executor = boost::asio::associated_executor_t<Handler>;
    using error_code = boost::system::error_code;
    using self_ptr = std::shared_ptr<acquire_operation>;

public:
    /// Not started yet.
    acquire_operation(const std::shared_ptr<State>& state, Dial dial, Handler handler)
        : State::request{false},
          state_{state},
          dial_{std::move(dial)},
          work_{boost::asio::get_associated_executor(handler)},
          handler_{std::move(handler)} {}

    /// Takes its place in the queue.
    void start(const key_type& key) {
        self_ = this->shared_from_this();
        try {
            cancel_by_slot();
            state_->ask(*this, typename State::lookup{key});
        } catch (...) {
            self_.reset();
            throw;
        }
    }

private:
    /// A turn of the operation on its executor. The executor may also drop it.
    class turn {
    public:
        using allocator_type = boost::asio::associated_allocator_t<Handler>;

        explicit turn(self_ptr operation)
            : allocator_{boost::asio::get_associated_allocator(*operation->handler_)}, operation_{std::move(operation)} {}
        turn(turn&&) noexcept = default;
        turn& operator=(turn&&) = delete;
        ~turn() {
            if (operation_) operation_->dropped();
        }

        allocator_type get_allocator() const noexcept { return allocator_; }
        void operator()() { take(std::move(operation_)); }

    private:
        allocator_type allocator_;
        self_ptr operation_;
    };

    /// A dial under way. It ends once: by one of the two functions, or because nobody has it any more.
    class pending_dial {
    public:
        explicit pending_dial(self_ptr operation) noexcept : operation_{std::move(operation)} {}
        pending_dial(const pending_dial&) = delete;
        pending_dial& operator=(const pending_dial&) = delete;
        ~pending_dial() { failed(errc::dial_dropped); }

        acquire_operation& operation() const noexcept { return *operation_; }

        void opened(connection_type conn) {
            if (const self_ptr ended = std::exchange(operation_, nullptr)) ended->opened(conn);
        }
        void failed(error_code error) noexcept {
            if (const self_ptr ended = std::exchange(operation_, nullptr)) ended->failed(error, error.message());
        }
        void failed(const std::exception_ptr& error) noexcept {
            if (const self_ptr ended = std::exchange(operation_, nullptr)) ended->failed(code_of(error), message(error));
        }

    private:
        self_ptr operation_;
    };

    /// What a dial calls when it is over.
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

    void told() noexcept override { boost::asio::post(work_.get_executor(), turn{this->shared_from_this()}); }

    static void take(self_ptr operation) {
        acquire_operation& self = *operation;
        switch (self.state_->look(self)) {
        case standing::waiting: return;
        case standing::dialing: return self.dial();
        case standing::lent: return complete(std::move(operation), {}, {*self.state_, self.lent()});
        case standing::failed: return complete(std::move(operation), self.error_);
        case standing::closed: return complete(std::move(operation), errc::pool_closed);
        case standing::crowded: return complete(std::move(operation), errc::too_many_waiters);
        case standing::withdrawn: return complete(std::move(operation), boost::asio::error::operation_aborted);
        }
    }

    /// Calls the handler, of which nothing is left here then.
    static void complete(self_ptr operation, error_code error, lease<State> lent = {}) {
        operation->clear_slot();
        const auto work = operation->work_;  // not moved: another thread may be about to begin the dial
        operation->work_.reset();
        Handler handler = std::move(*operation->handler_);
        operation->handler_.reset();
        operation->self_.reset();
        operation.reset();
        std::move(handler)(error, std::move(lent));
    }

    /// Its executor has gone, and will not call the handler.
    void dropped() noexcept {
        const self_ptr self = std::move(self_);
        state_->withdraw(*this);
        if (state_->look(*this) == standing::lent) lease<State>{*state_, this->lent()}.give_back();
    }

    void dial() {
        std::shared_ptr<pending_dial> pending;
        try {
            pending = std::make_shared<pending_dial>(this->shared_from_this());
        } catch (...) {
            return failed(boost::asio::error::no_memory, "no memory for it");
        }
        try {
            if constexpr (coroutine_dialer<Dial, key_type>) {
                co_spawn_dial(pending);
            } else {
                static_assert(std::invocable<Dial&, const key_type&, dial_handler>,
                    "pool: an asynchronous dial must be callable as dial(const Key&, handler), or be a coroutine "
                    "awaitable<Conn> dial(const Key&)");
                dial_(this->key(), dial_handler{pending});
            }
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
        error_ = boost::asio::error::no_memory;  // if it is that
        try {
            const auto moved = [&conn](const key_type&) -> connection_type { return std::move(conn); };
            state_->opened(*this, state_->open(this->wanted(), moved));
        } catch (...) {
            State::close(conn, nullptr);
            failed(error_, "no memory for it");
        }
    }

    void failed(error_code error, const std::string& text) noexcept {
        error_ = error;
        dial_error last;
        try {
            last = std::make_shared<const std::string>(text);
        } catch (...) {
            // No memory for the text.
        }
        state_->dial_failed(*this, last);
    }

    static error_code code_of(const std::exception_ptr& error) noexcept {
        try {
            std::rethrow_exception(error);
        } catch (const boost::system::system_error& known) {
            return known.code();
        } catch (...) {
            return errc::dial_failed;
        }
    }

    executor work_executor() const noexcept { return work_.get_executor(); }

#if BOOST_VERSION >= 107700
    /// To be cancelled takes it out of the queue. Like any use of a slot, that is not thread-safe: it has to come from the
    /// handler's executor.
    void cancel_by_slot() {
        auto slot = boost::asio::get_associated_cancellation_slot(*handler_);
        if (!slot.is_connected()) return;
        slot.assign([waiting = this->weak_from_this()](boost::asio::cancellation_type type) {
            if (type == boost::asio::cancellation_type::none) return;
            if (const self_ptr self = waiting.lock()) self->state_->withdraw(*self);
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
    self_ptr self_;  ///< until the handler is called
};

/// Lends an idle connection of `key`, or dials one, when it is this caller's turn: the asynchronous form of
/// `basic_pool::acquire`. Completes with `void(boost::system::error_code, lease)`; the lease is empty if there is an error.
/// The pool is one whose CapacityPolicy bounds what is open; blocking and asynchronous callers of it are one queue.
///
/// `dial` is an asynchronous operation, too. It is called on the executor of the handler, as one of
/// - `dial(const Key&, handler)`, which calls `handler(error_code, Conn)`, or `handler(error_code)` where it has no
///   connection to show with the error. The handler has the executor of the caller's handler, and can be moved and copied;
/// - `awaitable<Conn> dial(const Key&)`, a coroutine. What it throws becomes an error code: that of a `system_error`, or
///   `errc::dial_failed`.
///
/// The key is valid until the dial is over. While a dial is under way, a connection that comes back may serve its caller,
/// and the caller may be cancelled; the dial goes on, and its connection goes to the next one that waits, or becomes idle.
/// So a dial may outlive its caller: what it refers to has to, as well.
///
/// The handler is called on its executor, never within this call; its cancellation slot is heeded (Boost 1.77 or later),
/// and what is posted for it is allocated with its allocator. Cancelling takes the caller out of the queue; if it has got a
/// connection by then, it gets that. The pool may go before the operation is over, which then ends with `pool_closed`. The
/// executor's context may not, while the operation waits in the queue: close the pool before it.
/// Throws `std::bad_alloc` and what the key's hash throws, as far as the token lets it.
template <class Key, class Conn, class Capacity, class Expiry, class Lock, class Clock, class Dial, class Token>
auto async_acquire(basic_pool<Key, Conn, Capacity, Expiry, Lock, Clock>& pool, key_view<std::type_identity_t<Key>> key,
    Dial&& dial, Token&& token) {
    using pool_type = basic_pool<Key, Conn, Capacity, Expiry, Lock, Clock>;
    using state = typename pool_type::state_type;
    static_assert(state::bounds_open,
        "pool: async_acquire needs a CapacityPolicy that bounds what is open, such as bounded_open");
    static_assert(std::move_constructible<Conn>, "pool: async_acquire needs a Conn that can be moved");

    auto initiation = [](auto handler, std::shared_ptr<state> shared, Key owned, std::decay_t<Dial> dialer) {
        using operation = acquire_operation<state, std::decay_t<Dial>, decltype(handler)>;
        std::make_shared<operation>(std::move(shared), std::move(dialer), std::move(handler))->start(owned);
    };
    return boost::asio::async_initiate<Token, void(boost::system::error_code, lease<state>)>(
        std::move(initiation), token, pool.shared(), Key(key), std::forward<Dial>(dial));
}

/// Calls `expire()` whenever something may be due, from a timer of your executor instead of a thread (see `pool::reaper`).
/// While it exists, its `io_context` does not run out of work.
///
/// The pool must outlive it. It may be destroyed where its executor runs it, or while nobody does: like a timer, it is not
/// thread-safe.
template <class Pool>
class reaper {
    static_assert(Pool::can_expire, "pool: a reaper needs a pool whose ExpiryPolicy can expire");
    static_assert(keeps_real_time<typename Pool::clock_type>, "pool: a timer needs a pool whose clock keeps real time");

public:
    /// Sweeps for the first time soon, on `executor`.
    template <class Executor>
    reaper(Executor executor, Pool& pool) : sweeper_{std::make_shared<sweeper>(std::move(executor), pool)} {
        sweeper_->wait(boost::asio::steady_timer::duration::zero());
    }

    reaper(const reaper&) = delete;
    reaper& operator=(const reaper&) = delete;

    /// No sweep begins after this.
    ~reaper() {
        sweeper_->stopped = true;
        sweeper_->timer.cancel();
    }

private:
    struct sweeper : std::enable_shared_from_this<sweeper> {
        sweeper(auto executor, Pool& of) : timer{std::move(executor)}, pool{of} {}

        void wait(boost::asio::steady_timer::duration time) {
            timer.expires_after(time);
            timer.async_wait([self = this->shared_from_this()](boost::system::error_code) {
                if (self->stopped) return;
                self->pool.expire();
                if (self->stopped) return;  // by a close
                const auto next = bounded_wait(self->pool.clock(), self->pool.next_expiry());
                self->wait(std::chrono::ceil<boost::asio::steady_timer::duration>(next));
            });
        }

        boost::asio::steady_timer timer;
        Pool& pool;
        bool stopped = false;
    };

    std::shared_ptr<sweeper> sweeper_;
};

}  // namespace pool::asio
