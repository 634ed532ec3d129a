// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>

#include <support/chance.hpp>
#include <support/fake.hpp>
#include <support/pool_model.hpp>

// Random operations on a pool and on its model. After every operation the result, the order of the closes and all
// figures are compared.

using namespace std::chrono_literals;

namespace {

using modelled::clock;
using modelled::configuration;
using modelled::fails_to_close;
using modelled::key;
using modelled::keys;
using modelled::pool_model;
using pool_type =
    pool::basic_pool<key, fake::connection, pool::bounded, pool::after_idle, pool::null_mutex, pool::manual_clock>;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)  // slower by far
constexpr std::uint64_t histories = 6;
#else
constexpr std::uint64_t histories = 60;
#endif
constexpr int steps = 20'000;  ///< in each history

/// A pool and its model, which take the same steps.
class history : chance {
public:
    explicit history(std::uint64_t seed) : chance{seed}, seed_{seed} {
        net_.prepare([](fake::line& far) {
            if (fails_to_close(far.id)) far.on_close = [] { throw std::runtime_error{"no goodbye"}; };
        });
        renew();
    }
    ~history() {
        for (auto& each : taken_) {
            if (!each.closed()) fake::hang_up(std::move(each));
        }
    }

    /// Returns how many operations there were.
    int run() {
        for (step_ = 0; step_ < steps; ++step_) {
            clock_.advance(1ns);
            operate();
            compare();
        }
        renew();
        return step_;
    }

private:
    pool::bounded any_capacity() {
        constexpr int none = -1;
        const auto bound = [](int n) { return n == none ? pool::no_limit : static_cast<std::size_t>(n); };
        return {.max_idle = bound(any_of(0, 1, 2, 5, 5, 9, none)),
            .max_idle_per_key = bound(any_of(0, 1, 2, 3, 3, none, none))};
    }

    /// Ends the pool while some connections are lent, gives these back, and starts anew.
    void renew() {
        if (pool_) {
            pool_.reset();
            model_->is_closed = true;
            model_->clear();
            check(net_.closed() == model_->closed(), "the closes of the pool's end");
            while (!leases_.empty()) end_lease(any_out_of(leases_), false);
        }
        const std::array<pool::after_idle, 5> ttls{pool::after_idle{}, 0ns, 40ns, 400ns, 400ns};
        const configuration chosen{any_capacity(), ttls[below(ttls.size())],
            one_in(2) ? pool::reuse_order::oldest_first : pool::reuse_order::newest_first};
        pool_.emplace(chosen.capacity, chosen.ttl, pool::pool_settings{.reuse = chosen.reuse}, clock_);
        model_.emplace(chosen, net_, clock_);
    }

    void operate() {
        const key& of = keys[below(keys.size())];
        switch (below(24)) {
        case 0:
        case 1:
        case 2:
        case 3:
            return acquire(of);
        case 4:
        case 5:
            return try_acquire(of);
        case 6:
        case 7:
        case 8:
        case 9:
            if (!leases_.empty()) end_lease(any_out_of(leases_), one_in(8));
            return;
        case 10:
            return put(of);
        case 11:
            return take(of);
        case 12:
            return invoke(of);
        case 13:
            return stream(of);
        case 14:
            return change_a_line();
        case 15:
            clock_.advance(std::chrono::nanoseconds{below(100)});
            return;
        case 16:
            return expire();
        case 17:
            check(pool_->next_expiry() == model_->next_expiry(), "next_expiry");
            return;
        case 18:
            if (!leases_.empty() && one_in(2)) detach(any_out_of(leases_));
            return;
        case 19:
            if (one_in(4)) return clear(of);
            if (one_in(20)) return clear();
            return;
        case 20:
            if (one_in(10)) reconfigure();
            return;
        case 21:
            if (one_in(10)) clock_.advance(-std::chrono::nanoseconds{below(300)});
            return;
        case 22:
            if (one_in(100)) close();
            return;
        default:
            if (one_in(100)) renew();
            return;
        }
    }

    void acquire(const key& of) {
        const bool fails = one_in(10);
        const int next = net_.dials() + 1;
        const auto dial = [&](const key&) {
            if (fails) throw std::runtime_error{"no answer"};
            return net_.dial();
        };
        const auto expected = model_->lend(of);
        try {
            auto got = pool_->acquire(of, dial);
            check(got->id() == expected.value_or(next) && got.reused() == expected.has_value(), "acquire");
            if (!expected) {
                ++model_->figures.dials;
                model_->add_lent(next, of);
            }
            leases_.push_back(std::move(got));
        } catch (const pool::pool_closed&) {
            check(!expected && model_->is_closed, "acquire: closed");
        } catch (const std::runtime_error&) {
            check(!expected && fails, "acquire: a failed dial");
            ++model_->figures.failed_dials;
        }
    }

    void try_acquire(const key& of) {
        const auto expected = model_->lend(of);
        auto got = pool_->try_acquire(of);
        check(static_cast<bool>(got) == expected.has_value() && (!got || got->id() == *expected), "try_acquire");
        if (got) leases_.push_back(std::move(got));
    }

    void end_lease(pool_type::lease_type lease, bool discard) {
        const int id = lease->id();
        if (discard) {
            model_->discard(id);
            lease.discard();
        } else {
            model_->give_back(id);
            lease.give_back();
        }
        check(net_.closed() == model_->closed(), "the closes of the end of a lease");
    }

    void detach(pool_type::lease_type lease) {
        model_->detach(lease->id());
        taken_.push_back(lease.detach());
    }

    void put(const key& of) {
        if (taken_.empty() || one_in(2)) taken_.push_back(net_.dial());
        fake::connection conn = std::move(taken_.back());
        taken_.pop_back();
        if (one_in(8)) conn.far().dead = true;
        model_->put(conn.id(), of);
        pool_->put(of, std::move(conn));
    }

    void take(const key& of) {
        const auto expected = model_->lend(of);
        if (expected) model_->forget_lent(*expected);
        auto got = pool_->take(of);
        check(got.has_value() == expected.has_value() && (!got || got->id() == *expected), "take");
        if (got) taken_.push_back(std::move(*got));
    }

    /// Lends in the model as a lazy connection does: reuses, or dials the next.
    int lend_or_dial(const key& of) {
        if (const auto found = model_->lend(of)) return *found;
        const int next = net_.dials() + 1;
        ++model_->figures.dials;
        model_->add_lent(next, of);
        return next;
    }

    void invoke(const key& of) {
        if (model_->is_closed) return;
        const bool fails = one_in(6);
        const bool reusable = one_in(2);
        const int expected = lend_or_dial(of);
        int used = 0;
        try {
            pool_->get(of, net_.dialer()).invoke([&](fake::connection& conn) {
                used = conn.id();
                conn.far().reusable = reusable;
                if (fails) throw std::runtime_error{"failed"};
            });
        } catch (const std::runtime_error&) {
        }
        check(used == expected, "invoke");
        fails && !reusable ? model_->discard(expected) : model_->give_back(expected);
    }

    void stream(const key& of) {
        if (model_->is_closed) return;
        const bool dropped = one_in(3);
        const int expected = lend_or_dial(of);
        {
            auto rows = pool_->get(of, net_.dialer()).open_stream([](fake::connection& conn) {
                return fake::stream{conn, 2};
            });
            rows.next();
            check(!rows.done() && pool_->stats().lent == model_->stats().lent, "a stream half-way");
            if (!dropped) {
                rows.next();
                check(rows.done() && pool_->stats().lent + 1 == model_->stats().lent, "a stream at its end");
            }
        }
        model_->give_back(expected);
    }

    void change_a_line() {
        if (net_.dials() == 0) return;
        const int recent = std::min(net_.dials(), 20);
        fake::line& far = net_[net_.dials() - static_cast<int>(below(static_cast<std::size_t>(recent)))];
        if (far.closes > 0) return;
        if (one_in(3)) far.dead = true;
        else far.blocked = !far.blocked;
    }

    void expire() {
        model_->expire();
        const std::size_t before = pool_->stats().expired;
        const std::size_t count = one_in(2) ? pool_->expire() : pool_->upkeep();
        check(pool_->stats().expired - before == count, "expire: how many");
    }

    void clear(const key& of) {
        model_->clear(of);
        pool_->clear(of);
    }

    void clear() {
        model_->clear();
        pool_->clear();
    }

    void reconfigure() {
        const pool::bounded capacity = any_capacity();
        model_->reconfigure(capacity);
        pool_->reconfigure(capacity);
    }

    void close() {
        const std::uint64_t before = model_->figures.failed_closes;
        model_->is_closed = true;
        model_->clear();
        check(pool_->close().size() == model_->figures.failed_closes - before, "close: how many failed");
    }

    void compare() {
        check(net_.closed() == model_->closed(), "the order of the closes");
        check(pool_->stats() == model_->stats(), "the figures of the pool");
        for (const key& of : keys) check(pool_->stats(of) == model_->stats(of), "the figures of a key");
    }

    /// An assertion of its own, because a million of doctest's take too long.
    void check(bool holds, const char* what) const {
        if (!holds) FAIL(std::string{what} << ": seed " << seed_ << ", step " << step_);
    }

    std::uint64_t seed_;
    int step_ = 0;
    clock clock_;
    fake::network net_;
    std::optional<pool_model> model_;
    std::optional<pool_type> pool_;
    std::vector<pool_type::lease_type> leases_;
    std::vector<fake::connection> taken_;
};

}  // namespace

TEST_CASE("model: a million random operations have the results that the model has") {
    for (std::uint64_t seed = 1; seed <= histories; ++seed) CHECK(history{seed}.run() == steps);
    MESSAGE("seeds 1 to " << histories << ", " << steps << " operations each");
}
