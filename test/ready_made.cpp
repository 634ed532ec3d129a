// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <range/v3/range/primitives.hpp>

#include <pool/basic_pool.hpp>
#include <pool/bounded_pool.hpp>
#include <pool/connection_pool.hpp>
#include <pool/error.hpp>
#include <pool/event.hpp>
#include <pool/inspect.hpp>
#include <pool/testing/fake_connection.hpp>
#include <pool/testing/fake_dialer.hpp>

#include <support/fake.hpp>

// The ready-made pools can do what the tests of the features show with a basic_pool. They have a file of their own,
// because they start a reaper: the thread sanitizer then needs none of the others.

namespace ready_made_cases {

using namespace std::chrono_literals;

using pool::inspect;
using pool::testing::fake_connection;

using ready_made_idle = pool::connection_pool<std::string, fake_connection>;
using ready_made_open = pool::bounded_pool<std::string, fake_connection>;

TEST_CASE("contract: the ready-made pools can be paused, too [C26]") {
    fake::network net;
    const auto check = [&](auto& conns) {
        const int id = conns.acquire("a", net.dialer())->id();
        conns.pause();
        CHECK_THROWS_AS((void)conns.acquire("a", net.dialer()), pool::pool_paused);
        conns.resume();
        CHECK(conns.acquire("a", net.dialer())->id() == id);
    };
    pool::connection_pool<std::string, fake::connection> whole{{.capacity = 4}};
    check(whole);
    pool::local_pool<std::string, fake::connection> local{pool::bounded{.max_idle = 4}};
    check(local);
    pool::bounded_pool<std::string, fake::connection> bounded{{.max_open = 1, .acquire_timeout = 1h}};
    check(bounded);
    pool::basic_pool<pool::no_key, fake::connection> one;
    one.pause();
    CHECK_THROWS_AS((void)one.acquire([&] { return net.dial(); }), pool::pool_paused);
}

TEST_CASE_TEMPLATE("inspect: of a ready-made pool, which traces by an option", Pool, ready_made_open, ready_made_idle) {
    for (const bool traces : {true, false}) {
        pool::testing::fake_dialer dials;
        Pool conns{{.trace_leases = traces}};
        auto lent = conns.acquire("a", dials);
        const auto seen = inspect(conns);
        REQUIRE(ranges::distance(seen | pool::views::lent) == 1);
        CHECK(seen.begin()->key == "a");
        CHECK(seen.begin()->where.has_value() == traces);
        CHECK(lent.uses().has_value());  // a limit may be set while it runs
    }
}

TEST_CASE_TEMPLATE("events: an option of the ready-made pools", Pool, ready_made_idle, ready_made_open) {
    std::vector<pool::event_kind> told;
    pool::testing::fake_dialer dials;
    {
        Pool conns{{.on_event = [&](const pool::event& e) { told.push_back(e.kind); }}, dials};
        conns.acquire("a").give_back();
    }
    using kind = pool::event_kind;
    CHECK(told == std::vector{kind::opened, kind::lent, kind::given_back, kind::retired, kind::closed});
}

}  // namespace ready_made_cases
