// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <bounded/callers.hpp>
#include <support/histories.hpp>
#include <support/tier.hpp>

// Random operations on a pool that bounds the open connections, and on its model. Callers that wait are requests
// without a thread, so one thread plays them all. A close may run further operations. Before each close and after each
// operation, both are compared: the state, the connection and the notifications of each caller, the order of the
// closes, and all figures.

using namespace bounded_models;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)  // slower by far
constexpr std::uint64_t seeds = 110, crowds = 1;
#else
constexpr std::uint64_t seeds = 1'100, crowds = 5;
#endif
constexpr std::size_t operations = 2'500;        ///< in each history
constexpr std::size_t crowd_operations = 1'000;  ///< in each with hundreds of callers

/// Random operations.
class random_history final : callers {
public:
    /// `most_askers` is how many callers there may be at once.
    random_history(choice_source& from, histories::teller& tell, std::size_t most_askers)
        : callers{from, tell},
          most_ever_{most_askers} {
        begin(any_settings());
        change_mood();
    }

    void run() {
        while (begin_operation()) operate();
        end();
    }

private:
    /// What may happen, and how often.
    struct happening {
        void (random_history::*happens)();
        std::size_t often;
        bool needs_pool = true;
        std::size_t weight = 0;  ///< now
    };

    model_settings any_settings() {
        const std::array<pool::after_idle, 8> ttls{
            pool::after_idle{}, pool::after_idle{}, pool::after_idle{}, 0ns, 30ns, 200ns, 1us, 3us};
        return {any_bounds(), ttls[below(ttls.size())],
            any_of(pool::reuse_order::oldest_first, pool::reuse_order::newest_first)};
    }

    bounds any_bounds() {
        constexpr std::size_t none = pool::no_limit;
        const std::size_t one = 1;
        const std::array<std::chrono::nanoseconds, 5> patiences{0ns, 0ns, 5ns, 30ns, 2000ns};
        return bounds{
            .max_open = any_of(one, 2 * one, 3 * one, 4 * one, 6 * one, 9 * one, none),
            .max_open_per_key = any_of(none, none, one, 2 * one, 3 * one),
            .max_idle = any_of(none, none, none, none, one, 3 * one, 5 * one, 0 * one),
            .max_idle_per_key = any_of(none, none, none, none, one, 2 * one, 3 * one, 0 * one),
            .max_waiting = any_of(none, none, one, 2 * one, 4 * one, 0 * one),
            .max_dials_per_key = any_of(none, none, one, 2 * one),
            .patience = patiences[below(patiences.size())],
        };
    }

    /// Destroys the pool while requests and leases exist. Then all that is under way ends.
    void end() {
        if (one_in(2)) close();
        end_pool();
        while (!askers_.empty() || (!leases_.empty() && !one_in(20))) {
            if (one_in(2)) operate();
            else wind_up([this](std::size_t count) { return below(count); });
        }
        end_state();
    }

    void meanwhile() override {
        if (is_over_) {
            if (!leases_.empty() && one_in(2)) any_out_of(leases_).give_back();
            return;
        }
        if (one_in(4)) change_unseen();
        if (depth_ < 4 && one_in(2)) {
            for (std::size_t left = one_in(8) ? 30 : below(4); left != 0; --left)
                if (begin_operation() || !pool_) operate();  // an operation that can be left out, until the pool ends
        }
    }

    /// What the pool sees only in its next step: while a close hangs, callers give up, and connections die.
    void change_unseen() {
        advance(std::chrono::nanoseconds{below(100)});
        for (const auto& each : askers_)
            if (each->is_submitted() && one_in(4)) stop(*each);
        for (const auto& each : model_->open_ones())
            if (one_in(3)) kill(each.id);
    }

    /// Some things happen more often for a while, and others never.
    void change_mood() {
        for (happening& each : happenings_)
            each.weight =
                each.often * (each.happens == &random_history::change_mood ? 1 : any_of(0u, 0u, 1u, 1u, 2u, 6u));
        most_askers_ = std::max<std::size_t>(1, most_ever_ / any_of(1u, 2u, 4u, 7u, 14u));
        used_keys_ = 1 + below(keys.size());
    }

    void operate() {
        if (one_in(20)) advance(std::chrono::nanoseconds{below(60)});
        const auto weight = [&](const happening& each) {
            return pool_ ? each.weight : each.needs_pool ? 0 : each.often;
        };
        std::size_t sum = 0;
        for (const happening& each : happenings_) sum += weight(each);
        std::size_t place = below(sum);
        for (const happening& each : happenings_) {
            if (place < weight(each)) return (this->*each.happens)();
            place -= weight(each);
        }
    }

    /// The key of the connection that changed last is used more often.
    std::size_t any_key() { return one_in(3) ? changed_ : below(used_keys_); }

    void close_once() {
        if (!model_->is_closed() && one_in(40)) close();
    }

    void submit_any() {
        for (std::size_t left = 1 + most_askers_ / 20; left != 0 && askers_.size() < most_askers_; --left)
            submit(any_key(), one_in(2), any_deadline(), this);
    }

    /// A crowd gives up all at once.
    time_point any_deadline() {
        if (most_askers_ > 100) return time_point{(clock_.now().time_since_epoch() / 1us + 1) * 1us};
        return one_in(4) ? clock_.now() + std::chrono::nanoseconds{below(300)} : time_point::max();
    }

    /// Mostly one in this state, if there is one.
    asker* any_asker(request_state state) {
        asker* const found = callers::any_asker([=](const asker& each) { return each.state() == state; });
        return found != nullptr && !one_in(8) ? found : any_asker();
    }
    using callers::any_asker;

    void look_of_notified() {
        if (asker* const caller = any_asker([](const asker& each) { return each.is_notified(); })) look(*caller);
    }
    void look_of_any() {
        if (asker* const caller = any_asker()) look(*caller);
    }
    void close_for_any() {
        if (asker* const caller = any_asker(request_state::promised)) close_for(*caller);
    }
    void cancel_any() {
        if (asker* const caller = any_asker(request_state::closing)) cancel(*caller);
    }
    void stop_any() {
        if (asker* const caller = any_asker()) stop(*caller);
    }
    void end_any_dial() {
        if (asker* const caller = any_asker(has_begun_to_dial)) end_dial(*caller, one_in(4));
    }
    void any_leaves() {
        if (asker* const caller = any_asker(is_over)) leave(*caller);
    }
    void try_acquire_any() { try_acquire(any_key()); }

    void take_any() {
        if (auto got = take(any_key())) keep_or_close(std::move(*got));
    }

    void keep_or_close(fake::connection conn) {
        if (one_in(2)) put_any(below(keys.size()), std::move(conn));
        else hang_up(std::move(conn));
    }

    /// The model does not do a large sweep in batches.
    void put_new() {
        if (model_->open_ones().size() < 40) put_any(any_key(), net_.dial());
    }

    void put_any(std::size_t of, fake::connection conn) {
        if (one_in(10)) net_[conn.id()].dead = true;
        if (one_in(8)) net_[conn.id()].blocked = true;
        put(of, std::move(conn));
    }

    void end_any_lease() {
        if (leases_.empty()) return;
        lease ending = any_out_of(leases_);
        switch (below(10)) {
        case 8:
            return discard(std::move(ending));
        case 9: {
            fake::connection kept = detach(std::move(ending));
            if (pool_) keep_or_close(std::move(kept));
            else hang_up(std::move(kept));
            return;
        }
        default:
            return give_back(std::move(ending));
        }
    }

    void change_a_line() {
        const auto open = model_->open_ones();
        if (open.empty()) return;
        const auto& changed = open[below(open.size())];
        changed_ = changed.of;
        one_in(8) ? kill(changed.id) : block(changed.id);
    }

    void clear_all() { clear(); }
    void clear_one_key() { clear(any_key()); }
    void reconfigure_any() { reconfigure(any_bounds()); }

    std::array<happening, 20> happenings_{{
        {&random_history::submit_any, 50},
        {&random_history::end_any_lease, 80, false},
        {&random_history::look_of_notified, 100, false},
        {&random_history::look_of_any, 10, false},
        {&random_history::end_any_dial, 50, false},
        {&random_history::any_leaves, 50, false},
        {&random_history::close_for_any, 25, false},
        {&random_history::cancel_any, 6, false},
        {&random_history::stop_any, 6, false},
        {&random_history::try_acquire_any, 20},
        {&random_history::take_any, 3},
        {&random_history::put_new, 12},
        {&random_history::change_a_line, 30, false},
        {&random_history::look_again, 12, false},
        {&random_history::expire, 6},
        {&random_history::clear_all, 1},
        {&random_history::clear_one_key, 2},
        {&random_history::reconfigure_any, 2},
        {&random_history::change_mood, 3, false},
        {&random_history::close_once, 1},
    }};
    const std::size_t most_ever_;
    std::size_t most_askers_ = 0;
    std::size_t used_keys_ = 1;
    std::size_t changed_ = 0;  ///< the key of the connection that changed last
};

void run_all(std::size_t most_askers, std::uint64_t count, std::size_t length) {
    const std::uint64_t last = is_full_tier() ? 10 * count : count;
    const auto run = [=](choice_source& from, const auto&, histories::teller& tell) {
        random_history{from, tell, most_askers}.run();
    };
    const histories::counts all = histories::run_at_random(run, 1, last, length);
    MESSAGE("seeds 1 to " << last << ", " << length << " choices of an operation each: " << all.operations
                          << " operations");
}

}  // namespace

TEST_CASE("bounded model: many random operations have the results that the model has [C1, C2, C16]") {
    run_all(14, seeds, operations);
}

// A step of the pool then ends early, and goes on in another one.
TEST_CASE("bounded model: hundreds of callers have the results that the model has [C1, C2, C16]") {
    run_all(400, crowds, crowd_operations);
}
