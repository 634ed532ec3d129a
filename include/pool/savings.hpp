// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include <pool/core/describe.hpp>

/// @file
/// What higher bounds of a pool would have saved.

namespace pool {

/// A bound of a capacity policy.
enum class bound_kind : unsigned char {
    max_idle,          ///< idle connections in all
    max_idle_per_key,  ///< idle connections of one key
    max_open,          ///< open connections in all
    max_open_per_key,  ///< open connections of one key
};

/// Its name, such as "max_idle".
constexpr std::string_view to_string(bound_kind bound) noexcept {
    constexpr std::string_view names[]{"max_idle", "max_idle_per_key", "max_open", "max_open_per_key"};
    return names[static_cast<unsigned char>(bound)];
}
inline std::ostream& operator<<(std::ostream& out, bound_kind bound) { return out << to_string(bound); }  ///< its name

/// What one higher bound would have saved, if all else had been the same.
struct saving {
    bound_kind bound{};      ///< the bound
    int more = 0;            ///< by how many percent it is higher: 25, 50 or 100
    std::size_t from = 0;    ///< what it is; 0 if it differs between keys
    std::size_t to = 0;      ///< what it would be; 0 if it differs between keys
    std::int64_t dials = 0;  ///< dials that there would not have been; negative if there would have been more
    std::int64_t waits = 0;  ///< the same of callers that had to wait

    friend bool operator==(const saving&, const saving&) = default;  ///< member by member
};

/// The estimate of a pool with the setting `ghosts`: what higher bounds would have saved. It begins anew when the capacity is
/// reconfigured. It has nothing of bounds that are `no_limit`.
struct savings {
    std::uint64_t dials = 0;  ///< dials that callers have begun
    std::uint64_t waits = 0;  ///< callers that had to wait
    std::vector<saving> all;  ///< for each bound, in the order of `bound_kind`, and each `more`, the lowest first

    /// The saving to try first; nullptr if none is a percent or more. It is the least change of the bound that saves most, as
    /// long as that saves nearly as much (nine tenths) as its greatest one. `of_waits`: of waits, else of dials. O(n).
    const saving* best(bool of_waits = false) const noexcept {
        const auto saved = [&](const saving& each) { return of_waits ? each.waits : each.dials; };
        const auto less = [&](const saving& a, const saving& b) { return saved(a) < saved(b); };
        const auto most = std::max_element(all.begin(), all.end(), less);
        if (most == all.end() || percent(*most, of_waits) < 1) return nullptr;
        const auto is_enough = [&](const saving& each) {
            return each.bound == most->bound && 10 * saved(each) >= 9 * saved(*most);
        };
        return &*std::find_if(all.begin(), all.end(), is_enough);
    }

    /// How many percent of all dials a saving is, or of all waits. Rounded.
    std::int64_t percent(const saving& of, bool of_waits = false) const noexcept {
        const auto total = static_cast<std::int64_t>(of_waits ? waits : dials);
        const std::int64_t saved = of_waits ? of.waits : of.dials;
        if (total == 0) return 0;
        const std::int64_t half = saved < 0 ? -total / 2 : total / 2;
        return (100 * saved + half) / total;
    }

    /// Adds those of another part of the same pool. The bounds in all are sums, too, unless one of the parts, in which nothing
    /// has happened, does not know its own: then they are 0.
    savings& operator+=(const savings& other) {
        dials += other.dials;
        waits += other.waits;
        const std::size_t count = all.size();
        for (const saving& each : other.all) add(each);
        if (all.size() == count && other.all.size() == count) return *this;
        for (saving& each : all)
            if (is_in_all(each)) each.from = each.to = 0;
        return *this;
    }

    friend bool operator==(const savings&, const savings&) = default;  ///< member by member

private:
    static bool is_in_all(const saving& of) noexcept {
        return of.bound == bound_kind::max_idle || of.bound == bound_kind::max_open;
    }

    void add(const saving& added) {
        const auto is_before = [](const saving& a, const saving& b) {
            return a.bound != b.bound ? a.bound < b.bound : a.more < b.more;
        };
        const auto place = std::lower_bound(all.begin(), all.end(), added, is_before);
        if (place == all.end() || is_before(added, *place)) {
            all.insert(place, added);
            return;
        }
        if (is_in_all(added)) {
            const bool is_known = place->to != 0 && added.to != 0;
            place->from = is_known ? place->from + added.from : 0;
            place->to = is_known ? place->to + added.to : 0;
        } else if (place->from != added.from) {
            place->from = place->to = 0;
        }
        place->dials += added.dials;
        place->waits += added.waits;
    }
};

/// One line, such as: 12 % of dials would be saved by .max_idle_per_key = 8; 30 % of waits would be saved by .max_open = 20.
/// Without a saving of a percent or more: nothing.
inline std::ostream& operator<<(std::ostream& out, const savings& of) {
    const saving *const dials = of.best(), *const waits = of.best(true);
    const auto print = [&](const saving* best, bool of_waits) {
        if (best == nullptr) return;
        if (of_waits && dials != nullptr) out << "; ";
        out << of.percent(*best, of_waits) << " % of " << (of_waits ? "waits" : "dials") << " would be saved by ."
            << best->bound;
        if (best->to != 0) out << " = " << best->to;
        else out << ", " << best->more << " % higher";
    };
    print(dials, false);
    print(waits, true);
    if (dials == nullptr && waits == nullptr) out << "nothing";
    return out;
}

/// The same line as a string.
inline std::string to_string(const savings& of) { return core::streamed(of); }

}  // namespace pool
