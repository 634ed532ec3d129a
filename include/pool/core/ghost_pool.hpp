// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include <pool/core/ghost_rules.hpp>
#include <pool/settings.hpp>

/// @file
/// A pool of ghosts: a simulated pool that has other bounds than the real one.

namespace pool::core {

/// Does what a pool with other bounds would have done, given the same callers. Its connections are records without a
/// connection: the hash of a key, a place in the order of the give-backs, and an expiry time. Keys with equal hashes are one
/// key.
///
/// A caller that the real pool serves at once begins and ends here when it does there. So where nobody waits, the
/// simulation is exact. A caller that waits there, and not here, ends after a time that others have held a connection for.
///
/// It keeps `most_idle` idle connections and `most_waiting` waiting callers at most. Each function takes O(log n), and the
/// end of a use O(n) in the waiting callers that are at a bound of their key. If there is no memory, a function throws, and
/// the simulation is of no use any more. Not thread-safe.
class ghost_pool {
public:
    using time = std::chrono::nanoseconds;  ///< of the clock of the pool, since its epoch

    static constexpr std::size_t most_idle = 16'384;    ///< further ones take the places of the oldest
    static constexpr std::size_t most_waiting = 1'024;  ///< further callers are counted, and not simulated

    /// An empty pool, which lends in this order.
    explicit ghost_pool(reuse_order order) noexcept : order_{order} {}

    std::uint64_t dials() const noexcept { return dials_; }           ///< that its callers have begun
    std::uint64_t waits() const noexcept { return waits_; }           ///< callers that had to wait
    std::size_t idle() const noexcept { return ages_.size(); }        ///< idle connections
    std::size_t busy() const noexcept { return busy_; }               ///< connections that are lent, or being dialled
    std::size_t waiting() const noexcept { return waiting_.size(); }  ///< callers that wait

    /// From now on, the figures are those of what comes.
    void count_anew() noexcept { dials_ = waits_ = 0; }

    // Callers.

    /// A caller comes that the real pool serves at once. `assumed` is how long its use is, if that is known, and if the use is
    /// not the same in both pools, because the caller waits here, or because it dials in only one of them. Returns whether the
    /// use is the same: then `give_back` or `lose` is its end. The later a caller comes, the greater is its `ticket`.
    bool serve_at_once(std::size_t hash, const ghost_bounds& bounds, time now, real_service there, std::uint64_t ticket,
        const std::optional<use_times>& assumed) {
        key_state& of = begin(hash, bounds, now);
        if (assumed) dial_time_ = assumed->dial;
        const started how = start(of, hash, now, !assumed, there == real_service::dials_anyway);
        waits_ += !how.is_served || how.after_a_close;
        const bool dials_in_one = how.dials != (there != real_service::lends);
        const bool is_same = how.is_served && !(dials_in_one && assumed && assumed->has_slow_dial());
        if (!is_same) go_on(of, hash, now, ticket, assumed, how);
        end(of, hash);
        return is_same;
    }

    /// A caller comes that has to wait in the real pool. Here its use is as long as `assumed`. Without that, nobody knows for
    /// how long, and it waits.
    void ask(std::size_t hash, const ghost_bounds& bounds, time now, std::uint64_t ticket,
        const std::optional<use_times>& assumed) {
        key_state& of = begin(hash, bounds, now);
        if (assumed) dial_time_ = assumed->dial;
        const started how = assumed ? start(of, hash, now, false, false) : started{};
        waits_ += !how.is_served || how.after_a_close;
        go_on(of, hash, now, ticket, assumed, how);
        end(of, hash);
    }

    /// A caller that had to wait in the real pool gets its connection there, or began to dial it at `since`. Returns whether
    /// that is when its use begins here, too, or up to `slack` later: then `give_back` or `lose` is its end here.
    bool catch_up(
        std::size_t hash, const ghost_bounds& bounds, time now, std::uint64_t ticket, time since, time slack) {
        key_state& of = begin(hash, bounds, now);
        const auto its = [&](const use& each) { return each.ticket == ticket; };
        const auto run = std::find_if(of.runs.begin(), of.runs.end(), its);
        const auto waits = waiting_.find(ticket);
        bool is_same = true;
        if (waits != waiting_.end()) {
            is_same = start(of, hash, now, !waits->second.assumed, false).is_served;
            if (is_same) {
                waiting_.erase(waits);
                --of.waiting;
            }
        } else if (run != of.runs.end() && since - run->begin <= slack) {
            running_.erase({run->end, run->ticket});
            of.runs.erase(run);
        } else {
            is_same = false;
        }
        end(of, hash);
        return is_same;
    }

    /// A caller that waits in the real pool leaves.
    void leave(std::size_t hash, std::uint64_t ticket) noexcept {
        if (waiting_.erase(ticket) == 0) return;
        key_state& of = keys_.find(hash)->second;
        --of.waiting;
        end(of, hash);
    }

    /// A connection comes in, and is idle until it expires. `was_busy`: a caller had it here, too.
    void give_back(
        std::size_t hash, const ghost_bounds& bounds, time now, time expires_at, std::uint64_t number, bool was_busy) {
        key_state& of = begin(hash, bounds, now);
        lives_ = expires_at == time::max() ? time::max() : expires_at - now;
        if (was_busy) free(of);
        push(of, hash, {++last_age_, expires_at, number});
        serve(now);
        trim(hash);
    }

    /// A connection that a caller had here, too, does not come back.
    void lose(std::size_t hash, time now) {
        advance(now);
        const auto found = keys_.find(hash);
        if (found == keys_.end()) return;
        free(found->second);
        serve(now);
        trim(hash);
    }

    // Idle connections that go for another reason than a bound.

    /// The connection with this number was idle, and is dead. O(n) in how far it is from either end of the idle ones of its key:
    /// a pool finds the dead ones at the end that it lends from, or sweeps from the oldest on.
    void remove(std::size_t hash, std::uint64_t number) noexcept {
        const auto found = keys_.find(hash);
        if (found == keys_.end()) return;
        auto& idle = found->second.idle;
        for (std::size_t i = 0; i < (idle.size() + 1) / 2; ++i) {
            for (const std::size_t place : {i, idle.size() - 1 - i}) {
                if (idle[place].number != number) continue;
                ages_.erase(idle[place].age);
                idle.erase(idle.begin() + static_cast<std::ptrdiff_t>(place));
                return end(found->second, hash);
            }
        }
    }

    /// Those have expired that the oldest ones show to be due.
    void expire(time now) noexcept {
        while (!ages_.empty() && is_due(keys_.find(ages_.begin()->second)->second.idle.front(), now))
            pop(ages_.begin());
    }

    /// All are gone.
    void clear() noexcept {
        while (!ages_.empty()) pop(ages_.begin());
    }

    /// Those of a key are gone.
    void clear(std::size_t hash) noexcept {
        const auto found = keys_.find(hash);
        if (found == keys_.end()) return;
        while (!found->second.idle.empty()) pop_oldest(found->second);
        end(found->second, hash);
    }

private:
    /// An idle connection.
    struct ghost {
        std::uint64_t age;     ///< the lower, the older
        time expires_at;       ///< max() is never
        std::uint64_t number;  ///< of the connection that came in then
    };
    /// A use that ends at a time that is known.
    struct use {
        time begin, end;
        std::uint64_t ticket;  ///< of its caller
    };
    struct key_state {
        std::deque<ghost> idle;  ///< the oldest first
        std::deque<use> runs;    ///< in the order in which they began
        std::size_t busy = 0;    ///< `runs` are a part of that
        std::size_t dials = 0;   ///< that have not ended
        std::size_t waiting = 0;
        ghost_bounds bounds;
    };
    struct caller {
        std::size_t hash;
        std::optional<use_times> assumed;
    };
    using ages = std::map<std::uint64_t, std::size_t>;
    using uses = std::map<std::pair<time, std::uint64_t>, std::size_t>;

    /// How a caller was served.
    struct started {
        bool is_served = false;
        bool dials = false;
        bool after_a_close = false;  ///< of a connection of another key, to make room
    };

    static time later(time at, time by) noexcept {
        return at > time::zero() && by > time::max() - at ? time::max() : at + by;
    }
    static bool is_due(const ghost& of, time now) noexcept {
        return of.expires_at <= now && of.expires_at != time::max();
    }

    key_state& begin(std::size_t hash, const ghost_bounds& bounds, time now) {
        advance(now);
        max_idle_ = std::min(bounds.idle, most_idle);
        max_open_ = bounds.open;
        key_state& of = keys_[hash];
        of.bounds = bounds;
        return of;
    }
    void end(const key_state& of, std::size_t hash) noexcept {
        if (of.idle.empty() && of.busy == 0 && of.waiting == 0 && of.dials == 0) keys_.erase(hash);
    }

    /// A caller that was served has its connection for as long as is assumed. Any other waits.
    void go_on(key_state& of, std::size_t hash, time now, std::uint64_t ticket, const std::optional<use_times>& assumed,
        started how) {
        if (how.is_served) {
            run(of, hash, now, ticket, assumed->of(how.dials));
        } else if (waiting_.size() != most_waiting) {
            waiting_.emplace(ticket, caller{hash, assumed});
            ++of.waiting;
        }
    }

    /// Serves a caller, if the bounds allow that, or if it `must` be.
    started start(key_state& of, std::size_t hash, time now, bool must, bool wants_fresh) {
        if (!wants_fresh && lend(of, now)) return add_busy(of), started{.is_served = true};
        const bool has_room = of.busy + of.idle.size() < of.bounds.open_of_key && of.dials < of.bounds.dials_of_key;
        if (!has_room && !must) return {};
        const bool is_full = busy_ + ages_.size() >= max_open_;
        const bool is_closed_for_it = is_full && pop_oldest_but(hash);
        if (is_full && !is_closed_for_it && !must) return {};
        add_busy(of);
        ++dials_;
        if (of.bounds.dials_of_key != ghost_bounds::none && dial_time_ != time{}) {
            ++of.dials;
            dial_ends_.emplace(later(now, dial_time_), hash);
        }
        return {.is_served = true, .dials = true, .after_a_close = is_closed_for_it};
    }

    /// Lends an idle connection that is not due, in the order of reuse.
    bool lend(key_state& of, time now) noexcept {
        while (!of.idle.empty()) {
            const bool is_oldest = order_ == reuse_order::oldest_first;
            const ghost found = is_oldest ? of.idle.front() : of.idle.back();
            ages_.erase(found.age);
            is_oldest ? of.idle.pop_front() : of.idle.pop_back();
            if (!is_due(found, now)) return true;
        }
        return false;
    }

    void add_busy(key_state& of) noexcept {
        ++of.busy;
        ++busy_;
    }
    void free(key_state& of) noexcept {
        if (of.busy == of.runs.size()) return;  // it was lent before this simulation began
        --of.busy;
        --busy_;
    }

    /// A use ends so much later.
    void run(key_state& of, std::size_t hash, time now, std::uint64_t ticket, time length) {
        const use its{now, later(now, length), ticket};
        running_.emplace(std::pair{its.end, its.ticket}, hash);
        of.runs.push_back(its);
    }

    /// Ends the uses and the dials that have ended by now, each at its time.
    void advance(time now) {
        for (;;) {
            const time run_ends = running_.empty() ? time::max() : running_.begin()->first.first;
            const time dial_ends = dial_ends_.empty() ? time::max() : dial_ends_.begin()->first;
            const time at = std::min(run_ends, dial_ends);
            if (at > now || at == time::max()) return;
            const std::size_t hash = run_ends <= dial_ends ? end_run(running_.begin(), at) : end_dial();
            serve(at);
            trim(hash);
        }
    }

    std::size_t end_dial() noexcept {
        const std::size_t hash = dial_ends_.begin()->second;
        dial_ends_.erase(dial_ends_.begin());
        --keys_.find(hash)->second.dials;
        return hash;
    }

    /// A use ends, and its connection is idle. Returns the hash of its key.
    std::size_t end_run(uses::iterator ended, time at) {
        const std::uint64_t ticket = ended->first.second;
        const std::size_t hash = ended->second;
        key_state& of = keys_.find(hash)->second;
        of.runs.erase(
            std::find_if(of.runs.begin(), of.runs.end(), [&](const use& each) { return each.ticket == ticket; }));
        running_.erase(ended);
        --of.busy;
        --busy_;
        push(of, hash, {++last_age_, later(at, lives_), 0});
        return hash;
    }

    void push(key_state& of, std::size_t hash, const ghost& added) {
        of.idle.push_back(added);
        ages_.emplace_hint(ages_.end(), added.age, hash);
    }

    /// Serves the callers that wait and can be served, the oldest first.
    void serve(time now) {
        for (auto next = waiting_.begin(); next != waiting_.end() && busy_ < max_open_;) {
            const caller& asking = next->second;
            key_state& of = keys_.find(asking.hash)->second;
            const started how = asking.assumed ? start(of, asking.hash, now, false, false) : started{};
            if (!how.is_served) {
                ++next;
                continue;
            }
            run(of, asking.hash, now, next->first, asking.assumed->of(how.dials));
            --of.waiting;
            next = waiting_.erase(next);
        }
    }

    /// Closes the oldest idle connections that exceed a bound: first those of a key, then those of all.
    void trim(std::size_t hash) noexcept {
        if (const auto found = keys_.find(hash); found != keys_.end()) {
            key_state& of = found->second;
            const auto exceeds = [&] {
                return of.idle.size() > of.bounds.idle_of_key || of.idle.size() + of.busy > of.bounds.open_of_key;
            };
            while (!of.idle.empty() && exceeds()) pop_oldest(of);
            end(of, hash);
        }
        while (!ages_.empty() && (ages_.size() > max_idle_ || ages_.size() + busy_ > max_open_)) pop(ages_.begin());
    }

    void pop_oldest(key_state& of) noexcept {
        ages_.erase(of.idle.front().age);
        of.idle.pop_front();
    }
    /// The same, and ends the key.
    void pop(ages::iterator oldest) noexcept {
        const std::size_t hash = oldest->second;
        key_state& of = keys_.find(hash)->second;
        ages_.erase(oldest);
        of.idle.pop_front();
        end(of, hash);
    }
    /// The same for the oldest of another key than `hash`. Returns whether there was one.
    bool pop_oldest_but(std::size_t hash) noexcept {
        const auto is_other = [&](const auto& each) { return each.second != hash; };
        const auto found = std::find_if(ages_.begin(), ages_.end(), is_other);
        if (found == ages_.end()) return false;
        pop(found);
        return true;
    }

    reuse_order order_;
    std::unordered_map<std::size_t, key_state> keys_;
    ages ages_;                                   ///< the keys of the idle connections, the oldest first
    std::map<std::uint64_t, caller> waiting_;     ///< by their tickets
    std::multimap<time, std::size_t> dial_ends_;  ///< the keys of the dials that run, if they are bounded
    time dial_time_{};                            ///< how long they take
    uses running_;  ///< the keys of the uses whose ends are assumed, by these, and by the tickets of their callers
    std::size_t busy_ = 0;
    std::size_t max_idle_ = ghost_bounds::none;
    std::size_t max_open_ = ghost_bounds::none;
    std::uint64_t last_age_ = 0;
    std::uint64_t dials_ = 0;
    std::uint64_t waits_ = 0;
    time lives_ = time::max();  ///< how long the last connection that came in may be idle
};

}  // namespace pool::core
