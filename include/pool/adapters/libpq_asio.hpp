// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/adapters/libpq.hpp>
#include <pool/adapters/libpq/async_connection.hpp>
#include <pool/adapters/libpq/async_dial.hpp>

/// @file
/// Connections to PostgreSQL for `pool/asio.hpp`, which block no thread: docs/postgres.md. Include it yourself.
