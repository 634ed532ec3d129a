// SPDX-License-Identifier: BSL-1.0
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>

#include <bounded/model.hpp>
#include <support/chance.hpp>
#include <support/fake.hpp>
#include <support/requests.hpp>

// Random operations on a pool that bounds the open connections, and on its model. Callers that wait are requests
// without a thread, so one thread plays them all. Each operation is followed by a comparison: of the state and the
// connection of each caller, of the order of the closes, and of all figures.

using namespace std::chrono_literals;
using namespace bounded_models;

namespace {

using pool_type =
    pool::basic_pool<key, fake::connection, bounds, pool::after_idle, pool::null_mutex, pool::manual_clock>;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)  // slower by far
constexpr std::uint64_t histories = 4;
#else
constexpr std::uint64_t histories = 40;
#endif
constexpr int steps = 20'000;  ///< in each history

/// A caller's request in the pool.
struct asker final : requests::request<pool_type> {
    explicit asker(bool blocked) : request{blocked} {}

    void notified() noexcept override { is_notified = true; }

    bool is_notified = false;
};

/// A pool and its model. Both take the same random steps.
class history : chance {
public:
    explicit history(std::uint64_t seed) : chance{seed}, seed_{seed} { renew(); }
    ~history() { leases_.clear(); }

    /// Returns how many operations there were.
    int run() {
        for (step_ = 0; step_ < steps; ++step_) {
            clock_.advance(1ns);
            operate();
            compare();
        }
        end();
        return step_;
    }

private:
    bounds any_bounds() {
        constexpr std::size_t none = pool::no_limit;
        const std::size_t one = 1;
        return {
            .max_open = any_of(one, 2 * one, 3 * one, 3 * one, 6 * one, none),
            .max_open_per_key = any_of(one, 2 * one, 3 * one, none, none),
            .max_idle = any_of(0 * one, one, 4 * one, none, none),
            .max_idle_per_key = any_of(0 * one, one, 2 * one, none, none),
            .max_waiting = any_of(0 * one, 3 * one, none, none, none),
            .max_dials_per_key = any_of(one, 2 * one, none),
        };
    }

    void renew() {
        capacity_ = any_bounds();
        const std::array<pool::after_idle, 4> ttls{pool::after_idle{}, 0ns, 60ns, 400ns};
        const pool::after_idle ttl = ttls[below(ttls.size())];
        askers_.clear();
        pool_.emplace(capacity_, ttl, pool::pool_settings{}, clock_);
        model_.emplace(capacity_, ttl, net_, clock_);
    }

    /// Closes the pool, and ends all that is under way.
    void end() {
        close();
        while (!askers_.empty()) finish(askers_.size() - 1);
        while (!leases_.empty()) end_lease(any_out_of(leases_), false);
        compare();
        check(pool_->stats().dialing + pool_->stats().waiting + pool_->stats().lent == 0, "the end");
    }

    /// Brings one caller to its end.
    void finish(std::size_t number) {
        cancel(number);
        if (model_->callers[number].dials && !model_->callers[number].may_begin) end_dial(number);
        poll(number);
    }

    void operate() {
        const key of = one_in(2) ? changed_ : keys[below(keys.size())];
        const std::size_t number = askers_.empty() ? 0 : below(askers_.size());
        const bool there = !askers_.empty();
        switch (below(22)) {
        case 0:
        case 1:
        case 2:
        case 3:
            return submit(of);
        case 4:
        case 5:
        case 6:
            if (!leases_.empty()) end_lease(any_out_of(leases_), one_in(8));
            return;
        case 7:
        case 8:
        case 9:
            if (there) poll(number);
            return;
        case 10:
        case 11:
            if (there && model_->callers[number].dials && !model_->callers[number].may_begin) end_dial(number);
            return;
        case 12:
            if (there && one_in(3)) cancel(number);
            return;
        case 13:
            return try_acquire(of);
        case 14:
            return one_in(2) ? put(of) : take(of);
        case 15:
        case 16:
        case 17:
            return change_a_line();
        case 18:
            clock_.advance(std::chrono::nanoseconds{below(100)});
            model_->expire();
            return check_count([&] { return pool_->expire(); }, &pool::stats::expired);
        case 19:
            if (one_in(4)) {
                model_->clear(of);
                check_count([&] { return pool_->clear(of); }, &pool::stats::cleared);
            }
            return;
        case 20:
            if (one_in(6)) {
                capacity_ = any_bounds();
                model_->reconfigure(capacity_);
                pool_->reconfigure(capacity_);
            }
            return;
        default:
            if (one_in(200)) {
                end();
                renew();
            }
            return;
        }
    }

    /// An operation returns how many connections it has closed itself, without those that then made room for others.
    template <class Operation>
    void check_count(const Operation& operation, std::uint64_t pool::stats::*figure) {
        const std::uint64_t before = pool_->stats().*figure;
        const std::size_t count = operation();
        check(pool_->stats().*figure - before == count, "how many");
    }

    void submit(const key& of) {
        if (askers_.size() > 12) return;
        const bool blocked = one_in(2);
        askers_.push_back(std::make_unique<asker>(blocked));
        model_->submit(of, blocked);
        requests::submit(*pool_, *askers_.back(), of);
    }

    /// A caller polls if it was notified, and leaves if it is over.
    void poll(std::size_t number) {
        asker& caller = *askers_[number];
        model_request& expected = model_->callers[number];
        if (!expected.blocked && std::exchange(caller.is_notified, false)) {
            const request_state seen = model_->poll(expected);
            check(requests::poll(*pool_, caller) == seen, "poll");
        }
        if (!expected.is_over() || (!expected.blocked && caller.is_notified)) return;
        if (caller.state() == request_state::lent) leases_.push_back(requests::lease_of(*pool_, caller));
        askers_.erase(askers_.begin() + static_cast<std::ptrdiff_t>(number));
        model_->callers.erase(model_->callers.begin() + static_cast<std::ptrdiff_t>(number));
    }

    void end_dial(std::size_t number) {
        model_request& expected = model_->callers[number];
        if (one_in(4)) {
            model_->dial_failed(expected);
            requests::dial_failed(*pool_, *askers_[number]);
        } else {
            requests::dial_succeeded(*pool_, *askers_[number], [&](const key&) {
                auto fresh = net_.dial();
                model_->dial_succeeded(expected, fresh.id());
                return fresh;
            });
        }
    }

    void cancel(std::size_t number) {
        model_->cancel(model_->callers[number]);
        requests::cancel(*pool_, *askers_[number]);
    }

    void try_acquire(const key& of) {
        const auto expected = model_->lend(of);
        auto got = pool_->try_acquire(of);
        check(static_cast<bool>(got) == expected.has_value() && (!got || got->id() == *expected), "try_acquire");
        if (got) leases_.push_back(std::move(got));
    }

    void take(const key& of) {
        const auto expected = model_->take(of);
        auto got = pool_->take(of);
        check(got.has_value() == expected.has_value() && (!got || got->id() == *expected), "take");
        if (got && !got->closed()) got->close();
        (void)net_.closed();
        (void)model_->closed();
    }

    void put(const key& of) {
        auto conn = net_.dial();
        model_->put(conn.id(), of);
        pool_->put(of, std::move(conn));
    }

    void end_lease(pool_type::lease_type lease, bool discard) {
        if (discard) {
            model_->discard(lease->id());
            lease.discard();
        } else {
            model_->give_back(lease->id());
            lease.give_back();
        }
    }

    void change_a_line() {
        const auto open = model_->open_ones();
        if (open.empty()) return;
        const auto& [id, of, due] = open[below(open.size())];
        fake::line& far = net_[id];
        if (one_in(5)) far.dead = true;
        else far.blocked = !far.blocked;
        changed_ = of;
    }

    void close() {
        model_->close();
        pool_->close();
    }

    void compare() {
        check(net_.closed() == model_->closed(), "the order of the closes");
        pool::stats seen = pool_->stats();
        seen.skipped_blocked = 0;  // the model does not count it
        check(seen == model_->stats(), "the figures of the pool");
        for (const key& of : keys) {
            check(pool_->stats(of) == model_->stats(of), "the figures of a key");
            check(!is_forgotten(of, seen), "no caller waits that could be served");
        }
        for (std::size_t number = 0; number < askers_.size(); ++number) {
            const model_request& expected = model_->callers[number];
            check(askers_[number]->state() == expected.state, "the state of a caller");
            if (expected.state == request_state::lent)
                check(askers_[number]->lent().conn().id() == expected.lent, "the connection of a caller");
        }
    }

    /// Whether a caller waits for a key although there is a permit for it, or room could be made. This does not use the
    /// model, which could have the same fault.
    bool is_forgotten(const key& of, const pool::stats& all) const {
        const pool::key_stats held = pool_->stats(of);
        const std::size_t open = all.idle + all.lent + all.dialing;
        const bool may_open = held.dialing < capacity_.max_dials_for(of) &&
                              held.idle + held.lent + held.dialing < capacity_.max_open_for(of);
        if (held.waiting == 0 || !may_open) return false;
        if (open < capacity_.max_open()) return true;
        return held.waiting > held.dialing && all.idle > held.idle && open == capacity_.max_open();
    }

    /// Not an assertion of doctest: a million of those take too long.
    void check(bool holds, const char* what) const {
        if (!holds) FAIL(std::string{what} << ": seed " << seed_ << ", step " << step_);
    }

    std::uint64_t seed_;
    int step_ = 0;
    pool::manual_clock clock_;
    fake::network net_;
    bounds capacity_;
    std::optional<model> model_;
    std::optional<pool_type> pool_;
    std::vector<std::unique_ptr<asker>> askers_;
    std::vector<pool_type::lease_type> leases_;
    key changed_ = keys.front();  ///< of the connection that changed last; this key is used more often
};

}  // namespace

TEST_CASE("bounded model: many random operations have the results that the model has") {
    for (std::uint64_t seed = 1; seed <= histories; ++seed) CHECK(history{seed}.run() == steps);
    MESSAGE("seeds 1 to " << histories << ", " << steps << " operations each");
}
