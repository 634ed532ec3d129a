// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <iterator>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include <pool/stats.hpp>
#include <pool/policies/capacity.hpp>

/// @file
/// N, the pool that users write: a mutex, a map of queues, and a list for the order over all keys. It is written well:
/// it looks keys up by view, it finds a connection in the list by an iterator, and it closes connections without the
/// lock.

namespace baselines {

/// Does what `pool::basic_pool` does, but only for strings, and its settings are fixed. It keeps the queue of a key
/// that has no connections any more, as most such pools do: without that, it would have to allocate the queue anew each
/// time.
template <class Conn, class ExpiryPolicy, class LockPolicy, class ClockPolicy>
class naive {
    static constexpr bool timed = ExpiryPolicy::can_expire;
    struct no_time {};
    using time_point = std::conditional_t<timed, typename ClockPolicy::time_point, no_time>;

    struct key_queue;
    struct element {
        Conn conn;
        key_queue* home;
        [[no_unique_address]] time_point due;
    };
    using order = std::list<element>;
    struct key_queue {
        std::deque<typename order::iterator> idle;
    };

    struct hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view key) const noexcept { return std::hash<std::string_view>{}(key); }
    };

public:
    /// A connection that is lent to a caller.
    class lease {
    public:
        lease() = default;
        lease(naive& home, std::string_view key, Conn&& conn)
            : home_{&home}, key_{key}, conn_{std::move(conn)}, exceptions_{std::uncaught_exceptions()} {}
        lease(lease&& other) noexcept
            : home_{std::exchange(other.home_, nullptr)},
              key_{other.key_},
              conn_{std::move(other.conn_)},
              exceptions_{other.exceptions_} {}
        lease& operator=(lease&&) = delete;
        ~lease() {
            if (home_ == nullptr) return;
            if (std::uncaught_exceptions() > exceptions_) discard();
            else give_back();
        }

        explicit operator bool() const noexcept { return home_ != nullptr; }
        Conn& operator*() noexcept { return *conn_; }
        Conn* operator->() noexcept { return &*conn_; }
        void give_back() {
            if (home_ != nullptr) std::exchange(home_, nullptr)->put(key_, *std::move(conn_));
        }
        void discard() {
            home_ = nullptr;
            conn_->close();
        }

    private:
        naive* home_ = nullptr;
        std::string_view key_;  ///< the key in the map, which never erases one
        std::optional<Conn> conn_;
        int exceptions_ = 0;
    };

    explicit naive(pool::bounded capacity, ExpiryPolicy expiry = {}, ClockPolicy clock = {})
        : capacity_{capacity}, expiry_{std::move(expiry)}, clock_{std::move(clock)} {}
    ~naive() { clear(); }

    lease try_acquire(std::string_view key) {
        std::string_view owned;
        std::optional<Conn> taken = pop(key, owned);
        return taken ? lease{*this, owned, *std::move(taken)} : lease{};
    }

    std::optional<Conn> take(std::string_view key) {
        std::string_view owned;
        return pop(key, owned);
    }

    void put(std::string_view key, Conn&& conn) {
        const bool dead = conn.closed();
        const time_point now = this->now();
        std::vector<Conn> retired;
        {
            const std::lock_guard guard{lock_};
            ++stats_.puts;
            if (dead || capacity_.max_idle == 0 || capacity_.max_idle_per_key == 0) {
                ++stats_.refused;
                retired.push_back(std::move(conn));
            } else {
                key_queue& home = queue_of(key);
                while (home.idle.size() >= capacity_.max_idle_per_key) retire(home.idle.front(), stats_.evicted, retired);
                while (order_.size() >= capacity_.max_idle) retire(order_.begin(), stats_.evicted, retired);
                order_.push_back({std::move(conn), &home, expires_at(now)});
                home.idle.push_back(std::prev(order_.end()));
                ++stats_.idle;
            }
        }
        close(retired);
    }

    std::size_t expire() {
        const time_point now = this->now();
        std::vector<Conn> retired;
        {
            const std::lock_guard guard{lock_};
            while (!order_.empty() && is_due(order_.front(), now)) retire(order_.begin(), stats_.expired, retired);
        }
        return close(retired);
    }

    std::size_t clear() {
        std::vector<Conn> retired;
        {
            const std::lock_guard guard{lock_};
            while (!order_.empty()) retire(order_.begin(), stats_.cleared, retired);
        }
        return close(retired);
    }

    pool::stats stats() const {
        const std::lock_guard guard{lock_};
        return stats_;
    }

private:
    static std::size_t close(std::vector<Conn>& retired) noexcept {
        for (Conn& each : retired) each.close();
        return retired.size();
    }

    std::optional<Conn> pop(std::string_view key, std::string_view& owned) {
        const time_point now = this->now();
        std::vector<Conn> retired;
        std::optional<Conn> taken;
        {
            const std::lock_guard guard{lock_};
            if (const auto found = queues_.find(key); found != queues_.end()) {
                owned = found->first;
                auto& idle = found->second.idle;
                for (std::size_t i = 0; i < idle.size() && !taken;) {
                    auto& each = *idle[i];
                    if (is_due(each, now)) {
                        retire(idle[i], stats_.expired, retired);
                    } else if (each.conn.closed()) {
                        retire(idle[i], stats_.found_closed, retired);
                    } else if (!each.conn.unblocked()) {
                        ++stats_.skipped_blocked;
                        ++i;
                    } else {
                        taken = std::move(each.conn);
                        remove(idle[i]);
                        ++stats_.hits;
                    }
                }
            }
            if (!taken) ++stats_.misses;
        }
        close(retired);
        return taken;
    }

    void retire(typename order::iterator idle, std::uint64_t& reason, std::vector<Conn>& retired) {
        ++reason;
        retired.push_back(std::move(idle->conn));
        remove(idle);
    }

    /// The connection is nearly always the first of its queue, so the search is short.
    void remove(typename order::iterator idle) {
        auto& queue = idle->home->idle;
        queue.erase(std::find(queue.begin(), queue.end(), idle));
        order_.erase(idle);
        --stats_.idle;
    }

    key_queue& queue_of(std::string_view key) {
        if (const auto found = queues_.find(key); found != queues_.end()) return found->second;
        return queues_.try_emplace(std::string{key}).first->second;
    }

    static bool is_due(const element& each, time_point now) noexcept {
        if constexpr (timed) return each.due <= now;
        else return false;
    }
    time_point now() const {
        if constexpr (timed) return clock_.now();
        else return {};
    }
    time_point expires_at(time_point since) const {
        if constexpr (timed) return expiry_.expires_at(since);
        else return {};
    }

    const pool::bounded capacity_;
    [[no_unique_address]] const ExpiryPolicy expiry_;
    [[no_unique_address]] const ClockPolicy clock_;

    [[no_unique_address]] mutable LockPolicy lock_;  ///< guards all below
    std::unordered_map<std::string, key_queue, hash, std::equal_to<>> queues_;
    order order_;  ///< all idle connections, the oldest first
    pool::stats stats_;
};

}  // namespace baselines
