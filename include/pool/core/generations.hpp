// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>
#include <limits>

#include <pool/core/platform.hpp>

/// @file
/// Which connections an `invalidate` has outdated.

namespace pool::core {

/// The number of an invalidation. A byte is enough, because `generations` counts anew before it ends.
using generation = std::uint8_t;

/// Counts the invalidations of a store. An entry is of the generation in which its connection began to be opened. It is
/// outdated, if all entries, or those of its key, have been invalidated since. So an invalidation is O(1), but for one
/// in 254, which is O(n). Not thread-safe.
template <class Entry>
class generations {
    using group = typename Entry::group;

public:
    /// A connection begins to be opened: no earlier invalidation has outdated it.
    void renew(Entry& fresh) noexcept {
        group& its = *fresh.group_;
        if (its.valid_from > now_) its.valid_from = 0;  // a group without entries is not told of the counting anew
        fresh.generation_ = now_;
    }

    /// Whether it is outdated.
    bool is_outdated(const Entry& e) const noexcept {
        if (e.generation_ == now_) [[likely]]
            return false;
        return e.generation_ < valid_from_ || e.generation_ < e.group_->valid_from;
    }

    /// Outdates all entries: `all` are those that there are.
    template <class Entries>
    void invalidate(const Entries& all) noexcept {
        begin_next(all);
        valid_from_ = now_;
    }

    /// Outdates those of a key.
    template <class Entries>
    void invalidate(group& of, const Entries& all) noexcept {
        begin_next(all);
        of.valid_from = now_;
    }

private:
    /// The next generation. After the last one, it counts anew: what is outdated is of generation 0 then, and all other
    /// entries are of generation 1.
    template <class Entries>
    void begin_next(const Entries& all) noexcept {
        if (now_ == std::numeric_limits<generation>::max()) {
            for (const Entry& each : all) const_cast<Entry&>(each).generation_ = is_outdated(each) ? 0 : 1;
            for (const Entry& each : all) each.group_->valid_from = 1;
            valid_from_ = now_ = 1;
        }
        ++now_;
    }

    generation now_ = 0;
    generation valid_from_ = 0;  ///< all entries of earlier generations are outdated
};

}  // namespace pool::core
