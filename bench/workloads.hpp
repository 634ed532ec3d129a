// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <pool/policies/capacity.hpp>

/// @file
/// The work that is measured. It is the same for every pool, and for seconds, instructions and allocations. The
/// constructor of a workload gets a size and fills a pool. Each call of a workload is one operation.

namespace bench {

/// As small as a connection can be, so that the figures are those of the pool.
class connection {
public:
    explicit connection(int fd) noexcept : fd_{fd} {}
    void close() noexcept { fd_ = -1; }
    bool closed() const noexcept { return fd_ < 0; }
    bool unblocked() const noexcept { return !blocked_; }

private:
    int fd_;
    bool blocked_ = false;
};

/// An address of 20 characters.
inline std::string key(std::size_t number) {
    return fmt::format("10.{}.{}.{}:{:05}", 100 + number % 100, 100 + number / 100 % 100,
        100 + number / 10'000 % 100, 1000 + number / 1'000'000);
}

inline std::vector<std::string> keys(std::size_t count) {
    std::vector<std::string> all;
    all.reserve(count);
    for (std::size_t i = 0; i < count; ++i) all.push_back(key(i));
    return all;
}

/// Random numbers below a bound, each as likely as the others. They are the high bits of Knuth's MMIX generator (TAOCP,
/// volume 2, 3.3.4).
class sequence {
public:
    explicit sequence(std::size_t bound, std::uint64_t seed = 1) noexcept : bound_{bound}, state_{seed} {}
    std::size_t next() noexcept {
        state_ = state_ * 6364136223846793005u + 1442695040888963407u;
        return static_cast<std::size_t>((state_ >> 32) * bound_ >> 32);
    }

private:
    std::uint64_t bound_;
    std::uint64_t state_;
};

/// Ends the program if an operation was a miss: its figures would be of other work.
inline void expect(bool found) {
    if (found) [[likely]] return;
    std::fputs("a workload did not find what it had put in\n", stderr);
    std::abort();
}

/// Makes a pool. If it has an expiry policy, its connections expire after an hour.
template <class Pool>
Pool make(const pool::bounded& limits) {
    if constexpr (std::is_constructible_v<Pool, pool::bounded_open>) {
        const std::size_t most = limits.max_idle;
        return Pool{pool::bounded_open{.max_open = most, .max_idle_per_key = limits.max_idle_per_key}};
    } else if constexpr (std::is_constructible_v<Pool, pool::bounded, std::chrono::hours>) {
        return Pool{limits, std::chrono::hours{1}};
    } else {
        return Pool{limits};
    }
}

/// A pool with `per_key` idle connections for each of `n` keys. It is full, but has evicted none.
template <class Pool>
class filled {
public:
    explicit filled(std::size_t n, std::size_t per_key = 1)
        : keys_{bench::keys(n)}, pool_{make<Pool>({.max_idle = n * per_key, .max_idle_per_key = per_key})} {
        for (std::size_t i = 0; i < per_key; ++i) {
            for (const std::string& each : keys_) pool_.put(each, connection{1});
        }
    }

protected:
    const std::vector<std::string> keys_;
    Pool pool_;
};

/// Lends a connection of one key, and gives it back. `n` keys have one connection each.
template <class Pool>
struct lease_of_one_key : filled<Pool> {
    using filled<Pool>::filled;
    void operator()() { expect(bool{this->pool_.try_acquire(this->keys_[0])}); }
};

/// Lends a connection of a random one of `n` keys, and gives it back. The keys have one connection each.
template <class Pool>
struct lease_of_any_key : filled<Pool> {
    explicit lease_of_any_key(std::size_t n) : filled<Pool>{n} {}
    void operator()() { expect(bool{this->pool_.try_acquire(this->keys_[chosen_.next()])}); }

private:
    sequence chosen_{this->keys_.size()};
};

/// Lends one of the `n` connections of one key, and gives it back.
template <class Pool>
struct lease_of_deep_key : filled<Pool> {
    explicit lease_of_deep_key(std::size_t n) : filled<Pool>{1, n} {}
    void operator()() { expect(bool{this->pool_.try_acquire(this->keys_[0])}); }
};

/// Takes a connection of one key out, and puts it in again. `n` keys have one connection each.
template <class Pool>
struct raw_of_one_key : filled<Pool> {
    using filled<Pool>::filled;
    void operator()() {
        auto taken = this->pool_.take(this->keys_[0]);
        expect(bool{taken});
        this->pool_.put(this->keys_[0], *std::move(taken));
    }
};

/// The same for a random one of `n` keys.
template <class Pool>
struct raw_of_any_key : filled<Pool> {
    explicit raw_of_any_key(std::size_t n) : filled<Pool>{n} {}
    void operator()() {
        const std::string& key = this->keys_[chosen_.next()];
        auto taken = this->pool_.take(key);
        expect(bool{taken});
        this->pool_.put(key, *std::move(taken));
    }

private:
    sequence chosen_{this->keys_.size()};
};

/// Puts a new connection of a random one of `n` keys into a full pool of `n` connections, which evicts its oldest.
template <class Pool>
struct churn : filled<Pool> {
    explicit churn(std::size_t n) : filled<Pool>{n} {}
    void operator()() { this->pool_.put(this->keys_[chosen_.next()], connection{1}); }

private:
    sequence chosen_{this->keys_.size()};
};

}  // namespace bench
