// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <vector>

#include <range/v3/algorithm/any_of.hpp>
#include <range/v3/algorithm/find.hpp>

#include <pool/core/request.hpp>

#include <bounded/model_store.hpp>

/// @file
/// The requests of the reference model. There are no marks and no orders: whoever is next is searched for among all.

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
    bool prefers_dial = false;
    bool checks = false;  ///< what it is lent may have to be checked
    bool is_notified = true;
    int notifications = 0;
    bool dials = false;           ///< has a permit, even if it does not need it any more
    bool is_outdated = false;     ///< the connection that it dials
    bool is_interrupted = false;  ///< its dial
    int outdated_dials = 0;
    int lent = 0;  ///< the number of its connection
    pool::core::seen_figures seen{};

    bool waits() const { return is_waiting(state); }
    bool is_able() const { return state == request_state::able || state == request_state::promised; }
    /// It can leave before its dial ends.
    bool leaves_while_dialing() const {
        return !blocked_by_dial && (state == request_state::may_dial || state == request_state::dialing);
    }
    /// It can take an idle connection meanwhile, but not one that has to be checked.
    bool takes_while_dialing() const { return leaves_while_dialing() && !checks; }
    bool is_over() const { return state >= request_state::lent && !dials; }
};

/// Who waits, in which zone, and who dials.
class model_requests : public model_store {
public:
    using model_store::model_store;

protected:
    using request = model_request;

    std::size_t waiting() const { return count(callers_, &request::waits) + in_state(request_state::closing); }
    std::size_t waiting(std::size_t of) const { return line(of).size(); }
    std::size_t in_state(request_state state) const {
        return count(callers_, [state](const request& each) { return each.state == state; });
    }
    std::size_t dialing() const { return count(callers_, &request::dials); }
    std::size_t dialing(std::size_t of) const {
        return count(callers_, [of](const request& each) { return each.of == of && each.dials; });
    }
    std::size_t open() const { return idle_.size() + lent_.size() + closing() + dialing(); }
    std::size_t in_state(request_state state, std::size_t of) const {
        return count(callers_, [=](const request& each) { return each.of == of && each.state == state; });
    }
    bool is_used(std::size_t of) const { return waiting(of) + dialing(of) + in_state(request_state::closing, of) != 0; }

    /// Whether connections of a key are there, or are being opened or closed.
    bool has_entries(std::size_t of) const {
        const std::size_t opening = dialing(of) - in_state(request_state::may_dial, of);
        return held(of) + count(retired_, of) + count(closing_, of) + opening != 0;
    }

    /// The waiting requests of a key, the oldest first.
    std::vector<request*> line(std::size_t of) const {
        std::vector<request*> all;
        for (request& each : callers_)
            if (each.of == of && each.waits()) all.push_back(&each);
        return all;
    }

    std::size_t nudged(std::size_t of) const { return in_state(request_state::nudged, of); }
    bool has_spare(std::size_t of) const { return count(idle_, of) > nudged(of); }

    /// The oldest idle connection that no nudged request is to take, not of `other_than`: returns its key.
    std::optional<std::size_t> oldest_spare(std::optional<std::size_t> other_than) const {
        for (const entry& each : idle_)
            if (each.of != other_than && has_spare(each.of)) return each.of;
        return std::nullopt;
    }

    /// Retires the oldest idle connection of a key, or a blocked one if the nudged requests are to take all others.
    void evict_spare_of(std::size_t of) {
        if (usable(of) > nudged(of)) evict_oldest_of(of);
        else retire(blocked_of(of).front(), figures_.evicted);
    }

    std::size_t coming() const {
        return left(closing(), left(open(), capacity_.max_open()) + in_state(request_state::closing));
    }

    std::size_t room(std::size_t of) const {
        return std::min(
            left(capacity_.max_dials_for(of), dialing(of)), left(capacity_.max_open_for(of), held(of) + dialing(of)));
    }

    /// Puts each waiting request in its zone. Nobody is newly nudged here, or newly promised.
    void fit() {
        for (std::size_t of = 0; of != keys.size(); ++of) {
            const std::vector<request*> all = line(of);
            while (nudged(of) > std::min(is_paused_ ? 0 : usable(of), all.size())) unnudge(all);
            std::size_t left = room(of);
            for (request* const each : all) {
                if (each->state == request_state::nudged) continue;
                if (left == 0) each->state = request_state::held;
                else if (each->state == request_state::held) each->state = request_state::able;
                left -= left != 0;
            }
            note_blocked(of);
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

    /// Whether the requests of a key wait for blocked connections.
    void note_blocked(std::size_t of) {
        const auto found = ranges::find(awaiting_blocked_, of);
        const bool is_noted = found != awaiting_blocked_.end();
        const auto could_take = [of](const request& r) { return r.of == of && (r.waits() || r.takes_while_dialing()); };
        const bool awaits_blocked = has_blocked(of) && ranges::any_of(callers_, could_take);
        if (awaits_blocked && !is_noted) awaiting_blocked_.push_back(of);
        else if (!awaits_blocked && is_noted) awaiting_blocked_.erase(found);
    }

    mutable std::list<request> callers_;         ///< the oldest first
    std::vector<std::size_t> awaiting_blocked_;  ///< the keys with blocked connections that are waited for
    bool is_closed_ = false;
    bool is_paused_ = false;
    bool lets_wait_ = false;  ///< while it is paused

private:
    static void unnudge(const std::vector<request*>& all) {
        const bool others = ranges::any_of(all, [](const request* r) { return r->state == request_state::promised; });
        for (auto each = all.rbegin(); each != all.rend(); ++each) {
            if ((*each)->state != request_state::nudged) continue;
            (*each)->state = others ? request_state::promised : request_state::able;
            return;
        }
    }
};

}  // namespace bounded_models
