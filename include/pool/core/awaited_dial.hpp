// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <exception>
#include <optional>
#include <stop_token>
#include <utility>

#include <boost/asio/error.hpp>
#include <boost/system/error_code.hpp>

#include <pool/connection.hpp>
#include <pool/core/acquire_errors.hpp>
#include <pool/core/acquire_failure.hpp>
#include <pool/core/async_dial.hpp>
#include <pool/core/close_conn.hpp>
#include <pool/core/deadline_timer.hpp>
#include <pool/core/opening_store.hpp>
#include <pool/dial.hpp>

/// @file
/// The part of an asynchronous acquire that dials.

namespace pool::core {

/// The dials of `Operation`: one, and another one for each that was outdated. A turn of the operation begins a dial. Its
/// end may be in any thread, and ends the request of the operation, or has it dial again, in another turn.
template <class State, class Operation>
class awaited_dial {
    using entry = typename State::entry;
    using connection_type = typename State::connection_type;

public:
    /// The dial has opened a connection.
    void dial_opened(connection_type& conn) noexcept {
        State& state = its_state();
        try {
            if (connection_traits<connection_type>::closed(conn))
                throw core::dead_dial_error(state, self().hashed_key().key, conn);
            fresh_->construct([&conn]() -> connection_type { return std::move(conn); });
        } catch (...) {
            const std::exception_ptr error = std::current_exception();
            return dial_failed(core::code_of(error), error, state.close(conn));
        }
        (void)end_dial();
        entry& fresh = *fresh_;  // another dial may begin at once
        if (state.dial_succeeded(self(), fresh) == dial_end::outdated) outdated(fresh);
    }

    /// It has failed. There may be no exception.
    void dial_failed(boost::system::error_code error, const std::exception_ptr& exception,
        const std::optional<close_end>& closed = {}) noexcept {
        const bool was_interrupted = end_dial();
        entry& fresh = *fresh_;
        const kept_error why = its_state().is_observed() ? dial_failure{error, exception}.text() : nullptr;
        its_state().end_failed_dial(fresh, was_interrupted, why, closed);
        if (was_interrupted) return outdated(fresh);
        self().fail(error, exception);
    }

    dial_count dials;  ///< counts them, and who may end the one that runs

protected:
    /// A dial is about to begin: makes its entry and its context. Returns whether it may; otherwise the operation has
    /// failed.
    template <bool has_context>
    bool begin_dial() noexcept {
        State& state = its_state();
        std::stop_source stop{std::nostopstate};
        try {
            if constexpr (has_context) {
                stop = std::stop_source{};
                context_ = {real_time_of(state.clock(), self().deadline()), stop.get_token()};
            }
            fresh_ = &state.make_entry_for(self());
        } catch (...) {
            self().fail(core::code_of(std::current_exception()), std::current_exception());
            return false;
        }
        has_context_ = has_context;
        if constexpr (has_context) state.begin_dial(running_, *fresh_, std::move(stop));
        return true;
    }

    const dial_context& context() const noexcept { return context_; }  ///< of the dial
    void stop_dial() noexcept { its_state().stop_dial(running_); }     ///< nobody needs its connection

private:
    Operation& self() noexcept { return static_cast<Operation&>(*this); }
    State& its_state() noexcept { return self().state(); }

    /// The dial has ended. Returns whether it was interrupted.
    bool end_dial() noexcept { return has_context_ && its_state().end_dial(running_); }

    /// It was outdated. Another one follows, if there is memory to tell the operation.
    void outdated(entry& fresh) noexcept {
        self().set_failure(boost::asio::error::no_memory, nullptr);
        its_state().dial_outdated(self(), fresh);
    }

    entry* fresh_ = nullptr;  ///< what it opens
    bool has_context_ = false;
    dial_context context_;
    typename State::running_dial running_;  ///< if it gets a context
};

}  // namespace pool::core
