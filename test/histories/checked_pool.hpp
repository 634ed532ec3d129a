// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <pool/error.hpp>
#include <pool/policies/capacity.hpp>

#include <histories/model.hpp>
#include <histories/some_pool.hpp>
#include <support/differences.hpp>
#include <support/fake.hpp>
#include <support/histories.hpp>

/// @file
/// A pool and its model. Both make the same operations, and are compared after each.

namespace histories {

/// Whatever differs ends the program. The operations are protected: a history chooses among them.
class checked_pool {
public:
    checked_pool(const checked_pool&) = delete;
    checked_pool& operator=(const checked_pool&) = delete;

protected:
    /// Between two operations. So no two connections expire at the same time: their order is left open.
    static constexpr std::chrono::microseconds tick{1};

    /// How a lease ends.
    enum class lease_end { give_back, discard, detach };

    checked_pool(const policies& kind, std::function<bool()> is_new, teller& tell)
        : kind_{kind},
          is_new_{std::move(is_new)},
          tell_{tell} {
        net_.prepare([](fake::line& far) {
            far.weight = weight_of(far.id);
            if (fails_to_close(far.id)) far.on_close = [] { throw std::runtime_error{"no goodbye"}; };
        });
    }

    ~checked_pool() { hang_up_taken(); }

    /// A new pool.
    void begin(const settings& chosen) {
        if (tell_.is_heard()) tell_.note("a pool of ", kind_.name, ": ", text(chosen));
        conns_ = kind_.make(chosen, clock_);
        model_.emplace(kind_.bounds(chosen), for_model(chosen), net_, clock_);
        has_pool_ = true;
    }

    /// The pool ends; its leases do not.
    void end_pool() {
        tell_("the pool ends");
        conns_->end();
        has_pool_ = false;
        model_->is_closed = true;
        model_->clear();
        compare_closes();
    }

    void acquire(std::size_t of, bool fails = false) {
        tell_("acquire ", keys[of], fails ? ", the dial would fail" : "");
        step([&] {
            const int next = net_.dials() + 1;
            const auto dial = [&](const std::string&) {
                if (fails) throw std::runtime_error{"no answer"};
                return net_.dial();
            };
            const auto expected = model_->lend(of);
            try {
                const auto got = conns_->acquire(of, dial);
                check(got.id == expected.value_or(next), "the connection that is lent");
                check(got.reused == expected.has_value(), "whether it is reused");
                if (!expected) add_dialled(next, of);
            } catch (const pool::pool_closed&) {
                check(!expected && model_->is_closed, "only a closed pool refuses");
            } catch (const std::runtime_error&) {
                check(!expected && fails, "only a dial throws");
                ++model_->figures.failed_dials;
            }
        });
    }

    void try_acquire(std::size_t of) {
        tell_("try_acquire ", keys[of]);
        step([&] {
            const auto expected = model_->lend(of);
            const auto got = conns_->try_acquire(of);
            check(got.has_value() == expected.has_value() && (!got || got->id == *expected),
                "the connection that is lent");
        });
    }

    void end_lease(int id, lease_end how) {
        tell_(how == lease_end::give_back ? "give back " : how == lease_end::discard ? "discard " : "detach ", id);
        step([&] {
            if (how == lease_end::give_back) {
                model_->give_back(id);
                conns_->give_back(id);
            } else if (how == lease_end::discard) {
                model_->discard(id);
                conns_->discard(id);
            } else {
                model_->detach(id);
                taken_.push_back(conns_->detach(id));
            }
        });
    }

    void put(std::size_t of, fake::connection conn) {
        tell_("put ", conn.id(), conn.closed() ? ", which is closed," : "", " for ", keys[of]);
        step([&] {
            model_->put(conn.id(), of);
            conns_->put(of, std::move(conn));
        });
    }
    void put_new(std::size_t of) { put(of, net_.dial()); }

    void take(std::size_t of) {
        tell_("take ", keys[of]);
        step([&] {
            const auto expected = model_->lend(of);
            if (expected) model_->forget_lent(*expected);
            auto got = conns_->take(of);
            check(got.has_value() == expected.has_value() && (!got || got->id() == *expected), "the one that is taken");
            if (got) taken_.push_back(std::move(*got));
        });
    }

    void invoke(std::size_t of, bool fails, bool is_reusable) {
        tell_("invoke ", keys[of], fails ? ", which throws" : "", is_reusable ? "; the connection is reusable" : "");
        step([&] {
            const int expected = lend_or_dial(of);
            int used = 0;
            try {
                conns_->invoke(
                    of, [this](const auto&) { return net_.dial(); },
                    [&](fake::connection& conn) {
                        used = conn.id();
                        conn.far().reusable = is_reusable;
                        if (fails) throw std::runtime_error{"failed"};
                    });
            } catch (const std::runtime_error&) {
            }
            check(used == expected, "the connection of a call");
            fails && !is_reusable ? model_->discard(expected) : model_->give_back(expected);
        });
    }

    void stream(std::size_t of, bool is_dropped) {
        tell_("stream ", keys[of], is_dropped ? ", which is dropped half-way" : "");
        step([&] {
            const int expected = lend_or_dial(of);
            const std::size_t lent = model_->lent().size();
            conns_->stream(
                of, [this](const auto&) { return net_.dial(); },
                [&] {
                    check(conns_->stats().lent == lent, "what is lent half-way");
                    net_[expected].reusable = expected % 2 == 0;
                },
                is_dropped, [&] { check(conns_->stats().lent == lent - 1, "what is lent at the end"); });
            is_dropped && !net_[expected].reusable ? model_->discard(expected) : model_->give_back(expected);
        });
    }

    void kill(int id) {
        tell_(id, " is closed by its peer");
        net_[id].dead = true;
    }

    void block(int id) {
        net_[id].blocked = !net_[id].blocked;
        tell_(id, net_[id].blocked ? " is blocked" : " is unblocked");
    }

    void advance(std::chrono::nanoseconds by) {
        has_jumped_back_ |= by < by.zero();
        tell_("time passes: ", by.count() / tick_ns);
        clock_.advance(by);
    }

    void expire() {
        tell_("expire");
        step([&] {
            const std::size_t expected = (kind_.can_expire ? model_->expire() : model_->upkeep());
            check(conns_->expire() == expected, "how many expire");
        });
    }

    void upkeep() {
        tell_("upkeep");
        step([&] {
            const std::size_t expected = model_->upkeep();
            check(conns_->upkeep() == expected, "how many expire");
        });
    }

    void clear(std::optional<std::size_t> of = std::nullopt) {
        tell_("clear ", of ? keys[*of] : "all keys");
        step([&] {
            const std::size_t expected = model_->clear(of);
            check((of ? conns_->clear(*of) : conns_->clear()) == expected, "how many are cleared");
        });
    }

    void reconfigure(std::size_t max_idle, std::size_t max_idle_per_key) {
        if (tell_.is_heard()) tell_("reconfigure: ", text(max_idle), " idle, ", text(max_idle_per_key), " of one key");
        const settings chosen{.max_idle = max_idle, .max_idle_per_key = max_idle_per_key, .ttl = {}};
        step([&] {
            const std::size_t expected = model_->reconfigure(kind_.bounds(chosen));
            check(conns_->reconfigure(chosen) == expected, "how many are dead, or exceed the new bounds");
        });
    }

    void reconfigure_expiry(const settings& chosen) {
        if (tell_.is_heard()) tell_("reconfigure the expiry: ", text(chosen));
        step([&] {
            const std::size_t expected = kind_.can_expire ? model_->reconfigure_expiry(for_model(chosen)) : 0;
            check(conns_->reconfigure_expiry(chosen) == expected, "how many expire by the new policy");
        });
    }

    void close() {
        tell_("close");
        step([&] {
            const std::uint64_t before = model_->figures.failed_closes;
            model_->is_closed = true;
            model_->clear();
            check(conns_->close() == model_->figures.failed_closes - before, "how many closes fail");
        });
    }

    /// It is an operation, because the pool sorts its index then.
    void ask_next_expiry() {
        tell_("when does the next one expire?");
        const time_point seen = conns_->next_expiry(), right = model_->next_expiry();
        // A pool that has seen that a lent connection is too old forgets when it became so. It may, as time goes on.
        check(seen == right || (has_jumped_back_ && kind_.can_age && seen > right), "when the next one expires");
    }

    /// The pool and all leases end, unless they have. Then each connection is closed, and was closed once.
    void end_all() {
        if (has_pool_) end_pool();
        while (!model_->lent().empty()) end_lease(model_->lent().front().id, lease_end::give_back);
        hang_up_taken();
        for (int id = 1; id <= net_.dials(); ++id) check(net_[id].closes == 1, "each connection is closed once [C1]");
    }

    void check(bool holds, const char* what) const {
        if (!holds) fail(std::string{"differs: "} + what);
    }

    const policies& kind_;
    std::function<bool()> is_new_;
    teller& tell_;
    clock clock_;
    fake::network net_;
    std::optional<model> model_;
    std::unique_ptr<some_pool> conns_;
    bool has_pool_ = false;
    bool has_jumped_back_ = false;  ///< the clock
    std::vector<fake::connection> taken_;

private:
    static constexpr std::chrono::nanoseconds::rep tick_ns = std::chrono::nanoseconds{tick}.count();

    static std::string text(std::size_t bound) { return bound == pool::no_limit ? "any" : std::to_string(bound); }
    /// Without what the pool's policy does not depend on.
    settings for_model(settings chosen) const {
        if (!kind_.can_expire) chosen.ttl = {};
        if (!kind_.can_age) chosen.lifetime = {}, chosen.max_uses = pool::no_limit;
        return chosen;
    }

    static std::string text(const settings& chosen) {
        const auto ttl = chosen.ttl.ttl();
        return text(chosen.max_idle) + " idle, " + text(chosen.max_idle_per_key) + " of one key, " +
               (ttl == ttl.max() ? "for ever" : "for " + std::to_string(ttl.count() / tick_ns)) + ", open for " +
               std::to_string(chosen.lifetime.ttl().count()) + " ns less " +
               std::to_string(chosen.lifetime.spread().count()) + ", " + text(chosen.max_uses) + " uses" +
               (chosen.reuse == pool::reuse_order::oldest_first ? ", oldest first" : ", newest first");
    }

    void hang_up_taken() {
        for (auto& each : taken_)
            if (!each.released()) fake::hang_up(std::move(each));
        taken_.clear();
        (void)net_.closed();
    }

    void step(const auto& act) {
        clock_.advance(tick);
        act();
        compare();
    }

    void add_dialled(int id, std::size_t of) {
        ++model_->figures.dials;
        model_->add_lent(id, of);
    }

    /// Lends in the model as a lazy connection does: reuses, or dials the next.
    int lend_or_dial(std::size_t of) {
        if (const auto found = model_->lend(of)) return *found;
        const int next = net_.dials() + 1;
        add_dialled(next, of);
        return next;
    }

    void compare_closes() {
        ids seen = net_.closed(), expected = model_->closed();
        if (std::exchange(model_->is_any_order, false)) {
            std::sort(seen.begin(), seen.end());
            std::sort(expected.begin(), expected.end());
        }
        if (seen != expected) fail("differs: the order of the closes: " + differences::of(seen, expected));
    }

    void compare() {
        compare_closes();
        if (!has_pool_ || !is_new_()) return;
        const pool::stats seen = conns_->stats(), expected = model_->stats();
        if (seen != expected) fail("differs: the figures of the pool: " + differences::of(seen, expected));
        for (std::size_t of = 0; of != keys.size(); ++of) {
            const pool::key_stats its = conns_->stats(of), right = model_->stats(of);
            if (its != right) fail("differs: the figures of key " + keys[of] + ": " + differences::of(its, right));
        }
    }
};

}  // namespace histories
