// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <bounded/callers.hpp>
#include <support/histories.hpp>

/// @file
/// A short history of a pool that bounds the open connections, and of its model: a sequence of operations over two keys.
/// An operation may also happen within a close, a check or a dial of the one before. Callers that wait are requests
/// without a thread. Who is served leaves at once.
///
/// Left out is only what cannot happen, or is another history by another name: the second key before the first one was
/// used, an event that nobody sees.

namespace bounded_models {

/// Which operations there are.
enum class alphabet {
    main,     ///< those of callers that wait, as threads do; connections that are blocked, or die
    checked,  ///< the same, with the checks of connections, and those that are opened ahead
    paused,   ///< those of callers that wait in a pool that is invalidated and paused
    whole,    ///< all but those of `paused`
};

/// One history. Its choices decide which operations it has.
template <class Conn>
class short_history final : callers<Conn> {
    using base = callers<Conn>;
    using base::askers_, base::below, base::begin_operation, base::capacity_, base::checkers_, base::clock_;
    using base::depth_, base::has_operation, base::is_over_, base::leases_, base::model_, base::net_, base::one_in;
    using base::pool_;
    using typename base::caller_type, typename base::checker, typename base::lease;

public:
    short_history(const model_settings& chosen, alphabet letters, choice_source& from, histories::teller& tell)
        : base{from, tell},
          letters_{letters} {
        possible_.reserve(64);
        this->begin(chosen);
    }

    void run() {
        while (begin_operation()) operate();
        if (pool_) this->end_pool();
        while (this->wind_up([](std::size_t) { return std::size_t{0}; })) {
        }
        this->end_state();
    }

private:
    using action = void (short_history::*)(std::size_t);
    struct operation {
        action what;
        std::size_t which;  ///< key, connection, or place among the callers or leases
    };

    /// An operation takes a nanosecond. After `submit` and a while, the next one happens at the deadline.
    static constexpr std::chrono::nanoseconds a_while{8}, deadline{a_while + std::chrono::nanoseconds{2}};
    static constexpr std::size_t keys_used = 2;

    void operate() {
        possible_.clear();
        if (pool_) offer_of_keys();
        offer_of_callers();
        offer_of_connections();
        if (pool_) offer_of_pool();
        if (possible_.empty()) return;
        const operation chosen = possible_[below(possible_.size())];
        (this->*chosen.what)(chosen.which);
        if (depth_ == 0) those_served_leave();
    }

    /// The next operation may happen within the close.
    void meanwhile() override {
        if (!is_over_ && pool_ && depth_ == 1 && has_operation() && one_in(2) && begin_operation()) operate();
    }

    void those_served_leave() {
        for (;;) {
            const auto found =
                std::find_if(askers_.begin(), askers_.end(), [](const auto& each) { return base::is_over(*each); });
            if (found == askers_.end()) return;
            this->leave(**found);
        }
    }

    bool is_checked() const { return letters_ == alphabet::checked; }
    bool is_whole() const { return letters_ == alphabet::whole; }
    bool is_paused() const { return letters_ == alphabet::paused; }
    void offer(action what, std::size_t which = 0) { possible_.push_back({what, which}); }

    void offer_of_keys() {
        for (std::size_t of = 0; of != std::min(used_keys_ + 1, keys_used); ++of) {
            const bool has_idle = model_->stats(of).idle != 0;
            offer(&short_history::asks, of);
            if (has_idle || is_whole()) offer(&short_history::tries, of);
            if (base::is_checked) offer(&short_history::prewarms, of);
            if (is_paused()) {
                offer(&short_history::asks_async, of);
                if (!base::is_checked) offer(&short_history::puts, of);
                if (of < used_keys_) offer(&short_history::invalidates, of);
                continue;
            }
            if (!is_checked()) offer(&short_history::asks_for_a_while, of);
            if (!is_whole()) continue;
            offer(&short_history::puts, of);
            offer(&short_history::asks_async, of);
            offer(&short_history::takes, of);
            if (has_idle) offer(&short_history::clears, of);
        }
    }

    void offer_of_callers() {
        for (std::size_t i = 0; i != askers_.size(); ++i) {
            const caller_type& each = *askers_[i];
            const model_request& its = *each.expected;
            if (!each.is_submitted() || base::is_over(each)) continue;
            if (base::has_begun_to_dial(each)) {
                offer(&short_history::dial_succeeds, i);
                offer(&short_history::dial_fails, i);
                if (its.leaves_while_dialing()) offer(&short_history::cancels, i);
                continue;
            }
            const bool can_look = its.is_notified || is_whole();
            if (can_look && its.state != request_state::closing) offer(&short_history::looks, i);
            if (its.state == request_state::promised) offer(&short_history::closes_for, i);
            offer(&short_history::cancels, i);
            if (is_whole() && !each.is_stopped) offer(&short_history::stops, i);
        }
    }

    void offer_of_connections() {
        for (std::size_t i = 0; i != checkers_.size(); ++i) {
            offer(&short_history::finds_healthy, i);
            offer(&short_history::finds_unhealthy, i);
            offer(&short_history::needs_no_healthy, i);
            offer(&short_history::needs_no_unhealthy, i);
        }
        for (std::size_t i = 0; i != leases_.size(); ++i) {
            offer(&short_history::gives_back, i);
            if (is_paused()) continue;
            offer(&short_history::discards, i);
            if (is_whole()) offer(&short_history::detaches, i);
        }
        for (const auto& each : model_->open_ones()) {
            if (net_[each.id].dead || is_paused()) continue;
            offer(&short_history::dies, static_cast<std::size_t>(each.id));
            if (is_checked()) continue;
            offer(&short_history::blocks, static_cast<std::size_t>(each.id));
        }
    }

    void offer_of_pool() {
        const pool::stats all = model_->stats();
        if (is_paused()) return offer_pause();
        if (all.idle + all.waiting != 0) offer(&short_history::waits);
        if (all.idle != 0 && all.waiting != 0) offer(&short_history::looks_again);
        if (all.idle + all.closing != 0) offer(&short_history::expires);
        if (!is_whole()) return;
        offer(&short_history::clears_all);
        offer(&short_history::narrows);
        offer(&short_history::widens);
        if (!model_->is_closed()) offer(&short_history::closes);
        if (depth_ == 0) offer(&short_history::ends);
    }

    void offer_pause() {
        if (used_keys_ == 0) return;
        offer(&short_history::interrupts_all);
        if (model_->stats().waiting != 0) offer(&short_history::waits);
        if (!model_->is_paused()) offer(&short_history::pauses);
        if (!model_->is_paused()) offer(&short_history::pauses_waiting);
        if (model_->is_paused()) offer(&short_history::resumes);
    }

    void use(std::size_t of) { used_keys_ = std::max(used_keys_, of + 1); }
    caller_type& caller(std::size_t i) { return *askers_[i]; }
    lease lease_at(std::size_t i) {
        lease its = std::move(leases_[i]);
        leases_.erase(leases_.begin() + static_cast<std::ptrdiff_t>(i));
        return its;
    }

    void asks(std::size_t of) { use(of), this->submit(of, true, time_point::max(), nullptr); }
    void asks_async(std::size_t of) { use(of), this->submit(of, false, time_point::max(), nullptr); }
    void asks_for_a_while(std::size_t of) { use(of), this->submit(of, true, clock_.now() + deadline, nullptr); }
    void tries(std::size_t of) { use(of), this->try_acquire(of); }
    void puts(std::size_t of) { use(of), this->put(of, net_.dial()); }
    void takes(std::size_t of) {
        use(of);
        if (auto got = this->take(of)) this->hang_up(std::move(*got));
    }
    void prewarms(std::size_t of) { use(of), this->prewarm(of, 2); }
    checker checker_at(std::size_t i) {
        const checker its = checkers_[i];
        checkers_.erase(checkers_.begin() + static_cast<std::ptrdiff_t>(i));
        return its;
    }
    void finds_healthy(std::size_t i) { this->end_check(checker_at(i), true); }
    void finds_unhealthy(std::size_t i) { this->end_check(checker_at(i), false); }
    void needs_no_healthy(std::size_t i) { this->end_check_alone(checker_at(i), true); }
    void needs_no_unhealthy(std::size_t i) { this->end_check_alone(checker_at(i), false); }
    void clears(std::size_t of) { this->clear(of); }
    void invalidates(std::size_t of) { this->invalidate(of, {.fail_waiting = true}); }
    void interrupts_all(std::size_t) { this->invalidate(std::nullopt, {.interrupt = true}); }
    void pauses(std::size_t) { this->pause(false); }
    void pauses_waiting(std::size_t) { this->pause(true); }
    void resumes(std::size_t) { this->resume(); }
    void looks(std::size_t i) { this->look(caller(i)); }
    void closes_for(std::size_t i) { this->close_for(caller(i)); }
    void cancels(std::size_t i) { this->cancel(caller(i)); }
    void stops(std::size_t i) { this->stop(caller(i)); }
    void dial_succeeds(std::size_t i) { this->end_dial(caller(i), false); }
    void dial_fails(std::size_t i) { this->end_dial(caller(i), true); }
    void gives_back(std::size_t i) { this->give_back(lease_at(i)); }
    void discards(std::size_t i) { this->discard(lease_at(i)); }
    void detaches(std::size_t i) { this->hang_up(this->detach(lease_at(i))); }
    void dies(std::size_t id) { this->kill(static_cast<int>(id)); }
    void blocks(std::size_t id) { this->block(static_cast<int>(id)); }
    void waits(std::size_t) { this->advance(a_while); }
    void looks_again(std::size_t) { this->look_again(); }
    void expires(std::size_t) { this->expire(); }
    void clears_all(std::size_t) { this->clear(); }
    void closes(std::size_t) { this->close(); }
    void ends(std::size_t) { this->end_pool(); }

    /// One connection less may be open, and none idle.
    void narrows(std::size_t) {
        bounds fresh = capacity_;
        fresh.max_open = fresh.max_open() == pool::no_limit ? 1 : std::max<std::size_t>(fresh.max_open(), 2) - 1;
        fresh.max_idle = 0;
        this->reconfigure(fresh);
    }
    void widens(std::size_t) { this->reconfigure({.max_open = 3, .patience = capacity_.patience}); }

    const alphabet letters_;
    std::size_t used_keys_ = 0;
    std::vector<operation> possible_;
};

/// Each bound is met by some of these.
inline std::vector<bounds> all_bounds() {
    constexpr std::chrono::nanoseconds strict{0}, impatient{2}, patient{5};
    return {
        {.max_open = 1, .patience = strict},
        {.max_open = 1, .patience = impatient},
        {.max_open = 1, .max_waiting = 0, .patience = strict},
        {.max_open = 1, .max_waiting = 1, .patience = strict},
        {.max_open = 2, .patience = strict},
        {.max_open = 2, .max_open_per_key = 1, .patience = strict},
        {.max_open = 2, .max_idle = 0, .patience = patient},
        {.max_open = 2, .max_idle = 1, .patience = impatient},
        {.max_open = 2, .max_idle_per_key = 1, .max_waiting = 1, .patience = patient},
        {.max_open = 2, .max_dials_per_key = 1, .patience = strict},
        {.max_open_per_key = 1, .max_idle = 1, .patience = patient},
    };
}

inline const std::vector both_orders{pool::reuse_order::oldest_first, pool::reuse_order::newest_first};

/// Runs all, with each of these orders.
template <class Conn>
void run_all(alphabet letters, std::size_t length, const std::vector<pool::reuse_order>& orders = both_orders,
    std::chrono::nanoseconds check_after = {}) {
    histories::counts all;
    for (const pool::reuse_order reuse : orders)
        for (const bounds& capacity : all_bounds()) {
            const model_settings chosen{
                capacity, std::chrono::nanoseconds{20}, reuse, check_after, pool::core::has_check<Conn>};
            const auto run = [&](choice_source& from, const auto&, histories::teller& tell) {
                short_history<Conn>{chosen, letters, from, tell}.run();
            };
            all += histories::run_every_way(run, length);
        }
    const std::size_t settings_in_all = orders.size() * all_bounds().size();
    MESSAGE(settings_in_all << " settings, " << length << " operations: " << all.histories << " histories, "
                            << all.operations << " operations");
}

}  // namespace bounded_models
