// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <ratio>
#include <type_traits>

#include <doctest/doctest.h>

#include <pool/policies/expiry.hpp>

namespace {

using namespace std::chrono_literals;
using pool::core::saturating_add;
using pool::core::saturating_cast;
using std::chrono::duration;
using std::chrono::hours;
using std::chrono::nanoseconds;
using std::chrono::seconds;

template <class Duration>
using time_of = std::chrono::time_point<std::chrono::steady_clock, Duration>;

using time_point = time_of<nanoseconds>;
using coarse_time = time_of<seconds>;
using real_seconds = duration<double>;
using thirds = duration<std::int64_t, std::ratio<1, 3>>;

constexpr auto infinity = std::numeric_limits<double>::infinity();

}  // namespace

TEST_CASE("saturating_add: within the range it adds") {
    CHECK(saturating_add(time_point{5s}, 3s) == time_point{8s});
    CHECK(saturating_add(time_point{5s}, -8s) == time_point{-3s});
    CHECK(saturating_add(time_point::min(), nanoseconds::max()) == time_point{-1ns});
    CHECK(saturating_add(time_point::max(), nanoseconds::min()) == time_point{-1ns});
}

TEST_CASE("saturating_add: it reaches the ends of the range without passing them [C18]") {
    CHECK(saturating_add(time_point::max() - 1ns, 1ns) == time_point::max());
    CHECK(saturating_add(time_point::max() - 1ns, 2ns) == time_point::max());
    CHECK(saturating_add(time_point::max(), nanoseconds::max()) == time_point::max());
    CHECK(saturating_add(time_point{1ns}, nanoseconds::max()) == time_point::max());
    CHECK(saturating_add(time_point::min() + 1ns, -1ns) == time_point::min());
    CHECK(saturating_add(time_point::min() + 1ns, -2ns) == time_point::min());
    CHECK(saturating_add(time_point::min(), nanoseconds::min()) == time_point::min());
    CHECK(saturating_add(time_point{-1ns}, nanoseconds::min()) == time_point::min());
    CHECK(saturating_add(time_point{-2ns}, nanoseconds::min()) == time_point::min());
}

TEST_CASE("saturating_add: floating-point times stay finite [C18]") {
    using real_time = time_of<real_seconds>;
    CHECK(saturating_add(real_time{1.5s}, 1s) == real_time{2.5s});
    CHECK(saturating_add(real_time::max(), real_seconds::max()) == real_time::max());
    CHECK(saturating_add(real_time::min(), real_seconds::min()) == real_time::min());
}

TEST_CASE("saturating_cast: within the range it converts") {
    CHECK(saturating_cast<nanoseconds>(30s) == 30s);
    CHECK(saturating_cast<nanoseconds>(-30s) == -30s);
    CHECK(saturating_cast<nanoseconds>(0.25s) == 250ms);
    CHECK(saturating_cast<seconds>(7000ms) == 7s);
    CHECK(saturating_cast<nanoseconds>(thirds{6}) == 2s);
}

TEST_CASE("saturating_cast: to a finer unit it stays within the range [C18]") {
    CHECK(saturating_cast<nanoseconds>(seconds::max()) == nanoseconds::max());
    CHECK(saturating_cast<nanoseconds>(seconds::min()) == nanoseconds::min());
    CHECK(saturating_cast<nanoseconds>(hours::max()) == nanoseconds::max());
    CHECK(saturating_cast<nanoseconds>(9'223'372'036s).count() == 9'223'372'036'000'000'000);
    CHECK(saturating_cast<nanoseconds>(9'223'372'037s) == nanoseconds::max());
    CHECK(saturating_cast<nanoseconds>(-9'223'372'036s).count() == -9'223'372'036'000'000'000);
    CHECK(saturating_cast<nanoseconds>(-9'223'372'037s) == nanoseconds::min());
}

TEST_CASE("saturating_cast: to the same unit and a coarser one it keeps the extremes [C18]") {
    CHECK(saturating_cast<nanoseconds>(nanoseconds::max()) == nanoseconds::max());
    CHECK(saturating_cast<nanoseconds>(nanoseconds::max() - 1ns) == nanoseconds::max() - 1ns);
    CHECK(saturating_cast<nanoseconds>(nanoseconds::min()) == nanoseconds::min());
    CHECK(saturating_cast<seconds>(nanoseconds::max()) == 9'223'372'037s);
    CHECK(saturating_cast<seconds>(nanoseconds::min()) == -9'223'372'036s);
}

TEST_CASE("saturating_cast: no step overflows if one unit is no multiple of the other [C18]") {
    CHECK(saturating_cast<nanoseconds>(thirds{20'000'000'001}) == 6'666'666'667s);
    CHECK(saturating_cast<nanoseconds>(thirds{-20'000'000'001}) == -6'666'666'667s);
    CHECK(saturating_cast<nanoseconds>(thirds{30'000'000'000}) == nanoseconds::max());
}

TEST_CASE("saturating_cast: a fraction of a tick is rounded up, so that nothing expires early [C7]") {
    CHECK(saturating_cast<seconds>(1ns) == 1s);
    CHECK(saturating_cast<seconds>(1001ms) == 2s);
    CHECK(saturating_cast<seconds>(-1999ms) == -1s);
    CHECK(saturating_cast<seconds>(0.1s) == 1s);
    CHECK(saturating_cast<seconds>(-0.1s) == 0s);
    CHECK(saturating_cast<nanoseconds>(thirds{1}) == 333'333'334ns);
}

TEST_CASE("saturating_cast: a floating-point target is not rounded") {
    CHECK(saturating_cast<real_seconds>(1500ms).count() == 1.5);
    CHECK(saturating_cast<real_seconds>(125'125ns).count() == doctest::Approx(0.000'125'125));
}

TEST_CASE("saturating_cast: floating-point durations beyond the range become its ends, NaN becomes zero [C18]") {
    CHECK(saturating_cast<nanoseconds>(real_seconds{infinity}) == nanoseconds::max());
    CHECK(saturating_cast<nanoseconds>(real_seconds{-infinity}) == nanoseconds::min());
    CHECK(saturating_cast<nanoseconds>(real_seconds::max()) == nanoseconds::max());
    CHECK(saturating_cast<nanoseconds>(real_seconds::min()) == nanoseconds::min());
    CHECK(saturating_cast<nanoseconds>(duration<float>{1e30F}) == nanoseconds::max());
    CHECK(saturating_cast<nanoseconds>(real_seconds{std::nan("")}) == 0ns);
}

TEST_CASE("saturating_cast: a narrow target saturates at its own ends [C18]") {
    using short_seconds = duration<std::int8_t>;
    CHECK(saturating_cast<short_seconds>(1000s) == short_seconds::max());
    CHECK(saturating_cast<short_seconds>(-1000s) == short_seconds::min());
    CHECK(saturating_cast<short_seconds>(126'001ms) == short_seconds::max());
    CHECK(saturating_cast<duration<unsigned>>(-5s).count() == 0);
}

TEST_CASE("never: it cannot expire, and has no state") {
    CHECK(!pool::never::can_expire);
    CHECK(std::is_empty_v<pool::never>);
}

TEST_CASE("after_idle: a connection is due when it has been idle for the time to live [C7]") {
    const pool::after_idle policy = 30s;
    CHECK(pool::after_idle::can_expire);
    CHECK(policy.ttl() == 30s);
    CHECK(policy.expires_at(time_point{12s}) == time_point{42s});
    CHECK(policy.expires_at(coarse_time{12s}) == coarse_time{42s});
}

TEST_CASE("after_idle: by default nothing is ever due") {
    const pool::after_idle policy;
    CHECK(policy.expires_at(time_point{}) == time_point::max());
    CHECK(policy.expires_at(time_point::min()) == time_point::max());
    CHECK(policy.expires_at(coarse_time{}) == coarse_time::max());
}

TEST_CASE("after_idle: a time to live beyond the range is for ever [C18]") {
    CHECK(pool::after_idle{hours::max()}.expires_at(time_point{}) == time_point::max());
    CHECK(pool::after_idle{real_seconds{infinity}}.expires_at(coarse_time{}) == coarse_time::max());
}

TEST_CASE("after_idle: with zero or less a connection is due at once") {
    CHECK(pool::after_idle{0s}.expires_at(time_point{12s}) == time_point{12s});
    CHECK(pool::after_idle{-1s}.expires_at(time_point{12s}) == time_point{11s});
    CHECK(pool::after_idle{-1ns}.expires_at(coarse_time{12s}) == coarse_time{12s});
    CHECK(pool::after_idle{real_seconds{std::nan("")}}.expires_at(time_point{12s}) == time_point{12s});
    CHECK(pool::after_idle{hours::min()}.expires_at(time_point{-1ns}) == time_point::min());
}

TEST_CASE("after_idle: expiry times saturate, and never become earlier for a later give-back [C18]") {
    const pool::after_idle policy = 2ns;
    CHECK(policy.expires_at(time_point::max() - 3ns) == time_point::max() - 1ns);
    CHECK(policy.expires_at(time_point::max() - 2ns) == time_point::max());
    CHECK(policy.expires_at(time_point::max() - 1ns) == time_point::max());
    CHECK(policy.expires_at(time_point::max()) == time_point::max());
}

TEST_CASE("after_idle: on a coarser clock the expiry is late rather than early [C7]") {
    CHECK(pool::after_idle{1ms}.expires_at(coarse_time{12s}) == coarse_time{13s});
    CHECK(pool::after_idle{2001ms}.expires_at(coarse_time{12s}) == coarse_time{15s});
}

TEST_CASE("after_idle: it can be chosen at compile time") {
    constexpr pool::after_idle policy = 1.5s;
    static_assert(policy.ttl() == 1500ms && policy.expires_at(time_point{}) == time_point{1500ms});
}
