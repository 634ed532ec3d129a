// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include <pool/core/ghost_pool.hpp>
#include <pool/core/ghost_rules.hpp>
#include <pool/savings.hpp>
#include <pool/settings.hpp>

/// @file
/// The simulated pools beside a real one, whose bounds are higher.

namespace pool::core {

/// By how many percent the bounds of the simulated pools are higher.
inline constexpr std::array<int, 4> ghost_steps{0, 25, 50, 100};

/// A bound, higher by each of these.
using raised_bound = std::array<std::size_t, ghost_steps.size()>;

/// The bounds of a pool, as they are for one key.
struct raised_bounds {
    std::array<raised_bound, 4> of;          ///< in the order of `bound_kind`
    std::size_t dials = ghost_bounds::none;  ///< of the key at once; it stays as it is
};

/// For how long callers have had connections: those of each key, if enough is known, else all. It forgets what is old.
class hold_times {
public:
    using time = ghost_pool::time;  ///< a duration

    static constexpr std::size_t most = 256;       ///< of one key
    static constexpr std::size_t enough = 16;      ///< of one key
    static constexpr std::size_t most_keys = 256;  ///< then all keys are forgotten
    static constexpr time longest = time::max() / (2 * most);  ///< a year; what is longer counts as that

    /// One more. `dial` is how long its dial took, if it was dialled for it. Throws `std::bad_alloc`.
    void add(std::size_t hash, time hold, std::optional<time> dial) {
        hold = std::min(hold, longest);
        if (dial) last_dial_ = std::min(*dial, longest);
        all_.add(hold);
        if (keys_.size() == most_keys && keys_.find(hash) == keys_.end()) keys_.clear();
        keys_[hash].add(hold);
    }

    /// The time of some earlier caller, another one each time; none if there was none.
    std::optional<use_times> draw(std::size_t hash) noexcept {
        random_ = random_ * 6'364'136'223'846'793'005U + 1'442'695'040'888'963'407U;  // Knuth's MMIX
        const last& known = of(hash);
        const auto hold = known.at(random_ >> 33);
        return hold ? std::optional{use_times{*hold, last_dial_, known.mean()}} : std::nullopt;
    }

    /// How long a caller of a key has a connection on average; zero if that is not known.
    time mean(std::size_t hash) const noexcept { return of(hash).mean(); }

private:
    class last {
    public:
        void add(time hold) {
            if (times_.size() != most) times_.push_back({});
            time& oldest = times_[next_++ % most];
            sum_ += hold - std::exchange(oldest, hold);
        }
        std::size_t count() const noexcept { return times_.size(); }
        std::optional<time> at(std::uint64_t place) const noexcept {
            return times_.empty() ? std::nullopt : std::optional{times_[place % times_.size()]};
        }
        time mean() const noexcept { return times_.empty() ? time{} : sum_ / static_cast<std::int64_t>(times_.size()); }

    private:
        std::vector<time> times_;
        std::size_t next_ = 0;
        time sum_{};
    };

    const last& of(std::size_t hash) const noexcept {
        const auto found = keys_.find(hash);
        return found != keys_.end() && found->second.count() >= enough ? found->second : all_;
    }

    std::unordered_map<std::size_t, last> keys_;
    last all_;
    std::uint64_t random_ = 1;
    time last_dial_{};
};

/// A simulated pool for each bound and each share by which it could be higher, and one with the present bounds. What a bound
/// saves is the difference to that one, so a mistake that all simulations make cancels out.
///
/// A pool without bounds of a kind has no simulations for them. Is there no memory, then the estimate begins anew. Not
/// thread-safe.
class ghosts {
public:
    using time = ghost_pool::time;                                ///< of the clock of the pool, since its epoch
    using bounds_of = std::function<raised_bounds(const void*)>;  ///< says the bounds, as they are for the key at an address
    using mask = ghost_mask;                                      ///< some of the simulated pools

    /// Of a pool in which nothing has happened.
    ghosts(bounds_of bounds, reuse_order order) : bounds_{std::move(bounds)}, order_{order} {}

    /// The same beside another pool with the same settings, in the child of a fork.
    ghosts anew() const { return {bounds_, order_}; }

    /// A caller is served at once. Returns where its use is the same.
    mask served_at_once(const ghost_key& key, time now, real_service how) noexcept {
        return served_at_once(key, now, how, ++last_ticket_);
    }

    /// A caller has found nothing that is idle. Sets its ticket, and where its use is the same, if it does not wait.
    /// `is_simulated` is false if it waits for something that no bound changes. `wants_fresh`: it takes no idle connection.
    void came(const ghost_key& key, time now, comer& caller, bool is_simulated, bool wants_fresh) noexcept {
        caller.ticket = ++last_ticket_;
        caller.estimate = estimate_;
        waited_ += caller.how == arrival::queued;
        if (caller.how != arrival::queued || !is_simulated) {
            const auto how = wants_fresh ? real_service::dials_anyway : real_service::dials;
            caller.those = served_at_once(key, now, how, caller.ticket);
            dials_ += caller.how == arrival::served;
            return;
        }
        const auto assumed = holds_.draw(key.hash);
        each_of(key, [&](ghost_pool& its, const ghost_bounds& bounds, mask) {
            its.ask(key.hash, bounds, now, caller.ticket, assumed);
        });
    }

    /// It gets a connection. Returns where its use is the same.
    /// `dialled_since`: its dial began then.
    mask served(const ghost_key& key, time now, const comer& caller,
        std::optional<time> dialled_since = {}) noexcept {
        dials_ += dialled_since && caller.how == arrival::queued;
        if (caller.how != arrival::queued) return those_of(caller);
        mask same = 0;
        const time slack = holds_.mean(key.hash) / 10;
        each_of(key, [&](ghost_pool& its, const ghost_bounds& bounds, mask bit) {
            if (its.catch_up(key.hash, bounds, now, caller.ticket, dialled_since.value_or(now), slack)) add(same, bit);
        });
        return same;
    }

    /// It leaves without one.
    void left(std::size_t hash, time now, const comer& caller) noexcept {
        each([&](ghost_pool& its, mask bit) {
            its.leave(hash, caller.ticket);
            if ((those_of(caller) & bit) != 0) its.lose(hash, now);
        });
    }

    /// A caller has had a connection for so long. `dial` is how long its dial took, if it was dialled for it.
    void held(std::size_t hash, time hold, std::optional<time> dial) noexcept {
        guarded([&] { holds_.add(hash, hold, dial); });
    }

    /// A connection comes in, and is idle. `those`: where its caller had it; none if there was no caller.
    void idle(const ghost_key& key, time now, time expires_at, std::uint64_t number,
        std::optional<mask> those) noexcept {
        each_of(key, [&](ghost_pool& its, const ghost_bounds& bounds, mask bit) {
            if (!those || (*those & bit) != 0) its.give_back(key.hash, bounds, now, expires_at, number, those.has_value());
        });
    }

    /// A lent connection does not come back.
    void lost(std::size_t hash, time now, mask those) noexcept {
        each([&](ghost_pool& its, mask bit) {
            if ((those & bit) != 0) its.lose(hash, now);
        });
    }

    /// An idle one is dead.
    void died(std::size_t hash, std::uint64_t number) noexcept {
        each([&](ghost_pool& its, mask) { its.remove(hash, number); });
    }
    /// Idle ones expire.
    void expire(time now) noexcept {
        each([&](ghost_pool& its, mask) { its.expire(now); });
    }
    /// All that are idle go.
    void clear() noexcept {
        each([](ghost_pool& its, mask) { its.clear(); });
    }
    /// Those of a key go.
    void clear(std::size_t hash) noexcept {
        each([&](ghost_pool& its, mask) { its.clear(hash); });
    }

    /// The bounds have changed: the estimate begins anew, with what is in the pool now. Masks are to be changed by `as_before`.
    void begin_anew() noexcept {
        for (std::size_t i = 1; i != count; ++i) pools_[i].reset();
        if (pools_[0]) pools_[0]->count_anew();
        dials_ = waited_ = 0;
        ++estimate_;
        seen_.reset();
        differs_ = {};
    }
    /// A mask after that: all pools are as the first one.
    static constexpr mask as_before(mask those) noexcept { return (those & 1) != 0 ? all : mask{0}; }

    /// The estimate. Throws `std::bad_alloc`.
    pool::savings result() const {
        pool::savings found{.dials = dials_, .waits = waited_, .all = {}};
        for (std::size_t i = 1; i != count; ++i) {
            if (!pools_[i]) continue;
            const std::size_t which = bound_of(i), step = step_of(i);
            saving& its = found.all.emplace_back();
            its.bound = static_cast<bound_kind>(which);
            its.more = ghost_steps[step];
            if (!differs_[which]) its.from = seen_->of[which][0], its.to = seen_->of[which][step];
            its.dials = difference(pools_[0]->dials(), pools_[i]->dials());
            its.waits = difference(pools_[0]->waits(), pools_[i]->waits());
        }
        return found;
    }

private:
    mask served_at_once(const ghost_key& key, time now, real_service how, std::uint64_t ticket) noexcept {
        const auto assumed = holds_.draw(key.hash);
        mask same = 0;
        each_of(key, [&](ghost_pool& its, const ghost_bounds& bounds, mask bit) {
            if (its.serve_at_once(key.hash, bounds, now, how, ticket, assumed)) add(same, bit);
        });
        return same;
    }

    /// Where the use of a caller is the same, who may have come before the estimate began anew.
    mask those_of(const comer& caller) const noexcept {
        return caller.estimate == estimate_ ? caller.those : as_before(caller.those);
    }

    static constexpr std::size_t count = 1 + 4 * 3;                     ///< of simulated pools
    static constexpr mask all = static_cast<mask>((1U << count) - 1U);  ///< of them
    static constexpr std::size_t bound_of(std::size_t i) noexcept { return (i - 1) / 3; }
    static constexpr std::size_t step_of(std::size_t i) noexcept { return (i - 1) % 3 + 1; }
    static constexpr mask bit_of(std::size_t i) noexcept { return static_cast<mask>(1U << i); }

    static std::int64_t difference(std::uint64_t a, std::uint64_t b) noexcept {
        return static_cast<std::int64_t>(a) - static_cast<std::int64_t>(b);
    }

    /// Adds a pool to others. With the first one, also those that there are not yet, because they will be copies of it.
    void add(mask& to, mask bit) const noexcept {
        to |= bit;
        for (std::size_t i = 1; i != count; ++i)
            if (bit == 1 && !pools_[i]) to |= bit_of(i);
    }

    /// Calls `act()`. Is there no memory, then everything begins anew: a simulation may have stopped half way.
    template <class Act>
    void guarded(const Act& act) noexcept {
        try {
            act();
        } catch (...) {
            begin_anew();
            pools_[0].reset();
        }
    }

    template <class Act>
    void each(const Act& act) noexcept {
        guarded([&] {
            for (std::size_t i = 0; i != count; ++i)
                if (pools_[i]) act(*pools_[i], bit_of(i));
        });
    }

    /// Calls `act(pool, bounds, bit)` for each pool that there should be. The first one is the last, because others begin as
    /// copies of it.
    template <class Act>
    void each_of(const ghost_key& key, const Act& act) noexcept {
        guarded([&] {
            const raised_bounds now = bounds_(key.key);
            see(now);
            if (!pools_[0]) pools_[0].emplace(order_);
            for (std::size_t i = count; i-- != 0;) {
                if (!pools_[i]) {
                    if (now.of[bound_of(i)][0] == ghost_bounds::none) continue;
                    pools_[i].emplace(*pools_[0]);
                }
                const auto at = [&](std::size_t which) {
                    return now.of[which][i != 0 && bound_of(i) == which ? step_of(i) : 0];
                };
                act(*pools_[i], ghost_bounds{at(0), at(1), at(2), at(3), now.dials}, bit_of(i));
            }
        });
    }

    void see(const raised_bounds& now) noexcept {
        if (!seen_) seen_ = now;
        for (std::size_t which = 0; which != 4; ++which) differs_[which] |= seen_->of[which] != now.of[which];
    }

    const bounds_of bounds_;
    const reuse_order order_;
    std::array<std::optional<ghost_pool>, count> pools_;  ///< the first one has the present bounds
    hold_times holds_;
    std::optional<raised_bounds> seen_;  ///< the bounds of the first key
    std::array<bool, 4> differs_{};      ///< other keys have others
    std::uint64_t dials_ = 0;
    std::uint64_t waited_ = 0;
    std::uint64_t last_ticket_ = 0;
    std::uint32_t estimate_ = 0;
};

}  // namespace pool::core
