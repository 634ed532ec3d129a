// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/bounded_pool.hpp>
#include <pool/connection_pool.hpp>
#include <pool/dial/backing_off.hpp>
#include <pool/dial/timed.hpp>
#include <pool/plain.hpp>
#include <pool/print.hpp>
#include <pool/retry_stale.hpp>
#include <pool/seeded_key.hpp>

/// @file
/// The one include: the ready-made pools, `basic_pool` and its policies, functions around a dial, keys with a seeded hash,
/// and plain objects.

/// @namespace pool
/// Keyed connection pools, their policies, and what callers bring and hold.
