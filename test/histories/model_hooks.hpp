// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

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
    sick,   ///< they fail
    dying,  ///< they end well, and the peer goes during the next one
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

    /// How many dials of connections ahead end well, before all others fail.
    std::size_t good_dials = pool::no_limit;
    /// Whether the last prewarm has ended by such a failure.
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

    /// Whether a new connection is kept, if there is room, and stays. Only then may connections be opened ahead.
    bool keeps_new() const { return !bounds_.has_weight && due_of_new() > now(); }

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
        if (!is_tended_ || every <= every.zero()) return;
        oldest_kept_alive_ = now();
        for (const entry& each : std::vector{idle_}) {
            if (is_dead(each.id) || net_[each.id].blocked) continue;
            if (each.heard > now() - every) oldest_kept_alive_ = std::min(oldest_kept_alive_, each.heard);
            else keep_alive(each.id);
        }
    }

    /// When to do that next.
    time_point keep_alive_is_due() const {
        const auto every = chosen_.keep_alive_every;
        if (!is_tended_ || is_closed || every <= every.zero()) return time_point::max();
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
        return how != condition::sick;
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
        while (present() < wanted && idle_.size() < bounds_.in_all && idle_of(of) < bounds_.of[of] && !is_closed) {
            const int id = net_.dials() + 1 + dials_under_way();
            const bool fails = good_dials == 0;
            good_dials -= good_dials != 0 && good_dials != pool::no_limit;
            calls_.push_back({expected_call::kind::dial, id, fails ? condition::sick : condition::well, dialing()});
            if (fails) {
                ++figures.failed_dials;
                has_failed_ahead_ = true;
                return opened_ones;
            }
            ++figures.dials;
            closing_own_and(bounds_.bounds_open ? 0 : 1, [&] { keep(opened(id, of), false); });
            ++opened_ones;
        }
        return opened_ones;
    }

    /// The good dials that the pool has not made yet.
    int dials_under_way() const {
        return static_cast<int>(std::count_if(calls_.begin(), calls_.end(), [](const expected_call& each) {
            return each.what == expected_call::kind::dial && each.how == condition::well;
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
