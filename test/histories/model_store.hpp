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
/// The connections of a model: vectors and linear scans.

namespace histories {

using fake::ids;

/// Whether the close of a connection throws.
inline bool fails_to_close(int id) { return id % 7 == 0; }

/// What a connection weighs.
inline std::size_t weight_of(int id) { return static_cast<std::size_t>(id % 5); }

/// Which connections are idle, lent, or retired, and which are kept. The model of the pool says when they change.
class model_store {
public:
    struct entry {
        int id;
        std::size_t of;
        time_point opened{};
        std::uint32_t draw = 0;
        std::size_t uses = 0;
        time_point due{};
        time_point since{};  ///< when it became idle
        time_point heard{};  ///< when its peer last heard of it
        bool is_outdated = false;
        std::uint64_t blocked_since = 0;  ///< the lower, the longer; 0 if it was not blocked when it was last asked
    };

    /// `chosen` has no time to live, no lifetime and no number of uses, if the pool's policy has none.
    model_store(const idle_bounds& bounds, const settings& chosen, fake::network& net, const clock& now)
        : bounds_{bounds},
          chosen_{chosen},
          net_{net},
          clock_{now} {}

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

    /// What is open is not lent any more. Returns how many it closes.
    std::size_t invalidate(std::optional<std::size_t> of = std::nullopt) {
        for (entry& each : lent_) each.is_outdated |= !of || each.of == *of;
        std::size_t count = 0;
        for (const entry& each : std::vector{idle_}) {
            if (of && each.of != *of) continue;
            retire(each.id, figures.invalidated);
            ++count;
        }
        close_all();
        return count;
    }

    /// The dial of this connection has ended, and was outdated.
    void end_outdated_dial(int id) {
        ++figures.dials;
        ++figures.outdated_dials;
        close(id);
    }

    void pause() { is_paused = !is_closed; }
    void resume() { is_paused = false; }
    bool lends() const { return !is_paused && !is_closed; }

    bool is_any_order = false;  ///< some have expired at the same time, so their closes may come in any order
    bool is_closed = false;
    bool is_paused = false;
    pool::stats figures;  ///< but for what is idle, lent, and the keys

protected:
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

    time_point now() const { return clock_.now(); }

    entry opened(int id, std::size_t of) { return {id, of, now(), chosen_.lifetime.draw() >> 20 << 20}; }

    /// When a connection expires that is given back now.
    time_point due_of(const entry& each) const {
        const time_point worn_out = each.uses >= chosen_.max_uses ? now() : time_point::max();
        return std::min({worn_out, chosen_.ttl.expires_at(now()),
            chosen_.lifetime.expires_at(now(), {.opened = each.opened, .draw = each.draw})});
    }
    time_point unless_past(time_point due) const { return due <= now() ? time_point::max() : due; }

    /// When a new connection expires, at the earliest.
    time_point due_of_new() const { return due_of({0, 0, now(), ~std::uint32_t{0}}); }

    /// Whether a bound allows no idle connection of a key at all.
    bool keeps_none_of(std::size_t of) const { return is_closed || bounds_.in_all == 0 || bounds_.of[of] == 0; }

    /// What `put` does, without the closes.
    void keep(entry fresh, bool is_dead) {
        const int id = fresh.id;
        const std::size_t of = fresh.of;
        ++figures.puts;
        fresh.due = due_of(fresh);
        fresh.since = fresh.heard = now();
        if (fresh.is_outdated && !is_dead && !is_closed) {
            ++figures.invalidated;
            retired_.push_back(id);
        } else if (is_dead || keeps_none_of(of) || weight_of(id) > bounds_.weight) {
            ++figures.refused;
            retired_.push_back(id);
        } else if (fresh.due <= now()) {
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
            idle_.back().blocked_since = 0;
            const bool is_dialled = id <= net_.dials();  // the model is ahead of the pool
            if (is_dialled && net_[id].blocked) is_blocked(idle_.back());
        }
    }

    void is_blocked(entry& idle) {
        if (idle.blocked_since == 0) idle.blocked_since = ++times_blocked_;
    }

    /// An idle one.
    void retire(int id, std::uint64_t& reason) {
        remove(idle_, id);
        ++reason;
        retired_.push_back(id);
    }
    void retire_lent(int id, std::uint64_t& reason) {
        remove(lent_, id);
        ++reason;
        retired_.push_back(id);
    }

    /// A call that has finished with a connection makes the closes that it has caused, and one that a look-up has left.
    void closing_own_and_one(const auto& act) { closing_own_and(1, act); }

    void closing_own_and(std::size_t others, const auto& act) {
        const std::size_t before = retired_.size();
        act();
        for (std::size_t most = retired_.size() - before + others; most != 0 && !retired_.empty(); --most)
            close_oldest();
    }

    /// A sweep makes all closes.
    void close_all() {
        while (!retired_.empty()) close_oldest();
    }

    idle_bounds bounds_;
    settings chosen_;
    fake::network& net_;
    const clock& clock_;
    std::vector<entry> idle_;
    std::vector<entry> lent_;

private:
    void close_oldest() {
        const int id = retired_.front();
        retired_.pop_front();
        close(id);
    }

    void close(int id) {
        closed_.push_back(id);
        figures.failed_closes += fails_to_close(id);
    }

    std::uint64_t times_blocked_ = 0;
    std::deque<int> retired_;  ///< and not closed yet
    ids closed_;
};

}  // namespace histories
