// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstdint>
#include <stdexcept>

#include <pool/core/platform.hpp>

/// @file
/// How HTTP connections are used.

namespace pool::beast {

/// How connections are used.
struct options {
    /// How long an exchange may take, from the begin of its request to the end of its response; or one step of it, if
    /// its body is read in pieces. Zero is for ever.
    std::chrono::nanoseconds exchange_timeout{0};
    /// A server says by `Keep-Alive: timeout=` how long it keeps an idle connection. The connection is closed by so
    /// much earlier, so that no request meets the end.
    std::chrono::nanoseconds keep_alive_margin = std::chrono::seconds{1};
    /// How long a close waits until the server has ended the connection, too: until then the server counts it. Zero does not
    /// wait. The close of an asynchronous connection never does.
    std::chrono::nanoseconds close_timeout = std::chrono::seconds{1};
    std::uint32_t header_limit = 32 * 1024;         ///< the most bytes of a response's header; of trailers 64 KiB more
    std::uint64_t body_limit = 64UL * 1024 * 1024;  ///< the most bytes of a body, if it is not read in pieces
};

namespace kernel {

/// Throws `std::invalid_argument` for options that make no sense.
inline void check(const options& how) {
    if (how.exchange_timeout < how.exchange_timeout.zero() || how.keep_alive_margin < how.keep_alive_margin.zero() ||
        how.close_timeout < how.close_timeout.zero())
        throw std::invalid_argument{"pool: a negative time in the options of HTTP connections"};
    if (how.header_limit == 0) throw std::invalid_argument{"pool: the header_limit of HTTP connections is zero"};
}

}  // namespace kernel

}  // namespace pool::beast
