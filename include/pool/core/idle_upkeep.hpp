// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <type_traits>
#include <utility>
#include <vector>

#include <pool/connection.hpp>
#include <pool/core/health.hpp>
#include <pool/core/own_dial.hpp>
#include <pool/core/pool_state.hpp>
#include <pool/core/saturating.hpp>
#include <pool/core/warmth.hpp>
#include <pool/policies/capacity.hpp>
#include <pool/settings.hpp>

/// @file
/// The operations of a pool on all idle connections: what `upkeep` does, and what changes the pool as a whole.

namespace pool::core {

/// A pool state whose idle connections expire, are kept alive, and are closed. Thread-safe, if LockPolicy is a lock.
template <class Key, class Conn, class CapacityPolicy, class ExpiryPolicy, class LockPolicy, class ClockPolicy>
class idle_upkeep : public pool_state<Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy> {
    using base = pool_state<Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy>;

public:
    using base::bounds_open;
    using base::timed;
    using typename base::clock_time_point;
    using typename base::entries;
    using typename base::entry;
    using typename base::group;
    using typename base::hashed;
    using typename base::moment;
    using typename base::rule;
    using typename base::store_type;
    using typename base::time_point;

    /// An empty state.
    idle_upkeep(CapacityPolicy capacity, ExpiryPolicy expiry, pool_settings settings, ClockPolicy clock)
        : base{std::move(capacity), std::move(expiry), settings, std::move(clock)} {
        if constexpr (has_keep_alive<Conn>) keep_alive_every_ = settings.keep_alive_every;
    }

    /// Closes the expired connections. Returns how many.
    std::size_t expire()
        requires timed
    {
        return in_batches([this, at = read_clock()](moment& now) {
            return store().expire(at, batch, [&](const entry& e) { return expiry_.bound_of(e, at); }, now.retired);
        });
    }

    /// Does all that is due. Returns how many connections have expired, but for those that expire in a keep-alive.
    std::size_t upkeep() {
        if constexpr (bounds_open) look_again();
        std::size_t expired = 0;
        if constexpr (timed) expired = expire();
        sweep();  // it also closes what look-ups have left
        if constexpr (has_keep_alive<Conn>) keep_alive();
        return expired;
    }

    /// When to do that next.
    clock_time_point next_upkeep() {
        clock_time_point next = clock_time_point::max();
        if constexpr (timed) next = next_expiry();
        if constexpr (has_keep_alive<Conn>) next = std::min(next, next_keep_alive());
        const clock_time_point now = this->clock().now();
        const std::lock_guard guard{lock_};
        if (is_closed() || !(bounds_open || rule::asks.deadline || !targets_.empty())) return next;
        const std::chrono::milliseconds soon{admission_.awaits_blocked() ? 10 : 1'000};
        return std::min(next, saturating_add(now, soon));
    }

    /// No connection, idle now or later, expires before this time, unless by its own deadline.
    time_point next_expiry()
        requires timed
    {
        const time_point now = read_clock();
        const auto bound = [&](const entry& e) { return expiry_.bound_of(e, now); };
        for (;;) {
            const std::lock_guard guard{lock_};
            if (is_closed()) return time_point::max();
            if (const auto next = store().next_expiry(batch, bound)) return std::min(*next, expiry_.earliest(now));
        }
    }

    /// Closes the idle connections. Returns how many.
    std::size_t clear(std::vector<std::exception_ptr>* errors = nullptr) {
        return clear_idle([this] { return store().stats().idle; },
            [this](std::size_t most, entries& retired) {
                store().clear(is_closed() ? retirement::pool_closed : retirement::cleared, most, retired);
            },
            errors);
    }

    /// Closes the idle connections of one key. Returns how many.
    std::size_t clear(const hashed& key) {
        const kept_key own{key};
        return clear_idle([&] { return store().stats(own.of).idle; },
            [&](std::size_t most, entries& retired) { store().clear(own.of, most, retired); });
    }

    /// Outdates what is open, or being opened: idle connections are closed now, and others when they come back, or when
    /// their dials end. Returns how many were closed.
    std::size_t invalidate(const invalidate_options& options) {
        const auto outdate = [&] {
            store().invalidate();
            if (options.fail_waiting) admission_.refuse_waiting(request_state::invalidated);
        };
        return invalidate(outdate, options, [&](moment& now) { return store().clear_outdated(batch, now.retired); });
    }

    /// The same for one key.
    std::size_t invalidate(const hashed& key, const invalidate_options& options) {
        const kept_key own{key};
        const auto outdate = [&] {
            store().invalidate(own.of);
            if (options.fail_waiting) admission_.refuse_waiting(own.of);
        };
        return invalidate(
            outdate, options, [&](moment& now) { return store().clear_outdated(own.of, batch, now.retired); });
    }

    /// Lends and dials nothing until `resume`. `lets_wait`: callers wait for that; otherwise they fail.
    void pause(bool lets_wait) noexcept {
        step(closing::later, [&](moment&) {
            if (is_closed()) return;
            service_ = service::paused;
            admission_.pause(lets_wait);
        });
    }

    /// The end of a pause.
    void resume() noexcept {
        step(closing::later, [&](moment&) {
            if (service_ != service::paused) return;
            service_ = service::open;
            admission_.resume();
        });
    }

    /// In the child of a fork: also forgets which connections were to be kept up.
    void abandon() noexcept {
        std::construct_at(std::addressof(targets_));
        base::abandon();
    }

    /// Makes room in the index by key for so many connections.
    void reserve(std::size_t count) {
        const std::lock_guard guard{lock_};
        store().reserve(count);
    }

    /// Exchanges the capacity policy, and closes the idle connections that exceed the new one. Returns how many.
    std::size_t reconfigure(CapacityPolicy& capacity) {
        step(closing::later, [&](moment&) {
            using std::swap;
            swap(capacity_, capacity);
            was_reconfigured_ = true;
            if (auto* const notes = store().notes()) notes->bounds_changed();
            admission_.bounds_changed();
        });
        return sweep();
    }

    /// Exchanges the expiry policy. An idle connection expires at its time, or when the new policy says of one that is
    /// given back now, if that is earlier. Closes the expired ones. Returns how many.
    std::size_t reconfigure_expiry(ExpiryPolicy& expiry)
        requires timed
    {
        step(closing::later, [&](moment&) {
            expiry_.swap_with(expiry);
            lowers_ = true;
            if (auto* const notes = store().notes()) notes->ghosts.clear();  // they expire as before
            store().begin_sweep(true);  // in this step: a sweep that is under way must not end before it has lowered all
        });
        sweep();
        return expire();
    }

    /// Asks the blocked connections again that callers wait for.
    void look_again() noexcept {
        step(closing::later, [this](moment&) { admission_.begin_look_again(); });
        bool is_all = false;
        while (!is_all)
            step(closing::later, [&](moment& now) { is_all = admission_.look_again(now); });
    }

    /// From now on the pool keeps no connection. Closes the idle connections. Adds errors to `errors`, unless that is
    /// nullptr, because the pool ends.
    void close_all(std::vector<std::exception_ptr>* errors) noexcept {
        decltype(targets_) ended;  // destroyed after the lock, because they have dials
        step(closing::later, [&](moment&) {
            service_ = service::closed;
            this->has_ended_ = errors == nullptr;
            ended.swap(targets_);
            admission_.close();
        });
        clear(errors);
    }

    /// Keeps up this many idle connections of a key from now on; 0 for none. Strong guarantee.
    void keep_up(const hashed& key, std::size_t count, own_dial<Key, Conn> dial) {
        using target = min_idle_target<Key, Conn>;
        const auto added = std::make_shared<const target>(key, count, std::move(dial));
        std::shared_ptr<const target> replaced;  // destroyed after the lock: it has a dial
        const std::lock_guard guard{lock_};
        const auto same = [&](const auto& each) { return key.equals(each->key, each->hash); };
        const auto found = std::find_if(targets_.begin(), targets_.end(), same);
        if (found == targets_.end()) {
            if (count != 0) targets_.push_back(added);
            return;
        }
        replaced = std::exchange(*found, added);
        if (count == 0) targets_.erase(found);
    }

    /// The i-th of these; nullptr if there are not so many, or the pool is paused or closed.
    std::shared_ptr<const min_idle_target<Key, Conn>> target(std::size_t i) const {
        const std::lock_guard guard{lock_};
        return i < targets_.size() && lends() ? targets_[i] : nullptr;
    }

protected:
    ~idle_upkeep() override = default;

    /// Keeps a connection that was opened ahead. If there is no room for its weight, and nobody waits for it, refuses it,
    /// because no other one is closed for it.
    void keep_ahead(entry& fresh, typename base::own_deadline own, moment& now) noexcept {
        const std::size_t bound = core::weight_bound(capacity_), weight = store().stats().idle_weight;
        const bool has_room = fresh.weight() <= bound - std::min(bound, weight);
        if (has_room || admission_.is_awaited(fresh.of())) this->keep(fresh, own, true, now);
        else store().refuse(fresh, retirement::refused, now.retired);
    }

    using base::admission_;
    using base::batch;
    using base::capacity_;
    using base::expiry_;
    using base::is_closed;
    using base::lends;
    using base::lock_;
    using base::lowers_;
    using base::read_clock;
    using base::service_;
    using base::step;
    using base::store;
    using base::was_reconfigured_;

private:
    using base::in_batches;

    /// A key of its own: what the other one refers to may be destroyed by a close, or by what is interrupted.
    struct kept_key {
        explicit kept_key(const hashed& from) : key(from.key), of{key_view<Key>(key), from.hash} {}
        kept_key(const kept_key&) = delete;
        kept_key& operator=(const kept_key&) = delete;

        const Key key;
        const hashed of;
    };

    template <class Outdate, class Clear>
    std::size_t invalidate(const Outdate& outdate, const invalidate_options& options, const Clear& clear_outdated) {
        step(closing::later, [&](moment&) { outdate(); });
        if (options.interrupt) this->interrupt_outdated();
        return in_batches(clear_outdated);
    }

    /// Goes through the idle connections. Closes those that are dead, or exceed the bounds. Returns how many. If the expiry
    /// policy is new, it lowers the times of all connections.
    std::size_t sweep() {
        bool has_begun = false;
        return in_batches([&](moment& now) {
            if (!std::exchange(has_begun, true)) store().begin_sweep(lowers_);
            const auto in_all = [&] { return admission_.idle_allowed(capacity_); };
            const auto per_key = [&](const auto& of) { return admission_.idle_allowed_for(of, capacity_); };
            const auto visit = [&]([[maybe_unused]] entry& e) {
                if constexpr (timed)
                    if (lowers_) store().lower(e, expiry_.bound_of(e, base::entry_time(now)), base::entry_time(now));
            };
            const bool is_all =
                store().sweep(in_all, per_key, visit, batch, now.retired, core::weight_bound(capacity_));
            if (is_all) lowers_ = false;
            return is_all;
        });
    }

    /// Keeps the idle connections alive whose peers have heard nothing for as long as the settings say. Does not wait for
    /// asynchronous keep-alives: each connection is lent until the end of its own, so it is in one at a time.
    void keep_alive()
        requires has_keep_alive<Conn>
    {
        if (keep_alive_every_ <= keep_alive_every_.zero()) return;
        bool is_all = false;
        step(closing::later, [&](moment& now) {
            is_all = !lends();
            if (is_all) return;  // what was due when the pool was paused is due at its end
            store().begin_tending();
            oldest_kept_alive_ = now.now();
        });
        while (!is_all) {
            entry* found = nullptr;
            step(closing::later, [&](moment& now) {
                const time_point before = saturating_add(now.now(), -keep_alive_every_);
                if (lends()) found = store().next_to_tend(before, oldest_kept_alive_, now.budget);
                else oldest_kept_alive_ = clock_time_point::min();  // it has not looked at all
                if (found != nullptr) admission_.changed(found->of(), now);
                is_all = found == nullptr && !now.is_over();
            });
            if (found == nullptr) continue;
            core::keep_alive(found->conn(), hook_done{&keep_alive_ended, this, found});
        }
    }

    /// The end of a keep-alive: puts the connection back, or closes it.
    static void keep_alive_ended(void* state, void* of, bool is_alive) noexcept {
        auto& here = *static_cast<idle_upkeep*>(state);
        auto& kept = *static_cast<entry*>(of);
        if (here.is_forgotten(kept)) return;
        here.step(closing::own_and_one, [&](moment& now) { here.end_keep_alive(kept, is_alive, now); });
    }
    void end_keep_alive(entry& kept, bool is_alive, moment& now) noexcept {
        const bool is_kept = is_alive && !is_closed() && !store().is_outdated(kept) &&
                             !admission_.is_over_bounds(kept, capacity_);
        if (!is_kept) return store().retire_tended(kept, is_alive, is_closed(), now.retired);
        store().put_back(kept, now.now(), expiry_.of(kept, now.now()), now.retired);
        if (!kept.is_idle()) return;
        group& its = kept.of();
        if (!admission_.is_uncontended(its)) return admission_.came_back(its, now);
        store().trim_to(this->idle_bounds_of(its), its, now.retired);
    }

    /// When to do that next: as the last one has found out, but not later than for a connection that comes back now.
    /// Two threads that keep connections alive at once share the work, and so what they find out.
    clock_time_point next_keep_alive()
        requires has_keep_alive<Conn>
    {
        if (keep_alive_every_ <= keep_alive_every_.zero()) return clock_time_point::max();
        const clock_time_point now = this->clock().now();
        const std::lock_guard guard{lock_};
        if (is_closed()) return clock_time_point::max();
        if (!lends()) return saturating_add(now, std::min(keep_alive_every_, std::chrono::nanoseconds{std::chrono::seconds{1}}));
        return std::min(saturating_add(now, keep_alive_every_), saturating_add(oldest_kept_alive_, keep_alive_every_));
    }

    /// Retires as many connections as `idle()` reports at first, in batches, by `clear(most, retired)`. So it does not
    /// go on with connections that are given back meanwhile.
    template <class Idle, class Clear>
    std::size_t clear_idle(const Idle& idle, const Clear& clear, std::vector<std::exception_ptr>* errors = nullptr) {
        std::size_t left = no_limit;
        const auto clear_batch = [&](moment& now) {
            left = std::min(left, idle());
            const std::size_t most = std::min(left, batch);
            clear(most, now.retired);
            left -= most;
            return left == 0;
        };
        return in_batches(clear_batch, errors);
    }

    struct nothing_is_tended {};
    template <class Value>
    using if_tended = std::conditional_t<has_keep_alive<Conn>, Value, nothing_is_tended>;

    [[no_unique_address]] if_tended<std::chrono::nanoseconds> keep_alive_every_{};  ///< zero or less: never
    /// When the peer of an idle connection was last heard of, of those that the last `keep_alive` has passed over: the
    /// earliest of these times.
    [[no_unique_address]] if_tended<clock_time_point> oldest_kept_alive_{};
    std::vector<std::shared_ptr<const min_idle_target<Key, Conn>>> targets_;  ///< idle connections to keep up
};

}  // namespace pool::core
