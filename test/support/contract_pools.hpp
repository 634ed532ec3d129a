// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdlib>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/sharded_pool.hpp>

#include <support/fake.hpp>

/// @file
/// The pools that have to keep the contract. The files of test/contract go through it clause by clause, as the caller
/// of a pool meets it. Other tests go into the parts.

namespace contract {

/// Says whether it is held, and aborts when it is locked twice.
struct watched_lock {
    void lock() {
        if (std::exchange(held, true)) std::abort();
    }
    void unlock() { held = false; }

    static inline bool held = false;
};

/// Pools of one part.
struct whole {
    static constexpr std::size_t parts = 1;

    template <class Key, class Conn>
    using pool_of = pool::basic_pool<Key, Conn, pool::bounded, pool::after_idle, watched_lock, pool::manual_clock>;
};

/// Pools of several parts. They divide the total bound: a total of `n * parts` gives each part `n`.
struct sharded {
    static constexpr std::size_t parts = 3;

    template <class Key, class Conn>
    using pool_of =
        pool::sharded_pool<parts, Key, Conn, pool::bounded, pool::after_idle, watched_lock, pool::manual_clock>;
};

template <class Pools, class Key, class Conn = fake::connection>
using pool_of = typename Pools::template pool_of<Key, Conn>;
template <class Pools = whole>
using test_pool = pool_of<Pools, std::string>;

/// What a caller's code throws.
struct refusal {};

}  // namespace contract

/// A case for both kinds of pool. Only what depends on an order over all keys differs between them.
#define EACH_POOL(name) TEST_CASE_TEMPLATE(name, Pools, contract::whole, contract::sharded)
