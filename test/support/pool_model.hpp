// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <range/v3/algorithm/count_if.hpp>
#include <range/v3/algorithm/find.hpp>
#include <range/v3/algorithm/sort.hpp>
#include <range/v3/range/conversion.hpp>
#include <range/v3/view/filter.hpp>
#include <range/v3/view/transform.hpp>

#include <pool/basic_pool.hpp>

#include <support/fake.hpp>

/// @file
/// A model of a pool, for random histories: a vector and linear scans.

namespace modelled {

using key = std::string;
using clock = pool::manual_clock;
using time_point = clock::time_point;
using fake::ids;

inline const std::array<key, 4> keys{"a", "b", "c", "a key that is longer than the buffer of a short string"};

/// Whether the close of a connection throws.
inline bool fails_to_close(int id) { return id % 7 == 0; }

/// What decides a pool's behaviour.
struct configuration {
    pool::bounded capacity;
    pool::after_idle ttl;
    pool::reuse_order reuse;
};

/// The rules of a pool, each written as simply as possible.
class pool_model {
public:
    struct entry {
        int id;
        key of;
        time_point due;
    };

    pool_model(configuration chosen, fake::network& net, const clock& now) : chosen_{chosen}, net_{net}, clock_{now} {}

    /// The connection that is lent, if there is one to lend.
    std::optional<int> lend(const key& of) {
        auto candidates = idle_ | ranges::views::filter([&](const entry& e) { return e.of == of; }) |
                          ranges::views::transform(&entry::id) | ranges::to<std::vector>();
        if (chosen_.reuse == pool::reuse_order::newest_first) std::reverse(candidates.begin(), candidates.end());
        for (const int id : candidates) {
            if (find(id)->due <= clock_.now()) {
                retire(id, figures.expired);
            } else if (net_[id].dead) {
                retire(id, figures.found_closed);
            } else if (net_[id].blocked) {
                ++figures.skipped_blocked;
            } else {
                idle_.erase(find(id));
                lent_.push_back({id, of, {}});
                ++figures.hits;
                return id;
            }
        }
        ++figures.misses;
        return std::nullopt;
    }

    void add_lent(int id, const key& of) { lent_.push_back({id, of, {}}); }

    void forget_lent(int id) { lent_.erase(ranges::find(lent_, id, &entry::id)); }

    void give_back(int id) {
        const key of = ranges::find(lent_, id, &entry::id)->of;
        forget_lent(id);
        put(id, of);
    }

    void put(int id, const key& of) {
        closing_own_and_one([&] { keep(id, of); });
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

    void expire() {
        auto due = idle_ | ranges::views::filter([&](const entry& e) { return e.due <= clock_.now(); }) |
                   ranges::to<std::vector>();
        ranges::sort(due, {}, &entry::due);
        for (const entry& each : due) retire(each.id, figures.expired);
        close_all();
    }

    time_point next_expiry() const {
        if (is_closed) return time_point::max();
        time_point earliest = chosen_.ttl.expires_at(clock_.now());
        if (earliest <= clock_.now()) earliest = time_point::max();  // nothing that comes back is kept
        for (const entry& each : idle_) earliest = std::min(earliest, each.due);
        return earliest;
    }

    void clear() {
        while (!idle_.empty()) retire(idle_.front().id, figures.cleared);
        close_all();
    }

    void clear(const key& of) {
        while (count(of) > 0) retire(ranges::find(idle_, of, &entry::of)->id, figures.cleared);
        close_all();
    }

    void reconfigure(pool::bounded capacity) {
        chosen_.capacity = capacity;
        for (const entry& each : std::vector{idle_})
            if (count(each.of) > capacity.max_idle_per_key) retire(each.id, figures.evicted);
        while (idle_.size() > capacity.max_idle) retire(idle_.front().id, figures.evicted);
        close_all();
    }

    pool::stats stats() const {
        pool::stats all = figures;
        all.idle = idle_.size();
        all.lent = lent_.size();
        all.closing = retired_.size();
        all.keys = static_cast<std::size_t>(
            ranges::count_if(keys, [this](const key& of) { return stats(of) != pool::key_stats{}; }));
        return all;
    }

    pool::key_stats stats(const key& of) const { return {.idle = count(of), .lent = count(lent_, of)}; }

    ids closed() { return std::exchange(closed_, {}); }

    bool is_closed = false;
    pool::stats figures;  ///< but for what is idle, lent, and the keys

private:
    std::vector<entry>::iterator find(int id) { return ranges::find(idle_, id, &entry::id); }

    static std::size_t count(const std::vector<entry>& entries, const key& of) {
        return static_cast<std::size_t>(ranges::count_if(entries, [&](const entry& e) { return e.of == of; }));
    }
    std::size_t count(const key& of) const { return count(idle_, of); }

    /// What `put` does, without the closes.
    void keep(int id, const key& of) {
        ++figures.puts;
        const time_point due = chosen_.ttl.expires_at(clock_.now());
        if (net_[id].dead || is_closed || chosen_.capacity.max_idle == 0 || chosen_.capacity.max_idle_per_key == 0) {
            ++figures.refused;
            retired_.push_back(id);
        } else if (due <= clock_.now()) {
            ++figures.expired;
            retired_.push_back(id);
        } else {
            while (count(of) >= chosen_.capacity.max_idle_per_key)
                retire(ranges::find(idle_, of, &entry::of)->id, figures.evicted);
            while (idle_.size() >= chosen_.capacity.max_idle) retire(idle_.front().id, figures.evicted);
            idle_.push_back({id, of, due});
        }
    }

    void retire(int id, std::uint64_t& reason) {
        idle_.erase(find(id));
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
        if (net_[id].dead) return;
        closed_.push_back(id);
        figures.failed_closes += fails_to_close(id);
    }

    configuration chosen_;
    fake::network& net_;
    const clock& clock_;
    std::vector<entry> idle_;  ///< in the order they were given back
    std::vector<entry> lent_;
    std::deque<int> retired_;  ///< and not closed yet
    ids closed_;
};

}  // namespace modelled
