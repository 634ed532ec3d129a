// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/adapters/beast/async_connection.hpp>
#include <pool/adapters/beast/async_dial.hpp>
#include <pool/adapters/beast/connection.hpp>
#include <pool/adapters/beast/connection_key.hpp>
#include <pool/adapters/beast/dial.hpp>
#include <pool/adapters/beast/error.hpp>
#include <pool/adapters/beast/options.hpp>
#include <pool/adapters/beast/tcp_transport.hpp>

/// @file
/// Pooled connections of HTTP/1.1, by Boost.Beast. POSIX only. docs/http.md is the manual.
///
/// Include it yourself: `pool.hpp` does not, because Beast takes long to compile. For `https`, include
/// `<pool/adapters/beast_ssl.hpp>`, which needs OpenSSL.

/// Connections of HTTP/1.1.
namespace pool::beast {

using connection = basic_connection<tcp_transport>;  ///< one whose calls block
using dial = basic_dial<tcp_transport>;              ///< opens them for a pool of many peers
using dial_to = basic_dial_to<tcp_transport>;        ///< opens them for a pool of one peer

using async_connection = basic_async_connection<tcp_transport>;  ///< one whose calls block no thread
using async_dial = basic_async_dial<tcp_transport>;              ///< opens them for a pool of many peers
using async_dial_to = basic_async_dial_to<tcp_transport>;        ///< opens them for a pool of one peer

}  // namespace pool::beast
