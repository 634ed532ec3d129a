// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <mutex>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <samples.hpp>
#include <table.hpp>
#include <threads.hpp>

/// @file
/// W9, the worst of many operations: of a caller who fills a pool, and of one who leases while another empties it. What
/// callers wait for is the lock, so for how long that was held is measured, too.

namespace {

using std::chrono::nanoseconds;

/// For how long a lock has been held at the most, by anyone since it was last forgotten. Of all of them, as a pool does not
/// show its own: there is one pool at a time, whose lock guards it.
nanoseconds longest_hold{};

template <class LockPolicy>
class watched {
public:
    void lock() {
        lock_.lock();
        since_ = std::chrono::steady_clock::now();
    }
    void unlock() {
        longest_hold = std::max<nanoseconds>(longest_hold, std::chrono::steady_clock::now() - since_);
        lock_.unlock();
    }

private:
    LockPolicy lock_;
    std::chrono::steady_clock::time_point since_{};
};

/// What was seen in one repetition.
struct outcome {
    nanoseconds p9999;
    nanoseconds longest;
    nanoseconds held;
};

outcome outcome_of(bench::samples& seen) { return {seen.quantile(0.9999), seen.quantile(1), longest_hold}; }

template <class ExpiryPolicy, class ClockPolicy>
struct pools {
    using ours = bench::our_pool<ExpiryPolicy, watched<std::mutex>, ClockPolicy>;
    using adaptive = bench::our_pool<ExpiryPolicy, watched<pool::adaptive_mutex>, ClockPolicy>;
    using hand_written = baselines::hand_written<bench::connection, ExpiryPolicy, watched<std::mutex>, ClockPolicy>;
    using naive = baselines::naive<bench::connection, ExpiryPolicy, watched<std::mutex>, ClockPolicy>;
};
using lasting = pools<pool::never, std::chrono::steady_clock>;
using expiring = pools<pool::after_idle, pool::manual_clock>;

template <class Pool>
concept reserves = requires(Pool& conns, std::size_t entries) { conns.reserve(entries); };

/// Each put of a pool that grows from nothing.
template <class Pool>
outcome grow(std::size_t entries, std::size_t keys, bool reserved = false) {
    const auto names = bench::keys(keys);
    Pool conns{pool::bounded{}};
    if constexpr (reserves<Pool>) {
        if (reserved) conns.reserve(entries);
    }
    bench::samples seen;
    longest_hold = {};
    for (std::size_t i = 0; i < entries; ++i) {
        seen.time([&] { conns.put(names[i % keys], bench::connection{1}); });
    }
    return outcome_of(seen);
}

/// A pool with ten connections of each key, put in one minute after another, of which the first has been lent since,
/// and with one of each of a thousand keys that somebody else uses. It keeps each for an hour.
template <class Pool>
class crowd {
public:
    explicit crowd(std::size_t entries)
        : names_{bench::keys(entries / per_key + others)}, mine_{entries / per_key}, conns_{make()} {
        for (std::size_t round = 0; round < per_key; ++round) {
            put_each();
            clock_.advance(std::chrono::minutes{1});
        }
        for (std::size_t i = 0; i < mine_; ++i) bench::expect(bool{conns_.try_acquire(names_[i])});
        for (std::size_t i = mine_; i < names_.size(); ++i) conns_.put(names_[i], bench::connection{1});
    }

    /// Of the first of each key, the index has an old deadline.
    outcome next_expiry() {
        return meanwhile([&] { bench::expect(conns_.next_expiry() == second_due); });
    }

    /// The second of each key are due.
    outcome expire() {
        clock_.set(second_due);
        return meanwhile([&] { bench::expect(conns_.expire() == mine_); });
    }

    /// All go.
    outcome clear() {
        put_each();  // in the place of those that have expired
        return meanwhile([&] { bench::expect(conns_.clear() >= mine_ * per_key); });
    }

private:
    static constexpr std::size_t per_key = 10;
    static constexpr std::size_t others = 1'000;
    static constexpr pool::manual_clock::time_point second_due{std::chrono::minutes{61}};

    Pool make() {
        constexpr bool is_ours = reserves<Pool>;
        if constexpr (is_ours) return Pool{{}, std::chrono::hours{1}, {}, clock_};
        else return Pool{{}, std::chrono::hours{1}, clock_};
    }

    void put_each() {
        for (std::size_t i = 0; i < mine_; ++i) conns_.put(names_[i], bench::connection{1});
    }

    /// What somebody else sees, who leases and gives back, while `act` is called: as many leases as fit into that time,
    /// but a hundred thousand at least.
    template <class Act>
    outcome meanwhile(const Act& act) {
        constexpr std::size_t least = 100'000;
        bench::samples seen;
        std::atomic<bool> begun = false;
        std::atomic<bool> ended = false;
        longest_hold = {};
        std::thread somebody{[&] {
            bench::pin(1);
            bench::sequence chosen{others};
            for (std::size_t i = 0; i < least || !ended; ++i) {
                if (i == least / 10) {
                    begun = true;
                    begun.notify_one();
                }
                const std::string& key = names_[mine_ + chosen.next()];
                seen.time([&] {
                    if (!conns_.try_acquire(key)) conns_.put(key, bench::connection{1});
                });
            }
        }};
        begun.wait(false);
        act();
        ended = true;
        somebody.join();
        return outcome_of(seen);
    }

    const std::vector<std::string> names_;
    const std::size_t mine_;  ///< of the names; the others' are behind them
    pool::manual_clock clock_;
    Pool conns_;
};

/// What is found by its name, and stays in the order in which it was first asked for.
template <class Value>
class named {
public:
    Value& operator[](const std::string& name) {
        const auto found = std::ranges::find(all_, name, &named_value::first);
        return found != all_.end() ? found->second : all_.emplace_back(name, Value{}).second;
    }
    auto begin() const noexcept { return all_.begin(); }
    auto end() const noexcept { return all_.end(); }

private:
    using named_value = std::pair<std::string, Value>;
    std::vector<named_value> all_;
};

/// The outcomes of all repetitions, of each operation and pool.
using table = named<named<std::vector<outcome>>>;

/// The least and the greatest of all repetitions: what the machine interrupts takes longer, and never shorter.
std::string range(const std::vector<outcome>& seen, nanoseconds outcome::* figure) {
    const auto [least, greatest] = std::ranges::minmax(seen, {}, figure);
    return fmt::format("{:.0f} | {:.0f}", bench::microseconds(least.*figure), bench::microseconds(greatest.*figure));
}

void print(const table& all) {
    fmt::print("\n| W9, us | | p99.99 | worst run | longest | worst run | lock held | worst run |\n"
               "|---|---|---|---|---|---|---|---|\n");
    for (const auto& [operation, pools] : all) {
        for (const auto& [pool, seen] : pools) {
            fmt::print("| {} | {} | {} | {} | {} |\n", operation, pool, range(seen, &outcome::p9999),
                range(seen, &outcome::longest), range(seen, &outcome::held));
        }
    }
}

/// `Lasting` and `Expiring` are the same pool, without and with deadlines.
template <class Lasting, class Expiring>
void measure(table& all, const std::string& pool, std::size_t entries) {
    for (const std::size_t keys : {entries / 10, entries}) {
        const auto puts = fmt::format("put, until there are {} of {} keys", entries, keys);
        all[puts][pool].push_back(grow<Lasting>(entries, keys));
        if constexpr (reserves<Lasting>) all[puts][pool + ", reserved"].push_back(grow<Lasting>(entries, keys, true));
    }
    crowd<Expiring> some{entries};
    if constexpr (requires(Expiring& conns) { conns.next_expiry(); }) {
        all[fmt::format("lease during next_expiry() past {}", entries / 10)][pool].push_back(some.next_expiry());
    }
    all[fmt::format("lease during expire() of {}", entries / 10)][pool].push_back(some.expire());
    all[fmt::format("lease during clear() of {}", entries)][pool].push_back(some.clear());
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"How long the longest operations take, and for how long the lock is held"};
    std::size_t entries = 1'000'000;
    std::size_t repetitions = 5;
    app.add_option("--entries", entries)->capture_default_str()->check(CLI::Range(100, 100'000'000));
    app.add_option("--repetitions", repetitions)->capture_default_str()->check(CLI::PositiveNumber);
    CLI11_PARSE(app, argc, argv);

    const bench::parked_thread another;
    bench::pin(0);
    table all;
    for (std::size_t i = 0; i < repetitions; ++i) {
        measure<lasting::ours, expiring::ours>(all, "pool", entries);
        measure<lasting::adaptive, expiring::adaptive>(all, "pool, adaptive_mutex", entries);
        measure<lasting::hand_written, expiring::hand_written>(all, "H", entries);
        measure<lasting::naive, expiring::naive>(all, "N", entries);
    }
    print(all);
}
