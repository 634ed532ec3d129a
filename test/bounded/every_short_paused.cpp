// SPDX-License-Identifier: BSL-1.0
#include <doctest/doctest.h>

#include <bounded/short_history.hpp>
#include <support/tier.hpp>

// The same of a pool that is invalidated and paused while callers wait and dial.

using namespace bounded_models;

TEST_CASE("bounded: every short history of a pool that is invalidated and paused has the model's results [C24, C26]") {
    run_all<fake::connection>(alphabet::paused, histories::main_length - 1 + is_full_tier());
}

// These may be invalidated and paused within a check or a dial, too.
TEST_CASE("bounded: every short history of such a pool whose callers check has the model's results [C20, C24, C26]") {
    run_all<checked_connection>(
        alphabet::paused, histories::main_length - 2 + is_full_tier(), {pool::reuse_order::oldest_first});
}
