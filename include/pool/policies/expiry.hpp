// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <utility>

#include <pool/core/jitter.hpp>
#include <pool/core/saturating.hpp>
#include <pool/retirement.hpp>

/// @file
/// How long a connection may stay idle, and how old it may become. An expiry policy only returns a point in time. From
/// then on, the pool does not lend the connection, and the next sweep closes it.

namespace pool {

/// The facts of a connection that an expiry policy asks for, besides since when it is idle. An entry keeps no others.
struct age_facts {
    bool opened = false;    ///< when it was opened
    bool uses = false;      ///< how often it was lent
    bool draw = false;      ///< a number that was drawn for it
    bool deadline = false;  ///< what `connection_traits<Conn>::expires` says

    /// The facts that at least one of two policies asks for.
    friend constexpr age_facts operator|(age_facts a, age_facts b) noexcept {
        return {a.opened || b.opened, a.uses || b.uses, a.draw || b.draw, a.deadline || b.deadline};
    }
    friend bool operator==(const age_facts&, const age_facts&) = default;  ///< whether they ask for the same
};

/// The age of a connection. What its policy does not ask for has the value that it has here.
template <class TimePoint>
struct connection_age {
    TimePoint opened{};                     ///< when its dial ended, or when it was put into the pool
    std::uint32_t uses = 0;                 ///< how often it was lent, and given back; at most 2^20 - 1
    std::uint32_t draw = 0;                 ///< the number that was drawn when it was opened: its 12 highest bits
    TimePoint deadline = TimePoint::max();  ///< its own: the time when it is given back, and what it `expires` in
};

/// A policy declares, by a constant `asks`, that it depends on the age of a connection.
template <class Policy>
concept declares_age = requires {
    { Policy::asks } -> std::same_as<const age_facts&>;
};

namespace core {
/// The facts that a policy asks for; none, if it declares none.
template <class Policy>
inline constexpr age_facts asks_of = [] {
    if constexpr (declares_age<Policy>) return Policy::asks;
    else return age_facts{};
}();
}  // namespace core

/// An expiry policy that depends on the age of a connection. It has a constant `asks`, an `age_facts`, and
/// `expires_at(since, age)`, which is told what `asks` names. If it asks for a draw, `draw()` returns the number for a
/// connection that has just been opened. Both are called under the lock, and must be cheap.
///
/// The result must not be earlier for a later `since`, for a connection that was opened later, or for a lower draw. More
/// uses may only decide that the connection is not kept.
template <class Policy, class TimePoint>
concept aged_expiry_policy =
    declares_age<Policy> && requires(const Policy& policy, TimePoint since, const connection_age<TimePoint>& age) {
        { policy.expires_at(since, age) } noexcept -> std::same_as<TimePoint>;
    } && (!core::asks_of<Policy>.draw || requires(Policy& policy) {
        { policy.draw() } noexcept -> std::same_as<std::uint32_t>;
    });

/// A model of ExpiryPolicy has a constant `can_expire`. If it is true, `expires_at(since)` is the expiry time of a
/// connection that was given back at `since`. `TimePoint::max()` means never. A later `since` must not give an earlier
/// result. It must not throw. The pool calls it under its lock.
///
/// A result that is not later than `since` keeps nothing. A policy that has begun to keep nothing must go on so: a reaper
/// may then sleep for ever. If it depends on the age of a connection, that is meant of each connection.
template <class Policy, class TimePoint>
concept expiry_policy = std::movable<Policy> && requires {
    { Policy::can_expire } -> std::convertible_to<bool>;
} && (!Policy::can_expire || (declares_age<Policy> && aged_expiry_policy<Policy, TimePoint>) ||
         (!declares_age<Policy> && requires(const Policy& policy, TimePoint since) {
             { policy.expires_at(since) } noexcept -> std::same_as<TimePoint>;
         }));

/// A policy declares, by a constant `reason`, what an observer is told of a connection that expires by it.
template <class Policy>
concept declares_reason = requires {
    { Policy::reason } -> std::same_as<const retirement&>;
};

namespace core {
/// The answer of a policy of either kind.
template <class Policy, class TimePoint>
constexpr TimePoint expiry_of(const Policy& policy, TimePoint since, const connection_age<TimePoint>& age) noexcept {
    if constexpr (!Policy::can_expire) return TimePoint::max();
    else if constexpr (declares_age<Policy>) return policy.expires_at(since, age);
    else return policy.expires_at(since);
}

/// A policy that is made of others, and knows which of them has a connection expire at `at`.
template <class Policy, class TimePoint>
concept knows_reason =
    requires(const Policy& policy, TimePoint since, const connection_age<TimePoint>& age, TimePoint at) {
        { policy.reason_at(since, age, at) } noexcept -> std::same_as<retirement>;
    };

/// Why a connection that was given back at `since` expires at `at`.
template <class Policy, class TimePoint>
constexpr retirement reason_of([[maybe_unused]] const Policy& policy, [[maybe_unused]] TimePoint since,
    [[maybe_unused]] const connection_age<TimePoint>& age, [[maybe_unused]] TimePoint at) noexcept {
    if constexpr (knows_reason<Policy, TimePoint>) return policy.reason_at(since, age, at);
    else if constexpr (declares_reason<Policy>) return Policy::reason;
    else return retirement::expired;
}
}  // namespace core

/// Connections never expire. The pool keeps no expiry times and does not read the clock.
struct never {
    static constexpr bool can_expire = false;  ///< so there is no `expires_at`
};

/// A connection expires when it has been idle for `ttl`. With a `ttl` of zero or less, no connection is kept.
class after_idle {
public:
    static constexpr bool can_expire = true;                         ///< so there is an `expires_at`
    static constexpr retirement reason = retirement::expired_idle;  ///< declares it

    /// Keeps idle connections for ever.
    constexpr after_idle() noexcept = default;

    /// From any duration. It is limited to the range of nanoseconds (292 years).
    template <class Rep, class Period>
    constexpr explicit(false) after_idle(std::chrono::duration<Rep, Period> ttl) noexcept
        : ttl_{core::saturating_cast<std::chrono::nanoseconds>(ttl)} {}

    /// How long a connection may be idle; `max()` is for ever.
    constexpr std::chrono::nanoseconds ttl() const noexcept { return ttl_; }

    /// `since + ttl`, saturating.
    template <class TimePoint>
    constexpr TimePoint expires_at(TimePoint since) const noexcept {
        if (ttl_ == std::chrono::nanoseconds::max()) return TimePoint::max();
        return core::saturating_add(since, ttl_);
    }

private:
    std::chrono::nanoseconds ttl_ = std::chrono::nanoseconds::max();
};

/// A connection expires when it has been open for `ttl`, from the end of its dial, or from when it was put into the pool.
/// With a `ttl` of zero or less, no connection is kept. A lent one that is past it is closed when it is given back.
///
/// If many connections are opened at once, they would all be closed at once. So each may live shorter by a random part
/// of `jitter * ttl`: with `after_lifetime{1h, 0.1}`, between 54 and 60 minutes.
class after_lifetime {
public:
    static constexpr bool can_expire = true;                        ///< so there is an `expires_at`
    static constexpr age_facts asks{.opened = true, .draw = true};  ///< declares that it depends on them
    static constexpr retirement reason = retirement::expired_lifetime;  ///< declares it

    /// Keeps connections for ever.
    constexpr after_lifetime() noexcept = default;

    /// From any duration, limited to the range of nanoseconds (292 years). `jitter` is limited to the range from 0 to 1.
    template <class Rep, class Period>
    constexpr explicit(false) after_lifetime(std::chrono::duration<Rep, Period> ttl, double jitter = 0) noexcept
        : after_lifetime{ttl, jitter, jitter > 0 ? core::random_words::of_any_seed() : core::random_words{0}} {}

    /// The same, with a seed, for tests: the n-th connection that is opened always gets the same number. In a
    /// `sharded_pool`, that is the n-th of each shard, with or without a seed.
    template <class Rep, class Period>
    constexpr after_lifetime(std::chrono::duration<Rep, Period> ttl, double jitter, std::uint64_t seed) noexcept
        : after_lifetime{ttl, jitter, core::random_words{seed}} {}

    /// How long a connection may be open at most; `max()` is for ever.
    constexpr std::chrono::nanoseconds ttl() const noexcept { return ttl_; }

    /// By how much less at most. The greatest draw has one nanosecond less than that.
    constexpr std::chrono::nanoseconds spread() const noexcept { return spread_; }

    /// `age.opened + ttl`, less the part of the spread that was drawn, saturating.
    template <class TimePoint>
    constexpr TimePoint expires_at(TimePoint, const connection_age<TimePoint>& age) const noexcept {
        if (ttl_ == std::chrono::nanoseconds::max()) return TimePoint::max();
        return core::saturating_add(age.opened, ttl_ - part_of(spread_, age.draw));
    }

    /// The number for a new connection.
    constexpr std::uint32_t draw() noexcept {
        return static_cast<std::uint32_t>(words_() >> 32);
    }

private:
    template <class Rep, class Period>
    constexpr after_lifetime(std::chrono::duration<Rep, Period> ttl, double jitter, core::random_words words) noexcept
        : ttl_{core::saturating_cast<std::chrono::nanoseconds>(ttl)},
          spread_{share_of(ttl_, jitter)},
          words_{words} {}

    static constexpr std::chrono::nanoseconds share_of(std::chrono::nanoseconds ttl, double jitter) noexcept {
        using real = std::chrono::duration<long double, std::nano>;
        if (!(jitter > 0) || ttl <= ttl.zero()) return ttl.zero();
        if (jitter >= 1) return ttl;
        return core::saturating_cast<std::chrono::nanoseconds>(real{ttl} * static_cast<long double>(jitter));
    }

    /// `all * draw / 2^32`, rounded down. The product itself could overflow.
    static constexpr std::chrono::nanoseconds part_of(std::chrono::nanoseconds all, std::uint32_t draw) noexcept {
        const auto count = static_cast<std::uint64_t>(all.count());
        const std::uint64_t part = (count >> 32) * draw + ((count & 0xffff'ffff) * draw >> 32);
        return std::chrono::nanoseconds{static_cast<std::chrono::nanoseconds::rep>(part)};
    }

    std::chrono::nanoseconds ttl_ = std::chrono::nanoseconds::max();
    std::chrono::nanoseconds spread_{0};
    core::random_words words_{0};
};

/// A connection is closed when it is given back for the `n`-th time. With 0, no connection is kept.
class after_uses {
public:
    static constexpr bool can_expire = true;        ///< so there is an `expires_at`
    static constexpr age_facts asks{.uses = true};  ///< declares that it depends on them
    static constexpr retirement reason = retirement::expired_uses;  ///< declares it

    /// Any number of uses.
    constexpr after_uses() noexcept = default;

    /// This many. More than `countable` means any number.
    constexpr explicit after_uses(std::size_t n) noexcept
        : most_{static_cast<std::uint32_t>(std::min<std::size_t>(n, countable + 1))} {}

    static constexpr std::uint32_t countable = (1U << 20) - 1;  ///< the most uses that a pool counts

    /// `since`, if it has been used often enough.
    template <class TimePoint>
    constexpr TimePoint expires_at(TimePoint since, const connection_age<TimePoint>& age) const noexcept {
        return age.uses >= most_ ? since : TimePoint::max();
    }

private:
    std::uint32_t most_ = countable + 1;
};

/// A connection expires when it says so, by `connection_traits<Conn>::expires`. Use it together with another policy.
struct at_own_deadline {
    static constexpr bool can_expire = true;            ///< so there is an `expires_at`
    static constexpr age_facts asks{.deadline = true};  ///< declares that it depends on it
    static constexpr retirement reason = retirement::expired_own;  ///< declares it

    /// `age.deadline`.
    template <class TimePoint>
    constexpr TimePoint expires_at(TimePoint, const connection_age<TimePoint>& age) const noexcept {
        return age.deadline;
    }
};

/// A connection expires when the first of several policies says so: `any_of{after_idle{1min}, after_lifetime{1h, 0.1}}`.
/// Policies that ask for a draw get the same number.
template <class... Policies>
class any_of {
public:
    static constexpr bool can_expire = (false || ... || Policies::can_expire);        ///< if one of them can
    static constexpr age_facts asks = (age_facts{} | ... | core::asks_of<Policies>);  ///< what any of them asks for

    constexpr any_of() = default;  ///< each as it is by default

    /// These policies.
    constexpr explicit any_of(Policies... policies)
        requires(sizeof...(Policies) != 0)
        : policies_{std::move(policies)...} {}

    /// One of the policies.
    template <class Policy>
    constexpr const Policy& get() const noexcept {
        return std::get<Policy>(policies_);
    }

    /// The earliest of their times.
    template <class TimePoint>
    constexpr TimePoint expires_at(TimePoint since, const connection_age<TimePoint>& age) const noexcept {
        return std::apply(
            [&](const Policies&... each) {
                TimePoint earliest = TimePoint::max();
                ((earliest = std::min(earliest, core::expiry_of(each, since, age))), ...);
                return earliest;
            },
            policies_);
    }

    /// Of the first policy whose time `at` is. If it is none's, it is a time that was told before, or that the connection
    /// has said itself.
    template <class TimePoint>
    constexpr retirement reason_at(TimePoint since, const connection_age<TimePoint>& age, TimePoint at) const noexcept {
        return std::apply(
            [&](const Policies&... each) {
                retirement why = asks.deadline ? retirement::expired_own : retirement::expired;
                (void)(false || ... ||
                       (core::expiry_of(each, since, age) <= at && (why = core::reason_of(each, since, age, at), true)));
                return why;
            },
            policies_);
    }

    /// The number for a new connection: of the first policy that asks for one.
    constexpr std::uint32_t draw() noexcept
        requires(asks.draw)
    {
        return draw_of<0>();
    }

private:
    template <std::size_t I>
    constexpr std::uint32_t draw_of() noexcept {
        if constexpr (core::asks_of<std::tuple_element_t<I, std::tuple<Policies...>>>.draw)
            return std::get<I>(policies_).draw();
        else return draw_of<I + 1>();
    }

    [[no_unique_address]] std::tuple<Policies...> policies_;  // empty ones take no space in it
};

}  // namespace pool
