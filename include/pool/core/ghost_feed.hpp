// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include <pool/connection_state.hpp>
#include <pool/core/ghosts.hpp>
#include <pool/core/saturating.hpp>
#include <pool/retirement.hpp>
#include <pool/savings.hpp>

/// @file
/// How the notes of a pool reach the simulated pools.

namespace pool::core {

/// Tells the simulated pools what happens to the entries of a store, if there are any. A `mask` belongs to an entry: in which
/// simulated pools its caller has it, too. Without simulated pools, each function is a branch, and reads no
/// clock. Called under the lock.
template <class Entry>
class ghost_feed {
    using group = typename Entry::group;
    using time = std::chrono::nanoseconds;

public:
    using mask = core::ghosts::mask;  ///< some of the simulated pools

    ghost_feed() = default;  ///< without simulated pools

    /// With those.
    explicit ghost_feed(std::unique_ptr<core::ghosts> begun) noexcept : ghosts_{std::move(begun)} {}

    /// In the child of a fork: the same, in which nothing has happened.
    ghost_feed anew() const {
        return is_on() ? ghost_feed{std::make_unique<core::ghosts>(ghosts_->anew())} : ghost_feed{};
    }

    bool is_on() const noexcept { return ghosts_ != nullptr; }  ///< whether there are any

    /// Their result. Throws `std::bad_alloc`.
    pool::savings result() const { return is_on() ? ghosts_->result() : pool::savings{}; }

    /// How the caller came that is lent the next idle entry.
    void next_came(const comer& caller) noexcept { next_ = caller; }

    /// The next idle entry is lent to that caller, who may have to check it.
    template <class Clock>
    void lent_idle(const Entry& e, mask& its, const Clock& clock) noexcept {
        if (!is_on()) return;
        const time now = clock();
        if (next_.how == arrival::none) its = ghosts_->served_at_once(key_of(e.of()), now, real_service::lends);
        else its = ghosts_->served(key_of(e.of()), now, next_);
    }
    /// A caller gets a new one, whose dial began at that time.
    template <class Clock>
    void lent_fresh(const Entry& e, mask& its, const comer& caller, time began, const Clock& clock) noexcept {
        if (!is_on()) return;
        const mask known = ghosts_->served(key_of(e.of()), clock(), caller, began);
        if (caller.how != arrival::none) its = known;
    }

    /// A caller has found no idle entry, or takes none, and dials this one.
    template <class Clock>
    void missed(const Entry& e, mask& its, bool wants_fresh, const Clock& clock) noexcept {
        comer caller{.how = arrival::served};
        came(e.of(), caller, false, wants_fresh, clock);
        its = caller.those;
    }

    /// A caller has found no idle entry. Completes what is known of it. `for_other`: it waits for something that no
    /// bound changes. `wants_fresh`: it takes no idle entry.
    template <class Clock>
    void came(const group& of, comer& caller, bool for_other, bool wants_fresh, const Clock& clock) noexcept {
        if (is_on()) ghosts_->came(key_of(of), clock(), caller, !for_other, wants_fresh);
    }
    /// It leaves without one.
    template <class Clock>
    void left(const group& of, const comer& caller, const Clock& clock) noexcept {
        if (is_on() && caller.how != arrival::none) ghosts_->left(of.hash, clock(), caller);
    }

    /// The caller of an entry, if it has one, has it no longer.
    template <class Trace>
    void held(const Entry& e, const Trace& its, time now) noexcept {
        if (!is_on() || !its.lent_since) return;
        const bool was_dialled = !its.reused && its.opened;
        const auto dial = was_dialled ? std::optional{*its.opened - its.began} : std::nullopt;
        ghosts_->held(e.of().hash, now - *its.lent_since, dial);
    }

    /// An entry is idle now. `was_lent`: a caller had it.
    template <class Clock>
    void idle(const Entry& e, mask& its, std::uint64_t number, bool was_lent, const Clock& clock) noexcept {
        if (!is_on()) return;
        time expires_at = time::max();
        if constexpr (Entry::parts::timed) expires_at = saturating_cast<time>(e.expires_at().time_since_epoch());
        const auto known = std::exchange(its, mask{0});
        const auto those = was_lent || known != 0 ? std::optional{known} : std::nullopt;
        ghosts_->idle(key_of(e.of()), clock(), expires_at, number, those);
    }

    /// There is no such entry any more. If its dial has failed, its caller has nothing.
    template <class Clock>
    void ended(const Entry& e, mask its, const Clock& clock) noexcept {
        if (its != 0) ghosts_->lost(e.of().hash, clock(), its);
    }

    /// An entry leaves the pool.
    void retired(
        const Entry& e, mask& its, std::uint64_t number, retirement why, connection_state was, time now) noexcept {
        if (!is_on()) return;
        if (was == connection_state::lent) return ghosts_->lost(e.of().hash, now, std::exchange(its, mask{0}));
        switch (why) {
        case retirement::dead:
        case retirement::unhealthy:
        case retirement::keep_alive_failed:
            return ghosts_->died(e.of().hash, number);
        case retirement::expired:
        case retirement::expired_idle:
        case retirement::expired_lifetime:
        case retirement::expired_uses:
        case retirement::expired_own:
            return ghosts_->expire(now);
        default:
            return;  // the bounds are the simulated pools' own, and `clear` tells of all
        }
    }

    /// All idle entries go.
    void clear() noexcept {
        if (is_on()) ghosts_->clear();
    }
    /// Those of a key go.
    void clear(std::size_t hash) noexcept {
        if (is_on()) ghosts_->clear(hash);
    }

    /// The bounds have changed. `change_masks(function)` changes the mask of each entry.
    template <class ChangeMasks>
    void begin_anew(const ChangeMasks& change_masks) noexcept {
        if (!is_on()) return;
        ghosts_->begin_anew();
        change_masks([](mask its) { return core::ghosts::as_before(its); });
    }

private:
    static ghost_key key_of(const group& of) noexcept { return {std::addressof(of.key), of.hash}; }

    std::unique_ptr<core::ghosts> ghosts_;
    comer next_;
};

}  // namespace pool::core
