// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include <bounded/model_steps.hpp>

/// @file
/// The operations of the reference model that need no caller.

namespace bounded_models {

/// What a pool does with connections that are idle or lent.
class model_idle : public model_steps {
public:
    using model_steps::model_steps;

    void try_acquire(std::size_t of, std::optional<int>& found, const step& at_end = nullptr) {
        const step looks = [this, of, &found] { return found = look_up(of), closes{later}; };
        begin({.steps = {looks}, .found = &found, .look_up = looks, .at_end = at_end});
    }

    void take(std::size_t of, std::optional<int>& found) {
        try_acquire(of, found, [this, of, &found] {
            no_longer_lent(*found);
            return touch(of), closes{later};
        });
    }

    void put(int id, std::size_t of) {
        begin({[=, this] {
            lent_.push_back({id, of});
            if (is_dead(id) || is_closed_) refuse(id);
            else come_back(id, true);
            return own();
        }});
    }

    /// Also if it is unchecked: its caller has not come to use it.
    void give_back(int id) {
        begin({[=, this] {
            passed_check(id);
            if (is_dead(id) || is_closed_) refuse(id);
            else come_back(id, was_reconfigured_);
            return own();
        }});
    }

    void discard(int id) {
        begin({[=, this] { return retire(id, figures_.discarded), own(); }});
    }

    void detach(int id) {
        begin({[=, this] {
            ++figures_.detached;
            touch(of_lent(id));
            no_longer_lent(id);
            return closes{1};
        }});
    }

    void expire() {
        begin({[this] {
            for (const entry& each : std::vector{idle_})
                if (each.due <= now()) retire(each.id, figures_.expired);
            return counted();
        }});
    }

    void clear(std::optional<std::size_t> of) {
        begin({[=, this] { return clear_idle(of); }});
    }

    void reconfigure(const bounds& capacity) {
        begin({[=, this] {
                   capacity_ = capacity;
                   was_reconfigured_ = true;
                   touch_all();
                   return closes{later};
               },
            [this] {
                for (const entry& each : std::vector{idle_}) {
                    const std::size_t open = count(lent_, each.of) + dialing(each.of);
                    const std::size_t most =
                        std::min(capacity_.max_idle_for(each.of), left(capacity_.max_open_for(each.of), open));
                    if (is_dead(each.id)) retire(each.id, figures_.found_closed);
                    else if (count(idle_, each.of) > most) retire(each.id, figures_.evicted);
                }
                while (
                    idle_.size() > std::min(capacity_.max_idle(), left(capacity_.max_open(), lent_.size() + dialing())))
                    retire(idle_.front().id, figures_.evicted);
                return counted();
            }});
    }

    void invalidate(std::optional<std::size_t> of, const pool::invalidate_options& options) {
        begin({[=, this] {
                   outdate(of);
                   for (request& each : callers_) {
                       each.is_outdated |= each.dials && (!of || each.of == *of);
                       each.is_interrupted |= each.is_outdated && options.interrupt;
                   }
                   if (options.fail_waiting && !of) refuse_all(request_state::invalidated);
                   if (options.fail_waiting && of && is_used(*of)) {
                       refuse_those_of(*of, request_state::invalidated);
                       touch(*of);
                   }
                   return closes{later};
               },
            [this] {
                for (const entry& each : std::vector{idle_})
                    if (each.is_outdated) retire(each.id, figures_.invalidated);
                return counted();
            }});
    }

    void pause(bool lets_wait) {
        begin({[=, this] {
            if (is_closed_) return closes{later};
            is_paused_ = true;
            lets_wait_ = lets_wait;
            if (lets_wait) touch_all();
            else refuse_all(request_state::paused);
            return closes{later};
        }});
    }

    void resume() {
        begin({[this] {
            if (std::exchange(is_paused_, is_paused_ && is_closed_) && !is_closed_) touch_all();
            return closes{later};
        }});
    }

    bool is_paused() const { return is_paused_ && !is_closed_; }

    void close() {
        begin({[this] {
                   is_closed_ = true;
                   for (request& each : callers_)
                       if (each.waits() || each.leaves_while_dialing()) leave(each, request_state::closed);
                   return closes{later};
               },
            [this] { return clear_idle(std::nullopt); }});
    }

    void look_again() {
        begin({[] { return closes{later}; },  // requests that have given up leave first
            [this] {
                for (const std::size_t of : std::exchange(awaiting_blocked_, {})) {
                    ask_again(of);
                    note_blocked(of);
                    touch(of);
                }
                return closes{later};
            }});
    }

    bool is_closed() const { return is_closed_; }

protected:
    ~model_idle() = default;

    /// A lent connection comes back, or one that nobody has asked for.
    void come_back(int id, bool may_exceed) {
        if (is_outdated(id)) return ++figures_.puts, retire(id, figures_.invalidated);
        const std::size_t of = of_lent(id);
        const bool is_over =
            open() - closing() > capacity_.max_open() || held(of) + dialing(of) > capacity_.max_open_for(of);
        if (may_exceed && is_over) return refuse(id);
        if (is_quiet(of)) return keep_within_bounds(id);
        keep(id);
        if (is_used(of)) exceeds_idle_of_[of] = true;
        else if (count(idle_, of) > capacity_.max_idle_for(of)) evict_spare_of(of);
        exceeds_idle_ = true;
        touch(of);
        serve();
    }

    bool was_reconfigured_ = false;

private:
    closes clear_idle(std::optional<std::size_t> of) {
        for (const entry& each : std::vector{idle_})
            if (!of || each.of == *of) retire(each.id, figures_.cleared);
        return counted();
    }

    std::optional<int> look_up(std::size_t of) {
        std::optional<int> found;
        const bool lends = !is_closed_ && !is_paused_;
        if (lends && is_quiet(of)) {
            found = reuse(of);
        } else if (lends && has_entries(of)) {
            ask_again(of);
            touch(of);
            serve();
            if (usable(of) != 0) found = reuse(of);
            if (found) figures_.overtaken += waiting(of) != 0;
            touch(of);
            serve();
        }
        figures_.misses += !found;
        return found;
    }

    bool is_quiet(std::size_t of) const { return waiting() == 0 && !is_used(of); }
};

}  // namespace bounded_models
