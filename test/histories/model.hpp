// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include <pool/settings.hpp>

#include <histories/model_hooks.hpp>

/// @file
/// A model of a pool that bounds what is idle.

namespace histories {

/// The rules of a pool, each written as simply as possible.
class model : public model_hooks {
public:
    using model_hooks::model_hooks;

    /// The connection that is lent, if there is a healthy one. After two that are not, it looks no further.
    std::optional<int> lend(std::size_t of) {
        std::optional<int> sick;
        for (int unhealthy = 0;; ++unhealthy) {
            std::optional<int> found;
            bool is_checked = true;
            if (unhealthy != most_unhealthy) found = look_up(of, is_checked);
            if (sick) retire_lent(*sick, figures.found_unhealthy);
            sick.reset();
            if (!found) {
                ++figures.misses;
                return std::nullopt;
            }
            if (is_checked || passes_check(*found)) {
                ++figures.hits;
                return found;
            }
            sick = found;
        }
    }

    /// A pool that bounds what is open refuses a caller, because it is paused. First it asks again what was blocked.
    void refuse_paused(std::size_t of) {
        if (!bounds_.bounds_open) return;
        std::vector<entry> asked = idle_;
        std::sort(asked.begin(), asked.end(),
            [](const entry& a, const entry& b) { return a.blocked_since < b.blocked_since; });
        for (const entry& each : asked) {
            if (each.of != of || each.blocked_since == 0) continue;
            if (!net_[each.id].blocked) find(idle_, each.id)->blocked_since = 0;
            else if (each.due <= now()) retire(each.id, figures.expired);
            else if (is_dead(each.id)) retire(each.id, figures.found_closed);
        }
    }

    void add_lent(int id, std::size_t of) { lent_.push_back(opened(id, of)); }
    void forget_lent(int id) { remove(lent_, id); }

    void give_back(int id) {
        ++find(lent_, id)->uses;
        const entry& its = *find(lent_, id);
        const bool would_be_kept = !is_dead(id) && !its.is_outdated && !keeps_none_of(its.of) &&
                                   weight_of(id) <= bounds_.weight && due_of(its) > now();
        const bool is_good = !would_be_kept || is_reset(id);
        closing_own_and_one([&] {
            if (!is_good) return retire_lent(id, figures.failed_resets);
            const entry back = *find(lent_, id);
            forget_lent(id);
            keep(back, is_dead(id));
        });
    }

    void put(int id, std::size_t of) {
        const bool is_refused = is_dead(id) || is_closed;
        closing_own_and_one([&] { keep(is_refused ? entry{id, of} : opened(id, of), is_refused); });
    }

    void discard(int id) {
        closing_own_and_one([&] { retire_lent(id, figures.discarded); });
    }

    void detach(int id) {
        closing_own_and_one([&] {
            forget_lent(id);
            ++figures.detached;
        });
    }

    /// Returns how many expire.
    std::size_t expire() {
        std::vector<entry> due;
        for (const entry& each : idle_)
            if (each.due <= now()) due.push_back(each);
        std::sort(due.begin(), due.end(), [](const entry& a, const entry& b) { return a.due < b.due; });
        for (std::size_t i = 1; i < due.size(); ++i) is_any_order |= due[i - 1].due == due[i].due;
        for (const entry& each : due) retire(each.id, figures.expired);
        close_all();
        return due.size();
    }

    time_point next_expiry() const {
        if (is_closed) return time_point::max();
        // A new one with the greatest number; those that come back; those that are idle. Some will not be kept.
        time_point earliest = unless_past(due_of_new());
        for (const entry& each : lent_) earliest = std::min(earliest, unless_past(due_of(each)));
        for (const entry& each : idle_) earliest = std::min(earliest, each.due);
        return earliest;
    }

    /// But for what expires.
    time_point next_upkeep() const {
        const bool is_due_soon = !is_closed && (bounds_.bounds_open || has_min_idle());
        return std::min(keep_alive_is_due(), is_due_soon ? now() + std::chrono::seconds{1} : time_point::max());
    }

    /// Returns how many expire.
    std::size_t reconfigure_expiry(const settings& fresh) {
        const auto check_after = chosen_.check_after, keep_alive_every = chosen_.keep_alive_every;
        const pool::reuse_order reuse = chosen_.reuse;
        chosen_ = fresh;
        chosen_.check_after = check_after;
        chosen_.keep_alive_every = keep_alive_every;
        chosen_.reuse = reuse;
        for (entry& each : idle_) each.due = std::min(each.due, due_of(each));
        close_dead();
        return expire();
    }

    /// Returns how many it clears.
    std::size_t clear(std::optional<std::size_t> of = std::nullopt) {
        std::size_t count = 0;
        for (const entry& each : std::vector{idle_}) {
            if (of && each.of != *of) continue;
            retire(each.id, figures.cleared);
            ++count;
        }
        close_all();
        return count;
    }

    /// It keeps nothing from now on.
    void close() {
        is_closed = true;
        is_paused = false;
        end_min_idle();
        clear();
    }

    /// Returns how many expire.
    std::size_t upkeep() {
        const std::size_t expired = expire();
        close_dead();
        keep_alive();
        keep_up();
        return expired;
    }

    /// Returns how many are dead, or exceed the new bounds.
    std::size_t reconfigure(const idle_bounds& fresh) {
        bounds_ = fresh;
        const std::size_t before = idle_.size();
        for (const entry& each : std::vector{idle_})
            if (is_dead(each.id)) retire(each.id, figures.found_closed);
            else if (idle_of(each.of) > fresh.of[each.of]) retire(each.id, figures.evicted);
        while (idle_.size() > fresh.in_all || idle_weight() > fresh.weight) retire(idle_.front().id, figures.evicted);
        const std::size_t count = before - idle_.size();
        close_all();
        return count;
    }

private:
    static constexpr int most_unhealthy = 2;

    /// Lends a connection, if there is one that seems to be usable. Sets whether it need not be checked.
    std::optional<int> look_up(std::size_t of, bool& is_checked) {
        if (is_paused) return std::nullopt;
        std::vector<entry> candidates = idle_;
        if (chosen_.reuse == pool::reuse_order::newest_first) std::reverse(candidates.begin(), candidates.end());
        for (const entry& each : candidates) {
            if (each.of != of) continue;
            if (each.due <= now()) {
                retire(each.id, figures.expired);
            } else if (is_dead(each.id)) {
                retire(each.id, figures.found_closed);
            } else if (net_[each.id].blocked) {
                ++figures.skipped_blocked;
                is_blocked(*find(idle_, each.id));
            } else {
                remove(idle_, each.id);
                lent_.push_back(each);
                is_checked = !needs_check(each);
                return each.id;
            }
        }
        return std::nullopt;
    }

    void close_dead() {
        for (const entry& each : std::vector{idle_})
            if (is_dead(each.id)) retire(each.id, figures.found_closed);
        close_all();
    }
};

}  // namespace histories
