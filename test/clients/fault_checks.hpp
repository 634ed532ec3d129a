// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>

#include <doctest/doctest.h>

#include <support/fault_proxy.hpp>

/// @file
/// The checks that all loads behind a proxy of faults have in common.

/// Faults of each kind have happened, none has failed more dials than it has cut, and nothing leaks.
template <class Stats>
void check_faults(const support::fault_proxy::counts& n, const Stats& of_pool, std::size_t bound) {
    CHECK(of_pool.failed_dials <= n.cut());
    CHECK(n.truncated > 0);
    CHECK(n.reset > 0);
    CHECK(n.stalled > 0);
    CHECK(n.delayed > 0);
    CHECK(n.most_in_use <= bound);
    CHECK(of_pool.lent == 0);
}
