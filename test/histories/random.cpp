// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>

#include <doctest/doctest.h>

#include <pool/policies/capacity.hpp>

#include <histories/operations.hpp>
#include <support/chance.hpp>
#include <support/tier.hpp>

// Random operations on a pool and on its model, for all combinations of the policies.

using namespace histories;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)  // slower by far
constexpr std::size_t choices_in_all = 250'000;
#else
constexpr std::size_t choices_in_all = 1'500'000;
#endif
constexpr std::size_t choices_of_one = 2'000;  ///< of an operation. Some cannot be done then

class random_history : operations, chance {
public:
    random_history(const policies& kind, choice_source& from, std::function<bool()> is_new, teller& tell)
        : operations{kind, std::move(is_new), tell},
          chance{from} {
        begin(any_settings());
    }

    void run() {
        while (begin_operation()) operate();
        end_all();
    }

private:
    std::size_t any_key() { return below(keys.size()); }

    std::size_t any_bound() {
        constexpr std::array<std::size_t, 7> all{pool::no_limit, 1, 2, 5, 5, 9, 0};
        return all[below(all.size())];
    }
    std::size_t any_bound_per_key() {
        constexpr std::array<std::size_t, 7> all{pool::no_limit, 1, 2, 3, 3, pool::no_limit, 0};
        return all[below(all.size())];
    }

    settings any_settings() {
        using pool::after_idle, pool::after_lifetime;
        const std::array<after_idle, 5> ttls{40 * tick, 400 * tick, 400 * tick, after_idle{}, 0 * tick};
        const std::array<after_lifetime, 5> lifetimes{
            {{400 * tick, 0.4, 1}, {90 * tick, 0.9, 2}, {400 * tick}, {}, {0 * tick}}};
        const std::array<std::size_t, 4> uses{pool::no_limit, 5, 1, 0};
        return {.max_idle = any_bound(),
            .max_idle_per_key = any_bound_per_key(),
            .ttl = ttls[below(ttls.size())],
            .lifetime = lifetimes[below(one_in(4) ? 5 : 4)],
            .max_uses = uses[below(one_in(4) ? 4 : 2)],
            .reuse = any_of(pool::reuse_order::oldest_first, pool::reuse_order::newest_first),
            .check_after = any_of(0, 20, 90, 1'000) * tick,
            .keep_alive_every = any_of(0, 20, 90, 300) * tick};
    }

    void operate() {
        switch (below(29)) {  // the simplest come first
        case 0:
            return put_any();
        case 1:
        case 2:
        case 3:
        case 4:
            return acquire(any_key(), one_in(10) ? condition::sick : condition::well);
        case 5:
        case 6:
        case 7:
        case 8:
            return end_any_lease(one_in(8) ? lease_end::discard : lease_end::give_back);
        case 9:
        case 10:
            return try_acquire(any_key());
        case 11:
            return take(any_key());
        case 12:
            if (model_->lends()) invoke(any_key(), one_in(6), one_in(2));
            return;
        case 13:
            if (model_->lends()) stream(any_key(), one_in(3));
            return;
        case 14:
            return change_a_line();
        case 15:
            return advance(static_cast<int>(below(100)) * tick);
        case 16:
            return one_in(2) ? upkeep(any_plan()) : expire();
        case 17:
            return ask_next_expiry();
        case 18:
            if (one_in(2)) end_any_lease(lease_end::detach);
            return;
        case 19:
            if (one_in(4)) return clear(any_key());
            if (one_in(20)) return clear();
            return;
        case 20:
            if (one_in(10)) reconfigure(any_bound(), any_bound_per_key());
            else if (one_in(10)) reconfigure_expiry(any_settings());
            return;
        case 21:
            // By a part of a tick, so that no two connections expire at the same time.
            if (one_in(10)) advance(-static_cast<int>(below(300)) * tick + std::chrono::nanoseconds{1});
            return;
        case 22:
            if (one_in(4)) prewarm(any_key(), below(5), any_plan());
            return;
        case 23:
            if (one_in(10)) min_idle(any_key(), below(4));
            return;
        case 24:
            return change_a_condition();
        case 25:
            if (one_in(4))
                acquire(any_key(), any_of(condition::outdating, condition::pausing), any_of(1, 2, 15, 16, 17));
            return;
        case 26:
            if (one_in(8)) return invalidate(any_key(), any_times());
            if (one_in(20)) return invalidate(std::nullopt, any_times());
            return;
        case 27:
            return model_->is_paused ? resume() : one_in(10) ? pause() : void();
        default:
            if (one_in(400)) close();
            return;
        }
    }

    void end_any_lease(lease_end how) {
        if (!model_->lent().empty()) end_lease(model_->lent()[below(model_->lent().size())].id, how);
    }

    /// A new one, or one that was taken.
    void put_any() {
        if (taken_.empty() || !one_in(2)) taken_.push_back(net_.dial());
        fake::connection conn = std::move(taken_.back());
        taken_.pop_back();
        if (one_in(8)) conn.far().dead = true;
        put(any_key(), std::move(conn));
    }

    /// The pool counts invalidations by bytes.
    int any_times() { return one_in(20) ? any_of(253, 254, 255) : 1; }

    dial_plan any_plan() {
        if (!one_in(3)) return {};
        const condition how = any_of(condition::sick, condition::outdating, condition::pausing);
        const int odd = any_of(1, 2, pool::core::most_outdated - 1, pool::core::most_outdated);
        return {below(3), how == condition::sick ? pool::no_limit : static_cast<std::size_t>(odd), how};
    }

    /// One that was dialled not long ago; 0 if that is closed.
    int any_recent() {
        if (net_.dials() == 0) return 0;
        const int recent = std::min(net_.dials(), 20);
        const int id = net_.dials() - static_cast<int>(below(static_cast<std::size_t>(recent)));
        return net_[id].closes > 0 ? 0 : id;
    }

    void change_a_line() {
        if (const int id = any_recent()) one_in(3) ? kill(id) : block(id);
    }

    void change_a_condition() {
        if (const int id = kind_.is_tended ? any_recent() : 0)
            set_condition(id,
                any_of(condition::well, condition::sick, condition::dying, condition::outdating, condition::pausing));
    }
};

/// Each gets one part of `parts` of all choices.
void run_all(std::span<const policies> kinds, std::size_t parts) {
    const std::size_t most = is_full_tier() ? 10 * choices_in_all : choices_in_all;
    const std::uint64_t seeds = most / choices_of_one / parts + 1;
    counts all;
    for (const policies& kind : kinds) {
        const auto run = [&](choice_source& from, const std::function<bool()>& is_new, teller& tell) {
            random_history{kind, from, is_new, tell}.run();
        };
        all += run_at_random(run, 1, seeds, choices_of_one);
    }
    MESSAGE(
        kinds.size() << " combinations of policies, seeds 1 to " << seeds << ": " << all.operations << " operations");
}

std::size_t kinds_in_all() {
    return pools_that_expire().size() + pools_that_never_expire().size() + pools_that_bound_open().size();
}

}  // namespace

TEST_CASE("random histories: pools that expire have the results that the model has") {
    run_all(pools_that_expire(), kinds_in_all());
}

TEST_CASE("random histories: pools that never expire have the results that the model has") {
    run_all(pools_that_never_expire(), kinds_in_all());
}

TEST_CASE("random histories: pools that could bound what is open have the results that the model has") {
    run_all(pools_that_bound_open(), kinds_in_all());
}

TEST_CASE("random histories: pools whose connections have hooks have the results that the model has [C20, C21, C22]") {
    run_all(pools_with_hooks(), 2 * pools_with_hooks().size());
}
