// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <boost/container/small_vector.hpp>
#include <boost/intrusive/list.hpp>
#include <boost/unordered/unordered_flat_set.hpp>

#include <pool/connection.hpp>
#include <pool/key.hpp>
#include <pool/lease.hpp>
#include <pool/stats.hpp>
#include <pool/policies/capacity.hpp>

/// @file
/// H, the best pool that we can write by hand for one type of key and fixed policies: one lock, a flat hash set with
/// cached hashes, intrusive lists, and nodes that are reused. All connections have the same time to live, so they
/// expire in the order in which they were given back. That order needs no index.

namespace baselines {

/// Does what `pool::basic_pool` does, but only for strings, and its settings are fixed. It frees no memory before its
/// destructor runs.
template <class Conn, class ExpiryPolicy, class LockPolicy, class ClockPolicy>
class hand_written {
    struct group;
    struct of_key;
    struct of_all;
    using key_hook = boost::intrusive::list_base_hook<boost::intrusive::tag<of_key>>;
    using all_hook = boost::intrusive::list_base_hook<boost::intrusive::tag<of_all>>;

    static constexpr bool timed = ExpiryPolicy::can_expire;
    struct no_time {};
    using time_point = std::conditional_t<timed, typename ClockPolicy::time_point, no_time>;

    struct node : key_hook, all_hook {
        Conn& conn() noexcept { return *held; }
        const std::string& key() const noexcept { return home->key; }

        std::optional<Conn> held;
        group* home = nullptr;
        [[no_unique_address]] time_point due{};
        int exceptions = 0;
        bool reused = false;
    };
    using of_key_list = boost::intrusive::list<node, boost::intrusive::base_hook<key_hook>>;
    using of_all_list = boost::intrusive::list<node, boost::intrusive::base_hook<all_hook>>;

    struct group : boost::intrusive::list_base_hook<> {
        std::string key;
        std::size_t hash = 0;
        std::size_t lent = 0;
        of_key_list idle;
    };
    using groups = boost::intrusive::list<group>;

    using hashed_key = pool::core::hashed_key<std::string>;
    struct hash {
        using is_transparent = void;
        using is_avalanching = void;
        std::size_t operator()(const group* g) const noexcept { return g->hash; }
        std::size_t operator()(const hashed_key& key) const noexcept { return key.hash; }
    };
    struct equal {
        using is_transparent = void;
        bool operator()(const group* a, const group* b) const noexcept { return a == b; }
        bool operator()(const hashed_key& key, const group* g) const noexcept {
            return key.hash == g->hash && key.key == g->key;
        }
        bool operator()(const group* g, const hashed_key& key) const noexcept { return (*this)(key, g); }
    };

public:
    using key_type = std::string;
    using connection_type = Conn;
    using entry = node;
    using lease = pool::lease<hand_written>;
    static constexpr bool marks_leases() noexcept { return false; }
    static constexpr bool begins_unkept() noexcept { return false; }
    static void trace_lease(const entry&, const pool::call_site&) noexcept {}

    explicit hand_written(pool::bounded capacity, ExpiryPolicy expiry = {}, ClockPolicy clock = {})
        : capacity_{capacity}, expiry_{std::move(expiry)}, clock_{std::move(clock)} {}
    ~hand_written() {
        clear();
        nodes_.clear_and_dispose(std::default_delete<node>{});
        free_groups_.clear_and_dispose(std::default_delete<group>{});
    }

    lease try_acquire(std::string_view key) {
        const hashed_key hashed{key};
        const time_point now = this->now();
        connections retired;
        node* found = nullptr;
        {
            const std::lock_guard guard{lock_};
            found = pop(hashed, now, retired);
            if (found != nullptr) ++found->home->lent;
        }
        close(retired);
        if (found == nullptr) return {};
        found->reused = true;
        return {*this, *found, {}};
    }

    std::optional<Conn> take(std::string_view key) {
        const hashed_key hashed{key};
        const time_point now = this->now();
        connections retired;
        std::optional<Conn> taken;
        {
            const std::lock_guard guard{lock_};
            if (node* found = pop(hashed, now, retired)) {
                taken.emplace(recycle(*found));
                recycle_if_unused(*found->home);
            }
        }
        close(retired);
        return taken;
    }

    void put(std::string_view key, Conn&& conn) {
        const bool dead = conn.closed();
        const hashed_key hashed{key};
        const time_point now = this->now();
        connections retired;
        {
            const std::lock_guard guard{lock_};
            if (dead) {
                ++stats_.puts;
                ++stats_.refused;
                retired.push_back(std::move(conn));
            } else {
                group& home = group_of(hashed);
                ++home.lent;
                push(fresh_node(home, std::move(conn)), now, retired);
            }
        }
        close(retired);
    }

    void finish(node& lent) noexcept {
        const bool dead = lent.held->closed();
        const time_point now = this->now();
        connections retired;
        {
            const std::lock_guard guard{lock_};
            if (dead) refuse(lent, retired);
            else push(lent, now, retired);
        }
        close(retired);
    }

    void discard(node& lent) noexcept {
        connections retired;
        {
            const std::lock_guard guard{lock_};
            refuse(lent, retired);
        }
        close(retired);
    }

    std::size_t expire() {
        const time_point now = this->now();
        connections retired;
        {
            const std::lock_guard guard{lock_};
            while (!all_.empty() && is_due(all_.front(), now)) retire(all_.front(), stats_.expired, retired);
        }
        return close(retired);
    }

    std::size_t clear() {
        connections retired;
        {
            const std::lock_guard guard{lock_};
            while (!all_.empty()) retire(all_.front(), stats_.cleared, retired);
        }
        return close(retired);
    }

    pool::stats stats() const {
        const std::lock_guard guard{lock_};
        return stats_;
    }

private:
    using connections = boost::container::small_vector<Conn, 2>;

    static std::size_t close(connections& retired) noexcept {
        for (Conn& each : retired) each.close();
        return retired.size();
    }

    node* pop(const hashed_key& key, time_point now, connections& retired) {
        if (const auto found = groups_.find(key); found != groups_.end()) {
            group& home = **found;
            ++home.lent;  // keeps the group during the search
            for (auto next = home.idle.begin(); next != home.idle.end();) {
                node& each = *next++;
                if (is_due(each, now)) {
                    retire(each, stats_.expired, retired);
                } else if (each.held->closed()) {
                    retire(each, stats_.found_closed, retired);
                } else if (!each.held->unblocked()) {
                    ++stats_.skipped_blocked;
                } else {
                    unlink(each);
                    --home.lent;
                    ++stats_.hits;
                    return &each;
                }
            }
            --home.lent;
            recycle_if_unused(home);
        }
        ++stats_.misses;
        return nullptr;
    }

    void push(node& lent, time_point now, connections& retired) {
        ++stats_.puts;
        if (capacity_.max_idle == 0 || capacity_.max_idle_per_key == 0) return drop(lent, stats_.refused, retired);
        group& home = *lent.home;
        while (home.idle.size() >= capacity_.max_idle_per_key) retire(home.idle.front(), stats_.evicted, retired);
        while (all_.size() >= capacity_.max_idle) retire(all_.front(), stats_.evicted, retired);
        if constexpr (timed) lent.due = expiry_.expires_at(now);
        --home.lent;
        home.idle.push_back(lent);
        all_.push_back(lent);
        ++stats_.idle;
    }

    void refuse(node& lent, connections& retired) noexcept {
        ++stats_.puts;
        drop(lent, stats_.refused, retired);
    }

    void drop(node& lent, std::uint64_t& reason, connections& retired) noexcept {
        ++reason;
        --lent.home->lent;
        retired.push_back(recycle(lent));
        recycle_if_unused(*lent.home);
    }

    void retire(node& idle, std::uint64_t& reason, connections& retired) {
        ++reason;
        unlink(idle);
        retired.push_back(recycle(idle));
        recycle_if_unused(*idle.home);
    }

    void unlink(node& idle) noexcept {
        --stats_.idle;
        idle.home->idle.erase(idle.home->idle.iterator_to(idle));
        all_.erase(all_.iterator_to(idle));
    }

    node& fresh_node(group& home, Conn&& conn) {
        if (nodes_.empty()) nodes_.push_back(*new node);
        node& fresh = nodes_.back();
        nodes_.pop_back();
        fresh.held.emplace(std::move(conn));
        fresh.home = &home;
        return fresh;
    }

    Conn recycle(node& old) noexcept {
        Conn conn = *std::move(old.held);
        old.held.reset();
        nodes_.push_back(old);
        return conn;
    }

    group& group_of(const hashed_key& key) {
        if (const auto found = groups_.find(key); found != groups_.end()) return **found;
        if (free_groups_.empty()) free_groups_.push_back(*new group);
        group& fresh = free_groups_.back();
        fresh.key = key.key;
        fresh.hash = key.hash;
        groups_.insert(&fresh);
        free_groups_.pop_back();
        return fresh;
    }

    /// Recycles the group of a key that has no connections any more.
    void recycle_if_unused(group& home) noexcept {
        if (home.lent != 0 || !home.idle.empty()) return;
        groups_.erase(&home);
        free_groups_.push_back(home);
    }

    static bool is_due(const node& idle, time_point now) noexcept {
        if constexpr (timed) return idle.due <= now;
        else return false;
    }

    time_point now() const {
        if constexpr (timed) return clock_.now();
        else return {};
    }

    const pool::bounded capacity_;
    [[no_unique_address]] const ExpiryPolicy expiry_;
    [[no_unique_address]] const ClockPolicy clock_;

    [[no_unique_address]] mutable LockPolicy lock_;  ///< guards all below
    boost::unordered_flat_set<group*, hash, equal> groups_;
    of_all_list all_;  ///< the idle connections, the oldest first
    of_key_list nodes_;
    groups free_groups_;
    pool::stats stats_;
};

}  // namespace baselines
