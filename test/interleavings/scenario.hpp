// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/error.hpp>
#include <pool/hook_done.hpp>
#include <pool/stats.hpp>
#include <pool/testing/explore.hpp>
#include <pool/testing/scheduled_lock.hpp>

#include <support/figures.hpp>
#include <support/tier.hpp>

/// @file
/// What every scenario has: a pool, some operations on it that run at once, and what must hold all the time.

namespace interleavings {

using namespace std::chrono_literals;
using pool::testing::exploration;
using pool::testing::scheduled_clock;
using pool::testing::scheduled_lock;

// Each configuration runs the scenarios that it finds the most with, in reasonable time.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool has_address_sanitizer = true;
#else
constexpr bool has_address_sanitizer = false;
#endif
#if defined(__SANITIZE_THREAD__)
constexpr bool has_thread_sanitizer = true;
#else
constexpr bool has_thread_sanitizer = false;
#endif
constexpr bool is_plain = !has_address_sanitizer && !has_thread_sanitizer;

inline const int no_bound = pool::testing::limits{}.preemptions;
/// How often threads may be stopped in a schedule. With a sanitizer it is once, but for the full tier: that suffices to see
/// what the operations do to the same memory.
inline int preemptions(int in_full_tier, int by_default) {
    return is_full_tier() ? in_full_tier : is_plain ? by_default : 1;
}

constexpr auto patience = 20ns;
constexpr auto soon = 5ns;  ///< a deadline that passes
constexpr auto time_to_live = 50ns;
constexpr std::size_t most_operations = 3;

/// The asynchronous hooks that have begun. A thread of the scenario ends them, one after the other.
class hook_loop {
public:
    void begin(pool::hook_done done, bool is_good) {
        const std::lock_guard guard{lock_};
        begun_.push_back({std::move(done), is_good});
        changed_.notify_one();
    }

    /// Until `stop`, and until none is left. `sleepers` counts it while it sleeps.
    void run(std::atomic<std::size_t>& sleepers) {
        while (auto next = take(sleepers)) next->done(next->is_good);
    }
    void stop() {
        const std::lock_guard guard{lock_};
        is_over_ = true;
        changed_.notify_one();
    }

private:
    struct hook {
        pool::hook_done done;
        bool is_good;
    };

    std::optional<hook> take(std::atomic<std::size_t>& sleepers) {
        std::unique_lock guard{lock_};
        while (begun_.empty()) {
            if (is_over_) return std::nullopt;
            ++sleepers;
            changed_.wait(guard);
            --sleepers;
        }
        std::optional<hook> next{std::move(begun_.front())};
        begun_.pop_front();
        return next;
    }

    scheduled_lock lock_;
    pool::testing::scheduled_condition changed_;
    std::deque<hook> begun_;
    bool is_over_ = false;
};

/// A scenario counts its connections, and fails on misuse.
struct connection_count {
    exploration& test;
    std::atomic<int> dialled = 0;
    std::atomic<int> open = 0;
    int sick = 0;                         ///< of so many, the first ones, all hooks fail
    std::optional<hook_loop> hooks = {};  ///< ends the asynchronous hooks
};

/// Its dial and its close are points where a thread may be stopped.
class connection {
public:
    explicit connection(connection_count& all) : all_{&all}, number_{++all.dialled} { ++all.open; }
    connection(connection&& other) noexcept
        : all_{std::exchange(other.all_, nullptr)},
          number_{other.number_},
          put_by_{other.put_by_},
          is_closed_{other.is_closed_} {}
    connection& operator=(connection&&) = delete;
    ~connection() {
        if (all_ != nullptr && !is_closed_) all_->test.fail("a connection is lost without a close");
    }

    void close() {
        if (all_ == nullptr) pool::testing::misused("a moved-from connection is closed");
        if (is_closed_) all_->test.fail("a connection is closed twice");
        all_->test.at("closes connection #", number_);
        is_closed_ = true;
        --all_->open;
    }
    bool closed() const noexcept { return is_closed_; }
    static bool unblocked() noexcept { return true; }
    int number() const noexcept { return number_; }

    /// The operation that puts it into the pool, if one does: for the pool it is as old as that.
    std::optional<std::size_t> put_by() const noexcept { return put_by_; }
    void will_be_put(std::size_t by) noexcept { put_by_ = by; }

protected:
    connection_count* all_;
    int number_;

private:
    std::optional<std::size_t> put_by_;
    bool is_closed_ = false;
};

struct dial_failed : std::runtime_error {
    dial_failed() : std::runtime_error{"no answer"} {}
};

/// What a scenario begins with.
enum class start : unsigned char { empty, one_idle, one_lent };

struct setting {
    start from = start::empty;
    int keys = 1;
    std::chrono::nanoseconds patience{};
    bool is_sick = false;  ///< all hooks of the connections that are there at first fail
};

/// How a pool of this type is made, with room for `open` connections.
template <class Pool>
struct maker;

/// A flag for each operation. They order nothing.
class flags {
public:
    void set(std::size_t i) noexcept { all_[i].store(true, std::memory_order_relaxed); }
    std::array<bool, most_operations> now() const noexcept {
        std::array<bool, most_operations> seen{};
        for (std::size_t i = 0; i != seen.size(); ++i) seen[i] = all_[i].load(std::memory_order_relaxed);
        return seen;
    }

private:
    std::array<std::atomic<bool>, most_operations> all_{};
};

/// A pool, and what its operations hold.
template <class Pool>
struct scene {
    using lease = typename Pool::lease_type;
    using connection = typename Pool::connection_type;

    scene(exploration& test, const setting& how, std::size_t open)
        : counted{test},
          keys{how.keys},
          patience{how.patience},
          most{open},
          permits{open} {
        if constexpr (requires { maker<Pool>::starts_hooks(); }) counted.hooks.emplace();
        maker<Pool>::make(conns, how, open);
    }

    int key(std::size_t i) const { return keys == 1 ? 1 : 1 + static_cast<int>(i % 2); }
    auto dial() {
        return [this](const int&) {
            counted.test.at("dials connection #", counted.dialled + 1);
            return connection{counted};
        };
    }
    auto failing_dial() {
        return [this](const int&) -> connection {
            counted.test.at("dials in vain", 0);
            throw dial_failed{};
        };
    }
    /// It fails if it is told to stop.
    auto heeding_dial() {
        return [this](const int&, const pool::dial_context& context) {
            counted.test.at("dials connection #", counted.dialled + 1);
            if (context.stop.stop_requested()) throw dial_failed{};
            return connection{counted};
        };
    }
    auto slow_dial() {
        return [this](const int&) {
            counted.test.advance(2 * soon);
            return connection{counted};
        };
    }
    /// What was invalidated before a call began is not lent to it.
    template <class Acquire>
    void checked(const Acquire& acquire) {
        const int before = outdated;
        const auto puts_before = outdated_puts.now();
        const lease got = acquire();
        if (!got) return;
        const auto by = got->put_by();
        const bool is_outdated = by ? puts_before[*by] : got->number() <= before;
        counted.test.require(!is_outdated, "C24: what was invalidated is not lent");
    }
    void put(std::size_t i) {
        own[i]->will_be_put(i);
        conns->put(key(i), std::move(*own[i]));
        ended_puts.set(i);
    }
    void invalidate(const pool::invalidate_options& options) {
        const int before = counted.dialled;
        const auto puts_before = ended_puts.now();
        conns->invalidate(options);
        for (std::size_t i = 0; i != puts_before.size(); ++i)
            if (puts_before[i]) outdated_puts.set(i);
        for (int seen = outdated; seen < before && !outdated.compare_exchange_weak(seen, before);) {
        }
    }
    void lend(std::size_t i) { leases[i].emplace(conns->acquire(key(i), dial())); }

    connection_count counted;
    int keys;
    std::chrono::nanoseconds patience;
    std::atomic<std::size_t> most;     ///< so many connections may be open, while new bounds are set at most
    std::atomic<std::size_t> permits;  ///< so many may be open, at least
    std::optional<Pool> conns;
    std::array<std::optional<lease>, most_operations + 1> leases;  ///< the last is that of the start
    std::array<std::optional<connection>, most_operations> own;
    std::stop_source stop;
    std::atomic<int> outdated = 0;  ///< connections with numbers up to this are not lent any more
    flags ended_puts;               ///< the puts that have returned
    flags outdated_puts;            ///< those whose connections are not lent any more

    // What the invariant has to know.
    std::size_t puts = 0;
    std::size_t outside = 0;                      ///< at most so many open connections are not the pool's
    std::atomic<std::size_t> other_sleepers = 0;  ///< at most so many threads sleep that do not wait for a connection
    std::atomic<std::size_t> pauses = 0;          ///< while there are any, callers may wait for their end
    std::atomic<bool> is_closed = false;
    std::atomic<std::size_t> lent_at_close = 0;
    std::atomic<std::size_t> ended = 0;  ///< operations
    std::uint64_t overtaken = 0;
    std::size_t waiting = 0;
    std::chrono::nanoseconds waiting_since{};
};

/// Something that a thread does to the pool.
template <class Pool>
struct operation {
    const char* name;
    void (*act)(scene<Pool>&, std::size_t i);
    bool needs_lease = false;  ///< the scenario lends it one before
    bool needs_conn = false;   ///< it has a connection of its own before
    bool ends_pool = false;    ///< so it runs only beside those that have leases
    bool takes_out = false;    ///< it ends with a connection of its own
    bool keeps_lease = false;  ///< it keeps that lease until all have ended
    bool waits = false;        ///< until it gets a connection, or all are given back
};

/// A caller may be refused.
template <class F>
void may_fail(const F& call) {
    try {
        call();
    } catch (const pool::pool_closed&) {
    } catch (const pool::pool_paused&) {
    } catch (const pool::acquire_timeout&) {
    } catch (const pool::acquire_cancelled&) {
    } catch (const pool::acquire_invalidated&) {
    } catch (const dial_failed&) {
    }
}

/// The figures add up, no bound is exceeded, nobody sleeps who could be served, a closed pool lends nothing.
template <class Pool>
void check(scene<Pool>& all) {
    exploration& test = all.counted.test;
    if (!all.conns) return;
    const pool::stats now = all.conns->stats();
    test.require(now.puts == figures::accounted_puts(now), "C16: puts == idle + all the ways out");
    test.require(now.idle <= maker<Pool>::max_idle, "C2: at most as many idle ones as may be");
    test.require(
        all.counted.open >= 0 && now.idle <= static_cast<std::size_t>(all.counted.open), "C1: what is idle is open");
    if (all.is_closed) {
        test.require(now.idle == 0, "C11: nothing is idle in a closed pool");
        test.require(now.lent <= all.lent_at_close, "C11: nothing is lent by a closed pool");
        all.lent_at_close = now.lent;
    }
    if constexpr (Pool::bounds_open) {
        const std::size_t open = now.idle + now.lent + now.dialing + now.closing;
        test.require(now.idle + now.lent + now.dialing <= all.most, "at most as many open ones as may be");
        test.require(open <= all.most + all.puts, "for the time of a close, each put may exceed that by one");
        const auto truly_open = static_cast<std::size_t>(all.counted.open.load());
        test.require(truly_open <= all.most + all.outside, "no more are open than the pool says");
        const bool all_sleep =
            now.waiting > 0 && all.pauses == 0 && test.asleep() == now.waiting + all.other_sleepers;
        test.require(!all_sleep || now.idle == 0 || now.closing >= now.waiting,
            "nobody sleeps while one is idle, unless a permit is on its way");
        test.require(!all_sleep || open >= all.permits, "nobody sleeps while there is a permit");
        if (all.waiting == 1 && now.overtaken > all.overtaken) {
            test.require(test.now() - all.waiting_since <= all.patience, "nobody is overtaken beyond the patience");
        }
        if (all.waiting == 0) all.waiting_since = test.now();
        all.waiting = now.waiting;
        all.overtaken = now.overtaken;
    }
}

/// One scenario: these operations at once. The thread of the last one calls `then` in the end.
template <class Pool>
void play(
    exploration& test, const std::vector<const operation<Pool>*>& operations, const setting& how,
    void (*then)(scene<Pool>&) = [](scene<Pool>&) {}) {
    std::size_t open = how.from == start::empty ? 0 : 1;
    for (const auto* each : operations) open += each->needs_lease;
    scene<Pool> all{test, how, std::max<std::size_t>(open, 1)};
    for (std::size_t i = 0; i != operations.size(); ++i) {
        if (operations[i]->needs_lease) all.lend(i);
        if (operations[i]->needs_conn) all.own[i].emplace(all.counted);
        all.puts += operations[i]->needs_conn;
        all.outside += operations[i]->needs_conn || operations[i]->takes_out;
    }
    if (how.from == start::one_idle) all.conns->put(1, typename Pool::connection_type{all.counted});
    if (how.from == start::one_lent) all.leases.back().emplace(all.conns->acquire(1, all.dial()));

    if (how.is_sick) all.counted.sick = all.counted.dialled;

    std::vector<exploration::thread> threads;
    for (std::size_t i = 0; i != operations.size(); ++i) {
        const bool is_last = i + 1 == operations.size();
        threads.push_back({operations[i]->name, [&all, &operations, i, is_last, then] {
                               if (is_last && all.leases.back()) all.leases.back()->give_back();
                               operations[i]->act(all, i);
                               if (is_last) then(all);
                               if (all.counted.hooks && ++all.ended == operations.size()) all.counted.hooks->stop();
                           }});
    }
    if (all.counted.hooks) threads.push_back({"end of hooks", [&all] { all.counted.hooks->run(all.other_sleepers); }});
    test.invariant([&all] { check(all); });
    test.run(std::move(threads));

    for (auto& each : all.leases) each.reset();
    if (all.counted.hooks) all.counted.hooks->run(all.other_sleepers);
    if (all.conns) {
        all.conns->close();
        const pool::stats end = all.conns->stats();
        const std::size_t left = end.idle + end.lent + end.closing + end.dialing + end.waiting + end.keys;
        test.require(left == 0, "a closed pool without leases has nothing");
        if constexpr (requires { maker<Pool>::check_end(test, end); }) maker<Pool>::check_end(test, end);
    }
    test.require(all.counted.open == 0, "every connection is closed");
}

/// What was explored.
struct total {
    std::size_t scenarios = 0;
    std::size_t complete = 0;
    std::size_t schedules = 0;

    /// Runs a scenario. If the limits do not cut it, it has to be complete, however slow the machine is.
    template <class Scenario>
    void add(const std::string& name, const Scenario& scenario, pool::testing::limits within) {
        const bool may_be_cut = within.time == is_cut;
        if (!may_be_cut) within.time = std::chrono::hours{1};
        const pool::testing::findings found = pool::testing::explore(scenario, within);
        ++scenarios;
        complete += found.all;
        schedules += found.schedules;
        INFO(name);
        CHECK(found);
        if (may_be_cut) return;
        CHECK((found.all || found.all_up_to == within.preemptions));
    }
    static constexpr auto is_cut = 10s;  ///< a limit that may end an exploration before it is complete
    total& operator+=(const total& other) {
        scenarios += other.scenarios;
        complete += other.complete;
        schedules += other.schedules;
        return *this;
    }
    void print(const std::string& what) const {
        MESSAGE(what << ": " << scenarios << " scenarios, " << complete << " of them complete, " << schedules
                     << " schedules");
    }
};

/// Whether these may run at once: nobody calls a pool that ends, and nobody waits for ever.
template <class Pool>
bool may_meet(const std::vector<const operation<Pool>*>& together) {
    std::size_t ends = 0;
    std::size_t calls = 0;
    bool is_kept = false;
    bool is_awaited = false;
    for (const auto* each : together) {
        ends += each->ends_pool;
        calls += !each->ends_pool && (!each->needs_lease || each->keeps_lease);
        is_kept |= each->keeps_lease;
        is_awaited |= each->waits;
    }
    if (Pool::bounds_open && is_kept && is_awaited) return false;
    return ends == 0 || (ends == 1 && calls == 0);
}

/// Every selection of `count` operations, with repetition. In each order, if the last one begins with a lease.
template <class Pool>
total explore_all(const std::vector<operation<Pool>>& operations, std::size_t count, const setting& how,
    const pool::testing::limits& within) {
    total sum;
    std::vector<std::size_t> chosen(count, 0);
    for (;;) {
        std::vector<const operation<Pool>*> together;
        std::string name;
        for (const std::size_t each : chosen) {
            together.push_back(&operations[each]);
            name += (name.empty() ? "" : " | ") + std::string{operations[each].name};
        }
        if (may_meet(together)) {
            const auto scenario = [&](exploration& test) { play(test, together, how); };
            sum.add(name, scenario, within);
        }
        std::size_t last = count;
        while (last > 0 && ++chosen[last - 1] == operations.size()) --last;
        if (last == 0) return sum;
        const std::size_t next = how.from == start::one_lent ? 0 : chosen[last - 1];
        std::fill(chosen.begin() + static_cast<std::ptrdiff_t>(last), chosen.end(), next);
    }
}

/// The same from each start.
template <class Pool>
total explore_from_each_start(const std::vector<operation<Pool>>& operations, std::size_t count, setting how,
    const pool::testing::limits& within) {
    total sum;
    for (const start from : {start::empty, start::one_idle, start::one_lent}) {
        how.from = from;
        sum += explore_all(operations, count, how, within);
    }
    return sum;
}

}  // namespace interleavings
