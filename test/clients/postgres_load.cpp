// SPDX-License-Identifier: BSL-1.0
#include <doctest/doctest.h>

#include <clients/postgres_load.hpp>

// Many users of one PostgreSQL, which ends connections, and restarts.

namespace postgres {

TEST_CASE("postgres: under load, no answer reaches another user, and the bound is what the server counts") {
    database db;
    check_load(db, straight_to(db), load());
}

TEST_CASE("postgres: a restart under load: who comes after it is served, and nobody gets a wrong answer") {
    database db;
    check_restarts(straight_to(db), load() / 5);
}

}  // namespace postgres
