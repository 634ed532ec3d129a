// SPDX-License-Identifier: BSL-1.0
#include <doctest/doctest.h>

#include <pool/policies/capacity.hpp>
#include <pool/settings.hpp>

#include <ghosts/history.hpp>

// The estimate of a pool that bounds what is open, against pools that have the higher bounds: callers that would not have had
// to wait, and dials that would not have been.

namespace ghost_waits {

using namespace ghost_histories;
using pool::bounded_open;

TEST_CASE("ghosts: waits that a higher bound saves, of one key") {
    for (const bool is_even : {false, true}) {
        CAPTURE(is_even);
        compare(bounded_open{.max_open = 8}, {.hold = 4800us, .is_even = is_even});  // hardly anybody waits
        compare(bounded_open{.max_open = 8}, {.hold = 7200us, .is_even = is_even});
        compare(bounded_open{.max_open = 8}, {.hold = 8400us, .is_even = is_even});  // the queue grows all the time
    }
}

TEST_CASE("ghosts: waits of many keys, which take connections from each other") {
    for (const auto reuse : {pool::reuse_order::newest_first, pool::reuse_order::oldest_first})
        for (const span dial : {0ms, 1ms, 8ms}) {
            CAPTURE(dial.count());
            compare(bounded_open{.max_open = 16}, {.keys = 10, .hold = 9600us}, way<>{.reuse = reuse, .dial = dial});
        }
    compare(bounded_open{.max_open = 16}, {.keys = 10, .hold = 12800us});
}

TEST_CASE("ghosts: waits at the bound of a key, and at both bounds") {
    compare(bounded_open{.max_open_per_key = 4}, {.keys = 5, .skew = 0.5, .hold = 12ms});
    compare(bounded_open{.max_open = 12, .max_open_per_key = 4}, {.keys = 5, .skew = 0.5, .hold = 8ms});
}

TEST_CASE("ghosts: bounds on what is idle and on what is open") {
    compare(bounded_open{.max_open = 16, .max_idle = 4}, {.keys = 10, .hold = 11ms});
    compare(bounded_open{.max_open = 16, .max_idle_per_key = 1}, {.keys = 10, .hold = 11ms});
}

TEST_CASE("ghosts: waits of bursts") {
    compare(bounded_open{.max_open = 16}, {.keys = 10, .hold = 8ms, .burst = 5}, way<>{.dial = 1ms});
}

TEST_CASE("ghosts: callers that give up") {
    compare(bounded_open{.max_open = 8}, {.hold = 7200us}, way<>{.gives_up = 3ms});
    compare(bounded_open{.max_open = 8}, {.hold = 8400us}, way<>{.gives_up = 5ms});
}

TEST_CASE("ghosts: waits for other dials of the key, which no bound of these saves") {
    compare(bounded_open{.max_open = 16, .max_dials_per_key = 1}, {.keys = 10, .hold = 8ms, .burst = 5},
        way<>{.dial = 2ms});
}

}  // namespace ghost_waits
