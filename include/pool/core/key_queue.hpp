// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>

#include <boost/intrusive/list_hook.hpp>
#include <boost/intrusive/set_hook.hpp>

#include <pool/core/key_group.hpp>
#include <pool/core/request.hpp>

/// @file
/// The wait queue of one key.

namespace pool::core {

/// How a queue is in lists of queues. One that is destroyed leaves them by itself.
using queue_hook = boost::intrusive::list_member_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

/// The requests for one key. Those that wait are in one list, the oldest in front, which is divided into four zones:
///
///     nudged | promised | able | held
///
/// A zone ends where the next begins, so three marks tell the state of every request. Each function below moves a mark by
/// at most one request: O(1), but for `put_back`. `queue_order` calls them, and says how long the zones have to be.
template <class Entry>
struct key_queue {
    using group_type = typename Entry::group;            ///< what the entries of the key share
    using request_type = request<Entry>;                 ///< one request
    using lists = request_lists<Entry>;                  ///< how they are linked
    using iterator = typename lists::waiting::iterator;  ///< a mark

    /// For a group that outlives it.
    explicit key_queue(group_type& its) noexcept : group{&its} { its.queue = this; }
    key_queue(const key_queue&) = delete;
    key_queue& operator=(const key_queue&) = delete;
    ~key_queue() { group->queue = nullptr; }

    /// Whether no request waits or dials, and no caller closes a connection for one.
    bool is_unused() const noexcept { return waiting.empty() && dialing + closing == 0; }

    /// The oldest that waits, or nullptr.
    request_type* oldest() noexcept { return waiting.empty() ? nullptr : &waiting.front(); }
    /// The oldest that waits and is not nudged, or nullptr.
    request_type* oldest_unnudged() noexcept { return first_promised == waiting.end() ? nullptr : &*first_promised; }
    /// Whether any dials and could take another connection.
    bool has_takers() const noexcept { return request_type::takes_while_dialing && !dialers.empty(); }
    /// The oldest of these, or nullptr.
    request_type* oldest_taker() noexcept { return has_takers() ? &*dialers.begin() : nullptr; }
    /// The oldest that dials, and whose caller is not blocked by that, or nullptr.
    request_type* oldest_dialer() noexcept { return dialers.empty() ? nullptr : &*dialers.begin(); }

    /// How many wait and are not held.
    std::size_t unheld() const noexcept { return group->nudged + promised + able; }

    /// Adds a request at the end, as held.
    void push_back(request_type& asking) noexcept { insert(waiting.end(), asking); }

    /// Adds a request that was in the queue before, at its place by age, in the zone of the next younger one. O(n) in
    /// the older ones.
    void put_back(request_type& asking) noexcept {
        iterator next = waiting.begin();
        while (next != waiting.end() && next->ticket() < asking.ticket()) ++next;
        insert(next, asking);
    }

    /// Removes a waiting request from its zone.
    void erase(request_type& leaving) noexcept {
        const iterator here = waiting.iterator_to(leaving);
        for (iterator* mark : {&first_promised, &first_able, &first_held})
            if (*mark == here) ++*mark;
        waiting.erase(here);
        if (std::size_t* const its = length(leaving.state_)) --*its;
    }

    /// Nudges the oldest that is not nudged. It may have been promised.
    request_type& nudge() noexcept {
        request_type& next = *first_promised;
        if (std::size_t* const its = length(next.state_)) --*its;
        for (iterator* mark : {&first_able, &first_held})
            if (*mark == first_promised) ++*mark;
        ++first_promised, ++group->nudged;
        next.state_ = request_state::nudged;
        return next;
    }

    /// The youngest nudged one is not nudged any more. If others of its key are promised, then so is this older one.
    request_type& unnudge() noexcept {
        request_type& last = *--first_promised;
        --group->nudged;
        if (promised != 0) {
            last.state_ = request_state::promised;
            ++promised;
        } else {
            last.state_ = request_state::able;
            ++able, --first_able;
        }
        return last;
    }

    /// The oldest able one is promised a permit.
    request_type& promise() noexcept {
        request_type& next = *first_able++;
        --able, ++promised;
        next.state_ = request_state::promised;
        return next;
    }

    /// The youngest promised one is only able.
    request_type& unpromise() noexcept {
        request_type& last = *--first_able;
        --promised, ++able;
        last.state_ = request_state::able;
        return last;
    }

    /// The oldest held one is able.
    void enable() noexcept {
        (first_held++)->state_ = request_state::able;
        ++able;
    }

    /// The youngest able one is held.
    void hold() noexcept {
        (--first_held)->state_ = request_state::held;
        --able;
    }

    group_type* const group;  ///< the group of the key

    typename lists::waiting waiting;          ///< the oldest in front
    iterator first_promised = waiting.end();  ///< behind the nudged ones
    iterator first_able = waiting.end();      ///< behind the promised ones
    iterator first_held = waiting.end();      ///< behind the able ones
    std::size_t promised = 0;                 ///< length of the zone; that of the nudged ones is in the group
    std::size_t able = 0;                     ///< length of the zone
    typename lists::by_age dialers;           ///< those that dial, and whose callers are not blocked by that
    std::size_t dialing = 0;                  ///< running dials, and permits to begin one
    std::size_t closing = 0;                  ///< those whose callers close a connection, and then get its permit
    bool exceeds_idle = false;                ///< a connection has come back, and more may be idle than its bound
    std::uint64_t refused_before = 0;         ///< older requests of it are refused, as `invalidated`
    dial_error last_error;                    ///< the last dial error since the queue exists

    queue_hook in_stage;                           ///< for `wait_queue`: among the queues that need the same work
    queue_hook in_blocked;                         ///< for `wait_queue`: among the queues that wait for blocked ones
    boost::intrusive::set_member_hook<> in_order;  ///< for `queue_order`: among the queues with able requests
    std::uint64_t listed_ticket = 0;               ///< its place there: the ticket of its oldest able request

private:
    /// Adds a request before another one, in the zone of that one; or at the end, as held.
    void insert(iterator next, request_type& asking) noexcept {
        asking.state_ = next != waiting.end() ? next->state_ : request_state::held;
        const iterator here = waiting.insert(next, asking);
        for (iterator* mark : {&first_promised, &first_able, &first_held})
            if (*mark == next) *mark = here;
        if (std::size_t* const its = length(asking.state_)) ++*its;
    }

    /// The length of a zone, or nullptr for the held ones, which nobody counts.
    std::size_t* length(request_state zone) noexcept {
        switch (zone) {
        case request_state::nudged:
            return &group->nudged;
        case request_state::promised:
            return &promised;
        case request_state::able:
            return &able;
        default:
            return nullptr;
        }
    }
};

}  // namespace pool::core
