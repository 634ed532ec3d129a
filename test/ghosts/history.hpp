// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/event.hpp>
#include <pool/savings.hpp>

#include <support/requests.hpp>

/// @file
/// Histories of callers: who comes when, for which key, and for how long. They are played in a pool that estimates what
/// higher bounds would save, and again in pools that have those bounds.

namespace ghost_histories {

using namespace std::chrono_literals;
using pool::bound_kind;
using span = std::chrono::nanoseconds;

struct session {
    void close() {}
    bool closed() const noexcept { return false; }
    bool unblocked() const noexcept { return true; }
};

template <class Capacity, class Expiry = pool::never>
using pool_of = pool::basic_pool<int, session, Capacity, Expiry, std::mutex, pool::manual_clock>;

/// One caller.
struct call {
    span at;    ///< when it comes
    int key;    ///< for which key
    span hold;  ///< for how long it has the connection
};
using history = std::vector<call>;

/// What callers do on average.
struct habits {
    std::size_t calls = 20'000;
    int keys = 1;
    double skew = 1;       ///< the exponent of Zipf's law; with 0 all keys are as frequent
    span between = 1ms;    ///< the time between two callers
    span hold = 10ms;      ///< how long they have a connection
    bool is_even = false;  ///< all hold one equally long; otherwise these times are exponential
    unsigned burst = 1;    ///< so many come at once, for one key
};

inline history random_history(const habits& of, std::uint64_t seed) {
    std::mt19937_64 random{seed};
    const auto uniform = [&] { return static_cast<double>(random() >> 11) * 0x1p-53; };
    const auto exponential = [&](span mean) {
        const double time = -std::log1p(-uniform()) * static_cast<double>(mean.count());
        return span{std::max<std::int64_t>(1, std::llround(time))};
    };
    std::vector<double> shares;
    double sum = 0;
    for (int key = 0; key != of.keys; ++key) shares.push_back(sum += std::pow(key + 1, -of.skew));
    history all;
    for (span now{}; all.size() < of.calls;) {
        now += exponential(of.between * of.burst);
        const auto found = std::lower_bound(shares.begin(), shares.end() - 1, uniform() * sum);
        const int key = static_cast<int>(found - shares.begin());
        for (unsigned i = 0; i != of.burst; ++i) all.push_back({now, key, of.is_even ? of.hold : exponential(of.hold)});
    }
    return all;
}

/// What has happened when a history was played.
struct outcome {
    std::uint64_t dials = 0;
    std::uint64_t waits = 0;
    pool::savings saved;
};

/// How a history is played, besides the bounds.
template <class Expiry = pool::never>
struct way {
    Expiry expiry{};
    pool::reuse_order reuse = pool::reuse_order::newest_first;
    span dial{};         ///< how long a dial takes
    span reaps_every{};  ///< how often connections are expired; zero is only when one is looked up
    span gives_up{};     ///< how long a caller waits at most; zero is for ever
};

/// The bound of a capacity with this name.
template <class Capacity>
pool::core::limit& bound_of(Capacity& of, bound_kind which) {
    if (which == bound_kind::max_idle) return of.max_idle;
    if constexpr (requires { of.max_open; }) {
        if (which == bound_kind::max_open) return of.max_open;
        if (which == bound_kind::max_open_per_key) return of.max_open_per_key;
    }
    REQUIRE(which == bound_kind::max_idle_per_key);
    return of.max_idle_per_key;
}

/// Callers without threads, in virtual time.
template <class Capacity, class Expiry = pool::never>
class simulation {
    using pool_type = pool_of<Capacity, Expiry>;
    using request_state = pool::core::request_state;

public:
    simulation(const Capacity& bounds, const way<Expiry>& how, bool has_ghosts)
        : how_{how},
          conns_{bounds, how.expiry, {.reuse = how.reuse, .ghosts = has_ghosts, .on_event = observer()}, clock_} {}

    outcome play(const history& calls) {
        for (const call& each : calls) at(each.at, [this, &each] { begin(each); });
        if (how_.reaps_every != span{})
            for (span when = calls.front().at; when < calls.back().at; when += how_.reaps_every)
                at(when, [this] { reap(); });
        while (!todo_.empty()) {
            const auto next = todo_.begin();
            const auto act = std::move(next->second);
            clock_.advance(next->first - now());
            todo_.erase(next);
            act();
            while (!notified_.empty()) {
                caller& each = *notified_.front();
                notified_.pop_front();
                each.is_notified = false;
                go_on(each);
            }
        }
        return {conns_.stats().dials, waits_, conns_.savings()};
    }

private:
    struct caller final : requests::request<pool_type> {
        caller(simulation& its, span its_hold, pool::manual_clock::time_point deadline)
            : requests::request<pool_type>{pool_type::bounds_open, deadline},
              of{its},
              hold{its_hold} {}
        bool notified() noexcept override {
            if (!std::exchange(is_notified, true)) of.notified_.push_back(this);
            return true;
        }

        simulation& of;
        span hold;
        bool is_notified = false;
        bool is_over = false;
    };

    pool::event_observer observer() {
        return [this](const pool::event& e) { waits_ += e.kind == pool::event_kind::queued; };
    }
    template <class Act>
    void at(span when, Act&& act) {
        todo_.emplace(when, std::forward<Act>(act));
    }
    span now() const { return clock_.now().time_since_epoch(); }

    void reap() {
        if constexpr (pool_type::can_expire) conns_.expire();
    }

    void begin(const call& of) {
        auto& state = requests::state(conns_);
        const pool::core::hashed_key<int> key{of.key};
        if (auto* const found = state.lend_at_once(key)) return hold({state, *found, pool::call_site::current()}, of.hold);
        const bool is_patient = how_.gives_up == span{};
        const auto deadline = is_patient ? pool::manual_clock::time_point::max() : clock_.now() + how_.gives_up;
        caller& asking = callers_.emplace_back(*this, of.hold, deadline);
        state.submit(asking, key);
        go_on(asking);
        if (!is_patient)
            at(now() + how_.gives_up, [this, &asking] {
                if (!asking.is_over) go_on(asking);
            });
    }

    /// A caller does what it can.
    void go_on(caller& asking) {
        auto& state = requests::state(conns_);
        for (;;) {
            const request_state seen = state.look(asking);
            if constexpr (pool_type::bounds_open)
                if (seen == request_state::promised && state.close_for(asking)) continue;
            if (seen == request_state::may_dial) return dial(asking);
            if (seen < request_state::lent) return;  // it waits, or dials
            if (seen == request_state::lent) hold(requests::lease_of(conns_, asking), asking.hold);
            asking.is_over = true;
            return;
        }
    }
    void dial(caller& asking) {
        auto& state = requests::state(conns_);
        auto& fresh = state.make_entry_for(asking);
        at(now() + how_.dial, [&state, &asking, &fresh] {
            fresh.construct([] { return session{}; });
            state.dial_succeeded(asking, fresh);
        });
    }
    void hold(typename pool_type::lease_type lent, span time) {
        const auto place = leases_.insert(leases_.end(), std::move(lent));
        at(now() + time, [this, place] { leases_.erase(place); });
    }

    const way<Expiry> how_;
    std::uint64_t waits_ = 0;
    std::list<caller> callers_;
    std::list<caller*> notified_;
    std::multimap<span, std::function<void()>> todo_;
    pool::manual_clock clock_;
    pool_type conns_;
    std::list<typename pool_type::lease_type> leases_;
};

inline constexpr std::uint64_t last_seed = 2;

/// By how much an estimate may be wrong: 5 percentage points, of all dials or of all waits. If there are hardly any, by 5.
inline double tolerance(std::uint64_t total) { return std::max(5.0, 0.05 * static_cast<double>(total)); }

/// Plays a history, and compares what is estimated with what each higher bound saves in truth. `is_exact`: there must be no
/// difference.
template <class Capacity, class Expiry = pool::never>
void compare(const Capacity& bounds, const habits& callers, const way<Expiry>& how = {}, bool is_exact = false) {
    for (std::uint64_t seed = 1; seed <= last_seed; ++seed) {
        CAPTURE(seed);
        const history calls = random_history(callers, seed);
        const outcome real = simulation<Capacity, Expiry>{bounds, how, true}.play(calls);
        CHECK(real.saved.dials == real.dials);
        CHECK(real.saved.waits == real.waits);
        REQUIRE(!real.saved.all.empty());
        for (const pool::saving& each : real.saved.all) {
            Capacity higher = bounds;
            bound_of(higher, each.bound) = each.to;
            CAPTURE(each.bound);
            CAPTURE(each.to);
            const outcome truth = simulation<Capacity, Expiry>{higher, how, false}.play(calls);
            const auto check = [&](std::int64_t estimate, std::uint64_t is, std::uint64_t would_be) {
                const double error =
                    static_cast<double>(estimate) - (static_cast<double>(is) - static_cast<double>(would_be));
                CAPTURE(estimate);
                CAPTURE(is);
                CAPTURE(would_be);
                CHECK(std::abs(error) <= (is_exact ? 0 : tolerance(is)));
            };
            check(each.dials, real.dials, truth.dials);
            check(each.waits, real.waits, truth.waits);
        }
    }
}

}  // namespace ghost_histories
