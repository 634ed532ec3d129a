// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <exception>
#include <memory>
#include <utility>

#include <pool/core/dial_with.hpp>
#include <pool/core/hashed_key.hpp>
#include <pool/core/own_dial.hpp>
#include <pool/core/request.hpp>
#include <pool/dial.hpp>
#include <pool/key.hpp>

/// @file
/// Connections that are opened ahead of their callers.

namespace pool {

/// The result of a `prewarm`.
struct prewarmed {
    std::size_t opened = 0;      ///< how many connections it has opened, and the pool has kept
    std::exception_ptr error{};  ///< what the first dial threw that failed; null if none did
};

namespace core {

/// A number of idle connections that a pool keeps up.
template <class Key, class Conn>
struct min_idle_target {
    /// Throws what Key's copy throws.
    min_idle_target(const hashed_key<Key>& of, std::size_t how_many, own_dial<Key, Conn>&& by)
        : key(of.key),
          hash{of.hash},
          count{how_many},
          dial{std::move(by)} {}

    const Key key;                   ///< of the connections
    const std::size_t hash;          ///< of the key: so that an upkeep need not hash it, which could throw
    const std::size_t count;         ///< how many
    const own_dial<Key, Conn> dial;  ///< opens them
};

/// Dials connections of `key`, which become idle, one after the other, until there are as many as `wanted`, a bound is
/// reached, a dial fails, a connection is not kept, or the context ends it.
template <class State, class Dial>
prewarmed open_ahead(State& state, const typename State::hashed& key, const ahead& wanted, Dial& dial,
    const dial_context& context) {
    prewarmed done;
    try {
        while (!core::has_ended(context) && state.open_ahead(key, wanted, dial, context)) ++done.opened;
    } catch (...) {
        done.error = std::current_exception();
    }
    return done;
}

/// Opens what is missing of the idle connections that a pool keeps up. After a dial that fails, or whose connection is not
/// kept, the next call tries again.
template <class State>
void keep_up(State& state) {
    using key_type = typename State::key_type;
    for (std::size_t i = 0;; ++i) {
        const auto next = state.target(i);
        if (next == nullptr) return;
        const typename State::hashed key{key_view<key_type>(next->key), next->hash};
        (void)core::open_ahead(state, key, {next->count, false}, next->dial, {});
    }
}

}  // namespace core

}  // namespace pool
