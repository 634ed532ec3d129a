// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <bounded/checked_pool.hpp>

/// @file
/// The operations of a pool and its model: what callers do, and what happens to connections.

namespace bounded_models {

/// A checked pool with callers.
class callers : protected checked_pool {
protected:
    using checked_pool::checked_pool;

    ~callers() = default;

    /// A caller for which this holds, or nullptr.
    template <class Which>
    asker* any_asker(const Which& which) {
        std::vector<asker*> all;
        for (const auto& each : askers_)
            if (each->is_submitted() && which(*each)) all.push_back(each.get());
        return all.empty() ? nullptr : all[below(all.size())];
    }
    asker* any_asker() {
        return any_asker([](const asker&) { return true; });
    }

    /// Who has no memory to be notified, decides `luck`, unless it is nullptr.
    void submit(std::size_t of, bool blocked_by_dial, time_point deadline, chance* luck) {
        auto own = std::make_unique<asker>(++last_number_, blocked_by_dial, deadline, luck);
        asker& asking = *own;
        tell_("caller ", asking.number, " asks for ", keys[of], blocked_by_dial ? "" : ", asynchronously",
            deadline == time_point::max() ? "" : ", with a deadline");
        askers_.push_back(std::move(own));
        play([&] { asking.expected = &model_->submit(of, blocked_by_dial, deadline); },
            [&] { state_->submit(asking, hashed(of)); });
    }

    void look(asker& caller) {
        if (caller.is_pending) return;  // its turn is still to come
        tell_("caller ", caller.number, " looks");
        request_state expected{};
        play([&] { expected = model_->look(*caller.expected); },
            [&] { check(state_->look(caller) == expected, "what a caller sees"); });
    }

    void close_for(asker& caller) {
        tell_("caller ", caller.number, " closes one for its permit");
        bool closes = false;
        play([&] { closes = model_->close_for(*caller.expected); },
            [&] { check(state_->close_for(caller) == closes, "whether it closes one"); });
    }

    void cancel(asker& caller) {
        tell_("caller ", caller.number, " cancels");
        play([&] { model_->cancel(*caller.expected); }, [&] { state_->cancel(caller); });
    }

    /// The pool learns it when it looks.
    void stop(asker& caller) {
        tell_("caller ", caller.number, " is to stop");
        caller.is_stopped = caller.expected->is_stopped = true;
    }

    static bool has_begun_to_dial(const asker& caller) {
        return caller.expected->dials && caller.expected->state != request_state::may_dial;
    }

    void end_dial(asker& caller, bool fails) {
        tell_("the dial of caller ", caller.number, fails ? " fails" : " succeeds");
        if (fails) {
            play([&] { model_->dial_failed(*caller.expected); },
                [&] { state_->dial_failed(caller, nullptr, pool::core::count_dial::yes); });
        } else {
            auto fresh = net_.dial();
            const int id = fresh.id();
            play([&] { model_->dial_succeeded(*caller.expected, id); },
                [&] {
                    auto& opened = state_->make_entry_for(caller);
                    opened.construct([&] { return std::move(fresh); });
                    state_->dial_succeeded(caller, opened);
                });
        }
    }

    static bool is_over(const asker& caller) { return caller.expected->is_over() && !caller.is_pending; }

    /// The request is over, and its caller takes what it has got.
    void leave(const asker& caller) {
        tell_("caller ", caller.number, caller.state() == request_state::lent ? " has a connection" : " has none");
        if (caller.state() == request_state::lent) leases_.emplace_back(*state_, caller.lent());
        ++look_ups_;
        model_->forget(*caller.expected);
        std::erase_if(askers_, [&](const auto& each) { return each.get() == &caller; });
    }

    // What needs no caller.

    void try_acquire(std::size_t of) {
        tell_("try_acquire ", keys[of]);
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

    std::optional<fake::connection> take(std::size_t of) {
        tell_("take ", keys[of]);
        std::optional<int> expected;
        std::optional<fake::connection> got;
        ++look_ups_;
        play([&] { model_->take(of, expected); },
            [&] {
                got = pool_->take(keys[of]);
                check(got.has_value() == expected.has_value() && (!got || got->id() == *expected), "take");
            });
        return got;
    }

    void put(std::size_t of, fake::connection conn) {
        const int id = conn.id();
        tell_("put ", id, conn.closed() ? ", which is closed," : "", " for ", keys[of]);
        ++most_open_;  // its caller has opened it
        play([&] { model_->put(id, of); }, [&] { pool_->put(keys[of], std::move(conn)); });
    }

    void give_back(lease ending) {
        const int id = ending->id();
        tell_("give back ", id);
        play([&] { model_->give_back(id); }, [&] { ending.give_back(); });
    }

    void discard(lease ending) {
        const int id = ending->id();
        tell_("discard ", id);
        play([&] { model_->discard(id); }, [&] { ending.discard(); });
    }

    fake::connection detach(lease ending) {
        const int id = ending->id();
        tell_("detach ", id);
        std::optional<fake::connection> kept;
        play([&] { model_->detach(id); }, [&] { kept.emplace(ending.detach()); });
        return std::move(*kept);
    }

    /// The caller closes a connection that is its own.
    void hang_up(fake::connection conn) {
        is_closing_own_ = true;
        fake::hang_up(std::move(conn));
        is_closing_own_ = false;
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
        tell_("time passes: ", by.count());
        clock_.advance(by);
    }

    void look_again() {
        tell_("look_again");
        play([&] { model_->look_again(); }, [&] { state_->look_again(); });
    }

    void expire() {
        tell_("expire");
        std::size_t count = 0;
        const std::size_t expected = play([&] { model_->expire(); }, [&] { count = pool_->expire(); });
        check(count == expected, "how many expire");
    }

    void clear(std::optional<std::size_t> of = std::nullopt) {
        tell_("clear ", of ? keys[*of] : "all keys");
        std::size_t count = 0;
        const std::size_t expected =
            play([&] { model_->clear(of); }, [&] { count = of ? pool_->clear(keys[*of]) : pool_->clear(); });
        check(count == expected, "how many are cleared");
    }

    void reconfigure(const bounds& fresh) {
        if (tell_.is_heard()) tell_("reconfigure: ", text(fresh));
        capacity_ = fresh;
        is_trimming_ += 1;
        std::size_t count = 0;
        const std::size_t expected =
            play([&] { model_->reconfigure(fresh); }, [&] { count = pool_->reconfigure(fresh); });
        check(count == expected, "how many exceed new bounds");
        is_trimming_ -= 1;
    }

    /// After the end of the pool: ends one thing that is under way. `choose(n)` chooses one of n. Returns whether there
    /// was any.
    template <class Choose>
    bool wind_up(const Choose& choose) {
        std::vector<std::function<void()>> all;
        for (const auto& each : askers_) {
            asker& caller = *each;
            if (is_over(caller)) all.emplace_back([&] { leave(caller); });
            else if (has_begun_to_dial(caller)) all.emplace_back([&] { end_dial(caller, false); });
            else if (!caller.is_pending) all.emplace_back([&] { look(caller); });
            else all.emplace_back([&] { look_again(); });  // any step notifies it again
        }
        if (!leases_.empty()) all.emplace_back([&] { give_back(any_out_of(leases_)); });
        if (all.empty()) return false;
        all[choose(all.size())]();
        return true;
    }

private:
    int last_number_ = 0;
};

}  // namespace bounded_models
