// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>
#include <mutex>
#include <optional>
#include <utility>

#include <pool/connection.hpp>
#include <pool/core/acquire_errors.hpp>
#include <pool/core/close_conn.hpp>
#include <pool/core/dial_with.hpp>
#include <pool/core/health.hpp>
#include <pool/core/opening_store.hpp>
#include <pool/core/saturating.hpp>
#include <pool/dial.hpp>
#include <pool/policies/capacity.hpp>
#include <pool/retirement.hpp>
#include <pool/settings.hpp>
#include <pool/stats.hpp>

/// @file
/// The operations of a pool on idle and lent connections. The pool shares this state with its leases and lazy
/// connections.

namespace pool::core {

/// Everything that a pool does, except waiting. Thread-safe, if LockPolicy is a lock.
template <class Key, class Conn, class CapacityPolicy, class ExpiryPolicy, class LockPolicy, class ClockPolicy>
class pool_state : public opening_store<Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy> {
    using base = opening_store<Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy>;

public:
    using base::bounds_open, base::timed, base::is_forgotten;
    using typename base::clock_time_point;
    using typename base::entries, typename base::entry, typename base::group;
    using typename base::hashed;
    using typename base::moment;
    using typename base::rule;
    using typename base::store_type;
    using typename base::time_point;
    using own_deadline = typename rule::own_deadline;  ///< what a connection says of its own expiry

    /// An empty state.
    pool_state(CapacityPolicy capacity, ExpiryPolicy expiry, pool_settings settings, ClockPolicy clock)
        : base{std::move(capacity), std::move(expiry), std::move(settings), std::move(clock)} {}

    // Lending. A look-up closes nothing, so that it is not late: the dead connections that it finds are closed later.

    /// Lends a healthy idle connection; nullptr if there is none, or if those that it has checked are not.
    entry* lend(const hashed& key) {
        entry* found = until_done([&](moment& now) { return look_up(key, now); });
        for (int n = 1; found != nullptr && !core::is_healthy(*this, *found); ++n)
            found = lend_instead(*found, n >= most_unhealthy);
        return found;
    }

    /// The same, but it counts no miss: the caller goes on by submitting a request.
    entry* lend_at_once(const hashed& key) { return until_done([&](moment& now) { return find_idle(key, now); }); }

    /// A connection that was lent has passed its health check, or its caller does not need one.
    void passed_check(entry& lent) noexcept {
        const typename base::telling_guard guard{*this};
        store().passed_check(lent);
    }

    /// Retires a connection that was lent, and cannot be used. If the pool has been closed meanwhile, nobody else may
    /// come to close it, so this does. That may end this state. `ends_look_up`: its caller has given up, and closes one.
    template <bool ends_look_up = false>
    void drop(entry& unusable) noexcept {
        if (is_forgotten(unusable)) return;
        const auto retires = [&](moment& now) {
            if constexpr (ends_look_up) store().count_lookup_in_vain();
            store().retire_unusable(unusable, now.retired);
            return is_closed() || ends_look_up;
        };
        this->close_one(retires, [](moment&) {});
    }

    /// Lends a healthy idle connection, or dials a new one. Throws what `dial` throws, `pool_closed`,
    /// `pool_paused` and `acquire_invalidated`.
    template <class Dial>
    entry& acquire(const hashed& key, Dial& dial, const dial_context& context)
        requires(!bounds_open)
    {
        entry* fresh = nullptr;
        entry* found = lend_or_make(key, fresh);
        for (int n = 1; found != nullptr && !core::is_healthy(*this, *found); ++n)
            found = lend_or_make_instead(*found, fresh, n >= most_unhealthy);
        if (found != nullptr) [[likely]] return *found;
        return this->dial_for_lease(*fresh, dial, context);
    }

    /// Dials a new connection, whatever is idle. Throws as `acquire`.
    template <class Dial>
    entry& acquire_fresh(const hashed& key, Dial& dial, const dial_context& context)
        requires(!bounds_open)
    {
        entry* fresh = nullptr;
        (void)lend_or_make(key, fresh, true);
        return this->dial_for_lease(*fresh, dial, context);
    }

    /// Moves an idle connection out, if there is one. If the move throws, the pool closes the connection.
    std::optional<Conn> take(const hashed& key) {
        std::optional<Conn> taken;
        if (entry* found = lend(key)) {
            try {
                taken.emplace(std::move(found->conn()));
            } catch (...) {
                discard(*found);
                throw;
            }
            found->destroy();
            const auto erases = [&](moment& now) {
                admission_.erase_lent(found->of(), [&] { store().erase_taken(*found); }, now);
            };
            last_step(erases, closing::later);  // a health check may have ended the pool
        }
        return taken;
    }

    // Giving back.

    /// Adds a connection, as idle. `key` may refer to a part of it. Strong guarantee.
    void put(const hashed& key, Conn&& conn) {
        entry& fresh = this->make_entry_with(key, [&](const Key&) -> Conn { return std::move(conn); });
        const bool dead = connection_traits<Conn>::closed(fresh.conn());
        fresh.weigh();
        moment now = this->now();
        const own_deadline own = deadline_of(fresh, now);
        step(closing::own_and_one, now, [&](moment&) {
            if (dead || is_closed()) return store().refuse(fresh, why_refused(dead), now.retired);
            store().mark_lent(fresh, expiry_.of_new(base::entry_time(now)));
            keep(fresh, own, true, now);
        });
    }

    /// Its caller has finished with a lent connection: resets it, if Conn has a reset, and gives it back. A connection
    /// that would not be kept anyway is not reset first. It is lent until the end of the reset, which may be later.
    void finish(entry& lent) noexcept {
        if constexpr (has_reset<Conn>) {
            if (!is_forgotten(lent) && would_keep(lent)) {
                this->trace_return(lent);
                return core::reset(lent.conn(), hook_done{&reset_ended, this, &lent});
            }
        }
        give_back(lent, !has_reset<Conn>);
    }

    /// Makes a lent connection idle, or closes it if there is no room for it. `was_used`: this use has to be counted. If
    /// its caller has left before its check, it keeps its idle age.
    [[gnu::always_inline]] void give_back(entry& lent, bool was_used = false) noexcept {
        if (is_forgotten(lent)) [[unlikely]]
            return;
        const bool dead = connection_traits<Conn>::closed(lent.conn());
        lent.weigh();
        moment now = this->now();
        const own_deadline own = deadline_of(lent, now);
        step(closing::own_and_one, now, [&](moment&) {
            if (was_used) lent.count_use();
            if constexpr (has_check<Conn>)
                if (lent.is_unused()) store().left_unchecked(lent);
            if (dead || is_closed()) store().refuse(lent, why_refused(dead), now.retired);
            else keep(lent, own, was_reconfigured_, now);
        });
    }

    /// Closes a lent connection.
    void discard(entry& lent) noexcept {
        if (is_forgotten(lent)) return;
        step(closing::own_and_one, [&](moment& now) { store().discard(lent, now.retired); });
    }

    /// Erases the entry of a connection that the caller has moved out.
    void detach(entry& lent) noexcept {
        lent.destroy();
        if (is_forgotten(lent)) return;
        last_step([&](moment& now) {
            admission_.erase_lent(lent.of(), [&] { store().erase_detached(lent); }, now);
        });
    }

protected:
    ~pool_state() override = default;

    using base::admission_, base::capacity_, base::is_closed, base::lends, base::lock_;
    using base::batch, base::expiry_, base::last_step, base::step, base::store;

    /// Asks a connection for its own expiry time, if the policy asks for that. Without the lock.
    static own_deadline deadline_of([[maybe_unused]] const entry& e, [[maybe_unused]] moment& now) noexcept {
        if constexpr (rule::asks.deadline) return rule::deadline_of(e.conn(), base::entry_time(now));
        else return {};
    }

    bool was_reconfigured_ = false;  ///< so more may be open than the bounds allow
    bool lowers_ = false;            ///< the expiry policy is new, and a sweep has not told all connections

    /// Gives a lent entry to a waiting caller, or makes it idle, or retires it if there is no room. `may_exceed`: more
    /// connections may be open than the bounds allow.
    void keep(entry& lent, own_deadline own, bool may_exceed, moment& now) noexcept {
        if (store().is_outdated(lent)) [[unlikely]]
            return store().retire_outdated(lent, now.retired);
        const time_point time = base::entry_time(now), at = expiry_.of(lent, time, own);
        if (is_too_heavy(lent) || (may_exceed && admission_.is_over_bounds(lent, capacity_)))
            return store().refuse(lent, retirement::refused, now.retired);
        if (!admission_.is_uncontended(lent.of())) return admission_.give_back(lent, at, now);
        store().give_back(lent, idle_bounds_of(lent.of()), at, time, now.retired);
    }

    typename store_type::idle_bounds idle_bounds_of(const group& of) const noexcept {
        return {capacity_.max_idle(), capacity_.max_idle_for(of.key), core::weight_bound(capacity_)};
    }

    /// Lends an idle connection, unless it is for a caller that waits. Counts a miss, if this is one. If it returns
    /// nullptr, and the batch has ended, look up again.
    [[gnu::always_inline]] entry* look_up(const hashed& key, moment& now) {
        entry* const found = find_idle(key, now);
        if (found == nullptr && !now.is_over()) store().count_lookup_in_vain();
        return found;
    }

    /// The same, but it counts no miss.
    [[gnu::always_inline]] entry* find_idle(const hashed& key, moment& now) {
        group* const of = lends() ? store().find(key) : nullptr;
        if (of == nullptr) return nullptr;
        if (!admission_.is_uncontended(*of)) return admission_.lend(*of, now);
        return store().lend(*of, base::entry_time(now), now.budget, now.retired);
    }

private:

    static retirement why_refused(bool is_dead) noexcept {
        return is_dead ? retirement::dead : retirement::pool_closed;
    }

    /// Whether a connection is heavier than the bound, and nobody waits for it.
    bool is_too_heavy(const entry& lent) const noexcept {
        const bool has_taker = lends() && admission_.is_awaited(lent.of());
        return lent.weight() > core::weight_bound(capacity_) && !has_taker;
    }

    /// Whether a lent connection that comes back now is kept, as far as is known.
    bool would_keep(entry& lent) {
        if (connection_traits<Conn>::closed(lent.conn())) return false;
        lent.weigh();
        moment now = this->now();
        const own_deadline own = deadline_of(lent, now);
        const time_point time = base::entry_time(now);
        const std::lock_guard guard{lock_};
        lent.count_use();
        if (is_closed() || store().is_outdated(lent) || is_too_heavy(lent)) return false;
        if (admission_.is_over_bounds(lent, capacity_)) return false;
        return capacity_.max_idle() != 0 && capacity_.max_idle_for(lent.key()) != 0 &&
               !store_type::is_due(expiry_.of(lent, time, own), time);
    }

    /// The end of a reset.
    static void reset_ended(void* state, void* of, bool is_good) noexcept {
        auto& here = *static_cast<pool_state*>(state);
        auto& lent = *static_cast<entry*>(of);
        if (is_good || here.is_forgotten(lent)) return here.give_back(lent);
        here.step(closing::own_and_one, [&](moment& now) { here.store().retire_unreset(lent, now.retired); });
    }

    /// Lends an idle connection, or makes an entry for a dial. Throws `pool_closed` and `pool_paused`.
    entry* lend_or_make(const hashed& key, entry*& fresh, bool prefers_dial = false) {
        for (;;) {
            entry* found = nullptr;
            bool is_over = false;
            request_state seen{};
            moment now = this->now();
            step(closing::later, now, [&](moment&) {
                seen = is_closed() ? request_state::closed : request_state::paused;
                if (prefers_dial) store().count_lookup_in_vain();
                else found = look_up(key, now);
                is_over = now.is_over();
                // In the same step, because `key` may refer to something that other code destroys.
                if (found == nullptr && !is_over && lends()) {
                    fresh = &store().make_entry(key, expiry_.earliest(base::entry_time(now)));
                    store().count_missed(*fresh, prefers_dial);
                }
            });
            if (found != nullptr) [[likely]]
                return found;
            if (fresh != nullptr) return nullptr;
            if (!is_over) core::throw_refusal(seen, *this, key);
        }
    }

    /// The same for a caller that was lent `sick`, whose key it uses: what the caller's key refers to may have gone
    /// during the check.
    entry* lend_or_make_instead(entry& sick, entry*& fresh, bool prefers_dial) {
        const dropped<pool_state> at_end{*this, &sick};
        return lend_or_make(sick.hashed(), fresh, prefers_dial);
    }

    /// Lends another idle connection, unless the caller has checked enough.
    entry* lend_instead(entry& sick, bool is_last) {
        const dropped<pool_state> at_end{*this, &sick};
        if (!is_last) return until_done([&](moment& now) { return look_up(sick.hashed(), now); });
        const std::lock_guard guard{lock_};
        store().count_lookup_in_vain();
        return nullptr;
    }

    /// Repeats a look-up, until it has found a connection, or has looked at all that there are.
    template <class LookUp>
    entry* until_done(const LookUp& look_up) {
        for (;;) {
            entry* found = nullptr;
            bool is_over = false;
            step(closing::later, [&](moment& now) {
                found = look_up(now);
                is_over = now.is_over();
            });
            if (found != nullptr || !is_over) [[likely]] return found;
        }
    }
};

}  // namespace pool::core
