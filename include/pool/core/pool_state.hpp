// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <pool/core/connection.hpp>
#include <pool/core/dial.hpp>
#include <pool/core/entry_store.hpp>
#include <pool/core/error.hpp>
#include <pool/core/key.hpp>
#include <pool/core/stats.hpp>

/// @file
/// What a pool, its leases and its lazy connections share: the store and the policies, behind one lock.

namespace pool {

/// What is chosen for a pool beside its policies.
struct pool_settings {
    reuse_order reuse = reuse_order::oldest_first;  ///< which idle connection of a key is handed out first
    std::string name = {};                          ///< how error messages call the pool
};

/// Every operation reads the clock, takes one step of the store under the lock, and then, without the lock, closes what
/// the step retired. Whoever unlinks a connection under the lock owns its close, so each is closed once.
///
/// A lease may outlive its pool. So the state deletes itself, when the pool and its lazy connections are gone, nothing is
/// lent and no close is under way; all of that is known under the lock that is held anyway.
///
/// Thread-safe, as far as LockPolicy is one.
template <class Key, class Conn, class CapacityPolicy, class ExpiryPolicy, class LockPolicy, class ClockPolicy>
class pool_state {
public:
    static constexpr bool timed = ExpiryPolicy::can_expire;  ///< whether there are deadlines

    using key_type = Key;                                                                     ///< the parameter
    using connection_type = Conn;                                                             ///< the parameter
    using time_point = std::conditional_t<timed, typename ClockPolicy::time_point, no_time>;  ///< what deadlines are
    using store = entry_store<Key, Conn, time_point>;                                         ///< the container
    using entry = typename store::entry;                                                      ///< one connection
    using connections = typename store::connections;                                          ///< those outside it
    using lookup = typename store::lookup;                                                    ///< a key and its hash

    /// Without connections.
    pool_state(CapacityPolicy capacity, ExpiryPolicy expiry, pool_settings settings, ClockPolicy clock)
        : name_{std::move(settings.name)},
          clock_{std::move(clock)},
          expiry_{std::move(expiry)},
          capacity_{std::move(capacity)},
          store_{settings.reuse} {}

    /// An idle connection, or nullptr.
    entry* lend(const lookup& wanted) {
        entry* found = nullptr;
        step([&, now = now()](connections& retired) { found = store_.lend(wanted, now, retired); });
        if (found != nullptr) found->reused = true;
        return found;
    }

    /// An idle connection, or else a new one. Throws what `dial` throws, and `pool_closed`.
    template <class Dial>
    entry& acquire(const lookup& wanted, Dial& dial, const dial_context& context) {
        if (entry* found = lend(wanted)) return *found;
        expect_open(wanted);
        const Key key(wanted.key);  // `wanted` may refer to what the dial ends
        connections fresh = dialled(key, dial, context);
        try {
            return insert(lookup{key}, fresh);
        } catch (...) {
            close(fresh);
            throw;
        }
    }

    /// An idle connection that the pool forgets: one, or none.
    connections take(const lookup& wanted) {
        connections taken;
        step([&, now = now()](connections& retired) {
            if (entry* found = store_.lend(wanted, now, retired)) taken = store_.remove(*found);
        });
        return taken;
    }

    /// Takes the one connection of `fresh` in, as idle. If it throws, that connection has been closed.
    void put(const lookup& wanted, connections& fresh) {
        try {
            const bool dead = is_closed(fresh.front());
            const time_point now = this->now();
            const time_point due = deadline(now);
            step([&](connections& retired) {
                if (dead || closed_) {
                    ++store_.stats().puts;
                    ++store_.stats().refused;
                    retired.swap(fresh);
                } else {
                    entry& e = store_.insert(wanted, fresh, due);
                    retired = store_.give_back(e, limits(e.key()), due, now);
                }
            });
        } catch (...) {
            close(fresh);
            throw;
        }
    }

    /// A lent connection becomes idle, or is closed if there is no room for it.
    void give_back(entry& lent) noexcept {
        const bool dead = connection_traits<Conn>::closed(lent.conn());
        const time_point now = this->now();
        const time_point due = deadline(now);
        step([&](connections& retired) {
            if (dead || closed_) retired = store_.refuse(lent);
            else retired = store_.give_back(lent, limits(lent.key()), due, now);
        });
    }

    /// Closes a lent connection.
    void discard(entry& lent) noexcept {
        step([&](connections& retired) {
            ++store_.stats().discarded;
            retired = store_.remove(lent);
        });
    }

    /// Forgets a connection whose contents the caller has moved away.
    void detach(entry& lent) noexcept {
        connections shell;
        conclude([&] {
            ++store_.stats().detached;
            shell = store_.remove(lent);
        });
    }

    /// Closes connections that no step of the store had to do with.
    void close(connections& leaving) noexcept {
        step([&](connections& retired) { retired.swap(leaving); });
    }

    /// Closes what is due. Returns how many.
    std::size_t expire()
        requires timed
    {
        return step([this, now = now()](connections& retired) { retired = store_.expire(now); });
    }

    /// Nothing that is idle now or is given back from now on is due before.
    time_point next_expiry()
        requires timed
    {
        const time_point earliest = deadline(now());
        const std::lock_guard guard{lock_};
        return closed_ ? time_point::max() : std::min(store_.next_deadline(), earliest);
    }

    /// Closes what is idle. Returns how many.
    std::size_t clear() {
        return step([this](connections& retired) { retired = store_.clear(); });
    }

    /// Closes what is idle of one key. Returns how many.
    std::size_t clear(const lookup& wanted) {
        return step([&](connections& retired) { retired = store_.clear(wanted); });
    }

    /// Exchanges the capacity policy, and closes what is idle beyond the new one. Returns how many.
    std::size_t reconfigure(CapacityPolicy& capacity) {
        return step([&](connections& retired) {
            using std::swap;
            swap(capacity_, capacity);
            retired = store_.trim(
                capacity_.max_idle(), [this](const Key& key) noexcept { return capacity_.max_idle_for(key); });
        });
    }

    /// Keeps nothing from now on. Adds what goes wrong to `errors`, unless it is nullptr.
    void shut(std::vector<std::exception_ptr>* errors) noexcept {
        step([this](connections& retired) {
            closed_ = true;
            retired = store_.clear();
        }, errors);
    }

    /// The figures of the pool.
    pool::stats stats() const {
        const std::lock_guard guard{lock_};
        return store_.stats();
    }

    /// The figures of one key.
    key_stats stats(const lookup& wanted) const {
        const std::lock_guard guard{lock_};
        return store_.stats(wanted);
    }

    const std::string& name() const noexcept { return name_; }    ///< how error messages call the pool
    const ClockPolicy& clock() const noexcept { return clock_; }  ///< what is read for the time

    /// The pool and its lazy connections are gone. The deleter of the `std::shared_ptr` that they have in common.
    static void abandon(pool_state* state) noexcept {
        state->conclude([state] { state->abandoned_ = true; });
    }

private:
    ~pool_state() = default;

    /// Calls `act(retired)` under the lock, and closes what it retired after that. Returns how many.
    template <class Act>
    std::size_t step(Act&& act, std::vector<std::exception_ptr>* errors = nullptr) {
        connections retired;
        {
            const std::lock_guard guard{lock_};
            act(retired);
            store_.stats().closing += retired.size();
        }
        return retired.empty() ? 0 : finish(retired, errors);
    }

    /// Closes connections that are counted as closing, which keeps this state alive meanwhile.
    std::size_t finish(connections& retired, std::vector<std::exception_ptr>* errors) noexcept {
        const std::size_t count = retired.size();
        std::uint64_t failed = 0;
        for (auto& each : retired) {
            if (is_closed(each)) continue;
            try {
                connection_traits<Conn>::close(each.conn);
            } catch (...) {
                ++failed;
                if (errors != nullptr) record(*errors, std::current_exception());
            }
        }
        retired.clear();  // their destructors, too, run without the lock

        conclude([&] {
            store_.stats().failed_closes += failed;
            store_.stats().closing -= count;
        });
        return count;
    }

    /// Calls `act` under the lock, and ends this state if nothing needs it after that.
    template <class Act>
    void conclude(const Act& act) noexcept {
        bool unneeded = false;
        {
            const std::lock_guard guard{lock_};
            act();
            unneeded = abandoned_ && store_.stats().lent == 0 && store_.stats().closing == 0;
        }
        if (unneeded) delete this;
    }

    static void record(std::vector<std::exception_ptr>& errors, std::exception_ptr error) noexcept {
        try {
            errors.push_back(std::move(error));
        } catch (...) {
            // No memory for it: it is counted, and the other connections still have to be closed.
        }
    }

    template <class Dial>
    connections dialled(const Key& key, Dial& dial, const dial_context& context) {
        connections fresh;
        fresh.emplace_back([&]() -> Conn {
            try {
                return pool::dial_with<Conn>(dial, key, context);
            } catch (...) {
                const std::lock_guard guard{lock_};
                ++store_.stats().failed_dials;
                throw;
            }
        });
        return fresh;
    }

    /// Takes the one connection of `fresh` in, as lent.
    entry& insert(const lookup& wanted, connections& fresh) {
        const time_point earliest = deadline(now());
        {
            const std::lock_guard guard{lock_};
            ++store_.stats().dials;
            if (!closed_) return store_.insert(wanted, fresh, earliest);
        }
        throw closed_error(wanted);
    }

    void expect_open(const lookup& wanted) const {
        {
            const std::lock_guard guard{lock_};
            if (!closed_) return;
        }
        throw closed_error(wanted);
    }

    pool_closed closed_error(const lookup& wanted) const {
        const pool::stats seen = stats();
        return pool_closed{"pool \"" + name_ + "\": no connection for key " + pool::describe(wanted.key) +
                           ": the pool is closed (" + std::to_string(seen.idle) + " idle, " +
                           std::to_string(seen.lent) + " lent)"};
    }

    static bool is_closed(const typename connections::value_type& held) noexcept {
        return connection_traits<Conn>::closed(held.conn);
    }

    /// With nothing that can expire, the clock is not read.
    time_point now() const {
        if constexpr (timed) return clock_.now();
        else return {};
    }

    time_point deadline([[maybe_unused]] time_point since) const noexcept {
        if constexpr (timed) return expiry_.expires_at(since);
        else return {};
    }

    typename store::bounds limits(const Key& key) const noexcept {
        return {capacity_.max_idle(), capacity_.max_idle_for(key)};
    }

    const std::string name_;
    [[no_unique_address]] const ClockPolicy clock_;
    [[no_unique_address]] const ExpiryPolicy expiry_;

    /// Guards all below. No connection is dialled, closed or destroyed while it is held. Key's equality, copy and
    /// destruction, Conn's `closed` and `unblocked`, and the capacity policy are the only foreign code under it.
    [[no_unique_address]] mutable LockPolicy lock_;
    [[no_unique_address]] CapacityPolicy capacity_;
    store store_;
    bool closed_ = false;
    bool abandoned_ = false;
};

}  // namespace pool
