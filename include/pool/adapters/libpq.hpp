// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/core/platform.hpp>  // first: what it says of the compiler comes before what libpq says

#include <libpq-fe.h>

#ifndef LIBPQ_HAS_PIPELINING
#error "pool: adapters/libpq.hpp needs libpq 14 or newer"
#endif

#include <pool/adapters/libpq/connection.hpp>
#include <pool/adapters/libpq/connection_key.hpp>
#include <pool/adapters/libpq/dial.hpp>
#include <pool/adapters/libpq/error.hpp>

/// @file
/// Pooled connections to PostgreSQL, by libpq 14 or newer. POSIX only. docs/postgres.md is the manual.
///
/// Include it yourself: `pool.hpp` does not, because it needs libpq.

/// Connections to PostgreSQL.
namespace pool::libpq {}
