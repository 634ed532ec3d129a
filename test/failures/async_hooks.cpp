// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <new>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/hook_done.hpp>
#include <pool/testing/async_tended_connection.hpp>

#include <support/failing_asio.hpp>

// Each call of foreign code fails in turn, while connections are checked, reset and kept alive by asynchronous operations.
// The starts of these fail, too.

using namespace failing;

namespace {

/// Its move can fail, as the starts of its hooks can.
class started : public pool::testing::async_tended_connection {
public:
    explicit started(fake_connection&& from) noexcept : async_tended_connection{std::move(from)} {}
    started(started&& other) : async_tended_connection{movable(other)} {}

private:
    static started&& movable(started& other) {
        may_fail(point::move);
        return std::move(other);
    }
};

}  // namespace

template <>
struct pool::connection_traits<started> : pool::member_connection_traits<started> {
    static bool healthy(started&) { return true; }  // for the calls that check the pool in the end
    static void async_healthy(started& c, hook_done done) { c.check(std::move(done)); }
    static void async_reset(started& c, hook_done done) { c.reset_session(std::move(done)); }
    static void async_keep_alive(started& c, hook_done done) { c.keep_alive(std::move(done)); }
};

namespace {

using started_idle =
    pool::basic_pool<key, started, idle_bounds, pool::after_idle, pool::testing::probe_lock, pool::manual_clock>;
using started_open =
    pool::basic_pool<key, started, open_bounds, pool::after_idle, pool::testing::probe_lock, pool::manual_clock>;

/// Its callers have timers.
using started_in_real_time =
    pool::basic_pool<key, started, open_bounds, pool::after_idle, pool::testing::probe_lock, std::chrono::steady_clock>;

/// Its hooks end at once, or when the test says so.
template <class Pool>
struct hook_world : async_world<Pool> {
    hook_world() { running.reserve(4); }

    auto dial_at_once() {
        return [this](const key& wanted, auto handler) { handler(error_code{}, started{this->dials(wanted)}); };
    }
    template <class... Limit>
    void ask(Limit... limit) {
        pool::asio::async_acquire(*this->conns, this->a, dial_at_once(), limit..., this->handler(this->first));
        this->is_started = true;
    }
    auto later() {
        return [this](pool::hook_done done) { running.push_back(std::move(done)); };
    }
    void put_idle(int count) {
        for (; count > 0; --count) this->put(this->a);
    }
    /// All that run end with this answer.
    void end_hooks(bool is_good) {
        auto ended = std::exchange(running, {});
        for (auto& each : ended) each(is_good);
    }

    std::vector<pool::hook_done> running;
};

constexpr auto two_checked_at_once = [](auto& w) { w.put_idle(2); };
constexpr auto two_checked_in_vain = [](auto& w) {
    w.put_idle(2);
    for (int id : {1, 2}) w.dials[id].on_async_check = [](pool::hook_done done) { done(false); };
};
constexpr auto two_checked_later = [](auto& w) {
    w.put_idle(2);
    for (int id : {1, 2}) w.dials[id].on_async_check = w.later();
};
constexpr auto asks = [](auto& w) { w.ask(); };
constexpr auto asks_for_a_while = [](auto& w) { w.ask(1s); };

}  // namespace

TEST_CASE_TEMPLATE(
    "failures, asio: a caller whose connection is checked [C12, C20]", Pool, started_idle, started_open) {
    using world = hook_world<Pool>;
    scenarios all;
    for (const bool is_limited : {false, true}) {
        const auto start = [is_limited](world& w) {
            if (is_limited) asks_for_a_while(w);
            else asks(w);
        };
        all.add_run<world>("at once", promise::basic, two_checked_at_once, fails_from_the_start(start, turns));
        all.add_run<world>("in vain", promise::basic, two_checked_in_vain, fails_from_the_start(start, turns));
        for (const bool is_good : {true, false}) {
            const auto ends_checks = [is_good](world& w) {
                w.end_hooks(is_good);
                w.poll();
                w.end_hooks(is_good);
                w.poll();
            };
            all.add_run<world>("later", promise::basic, two_checked_later, fails_later(start, ends_checks));
        }
    }
}

TEST_CASE_TEMPLATE("failures, asio: a caller that is late, or whose pool is closed, and its check [C12, C20]", Pool,
    started_idle, started_open) {
    using world = hook_world<Pool>;
    scenarios all;
    for (const bool is_good : {true, false}) {
        const auto is_late = [is_good](world& w) {
            w.clock.advance(1s);
            w.conns->upkeep();
            w.poll();
            w.end_hooks(is_good);
        };
        all.add_run<world>(
            "its deadline", promise::basic, two_checked_later, fails_later(asks_for_a_while, is_late, false));
        const auto is_closed = [is_good](world& w) {
            w.is_closed = true;
            try {
                w.conns->close();
            } catch (const std::bad_alloc&) {  // there is no memory for its result, but the pool is closed
            }
            w.poll();
            w.end_hooks(is_good);
        };
        all.add_run<world>("a close", promise::basic, two_checked_later, fails_later(asks, is_closed, false));
    }
}

TEST_CASE("failures, asio: a caller whose connection is checked, and the timer that ends its call [C12, C20]") {
    using world = hook_world<started_in_real_time>;
    scenarios all;
    const auto asks_for_an_hour = [](world& w) { w.ask(1h); };
    all.add_run<world>("at once", promise::basic, two_checked_at_once, fails_from_the_start(asks_for_an_hour, turns));
    all.add_run<world>("in vain", promise::basic, two_checked_in_vain, fails_from_the_start(asks_for_an_hour, turns));
}

TEST_CASE_TEMPLATE("failures: give-back, and the reset that it starts [C12, C21]", Pool, started_idle, started_open) {
    using world = hook_world<Pool>;
    scenarios all;
    const auto one_lent = [](world& w) { w.acquire(w.a); };
    all.add<world>("at once", promise::none, one_lent, [](world& w) { w.held.clear(); });
    for (const bool is_good : {true, false}) {
        const auto lent_for_later = [](world& w) {
            w.acquire(w.a);
            w.dials[1].on_async_reset = w.later();
        };
        all.add<world>("later", promise::none, lent_for_later, [is_good](world& w) {
            w.held.clear();
            w.dials[1].on_async_reset = nullptr;
            w.end_hooks(is_good);
        });
        all.add<world>("after the end of the pool", promise::none, lent_for_later, [is_good](world& w) {
            w.held.clear();
            w.conns.reset();
            w.end_hooks(is_good);
        });
    }
}

TEST_CASE_TEMPLATE(
    "failures: upkeep, and the keep-alives that it starts [C12, C22]", Pool, started_idle, started_open) {
    using world = hook_world<Pool>;
    scenarios all;
    const auto due = [](world& w) {
        w.put_idle(2);
        w.put(w.b);
        w.clock.advance(2s);
    };
    all.add<world>("at once", promise::none, due, [](world& w) { w.conns->upkeep(); });
    for (const bool is_good : {true, false}) {
        const auto due_for_later = [due](world& w) {
            due(w);
            for (int id : {1, 2, 3}) w.dials[id].on_async_keep_alive = w.later();
        };
        all.add<world>("later", promise::none, due_for_later, [is_good](world& w) {
            w.conns->upkeep();
            w.end_hooks(is_good);
        });
        all.add<world>("after the end of the pool", promise::none, due_for_later, [is_good](world& w) {
            w.conns->upkeep();
            w.conns.reset();
            w.end_hooks(is_good);
        });
    }
}
