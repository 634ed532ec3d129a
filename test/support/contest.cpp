// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <sstream>
#include <utility>

#include <range/v3/algorithm/all_of.hpp>
#include <range/v3/algorithm/any_of.hpp>
#include <range/v3/algorithm/find.hpp>
#include <range/v3/algorithm/min_element.hpp>

#include <support/contest.hpp>

namespace schedules {

namespace {

thread_local contender* self = nullptr;

}  // namespace

contest::contest(const std::vector<int>& rounds, limits within) : limits_{within} {
    char name = 'A';
    for (const int each : rounds) {
        contender& one = all_.emplace_back(*this, name++);
        threads_.emplace_back([this, &one, each] { work(one, each); });
    }
}

contest::~contest() {
    is_over_ = true;
    for (contender& each : all_) each.turn.release();
}

bool contest::run(chooser choose) {
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

std::string contest::failure() const {
    std::ostringstream all;
    for (const event& each : events_) all << each.who << ' ' << each.what << ' ' << each.value << '\n';
    all << failure_;
    return all.str();
}

void contest::step() {
    if (has_failed() || (!self->rests && stops_ == 0)) return;
    contender* const next = choose_next();
    if (next == self) return;
    if (!self->rests) --stops_;
    run_next(*next);
}

void contest::look() {
    if (self->seen != now_) self->equal_looks = 0;
    if (++self->equal_looks <= 2) step();
}

void contest::did(const char* what, unsigned value) {
    if (has_failed()) return;
    events_.push_back({self->name, what, value});
    if (events_.size() == 5'000) fail("it does not end");
}

void contest::touched() {
    if (std::exchange(self->seen, now_) != now_) self->equal_looks = 0;
    if (self->order == std::memory_order_release) fail("it is touched after its release");
}

void contest::changed(std::memory_order order) {
    self->changed = self->seen = ++now_;
    self->order = order;
    self->equal_looks = 0;
    if (order == std::memory_order_release) self->has_lock = false;
}

void contest::will_sleep() {
    if (!self->waits_since) self->waits_since = now_;
    if (self->sleeps < patience) return;
    self->reserves = self->sleeps;
    ++reservations_;
}

void contest::sleep() {
    self->is_asleep = true;
    self->seen = now_;
    asleep_.push_back(self);
    run_next(*choose_next());
}

void contest::wake_one() {
    if (!limits_.are_fair) step();
    did("wakes one of", static_cast<unsigned>(asleep_.size()));
    if (asleep_.empty()) return;
    const auto which = asleep_.begin() + static_cast<std::ptrdiff_t>(limits_.are_fair ? 0 : choose(asleep_.size()));
    wake(**which);
    asleep_.erase(which);
}

void contest::wake_all() {
    if (!limits_.are_fair) step();
    did("wakes all of", static_cast<unsigned>(asleep_.size()));
    for (contender* each : asleep_) wake(*each);
    asleep_.clear();
}

void contest::work(contender& me, int rounds) {
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

void contest::call() {
    self->order = {};
    self->called = now_;
    self->sleeps = 0;
}

void contest::got_it() {
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

void contest::wake(contender& sleeper) {
    sleeper.is_asleep = false;
    sleeper.is_owed = sleeper.seen < self->changed;
}

contender* contest::choose_next() {
    ready();
    if (ready_.empty() && !ranges::all_of(all_, &contender::is_done)) {
        fail("all sleep");
        ready();
    }
    return ready_.empty() ? nullptr : ready_[choose(ready_.size())];
}

void contest::ready() {
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

void contest::run_next(contender& next) {
    if (&next == self) return;
    next.turn.release();
    self->turn.acquire();
}

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

}  // namespace schedules
