// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <range/v3/algorithm/any_of.hpp>
#include <range/v3/algorithm/count_if.hpp>
#include <range/v3/algorithm/find.hpp>
#include <range/v3/algorithm/find_if.hpp>
#include <range/v3/algorithm/sort.hpp>

#include <pool/basic_pool.hpp>

#include <support/chance.hpp>
#include <support/fake.hpp>

// Random operations on a pool that bounds what is open, and on a model of it, which is vectors and linear scans. Callers
// who wait are requests without a thread, so one thread plays them all; what every one of them has got is compared after
// every operation, and so are the order of the closes and all figures.

using namespace std::chrono_literals;

namespace {

using key = std::string;
using ids = std::vector<int>;
using bounds = pool::bounded_open;
using pool::core::request_state;
using pool_type =
    pool::basic_pool<key, fake::connection, bounds, pool::after_idle, pool::null_mutex, pool::manual_clock>;
using state = pool::core::pool_access::state_of<pool_type>;
using time_point = pool_type::time_point;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)  // slower by far
constexpr std::uint64_t histories = 4;
#else
constexpr std::uint64_t histories = 40;
#endif
constexpr int steps = 20'000;  ///< in each history

const std::array<key, 4> keys{"a", "b", "c", "a key that is longer than the buffer of a short string"};

/// A caller in the pool. Where it stands is the pool's to say.
struct asker final : state::request {
    explicit asker(bool blocked) : request{blocked} {}

    void notified() noexcept override { is_told = true; }

    bool is_told = false;
};

/// The same caller in the model.
struct asked {
    key of;
    bool blocked = false;
    request_state stands = request_state::waiting;
    int lent = 0;
    bool dials = false;      ///< holds a permit, whether or not it still needs it
    bool may_begin = false;  ///< and has not begun

    bool waits() const { return stands == request_state::waiting; }
    bool takes() const { return waits() || (stands == request_state::dialing && !blocked); }
    bool is_over() const { return stands > request_state::dialing && !dials; }
};

class model {
public:
    struct entry {
        int id;
        key of;
        time_point due;
    };

    model(bounds capacity, pool::after_idle ttl, fake::network& net, const pool::manual_clock& now)
        : capacity_{capacity}, ttl_{ttl}, net_{net}, clock_{now} {}

    // Each of these is one step of the pool: it ends with `end_step`.

    std::optional<int> lend(const key& of) {
        serve();
        const auto found = is_wanted(of) ? std::nullopt : reuse(of);
        figures.misses += !found;
        end_step();
        return found;
    }

    std::optional<int> take(const key& of) {
        serve();
        const auto found = is_wanted(of) ? std::nullopt : reuse(of);
        figures.misses += !found;
        if (found) lent_.erase(ranges::find(lent_, *found, &entry::id));
        end_step();
        return found;
    }

    void give_back(int id) {
        if (net_[id].dead || is_closed || is_full(of_lent(id).of)) refuse(id);
        else keep(id);
        end_step();
    }

    void discard(int id) {
        lent_.erase(ranges::find(lent_, id, &entry::id));
        ++figures.discarded;
        retired_.push_back(id);
        end_step();
    }

    void put(int id, const key& of) {
        lent_.push_back({id, of, {}});
        if (net_[id].dead || is_closed || is_full(of)) refuse(id);
        else keep(id);
        end_step();
    }

    void ask(const key& of, bool blocked) {
        const bool others = is_wanted(of);
        asked& caller = callers.emplace_back(asked{.of = of, .blocked = blocked, .stands = request_state::failed});
        if (is_closed) {
            settle(caller, request_state::closed);
        } else if (const auto found = others ? std::nullopt : reuse(of)) {
            caller.stands = request_state::lent;
            caller.lent = *found;
        } else {
            caller.stands = request_state::waiting;
            serve();
            const auto waiting = static_cast<std::size_t>(ranges::count_if(callers, &asked::waits));
            if (caller.waits() && left(waiting, retired_.size()) > capacity_.max_waiting()) settle(caller, request_state::queue_full);
        }
        end_step();
    }

    void withdraw(asked& caller) {
        if (caller.takes()) settle(caller, request_state::cancelled);
        end_step();
    }

    request_state look(asked& caller) {
        const request_state seen = caller.stands;
        caller.may_begin = false;
        end_step();
        return seen;
    }

    void opened(asked& caller, int id) {
        ++figures.dials;
        caller.dials = false;
        if (is_closed) {
            retired_.push_back(id);
            if (caller.stands == request_state::dialing) settle(caller, request_state::closed);
        } else {
            lent_.push_back({id, caller.of, {}});
            if (caller.stands == request_state::dialing) {
                caller.stands = request_state::waiting;
                const auto taker = ranges::find_if(callers, [&](const asked& c) { return c.takes() && c.of == caller.of; });
                settle(*taker, request_state::lent);
                taker->lent = id;
            } else if (is_full(caller.of)) {
                refuse(id);
            } else {
                keep(id);
            }
        }
        end_step();
    }

    void dial_failed(asked& caller) {
        ++figures.failed_dials;
        caller.dials = false;
        if (caller.stands == request_state::dialing) settle(caller, request_state::failed);
        end_step();
    }

    void expire() {
        auto due = idle_;
        std::erase_if(due, [&](const entry& e) { return e.due > clock_.now(); });
        ranges::sort(due, {}, &entry::due);
        for (const entry& each : due) retire(each.id, figures.expired);
        end_step();
    }

    void clear(const std::optional<key>& of) {
        for (const entry& each : std::vector{idle_})
            if (!of || each.of == *of) retire(each.id, figures.cleared);
        end_step();
    }

    void reconfigure(bounds capacity) {
        capacity_ = capacity;
        const std::size_t total = std::min(capacity_.max_idle(), left(capacity_.max_open(), lent_.size() + dialing()));
        for (const entry& each : std::vector{idle_}) {
            const std::size_t busy = count(lent_, each.of) + dialing(each.of);
            const std::size_t bound = std::min(capacity_.max_idle_for(each.of), left(capacity_.max_open_for(each.of), busy));
            if (count(idle_, each.of) > bound) retire(each.id, figures.evicted);
        }
        while (idle_.size() > total) retire(idle_.front().id, figures.evicted);
        end_step();
    }

    void close() {
        is_closed = true;
        for (const entry& each : std::vector{idle_}) retire(each.id, figures.cleared);
        for (asked& each : callers)
            if (each.takes()) settle(each, request_state::closed);
        end_step();
    }

    pool::stats stats() const {
        pool::stats all = figures;
        all.idle = idle_.size();
        all.lent = lent_.size();
        all.dialing = dialing();
        all.waiting = static_cast<std::size_t>(ranges::count_if(callers, &asked::waits));
        all.keys = static_cast<std::size_t>(ranges::count_if(
            keys, [this](const key& of) { return count(idle_, of) + count(lent_, of) != 0; }));
        return all;
    }

    pool::key_stats stats(const key& of) const {
        return {count(idle_, of), count(lent_, of), dialing(of), waiting(of)};
    }

    ids closed() { return std::exchange(closed_, {}); }

    std::vector<entry> open_ones() const {
        std::vector<entry> all = idle_;
        all.insert(all.end(), lent_.begin(), lent_.end());
        return all;
    }

    bool is_closed = false;
    pool::stats figures;         ///< but for what is idle, lent, and so on
    std::vector<asked> callers;  ///< in the order they came

private:
    /// Who waits is served by age, and of each key only the oldest of a kind is looked at: of those who wait, and of those
    /// whose dial is under way and does not block them.
    void serve() {
        std::size_t reserved = 0;
        for (auto caller = callers.begin(); caller != callers.end(); ++caller) {
            if (!caller->takes()) continue;
            const bool behind = std::any_of(callers.begin(), caller, [&](const asked& older) {
                return older.takes() && older.of == caller->of && older.stands == caller->stands;
            });
            if (behind) continue;
            const bool full = open() >= capacity_.max_open();
            if (full && idle_.empty()) return;
            if (const auto found = reuse(caller->of)) {
                caller->stands = request_state::lent;
                caller->lent = *found;
                if (gave_up_permit(*caller)) return serve();
            } else if (caller->waits() && !full && room_for(caller->of, waiting(caller->of)) != 0) {
                caller->stands = request_state::dialing;
                caller->dials = true;
                caller->may_begin = !caller->blocked;
            } else if (caller->waits() && full && waiting(caller->of) > spare(caller->of)) {
                reserved += room_for(caller->of, waiting(caller->of) - spare(caller->of));
                const std::size_t excess = open() - capacity_.max_open();
                while (retired_.size() < reserved + excess && make_room(caller->of)) {}
            }
        }
    }

    /// What was retired is closed, which frees permits, for which others may have to be closed.
    void end_step() {
        serve();
        while (!retired_.empty()) {
            for (const int id : retired_)
                if (!net_[id].dead) closed_.push_back(id);
            retired_.clear();
            serve();
        }
    }

    std::size_t room_for(const key& of, std::size_t needed) const {
        return std::min(
            {needed, left(capacity_.max_dials_for(of), dialing(of)), left(capacity_.max_open_for(of), open(of))});
    }

    std::size_t waiting(const key& of) const {
        return static_cast<std::size_t>(
            ranges::count_if(callers, [&](const asked& c) { return c.of == of && c.waits(); }));
    }

    /// Dials under way whose own caller needs nothing any more.
    std::size_t spare(const key& of) const {
        return static_cast<std::size_t>(ranges::count_if(
            callers, [&](const asked& c) { return c.of == of && c.dials && c.stands != request_state::dialing; }));
    }

    /// What has a permit, and has not begun to dial, does not need it any more.
    static bool gave_up_permit(asked& caller) {
        if (!std::exchange(caller.may_begin, false)) return false;
        caller.dials = false;
        return true;
    }

    static std::size_t left(std::size_t bound, std::size_t used) { return bound > used ? bound - used : 0; }

    bool make_room(const key& of) {
        const auto other = ranges::find_if(idle_, [&](const entry& e) { return e.of != of; });
        if (other == idle_.end()) return false;
        retire(other->id, figures.evicted);
        return true;
    }

    std::optional<int> reuse(const key& of) {
        for (const entry& each : std::vector{idle_}) {
            if (each.of != of) continue;
            if (each.due <= clock_.now()) {
                retire(each.id, figures.expired);
            } else if (net_[each.id].dead) {
                retire(each.id, figures.found_closed);
            } else if (!net_[each.id].blocked) {
                idle_.erase(ranges::find(idle_, each.id, &entry::id));
                lent_.push_back({each.id, of, {}});
                ++figures.hits;
                return each.id;
            }
        }
        return std::nullopt;
    }

    /// A lent one becomes idle.
    void keep(int id) {
        ++figures.puts;
        const key of = of_lent(id).of;
        const time_point due = ttl_.expires_at(clock_.now());
        const bool alone = ranges::count_if(callers, &asked::waits) == 0 && dialing() == 0;
        const bool no_room = alone && (capacity_.max_idle() == 0 || capacity_.max_idle_for(of) == 0);
        lent_.erase(ranges::find(lent_, id, &entry::id));
        if (no_room || due <= clock_.now()) {
            ++(no_room ? figures.refused : figures.expired);
            return retired_.push_back(id);
        }
        idle_.push_back({id, of, due});
        serve();
        while (count(idle_, of) > capacity_.max_idle_for(of))
            retire(ranges::find(idle_, of, &entry::of)->id, figures.evicted);
        while (idle_.size() > capacity_.max_idle()) retire(idle_.front().id, figures.evicted);
    }

    void refuse(int id) {
        lent_.erase(ranges::find(lent_, id, &entry::id));
        ++figures.puts;
        ++figures.refused;
        retired_.push_back(id);
    }

    void settle(asked& caller, request_state outcome) {
        gave_up_permit(caller);
        caller.stands = outcome;
        ++figures.misses;
    }

    void retire(int id, std::uint64_t& reason) {
        idle_.erase(ranges::find(idle_, id, &entry::id));
        ++reason;
        retired_.push_back(id);
    }

    const entry& of_lent(int id) const { return *ranges::find(lent_, id, &entry::id); }

    bool is_wanted(const key& of) const {
        return ranges::any_of(callers, [&](const asked& c) { return c.takes() && c.of == of; });
    }

    static std::size_t count(const std::vector<entry>& entries, const key& of) {
        return static_cast<std::size_t>(ranges::count_if(entries, [&](const entry& e) { return e.of == of; }));
    }
    std::size_t dialing() const { return static_cast<std::size_t>(ranges::count_if(callers, &asked::dials)); }
    std::size_t dialing(const key& of) const {
        return static_cast<std::size_t>(ranges::count_if(callers, [&](const asked& c) { return c.dials && c.of == of; }));
    }
    std::size_t open() const { return idle_.size() + lent_.size() + dialing() + retired_.size(); }
    std::size_t open(const key& of) const { return count(idle_, of) + count(lent_, of) + dialing(of); }
    bool is_full(const key& of) const {
        return open() - retired_.size() > capacity_.max_open() || open(of) > capacity_.max_open_for(of);
    }

    bounds capacity_;
    pool::after_idle ttl_;
    fake::network& net_;
    const pool::manual_clock& clock_;
    std::vector<entry> idle_;  ///< in the order they were given back
    std::vector<entry> lent_;
    ids retired_;  ///< in this step
    ids closed_;
};

/// A pool and its model, which take the same steps.
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
        withdraw(number);
        if (model_->callers[number].dials && !model_->callers[number].may_begin) end_dial(number);
        look(number);
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
            return ask(of);
        case 4:
        case 5:
        case 6:
            if (!leases_.empty()) end_lease(any_out_of(leases_), one_in(8));
            return;
        case 7:
        case 8:
        case 9:
            if (there) look(number);
            return;
        case 10:
        case 11:
            if (there && model_->callers[number].dials && !model_->callers[number].may_begin) end_dial(number);
            return;
        case 12:
            if (there && one_in(3)) withdraw(number);
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

    /// What an operation returns is how many it has closed itself, without those that made room for others after it.
    template <class Operation>
    void check_count(const Operation& operation, std::uint64_t pool::stats::* figure) {
        const std::uint64_t before = pool_->stats().*figure;
        const std::size_t count = operation();
        check(pool_->stats().*figure - before == count, "how many");
    }

    void ask(const key& of) {
        if (askers_.size() > 12) return;
        const bool blocked = one_in(2);
        askers_.push_back(std::make_unique<asker>(blocked));
        model_->ask(of, blocked);
        pool::core::pool_access::state(*pool_)->submit(*askers_.back(), state::hashed{of}, [] {});
    }

    /// A caller looks what it has been told, and goes when it is over.
    void look(std::size_t number) {
        asker& caller = *askers_[number];
        asked& expected = model_->callers[number];
        if (!expected.blocked && std::exchange(caller.is_told, false)) {
            const request_state seen = model_->look(expected);
            check(pool::core::pool_access::state(*pool_)->poll(caller) == seen, "look");
        }
        if (!expected.is_over() || (!expected.blocked && caller.is_told)) return;
        if (caller.state() == request_state::lent)
            leases_.push_back(pool_type::lease_type{*pool::core::pool_access::state(*pool_), caller.lent()});
        askers_.erase(askers_.begin() + static_cast<std::ptrdiff_t>(number));
        model_->callers.erase(model_->callers.begin() + static_cast<std::ptrdiff_t>(number));
    }

    void end_dial(std::size_t number) {
        asked& expected = model_->callers[number];
        if (one_in(4)) {
            model_->dial_failed(expected);
            pool::core::pool_access::state(*pool_)->dial_failed(*askers_[number], nullptr, pool::core::count_dial::yes);
        } else {
            auto& fresh = pool::core::pool_access::state(*pool_)->make_entry_with(
                askers_[number]->hashed(), [this](const key&) { return net_.dial(); });
            model_->opened(expected, net_.dials());
            pool::core::pool_access::state(*pool_)->dial_succeeded(*askers_[number], fresh);
        }
    }

    void withdraw(std::size_t number) {
        model_->withdraw(model_->callers[number]);
        pool::core::pool_access::state(*pool_)->cancel(*askers_[number]);
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
        seen.skipped_blocked = 0;  // how often it has looked
        check(seen == model_->stats(), "the figures of the pool");
        for (const key& of : keys) {
            check(pool_->stats(of) == model_->stats(of), "the figures of a key");
            check(!is_forgotten(of, seen), "nobody waits who could be helped");
        }
        for (std::size_t number = 0; number < askers_.size(); ++number) {
            const asked& expected = model_->callers[number];
            check(askers_[number]->state() == expected.stands, "where a caller stands");
            if (expected.stands == request_state::lent)
                check(askers_[number]->lent().conn().id() == expected.lent, "what a caller has got");
        }
    }

    /// Whether somebody waits for a key although there is a permit for it, or room could be made. This does not ask the
    /// model, which could have the same mistake.
    bool is_forgotten(const key& of, const pool::stats& all) const {
        const pool::key_stats held = pool_->stats(of);
        const std::size_t open = all.idle + all.lent + all.dialing;
        const bool may_open = held.dialing < capacity_.max_dials_for(of) &&
                              held.idle + held.lent + held.dialing < capacity_.max_open_for(of);
        if (held.waiting == 0 || !may_open) return false;
        if (open < capacity_.max_open()) return true;
        return held.waiting > held.dialing && all.idle > held.idle && open == capacity_.max_open();
    }

    /// An assertion of its own, because a million of doctest's take too long.
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
    key changed_ = keys.front();  ///< of the connection that has changed last: it is asked for more often
};

}  // namespace

TEST_CASE("bounded model: many random operations have the results that the model has") {
    for (std::uint64_t seed = 1; seed <= histories; ++seed) CHECK(history{seed}.run() == steps);
    MESSAGE("seeds 1 to " << histories << ", " << steps << " operations each");
}
