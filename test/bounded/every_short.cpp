// SPDX-License-Identifier: BSL-1.0
#include <doctest/doctest.h>

#include <bounded/short_history.hpp>
#include <support/tier.hpp>

// Every short history of a pool that bounds the open connections, and of its model.

using namespace bounded_models;

TEST_CASE("bounded: every short history of the main operations has the results that the model has") {
    run_all<fake::connection>(alphabet::main, histories::main_length + is_full_tier());
}

TEST_CASE("bounded: every short history of all operations has the results that the model has") {
    run_all<fake::connection>(alphabet::whole, histories::whole_length + is_full_tier());
}
