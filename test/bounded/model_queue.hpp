// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include <pool/core/request.hpp>

#include <bounded/model_requests.hpp>

/// @file
/// The wait queue of the reference model: who gets what.

namespace bounded_models {

/// Who waits, and who gets what: the end of each step.
class model_queue : public model_requests {
public:
    using model_requests::model_requests;

protected:
    /// Something of a key has changed: `serve` settles it.
    void touch(std::size_t of) {
        std::erase(settled_, of);
        std::erase(touched_, of);
        touched_.push_back(of);
    }

    /// The bounds have changed, so something of each key has.
    void touch_all() {
        touched_.insert(touched_.begin(), settled_.begin(), settled_.end());
        settled_.clear();
    }

    /// All that wait leave.
    void refuse_all(request_state outcome) {
        touch_all();
        for (const std::size_t of : std::vector{touched_}) {
            refuse_those_of(of, outcome);
            touch(of);
        }
    }

    /// The same for those of a key.
    void refuse_those_of(std::size_t of, request_state outcome) {
        for (request* const each : line(of)) leave(*each, outcome);
    }

    /// Gives all that can be given.
    void serve() {
        do {
            while (!touched_.empty()) {
                const std::size_t of = touched_.front();
                touched_.erase(touched_.begin());
                if (!is_used(of)) {
                    if (!is_closed_) trim(of);
                    continue;
                }
                settled_.push_back(of);
                if (is_closed_) continue;
                grant();
                settle(of);
            }
            if (waiting() == 0 && !exceeds_idle_) return fit();
            do {
                grant();
                promise();
            } while (!is_closed_ && (make_room() || trim()));
        } while (!touched_.empty());
    }

    /// The request leaves, whatever it did.
    void leave(request& asking, request_state outcome) {
        if (outcome > request_state::failed) see(asking);
        if (asking.waits() || asking.state == request_state::closing) end_wait(asking);
        if (asking.state == request_state::may_dial) asking.dials = false;
        end(asking, outcome);
        touch(asking.of);
    }

    void see(request& asking) const {
        asking.seen = {idle_.size(), lent_.size(), dialing(), closing(), waiting(), nullptr};
    }

    /// The last change of a request.
    void end(request& asking, request_state outcome) {
        figures_.misses += outcome != request_state::lent;
        figures_.timed_out += outcome == request_state::timed_out;
        figures_.cancelled += outcome == request_state::cancelled;
        figures_.queue_full += outcome == request_state::queue_full;
        asking.state = outcome;
        notify(asking);
    }

    static void notify(request& asking) { asking.notifications += !std::exchange(asking.is_notified, true); }

    /// The oldest promised requests close what nobody closes yet. For each of the `fresh` ones, one more is notified than
    /// were already.
    void call_to_close(std::size_t fresh) {
        std::size_t wanted = retired_.size();
        for (request& each : callers_) {
            if (each.state != request_state::promised || wanted + fresh == 0) continue;
            fresh -= fresh != 0 && !each.is_notified;
            wanted -= wanted != 0;
            notify(each);
        }
    }

    /// Whether it has given up. Then it leaves.
    bool left_late(request& asking) {
        if (asking.is_stopped) return leave(asking, request_state::cancelled), true;
        if (now() < asking.deadline) return false;
        return leave(asking, request_state::timed_out), true;
    }

    /// Lends the request a connection of its key, if one can still be lent.
    bool lend_to(request& asking) {
        const std::optional<int> found = reuse(asking.of);
        if (!found) return false;
        asking.lent = *found;
        leave(asking, request_state::lent);
        return true;
    }

    /// It has the permit of a connection that its caller has closed, or waits again.
    void end_close_for(request& asking) {
        if (is_closed_) return leave(asking, request_state::closed);
        if (left_late(asking)) return;
        asking.state = request_state::held;
        touch(asking.of);
        if (open() < capacity_.max_open() && room(asking.of) != 0) return permit(asking);
        put_back(asking);
        notify(asking);
    }

    /// The pool is paused: a request that has not begun to dial waits, or is over.
    void stand_still(request& asking) {
        if (!lets_wait_) return leave(asking, request_state::paused);
        if (asking.state == request_state::may_dial) {
            asking.dials = false;
            asking.since = now();
            put_back(asking);
        }
        touch(asking.of);
    }

    bool exceeds_idle_ = false;                        ///< a connection has come back, and too many may be idle
    std::array<bool, keys.size()> exceeds_idle_of_{};  ///< the same for one key

private:
    bool is_full(std::size_t of) const {
        return count(idle_, of) > capacity_.max_idle_for(of) || idle_.size() > capacity_.max_idle();
    }

    /// It waits again, in the zone of the next one.
    void put_back(request& asking) const {
        asking.state = request_state::held;
        for (const request* const each : line(asking.of)) {
            if (each->ticket <= asking.ticket) continue;
            asking.state = each->state;
            break;
        }
    }

    void end_wait(request& asking) {
        const auto waited = now() - asking.since;
        figures_.total_wait += waited;
        figures_.longest_wait = std::max<std::chrono::nanoseconds>(figures_.longest_wait, waited);
    }

    /// Free permits: to the oldest that may have one.
    void grant() {
        while (!is_closed_ && !is_paused_ && open() < capacity_.max_open()) {
            const std::vector<request*> all = able();
            if (all.empty()) break;
            request& next = *all.front();
            if (!left_late(next)) permit(next);
        }
        fit();
    }

    void permit(request& asking) {
        end_wait(asking);
        asking.state = request_state::may_dial;
        asking.dials = true;
        notify(asking);
    }

    /// Permits that will be free: promised to the oldest that may have one. Returns the others.
    std::vector<request*> promise() {
        for (;;) {
            std::vector<request*> all = able();
            const std::size_t most = std::min(coming(), all.size());
            bool has_left = false;
            for (std::size_t i = 0; i != most && !has_left; ++i)
                has_left = all[i]->state == request_state::able && left_late(*all[i]);
            if (has_left) continue;
            for (std::size_t i = 0; i != all.size(); ++i)
                all[i]->state = i < most ? request_state::promised : request_state::able;
            all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(most));
            return all;
        }
    }

    /// Retires an idle connection for the oldest able request for which there is one.
    bool make_room() {
        const std::vector<request*> all = promise();
        if (all.empty() || is_paused_) return false;
        if (left_late(*all.front())) return true;
        for (request* const each : all) {
            if (const auto of = oldest_spare(each->of)) {
                if (each != all.front() && left_late(*each)) return true;
                evict_spare_of(*of);
                return true;
            }
        }
        return false;
    }

    /// Retires an idle connection, if there are too many, and not all are for nudged requests.
    bool trim() {
        exceeds_idle_ = exceeds_idle_ && idle_.size() > capacity_.max_idle();
        const auto of = exceeds_idle_ ? oldest_spare(std::nullopt) : std::nullopt;
        exceeds_idle_ = of.has_value();
        if (of) evict_spare_of(*of);
        return of.has_value();
    }

    /// The usable connections of a key go to those who are due, or nudge the others.
    void settle(std::size_t of) {
        while (usable(of) != 0 && !is_paused_) {
            fit();
            const std::vector<request*> all = line(of);
            const auto first = [&](const auto& which) {
                for (request& each : callers_)
                    if (each.of == of && which(each)) return &each;
                return static_cast<request*>(nullptr);
            };
            const auto takes = [](const request& each) { return each.takes_while_dialing(); };
            request* rival = nullptr;
            const bool has_spare = usable(of) > nudged(of);
            if (has_spare) {
                for (request* const each : promise())
                    if (rival == nullptr && each->of != of) rival = each;
            }
            request* next = first([&](const request& each) { return each.waits() || takes(each); });
            if (next != nullptr && left_late(*next)) continue;
            const bool is_due =
                next != nullptr && (takes(*next) || now() - next->since >= capacity_.patience() || is_full(of));
            if (!is_due && !has_spare) break;
            if (!is_due) {
                next = first([&](const request& each) {
                    return takes(each) || (each.waits() && each.state != request_state::nudged);
                });
            }
            if (rival != nullptr && (next == nullptr || rival->ticket < next->ticket)) {
                if (!left_late(*rival)) evict_spare_of(of);
            } else if (next == nullptr) {
                break;
            } else if (left_late(*next)) {
                continue;
            } else if (is_due || takes(*next)) {
                lend_to(*next);
            } else {
                next->state = request_state::nudged;
                notify(*next);
            }
        }
        fit();
        trim(of);
    }

    void trim(std::size_t of) {
        if (!std::exchange(exceeds_idle_of_[of], false)) return;
        while (count(idle_, of) > capacity_.max_idle_for(of) && has_spare(of)) evict_spare_of(of), fit();
    }

    // The rules leave open in which order the keys are settled that one step has changed. It is the order in which they
    // were changed, or, after new bounds, that in which they were settled before.
    std::vector<std::size_t> settled_;
    std::vector<std::size_t> touched_;
};

}  // namespace bounded_models
