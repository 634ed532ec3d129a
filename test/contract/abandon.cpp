// SPDX-License-Identifier: BSL-1.0
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <support/abandoning.hpp>

// C27 abandon(): what it forgets. The test `fork` has the children.

namespace abandoning {

TEST_CASE_TEMPLATE("abandon: the figures are zero, and nothing of before is found [C27]", Pool, ABANDONED_POOLS) {
    fixture<Pool> f;
    f.put("a"), f.put("b");
    const auto lent = f.lend("c");
    CHECK_FALSE(f.conns->try_acquire("x"));
    f.conns->abandon();
    CHECK(f.figures() == pool::stats{});
    for (const char* key : {"a", "b", "c"}) {
        CHECK(f.conns->stats(key) == pool::key_stats{});
        CHECK_FALSE(f.conns->try_acquire(key));
    }
    CHECK(f.conns->clear() == 0);
    CHECK(f.conns->expire() == 0);
    CHECK(f.conns->next_expiry() == f.clock.now() + 10s);  // of what is given back now
    CHECK(f.all.spoken.empty());
}

TEST_CASE_TEMPLATE("abandon: idle and lent connections are abandoned, and each once [C27]", Pool, ABANDONED_POOLS) {
    fixture<Pool> f;
    f.put("a"), f.put("b");
    auto lent = f.lend("c");
    f.conns->abandon();
    CHECK(sorted(f.all.abandoned) == numbers{1, 2, 3});
    lent.give_back();
    f.conns->abandon();
    f.conns.reset();
    CHECK(f.all.abandoned.size() == 3);
    CHECK(f.all.spoken.empty());
}

TEST_CASE_TEMPLATE("abandon: what is retired, and not closed yet, is abandoned, too [C27]", Pool, ABANDONED_POOLS) {
    fixture<Pool> f;
    f.put();
    f.all.dead = {1};
    CHECK_FALSE(f.conns->try_acquire("a"));
    CHECK(f.figures().closing == 1);
    f.conns->abandon();
    CHECK(f.all.abandoned == numbers{1});
    CHECK(f.figures().closing == 0);
    f.conns->upkeep();
    f.conns.reset();
    CHECK(f.all.spoken.empty());
}

TEST_CASE_TEMPLATE("abandon: afterwards the pool works as a new one [C27]", Pool, ABANDONED_POOLS) {
    fixture<Pool> f;
    for (int i = 0; i < 3; ++i) f.put();
    f.conns->abandon();
    {
        const auto lent = f.lend();
        CHECK(lent->number() == 4);
        CHECK(f.figures().lent == 1);
    }
    CHECK(f.conns->try_acquire("a")->number() == 4);
    f.put("b");
    CHECK(f.conns->take("b")->number() == 5);
    CHECK(f.all.spoken == numbers{5});
    f.clock.advance(10s);
    CHECK(f.conns->expire() == 1);
    CHECK(f.all.spoken == numbers{5, 4});
    f.put("c");
    CHECK(f.conns->close().empty());
    CHECK(f.all.spoken == numbers{5, 4, 6});
    CHECK(f.figures().puts == 5);
}

TEST_CASE_TEMPLATE("abandon: a lease of before does nothing at its end [C27]", Pool, ABANDONED_POOLS) {
    fixture<Pool> f;
    auto lent = f.lend("a"), other = f.lend("b");
    f.conns->abandon();
    const auto end = [&] {
        SUBCASE("destroyed") { const auto gone = std::move(lent); }
        SUBCASE("destroyed by an exception") {
            CHECK_THROWS([&] {
                const auto gone = std::move(lent);
                throw std::runtime_error{"no answer"};
            }());
        }
        SUBCASE("not kept") {
            lent.discard_unless_kept();
            const auto gone = std::move(lent);
        }
        SUBCASE("assigned to") { lent = std::move(other); }
        SUBCASE("given back") { lent.give_back(); }
        SUBCASE("discarded") { lent.discard(); }
        SUBCASE("detached") { (void)lent.detach(); }
    };
    SUBCASE("while the pool lives") {
        end();
        CHECK(f.figures() == pool::stats{});
        f.put();
        CHECK(f.figures().idle == 1);
        f.conns.reset();
        CHECK(f.all.spoken == numbers{3});
    }
    SUBCASE("after the end of the pool") {
        f.conns.reset();
        end();
        CHECK(f.all.spoken.empty());
    }
}

TEST_CASE_TEMPLATE("abandon: a lease of afterwards may outlive the pool [C27]", Pool, ABANDONED_POOLS) {
    fixture<Pool> f;
    f.conns->abandon();
    auto lent = f.lend();
    f.conns.reset();
    lent.give_back();
    CHECK(f.all.spoken == numbers{1});
}

TEST_CASE_TEMPLATE("abandon: a lazy connection of before works on [C27]", Pool, idle_sessions<session, std::mutex>,
    open_sessions<session, std::mutex>, shard_sessions<session, std::mutex>, idle_sessions<session, pool::null_mutex>) {
    fixture<Pool> f;
    auto peer = f.conns->get("a", f.dial());
    const auto number = [](session& s) { return s.number(); };
    CHECK(peer.invoke(number) == 1);
    f.conns->abandon();
    CHECK(peer.invoke(number) == 2);
    CHECK(peer.invoke(number) == 2);
    CHECK(f.figures().hits == 1);
    f.conns.reset();
    CHECK_THROWS_AS(peer.invoke(number), pool::pool_closed);
    CHECK(f.all.spoken == numbers{2});
}

TEST_CASE("abandon: permits and bounds are free again [C27]") {
    fixture<open_sessions<session, std::mutex>> f;
    const auto one = f.lend(), two = f.lend(), three = f.lend();
    f.conns->abandon();
    const auto four = f.conns->acquire("a", f.dial()), five = f.conns->acquire("b", f.dial());
    const auto six = f.conns->acquire("b", f.dial());
    CHECK(f.figures().lent == 3);
    CHECK_THROWS_AS((void)f.conns->acquire("c", f.dial(), 0s), pool::acquire_timeout);
}

TEST_CASE("abandon: the weight of what was idle is forgotten [C27]") {
    leaks_on_purpose leaks;
    ledger all;
    pool::basic_pool<std::string, session, pool::weighed<pool::unlimited>> conns{{{}, 20}};
    conns.put("a", session{all}), conns.put("a", session{all});
    CHECK(conns.stats().idle_weight == 20);
    conns.abandon();
    CHECK(conns.stats().idle_weight == 0);
    conns.put("a", session{all}), conns.put("a", session{all});
    CHECK(conns.stats().idle_weight == 20);
    CHECK(all.spoken.empty());
}

// Whether it is certain that nothing was being changed.

TEST_CASE_TEMPLATE("abandon: if another thread has the lock, no connection is touched, and the lock is new [C27]", Pool,
    idle_sessions<session, other_threads_lock>, open_sessions<session, other_threads_lock>,
    shard_sessions<session, other_threads_lock>) {
    fixture<Pool> f;
    f.put("a"), f.put("b");
    auto lent = f.lend("c");
    other_threads_lock::is_taken = true;
    f.conns->abandon();
    other_threads_lock::is_taken = false;
    CHECK(f.figures() == pool::stats{});
    CHECK(f.all.abandoned.empty());
    lent.discard();
    f.put();
    CHECK(f.conns->try_acquire("a")->number() == 4);
    f.conns.reset();
    CHECK(f.all.spoken == numbers{4});
}

TEST_CASE_TEMPLATE("abandon: a lock that cannot tell leaves the connections alone [C27]", Pool,
    idle_sessions<session, silent_lock>, open_sessions<session, silent_lock>, shard_sessions<session, silent_lock>) {
    fixture<Pool> f;
    f.put();
    auto lent = f.lend("b");
    f.conns->abandon();
    CHECK(f.figures() == pool::stats{});
    CHECK(f.all.abandoned.empty());
    lent.give_back();
    CHECK(f.lend()->number() == 3);
    f.conns.reset();
    CHECK(f.all.spoken == numbers{3});
}

TEST_CASE("abandon: a lock that counts its holders has none afterwards [C27]") {
    fixture<idle_sessions<session, counted_lock>> f;
    f.put();
    f.conns->abandon();
    CHECK(counted_lock::held == 0);
    f.put();
    CHECK(counted_lock::held == 0);
}

TEST_CASE("abandon: the state that leases of before refer to never ends [C27]") {
    fixture<idle_sessions<session, counted_lock>> f;
    auto lent = f.lend();
    const int ends = counted_lock::ends;
    f.conns->abandon();
    f.conns.reset();
    lent.give_back();
    CHECK(counted_lock::ends == ends);
}

TEST_CASE_TEMPLATE("abandon: a connection that is being moved out is not touched [C27]", Pool,
    idle_sessions<session, std::mutex>, open_sessions<session, std::mutex>, shard_sessions<session, std::mutex>) {
    fixture<Pool> f;
    bool is_abandoned = false;
    const auto abandon_once = [&] {
        if (!std::exchange(is_abandoned, true)) f.conns->abandon();
    };
    SUBCASE("by detach") {
        auto lent = f.lend();
        f.all.on_destroy = abandon_once;
        CHECK(lent.detach().number() == 1);
    }
    CHECK(is_abandoned);
    CHECK(f.all.abandoned.empty());
    CHECK(f.figures() == pool::stats{});
    CHECK(f.all.spoken == numbers{1});  // by its new owner
    f.all.on_destroy = {};
}

}  // namespace abandoning
