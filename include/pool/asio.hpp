// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/asio/async_acquire.hpp>
#include <pool/asio/async_invoke.hpp>
#include <pool/asio/errc.hpp>
#include <pool/asio/reaper.hpp>
#include <pool/asio/with_exceptions.hpp>

/// @file
/// The include for programs on Boost.Asio. Nothing else of the library includes it.

/// @namespace pool::asio
/// Callers that do not block, for programs on Boost.Asio.
