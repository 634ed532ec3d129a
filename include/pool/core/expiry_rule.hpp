// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#include <pool/connection.hpp>
#include <pool/core/entry_parts.hpp>
#include <pool/core/saturating.hpp>
#include <pool/policies/expiry.hpp>

/// @file
/// The expiry policy of a pool, and what it is told about an entry.

namespace pool::core {

/// The facts that an expiry policy asks for, if it is ever asked itself.
template <class ExpiryPolicy>
inline constexpr age_facts entry_age = ExpiryPolicy::can_expire ? asks_of<ExpiryPolicy> : age_facts{};

/// The parts of an entry that a pool needs.
template <class Conn, class ExpiryPolicy>
constexpr entry_facts facts_of(bool can_wait, bool is_weighed) noexcept {
    constexpr age_facts asks = entry_age<ExpiryPolicy>;
    return {.timed = ExpiryPolicy::can_expire,
        .can_wait = can_wait,
        .since = has_check<Conn>,
        .tended = has_keep_alive<Conn>,
        .weighed = is_weighed,
        .opened = asks.opened,
        .wear = asks.uses || asks.draw};
}

/// Answers when an entry expires. Call it under the lock, but for `deadline_of`.
template <class ExpiryPolicy, class Entry>
class expiry_rule {
    using Conn = typename Entry::connection_type;

public:
    using time_point = typename Entry::parts::time_point;  ///< what the store is told
    using birth = typename Entry::birth;                   ///< what an entry keeps of its opening

    static constexpr bool timed = ExpiryPolicy::can_expire;      ///< whether anything expires
    static constexpr age_facts asks = entry_age<ExpiryPolicy>;   ///< what the policy asks for
    static constexpr bool depends_on_age = asks != age_facts{};  ///< so two connections may have different times

    /// The expiry time that a connection says itself, if the policy asks for it.
    using own_deadline = std::conditional_t<asks.deadline, time_point, no_time>;

    explicit expiry_rule(ExpiryPolicy&& policy) : policy_{std::move(policy)} {}  ///< of this policy

    /// The facts to keep of a connection whose dial ended at `opened`.
    birth of_new([[maybe_unused]] time_point opened) noexcept {
        birth made;
        if constexpr (asks.opened) made.opened = opened;
        if constexpr (asks.draw) made.worn.draw = policy_.draw() >> wear::dropped & wear::most_draw;
        return made;
    }

    /// The expiry time that a connection says itself when it is given back at `since`.
    static own_deadline deadline_of([[maybe_unused]] const Conn& c, [[maybe_unused]] time_point since) noexcept {
        if constexpr (asks.deadline) {
            const std::chrono::nanoseconds in = connection_traits<Conn>::expires(c);
            return in == in.max() ? time_point::max() : saturating_add(since, in);
        } else {
            return {};
        }
    }

    /// When an entry expires that is given back at `since`, or comes back unused.
    time_point of([[maybe_unused]] const Entry& e, [[maybe_unused]] time_point since,
        [[maybe_unused]] own_deadline own = no_deadline()) const noexcept {
        if constexpr (!timed) {
            return {};
        } else {
            connection_age<time_point> age = age_of(e);
            if constexpr (asks.deadline) age.deadline = own;
            const time_point at = expiry_of(policy_, since, age);
            return e.is_unused() ? std::min(at, e.expires_at()) : at;
        }
    }

    /// Why an entry expires at `at` that was given back at `since`. The deadline that it said itself is not known.
    retirement reason(const Entry& e, time_point since, time_point at) const noexcept {
        if constexpr (timed) return core::reason_of(policy_, since, age_of(e), at);
        else return retirement::expired;
    }

    /// No connection that is opened at `now` or later expires before this time. It is max() if none would be kept.
    time_point earliest([[maybe_unused]] time_point now) const noexcept {
        if constexpr (!timed) {
            return {};
        } else {
            connection_age<time_point> age;
            age.opened = now;
            age.draw = std::numeric_limits<std::uint32_t>::max();
            return kept(expiry_of(policy_, now, age), now);
        }
    }

    /// An entry that is given back at `now` or later expires at this time or later. If it is not idle, this is max() if it
    /// will not be kept, or if `earliest` is as early.
    ///
    /// Its own deadline is unknown before it is given back. Without a policy that depends on its age, it is as a new one,
    /// unless it comes back unused.
    time_point bound_of([[maybe_unused]] const Entry& e, [[maybe_unused]] time_point now) const noexcept {
        if constexpr (!timed) return {};
        else if (e.is_idle()) return of(e, now);
        else if (e.is_lent()) return depends_on_age || e.is_unused() ? kept(of(e, now), now) : time_point::max();
        else return depends_on_age && e.is_opening() ? earliest(now) : time_point::max();
    }

    /// Exchanges the policy.
    void swap_with(ExpiryPolicy& other) {
        using std::swap;
        swap(policy_, other);
    }

private:
    static connection_age<time_point> age_of([[maybe_unused]] const Entry& e) noexcept {
        connection_age<time_point> age;
        if constexpr (asks.opened) age.opened = e.opened();
        if constexpr (asks.draw) age.draw = static_cast<std::uint32_t>(e.worn().draw) << wear::dropped;
        if constexpr (asks.uses) age.uses = e.worn().uses;
        return age;
    }

    static constexpr own_deadline no_deadline() noexcept {
        if constexpr (asks.deadline) return time_point::max();
        else return {};
    }

    /// A policy that keeps nothing at `now` does not later either.
    static constexpr time_point kept(time_point at, time_point now) noexcept {
        return at <= now ? time_point::max() : at;
    }

    [[no_unique_address]] ExpiryPolicy policy_;
};

}  // namespace pool::core
