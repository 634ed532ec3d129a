// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <utility>
#include <vector>

#include <bounded/checked_pool.hpp>

/// @file
/// The operations of a pool and its model: what callers do, and what happens to connections.

namespace bounded_models {

/// A checked pool with callers.
template <class Conn>
class callers : protected checked_pool<Conn> {
protected:
    using base = checked_pool<Conn>;
    using base::askers_, base::below, base::calls_, base::capacity_, base::check, base::checkers_, base::clock_;
    using base::compare, base::hashed, base::is_checked, base::is_closing_own_, base::is_trimming_, base::leases_;
    using base::look_ups_, base::model_, base::most_open_, base::net_, base::play, base::pool_, base::state_;
    using base::taken_of_, base::tell_, base::text, base::any_out_of;
    using typename base::caller_type, typename base::checker, typename base::lease;

    using base::base;

    ~callers() = default;

    /// A caller for which this holds, or nullptr.
    template <class Which>
    caller_type* any_asker(const Which& which) {
        std::vector<caller_type*> all;
        for (const auto& each : askers_)
            if (each->is_submitted() && which(*each)) all.push_back(each.get());
        return all.empty() ? nullptr : all[below(all.size())];
    }
    caller_type* any_asker() {
        return any_asker([](const caller_type&) { return true; });
    }

    /// Who has no memory to be notified, decides `luck`, unless it is nullptr.
    void submit(std::size_t of, bool blocked_by_dial, time_point deadline, chance* luck) {
        auto own = std::make_unique<caller_type>(++last_number_, blocked_by_dial, deadline, luck);
        caller_type& asking = *own;
        tell_("caller ", asking.number, " asks for ", keys[of], blocked_by_dial ? "" : ", asynchronously",
            deadline == time_point::max() ? "" : ", with a deadline");
        askers_.push_back(std::move(own));
        play([&] { asking.expected = &model_->submit(of, blocked_by_dial, deadline); },
            [&] { state_->submit(asking, hashed(of)); });
    }

    void look(caller_type& caller) {
        if (caller.is_pending) return;  // its turn is still to come
        tell_("caller ", caller.number, " looks");
        request_state expected{};
        play([&] { expected = model_->look(*caller.expected); },
            [&] {
                check(state_->look(caller) == expected, "what a caller sees");
                if (expected == request_state::may_dial) begin_dial(caller);
            });
    }

    void close_for(caller_type& caller) {
        tell_("caller ", caller.number, " closes one for its permit");
        bool closes = false;
        play([&] { closes = model_->close_for(*caller.expected); },
            [&] { check(state_->close_for(caller) == closes, "whether it closes one"); });
    }

    void cancel(caller_type& caller) {
        tell_("caller ", caller.number, " cancels");
        play([&] { model_->cancel(*caller.expected); }, [&] { state_->cancel(caller); });
    }

    /// The pool learns it when it looks.
    void stop(caller_type& caller) {
        tell_("caller ", caller.number, " is to stop");
        caller.is_stopped = caller.expected->is_stopped = true;
    }

    static bool has_begun_to_dial(const caller_type& caller) { return caller.fresh != nullptr; }

    void end_dial(caller_type& caller, bool fails) {
        tell_("the dial of caller ", caller.number, fails ? " fails" : " succeeds");
        auto& fresh = *std::exchange(caller.fresh, nullptr);
        const bool is_interrupted = caller.expected->is_interrupted;
        check(state_->end_dial(caller.running) == is_interrupted, "whether a dial was interrupted");
        check(caller.running.stop.stop_requested() == is_interrupted, "whether it was asked to stop");
        if (!fails) {
            auto conn = net_.dial();
            const int id = conn.id();
            fresh.construct([&] { return std::move(conn); });
            play([&] { model_->dial_succeeded(*caller.expected, id); },
                [&] {
                    if (state_->dial_succeeded(caller, fresh) == pool::core::dial_end::outdated)
                        state_->dial_outdated(caller, fresh);
                });
        } else if (is_interrupted) {
            play([&] { model_->dial_failed(*caller.expected); },
                [&] {
                    state_->end_failed_dial(fresh, true, nullptr);
                    state_->dial_outdated(caller, fresh);
                });
        } else {
            play([&] { model_->dial_failed(*caller.expected); },
                [&] {
                    state_->end_failed_dial(fresh, false, nullptr);
                    state_->dial_failed(caller, nullptr);
                });
        }
    }

    static bool is_over(const caller_type& caller) { return caller.expected->is_over() && !caller.is_pending; }

    /// The request is over, and its caller takes what it has got.
    void leave(const caller_type& caller) {
        tell_("caller ", caller.number, caller.state() == request_state::lent ? " has a connection" : " has none");
        const bool has_to_check = caller.state() == request_state::lent && caller.lent().is_unused();
        if (has_to_check)
            checkers_.push_back(
                {&caller.lent(), caller.number, caller.is_blocked_by_dial, caller.deadline(), caller.unhealthy});
        else if (caller.state() == request_state::lent) leases_.emplace_back(*state_, caller.lent(), pool::call_site::current());
        look_ups_ += !has_to_check;
        model_->forget(*caller.expected);
        this->forget(caller);
        std::erase_if(askers_, [&](const auto& each) { return each.get() == &caller; });
    }

    // What callers do that check the connection that they were lent.

    void end_check(checker its, bool is_good) {
        const int id = its.conn->conn().id();
        if (net_[id].dead) is_good = false;
        tell_("caller ", its.number, " finds ", id, is_good ? " healthy" : " unhealthy");
        if (is_good) pass_check(its, id);
        else if (model_->is_closed()) end_by_close(its, id);
        else replace(its, id);
    }

    /// Its caller has given up meanwhile.
    void end_check_alone(checker its, bool is_good) {
        const int id = its.conn->conn().id();
        tell_("caller ", its.number, " does not need ", id, is_good ? ", which is healthy" : ", which is unhealthy");
        ++look_ups_;
        play([&] { is_good ? model_->give_back(id) : model_->give_up_unhealthy(id); },
            [&] { pool::core::end_unneeded_check(*state_, *its.conn, is_good); });
    }

    // What needs no caller.

    void try_acquire(std::size_t of) {
        tell_("try_acquire ", keys[of]);
        std::optional<int> expected;
        lease got;
        ++look_ups_;
        const std::uint64_t calls = calls_;
        play([&] { model_->try_acquire(of, expected); },
            [&] {
                got = pool_->try_acquire(keys[of]);
                check(
                    static_cast<bool>(got) == expected.has_value() && (!got || got->id() == *expected), "try_acquire");
                if (got && calls == calls_) taken_of_ = of;
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

    void prewarm(std::size_t of, std::size_t count) {
        tell_("prewarm ", keys[of], " to ", count);
        std::size_t expected = 0, opened = 0;
        play([&] { model_->prewarm(of, count, expected); },
            [&] {
                opened = pool_->prewarm(keys[of], count, [this](const auto&) { return this->dial_ahead(); }).opened;
            });
        check(opened == expected, "how many are opened ahead");
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

    void invalidate(std::optional<std::size_t> of, const pool::invalidate_options& options = {}) {
        tell_("invalidate ", of ? keys[*of] : "all keys", options.interrupt ? ", interrupts" : "",
            options.fail_waiting ? ", fails those that wait" : "");
        std::size_t count = 0;
        const std::size_t expected = play([&] { model_->invalidate(of, options); },
            [&] { count = of ? pool_->invalidate(keys[*of], options) : pool_->invalidate(options); });
        check(count == expected, "how many an invalidation has closed");
    }

    void pause(bool lets_wait) {
        tell_("pause", lets_wait ? ", callers wait" : "");
        play([&] { model_->pause(lets_wait); },
            [&] { lets_wait ? pool_->pause(pool::wait_for_resume) : pool_->pause(); });
    }

    void resume() {
        tell_("resume");
        play([&] { model_->resume(); }, [&] { pool_->resume(); });
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
            caller_type& caller = *each;
            if (is_over(caller)) all.emplace_back([&] { leave(caller); });
            else if (has_begun_to_dial(caller)) all.emplace_back([&] { end_dial(caller, false); });
            else if (!caller.is_pending) all.emplace_back([&] { look(caller); });
            else all.emplace_back([&] { look_again(); });  // any step notifies it again
        }
        if (!checkers_.empty()) all.emplace_back([&] { end_check(any_out_of(checkers_), choose(2) == 1); });
        if (!leases_.empty()) all.emplace_back([&] { give_back(any_out_of(leases_)); });
        if (all.empty()) return false;
        all[choose(all.size())]();
        return true;
    }

private:
    /// Its entry is made now, so an invalidation outdates it.
    void begin_dial(caller_type& caller) {
        caller.fresh = &state_->make_entry_for(caller);
        state_->begin_dial(caller.running, *caller.fresh, std::stop_source{});
    }

    void pass_check(const checker& its, int id) {
        ++look_ups_;
        model_->pass_check(id);
        state_->passed_check(*its.conn);
        leases_.emplace_back(*state_, *its.conn, pool::call_site::current());
        compare();
    }

    void end_by_close(const checker& its, int id) {
        ++look_ups_;
        caller_type never_asks{0, its.is_blocked_by_dial, its.deadline, nullptr};
        play([&] { model_->drop_unhealthy(id); },
            [&] {
                check(!state_->replace(never_asks, *its.conn), "a closed pool replaces nothing");
                state_->drop(*its.conn);
            });
    }

    void replace(const checker& its, int id) {
        auto own = std::make_unique<caller_type>(its.number, its.is_blocked_by_dial, its.deadline, nullptr);
        caller_type& asking = *own;
        asking.unhealthy = its.unhealthy + 1;
        const bool prefers_dial = asking.unhealthy >= pool::core::most_unhealthy;
        if (prefers_dial) asking.prefer_dial();
        askers_.push_back(std::move(own));
        play([&] { asking.expected = &model_->replace(id, its.is_blocked_by_dial, its.deadline, prefers_dial); },
            [&] { check(state_->replace(asking, *its.conn), "an open pool replaces it"); });
    }

    int last_number_ = 0;
};

}  // namespace bounded_models
