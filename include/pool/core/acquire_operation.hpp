// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <stop_token>
#include <thread>
#include <type_traits>
#include <utility>

#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/system/error_code.hpp>

#include <pool/call_site.hpp>
#include <pool/core/acquire_failure.hpp>
#include <pool/core/async_dial.hpp>
#include <pool/core/async_turn.hpp>
#include <pool/core/awaited_check.hpp>
#include <pool/core/awaited_dial.hpp>
#include <pool/core/cancellation_slot.hpp>
#include <pool/core/close_conn.hpp>
#include <pool/core/deadline_timer.hpp>
#include <pool/core/health.hpp>
#include <pool/core/reserved_memory.hpp>
#include <pool/core/state_for.hpp>
#include <pool/dial.hpp>
#include <pool/lease.hpp>
#include <pool/policies/clock.hpp>

#ifdef BOOST_ASIO_HAS_CO_AWAIT
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#endif

/// @file
/// An asynchronous acquire, from its begin to the call of its handler.

namespace pool::core {

/// One `async_acquire`. It lives until its handler has been called and its dial, if there was one, has ended.
///
/// Whatever happens to its request, the operation goes on with a turn on its executor, in which it looks at the
/// request. The memory for that turn is a part of the operation. So a thread that gives a connection back does not need
/// memory to hand it over. The deadline is a timer; its memory is a part of the operation, too.
///
/// `Error` is what the handler gets first: an error code, or an exception.
template <class State, class Dial, class Handler, class Error, bool has_deadline>
class acquire_operation final
    : public State::request,
      public awaited_dial<State, acquire_operation<State, Dial, Handler, Error, has_deadline>>,
      public check_part<State, acquire_operation<State, Dial, Handler, Error, has_deadline>>::type,
      public std::enable_shared_from_this<acquire_operation<State, Dial, Handler, Error, has_deadline>> {
    using key_type = typename State::key_type;
    using hashed = typename State::hashed;
    using time_point = typename State::clock_time_point;
    using error_code = boost::system::error_code;
    using self_ptr = std::shared_ptr<acquire_operation>;
    using handler_of_dial = dial_handler<acquire_operation>;

    static constexpr bool has_timer = has_deadline && keeps_real_time<typename State::clock_type>;
    static constexpr bool awaits_checks = async_health_checked<typename State::connection_type>;

public:
    using connection_type = typename State::connection_type;            ///< of the pool
    using executor_type = boost::asio::associated_executor_t<Handler>;  ///< of the handler
    /// Takes the memory of the operation first.
    using allocator_type = reserving_allocator<void, boost::asio::associated_allocator_t<Handler>>;

    /// Does not start the operation: call `start`.
    acquire_operation(std::shared_ptr<State>&& state, key_type&& key, std::size_t hash, Dial&& dial,
        time_point deadline, Handler&& handler, const call_site& where)
        : State::request{false, deadline},
          state_{std::move(state)},
          key_{std::move(key)},
          hash_{hash},
          dial_{std::move(dial)},
          work_{boost::asio::get_associated_executor(handler)},
          handler_{std::move(handler)},
          where_{where} {}

    /// Checks the dial. Returns whether it can be called. Not a part of `dial`, which the compiler reaches through all
    /// of Asio.
    static consteval bool check_dial() {
        constexpr bool can_dial = async_dial<Dial, key_type, handler_of_dial>;
        static_assert(can_dial,
            "pool: an asynchronous dial must be callable as dial(const Key&, handler) or as dial(const Key&, const "
            "dial_context&, handler), or be a coroutine awaitable<Conn> that takes the same without the handler");
        return can_dial;
    }

    /// Lends an idle connection, or submits the request. Its first turn goes on. Throws what the post of that turn
    /// throws.
    void start() {
        self_ = this->shared_from_this();
        try {
            begin();
        } catch (...) {
            withdraw();
            refuse_by_exception();
        }
        try {
            core::post_turn(this->shared_from_this());
        } catch (...) {
            dropped();
            throw;
        }
    }

    executor_type get_executor() const noexcept { return work_.get_executor(); }

    // For its turns.

    allocator_type turn_allocator() { return allocator_of(turn_memory_); }

    /// A turn.
    static void take(self_ptr operation) {
        acquire_operation& self = *operation;
        if constexpr (awaits_checks) self.end_check();
        request_state seen = self.look();
        for (;; seen = self.look()) {
            if (seen == request_state::lent && self.found_->is_unused()) {
                auto& lent = *std::exchange(self.found_, nullptr);
                if constexpr (!awaits_checks) self.checked(lent, core::is_healthy(*self.state_, lent));
                else if (self.start_check(lent)) return;
            } else if (seen == request_state::may_dial) {
                if (!self.dial()) return;
            } else {
                break;
            }
        }
        if (seen == request_state::lent) return complete(std::move(operation), self.found_);
        if (seen >= request_state::failed) return complete(std::move(operation), nullptr, seen);
        if constexpr (State::bounds_open) self.state_->close_for(self);  // it waits or dials: another turn follows
    }

    /// The executor was destroyed, or has dropped a turn, so the handler is never called.
    void dropped() noexcept {
        const self_ptr self = std::move(self_);
        timer_.reset();
        withdraw();
        request_stop();
        handler_.reset();  // a dial that goes on must not keep what belongs to the executor
        work_.reset();
    }

    turn_count turns;  ///< counts them

    // For its cancellation slot and its timer.

    /// An operation that has got a connection at once, or has failed at once, is over.
    void cancelled() noexcept {
        is_cancelled_ = true;
        if constexpr (awaits_checks)
            if (this->give_up_check(request_state::cancelled)) return;
        if (this->is_submitted()) state_->cancel(*this);
    }
    allocator_type timer_allocator() { return allocator_of(timer_memory_); }
    void timed_out() noexcept {
        is_late_ = true;
        if constexpr (awaits_checks)
            if (this->give_up_check(request_state::timed_out)) return;
        state_->cancel(*this, request_state::timed_out);
    }

    // For its check.

    State& state() const noexcept { return *state_; }
    void start_timer() {
        if constexpr (has_timer) {
            if (awaits_checks && timer_.is_started()) return;
            if (this->deadline() != time_point::max())
                timer_.start(this->shared_from_this(), real_time_of(state_->clock(), this->deadline()));
        }
    }
    /// Whether it has given up, and as what.
    std::optional<request_state> reason_to_leave() const {
        if (is_cancelled_) return request_state::cancelled;
        // The timer's clock may be ahead of the pool's.
        if (is_late_ || state_->is_past(this->deadline())) return request_state::timed_out;
        return std::nullopt;
    }
    /// It ends so, without a request.
    void refuse(request_state outcome) noexcept { refused_ = outcome; }
    /// It ends with the current exception.
    void refuse_by_exception() noexcept {
        failure_ = {core::code_of(std::current_exception()), std::current_exception()};
        refused_ = request_state::failed;
    }

    // For its dial.

    hashed hashed_key() const noexcept { return {key_view<key_type>(key_), hash_}; }

    /// Sets the error that it reports if it fails.
    void set_failure(error_code error, const std::exception_ptr& exception) noexcept { failure_ = {error, exception}; }

    /// Its dial has failed, or could not begin. There may be no exception.
    void fail(error_code error, const std::exception_ptr& exception) noexcept {
        set_failure(error, exception);
        state_->dial_failed(*this, failure_.text());
    }

private:
    struct nothing {
        void reset() noexcept {}
    };

    void begin() {
        core::cancel_by_slot(*handler_, this->weak_from_this());
        if (state_->is_past(this->deadline())) {
            refused_ = request_state::timed_out;
            return;
        }
        found_ = state_->lend_at_once(hashed_key());
        if (found_ == nullptr) submit([this] { state_->submit(*this, hashed_key()); });
    }

    /// Begins to wait, or to dial: `act` submits the request.
    template <class Submit>
    void submit(const Submit& act) {
        const bool is_first = !this->is_submitted();
        act();
        if (is_first) start_timer();
    }

    /// A check has ended. Goes on without the connection if it is not healthy, or if the operation has given up meanwhile.
    void checked(typename State::entry& lent, bool is_good) noexcept {
        refused_ = reason_to_leave();
        if (refused_) return core::end_unneeded_check(*state_, lent, is_good);
        if (!is_good) return replace(lent);
        if constexpr (awaits_checks) state_->passed_check(lent);
        found_ = &lent;
    }

    /// Goes on after a check that it has waited for.
    void end_check() noexcept {
        if (const auto outcome = this->outcome()) refused_ = outcome;
        if (const auto [lent, is_good] = this->take_checked(); lent != nullptr) checked(*lent, is_good);
    }

    /// Goes on without a connection that is not healthy.
    void replace(typename State::entry& sick) noexcept {
        ++unhealthy_;
        bool is_dropped = false;
        try {
            if constexpr (State::bounds_open) {
                if (unhealthy_ >= most_unhealthy) this->prefer_dial();
                submit([&] { is_dropped = state_->replace(*this, sick); });
                if (is_dropped) return;
                refused_ = request_state::closed;
            } else {
                is_dropped = true;
                state_->drop(sick);
                if (unhealthy_ < most_unhealthy) found_ = state_->lend_at_once(hashed_key());
                if (found_ == nullptr) submit([this] { state_->submit(*this, hashed_key()); });
            }
        } catch (...) {
            if (is_dropped) withdraw();
            refuse_by_exception();
        }
        if (!is_dropped) state_->drop(sick);
    }

    /// The state of the operation. If it is `lent`, then `found_` is its connection.
    request_state look() noexcept {
        if (found_ != nullptr) return request_state::lent;
        const request_state seen = refused_ ? *refused_ : state_->look(*this);
        if (seen == request_state::lent) found_ = &this->lent();
        return seen;
    }

    allocator_type allocator_of(reserved_memory& memory) {
        return {std::shared_ptr<reserved_memory>{this->shared_from_this(), &memory},
            boost::asio::get_associated_allocator(*handler_)};
    }

    bool notified() noexcept override {
        if (dials_in_.load() == std::this_thread::get_id()) {  // `dial` sees that it is over
            is_over_in_dial_ = true;
            return true;
        }
        try {
            core::post_turn(this->shared_from_this());
            return true;
        } catch (...) {  // the executor needs memory of its own, and there is none
            return false;
        }
    }

    /// Moves the handler out and calls it, with a connection or an error. The operation keeps no part of the handler.
    static void complete(self_ptr operation, typename State::entry* lent, request_state seen = request_state::lent) {
        acquire_operation& self = *operation;
        core::clear_slot(*self.handler_);
        self.timer_.reset();
        Error error{};
        lease<State> conn;
        if (lent != nullptr) conn = lease<State>{*self.state_, *lent, self.where_};
        else error = core::error_for<Error>(seen, self.failure_, *self.state_, self.hashed_key(), self);
        if (lent == nullptr) self.request_stop();
        const auto work = self.work_;  // a copy: a dial that begins in another thread reads the executor
        self.work_.reset();
        Handler handler = std::move(*self.handler_);
        self.handler_.reset();
        self.self_.reset();
        operation.reset();
        std::move(handler)(std::move(error), std::move(conn));
    }

    /// Gives up what the operation has got, or waits for.
    void withdraw() noexcept {
        if constexpr (awaits_checks)
            if (const auto [lent, is_healthy] = this->take_checked(); lent != nullptr)
                return core::end_unneeded_check(*state_, *lent, is_healthy);
        if (found_ != nullptr) return state_->give_back(*std::exchange(found_, nullptr));
        if (!this->is_submitted()) return;
        state_->cancel(*this);
        if (state_->look(*this) == request_state::lent) state_->give_back(this->lent());
    }

    /// The caller has left without a connection.
    void request_stop() noexcept {
        if constexpr (has_context()) this->stop_dial();
    }

    /// Calls the dial. Returns whether the request is over already, or dials again: then no turn follows. If the call of
    /// an outdated dial has not returned in another thread, that thread makes this call, too: there is one at a time.
    bool dial() {
        if (calls_of_dial_.fetch_add(1) != 0) return false;
        bool is_over = false;
        do {
            dials_in_ = std::this_thread::get_id();
            is_over_in_dial_ = false;
            call_dial();
            dials_in_ = std::thread::id{};
            is_over = is_over_in_dial_;
        } while (calls_of_dial_.fetch_sub(1) != 1);
        return is_over;
    }

    void call_dial() noexcept {
        if (!this->template begin_dial<has_context()>()) return;
        const dial_owner<acquire_operation> owner{this->shared_from_this()};
        try {
            if constexpr (takes_handler()) core::call_dial(dial_, key_, this->context(), handler_of_dial{owner});
            else co_spawn_dial(owner);
        } catch (...) {
            owner.failed(std::current_exception());
        }
    }

#ifdef BOOST_ASIO_HAS_CO_AWAIT
    void co_spawn_dial(const dial_owner<acquire_operation>& owner) {
        boost::asio::co_spawn(work_.get_executor(),
            core::await_dial(owner, core::call_dial(dial_, key_, this->context())), boost::asio::detached);
    }
#endif

    static constexpr bool takes_handler() noexcept { return callback_dial<Dial, key_type, handler_of_dial>; }
    static constexpr bool has_context() noexcept {
        if constexpr (takes_handler()) return takes_context<Dial, key_type, handler_of_dial>;
        else return takes_context<Dial, key_type>;
    }

    std::shared_ptr<State> state_;
    const key_type key_;
    const std::size_t hash_;
    Dial dial_;
    boost::asio::executor_work_guard<executor_type> work_;
    std::optional<Handler> handler_;
    const call_site where_;                   ///< the place of the call
    typename State::entry* found_ = nullptr;  ///< the connection that it was lent
    int unhealthy_ = 0;                       ///< how many it was lent
    std::optional<request_state> refused_;    ///< the end of an operation that has no request
    std::atomic<bool> is_cancelled_ = false;  ///< by its slot
    std::atomic<bool> is_late_ = false;       ///< by its timer
    dial_failure failure_;
    std::atomic<std::thread::id> dials_in_{};  ///< the thread that calls the dial
    bool is_over_in_dial_ = false;             ///< only of that thread
    std::atomic<int> calls_of_dial_ = 0;       ///< that have not returned, or not begun
    reserved_memory turn_memory_;
    std::conditional_t<has_timer, reserved_memory, nothing> timer_memory_;
    std::conditional_t<has_timer, deadline_timer<executor_type>, nothing> timer_;
    self_ptr self_;  ///< keeps the operation alive until the handler is called
};

}  // namespace pool::core
