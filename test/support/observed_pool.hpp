// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/event.hpp>
#include <pool/sharded_pool.hpp>
#include <pool/testing/event_log.hpp>
#include <pool/testing/fake_dialer.hpp>
#include <pool/testing/held_locks.hpp>
#include <pool/testing/probe_lock.hpp>

#include <support/event_ledger.hpp>

/// @file
/// A pool with an observer. An observer that is called under the lock ends the test.

namespace observed {

using namespace std::chrono_literals;
using pool::event;
using pool::event_kind;
using pool::retirement;
using pool::testing::fake_connection;
using texts = pool::testing::sequence<std::string>;

template <class Capacity, class Expiry = pool::never, class Conn = fake_connection,
    class Lock = pool::testing::probe_lock>
using pool_of = pool::basic_pool<std::string, Conn, Capacity, Expiry, Lock, pool::manual_clock>;
using idle_pool = pool_of<pool::bounded>;
using open_pool = pool_of<pool::bounded_open>;
using shards = pool::sharded_pool<3, std::string, fake_connection, pool::bounded, pool::never,
    pool::testing::probe_lock, pool::manual_clock>;

template <class Pool>
using capacity_of = std::conditional_t<Pool::bounds_open, pool::bounded_open, pool::bounded>;

/// A pool whose events are kept: all of them in a ledger, and as texts.
template <class Pool, class Expiry = pool::never>
struct fixture {
    using connection_type = typename Pool::connection_type;

    explicit fixture(capacity_of<Pool> capacity = {}, Expiry expiry = {}, pool::pool_settings settings = {}) {
        settings.on_event = [this](const event& e) {
            REQUIRE(!pool::testing::is_under_lock());
            ledger(e);
            told.push_back(pool::to_string(e));
            if (then) then(e);
        };
        conns.emplace(std::move(capacity), std::move(expiry), std::move(settings), clock);
    }
    ~fixture() {
        if (conns && ledger.fault().empty()) CHECK(ledger.difference(conns->stats()) == "");
        CHECK(ledger.fault() == "");
    }

    auto dial() {
        return [this](const std::string& key) { return connection_type{dials(key)}; };
    }
    auto acquire(const char* key = "a") { return conns->acquire(key, dial()); }
    void put(const char* key = "a") { conns->put(key, dial()(key)); }

    /// The events since the last call.
    texts events() { return std::exchange(told, {}); }
    /// Calls `act()`, and returns the events of that.
    template <class Act>
    texts events_of(const Act& act) {
        told.clear();
        act();
        return events();
    }

    pool::testing::fake_dialer dials;
    pool::manual_clock clock;
    event_ledger ledger;
    texts told;
    std::function<void(const event&)> then;  ///< is called for each, too
    std::optional<Pool> conns;
};

}  // namespace observed
