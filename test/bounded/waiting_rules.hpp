// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <vector>

#include <range/v3/algorithm/find.hpp>

#include <pool/core/key_queue.hpp>
#include <pool/core/request.hpp>
#include <pool/policies/capacity.hpp>
#include <pool/stats.hpp>

/// @file
/// What holds in a pool after each step, whatever the model says: it could have the same fault as the pool.

namespace bounded_models {

/// One key queue, as the pool has it.
template <class Entry>
class seen_queue {
    using queue = pool::core::key_queue<Entry>;
    using state = pool::core::request_state;

public:
    explicit seen_queue(queue& of) : of_{of} {}

    std::size_t closing() const { return of_.closing; }
    std::size_t promised() const { return of_.promised; }
    std::size_t able() const { return of_.able; }
    std::size_t nudged() const { return of_.group->nudged; }

    /// Whether its zones are as long as they have to be, in order, and marked right.
    bool is_fit(const auto& capacity, bool is_paused) const {
        const auto& its = *of_.group;
        const auto left = [](std::size_t bound, std::size_t used) { return bound > used ? bound - used : 0; };
        const std::size_t room = std::min(left(capacity.max_dials_for(its.key), of_.dialing),
            left(capacity.max_open_for(its.key), its.idle.size() + its.lent + of_.dialing));
        const std::size_t nudged = is_paused ? 0 : std::min(its.usable(), of_.waiting.size());
        const std::size_t others = std::min(room, of_.waiting.size() - nudged);
        return its.nudged == nudged && of_.promised + of_.able == others && is_marked();
    }

    /// Whether a request of this key dials although it could take an idle connection that nobody waits for.
    bool dials_in_vain() const { return of_.group->usable() > of_.waiting.size() && of_.has_takers(); }

    /// How many of its idle connections no nudged request is to take.
    std::size_t spare() const { return of_.group->idle.size() - of_.group->nudged; }

private:
    bool is_marked() const {
        std::size_t position = 0;
        const auto goes_to = [&](std::size_t end, auto mark) {
            return of_.waiting.size() >= end &&
                   std::next(of_.waiting.begin(), static_cast<std::ptrdiff_t>(end)) == mark;
        };
        const std::size_t nudged = of_.group->nudged, promised = nudged + of_.promised, able = promised + of_.able;
        for (const auto& each : of_.waiting) {
            const state expected = position < nudged     ? state::nudged
                                   : position < promised ? state::promised
                                   : position < able     ? state::able
                                                         : state::held;
            if (each.state() != expected || (expected == state::nudged && !each.is_notified())) return false;
            ++position;
        }
        return goes_to(nudged, of_.first_promised) && goes_to(promised, of_.first_able) &&
               goes_to(able, of_.first_held);
    }

    queue& of_;
};

/// All key queues of a pool, found by the requests of its callers.
template <class Entry>
class waiting_rules {
public:
    using request = pool::core::request<Entry>;

    /// `waiting_or_dialing` have a queue.
    explicit waiting_rules(const std::vector<request*>& waiting_or_dialing) {
        for (request* const each : waiting_or_dialing)
            if (ranges::find(queues_, &each->queue()) == queues_.end()) queues_.push_back(&each->queue());
    }

    /// The first rule that does not hold, or nullptr.
    const char* broken(const auto& capacity, const pool::stats& all, bool is_paused) const {
        const std::size_t open = all.idle + all.lent + all.dialing + all.closing;
        const std::size_t excess = open > capacity.max_open() ? open - capacity.max_open() : 0;
        std::size_t closing = 0, promised = 0, able = 0, known_idle = 0, spare = 0;
        for (auto* const of : queues_) {
            const seen_queue<Entry> each{*of};
            if (!each.is_fit(capacity, is_paused)) return "a queue has wrong zones";
            if (!is_paused && each.dials_in_vain()) return "somebody dials who could take an idle connection";
            closing += each.closing();
            promised += each.promised();
            able += each.able();
            known_idle += of->group->idle.size();
            spare += each.spare();
        }
        spare += all.idle - known_idle;  // of keys that nobody waits for
        if (!is_paused && open < capacity.max_open() && promised + able != 0)
            return "a permit is free, and somebody could have it";
        const std::size_t coming = all.closing > excess + closing ? all.closing - excess - closing : 0;
        if (promised != std::min(coming, promised + able)) return "a wrong number of promised requests";
        if (!has_right_order()) return "a promised request is younger than an able one";
        for (auto* const of : queues_) {
            const seen_queue<Entry> each{*of};
            if (!is_paused && each.able() != 0 && spare != each.spare()) return "room could be made for somebody";
        }
        return nullptr;
    }

private:
    bool has_right_order() const {
        std::uint64_t youngest_promised = 0, oldest_able = std::numeric_limits<std::uint64_t>::max();
        for (auto* const of : queues_) {
            for (const auto& each : of->waiting) {
                if (each.state() == pool::core::request_state::promised)
                    youngest_promised = std::max(youngest_promised, each.ticket() + 1);
                if (each.state() == pool::core::request_state::able)
                    oldest_able = std::min(oldest_able, each.ticket() + 1);
            }
        }
        return youngest_promised < oldest_able;
    }

    std::vector<pool::core::key_queue<Entry>*> queues_;
};

}  // namespace bounded_models
