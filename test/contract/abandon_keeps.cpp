// SPDX-License-Identifier: BSL-1.0
#include <mutex>
#include <vector>

#include <doctest/doctest.h>

#include <support/abandoning.hpp>

// C27 abandon(): what of a pool stays, and which of its callers are forgotten.

namespace abandoning {

TEST_CASE_TEMPLATE("abandon: a paused pool stays paused, and a closed one closed [C27]", Pool, ABANDONED_POOLS) {
    fixture<Pool> f;
    f.conns->pause();
    f.conns->abandon();
    CHECK(f.conns->is_paused());
    f.put();
    CHECK_FALSE(f.conns->try_acquire("a"));
    f.conns->resume();
    CHECK(f.conns->try_acquire("a"));
    f.conns->close();
    f.conns->abandon();
    f.put();
    CHECK(f.figures().refused == 1);
    CHECK_FALSE(f.conns->try_acquire("a"));
}

TEST_CASE_TEMPLATE("abandon: callers of a paused pool, or of a closed one, fail as before [C27]", Pool,
    idle_sessions<session, std::mutex>, open_sessions<session, std::mutex>, shard_sessions<session, std::mutex>) {
    fixture<Pool> f;
    f.conns->pause();
    f.conns->abandon();
    CHECK_THROWS_AS((void)f.conns->acquire("a", f.dial()), pool::pool_paused);
    f.conns->resume();
    CHECK(f.conns->acquire("a", f.dial())->number() == 1);
    f.conns->close();
    f.conns->abandon();
    CHECK_THROWS_AS((void)f.conns->acquire("a", f.dial()), pool::pool_closed);
    CHECK(f.all.dials == 1);
}

TEST_CASE("abandon: callers of a paused pool wait as before [C27]") {
    using pool_type = open_sessions<session, std::mutex>;
    fixture<pool_type> f;
    f.conns->pause(pool::wait_for_resume);
    f.conns->abandon();
    CHECK_THROWS_AS((void)f.conns->acquire("a", f.dial(), 0s), pool::acquire_timeout);
    forgotten_request<pool_type> asking;
    requests::submit(*f.conns, asking, "a");
    CHECK(f.figures().waiting == 1);
    f.conns->resume();
    CHECK(requests::look(*f.conns, asking) == pool::core::request_state::may_dial);
    requests::dial_failed(*f.conns, asking);
}

TEST_CASE_TEMPLATE("abandon: callers that wait or dial are forgotten [C27]", Pool, open_sessions<session, std::mutex>,
    open_sessions<session, pool::null_mutex>) {
    fixture<Pool> f;
    auto lent = f.lend();
    std::vector<forgotten_request<Pool>*> before;
    for (const char* key : {"a", "b", "b", "c"}) {
        before.push_back(new forgotten_request<Pool>);  // never deleted: it is in the lists of before
        requests::submit(*f.conns, *before.back(), key);
        (void)requests::look(*f.conns, *before.back());
    }
    CHECK(f.figures().dialing == 2);
    CHECK(f.figures().waiting == 2);
    f.conns->abandon();
    CHECK(f.figures() == pool::stats{});
    CHECK(f.conns->stats("b") == pool::key_stats{});
    forgotten_request<Pool> asking;
    requests::submit(*f.conns, asking, "b");
    CHECK(requests::look(*f.conns, asking) == pool::core::request_state::may_dial);
    requests::dial_succeeded(*f.conns, asking, f.dial());
    lent.give_back();
    CHECK(f.figures().lent == 1);
    CHECK(requests::lease_of(*f.conns, asking)->number() == 2);
}

TEST_CASE_TEMPLATE("abandon: asynchronous callers of a pool without a queue are forgotten [C27]", Pool,
    idle_sessions<session, std::mutex>, shard_sessions<session, std::mutex>) {
    fixture<Pool> f;
    auto* const before = new forgotten_request<Pool>;
    requests::submit(*f.conns, *before, "a");
    CHECK(requests::look(*f.conns, *before) == pool::core::request_state::may_dial);
    f.conns->abandon();
    f.conns->close();
    CHECK(before->is_submitted());
    CHECK(requests::look(*f.conns, *before) == pool::core::request_state::dialing);
}

TEST_CASE_TEMPLATE("abandon: idle connections are not kept up any more [C27]", Pool, idle_sessions<session, std::mutex>,
    open_sessions<session, std::mutex>) {
    fixture<Pool> f;
    f.conns->min_idle("a", 2, f.dial());
    f.conns->upkeep();
    CHECK(f.figures().idle == 2);
    f.conns->abandon();
    f.conns->upkeep();
    CHECK(f.figures().idle == 0);
    CHECK(f.all.dials == 2);
    f.conns->min_idle("a", 1, f.dial());
    f.conns->upkeep();
    CHECK(f.figures().idle == 1);
}

TEST_CASE_TEMPLATE(
    "abandon: what is opened afterwards is not outdated by an earlier invalidate [C27]", Pool, ABANDONED_POOLS) {
    fixture<Pool> f;
    for (int i = 0; i < 300; ++i) f.conns->invalidate();
    f.conns->abandon();
    f.lend().give_back();
    CHECK(f.figures().idle == 1);
    CHECK(f.conns->invalidate() == 1);
    f.lend().give_back();
    CHECK(f.figures().idle == 1);
}

TEST_CASE_TEMPLATE("abandon: bounds and expiry are as before [C27]", Pool, idle_sessions<session, std::mutex>,
    open_sessions<session, std::mutex>) {
    fixture<Pool> f;
    if constexpr (Pool::bounds_open) f.conns->reconfigure(pool::bounded_open{.max_idle = 1});
    else f.conns->reconfigure(pool::bounded{.max_idle = 1});
    f.conns->reconfigure(pool::after_idle{3s});
    f.conns->abandon();
    f.put(), f.put();
    CHECK(f.figures().idle == 1);
    CHECK(f.conns->next_expiry() == f.clock.now() + 3s);
}

TEST_CASE_TEMPLATE("abandon: a process may be the thirty-first that has forked [C27]", Pool, ABANDONED_POOLS) {
    fixture<Pool> f;
    auto first = f.lend();
    std::vector<typename Pool::lease_type> before;
    for (int i = 0; i < 31; ++i) {
        f.conns->abandon();
        for (auto& each : before) each.give_back();
        before.clear();
        before.push_back(f.lend());
        CHECK(f.figures().lent == 1);
    }
    first.give_back();
    CHECK(f.figures().lent == 1);
    CHECK(f.all.spoken.empty());
    // More are not told apart by number, but each still forgets what was there just before.
    for (int i = 0; i < 70; ++i) {
        f.conns->abandon();
        before.clear();
        CHECK(f.figures() == pool::stats{});
        before.push_back(f.lend());
    }
    before.clear();
    CHECK(f.figures().idle == 1);
}

}  // namespace abandoning
