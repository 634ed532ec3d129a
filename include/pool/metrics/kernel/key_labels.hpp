// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <pool/connection_state.hpp>
#include <pool/key.hpp>
#include <pool/metrics/kernel/utf8.hpp>

/// @file
/// The connections of a pool, counted by labels that are made of their keys.

namespace pool::metrics::kernel {

/// How many connections are in each `connection_state`.
using state_counts = std::array<std::size_t, 4>;

/// In the place of a function that makes labels: a key becomes none.
struct no_label {};

/// The text of all labels beyond the cap.
inline constexpr const char* other_label = "other";

/// All connections of a pool, as a walk through it finds them.
template <class Key>
class key_walk {
public:
    /// Looks at all connections of a state. Throws `std::bad_alloc`, and what Key's copy throws.
    template <class State>
    void look_at(State& state) {
        const auto make_room = [&](std::size_t more) {
            const std::size_t needed = seen_.size() + more;
            if (needed > seen_.capacity()) seen_.reserve(std::max(needed, 2 * seen_.capacity()));
        };
        state.look_at_all(make_room, [&](const auto& e, const auto&) { seen_.push_back({&e, e.key(), e.state()}); });
    }

    /// Calls `act(key, counts)` for each key.
    template <class Act>
    void for_each_key(const Act& act) const {
        struct hash {
            std::size_t operator()(const Key* key) const { return key_traits<Key>::hash(*key); }
        };
        struct equal {
            bool operator()(const Key* a, const Key* b) const { return key_traits<Key>::equal(*a, *b); }
        };
        std::unordered_set<const void*> newer;
        std::unordered_map<const Key*, state_counts, hash, equal> keys;
        for (auto each = seen_.rbegin(); each != seen_.rend(); ++each)
            if (newer.insert(each->entry).second) ++keys[&each->key][static_cast<std::size_t>(each->state)];
        for (const auto& [key, counts] : keys) act(*key, counts);
    }

private:
    struct connection {
        const void* entry;  ///< its address: one that was given back meanwhile is met again, and its last state counts
        Key key;
        connection_state state;
    };

    std::vector<connection> seen_;
};

/// The labels of a pool. The first `most` different ones are kept as long as this lives, so the number of series does
/// not grow with the number of keys that there have been.
template <class Key, class Label>
class key_labels {
public:
    /// `label(key)` is the label of a key.
    key_labels(Label label, std::size_t most) : label_{std::move(label)}, most_{most} {}

    /// Counts anew. Throws what the label function throws, and `std::bad_alloc`.
    void count(const key_walk<Key>& connections) {
        for (auto& each : known_) each.second = {};
        others_ = {};
        connections.for_each_key([&](const Key& key, const state_counts& counts) {
            state_counts& its = counts_of(kernel::as_utf8(std::string(label_(key))));
            for (std::size_t i = 0; i != its.size(); ++i) its[i] += counts[i];
        });
    }

    /// Calls `act(label, counts)` for each label.
    template <class Act>
    void for_each(const Act& act) const {
        for (const auto& [label, counts] : known_) act(label, counts);
        if (has_others_) act(std::string{other_label}, others_);
    }

private:
    state_counts& counts_of(std::string&& label) {
        const auto found = known_.find(label);
        if (found != known_.end()) return found->second;
        if (known_.size() < most_ && label != other_label) return known_[std::move(label)];
        has_others_ = true;
        return others_;
    }

    Label label_;
    const std::size_t most_;
    std::map<std::string, state_counts> known_;
    state_counts others_{};
    bool has_others_ = false;  ///< whether a label was beyond the cap
};

}  // namespace pool::metrics::kernel
