// SPDX-License-Identifier: BSL-1.0
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>

#include <bounded/model.hpp>
#include <bounded/waiting_rules.hpp>
#include <support/chance.hpp>
#include <support/fake.hpp>
#include <support/requests.hpp>

// Random operations on a pool that bounds the open connections, and on its model. Callers that wait are requests
// without a thread, so one thread plays them all. A close may run further operations. Before each close and after each
// operation, both are compared: the state, the connection and the notifications of each caller, the order of the closes,
// and all figures.

using namespace std::chrono_literals;
using namespace bounded_models;

namespace {

using pool_type =
    pool::basic_pool<std::string, fake::connection, bounds, pool::after_idle, pool::null_mutex, pool::manual_clock>;
using state_type = requests::state_of<pool_type>;
using entry_type = state_type::entry;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)  // slower by far
constexpr std::uint64_t histories = 4;
#else
constexpr std::uint64_t histories = 40;
#endif
constexpr int steps = 25'000;  ///< in each history

/// A caller's request in the pool, and in the model.
struct asker final : requests::request<pool_type> {
    asker(bool blocked_by_dial, time_point deadline, chance* luck)
        : request{blocked_by_dial, deadline},
          refusals{blocked_by_dial ? nullptr : luck} {}

    bool notified() noexcept override {
        is_pending = refusals != nullptr && refusals->one_in(10);
        deliveries += !is_pending;
        return !is_pending;
    }
    bool is_stop_requested() const noexcept override { return is_stopped; }

    chance* refusals;         ///< when it has no memory to be notified
    bool is_pending = false;  ///< a notification could not be delivered
    int deliveries = 0;
    bool is_stopped = false;
    model_request* expected = nullptr;
};

/// A pool and its model. Both take the same random steps.
class history : chance {
public:
    explicit history(std::uint64_t seed) : chance{seed}, luck_{seed}, seed_{seed} {
        net_.prepare([this](fake::line& far) { far.on_close = [this, id = far.id] { closing(id); }; });
        renew();
    }
    ~history() { state_.reset(); }

    /// Returns how many operations there were.
    int run() {
        while (step_ < steps) operate();
        destroy();
        return step_;
    }

private:
    using lease = pool_type::lease_type;

    bounds any_bounds() {
        constexpr std::size_t none = pool::no_limit;
        const std::size_t one = 1;
        const std::array<std::chrono::nanoseconds, 5> patiences{0ns, 0ns, 5ns, 30ns, 2000ns};
        return {
            .max_open = any_of(one, 2 * one, 3 * one, 4 * one, 6 * one, none),
            .max_open_per_key = any_of(one, 2 * one, 3 * one, none, none),
            .max_idle = any_of(0 * one, one, 3 * one, none, none, none),
            .max_idle_per_key = any_of(0 * one, one, 2 * one, none, none, none),
            .max_waiting = any_of(0 * one, 2 * one, 4 * one, none, none, none),
            .max_dials_per_key = any_of(one, 2 * one, none, none),
            .patience = patiences[below(patiences.size())],
        };
    }

    void renew() {
        const std::array<pool::after_idle, 6> ttls{pool::after_idle{}, pool::after_idle{}, 0ns, 20ns, 90ns, 400ns};
        const pool::after_idle ttl = ttls[below(ttls.size())];
        const pool::reuse_order reuse = any_of(pool::reuse_order::oldest_first, pool::reuse_order::newest_first);
        capacity_ = any_bounds();
        pool_.emplace(capacity_, ttl, pool::pool_settings{.reuse = reuse}, clock_);
        state_ = pool::core::pool_access::state(*pool_);
        model_.emplace(model_settings{capacity_, ttl, reuse}, net_, clock_);
        most_open_ = 0;
        most_open_of_ = {};
        look_ups_ = 0;
    }

    // Ends.

    /// Destroys the pool while requests and leases exist. Then all that is under way ends.
    void destroy() {
        check(depth_ == 0, "no operation is under way");
        if (one_in(2)) close();
        play([&] { model_->close(); }, [&] { pool_.reset(); });
        while (!askers_.empty() || (!leases_.empty() && !one_in(20))) operate_without_pool();
        check(state_->stats().dialing + state_->stats().waiting == 0, "the end");
        model_.reset();
        is_over_ = true;
        state_.reset();  // it ends with the last lease
        leases_.clear();
        is_over_ = false;
        (void)net_.closed();
        for (; checked_ != net_.dials(); ++checked_)
            check(net_[checked_ + 1].closes == (net_[checked_ + 1].dead ? 0 : 1) || net_[checked_ + 1].closes == 1,
                "each connection is closed once");
    }

    void operate_without_pool() {
        let_time_pass();
        switch (below(6)) {
        case 0: return leases_.empty() ? void() : end_lease(any_out_of(leases_));
        case 1: return change_a_line();
        case 2: return look_again();
        default: return turn_of_any();
        }
    }

    // Operations.

    void let_time_pass() {
        clock_.advance(std::chrono::nanoseconds{one_in(20) ? 1 + below(60) : 1});
    }

    void operate() {
        let_time_pass();
        const std::size_t of = one_in(2) ? changed_ : below(keys.size());
        switch (below(40)) {
        case 0:
        case 1:
        case 2:
        case 3: return submit(of);
        case 4:
        case 5:
        case 6:
        case 7: return leases_.empty() ? void() : end_lease(any_out_of(leases_));
        case 8:
        case 9: return try_acquire(of);
        case 10: return one_in(2) ? put(of, net_.dial()) : take(of);
        case 11:
        case 12: return change_a_line();
        case 13: return look_again();
        case 14: return one_in(3) ? expire() : void();
        case 15: return one_in(8) ? clear() : one_in(4) ? clear(of) : void();
        case 16: return one_in(5) ? reconfigure() : void();
        case 17: return one_in(400) ? close() : void();
        case 18:
            if (depth_ != 0 || !one_in(40)) return;
            destroy();
            return renew();
        default: return turn_of_any();
        }
    }

    /// One operation, in the model and in the pool.
    template <class InModel, class InPool>
    std::size_t play(const InModel& in_model, const InPool& in_pool) {
        ++step_;
        look_at_all();
        ++depth_;
        in_model();
        in_pool();
        --depth_;
        std::size_t count = 0;
        check(model_->end_operation(count), "all closes were made");
        compare();
        return count;
    }

    /// The pool closes a connection.
    void closing(int id) {
        if (is_closing_own_) return;
        if (!is_over_) {
            check(model_->close_begins(id), "the order of the closes");
            compare();
            if (depth_ < 4 && one_in(2)) {
                if (pool_) operate();
                else operate_without_pool();
            }
            look_at_all();
        }
        if (close_throws(id)) throw std::runtime_error{"the close of a connection"};
    }

    void submit(std::size_t of) {
        if (askers_.size() > 13) return;
        const bool blocked_by_dial = one_in(2);
        const time_point deadline = one_in(4) ? clock_.now() + std::chrono::nanoseconds{below(300)} : time_point::max();
        auto own = std::make_unique<asker>(blocked_by_dial, deadline, &luck_);
        asker& asking = *own;
        askers_.push_back(std::move(own));
        play([&] { asking.expected = &model_->submit(of, blocked_by_dial, deadline); },
            [&] { state_->submit(asking, hashed(of)); });
    }

    /// A caller does something, if it may.
    void turn_of_any() {
        if (askers_.empty()) return;
        const std::size_t number = below(askers_.size());
        asker& caller = *askers_[number];
        const model_request& expected = *caller.expected;
        if (expected.is_over() && !caller.is_pending) return leave(number);
        switch (below(16)) {
        case 0: return one_in(3) ? cancel(caller) : void();
        case 1:
            if (one_in(4)) caller.is_stopped = caller.expected->is_stopped = true;
            return;
        case 2: return close_for(caller);
        case 3: return look(caller);
        case 4:
        case 5:
        case 6: return end_dial(caller);
        default:
            if (caller.is_notified()) look(caller);
        }
    }

    void look(asker& caller) {
        if (caller.is_pending) return;  // its turn is still to come
        request_state expected{};
        play([&] { expected = model_->look(*caller.expected); },
            [&] { check(state_->look(caller) == expected, "what a caller sees"); });
    }

    void close_for(asker& caller) {
        const bool closes = caller.expected->state == request_state::promised && model_->unclosed() != 0;
        play([&] { model_->close_for(*caller.expected); },
            [&] { check(state_->close_for(caller) == closes, "whether it closes one"); });
    }

    void cancel(asker& caller) {
        play([&] { model_->cancel(*caller.expected); }, [&] { state_->cancel(caller); });
    }

    void end_dial(asker& caller) {
        if (!caller.expected->dials || caller.expected->state == request_state::may_dial) return;
        if (one_in(4)) {
            play([&] { model_->dial_failed(*caller.expected); },
                [&] { state_->dial_failed(caller, nullptr, pool::core::count_dial::yes); });
        } else {
            auto fresh = net_.dial();
            const int id = fresh.id();
            play([&] { model_->dial_succeeded(*caller.expected, id); },
                [&] {
                    state_->dial_succeeded(
                        caller, state_->dialled(caller, [&](const auto&) { return std::move(fresh); }));
                });
        }
    }

    /// The request is over, and its caller takes what it has got.
    void leave(std::size_t number) {
        asker& caller = *askers_[number];
        if (caller.state() == request_state::lent) leases_.emplace_back(*state_, caller.lent());
        ++look_ups_;
        model_->forget(*caller.expected);
        askers_.erase(askers_.begin() + static_cast<std::ptrdiff_t>(number));
    }

    void try_acquire(std::size_t of) {
        std::optional<int> expected;
        lease got;
        ++look_ups_;
        play([&] { model_->try_acquire(of, expected); },
            [&] {
                got = pool_->try_acquire(keys[of]);
                check(static_cast<bool>(got) == expected.has_value() && (!got || got->id() == *expected), "try_acquire");
                if (got) taken_of_ = of;
            });
        if (got) leases_.push_back(std::move(got));
    }

    void take(std::size_t of) {
        std::optional<int> expected;
        std::optional<fake::connection> got;
        ++look_ups_;
        play([&] { model_->take(of, expected); },
            [&] {
                got = pool_->take(keys[of]);
                check(got.has_value() == expected.has_value() && (!got || got->id() == *expected), "take");
                if (got) taken_of_ = of;
            });
        if (got) keep_or_close(std::move(*got));
    }

    void keep_or_close(fake::connection conn) {
        if (one_in(2)) return put(below(keys.size()), std::move(conn));
        is_closing_own_ = true;
        if (!conn.closed()) fake::hang_up(std::move(conn));
        is_closing_own_ = false;
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
        case 0: return void(play([&] { model_->discard(id); }, [&] { ending.discard(); }));
        case 1: {
            std::optional<fake::connection> kept;
            play([&] { model_->detach(id); }, [&] { kept.emplace(ending.detach()); });
            if (pool_) return keep_or_close(std::move(*kept));
            is_closing_own_ = true;
            if (!kept->closed()) fake::hang_up(std::move(*kept));
            is_closing_own_ = false;
            return;
        }
        default: play([&] { model_->give_back(id); }, [&] { ending.give_back(); });
        }
    }

    void change_a_line() {
        const auto open = model_->open_ones();
        if (open.empty()) return;
        const auto& changed = open[below(open.size())];
        fake::line& far = net_[changed.id];
        if (one_in(6)) far.dead = true;
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

    void clear(std::size_t of) {
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
        compare();
    }

    void close() {
        play([&] { model_->close(); }, [&] { (void)pool_->close(); });
    }

    // What is checked.

    /// A caller, as it was before a step.
    struct seen_before {
        const asker* who;
        request_state state;
        bool has_given_up;
    };

    bool has_given_up(const asker& each) const { return each.is_stopped || clock_.now() >= each.deadline(); }

    /// Before each step.
    void look_at_all() {
        before_.clear();
        for (const auto& each : askers_)
            if (each->is_submitted()) before_.push_back({each.get(), each->state(), has_given_up(*each)});
        taken_of_.reset();
    }

    void compare() {
        const pool::stats seen = state_->stats();
        pool::stats expected = model_->stats();
        check(seen == expected, "the figures of the pool");
        for (std::size_t of = 0; of != keys.size(); ++of)
            check(state_->stats(hashed(of)) == model_->stats(of), "the figures of a key");
        for (const auto& each : askers_)
            if (each->is_submitted()) compare(*each);
        check_sums(seen);
        check_bounds(seen);
        check_waiting(seen);
        check_given_up();
        look_at_all();
    }

    void compare(const asker& each) const {
        const model_request& expected = *each.expected;
        check(each.state() == expected.state, "the state of a caller");
        check(each.is_notified() == expected.is_notified, "whether a caller is notified");
        check(each.deliveries + each.is_pending == expected.notifications, "how often a caller is notified");
        if (expected.state == request_state::lent)
            check(each.lent().conn().id() == expected.lent, "the connection of a caller");
        const auto &a = each.seen(), &b = expected.seen;
        if (each.state() > request_state::closed)
            check(a.idle == b.idle && a.lent == b.lent && a.dialing == b.dialing && a.closing == b.closing &&
                      a.waiting == b.waiting,
                "what a refused caller has seen");
    }

    /// C16.
    void check_sums(const pool::stats& all) const {
        std::uint64_t over = look_ups_;
        for (const auto& each : askers_) over += each->is_submitted() && each->state() >= request_state::lent;
        check(all.hits + all.misses == over, "each look-up is a hit or a miss [C16]");
        check(all.puts == all.idle + all.hits + all.evicted + all.expired + all.refused + all.cleared + all.found_closed,
            "what was put is idle, or has left [C16]");
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
        std::vector<waiting_rules<entry_type>::request*> queued;
        for (const auto& each : askers_) {
            const bool has_queue = each->is_submitted() && (is_waiting(each->state()) || each->expected->dials);
            if (has_queue) queued.push_back(each.get());
        }
        if (model_->is_closed()) return;
        if (const char* const broken = waiting_rules<entry_type>{queued}.broken(capacity_, all)) check(false, broken);
    }

    /// Who has given up got nothing in this step, and nobody was passed who has waited for long enough.
    void check_given_up() const {
        using enum request_state;
        for (const auto& [who, state, gave_up] : before_) {
            const request_state now = who->state();
            const bool got = (is_waiting(state) && (now == lent || now == may_dial || now == dialing)) ||
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

    /// Not an assertion of doctest: a million of those take too long, and the pool would catch what they throw in a
    /// close.
    void check(bool holds, const char* what) const {
        if (holds) return;
        std::fprintf(stderr, "%s: seed %llu, step %d\n", what, static_cast<unsigned long long>(seed_), step_);
        std::abort();
    }

    static state_type::hashed hashed(std::size_t of) { return state_type::hashed{keys[of]}; }

    chance luck_;  ///< of the notifications: the pool decides when they ask
    std::uint64_t seed_;
    int step_ = 0;
    int depth_ = 0;  ///< operations that are under way
    pool::manual_clock clock_;
    fake::network net_;
    bounds capacity_;
    std::optional<model> model_;
    std::optional<pool_type> pool_;
    std::shared_ptr<state_type> state_;
    std::vector<std::unique_ptr<asker>> askers_;
    std::vector<lease> leases_;
    std::size_t changed_ = 0;  ///< the key of the connection that changed last; it is used more often
    std::vector<seen_before> before_;
    std::optional<std::size_t> taken_of_;  ///< the key of the connection that try_acquire or take got in this step
    std::size_t most_open_ = 0;
    std::array<std::size_t, keys.size()> most_open_of_{};
    std::uint64_t look_ups_ = 0;  ///< without those of the requests in `askers_`
    int is_trimming_ = 0;         ///< new bounds are set, and not all that exceeds them has gone
    bool is_closing_own_ = false;
    bool is_over_ = false;
    int checked_ = 0;
};

}  // namespace

TEST_CASE("bounded model: many random operations have the results that the model has [C1, C2, C16]") {
    for (std::uint64_t seed = 1; seed <= histories; ++seed) CHECK(history{seed}.run() >= steps);
    MESSAGE("seeds 1 to " << histories << ", " << steps << " operations each");
}
