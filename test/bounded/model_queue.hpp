// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <utility>
#include <vector>

#include <range/v3/algorithm/any_of.hpp>
#include <range/v3/algorithm/find.hpp>

#include <pool/core/request.hpp>

#include <bounded/model_store.hpp>

/// @file
/// The wait queue of the reference model. It has no marks and no orders: whoever is next is searched for among all.

namespace bounded_models {

using pool::core::is_waiting;
using pool::core::request_state;

/// A caller's request, as the model sees it.
struct model_request {
    std::size_t of;
    bool blocked_by_dial;  ///< its dial runs on its caller's thread
    time_point deadline;
    time_point since{};
    std::uint64_t ticket = 0;
    request_state state = request_state::held;
    bool is_stopped = false;
    bool is_notified = true;
    int notifications = 0;
    bool dials = false;  ///< has a permit, even if it does not need it any more
    int lent = 0;        ///< the number of its connection
    pool::core::seen_figures seen{};

    bool waits() const { return is_waiting(state); }
    bool is_able() const { return state == request_state::able || state == request_state::promised; }
    bool takes_while_dialing() const {
        return !blocked_by_dial && (state == request_state::may_dial || state == request_state::dialing);
    }
    bool is_over() const { return state >= request_state::lent && !dials; }
};

/// Who waits, and who gets what: the end of each step.
class model_queue : public model_store {
public:
    using model_store::model_store;

protected:
    using request = model_request;

    std::size_t waiting() const { return count(callers_, &request::waits); }
    std::size_t waiting(std::size_t of) const { return line(of).size(); }
    std::size_t in_state(request_state state) const {
        return count(callers_, [state](const request& each) { return each.state == state; });
    }
    std::size_t dialing() const { return count(callers_, &request::dials); }
    std::size_t dialing(std::size_t of) const {
        return count(callers_, [of](const request& each) { return each.of == of && each.dials; });
    }
    std::size_t open() const { return idle_.size() + lent_.size() + closing() + dialing(); }
    bool is_used(std::size_t of) const { return waiting(of) + dialing(of) != 0; }

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

    /// Gives all that can be given.
    void serve() {
        do {
            while (!touched_.empty()) {
                const std::size_t of = touched_.front();
                touched_.erase(touched_.begin());
                if (!is_used(of)) continue;
                settled_.push_back(of);
                if (is_closed_) continue;
                grant();
                settle(of);
            }
            if (waiting() == 0) return fit();
            do {
                grant();
                promise();
            } while (!is_closed_ && make_room());
        } while (!touched_.empty());
    }

    /// The request leaves, whatever it did.
    void leave(request& asking, request_state outcome) {
        if (outcome > request_state::failed)
            asking.seen = {idle_.size(), lent_.size(), dialing(), closing(), waiting(), nullptr};
        if (asking.waits()) end_wait(asking);
        if (asking.state == request_state::may_dial) asking.dials = false;
        end(asking, outcome);
        touch(asking.of);
    }

    /// The last change of a request.
    void end(request& asking, request_state outcome) {
        figures_.misses += outcome != request_state::lent;
        asking.state = outcome;
        notify(asking);
    }

    static void notify(request& asking) { asking.notifications += !std::exchange(asking.is_notified, true); }

    /// The oldest promised requests close what nobody closes yet.
    void call_to_close() {
        std::size_t wanted = retired_.size();
        for (request& each : callers_)
            if (wanted != 0 && each.state == request_state::promised) notify(each), --wanted;
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

    /// The waiting requests of a key, the oldest first.
    std::vector<request*> line(std::size_t of) const {
        std::vector<request*> all;
        for (request& each : callers_)
            if (each.of == of && each.waits()) all.push_back(&each);
        return all;
    }

    /// The oldest idle connection that no nudged request is to take, not of `other_than`: returns its key.
    std::optional<std::size_t> oldest_spare(std::optional<std::size_t> other_than) const {
        for (const entry& each : idle_)
            if (each.of != other_than && count(idle_, each.of) > nudged(each.of)) return each.of;
        return std::nullopt;
    }

    /// Whether the requests of a key wait for blocked connections.
    void note_blocked(std::size_t of) {
        const auto found = ranges::find(awaiting_blocked_, of);
        const bool is_noted = found != awaiting_blocked_.end();
        const bool awaits_blocked = waiting(of) != 0 && has_blocked(of);
        if (awaits_blocked && !is_noted) awaiting_blocked_.push_back(of);
        else if (!awaits_blocked && is_noted) awaiting_blocked_.erase(found);
    }

    mutable std::list<request> callers_;  ///< the oldest first
    std::vector<std::size_t> awaiting_blocked_;  ///< the keys with blocked connections that are waited for
    bool is_closed_ = false;

private:
    std::size_t nudged(std::size_t of) const {
        return count(callers_, [of](const request& each) { return each.of == of && each.state == request_state::nudged; });
    }

    std::size_t room(std::size_t of) const {
        return std::min(left(capacity_.max_dials_for(of), dialing(of)),
            left(capacity_.max_open_for(of), held(of) + dialing(of)));
    }

    std::size_t coming() const { return left(closing(), left(open(), capacity_.max_open())); }

    bool is_full(std::size_t of) const {
        return count(idle_, of) > capacity_.max_idle_for(of) || idle_.size() > capacity_.max_idle();
    }

    /// Puts each waiting request in its zone. Nobody is newly nudged here, or newly promised.
    void fit() {
        for (std::size_t of = 0; of != keys.size(); ++of) {
            const std::vector<request*> all = line(of);
            while (nudged(of) > std::min(usable(of), all.size())) unnudge(all);
            for (std::size_t i = 0; i != all.size(); ++i) {
                if (all[i]->state == request_state::nudged) continue;
                if (i >= room(of)) all[i]->state = request_state::held;
                else if (all[i]->state == request_state::held) all[i]->state = request_state::able;
            }
            note_blocked(of);
        }
    }

    static void unnudge(const std::vector<request*>& all) {
        const bool others = ranges::any_of(all, [](const request* r) { return r->state == request_state::promised; });
        for (auto each = all.rbegin(); each != all.rend(); ++each) {
            if ((*each)->state != request_state::nudged) continue;
            (*each)->state = others ? request_state::promised : request_state::able;
            return;
        }
    }

    /// The able and the promised requests of all keys, the oldest first.
    std::vector<request*> able() {
        fit();
        std::vector<request*> all;
        for (request& each : callers_)
            if (each.is_able()) all.push_back(&each);
        return all;
    }

    void end_wait(request& asking) {
        const auto waited = now() - asking.since;
        figures_.total_wait += waited;
        figures_.longest_wait = std::max<std::chrono::nanoseconds>(figures_.longest_wait, waited);
    }

    /// Free permits: to the oldest that may have one.
    void grant() {
        while (!is_closed_ && open() < capacity_.max_open()) {
            const std::vector<request*> all = able();
            if (all.empty()) break;
            request& next = *all.front();
            if (left_late(next)) continue;
            end_wait(next);
            next.state = request_state::may_dial;
            next.dials = true;
            notify(next);
        }
        fit();
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
        if (all.empty()) return false;
        if (left_late(*all.front())) return true;
        for (const request* const each : all) {
            if (const auto of = oldest_spare(each->of)) {
                evict_oldest_of(*of);
                return true;
            }
        }
        return false;
    }

    /// The usable connections of a key go to those who are due, or nudge the others.
    void settle(std::size_t of) {
        while (usable(of) != 0) {
            fit();
            const std::vector<request*> all = line(of);
            const auto first = [&](const auto& which) {
                for (request& each : callers_)
                    if (each.of == of && which(each)) return &each;
                return static_cast<request*>(nullptr);
            };
            const auto takes = [](const request& each) { return each.takes_while_dialing(); };
            request* next = first([&](const request& each) { return each.waits() || takes(each); });
            const bool is_due = next != nullptr && (takes(*next) || now() - next->since >= capacity_.patience() || is_full(of));
            if (!is_due) {
                next = first([](const request& r) { return r.waits() && r.state != request_state::nudged; });
                if (next == nullptr) next = first(takes);
            }
            if (next != nullptr && left_late(*next)) continue;

            const bool has_spare = usable(of) > nudged(of);
            request* rival = nullptr;
            if (has_spare) {
                for (request* const each : promise())
                    if (rival == nullptr && each->of != of) rival = each;
            }
            if (rival != nullptr && (next == nullptr || rival->ticket < next->ticket)) {
                if (!left_late(*rival)) evict_oldest_of(of);
            } else if (next != nullptr && (is_due || (has_spare && takes(*next)))) {
                lend_to(*next);
            } else if (next != nullptr && has_spare) {
                next->state = request_state::nudged;
                notify(*next);
            } else {
                return;
            }
        }
        fit();
    }

    // The rules leave open in which order the keys are settled that one step has changed. It is the order in which they
    // were changed, or, after new bounds, that in which they were settled before.
    std::vector<std::size_t> settled_;
    std::vector<std::size_t> touched_;
};

}  // namespace bounded_models
