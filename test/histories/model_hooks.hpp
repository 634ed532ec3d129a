// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <pool/core/request.hpp>
#include <pool/policies/capacity.hpp>
#include <pool/settings.hpp>
#include <pool/stats.hpp>

#include <histories/model_store.hpp>

/// @file
/// What a pool calls without its lock, as its model expects it: the hooks of connections, and the dials of connections
/// that are opened ahead of their callers.

namespace histories {

/// How the hooks of a connection end.
enum class condition {
    well,
    sick,       ///< they fail
    dying,      ///< they end well, and the peer goes during the next one
    outdating,  ///< they end well, and the pool is invalidated during each
    pausing,    ///< they end well, and the pool is paused during each
};

/// How the dials of connections ahead end.
struct dial_plan {
    std::size_t good = pool::no_limit;  ///< so many well
    std::size_t odd = 0;                ///< so many as `how`, and all others well
    condition how = condition::sick;
};

/// One such call.
struct expected_call {
    enum class kind { check, reset, keep_alive, dial };

    kind what;
    int id;               ///< of the connection
    condition how;        ///< it ends
    pool::stats figures;  ///< of the pool meanwhile
};

/// Makes the calls. It is far ahead of the pool, which makes the same calls later.
class model_hooks : public model_store {
public:
    model_hooks(const idle_bounds& bounds, const settings& chosen, fake::network& net, const clock& now, bool is_tended)
        : model_store{bounds, chosen, net, now},
          is_tended_{is_tended} {}

    condition condition_of(int id) const {
        const auto found = conditions_.find(id);
        return found == conditions_.end() ? condition::well : found->second;
    }
    void set_condition(int id, condition how) { conditions_[id] = how; }

    /// The call that the pool makes next.
    std::optional<expected_call> next_call() {
        if (calls_.empty()) return std::nullopt;
        const expected_call next = calls_.front();
        calls_.pop_front();
        return next;
    }
    bool expects_calls() const { return !calls_.empty(); }

    dial_plan plan;  ///< of the dials ahead that follow
    /// Whether the last prewarm has ended by a failure.
    bool has_failed_ahead() const { return has_failed_ahead_; }

    /// Opens connections until so many are open. Returns how many it has opened.
    std::size_t prewarm(std::size_t of, std::size_t wanted) { return open_ahead(of, wanted, true); }

    /// Each upkeep opens connections until so many are idle.
    void min_idle(std::size_t of, std::size_t wanted) {
        const auto is_of = [of](const auto& each) { return each.first == of; };
        const auto found = std::find_if(targets_.begin(), targets_.end(), is_of);
        if (found != targets_.end() && wanted != 0) found->second = wanted;
        else if (found != targets_.end()) targets_.erase(found);
        else if (wanted != 0) targets_.push_back({of, wanted});
    }
    bool has_min_idle() const { return !targets_.empty(); }

    /// The time at which the next idle connection has to be checked, and that at which the next one has to be kept
    /// alive, of those that lie ahead; max() if there is none.
    time_point next_check() const { return next_time(chosen_.check_after, &entry::since); }
    time_point next_keep_alive() const { return next_time(chosen_.keep_alive_every, &entry::heard); }

protected:
    bool is_dead(int id) const { return net_[id].dead || gone_.count(id) != 0; }

    /// Whether an idle connection has to be checked before it is lent. The clock may have jumped back.
    bool needs_check(const entry& found) const {
        return is_tended_ && std::max(now(), found.since) - found.since >= chosen_.check_after;
    }

    /// Checks a connection that is lent.
    bool passes_check(int id) {
        ++figures.checking;
        const bool ends_well = call(expected_call::kind::check, id);
        --figures.checking;
        return ends_well && !is_dead(id);
    }

    /// Resets a connection that is lent. A blocked one cannot be reset.
    bool is_reset(int id) { return !is_tended_ || (!net_[id].blocked && call(expected_call::kind::reset, id)); }

    /// Keeps the idle connections alive whose peers have heard nothing for long.
    void keep_alive() {
        const auto every = chosen_.keep_alive_every;
        if (!is_tended_ || every <= every.zero() || is_paused) return;
        oldest_kept_alive_ = now();
        for (const entry& each : std::vector{idle_}) {
            if (is_paused) break;
            if (find(idle_, each.id) == idle_.end()) continue;  // a hook has invalidated the pool
            if (is_dead(each.id) || net_[each.id].blocked) continue;
            if (each.heard > now() - every) oldest_kept_alive_ = std::min(oldest_kept_alive_, each.heard);
            else keep_alive(each.id);
        }
        if (is_paused) oldest_kept_alive_ = time_point::min();
    }

    /// When to do that next.
    time_point keep_alive_is_due() const {
        const auto every = chosen_.keep_alive_every;
        if (!is_tended_ || is_closed || every <= every.zero()) return time_point::max();
        if (is_paused) return now() + std::min<std::chrono::nanoseconds>(every, std::chrono::seconds{1});
        return std::min(now(), oldest_kept_alive_) + every;
    }

    void keep_up() {
        for (const auto& [of, wanted] : targets_) open_ahead(of, wanted, false);
    }
    void end_min_idle() { targets_.clear(); }

private:
    /// Returns whether it ends well.
    bool call(expected_call::kind what, int id) {
        const condition how = condition_of(id);
        calls_.push_back({what, id, how, stats()});
        if (how == condition::dying) gone_.insert(id);
        happen(how);
        return how != condition::sick;
    }

    /// What happens to the pool meanwhile.
    void happen(condition how) {
        if (how == condition::outdating) invalidate();
        if (how == condition::pausing) pause();
    }

    void keep_alive(int id) {
        const auto place = find(idle_, id) - idle_.begin();
        entry its = idle_[static_cast<std::size_t>(place)];
        remove(idle_, id);
        lent_.push_back(its);
        ++figures.checking;
        const bool is_alive = call(expected_call::kind::keep_alive, id);
        --figures.checking;
        if (!is_alive) return closing_own_and_one([&] { retire_lent(id, figures.failed_keep_alives); });
        if (find(lent_, id)->is_outdated) return closing_own_and_one([&] { retire_lent(id, figures.invalidated); });
        ++figures.kept_alive;
        its.heard = now();
        its.due = std::min(its.due, due_of(its));
        remove(lent_, id);
        idle_.insert(idle_.begin() + place, its);
    }

    std::size_t open_ahead(std::size_t of, std::size_t wanted, bool includes_lent) {
        std::size_t opened_ones = 0;
        has_failed_ahead_ = false;
        const auto present = [&] { return idle_of(of) + (includes_lent ? count(lent_, of) : 0); };
        while (present() < wanted && idle_.size() < bounds_.in_all && idle_of(of) < bounds_.of[of] &&
               idle_weight() < bounds_.weight && lends()) {
            const std::optional<int> id = dial_ahead();
            has_failed_ahead_ = !id;
            if (!id) break;
            closing_own_and(bounds_.bounds_open ? 0 : 1, [&] { keep_ahead(opened(*id, of)); });
            if (find(idle_, *id) == idle_.end()) break;
            ++opened_ones;
        }
        return opened_ones;
    }

    /// Returns the connection, unless the dial fails, or too many in a row are outdated.
    std::optional<int> dial_ahead() {
        for (int n = 0; n != pool::core::most_outdated; ++n) {
            const int id = net_.dials() + 1 + dials_under_way();
            const condition how = next_dial();
            calls_.push_back({expected_call::kind::dial, id, how, dialing()});
            happen(how);
            if (how == condition::sick) return ++figures.failed_dials, std::nullopt;
            if (how != condition::outdating) return ++figures.dials, id;
            end_outdated_dial(id);
        }
        return std::nullopt;
    }

    condition next_dial() {
        std::size_t& left = plan.good != 0 ? plan.good : plan.odd;
        const condition how = plan.good == 0 && plan.odd != 0 ? plan.how : condition::well;
        left -= left != 0 && left != pool::no_limit;
        return how;
    }

    /// No other one is closed to make room for its weight.
    void keep_ahead(const entry& fresh) {
        const bool has_room = weight_of(fresh.id) <= bounds_.weight - std::min(bounds_.weight, idle_weight());
        keep(fresh, !has_room);
    }

    /// The dials that end well, and that the pool has not made yet.
    int dials_under_way() const {
        return static_cast<int>(std::count_if(calls_.begin(), calls_.end(), [](const expected_call& each) {
            return each.what == expected_call::kind::dial && each.how != condition::sick;
        }));
    }

    /// The figures during a dial: a pool that bounds what is open counts it.
    pool::stats dialing() const {
        pool::stats all = stats();
        all.dialing = bounds_.bounds_open;
        return all;
    }

    template <class Duration>
    time_point next_time(Duration after, time_point entry::*from) const {
        time_point next = time_point::max();
        if (!is_tended_ || after <= after.zero()) return next;
        for (const entry& each : idle_)
            if (each.*from + after > now()) next = std::min(next, each.*from + after);
        return next;
    }

    const bool is_tended_;
    bool has_failed_ahead_ = false;
    std::map<int, condition> conditions_;  ///< of those that are not well
    std::set<int> gone_;                   ///< those whose peer has gone in a hook
    std::deque<expected_call> calls_;
    std::vector<std::pair<std::size_t, std::size_t>> targets_;  ///< keys, and how many are kept idle
    time_point oldest_kept_alive_{};  ///< when the first was heard of, of those that the last upkeep has left alone
};

}  // namespace histories
