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

// Random operations on a pool that bounds the open connections, and on its model. Callers that wait are requests
// without a thread, so one thread plays them all. A close may run further operations. Before each close and after each
// operation, both are compared: the state, the connection and the notifications of each caller, the order of the
// closes, and all figures.

using namespace bounded_models;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)  // slower by far
constexpr std::uint64_t histories = 4, crowds = 1;
#else
constexpr std::uint64_t histories = 40, crowds = 5;
#endif
constexpr int steps = 25'000;      ///< in each history
constexpr int crowd_steps = 1000;  ///< in each with hundreds of callers

/// Random operations.
class history final : callers {
public:
    /// `most_askers` is how many callers there may be at once.
    history(std::uint64_t seed, std::size_t most_askers) : callers{seed}, most_ever_{most_askers} { change_mood(); }

    /// Makes so many operations, and ends.
    void run(int count) {
        while (step_ < count) operate();
        destroy();
    }

private:
    /// What may happen, and how often.
    struct choice {
        void (history::*happens)();
        std::size_t often;
        bool needs_pool = true;
        std::size_t weight = 0;  ///< now
    };

    /// Some things happen more often for a while, and others never.
    void change_mood() {
        for (choice& each : choices_)
            each.weight = each.often * (each.happens == &history::change_mood ? 1 : any_of(0u, 0u, 1u, 1u, 2u, 6u));
        most_askers_ = std::max<std::size_t>(1, most_ever_ / any_of(1u, 2u, 4u, 7u, 14u));
        used_keys_ = 1 + below(keys.size());
    }

    void operate() override {
        if (one_in(20)) clock_.advance(std::chrono::nanoseconds{below(60)});
        const auto weight = [&](const choice& each) { return pool_ ? each.weight : each.needs_pool ? 0 : each.often; };
        std::size_t sum = 0;
        for (const choice& each : choices_) sum += weight(each);
        std::size_t place = below(sum);
        for (const choice& each : choices_) {
            if (place < weight(each)) return (this->*each.happens)();
            place -= weight(each);
        }
    }

    /// The key of the connection that changed last is used more often.
    std::size_t any_key() { return one_in(3) ? changed_ : below(used_keys_); }

    void close_or_renew() {
        if (one_in(10)) close();
        if (depth_ != 0 || !one_in(2)) return;
        destroy();
        renew();
        change_mood();
    }

    void submit_any() {
        for (std::size_t left = 1 + most_askers_ / 20; left != 0 && askers_.size() < most_askers_; --left)
            submit(any_key(), any_deadline());
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
        if (asker* const caller = any_asker()) caller->is_stopped = caller->expected->is_stopped = true;
    }
    void end_any_dial() {
        const auto has_begun = [](const asker& each) {
            return each.expected->dials && each.expected->state != request_state::may_dial;
        };
        if (asker* const caller = any_asker(has_begun)) end_dial(*caller);
    }
    void any_leaves() {
        const auto is_over = [](const asker& each) { return each.expected->is_over() && !each.is_pending; };
        if (asker* const caller = any_asker(is_over)) leave(*caller);
    }
    void end_any_lease() {
        if (!leases_.empty()) end_lease(any_out_of(leases_));
    }

    void try_acquire() {
        const std::size_t of = any_key();
        std::optional<int> expected;
        lease got;
        ++look_ups_;
        play([&] { model_->try_acquire(of, expected); },
            [&] {
                got = pool_->try_acquire(keys[of]);
                check(
                    static_cast<bool>(got) == expected.has_value() && (!got || got->id() == *expected), "try_acquire");
                if (got) taken_of_ = of;
            });
        if (got) leases_.push_back(std::move(got));
    }

    void take() {
        const std::size_t of = any_key();
        std::optional<int> expected;
        std::optional<fake::connection> got;
        ++look_ups_;
        play([&] { model_->take(of, expected); },
            [&] {
                got = pool_->take(keys[of]);
                check(got.has_value() == expected.has_value() && (!got || got->id() == *expected), "take");
            });
        if (got) keep_or_close(std::move(*got));
    }

    void keep_or_close(fake::connection conn) {
        if (one_in(2)) return put(below(keys.size()), std::move(conn));
        is_closing_own_ = true;
        if (!conn.closed()) fake::hang_up(std::move(conn));
        is_closing_own_ = false;
    }

    /// The model does not do a large sweep in batches.
    void put_new() {
        if (model_->open_ones().size() < 40) put(any_key(), net_.dial());
    }

    void put(std::size_t of, fake::connection conn) {
        const int id = conn.id();
        if (one_in(10)) net_[id].dead = true;
        if (one_in(8)) net_[id].blocked = true;
        ++most_open_;  // its caller has opened it
        play([&] { model_->put(id, of); }, [&] { pool_->put(keys[of], std::move(conn)); });
    }

    void end_lease(lease ending) {
        const int id = ending->id();
        switch (below(10)) {
        case 0:
            return void(play([&] { model_->discard(id); }, [&] { ending.discard(); }));
        case 1: {
            std::optional<fake::connection> kept;
            play([&] { model_->detach(id); }, [&] { kept.emplace(ending.detach()); });
            if (pool_) return keep_or_close(std::move(*kept));
            is_closing_own_ = true;
            if (!kept->closed()) fake::hang_up(std::move(*kept));
            is_closing_own_ = false;
            return;
        }
        default:
            play([&] { model_->give_back(id); }, [&] { ending.give_back(); });
        }
    }

    void change_a_line() {
        const auto open = model_->open_ones();
        if (open.empty()) return;
        const auto& changed = open[below(open.size())];
        fake::line& far = net_[changed.id];
        if (one_in(8)) far.dead = true;
        else far.blocked = !far.blocked;
        changed_ = changed.of;
    }

    void look_again() {
        play([&] { model_->look_again(); }, [&] { state_->look_again(); });
    }

    void expire() {
        std::size_t count = 0;
        const std::size_t expected = play([&] { model_->expire(); }, [&] { count = pool_->expire(); });
        check(count == expected, "how many expire");
    }

    void clear() {
        std::size_t count = 0;
        const std::size_t expected = play([&] { model_->clear(std::nullopt); }, [&] { count = pool_->clear(); });
        check(count == expected, "how many are cleared");
    }

    void clear_one_key() {
        const std::size_t of = any_key();
        std::size_t count = 0;
        const std::size_t expected = play([&] { model_->clear(of); }, [&] { count = pool_->clear(keys[of]); });
        check(count == expected, "how many of a key are cleared");
    }

    void reconfigure() {
        capacity_ = any_bounds();
        is_trimming_ += 1;
        std::size_t count = 0;
        const bounds fresh = capacity_;
        const std::size_t expected =
            play([&] { model_->reconfigure(fresh); }, [&] { count = pool_->reconfigure(fresh); });
        check(count == expected, "how many exceed new bounds");
        is_trimming_ -= 1;
    }

    std::array<choice, 20> choices_{{
        {&history::submit_any, 50},
        {&history::end_any_lease, 80, false},
        {&history::look_of_notified, 100, false},
        {&history::look_of_any, 10, false},
        {&history::end_any_dial, 50, false},
        {&history::any_leaves, 50, false},
        {&history::close_for_any, 25, false},
        {&history::cancel_any, 6, false},
        {&history::stop_any, 6, false},
        {&history::try_acquire, 20},
        {&history::take, 3},
        {&history::put_new, 12},
        {&history::change_a_line, 30, false},
        {&history::look_again, 12, false},
        {&history::expire, 6},
        {&history::clear, 1},
        {&history::clear_one_key, 2},
        {&history::reconfigure, 2},
        {&history::change_mood, 3, false},
        {&history::close_or_renew, 1},
    }};
    const std::size_t most_ever_;
    std::size_t most_askers_ = 0;
    std::size_t used_keys_ = 1;
    std::size_t changed_ = 0;  ///< the key of the connection that changed last
};

}  // namespace

TEST_CASE("bounded model: many random operations have the results that the model has [C1, C2, C16]") {
    for (std::uint64_t seed = 1; seed <= histories; ++seed) CHECK_NOTHROW(history{seed, 14}.run(steps));
    MESSAGE("seeds 1 to " << histories << ", " << steps << " operations each");
}

// A step of the pool then ends early, and goes on in another one.
TEST_CASE("bounded model: hundreds of callers have the results that the model has [C1, C2, C16]") {
    for (std::uint64_t seed = 1; seed <= crowds; ++seed) CHECK_NOTHROW(history{seed, 400}.run(crowd_steps));
    MESSAGE("seeds 1 to " << crowds << ", " << crowd_steps << " operations each");
}
