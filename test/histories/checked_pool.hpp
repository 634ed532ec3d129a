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
#include <pool/event.hpp>
#include <pool/policies/capacity.hpp>

#include <histories/model.hpp>
#include <histories/some_pool.hpp>
#include <support/differences.hpp>
#include <support/event_ledger.hpp>
#include <support/fake.hpp>
#include <support/histories.hpp>

/// @file
/// A pool and its model. Both make the same operations, and are compared after each.

namespace histories {

/// Whatever differs ends the program. `operations` has what they do.
class checked_pool {
public:
    checked_pool(const checked_pool&) = delete;
    checked_pool& operator=(const checked_pool&) = delete;

protected:
    /// Between two operations. So no two connections expire at the same time: their order is left open.
    static constexpr std::chrono::microseconds tick{1};

    checked_pool(const policies& kind, std::function<bool()> is_new, teller& tell)
        : kind_{kind},
          is_new_{std::move(is_new)},
          tell_{tell} {
        net_.prepare([this](fake::line& far) {
            far.weight = weight_of(far.id);
            if (fails_to_close(far.id)) far.on_close = [] { throw std::runtime_error{"no goodbye"}; };
            if (!kind_.is_tended) return;
            using calls = expected_call::kind;
            far.on_check = [this, &far] { return is_answered_well(far); };
            far.on_reset = [this, &far] { call(calls::reset, far); };
            far.on_keep_alive = [this, &far] { call(calls::keep_alive, far); };
        });
    }

    ~checked_pool() { hang_up_taken(); }

    /// A new pool.
    void begin(const settings& chosen) {
        if (tell_.is_heard()) tell_.note("a pool of ", kind_.name, ": ", text(chosen));
        settings observed = chosen;
        is_observed_ = chosen.is_observed;
        if (is_observed_) observed.on_event = [this](const pool::event& e) {
            check(has_pool_, "an event of a pool that has gone");
            ledger_(e);
        };
        has_pool_ = true;
        ledger_ = {};
        conns_ = kind_.make(observed, clock_);
        model_.emplace(kind_.bounds(chosen), for_model(chosen), net_, clock_, kind_.is_tended);
    }

    /// The pool ends; its leases do not.
    void end_pool() {
        tell_("the pool ends");
        conns_->end();
        has_pool_ = false;
        model_->close();
        compare_closes();
    }

    /// The pool and all leases end, unless they have. Then each connection is closed, and was closed once.
    void end_all() {
        if (has_pool_) end_pool();
        while (!model_->lent().empty()) give_back(model_->lent().front().id);
        hang_up_taken();
        for (int id = 1; id <= net_.dials(); ++id) check(net_[id].closes == 1, "each connection is closed once [C1]");
    }

    void give_back(int id) {
        tell_("give back ", id);
        step([&] {
            model_->give_back(id);
            conns_->give_back(id);
        });
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
    event_ledger ledger_;
    bool is_observed_ = false;

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
               (chosen.reuse == pool::reuse_order::oldest_first ? ", oldest first" : ", newest first") +
               ", checked after " + std::to_string(chosen.check_after.count() / tick_ns) + ", kept alive every " +
               std::to_string(chosen.keep_alive_every.count() / tick_ns);
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
        check(!model_->expects_calls(), "a hook or a dial is missing");
        compare();
    }

    /// The dial of a connection that is opened ahead.
    fake::connection dial_ahead() {
        if (begin_call(expected_call::kind::dial, net_.dials() + 1) == condition::sick)
            throw std::runtime_error{"no answer"};
        return net_.dial();
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

private:
    /// The pool calls a hook or a dial. Returns how that ends.
    condition begin_call(expected_call::kind what, int id) {
        const auto next = model_->next_call();
        check(next && next->what == what && next->id == id, "which hook or dial the pool calls");
        if (is_new_()) compare(conns_->stats(), next->figures);
        if (next->how == condition::outdating) conns_->invalidate();
        if (next->how == condition::pausing) conns_->pause();
        return next->how;
    }

    void call(expected_call::kind what, fake::line& far) {
        const condition how = begin_call(what, far.id);
        if (how == condition::sick) throw std::runtime_error{"no answer"};
        if (how == condition::dying) far.dead = true;
    }

    /// A health check: it says no in two ways.
    bool is_answered_well(fake::line& far) {
        try {
            call(expected_call::kind::check, far);
            return true;
        } catch (const std::runtime_error&) {
            if (far.id % 2 == 0) throw;
            return false;
        }
    }

    void compare_closes() {
        ids seen = net_.closed(), expected = model_->closed();
        if (std::exchange(model_->is_any_order, false)) {
            std::sort(seen.begin(), seen.end());
            std::sort(expected.begin(), expected.end());
        }
        if (seen != expected) fail("differs: the order of the closes: " + differences::of(seen, expected));
    }

    static void compare(const pool::stats& seen, const pool::stats& expected) {
        if (seen != expected) fail("differs: the figures of the pool: " + differences::of(seen, expected));
    }

    void compare() {
        compare_closes();
        if (!has_pool_ || !is_new_()) return;
        check(conns_->is_paused() == model_->is_paused, "whether it is paused");
        compare(conns_->stats(), model_->stats());
        const std::string untold = is_observed_ ? ledger_.difference(conns_->stats()) : "";
        if (!untold.empty()) fail("differs: the events: " + untold);
        for (std::size_t of = 0; of != keys.size(); ++of) {
            const pool::key_stats its = conns_->stats(of), right = model_->stats(of);
            if (its != right) fail("differs: the figures of key " + keys[of] + ": " + differences::of(its, right));
        }
    }
};

}  // namespace histories
