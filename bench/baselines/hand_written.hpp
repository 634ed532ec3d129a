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
/// The best pool that we can write by hand for one kind of key and one rule each: one lock, a flat hash set with cached
/// hashes, intrusive lists, and nodes that are used again. As all connections have the same time to live, the order in
/// which they came back is that of their deadlines, and needs no index.

namespace baselines {

/// Does what `pool::basic_pool` does, for strings and without a second setting of anything. Never gives memory back before
/// its end.
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

    using lookup = pool::core::hashed_key<std::string>;
    struct hash {
        using is_transparent = void;
        using is_avalanching = void;
        std::size_t operator()(const group* g) const noexcept { return g->hash; }
        std::size_t operator()(const lookup& wanted) const noexcept { return wanted.hash; }
    };
    struct equal {
        using is_transparent = void;
        bool operator()(const group* a, const group* b) const noexcept { return a == b; }
        bool operator()(const lookup& wanted, const group* g) const noexcept {
            return wanted.hash == g->hash && wanted.key == g->key;
        }
        bool operator()(const group* g, const lookup& wanted) const noexcept { return (*this)(wanted, g); }
    };

public:
    using key_type = std::string;
    using connection_type = Conn;
    using entry = node;
    using lease = pool::lease<hand_written>;

    explicit hand_written(pool::bounded capacity, ExpiryPolicy expiry = {}, ClockPolicy clock = {})
        : capacity_{capacity}, expiry_{std::move(expiry)}, clock_{std::move(clock)} {}
    ~hand_written() {
        clear();
        nodes_.clear_and_dispose(std::default_delete<node>{});
        spare_groups_.clear_and_dispose(std::default_delete<group>{});
    }

    lease try_acquire(std::string_view key) {
        const lookup wanted{key};
        const time_point now = this->now();
        leaving retired;
        node* found = nullptr;
        {
            const std::lock_guard guard{lock_};
            found = pop(wanted, now, retired);
            if (found != nullptr) ++found->home->lent;
        }
        close(retired);
        if (found == nullptr) return {};
        found->reused = true;
        return {*this, *found};
    }

    std::optional<Conn> take(std::string_view key) {
        const lookup wanted{key};
        const time_point now = this->now();
        leaving retired;
        std::optional<Conn> taken;
        {
            const std::lock_guard guard{lock_};
            if (node* found = pop(wanted, now, retired)) {
                taken.emplace(recycle(*found));
                leave(*found->home);
            }
        }
        close(retired);
        return taken;
    }

    void put(std::string_view key, Conn&& conn) {
        const bool dead = conn.closed();
        const lookup wanted{key};
        const time_point now = this->now();
        leaving retired;
        {
            const std::lock_guard guard{lock_};
            if (dead) {
                ++stats_.puts;
                ++stats_.refused;
                return;
            }
            group& home = group_of(wanted);
            ++home.lent;
            push(fresh_node(home, std::move(conn)), now, retired);
        }
        close(retired);
    }

    void give_back(node& lent) noexcept {
        const bool dead = lent.held->closed();
        const time_point now = this->now();
        leaving retired;
        {
            const std::lock_guard guard{lock_};
            if (dead) refuse(lent, retired);
            else push(lent, now, retired);
        }
        close(retired);
    }

    void discard(node& lent) noexcept {
        leaving retired;
        {
            const std::lock_guard guard{lock_};
            refuse(lent, retired);
        }
        close(retired);
    }

    std::size_t expire() {
        const time_point now = this->now();
        leaving retired;
        {
            const std::lock_guard guard{lock_};
            while (!all_.empty() && is_due(all_.front(), now)) retire(all_.front(), stats_.expired, retired);
        }
        return close(retired);
    }

    std::size_t clear() {
        leaving retired;
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
    using leaving = boost::container::small_vector<Conn, 2>;

    static std::size_t close(leaving& retired) noexcept {
        for (Conn& each : retired) {
            if (!each.closed()) each.close();
        }
        return retired.size();
    }

    node* pop(const lookup& wanted, time_point now, leaving& retired) {
        if (const auto found = groups_.find(wanted); found != groups_.end()) {
            group& home = **found;
            ++home.lent;  // stays while it is looked through
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
            leave(home);
        }
        ++stats_.misses;
        return nullptr;
    }

    void push(node& lent, time_point now, leaving& retired) {
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

    void refuse(node& lent, leaving& retired) noexcept {
        ++stats_.puts;
        drop(lent, stats_.refused, retired);
    }

    void drop(node& lent, std::uint64_t& reason, leaving& retired) noexcept {
        ++reason;
        --lent.home->lent;
        retired.push_back(recycle(lent));
        leave(*lent.home);
    }

    void retire(node& idle, std::uint64_t& reason, leaving& retired) {
        ++reason;
        unlink(idle);
        retired.push_back(recycle(idle));
        leave(*idle.home);
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

    group& group_of(const lookup& wanted) {
        if (const auto found = groups_.find(wanted); found != groups_.end()) return **found;
        if (spare_groups_.empty()) spare_groups_.push_back(*new group);
        group& fresh = spare_groups_.back();
        fresh.key = wanted.key;
        fresh.hash = wanted.hash;
        groups_.insert(&fresh);
        spare_groups_.pop_back();
        return fresh;
    }

    /// A key without connections has no group.
    void leave(group& home) noexcept {
        if (home.lent != 0 || !home.idle.empty()) return;
        groups_.erase(&home);
        spare_groups_.push_back(home);
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
    of_all_list all_;  ///< idle, the oldest first
    of_key_list nodes_;
    groups spare_groups_;
    pool::stats stats_;
};

}  // namespace baselines
