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
/// The work that is measured: the same for every pool, and whether it is seconds, instructions or allocations that are
/// counted. A workload is made for a size, which fills its pool; each call of it is one operation.

namespace bench {

/// As small as a connection can be, so that what is measured is the pool.
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

/// Numbers below a bound, one after the other, each as likely: Knuth's MMIX generator (TAOCP, volume 2, 3.3.4), of which
/// the high bits are used.
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

/// Nothing that was measured may have been a miss.
inline void expect(bool found) {
    if (found) [[likely]] return;
    std::fputs("a workload did not find what it had put in\n", stderr);
    std::abort();
}

/// What expires does so after an hour.
template <class Pool>
Pool make(const pool::bounded& limits) {
    if constexpr (std::is_constructible_v<Pool, pool::bounded, std::chrono::hours>) {
        return Pool{limits, std::chrono::hours{1}};
    } else {
        return Pool{limits};
    }
}

/// A pool for `n` keys with some idle connections each, of which none has to go.
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

/// Lend a connection of one key, and give it back; `n` keys have one each.
template <class Pool>
struct lease_of_one_key : filled<Pool> {
    using filled<Pool>::filled;
    void operator()() { expect(bool{this->pool_.try_acquire(this->keys_[0])}); }
};

/// Lend a connection of any of `n` keys, which have one each, and give it back.
template <class Pool>
struct lease_of_any_key : filled<Pool> {
    explicit lease_of_any_key(std::size_t n) : filled<Pool>{n} {}
    void operator()() { expect(bool{this->pool_.try_acquire(this->keys_[chosen_.next()])}); }

private:
    sequence chosen_{this->keys_.size()};
};

/// Lend one of the `n` connections of one key, and give it back.
template <class Pool>
struct lease_of_deep_key : filled<Pool> {
    explicit lease_of_deep_key(std::size_t n) : filled<Pool>{1, n} {}
    void operator()() { expect(bool{this->pool_.try_acquire(this->keys_[0])}); }
};

/// Take a connection of one key out and put it in again; `n` keys have one each.
template <class Pool>
struct raw_of_one_key : filled<Pool> {
    using filled<Pool>::filled;
    void operator()() {
        auto taken = this->pool_.take(this->keys_[0]);
        expect(bool{taken});
        this->pool_.put(this->keys_[0], *std::move(taken));
    }
};

/// The same for any of `n` keys.
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

/// Put a new connection of any of `n` keys into a pool of `n`, which is full: the oldest has to go.
template <class Pool>
struct churn : filled<Pool> {
    explicit churn(std::size_t n) : filled<Pool>{n} {}
    void operator()() { this->pool_.put(this->keys_[chosen_.next()], connection{1}); }

private:
    sequence chosen_{this->keys_.size()};
};

}  // namespace bench
