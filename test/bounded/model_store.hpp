// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <range/v3/algorithm/count_if.hpp>
#include <range/v3/algorithm/find.hpp>
#include <range/v3/algorithm/find_if.hpp>

#include <pool/policies/capacity.hpp>
#include <pool/policies/clock.hpp>
#include <pool/policies/expiry.hpp>
#include <pool/stats.hpp>

#include <support/fake.hpp>
#include <support/ids.hpp>

/// @file
/// The connections of the reference model: vectors and linear scans.

namespace bounded_models {

using bounds = pool::bounded_open;
using key = std::string;

/// Which connections are idle, lent or retired. The model of the pool says when they change.
class model_store {
public:
    struct entry {
        int id;
        key of;
        pool::manual_clock::time_point due;
    };

    model_store(bounds capacity, pool::after_idle ttl, fake::network& net, const pool::manual_clock& now)
        : capacity_{capacity},
          ttl_{ttl},
          net_{net},
          clock_{now} {}

    /// Which connections were closed, in that order, since this was last asked.
    fake::ids closed() { return std::exchange(closed_, {}); }

    /// Those that are idle or lent.
    std::vector<entry> open_ones() const {
        std::vector<entry> all = idle_;
        all.insert(all.end(), lent_.begin(), lent_.end());
        return all;
    }

protected:
    /// Lends an idle connection. Retires those before it that cannot be lent any more.
    std::optional<int> reuse(const key& of) {
        for (const entry& each : std::vector{idle_}) {
            if (each.of != of) continue;
            if (each.due <= clock_.now()) {
                retire(each.id, figures_.expired);
            } else if (net_[each.id].dead) {
                retire(each.id, figures_.found_closed);
            } else if (!net_[each.id].blocked) {
                idle_.erase(ranges::find(idle_, each.id, &entry::id));
                lent_.push_back({each.id, of, {}});
                ++figures_.hits;
                return each.id;
            }
        }
        return std::nullopt;
    }

    /// Evicts the oldest idle connection of another key. Returns whether there was one.
    bool make_room(const key& of) {
        const auto other = ranges::find_if(idle_, [&](const entry& e) { return e.of != of; });
        if (other == idle_.end()) return false;
        retire(other->id, figures_.evicted);
        return true;
    }

    void refuse(int id) {
        no_longer_lent(id);
        ++figures_.puts;
        ++figures_.refused;
        retired_.push_back(id);
    }

    void retire(int id, std::uint64_t& reason) {
        idle_.erase(ranges::find(idle_, id, &entry::id));
        ++reason;
        retired_.push_back(id);
    }

    const entry& of_lent(int id) const { return *ranges::find(lent_, id, &entry::id); }

    void no_longer_lent(int id) { lent_.erase(ranges::find(lent_, id, &entry::id)); }

    static std::size_t count(const auto& all, const auto& which) {
        return static_cast<std::size_t>(ranges::count_if(all, which));
    }
    static std::size_t count(const std::vector<entry>& entries, const key& of) {
        return count(entries, [&](const entry& each) { return each.of == of; });
    }

    static std::size_t left(std::size_t bound, std::size_t used) { return bound > used ? bound - used : 0; }

    pool::stats figures_;  ///< all that only grow
    bounds capacity_;
    pool::after_idle ttl_;
    fake::network& net_;
    const pool::manual_clock& clock_;
    std::vector<entry> idle_;  ///< in the order in which they were given back
    std::vector<entry> lent_;
    fake::ids retired_;  ///< in this step
    fake::ids closed_;
};

}  // namespace bounded_models
