// SPDX-License-Identifier: BSL-1.0
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <doctest/doctest.h>

#include <support/later_hooks.hpp>

// A lent connection is reset by an asynchronous operation when it is given back.

using namespace later;

namespace {

/// All resets end when the test says so.
template <class Pool>
struct reset_fixture : later_fixture<Pool> {
    template <class... Args>
    explicit reset_fixture(Args&&... args) : later_fixture<Pool>{std::forward<Args>(args)...} {
        this->dials.prepare([this](far_end& far) { far.on_async_reset = this->begun.later(); });
    }
};

}  // namespace

TEST_CASE_TEMPLATE("async reset: a give-back does not wait for it, and the connection is lent until it ends [C21]",
    Pool, later_idle, later_open, later_shards) {
    reset_fixture<Pool> f;
    { auto lent = f.acquire(); }
    CHECK(f.begun.running() == 1);
    CHECK(f.history(1) == "dialled for a, reset");
    CHECK(f.stats().lent == 1);
    CHECK(f.stats().idle == 0);
    CHECK_FALSE(f.conns->try_acquire("a"));
    f.begun.take()(true);
    CHECK(f.stats().lent == 0);
    CHECK(f.stats().idle == 1);
    auto again = f.conns->try_acquire("a");
    CHECK(again->id() == 1);
    again.discard();
    CHECK(f.begun.running() == 0);
    f.check_sums(3);
}

TEST_CASE_TEMPLATE(
    "async reset: one that ends at once is as any other [C21]", Pool, later_idle, later_open, later_shards) {
    later_fixture<Pool> f;
    f.acquire().give_back();
    f.conns->get("a", f.dial()).invoke([](later::connection& c) { c.use(); });
    CHECK(f.history(1) == "dialled for a, reset, used, reset");
    CHECK(f.stats().idle == 1);
    f.check_sums(2);
}

TEST_CASE_TEMPLATE(
    "async reset: without a yes the connection is closed [C21]", Pool, later_idle, later_open, later_shards) {
    for (const refusal& each : refusals()) {
        CAPTURE(each.name);
        later_fixture<Pool> f;
        f.dials.prepare([&](far_end& far) { far.on_async_reset = each.act; });
        f.acquire().give_back();
        CHECK(f.history(1) == "dialled for a, reset, closed");
        CHECK(f.stats().failed_resets == 1);
        CHECK(f.stats().keys == 0);
        f.check_sums(1);
    }
}

TEST_CASE_TEMPLATE("async reset: it may end in another thread [C21]", Pool, later_idle, later_open) {
    for (const bool is_good : {true, false}) {
        reset_fixture<Pool> f;
        f.acquire().give_back();
        std::thread{[&] { f.begun.take()(is_good); }}.join();
        CHECK(f.stats().idle == is_good);
        CHECK(f.far(1).closes == !is_good);
        f.check_sums(1);
    }
}

TEST_CASE_TEMPLATE("async reset: the pool may be closed, or end, or have no room, before it ends [C21, C23]", Pool,
    later_idle, later_open) {
    for (const bool is_good : {true, false}) {
        for (const int what : {1, 2, 3}) {
            reset_fixture<Pool> f;
            f.acquire().give_back();
            if (what == 1) f.conns->close();
            else if (what == 2) f.conns.reset();
            else f.conns->reconfigure({.max_idle = 0});
            CHECK(f.far(1).closes == 0);
            f.begun.take()(is_good);
            CHECK(f.far(1).closes == 1);
            if (!f.conns) continue;
            CHECK(f.stats().refused == is_good);
            CHECK(f.stats().failed_resets == !is_good);
            f.check_sums(1);
        }
    }
}

TEST_CASE_TEMPLATE(
    "async reset: one that would be thrown away anyway is not reset [C21]", Pool, later_idle, later_open) {
    reset_fixture<Pool> f;
    f.acquire().discard();
    auto dead = f.acquire();
    f.far(2).dead = true;
    dead.give_back();
    auto blocked = f.acquire();
    f.far(3).blocked = true;
    blocked.give_back();
    CHECK(f.stats().failed_resets == 1);
    auto late = f.acquire();
    f.conns->close();
    late.give_back();
    CHECK(f.begun.running() == 0);
    CHECK(f.dials.open() == 0);
    f.check_sums(4);
}

TEST_CASE("async reset: at the bound, a caller that waits gets the connection when it is reset, or its permit [C21]") {
    for (const bool is_good : {true, false}) {
        reset_fixture<later_open> f{pool::pool_settings{}, pool::bounded_open{.max_open = 1, .patience = 0ns}};
        f.acquire().give_back();
        int got = 0;
        std::thread waits{[&] {
            auto lent = f.acquire();
            got = lent->id();
            lent.discard();
        }};
        while (f.stats().waiting == 0) std::this_thread::yield();
        CHECK(f.stats().lent == 1);
        f.begun.take()(is_good);
        waits.join();
        CHECK(got == (is_good ? 1 : 2));
        f.check_sums(2);
    }
}

TEST_CASE_TEMPLATE(
    "async reset: two at once, and the one that ends first is idle first [C4, C21]", Pool, later_idle, later_open) {
    reset_fixture<Pool> f;
    auto first = f.acquire();
    auto second = f.acquire();
    first.give_back();
    second.give_back();
    f.begun.take(1)(true);
    f.begun.take(0)(true);
    CHECK(f.conns->clear() == 2);
    CHECK(f.dials.closed() == ids{2, 1});
}
