// SPDX-License-Identifier: BSL-1.0
#include <concepts>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/policies/capacity.hpp>

#include <support/fake.hpp>

namespace {

/// A policy of the test: the bound of a key depends on the key.
struct by_name {
    static std::size_t max_idle() noexcept { return pool::no_limit; }
    static std::size_t max_idle_for(std::string_view key) noexcept { return key == "primary" ? 2 : 1; }
};

/// A policy of the test that also bounds the open connections.
struct few_primaries {
    static constexpr bool bounds_open = true;

    static std::size_t max_idle() noexcept { return pool::no_limit; }
    static std::size_t max_idle_for(std::string_view) noexcept { return pool::no_limit; }
    static std::size_t max_open() noexcept { return 3; }
    static std::size_t max_open_for(std::string_view key) noexcept { return key == "primary" ? 1 : 2; }
    static std::size_t max_dials_for(std::string_view) noexcept { return 1; }
    static std::size_t max_waiting() noexcept { return 0; }
};

}  // namespace

TEST_CASE("unlimited: there is no bound at all") {
    CHECK(pool::unlimited::max_idle() == pool::no_limit);
    CHECK(pool::unlimited::max_idle_for("a") == pool::no_limit);
}

TEST_CASE("bounded: each bound is as it was chosen, and no limit by default") {
    constexpr pool::bounded none;
    constexpr pool::bounded total{.max_idle = 64};
    constexpr pool::bounded both{.max_idle = 64, .max_idle_per_key = 5};
    CHECK(none.max_idle() == pool::no_limit);
    CHECK(none.max_idle_for("a") == pool::no_limit);
    CHECK(total.max_idle() == 64);
    CHECK(total.max_idle_for("a") == pool::no_limit);
    CHECK(both.max_idle() == 64);
    CHECK(both.max_idle_for("a") == 5);
}

TEST_CASE("fixed: the bounds are part of the type, and a key has no bound by default") {
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

TEST_CASE("bounded_open: each bound is as it was chosen, and no limit by default") {
    constexpr pool::bounded_open none;
    for (const std::size_t each : {none.max_open(), none.max_open_for("a"), none.max_idle(), none.max_idle_for("a"),
             none.max_waiting(), none.max_dials_for("a")}) {
        CHECK(each == pool::no_limit);
    }
    constexpr pool::bounded_open all{.max_open = 1,
        .max_open_per_key = 2,
        .max_idle = 3,
        .max_idle_per_key = 4,
        .max_waiting = 5,
        .max_dials_per_key = 6};
    CHECK(all.max_open() == 1);
    CHECK(all.max_open_for("a") == 2);
    CHECK(all.max_idle() == 3);
    CHECK(all.max_idle_for("a") == 4);
    CHECK(all.max_waiting() == 5);
    CHECK(all.max_dials_for("a") == 6);
}

TEST_CASE("open_capacity_policy: it is declared, and a pool asks for the bound of the key that it opens") {
    static_assert(pool::declares_open_bounds<few_primaries>);
    static_assert(pool::open_capacity_policy<few_primaries, std::string>);
    static_assert(!pool::declares_open_bounds<pool::bounded>);
    static_assert(!pool::open_capacity_policy<pool::fixed<1>, std::string>);
    fake::network net;
    pool::basic_pool<std::string, fake::connection, few_primaries> pool;
    const auto first = pool.acquire("primary", net.dialer());
    CHECK_THROWS_AS((void)pool.acquire("primary", net.dialer()), pool::queue_full);
    const auto second = pool.acquire("replica", net.dialer());
    const auto third = pool.acquire("replica", net.dialer());
    CHECK_THROWS_AS((void)pool.acquire("other", net.dialer()), pool::queue_full);
    CHECK(pool.stats().lent == 3);
}

template <pool::bounded Bounds>
struct of_these_bounds {
    static constexpr std::size_t max_idle = Bounds.max_idle;
};
template <int Bound>
concept bound_of_a_constant =
    requires { typename std::integral_constant<std::size_t, pool::bounded{.max_idle = Bound}.max_idle()>; };

TEST_CASE("bounded: a bound is never negative, and a fraction is none") {
    static_assert(bound_of_a_constant<0> && !bound_of_a_constant<-1>);
    static_assert(std::constructible_from<pool::core::limit, unsigned short>);
    static_assert(!std::constructible_from<pool::core::limit, double>);
    static_assert(!std::constructible_from<pool::core::limit, bool>);
    const int chosen = std::string{"four"}.size() == 4 ? -4 : 4;
    CHECK_THROWS_WITH_AS((void)pool::bounded{.max_idle = chosen}, "pool: a bound is negative: -4", std::invalid_argument);
    CHECK_THROWS_WITH_AS(
        (void)pool::bounded_open{.max_open = chosen}, "pool: a bound is negative: -4", std::invalid_argument);
    CHECK(pool::bounded{.max_idle = -chosen}.max_idle == 4u);
}

TEST_CASE("bounded: bounds can be a template argument") {
    static_assert(of_these_bounds<pool::bounded{.max_idle = 3}>::max_idle == 3);
}
