// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/bounded_pool.hpp>
#include <pool/connection_pool.hpp>
<<<<<<< HEAD
#include <pool/dial/backing_off.hpp>
#include <pool/dial/timed.hpp>
#include <pool/seeded_key.hpp>

/// @file
/// The one include: the ready-made pools, `basic_pool` and its policies, functions around a dial, and keys with a seeded
/// hash.
=======
#include <pool/plain.hpp>
#include <pool/seeded_key.hpp>

/// @file
/// The one include: the ready-made pools, `basic_pool` and its policies, keys with a seeded hash, and plain objects.
>>>>>>> f00276d (Handles are refused whose checks do not fit, and shared pointers to opaque handles that would be ended twice)

/// @namespace pool
/// Keyed connection pools, their policies, and what callers bring and hold.
