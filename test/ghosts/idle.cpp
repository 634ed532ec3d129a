// SPDX-License-Identifier: BSL-1.0
#include <doctest/doctest.h>

#include <pool/policies/capacity.hpp>
#include <pool/policies/expiry.hpp>
#include <pool/settings.hpp>

#include <ghosts/history.hpp>

// The estimate of a pool that bounds what is idle, against pools that have the higher bounds. Where the pool dials at once, it
// is exact: the same callers come, and have their connections equally long.

namespace ghost_idle {

using namespace ghost_histories;
using pool::bounded;
using enum pool::reuse_order;

const habits few_keys{.calls = 4'000, .keys = 5, .skew = 0.5};
const habits many_keys{.calls = 4'000, .keys = 500};
const habits bursts{.calls = 4'000, .keys = 20, .burst = 4};

template <class Expiry>
void compare_all(const way<Expiry>& how, bool is_exact = true) {
    for (habits callers : {few_keys, many_keys, bursts}) {
        if (!is_exact) callers.calls = 12'000;  // to be right on average
        CAPTURE(callers.keys);
        compare(bounded{.max_idle = 8}, callers, how, is_exact);
        compare(bounded{.max_idle_per_key = 2}, callers, how, is_exact);
        compare(bounded{.max_idle = 10, .max_idle_per_key = 3}, callers, how, is_exact);
    }
}

TEST_CASE("ghosts: dials that a higher bound saves, the newest lent first") {
    compare_all(way<>{.reuse = newest_first});
}

TEST_CASE("ghosts: dials that a higher bound saves, the oldest lent first") {
    compare_all(way<>{.reuse = oldest_first});
}

TEST_CASE("ghosts: connections that expire") {
    for (const auto reuse : {newest_first, oldest_first})
        for (const span reaps_every : {span{}, span{7ms}}) {
            CAPTURE(reaps_every.count());
            compare_all(way<pool::after_idle>{.expiry = 40ms, .reuse = reuse, .reaps_every = reaps_every});
        }
}

TEST_CASE("ghosts: connections that are closed because they are old, which is not simulated exactly") {
    compare_all(way<pool::after_lifetime>{.expiry = 4s, .reuse = newest_first, .reaps_every = 7ms}, false);
}

TEST_CASE("ghosts: dials that take as long as calls, or longer") {
    compare_all(way<>{.reuse = newest_first, .dial = 3ms}, false);
    compare_all(way<>{.reuse = oldest_first, .dial = 30ms}, false);
}

TEST_CASE("ghosts: larger pools") {
    const habits callers{.calls = 20'000, .keys = 100, .hold = 100ms};
    compare(bounded{.max_idle = 80}, callers, way<>{}, true);
    compare(bounded{.max_idle_per_key = 5}, callers, way<>{}, true);
}

}  // namespace ghost_idle
