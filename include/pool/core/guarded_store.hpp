// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <boost/intrusive/list.hpp>

#include <pool/connection.hpp>
#include <pool/core/admission.hpp>
#include <pool/core/entry_store.hpp>
#include <pool/core/no_admission.hpp>
#include <pool/core/parking.hpp>
#include <pool/policies/capacity.hpp>
#include <pool/policies/lock.hpp>
#include <pool/settings.hpp>

/// @file
/// The store and the policies, guarded by one lock, and the steps that change them.

namespace pool::core {

/// Every operation of a pool is made of steps. A step locks, changes the store, serves waiting requests, and unlocks.
/// Then it notifies the requests whose state has changed, and closes the connections that it retired. Unlinking a
/// connection under the lock is the only claim to it: the step that unlinks it also closes it. So each connection is
/// closed exactly once.
///
/// A lease may outlive its pool. So the state deletes itself when the pool and its lazy connections are destroyed, no
/// connection is lent, and no close is running. The last step finds this out under the lock that it holds anyway.
///
/// Thread-safe, if LockPolicy is a lock.
template <class Key, class Conn, class CapacityPolicy, class ExpiryPolicy, class LockPolicy, class ClockPolicy>
class guarded_store {
public:
    static constexpr bool timed = ExpiryPolicy::can_expire;                         ///< whether anything expires
    static constexpr bool bounds_open = open_capacity_policy<CapacityPolicy, Key>;  ///< whether callers may wait
    static constexpr bool can_wait = bounds_open && waiting_lock<LockPolicy>;       ///< whether a thread may block

    using key_type = Key;                                                                     ///< the parameter
    using connection_type = Conn;                                                             ///< the parameter
    using lock_type = LockPolicy;                                                             ///< the parameter
    using clock_type = ClockPolicy;                                                           ///< the parameter
    using time_point = std::conditional_t<timed, typename ClockPolicy::time_point, no_time>;  ///< when entries expire
    using store_type = entry_store<Key, Conn, time_point>;                                    ///< the connections
    using entry = typename store_type::entry;                                                 ///< one connection
    using entries = typename store_type::entries;                                             ///< connections to close
    using hashed = typename store_type::hashed;                                               ///< a key and its hash
    /// The wait queue.
    using admission_type = std::conditional_t<bounds_open, admission<store_type>, no_admission<store_type>>;

    guarded_store(const guarded_store&) = delete;
    guarded_store& operator=(const guarded_store&) = delete;

    const std::string& name() const noexcept { return name_; }    ///< how error messages call the pool
    const ClockPolicy& clock() const noexcept { return clock_; }  ///< what is read for the time

    /// Closes a connection that no other code can reach, unless it is closed already. Returns false if the close threw.
    /// Then it adds the error to `errors`, unless that is nullptr.
    static bool close(Conn& conn, std::vector<std::exception_ptr>* errors) noexcept {
        if (connection_traits<Conn>::closed(conn)) return true;
        try {
            connection_traits<Conn>::close(conn);
            return true;
        } catch (...) {
            if (errors != nullptr) record(*errors, std::current_exception());
            return false;
        }
    }

    /// Called when the pool and its lazy connections are destroyed: it is the deleter of their common
    /// `std::shared_ptr`.
    static void orphan(guarded_store* state) noexcept {
        entries none;
        state->last_step(none, [state] { state->orphaned_ = true; });
    }

protected:
    /// A thread in `drain`, which waits until nothing is outstanding.
    struct drainer : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>,
                     parked_thread<LockPolicy, ClockPolicy> {};
    using drainers = boost::intrusive::list<drainer, boost::intrusive::constant_time_size<false>>;
    struct no_drainers {};

    /// The largest number of entries that one step works on, so that other threads do not wait long for the lock.
    static constexpr std::size_t batch = 128;

    /// An empty state.
    guarded_store(CapacityPolicy&& capacity, ExpiryPolicy&& expiry, pool_settings&& settings, ClockPolicy&& clock)
        : name_{std::move(settings.name)},
          clock_{std::move(clock)},
          expiry_{std::move(expiry)},
          capacity_{std::move(capacity)},
          store_{settings.reuse} {}

    /// Only the last step destroys it.
    virtual ~guarded_store() = default;

    /// Calls `act(retired)` under the lock, then closes what the step retired, even if `act` throws. Returns how many
    /// `act` retired.
    template <class Act>
    std::size_t step(Act&& act, std::vector<std::exception_ptr>* errors = nullptr) {
        entries retired;
        std::size_t count = 0;
        typename admission_type::notifications notifications;
        const auto now = time_to_serve();
        try {
            const std::lock_guard guard{lock_};
            act(retired);
            count = retired.size();
            notifications = end_of_step(now, retired);
        } catch (...) {
            if (!retired.empty()) close_retired(retired, errors);
            throw;
        }
        notifications.deliver();
        if (!retired.empty()) [[unlikely]] close_retired(retired, errors);
        return count;
    }

    /// Repeats a step of at most one batch, until `act` returns that nothing is left. Returns how many it retired. The
    /// caller keeps this state alive.
    template <class Act>
    std::size_t in_batches(const Act& act, std::vector<std::exception_ptr>* errors = nullptr) {
        std::size_t count = 0;
        bool is_all = false;
        while (!is_all) count += step([&](entries& retired) { is_all = act(retired); }, errors);
        return count;
    }

    /// Calls `act` under the lock, then deletes this state if nothing needs it any more. Entries in `retired` keep it
    /// alive; the caller still has to close them.
    template <class Act>
    void last_step(entries& retired, const Act& act) noexcept {
        bool is_unneeded = false;
        typename admission_type::notifications notifications;
        const auto now = time_to_serve();
        {
            const std::lock_guard guard{lock_};
            act();
            notifications = end_of_step(now, retired);
            is_unneeded = orphaned_ && store().stats().lent == 0 && store().stats().closing == 0;
        }
        notifications.deliver();
        if (is_unneeded) delete this;
    }

    /// Closes and destroys connections. They count as closing meanwhile, which keeps this state alive.
    void close_retired(entries& retired, std::vector<std::exception_ptr>* errors) noexcept {
        while (!retired.empty()) {
            entries closed;
            std::uint64_t failed = 0;
            do {
                entry& next = retired.front();
                retired.pop_front();
                closed.push_back(next);
                failed += !close(next.conn(), errors);
                next.destroy();
                // If callers may wait for permits, each permit becomes free as soon as its connection is closed, so
                // there is no batch.
            } while (!bounds_open && closed.size() < batch && !retired.empty());

            entries more;  // retired to make room for a caller that waits
            last_step(more, [&] { store().erase_closed(closed, failed); });
            retired.splice(retired.end(), more);
        }
    }

    /// Closes a lent or newly opened connection that its caller never gets.
    void close_uncounted(entry& e) noexcept {
        step([&](entries& retired) { store().retire_uncounted(e, retired); });
    }

    /// Hands free connections and permits to waiting requests.
    void serve([[maybe_unused]] time_point now, [[maybe_unused]] entries& retired) noexcept {
        if (!admission_.empty()) admission_.serve(capacity_, now, retired);
    }

    /// The number of connections that a drain waits for. In a closed pool, idle connections count, too: they are about
    /// to be closed.
    std::size_t outstanding() const noexcept {
        const pool::stats& all = store().stats();
        return all.lent + all.closing + admission_.dialing() + (closed_ ? all.idle : 0);
    }

    /// The store. Call it only under the lock. If the lock can report whether it is held, an assertion checks that.
    store_type& store() noexcept {
        assert(is_locked() && "pool: the store was used without the lock");
        return store_;
    }
    const store_type& store() const noexcept {
        assert(is_locked() && "pool: the store was used without the lock");
        return store_;
    }

    /// Reads the clock, unless connections never expire.
    time_point read_clock() const {
        if constexpr (timed) return clock_.now();
        else return {};
    }

    time_point expires_at([[maybe_unused]] time_point since) const noexcept {
        if constexpr (timed) return expiry_.expires_at(since);
        else return {};
    }

private:
    /// The time, if `serve` needs it.
    auto time_to_serve() const {
        if constexpr (bounds_open) return read_clock();
        else return time_point{};
    }

    typename admission_type::notifications end_of_step(time_point now, entries& retired) noexcept {
        serve(now, retired);
        if constexpr (can_wait) {
            if (outstanding() == 0) {
                for (drainer& each : drainers_) each.wake();
            }
        }
        return admission_.take_notifications();
    }

    static void record(std::vector<std::exception_ptr>& errors, std::exception_ptr error) noexcept {
        try {
            errors.push_back(std::move(error));
        } catch (...) {
            // There is no memory for the error. It is counted all the same, and the other connections must still be
            // closed.
        }
    }

    bool is_locked() const noexcept {
        if constexpr (requires { lock_traits<LockPolicy>::held(lock_); }) return lock_traits<LockPolicy>::held(lock_);
        else return true;
    }

    const std::string name_;
    [[no_unique_address]] const ClockPolicy clock_;
    [[no_unique_address]] const ExpiryPolicy expiry_;

protected:
    /// Guards all members below. No connection is dialled, closed or destroyed while it is held. The only foreign code
    /// under it is Key's equality, copy and destruction (the hash is computed before), Conn's `closed` and `unblocked`,
    /// the capacity policy's answers, its swap in `reconfigure`, and the clock just before a thread waits with a
    /// deadline [C8].
    [[no_unique_address]] mutable LockPolicy lock_;
    [[no_unique_address]] CapacityPolicy capacity_;

private:
    store_type store_;

protected:
    [[no_unique_address]] admission_type admission_{store_};
    [[no_unique_address]] std::conditional_t<can_wait, drainers, no_drainers> drainers_;
    bool closed_ = false;

private:
    bool orphaned_ = false;
};

}  // namespace pool::core
