// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <range/v3/algorithm/any_of.hpp>
#include <range/v3/algorithm/find.hpp>
#include <range/v3/algorithm/find_if.hpp>
#include <range/v3/algorithm/none_of.hpp>
#include <range/v3/algorithm/sort.hpp>

#include <pool/core/request.hpp>
#include <pool/policies/capacity.hpp>
#include <pool/policies/clock.hpp>
#include <pool/policies/expiry.hpp>
#include <pool/stats.hpp>

#include <bounded/model_store.hpp>

/// @file
/// A reference model of a pool that bounds the open connections.

namespace bounded_models {

using pool::core::request_state;

const std::array<key, 4> keys{"a", "b", "c", "a key that is longer than the buffer of a short string"};

/// A caller's request, as the model sees it.
struct model_request {
    key of;
    bool blocked = false;  ///< by its dial, which runs on its caller's thread
    request_state state = request_state::waiting;
    int lent = 0;            ///< the number of its connection
    bool dials = false;      ///< holds a permit, even if it does not need it any more
    bool may_begin = false;  ///< and has not begun to dial

    bool waits() const { return state == request_state::waiting; }
    bool takes() const { return waits() || (state == request_state::dialing && !blocked); }
    bool is_over() const { return state > request_state::dialing && !dials; }
};

/// What a pool does, and who waits.
class model : public model_store {
public:
    using model_store::model_store;

    // Each of these is one step of the pool, and ends with `end_step`.

    std::optional<int> lend(const key& of) {
        serve();
        const auto found = is_wanted(of) ? std::nullopt : reuse(of);
        figures_.misses += !found;
        end_step();
        return found;
    }

    std::optional<int> take(const key& of) {
        serve();
        const auto found = is_wanted(of) ? std::nullopt : reuse(of);
        figures_.misses += !found;
        if (found) no_longer_lent(*found);
        end_step();
        return found;
    }

    void give_back(int id) {
        if (net_[id].dead || is_closed_ || is_full(of_lent(id).of)) refuse(id);
        else keep(id);
        end_step();
    }

    void discard(int id) {
        no_longer_lent(id);
        ++figures_.discarded;
        retired_.push_back(id);
        end_step();
    }

    void put(int id, const key& of) {
        lent_.push_back({id, of, {}});
        if (net_[id].dead || is_closed_ || is_full(of)) refuse(id);
        else keep(id);
        end_step();
    }

    void submit(const key& of, bool blocked) {
        const bool others = is_wanted(of);
        model_request& caller =
            callers.emplace_back(model_request{.of = of, .blocked = blocked, .state = request_state::failed});
        if (is_closed_) {
            settle(caller, request_state::closed);
        } else if (const auto found = others ? std::nullopt : reuse(of)) {
            caller.state = request_state::lent;
            caller.lent = *found;
        } else {
            caller.state = request_state::waiting;
            serve();
            const auto waiting = count(callers, &model_request::waits);
            if (caller.waits() && left(waiting, retired_.size()) > capacity_.max_waiting())
                settle(caller, request_state::queue_full);
        }
        end_step();
    }

    void cancel(model_request& caller) {
        if (caller.takes()) settle(caller, request_state::cancelled);
        end_step();
    }

    request_state poll(model_request& caller) {
        const request_state seen = caller.state;
        caller.may_begin = false;
        end_step();
        return seen;
    }

    void dial_succeeded(model_request& caller, int id) {
        ++figures_.dials;
        caller.dials = false;
        if (is_closed_) {
            retired_.push_back(id);
            if (caller.state == request_state::dialing) settle(caller, request_state::closed);
        } else {
            lent_.push_back({id, caller.of, {}});
            if (caller.state == request_state::dialing) {
                caller.state = request_state::waiting;
                const auto taker =
                    ranges::find_if(callers, [&](const model_request& c) { return c.takes() && c.of == caller.of; });
                settle(*taker, request_state::lent);
                taker->lent = id;
            } else if (is_full(caller.of)) {
                refuse(id);
            } else {
                keep(id);
            }
        }
        end_step();
    }

    void dial_failed(model_request& caller) {
        ++figures_.failed_dials;
        caller.dials = false;
        if (caller.state == request_state::dialing) settle(caller, request_state::failed);
        end_step();
    }

    void expire() {
        auto due = idle_;
        std::erase_if(due, [&](const entry& e) { return e.due > clock_.now(); });
        ranges::sort(due, {}, &entry::due);
        for (const entry& each : due) retire(each.id, figures_.expired);
        end_step();
    }

    void clear(const std::optional<key>& of) {
        for (const entry& each : std::vector{idle_})
            if (!of || each.of == *of) retire(each.id, figures_.cleared);
        end_step();
    }

    void reconfigure(bounds capacity) {
        capacity_ = capacity;
        const std::size_t total = std::min(capacity_.max_idle(), left(capacity_.max_open(), lent_.size() + dialing()));
        for (const entry& each : std::vector{idle_}) {
            const std::size_t busy = count(lent_, each.of) + dialing(each.of);
            const std::size_t bound =
                std::min(capacity_.max_idle_for(each.of), left(capacity_.max_open_for(each.of), busy));
            if (count(idle_, each.of) > bound) retire(each.id, figures_.evicted);
        }
        while (idle_.size() > total) retire(idle_.front().id, figures_.evicted);
        end_step();
    }

    void close() {
        is_closed_ = true;
        for (const entry& each : std::vector{idle_}) retire(each.id, figures_.cleared);
        for (model_request& each : callers)
            if (each.takes()) settle(each, request_state::closed);
        end_step();
    }

    pool::stats stats() const {
        pool::stats all = figures_;
        all.idle = idle_.size();
        all.lent = lent_.size();
        all.dialing = dialing();
        all.waiting = count(callers, &model_request::waits);
        all.keys = count(keys, [this](const key& of) { return count(idle_, of) + count(lent_, of) != 0; });
        return all;
    }

    pool::key_stats stats(const key& of) const {
        return {count(idle_, of), count(lent_, of), dialing(of), waiting(of)};
    }

    std::vector<model_request> callers;  ///< in the order in which they came

private:
    /// Serves callers by age. Of each key, it considers only the oldest that waits, and the oldest whose dial is under
    /// way and does not block it.
    void serve() {
        std::size_t reserved = 0;
        for (auto caller = callers.begin(); caller != callers.end(); ++caller) {
            if (!caller->takes()) continue;
            const bool behind = std::any_of(callers.begin(), caller, [&](const model_request& older) {
                return older.takes() && older.of == caller->of && older.state == caller->state;
            });
            if (behind) continue;
            const bool full = open() >= capacity_.max_open();
            if (full && idle_.empty()) return;
            if (const auto found = reuse(caller->of)) {
                caller->state = request_state::lent;
                caller->lent = *found;
                if (gave_up_permit(*caller)) return serve();
            } else if (caller->waits() && !full && room_for(caller->of, waiting(caller->of)) != 0) {
                caller->state = request_state::dialing;
                caller->dials = true;
                caller->may_begin = !caller->blocked;
            } else if (caller->waits() && full && waiting(caller->of) > spare(caller->of)) {
                reserved += room_for(caller->of, waiting(caller->of) - spare(caller->of));
                const std::size_t excess = open() - capacity_.max_open();
                while (retired_.size() < reserved + excess && make_room(caller->of)) {
                }
            }
        }
    }

    /// Closes what was retired. That frees permits, which are served, and serving may retire others.
    void end_step() {
        serve();
        while (!retired_.empty()) {
            for (const int id : retired_)
                if (!net_[id].dead) closed_.push_back(id);
            retired_.clear();
            serve();
        }
    }

    std::size_t room_for(const key& of, std::size_t needed) const {
        return std::min(
            {needed, left(capacity_.max_dials_for(of), dialing(of)), left(capacity_.max_open_for(of), open(of))});
    }

    std::size_t waiting(const key& of) const {
        return count(callers, [&](const model_request& each) { return each.of == of && each.waits(); });
    }

    /// How many dials are under way that their own callers do not need any more.
    std::size_t spare(const key& of) const {
        return count(callers, [&](const model_request& each) {
            return each.of == of && each.dials && each.state != request_state::dialing;
        });
    }

    /// Takes back the permit of a caller that has not begun to dial. Returns whether it had one.
    static bool gave_up_permit(model_request& caller) {
        if (!std::exchange(caller.may_begin, false)) return false;
        caller.dials = false;
        return true;
    }

    /// A lent connection becomes idle.
    void keep(int id) {
        ++figures_.puts;
        const key of = of_lent(id).of;
        const pool::manual_clock::time_point due = ttl_.expires_at(clock_.now());
        const bool alone = ranges::none_of(callers, &model_request::waits) && dialing() == 0;
        const bool no_room = alone && (capacity_.max_idle() == 0 || capacity_.max_idle_for(of) == 0);
        no_longer_lent(id);
        if (no_room || due <= clock_.now()) {
            ++(no_room ? figures_.refused : figures_.expired);
            return retired_.push_back(id);
        }
        idle_.push_back({id, of, due});
        serve();
        while (count(idle_, of) > capacity_.max_idle_for(of))
            retire(ranges::find(idle_, of, &entry::of)->id, figures_.evicted);
        while (idle_.size() > capacity_.max_idle()) retire(idle_.front().id, figures_.evicted);
    }

    void settle(model_request& caller, request_state outcome) {
        gave_up_permit(caller);
        caller.state = outcome;
        ++figures_.misses;
    }

    bool is_wanted(const key& of) const {
        return ranges::any_of(callers, [&](const model_request& c) { return c.takes() && c.of == of; });
    }

    std::size_t dialing() const { return count(callers, &model_request::dials); }
    std::size_t dialing(const key& of) const {
        return count(callers, [&](const model_request& each) { return each.dials && each.of == of; });
    }
    std::size_t open() const { return idle_.size() + lent_.size() + dialing() + retired_.size(); }
    std::size_t open(const key& of) const { return count(idle_, of) + count(lent_, of) + dialing(of); }
    bool is_full(const key& of) const {
        return open() - retired_.size() > capacity_.max_open() || open(of) > capacity_.max_open_for(of);
    }

    bool is_closed_ = false;
};

}  // namespace bounded_models
