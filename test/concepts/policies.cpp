// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <type_traits>

#include <doctest/doctest.h>

#include <pool/policies/capacity.hpp>
#include <pool/policies/clock.hpp>
#include <pool/policies/expiry.hpp>
#include <pool/policies/lock.hpp>

/// @file
/// Models of the concept of each policy, and near misses. A near miss differs from a model in what its name says.

namespace capacities {
namespace {

struct model {
    std::size_t max_idle() const noexcept { return 1; }
    std::size_t max_idle_for(const std::string&) const noexcept { return 1; }
};
struct without_total {
    std::size_t max_idle_for(const std::string&) const noexcept { return 1; }
};
struct without_per_key {
    std::size_t max_idle() const noexcept { return 1; }
};
struct total_may_throw : model {
    std::size_t max_idle() const { return 1; }
};
struct per_key_may_throw : model {
    std::size_t max_idle_for(const std::string&) const { return 1; }
};
struct total_is_signed : model {
    int max_idle() const noexcept { return 1; }
};
struct per_key_is_signed : model {
    int max_idle_for(const std::string&) const noexcept { return 1; }
};
struct total_changes_it : model {
    std::size_t max_idle() noexcept { return 1; }
};
struct per_key_changes_it : model {
    std::size_t max_idle_for(const std::string&) noexcept { return 1; }
};
struct per_key_changes_key : model {
    std::size_t max_idle_for(std::string&) const noexcept { return 1; }
};
struct not_assignable : model {
    const int limit = 1;
};

}  // namespace
}  // namespace capacities

TEST_CASE("capacity_policy: gives two numbers, without throwing, and can be moved") {
    using key = std::string;
    static_assert(pool::capacity_policy<pool::unlimited, key>);
    static_assert(pool::capacity_policy<pool::bounded, key>);
    static_assert(pool::capacity_policy<pool::fixed<1>, key>);
    static_assert(pool::capacity_policy<pool::fixed<1, 1>, key>);
    static_assert(pool::capacity_policy<capacities::model, key>);
    static_assert(!pool::capacity_policy<capacities::model, int>);
    static_assert(!pool::capacity_policy<const capacities::model, key>);
    static_assert(!pool::capacity_policy<capacities::without_total, key>);
    static_assert(!pool::capacity_policy<capacities::without_per_key, key>);
    static_assert(!pool::capacity_policy<capacities::total_may_throw, key>);
    static_assert(!pool::capacity_policy<capacities::per_key_may_throw, key>);
    static_assert(!pool::capacity_policy<capacities::total_is_signed, key>);
    static_assert(!pool::capacity_policy<capacities::per_key_is_signed, key>);
    static_assert(!pool::capacity_policy<capacities::total_changes_it, key>);
    static_assert(!pool::capacity_policy<capacities::per_key_changes_it, key>);
    static_assert(!pool::capacity_policy<capacities::per_key_changes_key, key>);
    static_assert(!pool::capacity_policy<capacities::not_assignable, key>);
    static_assert(!pool::capacity_policy<std::size_t, key>);
}

namespace expiries {
namespace {

using time_point = pool::manual_clock::time_point;

struct model {
    static constexpr bool can_expire = true;
    time_point expires_at(time_point since) const noexcept { return since; }
};
struct says_it_never_does : model {
    static constexpr bool can_expire = false;
};
struct says_it_by_type : model {
    static constexpr std::true_type can_expire{};
};
struct without_can_expire {
    time_point expires_at(time_point since) const noexcept { return since; }
};
struct without_expires_at {
    static constexpr bool can_expire = true;
};
struct may_throw : model {
    time_point expires_at(time_point since) const { return since; }
};
struct changes_itself : model {
    time_point expires_at(time_point since) noexcept { return since; }
};
struct answers_with_duration : model {
    time_point::duration expires_at(time_point since) const noexcept { return since.time_since_epoch(); }
};
struct answers_with_other_clock : model {
    std::chrono::steady_clock::time_point expires_at(time_point) const noexcept { return {}; }
};
struct asks_for_key : model {
    time_point expires_at(time_point since, int /*key*/) const noexcept { return since; }
};

using age = pool::connection_age<time_point>;

struct aged {
    static constexpr bool can_expire = true;
    static constexpr pool::age_facts asks{.opened = true};
    time_point expires_at(time_point, const age& its) const noexcept { return its.opened; }
};
struct drawing : aged {
    static constexpr pool::age_facts asks{.draw = true};
    std::uint32_t draw() noexcept { return 4; }
};
struct does_not_declare {
    static constexpr bool can_expire = true;
    time_point expires_at(time_point, const age& its) const noexcept { return its.opened; }
};
struct declares_by_another_type : aged {
    static constexpr bool asks = true;
};
struct declares_and_is_not_told : model {
    static constexpr pool::age_facts asks{.opened = true};
};
struct aged_may_throw : aged {
    time_point expires_at(time_point, const age& its) const { return its.opened; }
};
struct without_draw : aged {
    static constexpr pool::age_facts asks{.draw = true};
};
struct draw_may_throw : drawing {
    std::uint32_t draw() { return 4; }
};
struct draws_another_type : drawing {
    std::uint64_t draw() noexcept { return 4; }
};

}  // namespace
}  // namespace expiries

TEST_CASE("expiry_policy: says whether it expires and, if so, when") {
    using expiries::time_point;
    static_assert(pool::expiry_policy<pool::never, time_point>);
    static_assert(pool::expiry_policy<pool::after_idle, time_point>);
    static_assert(pool::expiry_policy<pool::after_idle, std::chrono::steady_clock::time_point>);
    static_assert(pool::expiry_policy<expiries::model, time_point>);
    static_assert(pool::expiry_policy<expiries::says_it_never_does, time_point>);
    static_assert(pool::expiry_policy<expiries::says_it_by_type, time_point>);
    static_assert(!pool::expiry_policy<expiries::model, std::chrono::steady_clock::time_point>);
    static_assert(!pool::expiry_policy<const pool::after_idle, time_point>);
    static_assert(!pool::expiry_policy<expiries::without_can_expire, time_point>);
    static_assert(!pool::expiry_policy<expiries::without_expires_at, time_point>);
    static_assert(!pool::expiry_policy<expiries::may_throw, time_point>);
    static_assert(!pool::expiry_policy<expiries::changes_itself, time_point>);
    static_assert(!pool::expiry_policy<expiries::answers_with_duration, time_point>);
    static_assert(!pool::expiry_policy<expiries::answers_with_other_clock, time_point>);
    static_assert(!pool::expiry_policy<expiries::asks_for_key, time_point>);
    static_assert(!pool::expiry_policy<std::chrono::seconds, time_point>);
}

TEST_CASE("expiry_policy: declares what it asks of a connection's age, and is told that") {
    using namespace expiries;
    static_assert(pool::declares_age<aged>);
    static_assert(pool::expiry_policy<aged, time_point>);
    static_assert(pool::expiry_policy<drawing, time_point>);
    static_assert(pool::expiry_policy<pool::after_lifetime, time_point>);
    static_assert(pool::expiry_policy<pool::after_uses, time_point>);
    static_assert(pool::expiry_policy<pool::at_own_deadline, time_point>);
    static_assert(pool::expiry_policy<pool::any_of<pool::never, pool::after_idle, pool::after_lifetime>, time_point>);
    static_assert(pool::expiry_policy<pool::any_of<>, time_point>);
    static_assert(!pool::declares_age<pool::after_idle>);
    static_assert(!pool::expiry_policy<does_not_declare, time_point>);
    static_assert(!pool::declares_age<declares_by_another_type>);
    static_assert(!pool::expiry_policy<declares_by_another_type, time_point>);
    static_assert(!pool::expiry_policy<declares_and_is_not_told, time_point>);
    static_assert(!pool::expiry_policy<aged_may_throw, time_point>);
    static_assert(!pool::expiry_policy<without_draw, time_point>);
    static_assert(!pool::expiry_policy<draw_may_throw, time_point>);
    static_assert(!pool::expiry_policy<draws_another_type, time_point>);
    static_assert(!pool::expiry_policy<aged, std::chrono::steady_clock::time_point>);
}

namespace locks {
namespace {

struct without_unlock {
    void lock();
};
struct without_lock {
    void unlock();
};
struct lock_is_private : private std::mutex {
    using std::mutex::unlock;
};
struct made_with_argument : std::mutex {
    explicit made_with_argument(int);
};
struct only_shared {
    void lock_shared();
    void unlock_shared();
};

}  // namespace
}  // namespace locks

TEST_CASE("lock_policy: is any BasicLockable that can be made of nothing") {
    static_assert(pool::lock_policy<std::mutex>);
    static_assert(pool::lock_policy<std::recursive_timed_mutex>);
    static_assert(pool::lock_policy<std::shared_mutex>);
    static_assert(pool::lock_policy<pool::null_mutex>);
    static_assert(!pool::lock_policy<locks::without_unlock>);
    static_assert(!pool::lock_policy<locks::without_lock>);
    static_assert(!pool::lock_policy<locks::lock_is_private>);
    static_assert(!pool::lock_policy<locks::made_with_argument>);
    static_assert(!pool::lock_policy<locks::only_shared>);
    static_assert(!pool::lock_policy<std::mutex&>);
    static_assert(!pool::lock_policy<std::lock_guard<std::mutex>>);
}

namespace clocks {
namespace {

struct without_now {
    using duration = std::chrono::nanoseconds;
    using time_point = pool::manual_clock::time_point;
    static constexpr bool is_steady = true;
};
struct model : without_now {
    time_point now() const { return {}; }
};
struct not_steady : model {
    static constexpr bool is_steady = false;
};
struct steadiness_unknown {
    using duration = std::chrono::nanoseconds;
    using time_point = pool::manual_clock::time_point;
    time_point now() const { return {}; }
};
struct without_duration {
    using time_point = pool::manual_clock::time_point;
    static constexpr bool is_steady = true;
    time_point now() const { return {}; }
};
struct changes_itself : without_now {
    time_point now() { return {}; }
};
struct answers_with_duration : without_now {
    duration now() const { return {}; }
};
struct move_only : model {
    move_only(move_only&&) = default;
    move_only& operator=(move_only&&) = default;
};

}  // namespace
}  // namespace clocks

TEST_CASE("clock_policy: is steady, can be copied, and says the time") {
    static_assert(pool::clock_policy<std::chrono::steady_clock>);
    static_assert(pool::clock_policy<pool::manual_clock>);
    static_assert(pool::clock_policy<clocks::model>);
    static_assert(!pool::clock_policy<std::chrono::system_clock>);
    static_assert(!pool::clock_policy<const clocks::model>);
    static_assert(!pool::clock_policy<clocks::without_now>);
    static_assert(!pool::clock_policy<clocks::not_steady>);
    static_assert(!pool::clock_policy<clocks::steadiness_unknown>);
    static_assert(!pool::clock_policy<clocks::without_duration>);
    static_assert(!pool::clock_policy<clocks::changes_itself>);
    static_assert(!pool::clock_policy<clocks::answers_with_duration>);
    static_assert(!pool::clock_policy<clocks::move_only>);
    static_assert(!pool::clock_policy<std::chrono::seconds>);
}
