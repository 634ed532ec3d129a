// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <time.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <valgrind/callgrind.h>

#include <pool/basic_pool.hpp>

#include <support/requests.hpp>

/// @file
/// W12, for how long one step of the wait queue holds the lock while many callers and keys wait. Run by callgrind with
/// `--count`, this program writes a dump for each time that a step holds the lock, which counts its instructions.

namespace {

using std::chrono::nanoseconds;

/// The time that this thread has worked. Unlike a clock, it does not go on while the system runs another program.
nanoseconds worked() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds{time.tv_sec} + nanoseconds{time.tv_nsec};
}

/// The longest time for which the lock was held since this was last set to zero.
nanoseconds longest_hold{};

/// Whether a step is being measured. While a crowd is made or destroyed, callgrind writes no dumps.
bool is_measured = false;

/// The name of callgrind's dumps.
std::string dumps;

/// A lock of one thread, which measures for how long it is held. Without callgrind, the requests to it do nothing.
class watched {
public:
    void lock() {
        since_ = worked();
        if (is_measured) CALLGRIND_ZERO_STATS;
    }
    void unlock() {
        if (is_measured) CALLGRIND_DUMP_STATS_AT(dumps.c_str());
        longest_hold = std::max(longest_hold, worked() - since_);
    }

private:
    nanoseconds since_{};
};

struct connection {
    std::shared_ptr<bool> dead = std::make_shared<bool>(false);
    bool blocked = false;
    void close() { *dead = true; }
    bool closed() const noexcept { return *dead; }
    bool unblocked() const noexcept { return !blocked; }
};

using pool_type = pool::basic_pool<int, connection, pool::bounded_open, pool::never, watched, pool::manual_clock>;
using lease = pool_type::lease_type;

struct asker final : requests::request<pool_type> {
    explicit asker(pool::manual_clock::time_point deadline) : request{false, deadline} {}
    bool notified() noexcept override { return true; }
};

/// A pool, and callers of it that are all in one thread.
struct crowd {
    static constexpr auto never = pool::manual_clock::time_point::max();

    explicit crowd(pool::bounded_open bounds) : conns{bounds, {}, {}, clock} {}
    ~crowd() {
        conns.close();
        for (asker& each : waiting) {
            if (requests::look(conns, each) == pool::core::request_state::may_dial) requests::dial_failed(conns, each);
            if (each.state() == pool::core::request_state::lent) requests::lease_of(conns, each).discard();
        }
    }

    lease& lend(int key) {
        asker dials{never};
        requests::submit(conns, dials, key);
        requests::look(conns, dials);
        requests::dial_succeeded(conns, dials, [](int) { return connection{}; });
        return leases.emplace_back(requests::lease_of(conns, dials));
    }
    void wait(int key, pool::manual_clock::time_point deadline = never) {
        requests::submit(conns, waiting.emplace_back(deadline), key);
    }

    pool::manual_clock clock;
    pool_type conns;
    std::deque<asker> waiting;
    std::deque<lease> leases;
};

/// The longest hold of the lock in `act`.
nanoseconds held_by(const std::function<void()>& act) {
    longest_hold = {};
    CALLGRIND_START_INSTRUMENTATION;
    is_measured = true;
    act();
    is_measured = false;
    CALLGRIND_STOP_INSTRUMENTATION;
    return longest_hold;
}

/// A step, measured while `n` callers wait.
struct step {
    const char* name;
    std::function<nanoseconds(int n)> measure;
};

/// Each of `n` keys is at its own bound, and a caller waits for it.
std::unique_ptr<crowd> keys_at_their_bounds(int n) {
    auto all = std::make_unique<crowd>(pool::bounded_open{.max_open_per_key = 1});
    all->conns.reserve(static_cast<std::size_t>(n));
    for (int i = -1; i < n; ++i) all->lend(i);
    for (int i = 0; i < n; ++i) all->wait(i);
    return all;
}

/// The pool is full, and `n` callers wait, each for its own key.
std::unique_ptr<crowd> full(int n) {
    auto all = std::make_unique<crowd>(pool::bounded_open{.max_open = 2});
    all->lend(-1);
    all->lend(-2);
    for (int i = 0; i < n; ++i) all->wait(i, all->clock.now() + std::chrono::seconds{1});
    return all;
}

/// `n` callers are promised permits, and `n` connections are retired for them. `n` others are idle, each of its own key.
/// The first of these keys is out of place in the order of the idle ones, because its connection has been lent again.
std::unique_ptr<crowd> promised(int n) {
    auto all = std::make_unique<crowd>(pool::bounded_open{.max_open = 2 * static_cast<std::size_t>(n)});
    for (int i = 0; i < 2 * n; ++i) all->lend(i);
    all->leases.clear();
    all->conns.try_acquire(n).give_back();
    for (int i = 0; i < n; ++i) all->wait(-1 - i);
    return all;
}

/// Steps that concern one caller or one connection: O(log n).
const std::vector<step> single_steps{
    {"keys at their own bounds: a caller joins",
        [](int n) {
            const auto all = keys_at_their_bounds(n);
            return held_by([&] { all->wait(n / 2); });
        }},
    {"keys at their own bounds: a connection of another key comes back",
        [](int n) {
            const auto all = keys_at_their_bounds(n);
            return held_by([&] { all->leases.front().give_back(); });
        }},
    {"keys at their own bounds: a connection is handed over",
        [](int n) {
            const auto all = keys_at_their_bounds(n);
            return held_by([&] { all->leases[static_cast<std::size_t>(n) / 2].give_back(); });
        }},
    {"a full pool: a caller joins",
        [](int n) {
            const auto all = full(n);
            return held_by([&] { all->wait(n); });
        }},
    {"a full pool: a connection is closed for another key, which gets its permit",
        [](int n) {
            const auto all = full(n);
            return held_by([&] { all->leases.front().give_back(); });
        }},
    {"a full pool: a caller leaves",
        [](int n) {
            const auto all = full(n);
            return held_by([&] { requests::cancel(all->conns, all->waiting[static_cast<std::size_t>(n) / 2]); });
        }},
    {"a full pool: a caller looks, and goes on waiting",
        [](int n) {
            const auto all = full(n);
            return held_by([&] { requests::look(all->conns, all->waiting[static_cast<std::size_t>(n) / 2]); });
        }},
    {"promised permits: a caller joins, and an idle connection is retired for it",
        [](int n) {
            const auto all = promised(n);
            return held_by([&] { all->wait(-1 - n); });
        }},
    {"promised permits: a caller closes a connection for its own",
        [](int n) {
            const auto all = promised(n);
            asker& closes = all->waiting[static_cast<std::size_t>(n) / 2];
            return held_by([&] { requests::state(all->conns).close_for(closes); });
        }},
    {"callers of one key dial: another joins",
        [](int n) {
            crowd all{pool::bounded_open{}};
            for (int i = 0; i < n; ++i) all.wait(0);
            return held_by([&] { all.wait(0); });
        }},
};

/// Operations that concern all callers or connections: their steps are batches.
const std::vector<step> batches{
    {"a full pool: all callers are too late, and are removed",
        [](int n) {
            const auto all = full(n);
            all->clock.advance(std::chrono::seconds{2});
            return held_by([&] { all->leases.front().give_back(); });
        }},
    {"a full pool: new bounds, and a permit for each caller",
        [](int n) {
            const auto all = full(n);
            return held_by([&] { all->conns.reconfigure({}); });
        }},
    {"a full pool: close refuses all callers",
        [](int n) {
            const auto all = full(n);
            return held_by([&] { all->conns.close(); });
        }},
    {"a look-up past dead connections",
        [](int n) {
            crowd all{pool::bounded_open{}};
            std::vector<std::shared_ptr<bool>> dead;
            for (int i = 0; i < n; ++i) dead.push_back(all.lend(0)->dead);
            all.leases.clear();
            for (auto& each : dead) *each = true;
            return held_by([&] { (void)all.conns.try_acquire(0); });
        }},
};

/// The median of several repetitions.
double microseconds(const step& one, int n, std::size_t repetitions) {
    std::vector<nanoseconds> all;
    for (std::size_t i = 0; i < repetitions; ++i) all.push_back(one.measure(n));
    std::ranges::sort(all);
    return static_cast<double>(all[all.size() / 2].count()) / 1e3;
}

/// Prints a table of times.
void measure_times(const std::vector<int>& sizes, std::size_t repetitions) {
    fmt::print("\n| W12: lock held by one step, us |");
    for (const int n : sizes) fmt::print(" {} wait |", n);
    fmt::print("\n|---|");
    for (std::size_t i = 0; i < sizes.size(); ++i) fmt::print("---|");
    fmt::print("\n");
    for (const auto* steps : {&single_steps, &batches}) {
        for (const step& each : *steps) {
            fmt::print("| {} |", each.name);
            for (const int n : sizes) fmt::print(" {:.2f} |", microseconds(each, n, repetitions));
            fmt::print("\n");
        }
    }
}

/// Runs each step once, so that callgrind writes its dumps.
void count_instructions(const std::vector<int>& sizes) {
    for (const step& each : single_steps) {
        for (const int n : sizes) {
            dumps = fmt::format("{}/{}", each.name, n);
            each.measure(n);
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"Measures for how long one step of the wait queue holds the lock"};
    int most = 100'000;
    std::size_t repetitions = 5;
    bool counts = false;
    app.add_option("--most", most, "callers that wait")->capture_default_str()->check(CLI::PositiveNumber);
    app.add_option("--repetitions", repetitions)->capture_default_str()->check(CLI::PositiveNumber);
    app.add_flag("--count", counts, "run each step once, for callgrind to count its instructions");
    CLI11_PARSE(app, argc, argv);

    std::vector<int> sizes;
    for (int n = 1'000; n <= most; n *= 10) sizes.push_back(n);
    if (counts) count_instructions(sizes);
    else measure_times(sizes, repetitions);
}
