// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <concepts>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <thread>
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
concept coroutine_dial = requires(Dial& dial, const Key& key) {
    requires is_awaitable<decltype(dial(key))>;
};
#else
template <class Dial, class Key>
concept coroutine_dial = false;
#endif

/// Memory for one object at a time, inside an object that outlives it. So whoever uses it needs no other memory, and
/// cannot run out of it. Not thread-safe.
class reserved_memory {
public:
    /// The memory, or nullptr if it is in use, or too small.
    void* take(std::size_t size) noexcept {
        return size <= sizeof(memory_) && !std::exchange(is_taken_, true) ? memory_ : nullptr;
    }
    /// Gives it back. Returns false if `memory` is not this memory.
    bool give_back(void* memory) noexcept { return memory == memory_ && std::exchange(is_taken_, false); }

private:
    alignas(std::max_align_t) std::byte memory_[256];
    bool is_taken_ = false;
};

/// An allocator that takes the memory of an operation first, and then that of another allocator. It keeps the operation
/// alive.
template <class T, class Operation, class Allocator>
class reserving_allocator {
public:
    using value_type = T;  ///< the parameter
    /// The same for another type.
    template <class U>
    struct rebind {
        using other = reserving_allocator<U, Operation, Allocator>;  ///< its allocator
    };

    reserving_allocator(std::shared_ptr<Operation> operation, const Allocator& memory) noexcept
        : operation_{std::move(operation)},
          other_{memory} {}
    template <class U>
    explicit(false) reserving_allocator(const reserving_allocator<U, Operation, Allocator>& from) noexcept
        : operation_{from.operation_},
          other_{from.other_} {}

    T* allocate(std::size_t count) {
        if (void* const reserved =
                alignof(T) <= alignof(std::max_align_t) ? operation_->reserved.take(count * sizeof(T)) : nullptr)
            return static_cast<T*>(reserved);
        other memory_of_other{other_};
        return std::allocator_traits<decltype(memory_of_other)>::allocate(memory_of_other, count);
    }
    void deallocate(T* memory, std::size_t count) noexcept {
        if (operation_->reserved.give_back(memory)) return;
        other memory_of_other{other_};
        std::allocator_traits<decltype(memory_of_other)>::deallocate(memory_of_other, memory, count);
    }

    friend bool operator==(const reserving_allocator& a, const reserving_allocator& b) noexcept {
        return a.operation_ == b.operation_;
    }

private:
    template <class, class, class>
    friend class reserving_allocator;
    using other = typename std::allocator_traits<Allocator>::template rebind_alloc<T>;

    std::shared_ptr<Operation> operation_;
    Allocator other_;
};

/// One `async_acquire`. It lives until its handler has been called and its dial, if there was one, has ended.
///
/// Whatever happens to its request, the operation goes on with a turn on its executor, in which it looks at the request.
/// The memory for that turn is a part of the operation. So a thread that gives a connection back does not need memory to
/// hand it over.
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

    /// Lends an idle connection, or submits the request. Its first turn goes on.
    void start(const key_type& key) {
        self_ = this->shared_from_this();
        const typename State::hashed hashed{key};
        try {
            cancel_by_slot();
            found_ = state_->lend_at_once(hashed);
            if (found_ == nullptr) state_->submit(*this, hashed);
            post_turn();
        } catch (...) {
            withdraw();
            self_.reset();
            throw;
        }
    }

    reserved_memory reserved;  ///< for the next turn

private:
    /// The function that continues the operation on its executor. The executor may also destroy it without calling it.
    class turn {
    public:
        using allocator_type =
            reserving_allocator<void, acquire_operation, boost::asio::associated_allocator_t<Handler>>;

        explicit turn(self_ptr operation)
            : allocator_{operation, boost::asio::get_associated_allocator(*operation->handler_)},
              operation_{std::move(operation)} {}
        turn(turn&&) noexcept = default;
        turn& operator=(turn&&) = delete;
        ~turn() {
            if (operation_ && !operation_->is_posting()) operation_->dropped();
        }

        allocator_type get_allocator() const noexcept { return allocator_; }
        void operator()() { take(std::move(operation_)); }

    private:
        allocator_type allocator_;
        self_ptr operation_;
    };

    /// One owner of the running dial. The dial ends exactly once: when it succeeds, when it fails, or when its last owner
    /// is destroyed.
    class dial_owner {
    public:
        explicit dial_owner(self_ptr operation) noexcept : operation_{std::move(operation)} { add(); }
        dial_owner(const dial_owner& other) noexcept : operation_{other.operation_} { add(); }
        dial_owner(dial_owner&& other) noexcept = default;
        dial_owner& operator=(dial_owner other) noexcept {
            operation_.swap(other.operation_);
            return *this;
        }
        ~dial_owner() {
            if (operation_ && operation_->dial_owners_.fetch_sub(1) == 1) failed(asio::errc::dial_dropped);
        }

        acquire_operation& operation() const noexcept { return *operation_; }

        /// A dial that is over already has no use for this connection.
        void opened(connection_type& conn) const noexcept {
            if (end()) operation_->opened(conn);
            else State::close(conn, nullptr);
        }
        void failed(error_code error) const noexcept {
            if (end()) operation_->failed(error, [error] { return error.message(); });
        }
        void failed(const std::exception_ptr& error) const noexcept {
            if (end()) operation_->failed(code_of(error), [&error] { return core::what(error); });
        }

    private:
        void add() const noexcept {
            if (operation_) operation_->dial_owners_.fetch_add(1);
        }
        bool end() const noexcept { return !operation_->is_dial_over_.exchange(true); }

        self_ptr operation_;
    };

    /// The handler that a dial calls when it is over.
    class dial_handler {
    public:
        using executor_type = executor;

        explicit dial_handler(dial_owner dial) noexcept
            : executor_{dial.operation().work_executor()},
              dial_{std::move(dial)} {}

        executor_type get_executor() const noexcept { return executor_; }

        void operator()(error_code error, connection_type conn) {
            if (!error) return dial_.opened(conn);
            dial_.failed(error);
            State::close(conn, nullptr);
        }
        void operator()(error_code error) { dial_.failed(error); }

    private:
        executor executor_;
        dial_owner dial_;
    };

    /// Posts the next turn. Throws what the executor throws: then there is no turn, and the operation is as before.
    void post_turn() {
        struct posting {
            explicit posting(std::atomic<std::thread::id>& by) noexcept : by_{by} { by_ = me; }
            ~posting() { by_.compare_exchange_strong(me, {}); }  // the turn may be over, and may have posted another
            std::thread::id me = std::this_thread::get_id();
            std::atomic<std::thread::id>& by_;
        };
        const self_ptr self = this->shared_from_this();
        const posting marked{posting_};
        boost::asio::post(work_.get_executor(), turn{self});
    }

    /// Whether this thread is posting a turn: if that fails, the executor destroys the turn, but has not dropped it.
    bool is_posting() const noexcept { return posting_ == std::this_thread::get_id(); }

    bool notified() noexcept override {
        try {
            post_turn();
            return true;
        } catch (...) {  // the executor needs memory of its own, and there is none
            return false;
        }
    }

    static void take(self_ptr operation) {
        acquire_operation& self = *operation;
        if (self.found_ != nullptr) return complete(std::move(operation), {}, {*self.state_, *self.found_});
        switch (self.state_->look(self)) {
        case request_state::may_dial:
            return self.dial();
        case request_state::lent:
            return complete(std::move(operation), {}, {*self.state_, self.lent()});
        case request_state::failed:
            return complete(std::move(operation), self.error_);
        case request_state::closed:
            return complete(std::move(operation), asio::errc::pool_closed);
        case request_state::queue_full:
            return complete(std::move(operation), asio::errc::queue_full);
        case request_state::timed_out:
        case request_state::cancelled:
            return complete(std::move(operation), boost::asio::error::operation_aborted);
        default:
            self.state_->close_for(self);  // it waits or dials: another turn follows
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
        withdraw();
    }

    /// Gives up what the operation has got, or waits for.
    void withdraw() noexcept {
        if (found_ != nullptr) return state_->give_back(*found_);
        if (!this->is_submitted()) return;
        state_->cancel(*this);
        if (state_->look(*this) == request_state::lent) state_->give_back(this->lent());
    }

    void dial() {
        const dial_owner owner{this->shared_from_this()};
        try {
            if constexpr (coroutine_dial<Dial, key_type>) co_spawn_dial(owner);
            else dial_(this->key(), dial_handler{owner});
        } catch (...) {
            owner.failed(std::current_exception());
        }
    }

#ifdef BOOST_ASIO_HAS_CO_AWAIT
    void co_spawn_dial(const dial_owner& owner) {
        boost::asio::co_spawn(work_.get_executor(), await_dial(owner, dial_(this->key())), boost::asio::detached);
    }

    template <class Executor>
    static boost::asio::awaitable<void, Executor> await_dial(
        dial_owner owner, boost::asio::awaitable<connection_type, Executor> dial) {
        try {
            connection_type conn = co_await std::move(dial);
            owner.opened(conn);
        } catch (...) {
            owner.failed(std::current_exception());
        }
    }
#endif

    void opened(connection_type& conn) noexcept {
        typename State::entry* fresh = nullptr;
        try {
            fresh = &state_->dialled(*this, [&conn](const key_type&) -> connection_type { return std::move(conn); });
        } catch (...) {
            State::close(conn, nullptr);
            return failed(boost::asio::error::no_memory, [] { return std::string{"no memory for it"}; });
        }
        state_->dial_succeeded(*this, *fresh);
    }

    /// `text()` makes the text of the error, if there is memory for it.
    template <class Text>
    void failed(error_code error, const Text& text) noexcept {
        error_ = error;
        dial_error kept;
        try {
            kept = std::make_shared<const std::string>(text());
        } catch (...) {
        }
        state_->dial_failed(*this, kept, count_dial::yes);
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
    typename State::entry* found_ = nullptr;  ///< an idle connection that was there at once
    std::atomic<int> dial_owners_ = 0;
    std::atomic<bool> is_dial_over_ = false;
    std::atomic<std::thread::id> posting_{};  ///< the thread that posts a turn
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
    static_assert(
        bounds_open, "pool: async_acquire needs a CapacityPolicy that bounds what is open, such as bounded_open");
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
