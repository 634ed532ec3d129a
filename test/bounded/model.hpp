// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>

#include <pool/stats.hpp>

#include <bounded/model_idle.hpp>

/// @file
/// A reference model of a pool that bounds the open connections.

namespace bounded_models {

/// What a pool does. Here are the operations of callers that may wait.
class model final : public model_idle {
public:
    using model_idle::model_idle;

    model_request& submit(std::size_t of, bool blocked_by_dial, time_point deadline) {
        request& asking = add_request(of, blocked_by_dial, deadline);
        begin({[&] {
            asking.since = now();
            asking.ticket = next_ticket_++;
            if (is_closed_) return leave(asking, request_state::closed), closes{later};
            ask_again(of);
            touch(of);
            serve();
            if (asking.waits() && is_paused_ && !lets_wait_) return leave(asking, request_state::paused), closes{later};
            const bool is_helped = asking.state == request_state::promised || asking.state == request_state::nudged;
            const std::size_t helped =
                in_state(request_state::promised) + in_state(request_state::nudged) + in_state(request_state::closing);
            if (asking.waits() && !is_helped && waiting() - helped > capacity_.max_waiting())
                leave(asking, request_state::queue_full);
            return closes{later};
        }});
        return asking;
    }

    /// Returns what the caller sees.
    request_state look(request& asking) {
        request_state seen{};
        begin({[&] {
            asking.is_notified = true;
            if (asking.waits() || asking.state == request_state::may_dial) {
                if (is_closed_) leave(asking, request_state::closed);
                else if (!left_late(asking) && is_paused_) stand_still(asking);
            }
            if (is_paused_) {
                // It waits, or is over.
            } else if (asking.waits()) {
                ask_again(asking.of);
                touch(asking.of);
                serve();
                const bool is_first = asking.waits() && line(asking.of).front() == &asking;
                if (asking.waits() && usable(asking.of) != 0 && lend_to(asking)) figures_.overtaken += !is_first;
            } else if (asking.state == request_state::may_dial) {
                serve();
                const bool is_spare = usable(asking.of) > nudged(asking.of) && !asking.prefers_dial;
                if (is_spare && asking.state == request_state::may_dial) lend_to(asking);
            }
            serve();
            asking.is_notified = false;
            seen = asking.state;
            if (seen == request_state::may_dial) {
                asking.state = request_state::dialing;
                asking.is_outdated = asking.is_interrupted = false;
            }
            return closes{later};
        }});
        return seen;
    }

    void cancel(request& asking) {
        begin({[&] {
            if (asking.state == request_state::closing) asking.is_stopped = true;
            if (asking.waits() || asking.state == request_state::may_dial || asking.leaves_while_dialing())
                leave(asking, request_state::cancelled);
            return closes{later};
        }});
    }

    void dial_succeeded(request& dialing, int id) {
        begin({[&, id] { return has_dialled(dialing, id); }});
    }

    /// If it was interrupted, another dial follows.
    void dial_failed(request& dialing) {
        begin({[&] {
            if (!dialing.is_interrupted) return has_failed_to_dial(dialing);
            ++figures_.failed_dials;
            return dials_again(dialing);
        }});
    }

    /// Sets how many connections it opens.
    void prewarm(std::size_t of, std::size_t wanted, std::size_t& opened) {
        begin({.dial_ahead = [=, this] { return take_permit(of, wanted); }, .opened = &opened});
    }

    // The checks of connections that requests were lent.

    void pass_check(int id) { passed_check(id); }

    /// It is not healthy, and its caller has given up: closes one.
    void give_up_unhealthy(int id) {
        begin({[=, this] { return ++figures_.misses, retire_unhealthy(id), closes{1}; }});
        operations_.back().closes_one = true;
    }

    /// It is not healthy, and the pool is closed.
    void drop_unhealthy(int id) {
        begin({[this] { return ++figures_.misses, closes{later}; }, [=, this] { return drop(id); }});
        operations_.back().closes_one = true;
    }

    /// It is not healthy: its caller closes one, and is to dial with the permit of that.
    model_request& replace(int id, bool blocked_by_dial, time_point deadline, bool prefers_dial) {
        request& asking = add_request(of_lent(id), blocked_by_dial, deadline);
        asking.prefers_dial = prefers_dial;
        begin({[this, &asking, id] {
            asking.since = now();
            asking.ticket = next_ticket_++;
            asking.state = request_state::closing;
            operations_.back().closer = &asking;
            operations_.back().closes_one = true;
            retire_unhealthy(id);
            return closes{1};
        }});
        return asking;
    }

    /// Returns whether the caller closes one.
    bool close_for(request& asking) {
        bool does = false;
        begin({[&] {
            if (asking.state != request_state::promised || retired_.empty() || left_late(asking)) return closes{later};
            asking.state = request_state::closing;
            operations_.back().closer = &asking;
            operations_.back().closes_one = true;
            does = true;
            return closes{1};
        }});
        return does;
    }

    void forget(const request& gone) {
        callers_.remove_if([&](const request& each) { return &each == &gone; });
    }

    pool::stats stats() const {
        pool::stats all = store_stats();
        all.dialing = dialing();
        all.waiting = waiting();
        return all;
    }

    pool::key_stats stats(std::size_t of) const {
        return {count(idle_, of), count(lent_, of), dialing(of), waiting(of) + in_state(request_state::closing, of)};
    }

private:
    request& add_request(std::size_t of, bool blocked_by_dial, time_point deadline) {
        return callers_.emplace_back(
            request{.of = of, .blocked_by_dial = blocked_by_dial, .deadline = deadline, .checks = has_check_});
    }

    closes has_dialled(request& dialing, int id) {
        ++figures_.dials;
        if (dialing.is_outdated && !is_closed_)
            return close_outdated(id, [this, &dialing] { return dials_again(dialing); });
        lent_.push_back({id, dialing.of});
        std::uint64_t uncounted = 0;
        if (is_closed_) retire(id, uncounted);
        const bool is_needed = dialing.state == request_state::dialing;
        if (is_needed && !is_closed_) {
            dialing.lent = id;
            ++figures_.misses;
        }
        end_dial(dialing, is_closed_ ? request_state::closed : request_state::lent);
        if (!is_needed && !is_closed_) come_back(id, true);
        return {retired_in_step_.size()};
    }

    /// The dial of a request was outdated.
    closes dials_again(request& asking) {
        const bool is_needed = asking.state == request_state::dialing;
        if (is_needed && ++asking.outdated_dials == pool::core::most_outdated) {
            see(asking);
            end(asking, is_closed_ ? request_state::closed : request_state::invalidated);
        }
        if (asking.state != request_state::dialing) {
            end_dial(asking, asking.state);
        } else {
            asking.state = request_state::may_dial;
            notify(asking);
            serve();
        }
        return {later};
    }

    closes has_failed_to_dial(request& dialing) {
        ++figures_.failed_dials;
        end_dial(dialing, request_state::failed);
        return {later};
    }

    /// A request that nobody waits for gets a permit, if one is free.
    closes take_permit(std::size_t of, std::size_t wanted) {
        const std::size_t present = held(of) + dialing(of);
        const bool is_free = !is_closed_ && !is_paused_ && waiting() == 0 && present < wanted &&
                             idle_.size() < capacity_.max_idle() && count(idle_, of) < capacity_.max_idle_for(of) &&
                             room(of) != 0 && open() < capacity_.max_open();
        touch(of);
        if (!is_free) {
            operations_.back().dial_ahead = nullptr;
            return {later};
        }
        request& asking = add_request(of, true, time_point::max());
        asking.ticket = next_ticket_++;
        asking.state = request_state::cancelled;
        asking.dials = true;
        operations_.back().dials_for = &asking;
        return {later};
    }

    closes end_dial_ahead(request& asking, int id) override {
        operation& its = operations_.back();
        if (id != 0 && asking.is_outdated && !is_closed_) {
            ++figures_.dials;
            if (++its.outdated_dials == pool::core::most_outdated) its.dial_ahead = nullptr;
            return close_outdated(id, [this, &asking] {
                const closes all = dials_again(asking);
                forget(asking);
                return all;
            });
        }
        const closes all = id != 0 ? has_dialled(asking, id) : has_failed_to_dial(asking);
        its.outdated_dials = 0;
        if (id != 0 && is_kept(id)) ++*its.opened;
        else its.dial_ahead = nullptr;
        forget(asking);
        return all;
    }

    void end_dial(request& dialing, request_state outcome) {
        dialing.dials = false;
        if (dialing.state == request_state::dialing) {
            dialing.state = outcome;
            figures_.misses += outcome != request_state::lent;
            notify(dialing);
        }
        touch(dialing.of);
        serve();
    }

    std::uint64_t next_ticket_ = 0;
};

}  // namespace bounded_models
