// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <mutex>
#include <string>

#include <pool/basic_pool.hpp>

#include <support/fake.hpp>

/// @file
/// The pools that most tests use, each with the network that its connections come from.

namespace fake {

/// A pool with the default of every policy.
using default_pool = pool::basic_pool<std::string, connection>;

struct default_fixture {
    network net;
    default_pool conns;
};

/// A pool whose time a test sets.
using timed_pool =
    pool::basic_pool<std::string, connection, pool::bounded, pool::after_idle, std::mutex, pool::manual_clock>;

/// Its connections expire after ten seconds.
struct timed_fixture {
    network net;
    pool::manual_clock clock;
    timed_pool conns{{}, std::chrono::seconds{10}, {}, clock};
};

}  // namespace fake
