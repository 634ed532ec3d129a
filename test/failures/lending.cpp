// SPDX-License-Identifier: BSL-1.0
#include <cstddef>
#include <new>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <support/failing_pool.hpp>

// Each call of foreign code fails in turn, while a pool lends connections and takes them back.

namespace failures_lending_cases {

using namespace failing;

namespace {

constexpr auto one_idle = [](auto& w) { w.put(w.a); };
constexpr auto one_lent = [](auto& w) { w.acquire(w.a); };
constexpr auto full = [](auto& w) {
    w.put(w.a);
    w.put(w.a);
    w.put(w.b);
};
constexpr auto closed = [](auto& w) {
    w.acquire(w.a);
    w.conns->close();
    w.is_closed = true;
};

/// While it exists, the dials return dead connections.
class dead_dials {
public:
    explicit dead_dials(pool::testing::fake_dialer& dials) : dials_{dials} { prepare(true); }
    dead_dials(const dead_dials&) = delete;
    dead_dials& operator=(const dead_dials&) = delete;
    ~dead_dials() { prepare(false); }

private:
    void prepare(bool dead) {
        const disarmed unnoticed;
        dials_.prepare([dead](pool::testing::far_end& far) { far.dead = dead; });
    }

    pool::testing::fake_dialer& dials_;
};

}  // namespace

TEST_CASE_TEMPLATE("failures: acquire [C12]", Pool, idle_pool, open_pool, shards) {
    using world = world_of<Pool>;
    scenarios all;
    const auto acquire = [](world& w) { w.acquire(w.a); };
    all.add<world>("of a new key", promise::strong, nothing, acquire);
    all.add<world>("of a known key", promise::strong, one_lent, acquire);
    all.add<world>("finds one", promise::strong, full, acquire);
    all.add<world>("of another key than all idle ones", promise::basic, full, [](world& w) { w.acquire(w.c); });
    const auto dead = [](world& w) {
        full(w);
        w.dials[1].dead = true;
        w.dials[2].dead = true;
    };
    all.add<world>("finds dead ones", promise::strong, dead, acquire);
    const auto blocked = [](world& w) {
        w.put(w.a);
        w.dials[1].blocked = true;
    };
    all.add<world>("finds a blocked one", promise::strong, blocked, acquire);
    const auto expired = [](world& w) {
        full(w);
        w.clock.advance(world::lifetime);
    };
    all.add<world>("finds expired ones", promise::basic, expired, acquire);
    all.add<world>("whose dial returns a dead one", promise::basic, nothing, [](world& w) {
        const dead_dials meanwhile{w.dials};
        try {
            w.acquire(w.a);
        } catch (const pool::dial_failed&) {
        }
    });
    all.add<world>("in a closed pool", promise::strong, closed, [](world& w) {
        try {
            w.acquire(w.a);
        } catch (const pool::pool_closed&) {
        }
    });
    all.add<world>("whose dial closes the pool", promise::basic, nothing, [](world& w) {
        try {
            w.held.push_back(w.conns->acquire(w.a, [&](const key& wanted, const pool::dial_context&) {
                w.is_closed = true;
                w.conns->close();
                return conn{w.dials(wanted)};
            }));
        } catch (const pool::pool_closed&) {
        }
    });
}

TEST_CASE_TEMPLATE("failures: try_acquire and take [C12]", Pool, idle_pool, open_pool, shards) {
    using world = world_of<Pool>;
    scenarios all;
    const auto try_acquire = [](world& w) {
        if (auto lent = w.conns->try_acquire(w.a)) w.held.push_back(std::move(lent));
    };
    const auto take = [](world& w) {
        if (auto taken = w.conns->take(w.a)) {
            const disarmed unnoticed;
            w.mine.push_back(*std::move(taken));
        }
    };
    all.add<world>("try_acquire finds one", promise::strong, full, try_acquire);
    all.add<world>("try_acquire finds none", promise::strong, one_lent, try_acquire);
    all.add<world>("take finds one", promise::basic, one_idle, take);
    all.add<world>("take finds one of several", promise::basic, full, take);
    all.add<world>("take finds none", promise::strong, one_lent, take);
}

TEST_CASE_TEMPLATE("failures: put [C12]", Pool, idle_pool, open_pool, shards) {
    using world = world_of<Pool>;
    scenarios all;
    // A connection whose put has failed is its caller's.
    const auto put_of = [](auto which) {
        return [which](world& w) {
            w.conns->put(w.*which, std::move(w.mine.back()));
            const disarmed unnoticed;
            w.mine.pop_back();
        };
    };
    const auto with_own = [](auto prepare) {
        return [prepare](world& w) {
            prepare(w);
            w.mine.emplace_back(w.dials());
        };
    };
    all.add<world>("of a new key", promise::strong, with_own(nothing), put_of(&world::a));
    all.add<world>("of a known key", promise::strong, with_own(one_lent), put_of(&world::a));
    all.add<world>("evicts the oldest of its key", promise::strong, with_own(full), put_of(&world::a));
    all.add<world>("evicts the oldest of all", promise::strong, with_own(full), put_of(&world::c));
    all.add<world>("in a closed pool", promise::strong, with_own(closed), put_of(&world::a));
}

TEST_CASE_TEMPLATE(
    "failures: give-back, discard and the end of a lease [C12, C13]", Pool, idle_pool, open_pool, shards) {
    using world = world_of<Pool>;
    scenarios all;
    const auto with_lent = [](auto prepare) {
        return [prepare](world& w) {
            prepare(w);
            if (w.held.empty()) w.held.push_back(w.conns->try_acquire(w.a));
        };
    };
    const auto crowded = [](world& w) {
        for (int i = 0; i != 3; ++i) w.acquire(w.a);
        w.held.pop_back();
        w.held.pop_back();
        w.put(w.b);
    };
    const auto give_back = [](world& w) { w.held.clear(); };
    all.add<world>("give-back", promise::none, one_lent, give_back);
    all.add<world>("give-back into a full pool", promise::none, crowded, give_back);
    all.add<world>("give-back of a dead one", promise::none, with_lent([](world& w) {
        one_lent(w);
        w.dials[1].dead = true;
    }),
        give_back);
    all.add<world>("give-back to a closed pool", promise::none, closed, give_back);
    all.add<world>("give-back after an end that left it", promise::none, one_lent, [](world& w) {
        w.conns.reset();
        w.held.clear();
    });
    all.add<world>("give-back that closes what a look-up has left", promise::none, with_lent([](world& w) {
        w.put(w.b);
        w.put(w.a);
        w.dials[1].dead = true;
        (void)w.conns->try_acquire(w.b);
    }),
        give_back);
    const auto discard = [](world& w) {
        w.held.back().discard();
        w.held.pop_back();
    };
    all.add<world>("discard", promise::none, with_lent(full), discard);
    all.add<world>("detach", promise::strong, with_lent(full), [](world& w) {
        auto detached = w.held.back().detach();
        const disarmed unnoticed;
        w.mine.push_back(std::move(detached));
        w.held.pop_back();
    });
}

namespace {

/// A pool without bounds, which has to grow: it allocates in more places then.
template <class Expiry>
struct growing_world {
    static constexpr int most = 60;

    explicit growing_world(int held) {
        for (int i = 0; i != held; ++i) conns.put(number(i), dials());
    }

    static std::string number(int i) { return "a key that is long enough for the heap: " + std::to_string(i); }

    static Expiry long_lived() {
        if constexpr (Expiry::can_expire) return 1h;
        else return {};
    }

    pool::testing::fake_dialer dials;
    pool::basic_pool<std::string, pool::testing::fake_connection, pool::unlimited, Expiry> conns{{}, long_lived()};
    const std::string fresh = number(most);
};

/// Makes each allocation of `act(world)` fail, whatever the size of the pool.
template <class World>
void fail_at_any_size(auto act) {
    pool::testing::failures_result all;
    for (int held = 0; held <= World::most; ++held) {
        all += pool::testing::explore_failures(
            [&](failure_run& run) {
                World w{held};
                const bool is_done = run.during([&] { act(w); });
                const auto s = w.conns.stats();
                run.require(s.idle == static_cast<std::size_t>(held + is_done), "a connection has come, or none");
                run.require(w.dials.open() == static_cast<int>(s.idle), "nothing is lost [C12]");
                { const auto lent = w.conns.acquire(w.fresh, w.dials); }
                run.require(w.conns.stats(w.fresh).idle == 1, "the pool works");
            },
            {.only = point::allocation});
    }
    CHECK_MESSAGE(bool{all}, all.text());
    MESSAGE(all.text());
}

}  // namespace

TEST_CASE_TEMPLATE("failures: a pool that grows has no memory [C12]", Expiry, pool::never, pool::after_idle) {
    using world = growing_world<Expiry>;
    SUBCASE("acquire") {
        fail_at_any_size<world>([](world& w) { (void)w.conns.acquire(w.fresh, w.dials); });
    }
    SUBCASE("put") {
        fail_at_any_size<world>([](world& w) {
            auto mine = w.dials();
            try {
                w.conns.put(w.fresh, std::move(mine));
            } catch (const std::bad_alloc&) {
                mine.close();  // it is still the caller's
                throw;
            }
        });
    }
    SUBCASE("get") {
        fail_at_any_size<world>(
            [](world& w) { w.conns.get(w.fresh, w.dials).invoke([](pool::testing::fake_connection&) {}); });
    }
}

}  // namespace failures_lending_cases
