// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <testing/small_programs.hpp>

/// @file
/// All that can happen when a small program runs, found in the simplest way: each operation is a step, and after each step
/// any thread may make the next one. It has nothing in common with the kit, which stops threads at some points only, and
/// has no state to go back to.

namespace small_programs {

/// How often something may happen that is not a thread's doing.
struct allowance {
    int spurious_wake_ups = 0;
    int early_time_outs =
        std::numeric_limits<int>::max();  ///< times at which a deadline comes though a thread could go on
};

class reference {
public:
    /// Finds everything, if there are not more than `most` states.
    reference(const program& threads, allowance within, std::size_t most) : threads_{threads}, within_{within} {
        visit(state{threads.size()});
        while (!left_.empty() && known_.size() <= most) {
            const state from = std::move(left_.back());
            left_.pop_back();
            go_on_from(from);
        }
        is_complete = left_.empty();
    }

    bool is_complete = false;
    std::set<std::string> ends;     ///< what was seen, where all have ended
    std::set<std::string> stuck;    ///< the same, where nobody can go on
    std::set<std::string> visible;  ///< what an invariant can see: the states in which no lock is held

private:
    /// Where a thread is in a wait: the others are outside, or in the middle of it.
    enum class wait { none, asleep, woken };

    struct thread_state {
        std::size_t next = 0;
        wait waits = wait::none;
    };

    struct state {
        explicit state(std::size_t count) : threads(count), all{count} {}

        std::vector<thread_state> threads;
        std::array<int, lock_count> owners{};  ///< 0 is nobody
        memory all;
        long now = 0;
        int spurious_wake_ups = 0;
        int early_time_outs = 0;

        std::string text() const {
            std::string text = all.text() + '/' + std::to_string(now) + '/' + std::to_string(spurious_wake_ups) + '/' +
                               std::to_string(early_time_outs);
            for (const thread_state& each : threads)
                text += '/' + std::to_string(each.next) + '.' + std::to_string(static_cast<int>(each.waits));
            for (const int each : owners) text += '/' + std::to_string(each);
            return text;
        }
    };

    void visit(const state& reached) {
        if (!known_.insert(reached.text()).second) return;
        left_.push_back(reached);
        if (reached.owners != std::array<int, lock_count>{}) return;
        const auto is_asleep = [](const thread_state& each) { return each.waits == wait::asleep; };
        const auto asleep = std::count_if(reached.threads.begin(), reached.threads.end(), is_asleep);
        visible.insert(state_text(reached.all, reached.now, static_cast<std::size_t>(asleep)));
    }

    bool has_ended(const state& in, std::size_t i) const { return in.threads[i].next == threads_[i].size(); }
    const operation& next_of(const state& in, std::size_t i) const { return threads_[i][in.threads[i].next]; }

    bool can_go_on(const state& in, std::size_t i) const {
        if (has_ended(in, i)) return false;
        const operation& next = next_of(in, i);
        const auto is_free = [&](int lock) { return in.owners[static_cast<std::size_t>(lock)] == 0; };
        if (in.threads[i].waits == wait::asleep) return false;
        if (in.threads[i].waits == wait::woken) return is_free(next.lock);
        return next.what != act::lock || is_free(next.object);
    }

    void go_on_from(const state& from) {
        bool can_any_go_on = false;
        bool have_all_ended = true;
        const std::size_t known_before = moves_;
        for (std::size_t i = 0; i != threads_.size(); ++i) {
            have_all_ended = have_all_ended && has_ended(from, i);
            if (!can_go_on(from, i)) continue;
            can_any_go_on = true;
            step(from, i);
        }
        for (std::size_t i = 0; i != threads_.size(); ++i) {
            if (!has_ended(from, i) && from.threads[i].waits != wait::none) befall(from, i, can_any_go_on);
        }
        if (moves_ == known_before) (have_all_ended ? ends : stuck).insert(from.all.text());
    }

    void move_to(const state& to) {
        ++moves_;
        visit(to);
    }

    /// What may happen to a thread that waits. While it sleeps, its wait may end for no reason. Its deadline may come while
    /// it sleeps, and also later, before it has its lock again.
    void befall(const state& from, std::size_t i, bool can_any_go_on) {
        const operation& waited = next_of(from, i);
        const bool is_asleep = from.threads[i].waits == wait::asleep;
        if (is_asleep && from.spurious_wake_ups < within_.spurious_wake_ups) {
            state to = from;
            to.threads[i].waits = wait::woken;
            ++to.spurious_wake_ups;
            move_to(to);
        }
        const bool may_come = !can_any_go_on || from.early_time_outs < within_.early_time_outs;
        if (waited.what != act::wait_until || !may_come) return;
        if (!is_asleep && (from.now >= waited.number || !can_any_go_on)) return;  // nothing would change
        state to = from;
        to.threads[i].waits = wait::woken;
        to.now = std::max<long>(to.now, waited.number);
        to.early_time_outs += can_any_go_on;
        move_to(to);
    }

    /// A thread's next operation.
    void step(const state& from, std::size_t i) {
        const operation& next = next_of(from, i);
        const int me = static_cast<int>(i) + 1;
        const auto object = static_cast<std::size_t>(next.object);
        state to = from;
        thread_state& self = to.threads[i];
        switch (next.what) {
        case act::lock:
            to.owners[object] = me;
            break;
        case act::unlock:
            to.owners[object] = 0;
            break;
        case act::try_lock:
            to.all.note(me, to.owners[object] == 0 ? "got" : "not");
            if (to.owners[object] == 0) to.owners[object] = me;
            else self.next += static_cast<std::size_t>(next.number);
            break;
        case act::wait:
        case act::wait_until:
            if (self.waits == wait::none) {
                to.owners[static_cast<std::size_t>(next.lock)] = 0;
                self.waits = wait::asleep;
                return move_to(to);
            }
            to.owners[static_cast<std::size_t>(next.lock)] = me;
            self.waits = wait::none;
            if (next.what == act::wait_until) to.all.note(me, to.now < next.number ? "in-time" : "late");
            break;
        case act::notify_one: {
            ++self.next;
            bool is_anybody_woken = false;
            for_each_asleep(to, next.object, [&](state one, std::size_t who) {
                one.threads[who].waits = wait::woken;
                is_anybody_woken = true;
                move_to(one);
            });
            if (!is_anybody_woken) move_to(to);
            return;
        }
        case act::notify_all:
            for_each_asleep(
                from, next.object, [&](const state&, std::size_t who) { to.threads[who].waits = wait::woken; });
            break;
        case act::write_guarded:
        case act::write_object:
        case act::write_world:
            to.all.write(me, next);
            break;
        case act::read_clock:
            to.all.note(me, "at" + std::to_string(to.now));
            break;
        case act::advance:
            to.now += next.number;
            break;
        }
        ++self.next;
        move_to(to);
    }

    template <class F>
    void for_each_asleep(const state& in, int condition, const F& f) const {
        for (std::size_t i = 0; i != threads_.size(); ++i) {
            if (in.threads[i].waits == wait::asleep && next_of(in, i).object == condition) f(in, i);
        }
    }

    const program& threads_;
    const allowance within_;
    std::set<std::string> known_;
    std::vector<state> left_;
    std::size_t moves_ = 0;
};

}  // namespace small_programs
