// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <pool/testing/failure_plan.hpp>
#include <pool/testing/kernel/explain.hpp>
#include <pool/testing/kernel/fiber.hpp>
#include <pool/testing/kernel/logical_thread.hpp>
#include <pool/testing/kernel/sanitizers.hpp>
#include <pool/testing/kernel/schedule.hpp>
#include <pool/testing/kernel/search.hpp>
#include <pool/testing/kernel/strand.hpp>
#include <pool/testing/kernel/watchdog.hpp>
#include <pool/testing/limits.hpp>
#include <pool/testing/scheduler.hpp>

/// @file
/// The threads of a test that is explored: one runs at a time, and is stopped at certain points.

namespace pool::testing {

class scheduled_lock;
class scheduled_condition;
template <class F>
class scheduled_stop_callback;

/// One test that is explored. The test calls its members.
class exploration final : public scheduler {
public:
    /// A logical thread: its name, and what it does.
    struct thread {
        std::string name;            ///< for the text of a schedule
        std::function<void()> body;  ///< an exception that leaves it fails the run
    };

    /// `explore` makes it.
    exploration(std::function<void(exploration&)> test, limits within)
        : test_{std::move(test)},
          within_{std::move(within)} {
        kernel::start_a_thread();
    }
    exploration(const exploration&) = delete;
    exploration& operator=(const exploration&) = delete;
    ~exploration() { abandon_failed(); }

    /// The exploration that runs in the calling thread. Null if there is none, and while it checks an invariant.
    static exploration* running() noexcept {
        const kernel::unwatched own;
        auto* const all = static_cast<exploration*>(scheduler::running());
        return all != nullptr && !all->is_observing_ ? all : nullptr;
    }

    // What a test calls.

    /// Runs each in a logical thread of its own, one at a time, and returns when all have ended. There may be 30, but
    /// the schedules of more than four are too many to be run.
    void run(std::vector<thread> threads) {
        const kernel::unwatched own;
        if (self_->number != 0) fail("run is called by " + self_->name + ", which such a call runs itself");
        if (locks_held_ != 0) fail("run is called with a lock held: no invariant would be looked at");
        if (threads.size() > 30) fail(kernel::count_of(threads.size(), "thread") + ": 30 are the most");
        while (threads_.size() <= threads.size()) add_thread();
        alive_ = threads.size();
        for (std::size_t i = 0; i != threads.size(); ++i) {
            if (threads[i].name.empty()) threads[i].name = "thread " + std::to_string(i + 1);
            thread_of(i + 1).begin(watchdog_.keep(threads[i].name), std::move(threads[i].body));
        }
        are_running_ = alive_ != 0;
        kernel::release(&are_running_);
        go_on({{"waits for the end of all"}, &are_running_});
        kernel::acquire(&are_running_);
        invariants_.clear();  // they may speak of what the test ends next
    }

    /// The same, without a vector of the test's own, which could fail.
    void run(std::initializer_list<thread> threads) { run(kernel::own_vector(threads)); }

    /// `check` is called whenever no lock is held, until `run` returns. It calls `require`. It may lock what it looks
    /// at, and must not wait.
    void invariant(std::function<void()> check) {
        const kernel::unwatched own;
        invariants_.push_back(std::move(check));
    }

    /// This run fails if `holds` is false. `what` says what should hold, and may say what was seen: each of them is
    /// printed, as by `<<`, one after the other.
    template <class... Printed>
    void require(bool holds, const Printed&... what) {
        if (!holds) fail(kernel::printed("this does not hold: ", what...));
    }

    /// A point at which the calling thread may be stopped. `what` says what it does next, and must be a literal, or
    /// outlive the exploration. Call it where threads share something that no lock guards. With the number of an
    /// object, which replaces a `#` in `what`, the thread touches nothing of that kind but this object.
    void at(const char* what, std::int64_t object = anything) override {
        const kernel::unwatched own;
        if (is_observing_) return;
        go_on({{what, object}});
        search_->touch(object == anything ? kernel::footprint::of_world() : kernel::footprint::of_test(object));
        record(self_->number, {what, object});
    }

    void wait_while(const char* what, const bool& blocked) override {
        const kernel::unwatched own;
        if (is_observing_) return;
        go_on({{what}, &blocked});
        touch_world();
        record(self_->number, {what});
    }
    const void* calling_thread() const noexcept override {
        const kernel::unwatched own;
        return self_;
    }
    bool has_lock() const noexcept override { return !is_observing_ && self_->locks != 0; }

    /// Lets time pass on `scheduled_clock`.
    void advance(std::chrono::nanoseconds by) {
        const kernel::unwatched own;
        if (by < by.zero()) fail("a clock is set back, by " + kernel::text_of(-by));
        const kernel::step step{"lets @ pass", by.count()};
        go_on({step});
        now_ += by;
        touch_world();
        record(self_->number, step);
    }

    /// How long the test has run on `scheduled_clock`.
    std::chrono::nanoseconds now() const noexcept {
        const kernel::unwatched own;
        return now_;
    }

    /// How many threads wait for a condition variable, and have not been woken. For an invariant: nobody should sleep
    /// for whom there is something to do, even if its wait would time out.
    std::size_t asleep() const noexcept {
        const kernel::unwatched own;
        std::size_t count = 0;
        for (const auto& each : threads_) count += each->where == state::waiting;
        return count;
    }

    /// Ends this run. Nothing is unwound, so it works in any place. What the run has allocated is never freed.
    [[noreturn]] void fail(std::string_view why) override {
        const kernel::unwatched own;
        if (current() != this) misused(std::string{why} + "\n  in a thread that is none of the exploration");
        failure_ = std::string{why} + kernel::after_a_failure();
        is_observing_ = false;
        kernel::release(&root_);
        root_->take_over(*self_->flow);
        std::abort();  // nobody takes it over again
    }

    // What `explore` calls.

    /// Runs the test once, as a search decides.
    void run_once(kernel::search& by) {
        const kernel::unwatched own;
        abandon_failed();
        search_ = &by;
        if (!root_) root_ = kernel::own_strand(within_.uses_threads);
        if (threads_.empty()) add_thread();
        for (const auto& each : threads_) each->where = state::absent;
        logical_thread& test = *threads_.front();
        test.begin(watchdog_.keep("the test"), nullptr);
        test.next = {};
        self_ = &test;
        alive_ = 0;
        locks_ = conditions_ = locks_held_ = 0;
        spurious_wake_ups_ = early_time_outs_ = 0;
        now_ = {};
        made_.clear();
        invariants_.clear();
        points_ = 0;
        has_learned_ = false;
        search_->begin();
        scheduler* const outer = std::exchange(current(), this);
        kernel::release(&root_);
        test.flow->take_over(*root_);
        kernel::acquire(&root_);
        kernel::acquire(&failure_);  // what stopped threads have done comes before what follows, too
        current() = outer;
        if (!failure_.empty()) return;
        if (!invariants_.empty())
            failure_ = "an invariant is set, and run is not called after that: nothing looks at it";
        else if (search_->next_letter() != kernel::search::no_letter)
            failure_ = "this replay is not of this test: it has ended, and the replay goes on";
        else if (!search_->has_repeated())
            failure_ = "the test does not do the same in each run: the run before went on where this one has ended";
    }

    /// Whether any run has come to a point at which a thread may be stopped. If not, nothing was explored.
    bool has_points() const noexcept { return has_points_; }

    /// Whether any run has taken a lock.
    bool has_locks() const noexcept { return has_locks_; }

    /// Whether the last run has shown for the first time that a thread may also be stopped before it frees a lock:
    /// where somebody only tries to take one. Then the search has to begin anew.
    bool has_learned() const noexcept { return has_learned_; }

    /// Why the last run has failed; empty if it has not.
    const std::string& failure() const noexcept { return failure_; }

    /// How many steps the last run had.
    std::size_t steps() const noexcept { return made_.steps(); }

    /// These steps as text.
    std::string text() const { return kernel::text_of(made_, threads_); }

    std::string last_words() const override { return kernel::last_words_of(made_, threads_, *self_, *search_, known_); }

    /// What a run has found: for `last_words`, if a later run ends the program.
    void know(std::string failure) { known_ = std::move(failure); }

private:
    friend scheduled_lock;
    friend scheduled_condition;
    template <class F>
    friend class scheduled_stop_callback;

    static constexpr auto for_ever = std::chrono::nanoseconds::max();

    using pending = kernel::pending;
    using logical_thread = kernel::logical_thread;
    using state = logical_thread::state;

    // The locks and condition variables call these.

    inline void begin(scheduled_lock& lock) noexcept;
    inline void begin(scheduled_condition& condition) noexcept;
    inline bool has(const scheduled_lock& lock) const noexcept;
    inline void take(scheduled_lock& lock);
    inline void take_free(scheduled_lock& lock, const kernel::step& step);
    inline bool try_take(scheduled_lock& lock);
    inline void let_go(scheduled_lock& lock);
    inline void free(scheduled_lock& lock);
    inline bool wait(scheduled_condition& condition, scheduled_lock& lock, std::chrono::nanoseconds until);
    inline void notify(scheduled_condition& condition, bool all);
    inline bool can_tell_when_notified(const scheduled_condition& condition) const noexcept;
    inline void end(const scheduled_lock& lock);
    inline void end(const scheduled_condition& condition);
    void wake(auto& waiting, const kernel::step& how);  // a template: not all headers of the kit have its end
    inline void begin_callback(bool& is_running, int& caller);
    inline void end_callback(bool& is_running);
    inline void end(const bool& is_running, const int& caller);

    // The threads.

    logical_thread& thread_of(auto number) const { return *threads_[static_cast<std::size_t>(number)]; }

    void add_thread() {
        auto made = std::make_unique<logical_thread>();
        made->number = static_cast<int>(threads_.size());
        made->flow = kernel::new_strand(within_.uses_threads, [this, &me = *made] { live(me); });
        threads_.push_back(std::move(made));
    }

    /// One life of a thread, from its first step to its last. Thread 0 is the test itself.
    void live(logical_thread& me) {
        const armed as_its_caller{me.plan};
        enter();
        kernel::acquire(me.number == 0 ? &root_ : static_cast<void*>(&are_running_));
        const auto body = me.number == 0 ? [this] { test_(*this); } : std::exchange(me.body, nullptr);
        if (const std::string why = kernel::exception_of(body, me.name); !why.empty()) fail(why);
        const kernel::unwatched own;
        kernel::release(me.number == 0 ? &root_ : static_cast<void*>(&are_running_));
        if (me.number == 0) return root_->take_over(*me.flow);
        me.where = state::done;
        are_running_ = --alive_ != 0;
        record(me.number, {"ends"});
        reschedule();
    }

    /// The thread of a strand belongs to this exploration.
    void enter() {
        const kernel::unwatched own;
        current() = this;
    }

    /// The calling thread is about to make a step: others may run before. Returns when it can, and it is its turn.
    void go_on(const pending& next) {
        has_points_ |= alive_ != 0 && self_->number != 0;
        self_->next = next;
        reschedule();
        self_->next = {};
        self_->has_only_taken_locks = false;
    }

    /// Decides what happens next, until that is a step of the calling thread.
    void reschedule() {
        logical_thread& me = *self_;
        for (;;) {
            check_invariants();
            if (made_.steps() > within_.steps || ++points_ > 4 * within_.steps)
                fail(kernel::why_it_does_not_end(within_.steps, early_time_outs_));
            const bool may_time_out = early_time_outs_ < within_.early_time_outs;
            const bool may_wake_up = spurious_wake_ups_ < within_.spurious_wake_ups;
            const int running = kernel::list_options(options_, threads_, *self_, now_, may_time_out, may_wake_up);
            if (options_.empty()) fail(kernel::why_none_can_go_on(threads_, are_running_));
            const kernel::option next = alive_ == 0 ? options_.front() : decide(running);
            logical_thread& chosen = thread_of(next.thread);
            if (next.how == kernel::way::time_out) {
                early_time_outs_ += options_.front().how == kernel::way::run;  // a thread could go on
                now_ = std::max(now_, chosen.until);
                touch_world();
                if (chosen.where == state::waiting) wake(chosen, {"times out, at @", now_.count()});
                else record(chosen.number, {"is late: it is @", now_.count()});
            } else if (next.how == kernel::way::wake_up) {
                ++spurious_wake_ups_;
                touch_world();  // there are only so many of them
                wake(chosen, {"wakes up for no reason"});
            } else {
                watchdog_.note(chosen.known_as, chosen.next.step);
                if (&chosen == &me) return;
                if (running != -1) made_.add_stop(running, me.next.step);
                self_ = &chosen;
                kernel::release(&failure_);
                chosen.flow->take_over(*me.flow);
                return;
            }
        }
    }

    kernel::option decide(int running) {
        const std::size_t which = search_->choose(options_, running, kernel::place_of(threads_));
        if (which == kernel::search::none) fail(kernel::why_none_fits(*search_, options_, threads_));
        search_->touch({kernel::footprint::of_world().written, 0});  // each piece may look at what the kit does not see
        return options_[which];
    }

    void check_invariants() {
        if (invariants_.empty() || locks_held_ != 0) return;
        is_observing_ = true;
        for (const auto& check : invariants_) {
            const std::string why = kernel::exception_of(check, "an invariant");
            if (!why.empty()) fail(why);
        }
        is_observing_ = false;
    }

    void record(int who, const kernel::step& made) {
        if (alive_ != 0 || self_->number != 0) made_.add(who, made);
    }

    void touch(int object) noexcept { search_->touch(kernel::footprint::of_kit(object)); }
    void touch_world() noexcept { search_->touch(kernel::footprint::of_world()); }

    /// The stacks of a failed run refer to each other, and to what the test has made: they stay as they are, for good.
    void abandon_failed() {
        if (failure_.empty()) return;
        failure_.clear();
        kernel::abandon(threads_);
    }

    const std::function<void(exploration&)> test_;
    const limits within_;
    kernel::search* search_ = nullptr;

    std::unique_ptr<kernel::strand> root_;  ///< where `explore` was called
    kernel::logical_threads threads_;       ///< the first is the test itself
    std::vector<kernel::option> options_;
    kernel::watchdog watchdog_{std::chrono::seconds{10}};
    bool has_points_ = false;
    bool has_locks_ = false;
    bool stops_before_freeing_ = false;  ///< since a thread has tried to take a lock
    bool has_learned_ = false;           ///< that, in this run
    std::string known_;

    // Of one run.
    logical_thread* self_ = nullptr;  ///< the one that runs
    std::size_t alive_ = 0;           ///< how many have not ended, besides the test itself
    bool are_running_ = false;
    int locks_ = 0;       ///< that the run has made
    int conditions_ = 0;  ///< that the run has made
    int locks_held_ = 0;
    int spurious_wake_ups_ = 0;
    int early_time_outs_ = 0;
    std::size_t points_ = 0;
    std::chrono::nanoseconds now_{};
    kernel::schedule made_;
    std::vector<std::function<void()>> invariants_;
    bool is_observing_ = false;  ///< while it checks them
    std::string failure_;
};

}  // namespace pool::testing
