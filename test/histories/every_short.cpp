// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/policies/capacity.hpp>

#include <histories/checked_pool.hpp>
#include <support/chance.hpp>
#include <support/tier.hpp>

// Every short history of a pool and of its model: all sequences of operations over two keys.
//
// Left out is only what cannot happen, or is another history by another name: the end of a lease when there is none, a
// second death of a connection; the second key before the first one was used.

using namespace histories;

namespace {

/// Which operations there are.
enum class alphabet {
    main,   ///< those that lend, give back and retire
    whole,  ///< also those that differ from another one only in part, and those that end or change the pool
};

class short_history : checked_pool, chance {
public:
    short_history(const policies& kind, const settings& chosen, alphabet letters, choice_source& from,
        std::function<bool()> is_new, teller& tell)
        : checked_pool{kind, std::move(is_new), tell},
          chance{from},
          chosen_{chosen},
          letters_{letters} {
        possible_.reserve(64);
        begin(chosen);
    }

    void run() {
        while (begin_operation() && operate()) {
        }
        if (has_pool_) ask_next_expiry();
        end_all();
    }

private:
    struct operation {
        void (short_history::*what)(std::size_t);
        std::size_t which;  ///< key or connection
    };

    /// Returns false if nothing can happen any more.
    bool operate() {
        possible_.clear();
        if (has_pool_) offer_of_keys();
        offer_of_connections();
        if (has_pool_) offer_of_pool();
        if (possible_.empty()) return false;
        const operation chosen = possible_[below(possible_.size())];
        (this->*chosen.what)(chosen.which);
        return true;
    }

    void offer(void (short_history::*what)(std::size_t), std::size_t which = 0) { possible_.push_back({what, which}); }
    bool is_whole() const { return letters_ == alphabet::whole; }

    void offer_of_keys() {
        for (std::size_t of = 0; of != std::min<std::size_t>(used_keys_ + 1, 2); ++of) {
            const bool has_idle = model_->stats(of).idle != 0;
            offer(&short_history::acquires, of);
            offer(&short_history::puts, of);
            if (has_idle || is_whole()) offer(&short_history::takes, of);
            if (has_idle) offer(&short_history::clears, of);
            if (!is_whole()) continue;
            offer(&short_history::tries, of);
            offer(&short_history::dials_in_vain, of);
            offer(&short_history::puts_closed, of);
            if (model_->is_closed) continue;
            offer(&short_history::calls, of);
            offer(&short_history::calls_in_vain, of);
            offer(&short_history::streams, of);
            offer(&short_history::drops_stream, of);
        }
    }

    void offer_of_connections() {
        for (const auto& each : model_->lent()) {
            const auto id = static_cast<std::size_t>(each.id);
            const bool is_last = each.id == model_->lent().back().id;
            offer(&short_history::gives_back, id);
            if (is_last || is_whole()) offer(&short_history::discards, id);
            if (is_whole()) offer(&short_history::detaches, id);
            if ((is_last || is_whole()) && !net_[each.id].dead) offer(&short_history::dies, id);
            if (is_whole() && !net_[each.id].dead) offer(&short_history::blocks, id);
        }
        for (const auto& each : model_->idle()) {
            const auto id = static_cast<std::size_t>(each.id);
            if (net_[each.id].dead) continue;
            offer(&short_history::dies, id);
            offer(&short_history::blocks, id);
        }
    }

    void offer_of_pool() {
        const bool has_idle = !model_->idle().empty();
        const time_point due = next_due();
        const bool is_timed = due != time_point::max();
        if (is_timed && due > clock_.now() + tick) offer(&short_history::waits_until_due);
        if (has_idle || model_->has_unclosed()) offer(&short_history::expires);
        if (!is_whole()) return;
        if (is_timed && due > clock_.now() + 2 * tick) offer(&short_history::waits_until_nearly_due);
        offer(&short_history::keeps_up);
        offer(&short_history::asks_next_expiry);
        offer(&short_history::clears_all);
        offer(&short_history::narrows);
        offer(&short_history::widens);
        offer(&short_history::closes);
        offer(&short_history::ends);
    }

    void use(std::size_t of) { used_keys_ = std::max(used_keys_, of + 1); }

    void acquires(std::size_t of) { use(of), acquire(of); }
    void puts(std::size_t of) { use(of), put_new(of); }
    void takes(std::size_t of) { use(of), take(of); }
    void clears(std::size_t of) { clear(of); }
    void tries(std::size_t of) { use(of), try_acquire(of); }
    void dials_in_vain(std::size_t of) { use(of), acquire(of, true); }
    void puts_closed(std::size_t of) {
        use(of);
        fake::connection closed = net_.dial();
        closed.far().dead = true;
        put(of, std::move(closed));
    }
    void calls(std::size_t of) { use(of), invoke(of, false, false); }
    void calls_in_vain(std::size_t of) { use(of), invoke(of, true, false); }
    void streams(std::size_t of) { use(of), stream(of, false); }
    void drops_stream(std::size_t of) { use(of), stream(of, true); }
    void gives_back(std::size_t id) { end_lease(static_cast<int>(id), lease_end::give_back); }
    void discards(std::size_t id) { end_lease(static_cast<int>(id), lease_end::discard); }
    void detaches(std::size_t id) { end_lease(static_cast<int>(id), lease_end::detach); }
    void dies(std::size_t id) { kill(static_cast<int>(id)); }
    void blocks(std::size_t id) { block(static_cast<int>(id)); }
    void expires(std::size_t) { expire(); }
    void keeps_up(std::size_t) { upkeep(); }
    void asks_next_expiry(std::size_t) { ask_next_expiry(); }
    void clears_all(std::size_t) { clear(); }
    void closes(std::size_t) { close(); }
    void ends(std::size_t) { end_pool(); }

    /// To bounds that are lower, or the same.
    void narrows(std::size_t) {
        reconfigure(std::min<std::size_t>(chosen_.max_idle, 1), std::min<std::size_t>(chosen_.max_idle_per_key, 1));
    }
    void widens(std::size_t) { reconfigure(pool::no_limit, pool::no_limit); }

    /// The next operation happens at the moment when the first connection expires, or just before. An operation takes a
    /// tick.
    void waits_until_due(std::size_t) { advance(next_due() - clock_.now() - tick); }
    void waits_until_nearly_due(std::size_t) { advance(next_due() - clock_.now() - 2 * tick); }

    time_point next_due() const {
        time_point next = time_point::max();
        for (const auto& each : model_->idle()) next = std::min(next, each.due);
        return next;
    }

    const settings chosen_;
    const alphabet letters_;
    std::size_t used_keys_ = 0;
    std::vector<operation> possible_;
};

constexpr std::array<std::size_t, 4> bounds{0, 1, 2, pool::no_limit};
constexpr std::array orders{pool::reuse_order::oldest_first, pool::reuse_order::newest_first};
constexpr std::size_t settings_in_all = bounds.size() * bounds.size() * orders.size();

/// Returns how much it has run.
counts run_all(const policies& kind, alphabet letters, std::size_t operations) {
    counts all;
    for (const std::size_t max_idle : bounds)
        for (const std::size_t max_idle_per_key : bounds)
            for (const pool::reuse_order reuse : orders) {
                const settings chosen{.max_idle = max_idle,
                    .max_idle_per_key = max_idle_per_key,
                    .ttl = std::chrono::microseconds{100},
                    .lifetime = {std::chrono::microseconds{150}, 0.2, 1},
                    .max_uses = 2,
                    .reuse = reuse};
                const auto run = [&](choice_source& from, const std::function<bool()>& is_new, teller& tell) {
                    short_history{kind, chosen, letters, from, is_new, tell}.run();
                };
                all += run_every_way(run, operations);
            }
    return all;
}

void run_all(alphabet letters, std::size_t operations) {
    const counts all = run_all(pools_that_expire().front(), letters, operations);
    MESSAGE(settings_in_all << " settings, " << operations << " operations: " << all.histories << " histories, "
                            << all.operations << " operations");
}

}  // namespace

TEST_CASE("every short history: the main operations have the results that the model has") {
    run_all(alphabet::main, main_length + is_full_tier());
}

TEST_CASE("every short history: all operations have the results that the model has") {
    run_all(alphabet::whole, whole_length + is_full_tier());
}

TEST_CASE("every short history: pools of all policies have the results that the model has") {
    const std::size_t length = main_length - 2 + is_full_tier();
    counts all;
    std::size_t kinds = 0;
    for (const auto& some : {pools_that_expire(), pools_that_never_expire(), pools_that_bound_open()}) {
        kinds += some.size();
        for (const policies& kind : some) all += run_all(kind, alphabet::main, length);
    }
    MESSAGE(kinds << " combinations of policies, " << settings_in_all << " settings, " << length
                  << " operations: " << all.histories << " histories, " << all.operations << " operations");
}
