// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <range/v3/algorithm/count_if.hpp>
#include <range/v3/algorithm/find.hpp>
#include <range/v3/algorithm/sort.hpp>
#include <range/v3/range/conversion.hpp>
#include <range/v3/view/transform.hpp>

#include <pool/policies/capacity.hpp>
#include <pool/policies/clock.hpp>
#include <pool/policies/expiry.hpp>
#include <pool/settings.hpp>
#include <pool/stats.hpp>

#include <support/fake.hpp>

/// @file
/// The connections of the reference model: vectors and linear scans.

namespace bounded_models {

using bounds = pool::bounded_open;
using time_point = pool::manual_clock::time_point;

/// The model knows a key by its number.
const std::array<std::string, 4> keys{"a", "b", "c", "a key that is longer than the buffer of a short string"};

/// Whether the close of a connection throws.
inline bool close_throws(int id) { return id % 7 == 0; }

/// What a model is made of, as a pool.
struct model_settings {
    bounds capacity;
    pool::after_idle ttl;
    pool::reuse_order reuse;
    std::chrono::nanoseconds check_after{};
    bool has_check = false;  ///< its connections are checked
};

/// Which connections are idle, lent, retired or being closed. The model of the pool says when they change.
class model_store {
public:
    struct entry {
        int id;
        std::size_t of;
        time_point due{};
        std::uint64_t blocked_since = 0;  ///< the lower, the longer; 0 if it was not blocked when it was last asked
        time_point since{};               ///< when it became idle
        bool is_unchecked = false;        ///< it is lent, and its caller has to check it
        bool is_outdated = false;
    };

    model_store(const model_settings& settings, fake::network& net, const pool::manual_clock& clock)
        : capacity_{settings.capacity},
          ttl_{settings.ttl},
          reuse_{settings.reuse},
          check_after_{settings.check_after},
          has_check_{settings.has_check},
          net_{net},
          clock_{clock} {}

    /// Those that are idle or lent, and those that nobody closes yet.
    std::vector<entry> open_ones() const {
        std::vector<entry> all = idle_;
        all.insert(all.end(), lent_.begin(), lent_.end());
        all.insert(all.end(), retired_.begin(), retired_.end());
        return all;
    }

    std::size_t unclosed() const { return retired_.size(); }

    /// Whether a connection is lent, and has to be checked.
    bool is_unchecked(int id) const {
        const auto found = ranges::find(lent_, id, &entry::id);
        return found != lent_.end() && found->is_unchecked;
    }

protected:
    static std::size_t left(std::size_t bound, std::size_t used) { return bound > used ? bound - used : 0; }
    static std::size_t count(const auto& all, const auto& which) {
        return static_cast<std::size_t>(ranges::count_if(all, which));
    }
    static std::size_t count(const std::vector<entry>& entries, std::size_t of) {
        return count(entries, [of](const entry& each) { return each.of == of; });
    }

    /// The idle connections of a key that are not known to be blocked.
    std::size_t usable(std::size_t of) const {
        return count(idle_, [of](const entry& each) { return each.of == of && each.blocked_since == 0; });
    }
    bool has_blocked(std::size_t of) const { return usable(of) != count(idle_, of); }

    std::size_t held(std::size_t of) const { return count(idle_, of) + count(lent_, of); }
    std::size_t closing() const { return retired_.size() + closing_.size(); }

    /// Those of a key that seem to be blocked, the one that has been so for longest first.
    std::vector<int> blocked_of(std::size_t of) const {
        std::vector<entry> all;
        for (const entry& each : idle_)
            if (each.of == of && each.blocked_since != 0) all.push_back(each);
        ranges::sort(all, {}, &entry::blocked_since);
        return ranges::to<std::vector>(all | ranges::views::transform(&entry::id));
    }

    /// Asks the blocked connections of a key again. Retires those that are still blocked, and cannot be lent any more.
    void ask_again(std::size_t of) {
        for (const int id : blocked_of(of)) {
            entry& known = *ranges::find(idle_, id, &entry::id);
            if (!ask(known)) continue;
            if (known.due <= now()) retire(id, figures_.expired);
            else if (is_dead(id)) retire(id, figures_.found_closed);
        }
    }

    /// Lends an idle connection. Retires those before it that cannot be lent any more.
    std::optional<int> reuse(std::size_t of) {
        std::vector<entry> candidates = idle_;
        if (reuse_ == pool::reuse_order::newest_first) std::reverse(candidates.begin(), candidates.end());
        for (const entry& each : candidates) {
            if (each.of != of) continue;
            if (each.due <= clock_.now()) {
                retire(each.id, figures_.expired);
            } else if (each.is_outdated) {
                retire(each.id, figures_.invalidated);
            } else if (net_[each.id].dead) {
                retire(each.id, figures_.found_closed);
            } else if (ask(*ranges::find(idle_, each.id, &entry::id))) {
                ++figures_.skipped_blocked;
            } else {
                idle_.erase(ranges::find(idle_, each.id, &entry::id));
                lent_.push_back({each.id, of});
                lent_.back().is_unchecked = has_check_ && now() - each.since >= check_after_;
                ++(lent_.back().is_unchecked ? checking_ : figures_.hits);
                return each.id;
            }
        }
        return std::nullopt;
    }

    /// What is open is not lent any more.
    void outdate(std::optional<std::size_t> of) {
        for (auto* const some : {&idle_, &lent_})
            for (entry& each : *some) each.is_outdated |= !of || each.of == *of;
    }
    bool is_outdated(int id) const { return ranges::find(lent_, id, &entry::id)->is_outdated; }

    std::size_t of_lent(int id) const { return ranges::find(lent_, id, &entry::id)->of; }
    void no_longer_lent(int id) { lent_.erase(ranges::find(lent_, id, &entry::id)); }

    /// A connection that was lent has passed its check, or its caller does not need one.
    void passed_check(int id) {
        const auto found = ranges::find(lent_, id, &entry::id);
        if (!std::exchange(found->is_unchecked, false)) return;
        --checking_;
        ++figures_.hits;
    }

    /// It has failed it.
    void retire_unhealthy(int id) {
        --checking_;
        retire(id, figures_.found_unhealthy);
    }

    /// A lent connection becomes idle, unless it would be due at once.
    void keep(int id) {
        ++figures_.puts;
        const time_point due = ttl_.expires_at(clock_.now());
        if (due <= clock_.now()) return retire(id, figures_.expired);
        const std::size_t of = of_lent(id);
        no_longer_lent(id);
        idle_.push_back({.id = id, .of = of, .due = due, .since = now()});
        ask(idle_.back());
    }

    /// The same while nobody waits: within the bounds, first those of its key and then those of all.
    void keep_within_bounds(int id) {
        const std::size_t of = of_lent(id);
        if (capacity_.max_idle() == 0 || capacity_.max_idle_for(of) == 0) return refuse(id);
        if (ttl_.expires_at(clock_.now()) > clock_.now()) {
            while (count(idle_, of) >= capacity_.max_idle_for(of)) evict_oldest_of(of);
            while (idle_.size() >= capacity_.max_idle()) retire(idle_.front().id, figures_.evicted);
        }
        keep(id);
    }

    void refuse(int id) {
        ++figures_.puts;
        retire(id, figures_.refused);
    }

    void evict_oldest_of(std::size_t of) { retire(ranges::find(idle_, of, &entry::of)->id, figures_.evicted); }

    /// From idle or lent. `reason` is the figure that counts it.
    void retire(int id, std::uint64_t& reason) {
        ++reason;
        for (auto* const from : {&idle_, &lent_}) {
            const auto found = ranges::find(*from, id, &entry::id);
            if (found == from->end()) continue;
            retired_.push_back(*found);
            from->erase(found);
        }
        retired_in_step_.push_back(retired_.back().of);
    }

    /// Somebody is about to close the connection that was retired first. Returns it, or 0 if there is none.
    int claim() {
        if (retired_.empty()) return 0;
        const int id = retired_.front().id;
        closing_.push_back(retired_.front());
        retired_.erase(retired_.begin());
        return id;
    }

    bool is_kept(int id) const {
        const auto has = [id](const std::vector<entry>& some) {
            return ranges::find(some, id, &entry::id) != some.end();
        };
        return has(idle_) || has(lent_);
    }

    void end_close(int id) {
        closing_.erase(ranges::find(closing_, id, &entry::id));
        figures_.failed_closes += close_throws(id);
    }

    /// The figures that the connections have.
    pool::stats store_stats() const {
        pool::stats all = figures_;
        all.idle = idle_.size();
        all.lent = lent_.size();
        all.checking = checking_;
        all.closing = closing();
        for (std::size_t of = 0; of != keys.size(); ++of) all.keys += held(of) != 0;
        return all;
    }

    bounds capacity_;
    pool::stats figures_;      ///< all that only grow
    std::vector<entry> idle_;  ///< in the order in which they were given back
    std::vector<entry> lent_;
    std::vector<entry> retired_;                ///< nobody closes them yet; in the order in which they were retired
    std::vector<entry> closing_;                ///< somebody does
    std::vector<std::size_t> retired_in_step_;  ///< the keys of those that this step has retired

    time_point now() const { return clock_.now(); }
    bool is_dead(int id) const { return net_[id].dead; }

private:
    bool ask(entry& idle) {
        if (!net_[idle.id].blocked) idle.blocked_since = 0;
        else if (idle.blocked_since == 0) idle.blocked_since = ++times_blocked_;
        return idle.blocked_since != 0;
    }

    std::uint64_t times_blocked_ = 0;
    std::uint64_t checking_ = 0;

    pool::after_idle ttl_;
    pool::reuse_order reuse_;
    std::chrono::nanoseconds check_after_;

protected:
    const bool has_check_;

private:
    fake::network& net_;
    const pool::manual_clock& clock_;
};

}  // namespace bounded_models
