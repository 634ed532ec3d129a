// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <pool/core/request.hpp>
#include <pool/core/warmth.hpp>
#include <pool/error.hpp>
#include <pool/policies/capacity.hpp>

#include <histories/checked_pool.hpp>

/// @file
/// The operations of a pool and its model.

namespace histories {

/// The operations are protected: a history chooses among them.
class operations : protected checked_pool {
protected:
    using checked_pool::checked_pool;

    ~operations() = default;

    /// How a lease ends.
    enum class lease_end { give_back, discard, detach };

    /// If it has to dial: `odd_dials` end so, and the others well.
    void acquire(std::size_t of, condition how = condition::well, int odd_dials = 1) {
        tell_("acquire ", keys[of], odd_dials == 1 ? ", a dial" : ", " + std::to_string(odd_dials) + " dials",
            how == condition::sick        ? " would fail"
            : how == condition::outdating ? " would be outdated"
            : how == condition::pausing   ? " would be there when the pool is paused"
                                          : " would end well");
        step([&] {
            const auto expected = model_->lend(of);
            const bool dials = !expected && model_->lends();
            if (model_->is_paused) model_->refuse_paused(of);
            int left = dials && how != condition::well ? odd_dials : 0, outdated = 0;
            const auto dial = [&](const std::string&) {
                check(dials, "whether it dials");
                if (left == 0) return net_.dial();
                --left;
                if (how == condition::sick) throw std::runtime_error{"no answer"};
                if (how == condition::pausing) model_->pause(), conns_->pause();
                if (how == condition::outdating) {
                    ++outdated;
                    const std::size_t closed = model_->invalidate(of);
                    check(conns_->invalidate(of) == closed, "how many it has outdated");
                    model_->end_outdated_dial(net_.dials() + 1);
                }
                return net_.dial();
            };
            try {
                const auto got = conns_->acquire(of, dial);
                check(got.id == expected.value_or(net_.dials()), "the connection that is lent");
                check(got.reused == expected.has_value(), "whether it is reused");
                check(outdated < pool::core::most_outdated, "how often it dials");
                if (!expected) add_dialled(got.id, of);
            } catch (const pool::pool_closed&) {
                check(!expected && model_->is_closed, "only a closed pool refuses so");
            } catch (const pool::pool_paused&) {
                check(!expected && model_->is_paused && !dials, "only a paused pool refuses so");
            } catch (const pool::acquire_invalidated&) {
                check(outdated == pool::core::most_outdated, "only too many outdated dials fail");
            } catch (const std::runtime_error&) {
                check(dials && how == condition::sick, "only a dial throws");
                ++model_->figures.failed_dials;
            }
            check(outdated == std::min(odd_dials, pool::core::most_outdated) || !dials || how != condition::outdating,
                "how often it dials again");
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
        if (how == lease_end::give_back) return give_back(id);
        tell_(how == lease_end::discard ? "discard " : "detach ", id);
        step([&] {
            if (how == lease_end::discard) {
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
                        fails && !is_reusable ? model_->discard(expected) : model_->give_back(expected);
                        if (fails) throw std::runtime_error{"failed"};
                    });
            } catch (const std::runtime_error&) {
            }
            check(used == expected, "the connection of a call");
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
                    if (is_dropped) net_[expected].blocked = true;
                    is_dropped&& expected % 2 != 0 ? model_->discard(expected) : model_->give_back(expected);
                },
                is_dropped, [&] { check(conns_->stats().lent == lent - 1, "what is lent at the end"); });
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

    /// From now on, its hooks end so.
    void set_condition(int id, condition how) {
        tell_("the hooks of ", id,
            how == condition::well        ? " end well"
            : how == condition::sick      ? " fail"
            : how == condition::dying     ? " kill it"
            : how == condition::outdating ? " meet an invalidation"
                                          : " meet a pause");
        model_->set_condition(id, how);
    }

    void prewarm(std::size_t of, std::size_t count, const dial_plan& plan = {}) {
        tell_("prewarm ", keys[of], " to ", count, told(plan));
        step([&] {
            model_->plan = plan;
            const std::size_t expected = model_->prewarm(of, count);
            const pool::prewarmed seen = conns_->prewarm(of, count, [this](const auto&) { return dial_ahead(); });
            check(seen.opened == expected, "how many are opened ahead");
            check((seen.error != nullptr) == model_->has_failed_ahead(), "whether a dial fails");
        });
    }

    void min_idle(std::size_t of, std::size_t count) {
        tell_("keep up ", count, " idle ones of ", keys[of]);
        step([&] {
            model_->min_idle(of, count);
            conns_->min_idle(of, count, [this](const auto&) { return dial_ahead(); });
        });
    }

    void advance(std::chrono::nanoseconds by) {
        has_jumped_back_ |= by < by.zero();
        tell_("time passes: ", by.count() / tick_ns);
        clock_.advance(by);
    }

    void expire() {
        tell_("expire");
        step([&] {
            model_->plan = {};
            const std::size_t expected = (kind_.can_expire ? model_->expire() : model_->upkeep());
            check(conns_->expire() == expected, "how many expire");
        });
    }

    void upkeep(const dial_plan& plan = {}) {
        tell_("upkeep", told(plan));
        step([&] {
            model_->plan = plan;
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

    /// As often as `times`: the pool has to count that.
    void invalidate(std::optional<std::size_t> of = std::nullopt, int times = 1) {
        tell_("invalidate ", of ? keys[*of] : "all keys", times == 1 ? "" : ", " + std::to_string(times) + " times");
        step([&] {
            for (; times != 0; --times) {
                const std::size_t expected = model_->invalidate(of);
                check((of ? conns_->invalidate(*of) : conns_->invalidate()) == expected, "how many it has outdated");
            }
        });
    }

    void pause() {
        tell_("pause");
        step([&] {
            model_->pause();
            conns_->pause();
        });
    }

    void resume() {
        tell_("resume");
        step([&] {
            model_->resume();
            conns_->resume();
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
            model_->close();
            check(conns_->close() == model_->figures.failed_closes - before, "how many closes fail");
        });
    }

    /// It is an operation, because the pool sorts its index then.
    void ask_next_expiry() {
        tell_("when does the next one expire?");
        const time_point seen = conns_->next_expiry(), right = model_->next_expiry();
        // A pool that has seen that a lent connection is too old forgets when it became so. It may, as time goes on.
        check(seen == right || (has_jumped_back_ && kind_.can_age && seen > right), "when the next one expires");
        check(conns_->next_upkeep() == std::min(seen, model_->next_upkeep()), "when the next upkeep is due");
    }

private:
    static std::string told(const dial_plan& plan) {
        if (plan.good == pool::no_limit || plan.odd == 0) return "";
        return "; after " + std::to_string(plan.good) + " dials, " +
               (plan.odd == pool::no_limit ? "all" : std::to_string(plan.odd)) +
               (plan.how == condition::sick         ? " would fail"
                   : plan.how == condition::pausing ? " would meet a pause"
                                                    : " would be outdated");
    }
};

}  // namespace histories
