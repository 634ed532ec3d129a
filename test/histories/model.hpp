// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include <pool/policies/expiry.hpp>
#include <pool/settings.hpp>
#include <pool/stats.hpp>

#include <histories/some_pool.hpp>
#include <support/fake.hpp>
#include <support/ids.hpp>

/// @file
/// A model of a pool that bounds what is idle: vectors and linear scans.

namespace histories {

using fake::ids;

/// Whether the close of a connection throws.
inline bool fails_to_close(int id) { return id % 7 == 0; }

/// What a connection weighs.
inline std::size_t weight_of(int id) { return static_cast<std::size_t>(id % 5); }

/// The rules of a pool, each written as simply as possible.
class model {
public:
    struct entry {
        int id;
        std::size_t of;
        time_point opened{};
        std::uint32_t draw = 0;
        std::size_t uses = 0;
        time_point due{};
    };

    /// `chosen` has no time to live, no lifetime and no number of uses, if the pool's policy has none.

    model(const idle_bounds& bounds, const settings& chosen, fake::network& net, const clock& now)
        : bounds_{bounds},
          chosen_{chosen},
          reuse_{chosen.reuse},
          net_{net},
          clock_{now} {}

    /// The connection that is lent, if there is one to lend.
    std::optional<int> lend(std::size_t of) {
        std::vector<entry> candidates = idle_;
        if (reuse_ == pool::reuse_order::newest_first) std::reverse(candidates.begin(), candidates.end());
        for (const entry& each : candidates) {
            if (each.of != of) continue;
            if (each.due <= clock_.now()) {
                retire(each.id, figures.expired);
            } else if (net_[each.id].dead) {
                retire(each.id, figures.found_closed);
            } else if (net_[each.id].blocked) {
                ++figures.skipped_blocked;
            } else {
                remove(idle_, each.id);
                lent_.push_back(each);
                ++figures.hits;
                return each.id;
            }
        }
        ++figures.misses;
        return std::nullopt;
    }

    void add_lent(int id, std::size_t of) { lent_.push_back(opened(id, of)); }
    void forget_lent(int id) { remove(lent_, id); }

    void give_back(int id) {
        entry its = *find(lent_, id);
        ++its.uses;
        forget_lent(id);
        closing_own_and_one([&] { keep(its); });
    }

    void put(int id, std::size_t of) {
        const bool is_refused = net_[id].dead || is_closed;
        closing_own_and_one([&] { keep(is_refused ? entry{id, of} : opened(id, of)); });
    }

    void discard(int id) {
        closing_own_and_one([&] {
            forget_lent(id);
            ++figures.discarded;
            retired_.push_back(id);
        });
    }

    void detach(int id) {
        closing_own_and_one([&] {
            forget_lent(id);
            ++figures.detached;
        });
    }

    /// Returns how many expire.
    std::size_t expire() {
        std::vector<entry> due;
        for (const entry& each : idle_)
            if (each.due <= clock_.now()) due.push_back(each);
        std::sort(due.begin(), due.end(), [](const entry& a, const entry& b) { return a.due < b.due; });
        for (std::size_t i = 1; i < due.size(); ++i) is_any_order |= due[i - 1].due == due[i].due;
        for (const entry& each : due) retire(each.id, figures.expired);
        close_all();
        return due.size();
    }

    time_point next_expiry() const {
        if (is_closed) return time_point::max();
        // A new one with the greatest number; those that come back; those that are idle. Some will not be kept.
        time_point earliest = unless_past(due_of({0, 0, clock_.now(), ~std::uint32_t{0}}));
        for (const entry& each : lent_) earliest = std::min(earliest, unless_past(due_of(each)));
        for (const entry& each : idle_) earliest = std::min(earliest, each.due);
        return earliest;
    }

    /// Returns how many expire.
    std::size_t reconfigure_expiry(const settings& fresh) {
        chosen_ = fresh;
        for (entry& each : idle_) each.due = std::min(each.due, due_of(each));
        for (const entry& each : std::vector{idle_})
            if (net_[each.id].dead) retire(each.id, figures.found_closed);
        close_all();
        return expire();
    }

    /// Returns how many it clears.
    std::size_t clear(std::optional<std::size_t> of = std::nullopt) {
        std::size_t count = 0;
        for (const entry& each : std::vector{idle_}) {
            if (of && each.of != *of) continue;
            retire(each.id, figures.cleared);
            ++count;
        }
        close_all();
        return count;
    }

    /// Returns how many expire.
    std::size_t upkeep() {
        const std::size_t expired = expire();
        for (const entry& each : std::vector{idle_})
            if (net_[each.id].dead) retire(each.id, figures.found_closed);
        close_all();
        return expired;
    }

    /// Returns how many are dead, or exceed the new bounds.
    std::size_t reconfigure(const idle_bounds& fresh) {
        bounds_ = fresh;
        const std::size_t before = idle_.size();
        for (const entry& each : std::vector{idle_})
            if (net_[each.id].dead) retire(each.id, figures.found_closed);
            else if (idle_of(each.of) > fresh.of[each.of]) retire(each.id, figures.evicted);
        while (idle_.size() > fresh.in_all || idle_weight() > fresh.weight) retire(idle_.front().id, figures.evicted);
        const std::size_t count = before - idle_.size();
        close_all();
        return count;
    }

    pool::stats stats() const {
        pool::stats all = figures;
        all.idle = idle_.size();
        all.lent = lent_.size();
        all.closing = retired_.size();
        all.idle_weight = bounds_.has_weight ? idle_weight() : 0;
        for (std::size_t of = 0; of != keys.size(); ++of) all.keys += idle_of(of) + count(lent_, of) != 0;
        return all;
    }
    pool::key_stats stats(std::size_t of) const { return {.idle = idle_of(of), .lent = count(lent_, of)}; }

    /// The closes since this was last asked.
    ids closed() { return std::exchange(closed_, {}); }

    const std::vector<entry>& idle() const { return idle_; }  ///< in the order in which they were given back
    const std::vector<entry>& lent() const { return lent_; }  ///< in the order in which they were lent
    bool has_unclosed() const { return !retired_.empty(); }

    bool is_any_order = false;  ///< some have expired at the same time, so their closes may come in any order
    bool is_closed = false;
    pool::stats figures;  ///< but for what is idle, lent, and the keys

private:
    static std::vector<entry>::iterator find(std::vector<entry>& in, int id) {
        return std::find_if(in.begin(), in.end(), [id](const entry& each) { return each.id == id; });
    }
    static void remove(std::vector<entry>& from, int id) { from.erase(find(from, id)); }
    static std::size_t count(const std::vector<entry>& entries, std::size_t of) {
        return static_cast<std::size_t>(
            std::count_if(entries.begin(), entries.end(), [of](const entry& each) { return each.of == of; }));
    }
    std::size_t idle_of(std::size_t of) const { return count(idle_, of); }
    std::size_t idle_weight() const {
        std::size_t sum = 0;
        for (const entry& each : idle_) sum += weight_of(each.id);
        return sum;
    }

    entry opened(int id, std::size_t of) {
        return {id, of, clock_.now(), chosen_.lifetime.draw() >> 20 << 20};
    }

    /// When a connection expires that is given back now.
    time_point due_of(const entry& each) const {
        const time_point now = clock_.now();
        const time_point worn_out = each.uses >= chosen_.max_uses ? now : time_point::max();
        return std::min({worn_out, chosen_.ttl.expires_at(now),
            chosen_.lifetime.expires_at(now, {.opened = each.opened, .draw = each.draw})});
    }
    time_point unless_past(time_point due) const { return due <= clock_.now() ? time_point::max() : due; }

    /// What `put` does, without the closes.
    void keep(entry fresh) {
        const int id = fresh.id;
        const std::size_t of = fresh.of;
        ++figures.puts;
        fresh.due = due_of(fresh);
        if (net_[id].dead || is_closed || bounds_.in_all == 0 || bounds_.of[of] == 0 ||
            weight_of(id) > bounds_.weight) {
            ++figures.refused;
            retired_.push_back(id);
        } else if (fresh.due <= clock_.now()) {
            ++figures.expired;
            retired_.push_back(id);
        } else {
            while (idle_of(of) >= bounds_.of[of]) {
                const auto is_of = [of](const entry& each) { return each.of == of; };
                retire(std::find_if(idle_.begin(), idle_.end(), is_of)->id, figures.evicted);
            }
            while (idle_.size() >= bounds_.in_all) retire(idle_.front().id, figures.evicted);
            while (idle_weight() > bounds_.weight - weight_of(id)) retire(idle_.front().id, figures.evicted);
            idle_.push_back(fresh);
        }
    }

    void retire(int id, std::uint64_t& reason) {
        remove(idle_, id);
        ++reason;
        retired_.push_back(id);
    }

    /// A call that has finished with a connection makes the closes that it has caused, and one that a look-up has left.
    void closing_own_and_one(const auto& act) {
        const std::size_t before = retired_.size();
        act();
        for (std::size_t most = retired_.size() - before + 1; most != 0 && !retired_.empty(); --most) close_oldest();
    }

    /// A sweep makes all closes.
    void close_all() {
        while (!retired_.empty()) close_oldest();
    }

    void close_oldest() {
        const int id = retired_.front();
        retired_.pop_front();
        closed_.push_back(id);
        figures.failed_closes += fails_to_close(id);
    }

    idle_bounds bounds_;
    settings chosen_;
    pool::reuse_order reuse_;
    fake::network& net_;
    const clock& clock_;
    std::vector<entry> idle_;
    std::vector<entry> lent_;
    std::deque<int> retired_;  ///< and not closed yet
    ids closed_;
};

}  // namespace histories
