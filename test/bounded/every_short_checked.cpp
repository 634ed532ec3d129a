// SPDX-License-Identifier: BSL-1.0
#include <chrono>

#include <doctest/doctest.h>

#include <bounded/short_history.hpp>
#include <support/tier.hpp>

// The same of a pool whose callers check the connections that they are lent.

using namespace bounded_models;

TEST_CASE("bounded: every short history of callers that always check has the results that the model has [C20]") {
    const std::size_t length = histories::main_length - 1 + is_full_tier();
    run_all<checked_connection>(alphabet::checked, length, {pool::reuse_order::oldest_first});
}

TEST_CASE("bounded: every short history of callers that check after a while has the results that the model has [C20]") {
    const std::size_t length = histories::main_length - 2 + is_full_tier();
    run_all<checked_connection>(alphabet::checked, length, both_orders, std::chrono::nanoseconds{5});
}

TEST_CASE("bounded: every short history of all operations, and checks, has the results that the model has [C20]") {
    run_all<checked_connection>(alphabet::whole, histories::whole_length - 1 + is_full_tier());
}
