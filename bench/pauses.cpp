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
/// W9, the longest of many operations. One caller fills a pool. In another test, one caller leases connections while
/// another empties the pool. Callers wait for the lock, so the program also measures how long the lock is held.

namespace {

using std::chrono::nanoseconds;

/// The longest time for which a lock was held since this was last set to zero. It is one variable for all locks,
/// because a pool does not expose its lock. There is only one pool at a time, and its lock guards this variable.
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

/// The figures of one repetition.
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

/// Times each put into a pool that starts empty.
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

/// A pool with ten connections of each of many keys, put in at intervals of one minute. The first connection of each
/// key has been lent since. The pool also has one connection of each of a thousand other keys, which another thread
/// uses. A connection expires after an hour.
template <class Pool>
class full_pool {
public:
    explicit full_pool(std::size_t entries)
        : names_{bench::keys(entries / per_key + others)}, mine_{entries / per_key}, conns_{make()} {
        for (std::size_t round = 0; round < per_key; ++round) {
            put_each();
            clock_.advance(std::chrono::minutes{1});
        }
        for (std::size_t i = 0; i < mine_; ++i) bench::expect(bool{conns_.try_acquire(names_[i])});
        for (std::size_t i = mine_; i < names_.size(); ++i) conns_.put(names_[i], bench::connection{1});
    }

    /// The index has an outdated expiry time for the first connection of each key.
    outcome next_expiry() {
        return meanwhile([&] { bench::expect(conns_.next_expiry() == second_due); });
    }

    /// The second connection of each key is due.
    outcome expire() {
        clock_.set(second_due);
        return meanwhile([&] { bench::expect(conns_.expire() == mine_); });
    }

    /// All connections are closed.
    outcome clear() {
        put_each();  // replaces the connections that have expired
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

    /// Calls `act`, and times the leases of another thread meanwhile: as many as fit into that time, but at least a
    /// hundred thousand.
    template <class Act>
    outcome meanwhile(const Act& act) {
        constexpr std::size_t least = 100'000;
        bench::samples seen;
        std::atomic<bool> begun = false;
        std::atomic<bool> ended = false;
        longest_hold = {};
        std::thread other{[&] {
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
        other.join();
        return outcome_of(seen);
    }

    const std::vector<std::string> names_;
    const std::size_t mine_;  ///< how many of the names are ours; the other thread's names follow
    pool::manual_clock clock_;
    Pool conns_;
};

/// Values that are found by name. They stay in the order in which the names were first used.
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

/// The outcomes of all repetitions, for each operation and each pool.
using table = named<named<std::vector<outcome>>>;

/// The least and the greatest of all repetitions. An interruption makes a time longer, never shorter.
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

/// `Lasting` and `Expiring` are the same pool, without and with expiry.
template <class Lasting, class Expiring>
void measure(table& all, const std::string& pool, std::size_t entries) {
    for (const std::size_t keys : {entries / 10, entries}) {
        const auto puts = fmt::format("put, until there are {} of {} keys", entries, keys);
        all[puts][pool].push_back(grow<Lasting>(entries, keys));
        if constexpr (reserves<Lasting>) all[puts][pool + ", reserved"].push_back(grow<Lasting>(entries, keys, true));
    }
    full_pool<Expiring> full{entries};
    if constexpr (requires(Expiring& conns) { conns.next_expiry(); }) {
        all[fmt::format("lease during next_expiry() past {}", entries / 10)][pool].push_back(full.next_expiry());
    }
    all[fmt::format("lease during expire() of {}", entries / 10)][pool].push_back(full.expire());
    all[fmt::format("lease during clear() of {}", entries)][pool].push_back(full.clear());
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"Measures how long the longest operations take, and how long they hold the lock"};
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
