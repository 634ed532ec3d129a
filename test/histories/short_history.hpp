// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include <pool/policies/capacity.hpp>

#include <histories/operations.hpp>
#include <support/chance.hpp>

/// @file
/// A short history of a pool and of its model: a sequence of operations over two keys.
///
/// Left out is only what cannot happen, or is another history by another name: the end of a lease when there is none, a
/// second death of a connection; the second key before the first one was used.

namespace histories {

/// Which operations there are.
enum class alphabet {
    main,    ///< those that lend, give back and retire
    tended,  ///< also those of connections with hooks, and of connections that are opened ahead
    paused,  ///< also those of pools that are invalidated and paused
    whole,  ///< those of `main`, those that differ from another one only in part, and those that end or change the pool
};

/// One history. Its choices decide which operations it has.
class short_history : operations, chance {
public:
    short_history(const policies& kind, const settings& chosen, alphabet letters, choice_source& from,
        std::function<bool()> is_new, teller& tell)
        : operations{kind, std::move(is_new), tell},
          chance{from},
          chosen_{chosen},
          letters_{letters} {
        possible_.reserve(64);
        begin(chosen);
    }

    void run() {
        while (begin_operation() && operate()) {
        }
        if (has_pool_) ask_next_expiry();
        end_all();
    }

private:
    struct operation {
        void (short_history::*what)(std::size_t);
        std::size_t which;  ///< key or connection
    };

    /// Returns false if nothing can happen any more.
    bool operate() {
        possible_.clear();
        if (has_pool_) offer_of_keys();
        offer_of_connections();
        if (has_pool_) offer_of_pool();
        if (possible_.empty()) return false;
        const operation chosen = possible_[below(possible_.size())];
        (this->*chosen.what)(chosen.which);
        return true;
    }

    void offer(void (short_history::*what)(std::size_t), std::size_t which = 0) { possible_.push_back({what, which}); }
    bool is_whole() const { return letters_ == alphabet::whole; }
    bool is_tended() const { return letters_ == alphabet::tended; }
    bool is_paused() const { return letters_ == alphabet::paused; }

    void offer_of_keys() {
        for (std::size_t of = 0; of != std::min<std::size_t>(used_keys_ + 1, 2); ++of) {
            const bool has_idle = model_->stats(of).idle != 0;
            offer(&short_history::acquires, of);
            offer(&short_history::puts, of);
            if (is_paused()) {
                offer_to_invalidate(of, has_idle);
                continue;
            }
            if (has_idle || is_whole()) offer(&short_history::takes, of);
            if (has_idle && !is_tended()) offer(&short_history::clears, of);
            if (is_tended()) offer_ahead(of, has_idle);
            if (!is_whole()) continue;
            offer(&short_history::tries, of);
            offer(&short_history::dials_in_vain, of);
            offer(&short_history::puts_closed, of);
            if (!model_->lends()) continue;
            offer(&short_history::calls, of);
            offer(&short_history::calls_in_vain, of);
            offer(&short_history::streams, of);
            offer(&short_history::drops_stream, of);
        }
    }

    void offer_ahead(std::size_t of, bool has_idle) {
        if (has_idle) offer(&short_history::tries, of);
        offer(&short_history::prewarms, of);
        offer(&short_history::keeps_idle, of);
    }

    void offer_to_invalidate(std::size_t of, bool has_idle) {
        if (has_idle) offer(&short_history::tries, of);
        if (has_idle || model_->stats(of).lent != 0) offer(&short_history::invalidates, of);
        if (!model_->is_paused && !has_idle) offer(&short_history::dials_outdated, of);
        offer(&short_history::prewarms_outdated, of);
    }

    void offer_of_connections() {
        for (const auto& each : model_->lent()) {
            const auto id = static_cast<std::size_t>(each.id);
            const bool is_last = each.id == model_->lent().back().id;
            offer(&short_history::gives_back, id);
            if (is_paused()) {
                offer_of_hooks(id);
                continue;
            }
            if (is_last || is_whole()) offer(&short_history::discards, id);
            if (is_whole()) offer(&short_history::detaches, id);
            if (is_tended()) offer_of_hooks(id);
            if ((is_last || is_whole()) && !net_[each.id].dead) offer(&short_history::dies, id);
            if (is_whole() && !net_[each.id].dead) offer(&short_history::blocks, id);
        }
        for (const auto& each : model_->idle()) {
            const auto id = static_cast<std::size_t>(each.id);
            if (net_[each.id].dead) continue;
            if (is_paused()) {
                offer_of_hooks(id);
                continue;
            }
            offer(&short_history::dies, id);
            offer(&short_history::blocks, id);
            if (is_tended()) offer_of_hooks(id);
        }
    }

    void offer_of_hooks(std::size_t id) {
        if (!kind_.is_tended || model_->condition_of(static_cast<int>(id)) != condition::well) return;
        if (is_paused()) {
            offer(&short_history::outdates, id);
            offer(&short_history::stops_all, id);
            return;
        }
        offer(&short_history::sickens, id);
        offer(&short_history::is_doomed, id);
    }

    void offer_of_pool() {
        const bool has_idle = !model_->idle().empty();
        const time_point due = next_due();
        const bool is_timed = due != time_point::max();
        if (is_timed && due > clock_.now() + tick) offer(&short_history::waits_until_due);
        if (is_tended()) return offer_upkeep();
        if (is_paused()) return offer_pause();
        if (has_idle || model_->has_unclosed()) offer(&short_history::expires);
        if (!is_whole()) return;
        if (is_timed && due > clock_.now() + 2 * tick) offer(&short_history::waits_until_nearly_due);
        offer(&short_history::keeps_up);
        offer(&short_history::asks_next_expiry);
        offer(&short_history::clears_all);
        offer(&short_history::narrows);
        offer(&short_history::widens);
        offer(&short_history::closes);
        offer(&short_history::ends);
    }

    void offer_upkeep() {
        offer(&short_history::keeps_up);
        if (is_ahead(model_->next_check())) offer(&short_history::waits_until_check);
        if (is_ahead(model_->next_keep_alive())) offer(&short_history::waits_until_keep_alive);
    }
    void offer_pause() {
        offer(&short_history::invalidates_all);
        if (model_->is_paused) offer(&short_history::resumes);
        else offer(&short_history::pauses);
        offer(&short_history::keeps_up);
        if (is_ahead(model_->next_keep_alive())) offer(&short_history::waits_until_keep_alive);
    }
    bool is_ahead(time_point when) const { return when != time_point::max() && when > clock_.now() + tick; }

    void use(std::size_t of) { used_keys_ = std::max(used_keys_, of + 1); }

    void acquires(std::size_t of) { use(of), acquire(of); }
    void puts(std::size_t of) { use(of), put_new(of); }
    void takes(std::size_t of) { use(of), take(of); }
    void clears(std::size_t of) { clear(of); }
    void tries(std::size_t of) { use(of), try_acquire(of); }
    void dials_in_vain(std::size_t of) { use(of), acquire(of, condition::sick); }
    void dials_outdated(std::size_t of) { use(of), acquire(of, condition::outdating); }
    void puts_closed(std::size_t of) {
        use(of);
        fake::connection closed = net_.dial();
        closed.far().dead = true;
        put(of, std::move(closed));
    }
    void calls(std::size_t of) { use(of), invoke(of, false, false); }
    void calls_in_vain(std::size_t of) { use(of), invoke(of, true, false); }
    void streams(std::size_t of) { use(of), stream(of, false); }
    void drops_stream(std::size_t of) { use(of), stream(of, true); }
    void prewarms(std::size_t of) { use(of), prewarm(of, 2); }
    void prewarms_outdated(std::size_t of) { use(of), prewarm(of, 2, {1, 1, condition::outdating}); }
    void invalidates(std::size_t of) { invalidate(of); }
    void outdates(std::size_t id) { set_condition(static_cast<int>(id), condition::outdating); }
    void stops_all(std::size_t id) { set_condition(static_cast<int>(id), condition::pausing); }
    void invalidates_all(std::size_t) { invalidate(); }
    void pauses(std::size_t) { pause(); }
    void resumes(std::size_t) { resume(); }
    void keeps_idle(std::size_t of) { use(of), min_idle(of, 1); }
    void sickens(std::size_t id) { set_condition(static_cast<int>(id), condition::sick); }
    void is_doomed(std::size_t id) { set_condition(static_cast<int>(id), condition::dying); }
    void gives_back(std::size_t id) { end_lease(static_cast<int>(id), lease_end::give_back); }
    void discards(std::size_t id) { end_lease(static_cast<int>(id), lease_end::discard); }
    void detaches(std::size_t id) { end_lease(static_cast<int>(id), lease_end::detach); }
    void dies(std::size_t id) { kill(static_cast<int>(id)); }
    void blocks(std::size_t id) { block(static_cast<int>(id)); }
    void expires(std::size_t) { expire(); }
    void keeps_up(std::size_t) { upkeep(); }
    void asks_next_expiry(std::size_t) { ask_next_expiry(); }
    void clears_all(std::size_t) { clear(); }
    void closes(std::size_t) { close(); }
    void ends(std::size_t) { end_pool(); }

    /// To bounds that are lower, or the same.
    void narrows(std::size_t) {
        reconfigure(std::min<std::size_t>(chosen_.max_idle, 1), std::min<std::size_t>(chosen_.max_idle_per_key, 1));
    }
    void widens(std::size_t) { reconfigure(pool::no_limit, pool::no_limit); }

    /// The next operation happens at the moment when the first connection expires, or just before. An operation takes a
    /// tick.
    void waits_until_due(std::size_t) { wait_until(next_due()); }
    void waits_until_check(std::size_t) { wait_until(model_->next_check()); }
    void waits_until_keep_alive(std::size_t) { wait_until(model_->next_keep_alive()); }
    void wait_until(time_point when) { advance(when - clock_.now() - tick); }
    void waits_until_nearly_due(std::size_t) { advance(next_due() - clock_.now() - 2 * tick); }

    time_point next_due() const {
        time_point next = time_point::max();
        for (const auto& each : model_->idle()) next = std::min(next, each.due);
        return next;
    }

    const settings chosen_;
    const alphabet letters_;
    std::size_t used_keys_ = 0;
    std::vector<operation> possible_;
};

/// The settings of short histories, for each order of reuse. What a test is about is for the test to set.
inline std::array<settings, 2> in_both_orders(std::size_t max_idle) {
    using std::chrono::microseconds;
    settings each{.max_idle = max_idle,
        .max_idle_per_key = pool::no_limit,
        .ttl = microseconds{100},
        .lifetime = {microseconds{150}, 0.2, 1}};
    settings other = each;
    other.reuse = pool::reuse_order::newest_first;
    other.is_observed = false;  // to be told of costs as much as the rest of a history
    return {each, other};
}

/// Runs every history of so many operations. Returns how much that was.
inline counts run_every_short(
    const policies& kind, const settings& chosen, alphabet letters, std::size_t operations) {
    const auto run = [&](choice_source& from, const std::function<bool()>& is_new, teller& tell) {
        short_history{kind, chosen, letters, from, is_new, tell}.run();
    };
    return run_every_way(run, operations);
}

/// The pools of all policies, in four groups.
inline std::array<std::span<const policies>, 4> pools_of_all_kinds() {
    return {pools_with_hooks(), pools_that_expire(), pools_that_never_expire(), pools_that_bound_open()};
}

}  // namespace histories
