// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <utility>

#include <pool/core/platform.hpp>

/// @file
/// The completion token for callers that take exceptions rather than error codes.

namespace pool::asio {

/// Wraps a completion token for `async_acquire`, which then completes with `void(std::exception_ptr, lease)` instead of
/// `void(boost::system::error_code, lease)`. The exceptions are those of `basic_pool::acquire`: what the dial throws,
/// unchanged, and the pool's own, whose texts name the pool and the key. So no text is lost. With `use_awaitable`, the
/// exception is thrown.
template <class Token>
struct with_exceptions {
    explicit with_exceptions(Token wrapped) : token{std::move(wrapped)} {}  ///< wraps it

    Token token;  ///< what is wrapped
};

}  // namespace pool::asio
