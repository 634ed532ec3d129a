// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <pool/basic_pool.hpp>

#include <bounded/asker.hpp>
#include <bounded/model.hpp>
#include <bounded/waiting_rules.hpp>
#include <support/chance.hpp>
#include <support/differences.hpp>
#include <support/event_ledger.hpp>
#include <support/fake.hpp>
#include <support/figures.hpp>
#include <support/histories.hpp>

/// @file
/// A pool and its model, which are compared after each step.

namespace bounded_models {

using namespace std::chrono_literals;

/// A pool and its model. Both take the same steps. Whatever differs ends the program.
template <class Conn>
class checked_pool : protected chance {
public:
    checked_pool(choice_source& from, histories::teller& tell) : chance{from}, tell_{tell} {
        net_.prepare([this](fake::line& far) {
            far.on_close = [this, id = far.id] { closing(id); };
            if (is_checked) far.on_check = [this, &far] { return check_health(far); };
        });
    }
    checked_pool(const checked_pool&) = delete;
    checked_pool& operator=(const checked_pool&) = delete;

protected:
    using pool_type = pool_with<Conn>;
    using state_type = requests::state_of<pool_type>;
    using entry_type = typename state_type::entry;
    using lease = typename pool_type::lease_type;
    using caller_type = asker<Conn>;

    static constexpr bool is_checked = pool::core::has_check<Conn>;

    /// A caller that was lent a connection, and checks it.
    struct checker {
        entry_type* conn;
        int number;
        bool is_blocked_by_dial;
        time_point deadline;
        int unhealthy;  ///< connections that it was lent before
    };

    ~checked_pool() = default;

    /// Happens while a connection is closed, checked, or opened ahead: other operations, perhaps.
    virtual void meanwhile() = 0;

    /// A new pool.
    void begin(const model_settings& chosen) {
        if (tell_.is_heard()) {
            const auto ttl = chosen.ttl.ttl();
            tell_.note("a pool: ", text(chosen.capacity), ttl == ttl.max() ? ", for ever" : ", for a time",
                chosen.reuse == pool::reuse_order::oldest_first ? ", oldest first" : ", newest first",
                is_checked ? ", checked after " + std::to_string(chosen.check_after.count()) : "");
        }
        capacity_ = chosen.capacity;
        ledger_ = {};
        pool_.emplace(capacity_, chosen.ttl,
            pool::pool_settings{.reuse = chosen.reuse,
                .check_after = chosen.check_after,
                .on_event = [this](const pool::event& e) { ledger_(e); }},
            clock_);
        state_ = pool::core::pool_access::state(*pool_);
        model_.emplace(chosen, net_, clock_);
        most_open_ = 0;
        most_open_of_ = {};
        look_ups_ = 0;
    }

    /// Destroys the pool. Requests and leases may go on.
    void end_pool() {
        tell_("the pool ends");
        check(depth_ == 0, "no operation is under way");
        play([&] { model_->close(); }, [&] { pool_.reset(); });
    }

    /// Nothing is left but leases: these end, and then the state of the pool.
    void end_state() {
        check(askers_.empty() && checkers_.empty(), "no request is left");
        check(state_->stats().dialing + state_->stats().waiting == 0, "the end");
        model_.reset();
        is_over_ = true;
        state_.reset();  // it ends with the last lease
        while (!leases_.empty()) any_out_of(leases_).give_back();
        is_over_ = false;
        (void)net_.closed();
        for (; checked_ != net_.dials(); ++checked_)
            check(net_[checked_ + 1].closes == 1, "each connection is closed once");
    }

    void close() {
        tell_("close");
        play([&] { model_->close(); }, [&] { (void)pool_->close(); });
    }

    /// One operation, in the model and in the pool.
    template <class InModel, class InPool>
    std::size_t play(const InModel& in_model, const InPool& in_pool) {
        clock_.advance(1ns);  // so no two connections expire at the same time: their order is left open
        look_at_all();
        for (const auto& each : askers_) each->old_attempts = each->attempts;
        ++depth_;
        in_model();
        in_pool();
        --depth_;
        for (const auto& each : askers_)
            check(!each->is_pending || each->attempts != each->old_attempts, "a notification is tried again");
        std::size_t count = 0;
        check(model_->end_operation(count), "all closes were made");
        compare();
        return count;
    }

    /// The dial of a connection ahead.
    fake::connection dial_ahead() {
        check(model_->is_dialing_ahead(), "whether a connection is opened ahead");
        run_meanwhile("opened ahead", net_.dials() + 1);
        clock_.advance(1ns);  // as in `play`
        const bool fails = this->one_in(3);
        if (fails) {
            model_->dial_ahead_ends(0);
            throw std::runtime_error{"no answer"};
        }
        auto fresh = net_.dial();
        model_->dial_ahead_ends(fresh.id());
        return fresh;
    }

    /// A caller is about to be destroyed.
    void forget(const caller_type& gone) {
        std::erase_if(before_, [&](const auto& each) { return each.who == &gone; });
    }

    static void check(bool holds, const char* what) {
        if (!holds) histories::fail(std::string{"differs: "} + what);
    }

    static std::string text(std::size_t bound) { return bound == pool::no_limit ? "any" : std::to_string(bound); }
    static std::string text(const bounds& all) {
        return text(all.max_open()) + " open, " + text(all.max_open_per_key) + " of one key, " + text(all.max_idle()) +
               " idle, " + text(all.max_idle_per_key) + " of one key, " + text(all.max_waiting()) + " waiting, " +
               text(all.max_dials_per_key) + " dials of one key, patience " + std::to_string(all.patience().count());
    }

    static typename state_type::hashed hashed(std::size_t of) { return typename state_type::hashed{keys[of]}; }

    histories::teller& tell_;
    int depth_ = 0;  ///< operations that are under way
    pool::manual_clock clock_;
    fake::network net_;
    bounds capacity_;
    std::optional<model> model_;
    std::optional<pool_type> pool_;
    std::shared_ptr<state_type> state_;
    std::vector<std::unique_ptr<caller_type>> askers_;
    std::vector<checker> checkers_;
    std::vector<lease> leases_;
    std::optional<std::size_t> taken_of_;  ///< the key of the connection that try_acquire got in this step
    std::uint64_t look_ups_ = 0;           ///< without those of the requests in `askers_`
    event_ledger ledger_;
    std::uint64_t calls_ = 0;              ///< checks and dials within operations
    int is_trimming_ = 0;                  ///< new bounds are set, and not all that exceeds them has gone
    std::size_t most_open_ = 0;            ///< after the last step
    bool was_crowded_ = false;             ///< by more callers than one batch serves
    bool is_closing_own_ = false;
    bool is_over_ = false;  ///< the pool and its model have gone

    void compare() {
        const pool::stats seen = state_->stats();
        const pool::stats expected = model_->stats();
        if (seen != expected) histories::fail("differs: the figures of the pool: " + differences::of(seen, expected));
        for (std::size_t of = 0; of != keys.size(); ++of) {
            const pool::key_stats its = state_->stats(hashed(of)), right = model_->stats(of);
            if (its != right)
                histories::fail("differs: the figures of key " + keys[of] + ": " + differences::of(its, right));
        }
        was_crowded_ |= askers_.size() > 100;
        for (const auto& each : askers_)
            if (each->is_submitted()) compare_caller(*each);
        check(state_->is_paused() == model_->is_paused(), "whether it is paused");
        check_sums(seen);
        if (depth_ == 0 && pool_) check_events(seen);
        check_bounds(seen);
        check_waiting(seen);
        check_given_up();
        look_at_all();
    }

private:
    void check_events(const pool::stats& seen) const {
        const std::string difference = ledger_.difference(seen);
        if (!difference.empty()) histories::fail("differs: the events: " + difference);
    }

    /// A caller, as it was before a step.
    struct seen_before {
        const caller_type* who;
        request_state state;
        bool has_given_up;
    };

    /// The pool checks a connection in an operation that does not wait. That look-up is not over.
    bool check_health(fake::line& far) {
        check(model_->is_checking(far.id), "which connection is checked");
        --look_ups_;
        run_meanwhile("checked", far.id);
        ++look_ups_;
        const bool is_good = !this->one_in(2);
        model_->check_ends(is_good && !far.dead);
        return is_good;
    }

    /// The pool closes a connection.
    void closing(int id) {
        if (is_closing_own_) return;
        if (!is_over_) {
            check(model_->close_begins(id), "the order of the closes");
            compare();
        }
        tell_.note(id, " is being closed");
        ++tell_.depth;
        meanwhile();
        --tell_.depth;
        if (!is_over_) look_at_all();
        if (close_throws(id)) throw std::runtime_error{"the close of a connection"};
    }

    void run_meanwhile(const char* what, int id) {
        ++calls_;
        compare();
        tell_.note(id, " is being ", what);
        ++tell_.depth;
        meanwhile();
        --tell_.depth;
        look_at_all();
    }

    // What is checked.

    bool has_to_check(const caller_type& each) const {
        return each.state() == request_state::lent && model_->is_unchecked(each.expected->lent);
    }
    bool has_given_up(const caller_type& each) const { return each.is_stopped || clock_.now() >= each.deadline(); }

    /// Before each step.
    void look_at_all() {
        before_.clear();
        for (const auto& each : askers_)
            if (each->is_submitted()) before_.push_back({each.get(), each->state(), has_given_up(*each)});
        taken_of_.reset();
    }

    void compare_caller(const caller_type& each) const {
        const model_request& expected = *each.expected;
        check(each.state() == expected.state, "the state of a caller");
        check(each.is_notified() == expected.is_notified, "whether a caller is notified");
        check(each.deliveries + each.is_pending == expected.notifications, "how often a caller is notified");
        if (expected.state == request_state::lent)
            check(each.lent().conn().id() == expected.lent, "the connection of a caller");
        const auto &a = each.seen(), &b = expected.seen;
        if (each.state() <= request_state::closed) return;
        check(a.idle == b.idle && a.lent == b.lent && a.dialing == b.dialing && a.closing == b.closing,
            "what a refused caller has seen");
        // A crowd that a pause or an invalidation refuses leaves in batches, and the rules do not say in which order.
        const bool is_ordered = each.state() < request_state::paused || !was_crowded_;
        check(!is_ordered || a.waiting == b.waiting, "how many a refused caller has seen waiting");
    }

    /// C16.
    void check_sums(const pool::stats& all) const {
        std::uint64_t over = look_ups_;
        for (const auto& each : askers_)
            over += each->is_submitted() && each->state() >= request_state::lent && !has_to_check(*each);
        check(all.hits + all.misses == over, "each look-up is a hit or a miss [C16]");
        check(all.puts == figures::accounted_puts(all), "what was put is idle, or has left [C16]");
    }

    /// C2, and the bounds on open connections. After new bounds more may be open than these allow, but never more than
    /// before.
    void check_bounds(const pool::stats& all) {
        const auto is_within = [](std::size_t count, std::size_t bound, std::size_t& most) {
            const bool holds = count <= std::max(bound, most);
            most = count;
            return holds;
        };
        check(is_within(all.idle + all.lent + all.dialing + all.closing, capacity_.max_open(), most_open_), "max_open");
        check(is_trimming_ != 0 || all.idle <= capacity_.max_idle(), "max_idle [C2]");
        for (std::size_t of = 0; of != keys.size(); ++of) {
            const pool::key_stats its = state_->stats(hashed(of));
            check(is_within(its.idle + its.lent + its.dialing, capacity_.max_open_for(of), most_open_of_[of]),
                "max_open_for");
            check(is_trimming_ != 0 || its.idle <= capacity_.max_idle_for(of), "max_idle_for [C2]");
        }
    }

    void check_waiting(const pool::stats& all) {
        std::vector<typename waiting_rules<entry_type>::request*> queued;
        for (const auto& each : askers_) {
            const bool has_queue =
                each->is_submitted() && (each->state() <= request_state::closing || each->expected->dials);
            if (has_queue) queued.push_back(each.get());
        }
        if (model_->is_closed()) return;
        if (const char* const broken = waiting_rules<entry_type>{queued}.broken(capacity_, all, model_->is_paused()))
            check(false, broken);
    }

    /// Who has given up got nothing in this step, and nobody was passed who has waited for long enough.
    void check_given_up() const {
        using enum request_state;
        for (const auto& [who, state, gave_up] : before_) {
            const request_state now = who->state();
            const bool got =
                ((is_waiting(state) || state == closing) && (now == lent || now == may_dial || now == dialing)) ||
                (state == may_dial && (now == lent || now == dialing));
            check(!got || !gave_up, "who has given up gets nothing");
            const bool is_promised_now = now == promised && state != promised && state != nudged && is_waiting(state);
            check(!(is_promised_now || (now == nudged && state != nudged)) || !gave_up, "nor is it promised anything");
        }
        for (const auto& each : before_) {
            if (!is_waiting(each.state) || !is_waiting(each.who->state()) || each.has_given_up) continue;
            if (clock_.now() - each.who->expected->since < capacity_.patience()) continue;
            check(taken_of_ != each.who->expected->of, "a look-up overtakes nobody who is out of patience");
            for (const auto& other : before_) {
                const bool passes = other.who->expected->of == each.who->expected->of &&
                                    other.who->ticket() > each.who->ticket() && is_waiting(other.state) &&
                                    other.who->state() == lent;
                check(!passes, "a request overtakes nobody who is out of patience");
            }
        }
    }

    std::vector<seen_before> before_;
    std::array<std::size_t, keys.size()> most_open_of_{};
    int checked_ = 0;
};

}  // namespace bounded_models
