// SPDX-License-Identifier: BSL-1.0
#include <cstdint>
#include <new>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>

#include <support/allocations.hpp>
#include <support/fake.hpp>
#include <support/long_keys.hpp>

// A pool without memory: a call that fails leaves every connection with an owner.

using allocations::long_key;
using allocations::long_lived;
using allocations::pool_of;

namespace {

/// A pool that holds some connections, each of a key of its own, and none of another key.
template <class Expiry>
struct filled_pool {
    explicit filled_pool(int n) : held{n} {
        for (int i = 1; i <= held; ++i) conns.put(long_key(i), net.dial());
    }

    auto dialer() {
        return [this](const auto&) {
            dial_called = true;
            return net.dial();
        };
    }

    /// A failed acquire is a miss. If it has dialled, the new connection is closed.
    void check_failed_acquire(pool::stats expected) {
        const bool dialled = net.dials() > held;
        ++expected.misses;
        expected.dials += dialled;
        expected.failed_dials += dial_called && !dialled;
        CHECK(conns.stats() == expected);
        CHECK(net.closed().size() == dialled);
        CHECK(net.open() == held);
    }

    /// Checks that it still takes in connections of the key, and finds them.
    void check_usable() {
        conns.clear(key);
        (void)conns.acquire(key, net.dialer());
        CHECK(conns.stats(key).idle == 1);
        CHECK(conns.try_acquire(key));
        CHECK(net.open() == held + 1);
    }

    const int held;
    const std::string key = long_key(0);
    bool dial_called = false;
    fake::network net;
    pool_of<Expiry> conns{{}, long_lived<Expiry>()};
};

/// Makes the n-th allocation of `act()` fail, for each n. Then it calls `check(before)` with the figures from before.
/// Each n has a new pool. All sizes are tried, because a pool that has to grow allocates in more places.
template <class Scenario>
void fail_everywhere() {
    int failures = 0;
    for (int held = 0; held <= 60; ++held) {
        for (std::uint64_t n = 1;; ++n) {
            CAPTURE(held);
            CAPTURE(n);
            Scenario scenario{held};
            const pool::stats before = scenario.conns.stats();
            bool thrown = false;
            const allocations::failing nth{n};
            try {
                scenario.act();
            } catch (const std::bad_alloc&) {
                thrown = true;
            }
            REQUIRE(thrown == nth.happened());
            if (!thrown) break;
            ++failures;
            scenario.check(before);
            scenario.check_usable();
        }
    }
    CHECK(failures > 0);
}

template <class Expiry>
struct failing_put : filled_pool<Expiry> {
    using filled_pool<Expiry>::filled_pool;

    void act() { this->conns.put(this->key, std::move(mine)); }

    void check(const pool::stats& before) {
        CHECK(this->conns.stats() == before);
        if (this->net.closed().empty()) act();  // ends the program if it is no longer the caller's
        CHECK(this->net.open() == static_cast<int>(this->conns.stats().idle));
    }

    fake::connection mine = this->net.dial();
};

template <class Expiry>
struct failing_acquire : filled_pool<Expiry> {
    using filled_pool<Expiry>::filled_pool;

    void act() { (void)this->conns.acquire(this->key, this->dialer()); }
    void check(const pool::stats& before) { this->check_failed_acquire(before); }
};

template <class Expiry>
struct failing_get : filled_pool<Expiry> {
    using filled_pool<Expiry>::filled_pool;

    void act() {
        auto peer = this->conns.get(this->key, this->dialer());
        called = true;
        peer.invoke([](const fake::connection&) {});
    }
    void check(const pool::stats& before) {
        if (called) this->check_failed_acquire(before);
        else CHECK(this->conns.stats() == before);
    }

    bool called = false;
};

}  // namespace

TEST_CASE_TEMPLATE("allocations: a put without memory leaves the connection to the caller, or closes it [C12]", Expiry,
    pool::never, pool::after_idle) {
    fail_everywhere<failing_put<Expiry>>();
}

TEST_CASE_TEMPLATE(
    "allocations: an acquire without memory closes what it dialled [C12]", Expiry, pool::never, pool::after_idle) {
    fail_everywhere<failing_acquire<Expiry>>();
}

TEST_CASE_TEMPLATE("allocations: a lazy connection without memory closes what it dialled [C12]", Expiry, pool::never,
    pool::after_idle) {
    fail_everywhere<failing_get<Expiry>>();
}

TEST_CASE("allocations: a put without memory evicts nothing [C12]") {
    for (std::uint64_t n = 1;; ++n) {
        CAPTURE(n);
        fake::network net;
        pool::basic_pool<std::string, fake::connection, pool::fixed<1>> conns;
        conns.put("victim", net.dial());
        net[1].dead = true;  // so it is not closed, and no close allocates
        auto mine = net.dial();
        const allocations::failing nth{n};
        try {
            conns.put(long_key(0), std::move(mine));
        } catch (const std::bad_alloc&) {
            CHECK(conns.stats("victim").idle == 1);
            if (net.closed().empty()) mine.close();
            continue;
        }
        CHECK(n > 1);
        CHECK(conns.stats("victim").idle == 0);
        CHECK(conns.stats().evicted == 1);
        break;
    }
}
