// SPDX-License-Identifier: BSL-1.0
#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>

#include <doctest/doctest.h>

#include <pool/core/basic_pool.hpp>
#include <pool/policies/capacity.hpp>

#include <support/fake.hpp>

namespace {

/// A policy of a test's own: what a key may keep depends on the key.
struct by_name {
    static std::size_t max_idle() noexcept { return pool::no_limit; }
    static std::size_t max_idle_for(std::string_view key) noexcept { return key == "primary" ? 2 : 1; }
};

}  // namespace

TEST_CASE("unlimited: there is no bound at all") {
    CHECK(pool::unlimited::max_idle() == pool::no_limit);
    CHECK(pool::unlimited::max_idle_for("a") == pool::no_limit);
}

TEST_CASE("bounded: each bound is as it was chosen, and no limit by default") {
    constexpr pool::bounded none;
    constexpr pool::bounded total{.total = 64};
    constexpr pool::bounded both{.total = 64, .per_key = 5};
    CHECK(none.max_idle() == pool::no_limit);
    CHECK(none.max_idle_for("a") == pool::no_limit);
    CHECK(total.max_idle() == 64);
    CHECK(total.max_idle_for("a") == pool::no_limit);
    CHECK(both.max_idle() == 64);
    CHECK(both.max_idle_for("a") == 5);
}

TEST_CASE("fixed: the bounds are its type, and a key has none by default") {
    static_assert(pool::fixed<64, 5>::max_idle() == 64);
    static_assert(pool::fixed<64, 5>::max_idle_for("a") == 5);
    static_assert(pool::fixed<64>::max_idle_for("a") == pool::no_limit);
    CHECK(std::is_empty_v<pool::fixed<64, 5>>);
}

TEST_CASE("capacity_policy: a pool asks for the bound of the key that it fills [C2]") {
    static_assert(pool::capacity_policy<by_name, std::string>);
    fake::network net;
    pool::basic_pool<std::string, fake::connection, by_name> pool;
    for (const auto* key : {"primary", "replica", "primary", "replica", "primary"}) pool.put(key, net.dial());
    CHECK(pool.stats("primary").idle == 2);
    CHECK(pool.stats("replica").idle == 1);
}
