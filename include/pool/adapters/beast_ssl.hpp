// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/adapters/beast.hpp>
#include <pool/adapters/beast/ssl_transport.hpp>

/// @file
/// Pooled connections of HTTP/1.1 with TLS, by Boost.Beast and OpenSSL 1.1.1 or newer. One type of connection serves
/// keys of both schemes. docs/http.md is the manual. Include it yourself, and link OpenSSL.

namespace pool::beast {

using ssl_connection = basic_connection<ssl_transport>;  ///< one whose calls block
using ssl_dial = basic_dial<ssl_transport>;              ///< opens them for a pool of many peers
using ssl_dial_to = basic_dial_to<ssl_transport>;        ///< opens them for a pool of one peer

using async_ssl_connection = basic_async_connection<ssl_transport>;  ///< one whose calls block no thread
using async_ssl_dial = basic_async_dial<ssl_transport>;              ///< opens them for a pool of many peers
using async_ssl_dial_to = basic_async_dial_to<ssl_transport>;        ///< opens them for a pool of one peer

}  // namespace pool::beast
