// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <exception>
#include <utility>

#include <pool/core/platform.hpp>

/// @file
/// Repeats a call that has failed because an idle connection was dead.

namespace pool {

/// The first argument of an `invoke`. If the call throws on a connection that was idle before, and `is_safe(error)`
/// says that the peer has executed nothing, the call is made once more, on a connection that is dialled for it. A
/// second idle one might be as stale.
///
/// `is_safe` takes a `const std::exception&`, or any exception as a `std::exception_ptr`. Only the caller can know what
/// is safe: a peer may have executed a request before the connection broke, and its answer was lost.
///
/// @code
/// const pool::retry_stale retry{[](const std::exception& e) { return dynamic_cast<const write_failed*>(&e) != nullptr;
/// }}; peer.invoke(retry, [&](connection& c) { return c.send(request); });
/// @endcode
template <class IsSafe>
requires(std::predicate<const IsSafe&, const std::exception&> ||
         std::predicate<const IsSafe&, std::exception_ptr>) struct retry_stale {
    IsSafe is_safe;  ///< the predicate

    /// Whether the exception that is being handled allows a repetition.
    bool allows_current() const {
        if constexpr (std::predicate<const IsSafe&, std::exception_ptr>) {
            return is_safe(std::current_exception());
        } else {
            try {
                throw;
            } catch (const std::exception& known) {
                return is_safe(known);
            } catch (...) {
                return false;
            }
        }
    }
};

/// From a predicate.
template <class IsSafe>
retry_stale(IsSafe) -> retry_stale<IsSafe>;

}  // namespace pool
