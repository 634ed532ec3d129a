// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <exception>

#include <boost/asio/error.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>

#include <pool/asio/errc.hpp>
#include <pool/core/acquire_errors.hpp>
#include <pool/core/request.hpp>
#include <pool/error.hpp>

/// @file
/// What an asynchronous acquire reports, as an error code or as an exception.

namespace pool::core {

/// Why a dial has failed, or could not begin.
struct dial_failure {
    boost::system::error_code code;    ///< for callers that take codes
    std::exception_ptr exception = {};  ///< for callers that take exceptions; if there is none, it is made of the code

    /// The text, to keep it as the last error of a key. Returns nullptr if there is no memory.
    dial_error text() const noexcept {
        try {
            return exception ? core::kept_text(exception) : core::kept_text(code.message());
        } catch (...) {
            return nullptr;
        }
    }
};

/// The error code for the end of a request in this state.
inline boost::system::error_code code_for(request_state seen, const dial_failure& failure) noexcept {
    switch (seen) {
    case request_state::closed: return asio::errc::pool_closed;
    case request_state::queue_full: return asio::errc::queue_full;
    case request_state::timed_out: return asio::errc::acquire_timeout;
    case request_state::cancelled: return boost::asio::error::operation_aborted;
    case request_state::paused: return asio::errc::pool_paused;
    case request_state::invalidated: return asio::errc::acquire_invalidated;
    default: return failure.code;
    }
}

/// Throws the exception for the end of a request in this state: that which `acquire` throws.
template <class State>
[[noreturn]] void throw_for(request_state seen, const dial_failure& failure, const State& state,
    const typename State::hashed& key, const seen_figures& figures) {
    core::throw_refusal(seen, state, key, figures);
    if (failure.exception) std::rethrow_exception(failure.exception);
    throw boost::system::system_error{failure.code};
}

/// What a request has seen, if it has been in a queue.
template <class State>
seen_figures figures_of(const State& state, const typename State::request& asking) {
    if constexpr (State::bounds_open) {
        if (asking.is_submitted()) return asking.seen();
    }
    return core::figures_of(state);
}

/// What the handler gets: an error code, or an exception.
template <class Error, class State>
Error error_for(request_state seen, const dial_failure& failure, const State& state,
    const typename State::hashed& key, const typename State::request& asking) noexcept {
    if constexpr (std::same_as<Error, boost::system::error_code>) {
        return core::code_for(seen, failure);
    } else {
        try {
            core::throw_for(seen, failure, state, key, core::figures_of(state, asking));
        } catch (...) {
            return std::current_exception();
        }
    }
}

}  // namespace pool::core
