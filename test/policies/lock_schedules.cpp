// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <semaphore>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <range/v3/algorithm/all_of.hpp>
#include <range/v3/algorithm/any_of.hpp>
#include <range/v3/algorithm/find.hpp>
#include <range/v3/algorithm/min_element.hpp>

#include <pool/policies/lock.hpp>

#include <support/chance.hpp>

// Threads that contend for an `adaptive_mutex`, of which one at a time runs: before each step of the lock it is chosen who
// goes on. Few threads that are seldom stopped are tried in every way, which is how nearly all mistakes show; more of them
// at random. The rules that every step has to keep are the calls of `fail`.

namespace {

constexpr std::size_t patience = 2;  ///< sleeps before a thread reserves the lock

/// Chooses in every way, one run after the other.
class every_way {
public:
    std::size_t below(std::size_t end) {
        if (at_ == choices_.size()) choices_.push_back({0, end});
        return choices_[at_++].chosen;
    }

    /// Goes on to the next run; false if there is none.
    bool next() {
        at_ = 0;
        while (!choices_.empty() && ++choices_.back().chosen == choices_.back().end) choices_.pop_back();
        return !choices_.empty();
    }

private:
    struct choice {
        std::size_t chosen;
        std::size_t end;
    };

    std::vector<choice> choices_;  ///< so far; at the start of a run those that it repeats
    std::size_t at_ = 0;
};

/// What is chosen from.
struct limits {
    /// How often a thread may be stopped in the middle. One that sleeps, or has the lock, makes way for any other anyhow.
    int stops = 0;

    /// Who is woken runs before the lock is let go again; who lets go of it is not stopped before it has woken whom it has to;
    /// and who has slept longest is woken first.
    bool are_fair = false;

    /// The first thread runs after all others that do not have the lock, but before the one that has it.
    bool is_first_unlucky = false;
};

constexpr int any_number = 1'000'000'000;

class contest;

/// Asks the contest before each step, and tells it what was done. It sleeps as a futex does, which promises less than the
/// standard: a notification may go to one who fell asleep after the change that it is for, and who then sleeps on.
class stepped_atomic {
public:
    constexpr explicit stepped_atomic(unsigned value) noexcept : value_{value} {}

    unsigned load(std::memory_order) const noexcept;
    bool compare_exchange_strong(
        unsigned& seen, unsigned next, std::memory_order order, std::memory_order = std::memory_order_relaxed) noexcept;
    bool compare_exchange_weak(
        unsigned& seen, unsigned next, std::memory_order order, std::memory_order failed) noexcept {
        return compare_exchange_strong(seen, next, order, failed);
    }
    void wait(unsigned old, std::memory_order) const noexcept;
    void notify_one() noexcept;
    void notify_all() noexcept;

private:
    unsigned value_;
};

struct stepped_processor {
    using atomic = stepped_atomic;
    static void pause() noexcept {}
};

using stepped_mutex = pool::core::basic_adaptive_mutex<stepped_processor>;

/// How far a thread is in one run. Time is counted in changes of the lock's state.
struct progress {
    bool is_done = false;
    bool is_asleep = false;
    bool has_lock = false;         ///< up to its release
    bool rests = false;            ///< with the lock
    bool is_owed = false;          ///< was woken after a change that it had not seen when it fell asleep
    std::size_t seen = 0;          ///< when it did its last step
    std::size_t changed = 0;       ///< when it did its last change
    std::memory_order order = {};  ///< that of its last change
    int equal_looks = 0;           ///< at the state as it is

    std::size_t called = 0;                  ///< when it called `lock`
    std::optional<std::size_t> waits_since;  ///< when it was about to sleep for the first time, until it has the lock
    std::size_t sleeps = 0;                  ///< in this call
    std::size_t reserves = 0;                ///< the sleeps that it had behind it when it reserved the lock
    int overtaken = 0;                       ///< by threads that called `lock` when it was waiting already
};

struct contender : progress {
    explicit contender(contest& where, char letter) : home{where}, name{letter} {}

    contest& home;
    char name;
    std::binary_semaphore turn{0};
};

thread_local contender* self = nullptr;

/// The threads, the locks that they contend for, one in each run, and the rules.
class contest {
public:
    using chooser = std::function<std::size_t(std::size_t end)>;

    /// As many threads as there are numbers. In each run each takes the lock so many times.
    contest(const std::vector<int>& rounds, limits within) : limits_{within} {
        char name = 'A';
        for (const int each : rounds) {
            contender& one = all_.emplace_back(*this, name++);
            threads_.emplace_back([this, &one, each] { work(one, each); });
        }
    }

    ~contest() {
        is_over_ = true;
        for (contender& each : all_) each.turn.release();
    }

    /// Whether all rules were kept. If not, it has to be the last run.
    bool run(chooser choose) {
        choose_ = std::move(choose);
        lock_.emplace();
        for (contender& each : all_) static_cast<progress&>(each) = {};
        events_.clear();
        now_ = 0;
        stops_ = limits_.stops;
        choose_next()->turn.release();
        ended_.acquire();
        return !has_failed();
    }

    // Of all runs.
    int reservations() const { return reservations_; }
    int most_overtaken() const { return most_overtaken_; }  ///< how often one was, in one call of `lock`

    /// Which rule was broken, after which steps.
    std::string failure() const {
        std::ostringstream all;
        for (const event& each : events_) all << each.who << ' ' << each.what << ' ' << each.value << '\n';
        all << failure_;
        return all.str();
    }

    // What the lock does, in the thread that does it. After a failure it finds all as it wishes, and so comes to an end.

    bool has_failed() const { return failure_ != nullptr; }

    /// Before each step: another thread may run.
    void step() {
        if (has_failed() || (!self->rests && stops_ == 0)) return;
        contender* const next = choose_next();
        if (next == self) return;
        if (!self->rests) --stops_;
        run_next(*next);
    }

    /// Before each look. What others do before the third in a row that finds the same, they can do before the second.
    void look() {
        if (self->seen != now_) self->equal_looks = 0;
        if (++self->equal_looks <= 2) step();
    }

    void did(const char* what, unsigned value) {
        if (has_failed()) return;
        events_.push_back({self->name, what, value});
        if (events_.size() == 5'000) fail("it does not end");
    }

    void touched() {
        if (std::exchange(self->seen, now_) != now_) self->equal_looks = 0;
        if (self->order == std::memory_order_release) fail("it is touched after its release");
    }

    void changed(std::memory_order order) {
        self->changed = self->seen = ++now_;
        self->order = order;
        self->equal_looks = 0;
        if (order == std::memory_order_release) self->has_lock = false;
    }

    void will_sleep() {
        if (!self->waits_since) self->waits_since = now_;
        if (self->sleeps < patience) return;
        self->reserves = self->sleeps;
        ++reservations_;
    }

    void sleep() {
        self->is_asleep = true;
        self->seen = now_;
        asleep_.push_back(self);
        run_next(*choose_next());
    }

    void wake_one() {
        if (!limits_.are_fair) step();
        did("wakes one of", static_cast<unsigned>(asleep_.size()));
        if (asleep_.empty()) return;
        const auto which = asleep_.begin() + static_cast<std::ptrdiff_t>(limits_.are_fair ? 0 : choose(asleep_.size()));
        wake(**which);
        asleep_.erase(which);
    }

    void wake_all() {
        if (!limits_.are_fair) step();
        did("wakes all of", static_cast<unsigned>(asleep_.size()));
        for (contender* each : asleep_) wake(*each);
        asleep_.clear();
    }

    void fail(const char* rule) {
        if (!has_failed()) failure_ = rule;
    }

private:
    struct event {
        char who;
        const char* what;
        unsigned value;
    };

    void work(contender& me, int rounds) {
        self = &me;
        while (me.turn.acquire(), !is_over_) {
            for (int n = 0; n != rounds; ++n) {
                call();
                lock_->lock();
                got_it();
                me.rests = true;
                step();
                me.rests = false;
                lock_->unlock();
                if (me.has_lock) fail("it is not released");
            }
            me.is_done = true;
            if (contender* const next = choose_next()) next->turn.release();
            else ended_.release();
        }
    }

    void call() {
        self->order = {};
        self->called = now_;
        self->sleeps = 0;
    }

    void got_it() {
        did("has it after sleeps:", static_cast<unsigned>(self->sleeps));
        if (has_failed()) return;
        if (self->order != std::memory_order_acquire) fail("it is not acquired");
        self->waits_since.reset();
        self->overtaken = 0;
        self->reserves = 0;
        for (contender& each : all_) {
            if (each.has_lock) fail("two have it");
            if (self->sleeps < each.reserves) fail("a reservation is overtaken");
            each.reserves = 0;  // until it sleeps again
            if (each.waits_since && *each.waits_since <= self->called) {
                most_overtaken_ = std::max(most_overtaken_, ++each.overtaken);
            }
        }
        self->has_lock = true;
    }

    void wake(contender& sleeper) {
        sleeper.is_asleep = false;
        sleeper.is_owed = sleeper.seen < self->changed;
    }

    std::size_t choose(std::size_t end) { return end == 1 || has_failed() ? 0 : choose_(end); }

    /// Nobody if all are done. The first choice is who runs already.
    contender* choose_next() {
        ready();
        if (ready_.empty() && !ranges::all_of(all_, &contender::is_done)) {
            fail("all sleep");
            ready();
        }
        return ready_.empty() ? nullptr : ready_[choose(ready_.size())];
    }

    void ready() {
        const bool must_wait = limits_.are_fair && ranges::any_of(all_, [](const contender& each) {
            return each.waits_since && !each.is_asleep;
        });
        ready_.clear();
        for (contender& each : all_) {
            const bool stays = each.is_asleep || (each.rests && must_wait);
            if (!each.is_done && (!stays || has_failed())) ready_.push_back(&each);
        }
        if (limits_.is_first_unlucky && !ready_.empty()) {
            const auto rank = [this](const contender* each) { return each->rests ? 2 : each == &all_.front() ? 1 : 0; };
            const int first = rank(*ranges::min_element(ready_, {}, rank));
            std::erase_if(ready_, [&](const contender* each) { return rank(each) != first; });
        }
        const auto me = ranges::find(ready_, self);
        if (me != ready_.end()) std::iter_swap(ready_.begin(), me);
    }

    void run_next(contender& next) {
        if (&next == self) return;
        next.turn.release();
        self->turn.acquire();
    }

    limits limits_;
    chooser choose_;
    std::optional<stepped_mutex> lock_;
    std::deque<contender> all_;
    std::vector<contender*> ready_;
    std::vector<contender*> asleep_;  ///< who has slept longest comes first
    std::vector<event> events_;
    const char* failure_ = nullptr;
    std::size_t now_ = 0;
    int stops_ = 0;  ///< that are left
    int reservations_ = 0;
    int most_overtaken_ = 0;
    bool is_over_ = false;
    std::binary_semaphore ended_{0};
    std::vector<std::jthread> threads_;  ///< end before all else does
};

unsigned stepped_atomic::load(std::memory_order) const noexcept {
    contest& here = self->home;
    here.look();
    here.touched();
    here.did("sees", value_);
    return here.has_failed() ? 0 : value_;
}

bool stepped_atomic::compare_exchange_strong(
    unsigned& seen, unsigned next, std::memory_order order, std::memory_order) noexcept {
    contest& here = self->home;
    here.step();
    here.touched();
    if (here.has_failed()) return true;
    if (value_ != seen) {
        seen = value_;
        here.did("fails to change", value_);
        return false;
    }
    value_ = next;
    here.changed(order);
    here.did("changes it to", value_);
    return true;
}

void stepped_atomic::wait(unsigned old, std::memory_order) const noexcept {
    contest& here = self->home;
    here.will_sleep();
    here.step();
    here.touched();
    self->is_owed = false;
    while (value_ == old && !here.has_failed()) {
        here.did("sleeps at", value_);
        here.sleep();
        if (value_ == old && self->is_owed) here.fail("one who was woken does not see it");
    }
    ++self->sleeps;
}

void stepped_atomic::notify_one() noexcept { self->home.wake_one(); }
void stepped_atomic::notify_all() noexcept { self->home.wake_all(); }

/// All schedules within the limits.
void run_every_way(contest& all) {
    every_way ways;
    int runs = 0;
    do {
        if (++runs == 20'000) FAIL("too many schedules");
        const bool holds = all.run([&](std::size_t end) { return ways.below(end); });
        if (!holds) FAIL(all.failure());
    } while (ways.next());
    MESSAGE(runs << " schedules");
}

/// Some of them.
void run_at_random(contest& all) {
    constexpr std::uint64_t seeds = 100;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        chance random{seed};
        const bool holds = all.run([&](std::size_t end) { return random.below(end); });
        if (!holds) FAIL("seed " << seed << '\n' << all.failure());
    }
    MESSAGE("seeds 1 to " << seeds);
}

}  // namespace

TEST_CASE("adaptive_mutex: two threads keep its rules, wherever they are stopped three times") {
    contest all{{2, 2}, {.stops = 3}};
    run_every_way(all);
}

TEST_CASE("adaptive_mutex: two threads keep its rules, wherever they are stopped while one has reserved it") {
    contest all{{4, 1}, {.stops = 2}};
    run_every_way(all);
    CHECK(all.reservations() > 0);
}

TEST_CASE("adaptive_mutex: three threads keep its rules, wherever one of them is stopped") {
    contest all{{1, 1, 1}, {.stops = 1}};
    run_every_way(all);
}

TEST_CASE("adaptive_mutex: three threads keep its rules, whoever runs while one has reserved it") {
    contest all{{3, 1, 1}, {.stops = 0}};
    run_every_way(all);
    CHECK(all.reservations() > 0);
}

TEST_CASE("adaptive_mutex: four threads keep its rules, wherever they happen to be stopped") {
    contest all{{4, 4, 4, 4}, {.stops = any_number}};
    run_at_random(all);
    CHECK(all.reservations() > 0);
}

TEST_CASE("adaptive_mutex: of two threads, one that is woken in time is overtaken twice") {
    contest all{{6, 1}, {.stops = 1, .are_fair = true}};
    run_every_way(all);
    CHECK(all.most_overtaken() == patience);
}

TEST_CASE("adaptive_mutex: one that is woken in time is overtaken three times by each other thread at most") {
    contest three{{7, 1, 1}, {.stops = 0, .are_fair = true}};
    run_every_way(three);
    CHECK(three.most_overtaken() <= 3 * 2);
    contest four{{9, 9, 9, 9}, {.stops = any_number, .are_fair = true}};
    run_at_random(four);
    CHECK(four.most_overtaken() <= 3 * 3);
}

TEST_CASE("adaptive_mutex: nor is one overtaken more often that is always the last to run") {
    contest unlucky{{1, 20, 20, 20}, {.stops = any_number, .are_fair = true, .is_first_unlucky = true}};
    run_at_random(unlucky);
    CHECK(unlucky.most_overtaken() <= 3 * 3);
}
