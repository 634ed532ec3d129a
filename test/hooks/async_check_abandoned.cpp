// SPDX-License-Identifier: BSL-1.0
#include <doctest/doctest.h>

#include <support/later_checks.hpp>
#include <support/leaks.hpp>

// A check ends after `abandon` of its pool. In the child of a fork, something of the parent may drop its end.

using namespace later;

TEST_CASE_TEMPLATE(
    "async check: one of before an abandon ends without any effect [C27]", Pool, later_idle, later_open) {
    for (const bool is_healthy : {true, false}) {
        CAPTURE(is_healthy);
        const leaks_on_purpose leaks;
        check_fixture<Pool> f;
        f.put("a");
        auto before = f.ask("a");
        CHECK(f.stats().checking == 1);
        f.conns->abandon();
        f.put("a");
        auto after = f.ask("a");
        f.begun.take()(is_healthy);
        f.run();
        CHECK_FALSE(before->done);
        CHECK(f.stats().checking == 1);
        CHECK(f.far(1).closes == 0);
        f.answer(true);
        CHECK(after->lease->id() == 2);
        CHECK(f.stats().hits == 1);
        CHECK(f.stats().found_unhealthy == 0);
    }
}
