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
template <class Conn>
class random_history final : callers<Conn> {
    using base = callers<Conn>;
    using base::any_of, base::any_out_of, base::askers_, base::begin_operation, base::below, base::checkers_;
    using base::clock_, base::depth_, base::is_over_, base::leases_, base::model_, base::net_, base::one_in;
    using base::pool_;
    using typename base::caller_type, typename base::lease;

public:
    /// `most_askers` is how many callers there may be at once.
    random_history(choice_source& from, histories::teller& tell, std::size_t most_askers)
        : base{from, tell},
          most_ever_{most_askers} {
        this->begin(any_settings());
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
        const pool::after_idle ttl = ttls[below(ttls.size())];
        ttl_ = ttl.ttl();
        const bounds capacity = any_bounds();
        const pool::reuse_order reuse = any_of(pool::reuse_order::oldest_first, pool::reuse_order::newest_first);
        return {capacity, ttl, reuse, base::is_checked ? any_of(0ns, 0ns, 5ns, 50ns) : 0ns, base::is_checked};
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
        if (one_in(2)) this->close();
        this->end_pool();
        while (!askers_.empty() || !checkers_.empty() || (!leases_.empty() && !one_in(20))) {
            if (one_in(2)) operate();
            else this->wind_up([this](std::size_t count) { return below(count); });
        }
        this->end_state();
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
        this->advance(std::chrono::nanoseconds{below(100)});
        for (const auto& each : askers_)
            if (each->is_submitted() && one_in(4)) this->stop(*each);
        for (const auto& each : model_->open_ones())
            if (one_in(3)) this->kill(each.id);
    }

    /// Some things happen more often for a while, and others never.
    void change_mood() {
        for (happening& each : happenings_)
            each.weight = each.often * (each.happens == &random_history::change_mood ||
                                                   each.happens == &random_history::resume_if_paused
                                               ? 1
                                               : any_of(0u, 0u, 1u, 1u, 2u, 6u));
        most_askers_ = std::max<std::size_t>(1, most_ever_ / any_of(1u, 2u, 4u, 7u, 14u));
        used_keys_ = 1 + below(keys.size());
    }

    void operate() {
        if (one_in(20)) this->advance(std::chrono::nanoseconds{below(60)});
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
        if (!model_->is_closed() && one_in(40)) this->close();
    }

    void submit_any() {
        for (std::size_t left = 1 + most_askers_ / 20; left != 0 && askers_.size() < most_askers_; --left)
            this->submit(any_key(), one_in(2), any_deadline(), this);
    }

    /// A crowd gives up all at once.
    time_point any_deadline() {
        if (most_askers_ > 100) return time_point{(clock_.now().time_since_epoch() / 1us + 1) * 1us};
        return one_in(4) ? clock_.now() + std::chrono::nanoseconds{below(300)} : time_point::max();
    }

    /// Mostly one in this state, if there is one.
    caller_type* any_asker(request_state state) {
        caller_type* const found = base::any_asker([=](const caller_type& each) { return each.state() == state; });
        return found != nullptr && !one_in(8) ? found : any_asker();
    }
    using base::any_asker;

    void look_of_notified() {
        if (caller_type* const caller = any_asker([](const caller_type& each) { return each.is_notified(); }))
            this->look(*caller);
    }
    void look_of_any() {
        if (caller_type* const caller = any_asker()) this->look(*caller);
    }
    void close_for_any() {
        if (caller_type* const caller = any_asker(request_state::promised)) this->close_for(*caller);
    }
    void cancel_any() {
        if (caller_type* const caller = any_asker(request_state::closing)) this->cancel(*caller);
    }
    void stop_any() {
        if (caller_type* const caller = any_asker()) this->stop(*caller);
    }
    void end_any_dial() {
        if (caller_type* const caller = any_asker(base::has_begun_to_dial)) this->end_dial(*caller, one_in(4));
    }
    void any_leaves() {
        if (caller_type* const caller = any_asker(base::is_over)) this->leave(*caller);
    }
    void try_acquire_any() { this->try_acquire(any_key()); }

    void take_any() {
        if (auto got = this->take(any_key())) keep_or_close(std::move(*got));
    }

    void keep_or_close(fake::connection conn) {
        if (one_in(2)) put_any(below(keys.size()), std::move(conn));
        else this->hang_up(std::move(conn));
    }

    /// The model does not do a large sweep in batches.
    void put_new() {
        if (model_->open_ones().size() < 40) put_any(any_key(), net_.dial());
    }

    void put_any(std::size_t of, fake::connection conn) {
        if (one_in(10)) net_[conn.id()].dead = true;
        if (one_in(8)) net_[conn.id()].blocked = true;
        this->put(of, std::move(conn));
    }

    void end_any_check() {
        if (!checkers_.empty()) this->end_check(any_out_of(checkers_), one_in(2));
    }
    void end_any_check_alone() {
        if (!checkers_.empty()) this->end_check_alone(any_out_of(checkers_), one_in(2));
    }

    /// Only if a new connection is kept for a while.
    void prewarm_any() {
        if (ttl_ > 0ns) this->prewarm(any_key(), below(4));
    }

    void end_any_lease() {
        if (leases_.empty()) return;
        lease ending = any_out_of(leases_);
        switch (below(10)) {
        case 8:
            return this->discard(std::move(ending));
        case 9: {
            fake::connection kept = this->detach(std::move(ending));
            if (pool_) keep_or_close(std::move(kept));
            else this->hang_up(std::move(kept));
            return;
        }
        default:
            return this->give_back(std::move(ending));
        }
    }

    void change_a_line() {
        const auto open = model_->open_ones();
        if (open.empty()) return;
        const auto& changed = open[below(open.size())];
        changed_ = changed.of;
        one_in(8) ? this->kill(changed.id) : this->block(changed.id);
    }

    void look_again_at_all() { this->look_again(); }
    void expire_all() { this->expire(); }
    void clear_all() { this->clear(); }
    void clear_one_key() { this->clear(any_key()); }
    void reconfigure_any() { this->reconfigure(any_bounds()); }

    void invalidate_any() {
        const pool::invalidate_options options{.interrupt = one_in(2), .fail_waiting = one_in(3)};
        if (one_in(3)) this->invalidate(std::nullopt, options);
        else this->invalidate(any_key(), options);
    }
    void pause_any() { this->pause(!one_in(3)); }
    void resume_if_paused() {
        if (model_->is_paused()) this->resume();
    }

    std::array<happening, 26> happenings_{{
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
        {&random_history::look_again_at_all, 12, false},
        {&random_history::expire_all, 6},
        {&random_history::clear_all, 1},
        {&random_history::clear_one_key, 2},
        {&random_history::reconfigure_any, 2},
        {&random_history::change_mood, 3, false},
        {&random_history::close_once, 1},
        {&random_history::end_any_check, base::is_checked ? 50u : 0u, false},
        {&random_history::end_any_check_alone, base::is_checked ? 8u : 0u, false},
        {&random_history::prewarm_any, 6},
        {&random_history::invalidate_any, 6},
        {&random_history::pause_any, 3},
        {&random_history::resume_if_paused, 12},
    }};
    const std::size_t most_ever_;
    std::chrono::nanoseconds ttl_{};
    std::size_t most_askers_ = 0;
    std::size_t used_keys_ = 1;
    std::size_t changed_ = 0;  ///< the key of the connection that changed last
};

template <class Conn>
void run_all(std::size_t most_askers, std::uint64_t count, std::size_t length) {
    const std::uint64_t last = is_full_tier() ? 10 * count : count;
    const auto run = [=](choice_source& from, const auto&, histories::teller& tell) {
        random_history<Conn>{from, tell, most_askers}.run();
    };
    const histories::counts all = histories::run_at_random(run, 1, last, length);
    MESSAGE("seeds 1 to " << last << ", " << length << " choices of an operation each: " << all.operations
                          << " operations");
}

}  // namespace

TEST_CASE("bounded model: many random operations have the results that the model has [C1, C2, C16]") {
    run_all<fake::connection>(14, seeds, operations);
}

// A step of the pool then ends early, and goes on in another one.
TEST_CASE("bounded model: hundreds of callers have the results that the model has [C1, C2, C16]") {
    run_all<fake::connection>(400, crowds, crowd_operations);
}

TEST_CASE("bounded model: many random operations on connections that are checked have the results that the model has") {
    run_all<checked_connection>(14, seeds, operations);
}
