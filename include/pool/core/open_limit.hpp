// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <vector>

#include <pool/core/acquire_errors.hpp>
#include <pool/core/dial_with.hpp>
#include <pool/core/idle_upkeep.hpp>
#include <pool/core/opening_store.hpp>
#include <pool/core/request.hpp>
#include <pool/core/saturating.hpp>
#include <pool/policies/clock.hpp>

/// @file
/// The operations of a pool that bounds the open connections: its callers submit requests, and may have to wait.

namespace pool::core {

/// A pool state with a wait queue. Thread-safe, if LockPolicy is a lock.
///
/// A caller submits a request. Then it looks, whenever it is notified, until the state of the request is final. If
/// `look` returns `may_dial`, the caller dials, and reports the end of the dial.
template <class Key, class Conn, class CapacityPolicy, class ExpiryPolicy, class LockPolicy, class ClockPolicy>
class open_limit : public idle_upkeep<Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy> {
    using base = idle_upkeep<Key, Conn, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy>;

public:
    using base::base;
    using base::can_wait;
    using typename base::clock_time_point;
    using typename base::entry;
    using typename base::group;
    using typename base::hashed;
    using typename base::time_point;

    using request = typename base::admission_type::request;  ///< the request of a caller

    /// Puts a request in the queue, for which `lend_at_once` found nothing. Its caller has to look at it. Strong
    /// guarantee.
    void submit(request& asking, const hashed& key) {
        bool is_admitted = false;
        step(closing::later,
            [&](moment& now) { is_admitted = admission_.submit(asking, key, store().find(key), now); });
        while (!is_admitted)
            step(closing::later, [&](moment& now) { is_admitted = admission_.admit(asking, now); });
    }

    /// The caller of a request looks at it. Returns its state. `may_dial` means that the caller must dial now.
    request_state look(request& asking) noexcept {
        request_state seen{};
        bool is_over = true;
        while (is_over) {
            step(closing::later, [&](moment& now) {
                seen = admission_.look(asking, now);
                is_over = is_waiting(seen) && now.is_over();
            });
        }
        return seen;
    }

    /// Removes a request that its caller does not need any more, unless it is settled, or dials on its caller's thread.
    void cancel(request& asking, request_state outcome = request_state::cancelled) noexcept {
        step(closing::later, [&](moment& now) { admission_.cancel(asking, outcome, now); });
    }

    /// Dials for a request in the state `dialing`. Then the caller must call `dial_succeeded` or `dial_failed`. If there is
    /// no connection, the dial was interrupted, and its caller must call `dial_outdated`.
    template <class Dial>
    entry& dial(request& dialing, Dial& dial, const dial_context& context) {
        entry& fresh = make_entry_for(dialing);
        this->dial_into(fresh, dial, context);
        return fresh;
    }

    /// Dials a connection that becomes idle, if fewer are there than `wanted`, and the bounds allow one more. Returns
    /// whether it did, and has kept it. If its dial was outdated, asks again. Throws what the dial throws, `std::bad_alloc`, and
    /// `acquire_invalidated`.
    template <class Dial>
    bool open_ahead(const hashed& key, const ahead& wanted, Dial& dial, const dial_context& context) {
        struct silent_request final : request {
            silent_request() : request{true} {}
            bool notified() noexcept override { return true; }
        };
        for (int n = 0; n == 0 || (n != most_outdated && !core::has_ended(context)); ++n) {
            silent_request asking;
            bool may_dial = false;
            step(closing::later,
                [&](moment& now) { may_dial = admission_.take_permit(asking, key, store().find(key), wanted, now); });
            if (!may_dial) return false;
            entry* fresh = nullptr;
            try {
                fresh = &this->dial(asking, dial, context);
            } catch (...) {
                dial_failed(asking, core::kept_text(std::current_exception()));
                throw;
            }
            const dial_end end = fresh->has_conn() ? dial_succeeded(asking, *fresh, true) : dial_end::outdated;
            if (end != dial_end::outdated) return end == dial_end::kept;
            dial_outdated(asking, *fresh);
        }
        core::throw_refusal(request_state::invalidated, *this, key);
        return false;
    }

    /// Makes an entry for the connection of a dial that is about to begin. Strong guarantee.
    entry& make_entry_for(const request& dialing) {
        group& its = *dialing.queue().group;  // which lives as long as the dial
        const time_point now = this->read_clock();
        const std::lock_guard guard{lock_};
        return store().make_entry(its, this->expiry_.earliest(now));
    }

    /// The dial of a request has succeeded: `fresh` is for that request, or is given back if it is not needed. Returns
    /// what has become of it. `is_ahead`: it was opened ahead.
    dial_end dial_succeeded(request& dialing, entry& fresh, bool is_ahead = false) noexcept {
        fresh.weigh();
        moment now = this->now();
        const auto own = base::deadline_of(fresh, now);
        dial_end end = dial_end::closed;
        step(closing::own, now, [&](moment&) {
            store().count_dial(fresh);
            if (!is_closed() && store().is_outdated(fresh)) {
                end = dial_end::outdated;
                return;
            }
            if (is_closed()) {
                store().retire_uncounted(fresh, retirement::pool_closed, now.retired);
                admission_.dial_failed(dialing, request_state::closed, nullptr, now);
            } else {
                store().mark_lent(fresh, this->expiry_.of_new(base::entry_time(now)));
                const bool is_needed = admission_.dial_succeeded(dialing, fresh, now);
                if (is_ahead) this->keep_ahead(fresh, own, now);
                else if (!is_needed) this->keep(fresh, own, true, now);
                if (fresh.is_lent() || fresh.is_idle()) end = dial_end::kept;
            }
        });
        return end;
    }

    /// The dial of a request was outdated. Closes its connection, if it has one, and then has its permit. The request
    /// dials again, if it is still needed.
    void dial_outdated(request& dialing, entry& fresh) noexcept {
        this->erase_outdated(fresh, [&](moment& now) { admission_.dial_outdated(dialing, now); });
    }

    /// The dial of a request has failed.
    void dial_failed(request& dialing, const dial_error& error) noexcept {
        step(closing::later, [&](moment& now) {
            admission_.dial_failed(dialing, request_state::failed, error, now);
        });
    }

    /// If a request is promised a permit, and there is a connection that nobody closes yet, closes that one, for its
    /// permit. Returns whether it did.
    bool close_for(request& asking) noexcept {
        return this->close_one([&](moment& now) { return this->has_unclosed() && admission_.begin_close(asking, now); },
            [&](moment& now) { admission_.end_close(asking, now); });
    }

    /// A caller was lent a connection that it cannot use. Closes one, for whose permit the request then dials, unless
    /// another idle one is there. Its caller has to look at it. Strong guarantee. Does nothing if the pool is closed,
    /// and returns false: this close could end the pool's state, which the request is in.
    bool replace(request& asking, entry& unusable) {
        return this->close_one(
            [&](moment& now) {
                if (is_closed()) return store().count_lookup_in_vain(), false;
                admission_.submit_closing(asking, unusable.of(), now);
                store().retire_unusable(unusable, now.retired);
                return true;
            },
            [&](moment& now) { admission_.end_close(asking, now); });
    }

    /// Calls `visit(key, callers, longest)` for each key for which callers wait, without the lock: how many, and how long
    /// the first of them has waited. Throws `std::bad_alloc`, and what `visit` throws.
    template <class Visit>
    void look_at_waiting(const Visit& visit) {
        struct waiting_group {
            group* of;
            std::size_t callers;
            clock_time_point since;
        };
        std::vector<waiting_group> all;
        const auto release_all = [&](auto*) {
            const std::lock_guard guard{lock_};
            for (const waiting_group& each : all) store().release(*each.of);
        };
        std::size_t needed = 0;
        do {
            all.reserve(needed);
            needed = 0;
            const std::lock_guard guard{lock_};
            admission_.for_each_waiting([&](group& of, std::size_t callers, clock_time_point since) {
                if (++needed <= all.capacity()) all.push_back({&of, callers, since});
            });
            if (needed > all.size()) all.clear();
            for (const waiting_group& each : all) ++each.of->uses;  // so its key is there when the lock is free
        } while (needed > all.size());
        const std::unique_ptr<decltype(all), decltype(release_all)> kept{&all, release_all};
        const clock_time_point now = this->clock().now();
        for (const waiting_group& each : all)
            visit(each.of->key, each.callers, saturating_cast<std::chrono::nanoseconds>(saturating_since(each.since, now)));
    }

    /// Does all that is due, as `idle_upkeep::upkeep`. If no clock wakes the callers, those leave that have given up.
    std::size_t upkeep() {
        if constexpr (!keeps_real_time<ClockPolicy>)
            step(closing::later, [&](moment& now) { admission_.give_up(now); });
        return base::upkeep();
    }

    /// Blocks until the request is notified, until its deadline, or until a stop is requested. It may return early.
    template <class Blocking>
    void wait(Blocking& asking)
        requires can_wait
    {
        std::unique_lock guard{lock_};
        if (asking.is_notified() || asking.is_stop_requested()) return;
        asking.wait(std::move(guard), this->clock(), asking.deadline());
    }

    /// Wakes the thread of a request.
    template <class Blocking>
    void wake(Blocking& asking) noexcept {
        const std::lock_guard guard{lock_};
        asking.wake();
    }

    /// Waits until no connection is lent, being dialled or being closed, or until `deadline`. Returns how many are
    /// left. A close that it makes itself may take longer.
    std::size_t drain(clock_time_point deadline)
        requires can_wait
    {
        typename base::drainer here;
        for (;;) {
            const bool late = is_past(deadline);
            if (!late && this->close_one([this](moment&) { return this->has_unclosed(); }, [](moment&) {})) continue;
            std::unique_lock guard{lock_};
            if (const std::size_t left = this->outstanding(); left == 0 || late) {
                here.unlink();
                return left;
            }
            if (this->has_unclosed()) continue;
            if (!here.is_linked()) this->drainers_.push_back(here);
            try {
                here.wait(std::move(guard), this->clock(), deadline);
            } catch (...) {
                const std::lock_guard again{lock_};
                here.unlink();
                throw;
            }
        }
    }

    /// Whether a deadline has passed; max() never does.
    bool is_past(clock_time_point deadline) const {
        return deadline != clock_time_point::max() && this->clock().now() >= deadline;
    }

protected:
    ~open_limit() override = default;

    using base::admission_;
    using base::is_closed;
    using base::lock_;
    using base::step;
    using base::store;
    using typename base::moment;
};

}  // namespace pool::core
