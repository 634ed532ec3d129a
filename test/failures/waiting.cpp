// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <chrono>
#include <new>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>

#include <doctest/doctest.h>

#include <support/failing_pool.hpp>

// Each call of foreign code fails in turn, while callers wait for a connection: in the thread that waits, and in the one
// that serves it. The other thread stands still meanwhile, so the same points come in the same order.

namespace failures_waiting_cases {

using namespace failing;

namespace {

using world = world_of<open_pool>;

/// One connection may be open.
constexpr auto single = [](world& w) { w.conns->reconfigure(open_bounds{{.max_open = 1, .patience = 0ns}}); };
constexpr auto one_lent = [](world& w) {
    single(w);
    w.acquire(w.a);
};
constexpr auto one_idle = [](world& w) {
    single(w);
    w.put(w.a);
};

/// A caller that waits in a thread of its own.
class waiter {
public:
    /// Calls `acquire(world)` in a thread, which `arm(act)` calls. Returns when it waits, or is over.
    template <class Acquire, class Arm>
    waiter(world& w, Acquire acquire, Arm arm)
        : thread_{[this, &w, acquire, arm] {
              is_done_ = arm([&] {
                  try {
                      lease_ = acquire(w, stop_.get_token());
                  } catch (const pool::error&) {  // it has given up
                  }
              });
              is_over_ = true;
          }} {
        while (!is_over_ && w.conns->stats().waiting == 0) std::this_thread::yield();
    }

    void cancel() { stop_.request_stop(); }

    /// Waits for its end. Returns whether nothing has been thrown.
    bool end(world& w) {
        thread_.join();
        if (lease_) w.held.push_back(std::move(lease_));
        return is_done_;
    }

private:
    std::stop_source stop_;
    world::lease lease_;
    std::atomic<bool> is_over_{false};
    bool is_done_ = false;
    std::thread thread_;
};

constexpr auto unarmed = [](const auto& act) {
    act();
    return true;
};

auto acquire(const key world::*which) {
    return [which](world& w, std::stop_token stop) {
        return w.conns->acquire(w.*which, w.dialer(), w.clock.now() + 1s, std::move(stop));
    };
}

/// A caller of this key waits, and its calls fail. Then `serve(world, waiter)` goes on without a failure.
auto fails_in_waiter(const key world::*which, auto serve) {
    return [which, serve](world& w, failure_run& run) {
        waiter waits{w, acquire(which), [&](const auto& act) { return run.during(act); }};
        serve(w, waits);
        return waits.end(w);
    };
}

/// While a caller of this key waits, `act(world)` is made to fail.
auto fails_in_other(const key world::*which, auto act) {
    return [which, act](world& w, failure_run& run) {
        waiter waits{w, acquire(which), unarmed};
        const bool is_done = run.during([&] { act(w); });
        w.held.clear();
        waits.end(w);
        return is_done;
    };
}

constexpr auto give_back = [](world& w) { w.held.clear(); };

}  // namespace

TEST_CASE("failures: a caller that waits [C12]") {
    scenarios all;
    const auto serve = [](world& w, waiter&) { give_back(w); };
    all.add_run<world>(
        "gets the connection that comes back", promise::basic, one_lent, fails_in_waiter(&world::a, serve));
    all.add_run<world>(
        "gets the permit of one of another key", promise::basic, one_lent, fails_in_waiter(&world::b, serve));
    all.add_run<world>("gives up at its deadline", promise::basic, one_lent,
        fails_in_waiter(&world::a, [](world& w, waiter&) { w.clock.advance(1s); }));
    all.add_run<world>("gives up at a stop", promise::basic, one_lent,
        fails_in_waiter(&world::a, [](world&, waiter& waits) { waits.cancel(); }));
    all.add_run<world>("is refused when the pool is closed", promise::basic, one_lent,
        fails_in_waiter(&world::a, [](world& w, waiter&) {
            w.conns->close();
            w.is_closed = true;
        }));
    all.add_run<world>(
        "looks in vain, and waits on", promise::basic, one_lent, fails_in_waiter(&world::a, [](world& w, waiter&) {
            w.conns->upkeep();
            w.conns->look_again();
            w.conns->reconfigure(open_bounds{{.max_open = 2, .max_open_per_key = 1, .patience = 0ns}});
            give_back(w);
        }));
}

TEST_CASE("failures: a caller that waits, and closes a connection for its permit [C12, C13]") {
    scenarios all;
    const auto acquire_b = [](world& w) { w.acquire(w.b); };
    all.add<world>("an idle one of another key", promise::basic, one_idle, acquire_b);
    all.add<world>(
        "a dead one", promise::basic,
        [](world& w) {
            one_lent(w);
            w.dials[1].dead = true;
            w.held.clear();
        },
        acquire_b);
    all.add<world>(
        "an expired one", promise::basic,
        [](world& w) {
            one_idle(w);
            w.clock.advance(w.lifetime);
        },
        acquire_b);
    all.add<world>(
        "the queue is full", promise::strong,
        [](world& w) {
            w.conns->reconfigure(open_bounds{{.max_open = 1, .max_waiting = 0, .patience = 0ns}});
            w.acquire(w.a);
        },
        [&](world& w) {
            try {
                acquire_b(w);
            } catch (const pool::queue_full&) {
            }
        });
    all.add<world>("its deadline has passed", promise::strong, one_lent, [](world& w) {
        try {
            w.held.push_back(w.conns->acquire(w.a, w.dialer(), w.clock.now()));
        } catch (const pool::acquire_timeout&) {
        }
    });
}

TEST_CASE("failures: an operation that serves a caller who waits [C12, C13]") {
    scenarios all;
    for (const auto which : {&world::a, &world::b}) {
        all.add_run<world>("give-back", promise::none, one_lent, fails_in_other(which, give_back));
        all.add_run<world>("discard", promise::none, one_lent, fails_in_other(which, [](world& w) {
            w.held.back().discard();
            w.held.clear();
        }));
        all.add_run<world>("detach", promise::basic, one_lent, fails_in_other(which, [](world& w) {
            auto detached = w.held.back().detach();
            const disarmed unnoticed;
            w.mine.push_back(std::move(detached));
            w.held.clear();
        }));
        all.add_run<world>("put", promise::basic, one_lent, fails_in_other(which, [](world& w) {
            {
                const disarmed unnoticed;
                w.mine.emplace_back(w.dials());
            }
            w.conns->put(w.a, std::move(w.mine.back()));
            const disarmed unnoticed;
            w.mine.pop_back();
        }));
        all.add_run<world>("wider bounds", promise::basic, one_lent, fails_in_other(which, [](world& w) {
            const auto wider = open_bounds{{.max_open = 2, .patience = 0ns}};
            w.conns->reconfigure(wider);
        }));
        all.add_run<world>("upkeep", promise::none, one_lent, fails_in_other(which, [](world& w) {
            w.clock.advance(500ms);
            w.conns->upkeep();
        }));
        all.add_run<world>("close", promise::basic, one_lent, fails_in_other(which, [](world& w) {
            w.is_closed = true;
            (void)w.conns->close();
        }));
        all.add_run<world>("a dial", promise::basic, single, [which](world& w, failure_run& run) {
            std::optional<waiter> waits;
            const bool is_done = run.during([&] {
                w.held.push_back(w.conns->acquire(w.a, [&](const key& wanted, const pool::dial_context&) {
                    {
                        const disarmed unnoticed;
                        waits.emplace(w, acquire(which), unarmed);
                    }
                    return conn{w.dials(wanted)};
                }));
            });
            w.held.clear();
            if (waits) waits->end(w);
            return is_done;
        });
    }
}

TEST_CASE("failures: a caller that waits while the pool is paused [C12, C26]") {
    scenarios all;
    const auto resumes = [](world& w, waiter&) {
        w.conns->pause(pool::wait_for_resume);
        w.held.clear();
        w.conns->resume();
    };
    for (const auto which : {&world::a, &world::b}) {
        all.add_run<world>("it is served at resume", promise::basic, one_lent, fails_in_waiter(which, resumes));
        all.add_run<world>("it is refused", promise::basic, one_lent, fails_in_waiter(which, [](world& w, waiter&) {
            w.conns->pause();
            w.conns->resume();
        }));
        all.add_run<world>("the pause lets it wait", promise::none, one_lent, fails_in_other(which, [](world& w) {
            w.conns->pause(pool::wait_for_resume);
            w.held.clear();
            w.conns->resume();
        }));
        all.add_run<world>("the pause refuses it", promise::none, one_lent, fails_in_other(which, [](world& w) {
            w.conns->pause();
            w.held.clear();
            w.conns->resume();
        }));
    }
}

TEST_CASE("failures: drain [C12]") {
    scenarios all;
    all.add_run<world>("waits for the last one", promise::none, one_lent, [](world& w, failure_run& run) {
        w.conns->close();
        w.is_closed = true;
        std::atomic<bool> is_over = false;
        bool is_done = false;
        std::thread drains{[&] {
            // There may be no memory for its wait.
            run.during([&] { is_done = w.conns->drain(pool::manual_clock::time_point::max()) == 0; });
            is_over = true;
        }};
        w.held.clear();
        drains.join();
        return is_done || run.has_failed();
    });
    all.add<world>("makes closes itself", promise::none, one_idle, [](world& w) {
        try {
            (void)w.conns->drain(w.clock.now());
        } catch (const std::bad_alloc&) {  // no memory to wait with
        }
    });
}

}  // namespace failures_waiting_cases
