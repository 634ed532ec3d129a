// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include <pool/policies/capacity.hpp>

#include <workloads.hpp>

/// @file
/// The peer has closed all idle connections of a key.

namespace bench {

/// A connection that the peer can close. Many connections share the flag `dead`, so one write closes them all.
class mortal_connection {
public:
    explicit mortal_connection(const bool& dead) noexcept : dead_{&dead} {}
    void close() noexcept { dead_ = &yes; }
    bool closed() const noexcept { return *dead_; }
    static bool unblocked() noexcept { return true; }

private:
    static constexpr bool yes = true;
    const bool* dead_;
};

/// The time of one look-up that finds `n` closed connections and drops them all.
template <class Pool>
std::chrono::duration<double> drop_dead(std::size_t n) {
    bool dead = false;
    const std::string only = key(0);
    Pool conns{pool::bounded{}};
    for (std::size_t i = 0; i < n; ++i) conns.put(only, mortal_connection{dead});

    dead = true;
    const auto start = std::chrono::steady_clock::now();
    const bool found{conns.try_acquire(only)};
    const auto end = std::chrono::steady_clock::now();
    expect(!found);
    return end - start;
}

}  // namespace bench
