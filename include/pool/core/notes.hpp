// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <pool/call_site.hpp>
#include <pool/connection_state.hpp>
#include <pool/core/close_end.hpp>
#include <pool/core/ghost_feed.hpp>
#include <pool/core/trace.hpp>
#include <pool/core/what.hpp>
#include <pool/event.hpp>
#include <pool/histogram.hpp>
#include <pool/retirement.hpp>

/// @file
/// The notes that a pool takes of its connections, if it traces its leases, has an observer, or counts how long things take.

namespace pool::core {

/// The notes of all entries of a store, and the events that its observer has not been told. A store has notes only if the
/// settings of its pool ask for them. All functions but `tell` and `now` are called under the lock. None is inlined:
/// their code stays out of the hot paths of pools that take no notes.
///
/// An event keeps the group of its key alive, for the key: `release` has to be called for each after it was told.
template <class Entry>
class notes {
    using group = typename Entry::group;
    using duration = std::chrono::nanoseconds;
    using time_point = typename Entry::parts::time_point;

public:
    using clock = std::function<duration()>;  ///< says the time
    /// Says why an entry that is given back at a time expires at another one.
    using expiry_reason = std::function<retirement(const Entry&, time_point, time_point)>;

    /// One event, and what it refers to.
    struct untold {
        event what;        ///< without key and error
        group* of;         ///< that of its key
        kept_error error;  ///< its error, if there is one
    };
    using untold_events = std::vector<untold>;  ///< in the order in which they have happened

    /// If so many events wait to be told, because the observer is slow, further ones are lost.
    static constexpr std::size_t most_untold = 16'384;

    /// Of no entry. `counts_times` is whether there are histograms; `pool` is a name that lives longer.
    notes(clock now, event_observer observer, bool counts_times, expiry_reason reason, std::string_view pool)
        : now_{std::move(now)},
          observer_{std::move(observer)},
          reason_{std::move(reason)},
          pool_{pool},
          times_{counts_times ? std::make_unique<pool::histograms>() : nullptr} {}

    /// In the child of a fork: others with the same parts, of no entry.
    notes(const notes& other, std::string_view pool)
        : notes{other.now_, other.observer_, other.times_ != nullptr, other.reason_, pool} {
        ghosts = other.ghosts.anew();
    }

    ghost_feed<Entry> ghosts;  ///< the pools that are simulated beside this one, if the settings ask for them

    duration now() const { return now_(); }  ///< the time

    // The life of a connection.

    /// An entry is made: its dial begins. Strong guarantee.
    [[gnu::cold]] void begin(const Entry& e) {
        all_[&e].began = now_();
    }

    /// Its dial is for a caller that has found nothing, or takes nothing that is idle.
    [[gnu::cold]] void missed(const Entry& e, bool wants_fresh) noexcept {
        if (trace* const its = find(e)) ghosts.missed(e, its->ghosts, wants_fresh, now_);
    }

    /// Its dial begins again.
    [[gnu::cold]] void began_again(const Entry& e) noexcept {
        if (trace* const its = find(e)) *its = {.began = now_(), .ghosts = its->ghosts};
    }

    /// Its dial has succeeded.
    [[gnu::cold]] void dialled(const Entry& e) noexcept {
        change(e, [&](trace& its, event& what) {
            its.opened = what.at;
            what.kind = event_kind::opened;
            what.took = what.at - its.began;
            count(&histograms::dial, what.took);
        });
    }

    /// Its dial has failed.
    [[gnu::cold]] void dial_failed(const Entry& e, kept_error why) noexcept {
        change(e, [&](trace& its, event& what) {
            what.kind = event_kind::dial_failed;
            what.took = what.at - its.began;
        }, std::move(why));
    }

    /// It is open, by whatever means.
    [[gnu::cold]] void opened(const Entry& e) noexcept {
        trace* const its = find(e);
        if (its != nullptr && !its->opened) its->opened = now_();
    }

    /// How long the caller has waited that is lent the next connection, and how it came.
    [[gnu::cold]] void next_has_waited(duration time, const comer& caller = {}) noexcept {
        next_waited_ = time;
        ghosts.next_came(caller);
    }

    /// It is lent to that caller, if its check goes well.
    [[gnu::cold]] void is_checked(const Entry& e) noexcept {
        trace* const its = find(e);
        if (its == nullptr) return;
        its->waited = next_waited_;
        ghosts.lent_idle(e, its->ghosts, now_);
    }

    /// The same, without a check.
    [[gnu::noinline]] void lent_unchecked(const Entry& e) noexcept {
        lend(e, true, next_waited_, [&](trace& its) { ghosts.lent_idle(e, its.ghosts, now_); });
    }

    /// That caller gets it.
    [[gnu::noinline]] void lent_checked(const Entry& e) noexcept {
        if (trace* const its = find(e)) lend(e, true, its->waited, [](trace&) {});
    }

    /// A caller gets it for whom it was dialled, after it has waited for so long.
    [[gnu::noinline]] void lent_fresh(const Entry& e, duration waited, const comer& caller) noexcept {
        lend(e, false, waited, [&](trace& its) { ghosts.lent_fresh(e, its.ghosts, caller, its.began, now_); });
    }

    /// The call that has got it.
    [[gnu::cold]] void lent_by(const Entry& e, const call_site& where) noexcept {
        if (trace* const its = find(e)) its->where = where;
    }

    /// Its caller has given it back, and its reset begins.
    [[gnu::cold]] void used(const Entry& e) noexcept {
        trace* const its = find(e);
        if (its != nullptr) end_use(*its, now_());
    }

    /// It has come in: from its caller, who may not have used it, or from nobody.
    [[gnu::cold]] void came_in(const Entry& e, bool is_unused) noexcept {
        change(e, [&](trace& its, event& what) { come_in(e, its, what, is_unused); });
    }

    /// It came in, and is idle. If it is unused, it is as old as when it was idle before. `since` and `at` are the times
    /// that the store was told.
    [[gnu::noinline]] void idle(const Entry& e, bool is_unused, time_point since, time_point at) noexcept {
        change(e, [&](trace& its, event& what) {
            const bool was_lent = its.lent_since.has_value();
            come_in(e, its, what, is_unused);
            ghosts.idle(e, its.ghosts, its.number, was_lent, now_);
            if (!(is_unused && its.idle_since)) its.idle_since = what.at;
            if (!reason_) return;
            const retirement why = reason_(e, since, at);
            const bool is_known = why != retirement::expired && why != retirement::expired_own;
            if (!is_unused || is_known) its.expires_by = why;  // else it is the time that it had
        });
    }

    /// It is to expire at a time.
    [[gnu::cold]] void expires(const Entry& e, time_point since, time_point at) noexcept {
        trace* const its = find(e);
        if (its != nullptr && reason_) its->expires_by = reason_(e, since, at);
    }

    /// Its keep-alive has gone well.
    [[gnu::cold]] void kept_alive(const Entry& e) noexcept {
        change(e, [&](trace&, event& what) { what.kind = event_kind::kept_alive; });
    }

    /// It leaves the pool, from where it `was`.
    [[gnu::cold]] void retired(const Entry& e, retirement why, connection_state was) noexcept {
        change(e, [&](trace& its, event& what) {
            what.kind = event_kind::retired;
            what.why = why == retirement::expired ? its.expires_by : why;
            what.was = was;
            if (why != retirement::taken) {  // its caller goes on with it
                ghosts.held(e, its, what.at);
                if (its.lent_since) what.took = end_use(its, what.at);
            }
            its.lent_since.reset();
            its.used_until.reset();
            its.idle_since.reset();
            ghosts.retired(e, its.ghosts, its.number, what.why, was, what.at);
        });
    }

    /// It is closed.
    [[gnu::cold]] void closed(const Entry& e, const close_end& end) noexcept {
        change(e, [&](trace&, event& what) { tell_of(end, what); }, end.why);
        count(&histograms::close, end.took);
    }

    /// There is no such entry any more.
    [[gnu::cold]] void end(const Entry& e) noexcept {
        if (trace* const its = find(e)) ghosts.ended(e, its->ghosts, now_);
        all_.erase(&e);
    }

    // The wait of a caller that asks for a connection of a group.

    /// A caller has to wait, or is refused after so long. `why` lives for ever.
    [[gnu::cold]] void waiting(event_kind kind, group& of, duration waited = {}, std::string_view why = {}) noexcept {
        add({.kind = kind, .at = now_(), .took = waited, .error = why}, of, nullptr);
    }

    /// The bounds have changed: the simulated pools begin anew. O(n).
    [[gnu::cold]] void bounds_changed() noexcept {
        ghosts.begin_anew([this](const auto& changed) {
            for (auto& each : all_) each.second.ghosts = changed(each.second.ghosts);
        });
    }

    // The notes that were taken.

    /// Makes room for so many entries.
    void reserve(std::size_t count) { all_.reserve(count); }

    /// The trace of an entry; an empty one if there is none.
    trace of(const Entry& e) const {
        const auto found = all_.find(&e);
        return found != all_.end() ? found->second : trace{};
    }

    bool has_observer() const noexcept { return bool(observer_); }           ///< somebody is told of events
    const pool::histograms* times() const noexcept { return times_.get(); }  ///< nullptr if none are counted

    std::uint64_t lost() const noexcept { return lost_; }      ///< events that the observer was never told
    std::uint64_t failed() const noexcept { return failed_; }  ///< calls of the observer that threw

    // Telling.

    bool has_events() const noexcept { return !untold_.empty(); }  ///< whether there is something to tell

    /// Whether somebody has to begin to tell: there is something to tell, and nobody does. Then nobody else begins before
    /// `next_to_tell` returns nothing.
    bool begin_to_tell() noexcept {
        if (untold_.empty() || is_telling_) return false;
        is_telling_ = true;
        return true;
    }
    bool is_telling() const noexcept { return is_telling_; }  ///< somebody does

    /// Releases groups of events that were told, `most` at most: calls `release(group)` for each. Returns whether these were
    /// all.
    template <class Release>
    static bool release(untold_events& events, std::size_t most, const Release& release) noexcept {
        for (; !events.empty() && most != 0; --most) {
            release(*events.back().of);
            events.pop_back();
        }
        return events.empty();
    }

    /// Exchanges events that were told, and released, for the next ones, unless there are none, or others are to tell them.
    /// `failed` is how many calls of the observer have thrown.
    void next_to_tell(untold_events& events, std::size_t failed, bool goes_on) noexcept {
        failed_ += failed;
        is_telling_ = goes_on && !untold_.empty();
        if (!goes_on) return;
        if (is_telling_ || events.capacity() > untold_.capacity()) events.swap(untold_);  // its memory is used again
    }

    /// Tells the observer, without the lock. Returns how many of its calls threw.
    std::size_t tell(untold_events& events) const noexcept {
        std::size_t failed = 0;
        for (untold& each : events) {
            if (observer_is_gone_) break;
            each.what.pool = pool_;
            each.what.key = event_key{each.of->key};
            if (each.error) each.what.error = *each.error;
            try {
                observer_(each.what);
            } catch (...) {
                ++failed;
            }
            each.error.reset();
        }
        return failed;
    }

    /// From now on, there are no events: the pool is destroyed. Returns those that there are, to release them.
    untold_events fall_silent() noexcept {
        observer_is_gone_ = true;
        return std::exchange(untold_, {});
    }

private:
    trace* find(const Entry& e) noexcept {
        const auto found = all_.find(&e);
        return found != all_.end() ? &found->second : nullptr;
    }

    /// Changes the trace of an entry, and adds an event. An entry without a trace is of the parent of a fork.
    template <class Change>
    void change(const Entry& e, const Change& change, kept_error error = nullptr) noexcept {
        trace* const its = find(e);
        if (its == nullptr) return;
        if (its->number == 0) its->number = ++last_number_;
        event what{.connection = its->number, .at = now_()};
        change(*its, what);
        add(what, e.of(), std::move(error));
    }

    void add(const event& what, group& of, kept_error error) noexcept {
        if (!observer_ || observer_is_gone_) return;
        try {
            if (untold_.size() == most_untold) throw std::bad_alloc{};
            untold_.push_back({what, &of, std::move(error)});
            ++of.uses;
        } catch (...) {
            ++lost_;
        }
    }

    /// A caller gets it, who has waited for so long. Calls `tell_ghosts(trace)`.
    template <class TellGhosts>
    void lend(const Entry& e, bool reused, duration waited, const TellGhosts& tell_ghosts) noexcept {
        change(e, [&](trace& its, event& what) {
            tell_ghosts(its);
            its.lent_since = what.at;
            its.used_until.reset();
            its.reused = what.reused = reused;
            its.where = {};
            what.kind = event_kind::lent;
            what.took = waited;
            count(&histograms::wait, waited);
        });
    }

    void come_in(const Entry& e, trace& its, event& what, bool is_unused) noexcept {
        what.kind = its.lent_since ? event_kind::given_back : event_kind::put;
        ghosts.held(e, its, what.at);
        if (its.lent_since && !is_unused) what.took = end_use(its, what.at);
        its.lent_since.reset();
        its.used_until.reset();
    }

    /// Its caller does not use it any more. Returns for how long it did.
    duration end_use(trace& its, duration now) noexcept {
        if (!its.lent_since) return {};
        if (!its.used_until) {
            its.used_until = now;
            ++its.uses;
            count(&histograms::use, now - *its.lent_since);
        }
        return *its.used_until - *its.lent_since;
    }

    /// Counts a time in one of the histograms, if there are any.
    void count(histogram histograms::*which, duration time) noexcept {
        if (times_ != nullptr) (times_.get()->*which).add(time);
    }

    static void tell_of(const close_end& end, event& what) noexcept {
        what.kind = event_kind::closed;
        what.took = end.took;
        what.failed = end.failed;
    }

    const clock now_;
    const event_observer observer_;  ///< empty if nobody is told
    const expiry_reason reason_;
    const std::string_view pool_;
    const std::unique_ptr<pool::histograms> times_;
    std::unordered_map<const Entry*, trace> all_;
    untold_events untold_;
    duration next_waited_{};
    std::uint64_t last_number_ = 0;
    std::uint64_t lost_ = 0;
    std::uint64_t failed_ = 0;
    bool is_telling_ = false;
    std::atomic<bool> observer_is_gone_ = false;  ///< read without the lock, too
};

}  // namespace pool::core
