// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <cassert>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <boost/intrusive/list.hpp>

#include <pool/connection.hpp>
#include <pool/core/admission.hpp>
#include <pool/core/close_conn.hpp>
#include <pool/core/close_end.hpp>
#include <pool/core/entry_store.hpp>
#include <pool/core/expiry_rule.hpp>
#include <pool/core/history.hpp>
#include <pool/core/moment.hpp>
#include <pool/core/no_admission.hpp>
#include <pool/core/notes.hpp>
#include <pool/core/parking.hpp>
#include <pool/core/raised_bounds.hpp>
#include <pool/core/saturating.hpp>
#include <pool/histogram.hpp>
#include <pool/policies/capacity.hpp>
#include <pool/policies/lock.hpp>
#include <pool/savings.hpp>
#include <pool/settings.hpp>
#include <pool/stats.hpp>

/// @file
/// The parts of a pool: its policies, its lock, and what the lock guards.

namespace pool::core {

/// Whether a pool lends.
enum class service : unsigned char {
    open,    ///< it does
    paused,  ///< not until `resume`
    closed,  ///< never again
};

/// The parts that the steps of a `guarded_store` work with.
template <class Key, class Conn, class CapacityPolicy, class ExpiryPolicy, class LockPolicy, class ClockPolicy>
class guarded_parts {
public:
    static constexpr bool timed = ExpiryPolicy::can_expire;                         ///< whether anything expires
    static constexpr bool bounds_open = open_capacity_policy<CapacityPolicy, Key>;  ///< whether callers may wait
    static constexpr bool can_wait = bounds_open && waiting_lock<LockPolicy>;       ///< whether a thread may block

    using key_type = Key;                                       ///< the parameter
    using connection_type = Conn;                               ///< the parameter
    using lock_type = LockPolicy;                               ///< the parameter
    using clock_type = ClockPolicy;                             ///< the parameter
    using clock_time_point = typename ClockPolicy::time_point;  ///< the type of deadlines
    /// The parts of an entry besides its connection.
    using parts = entry_parts<clock_time_point,
        facts_of<Conn, ExpiryPolicy>(bounds_open, declares_weight_bound<CapacityPolicy>)>;
    using time_point = typename parts::time_point;                      ///< the times that the store is told
    using store_type = entry_store<Key, Conn, parts>;                   ///< the store
    using entry = typename store_type::entry;                           ///< one connection
    using entries = typename store_type::entries;                       ///< connections to close
    using group = typename store_type::group;                           ///< what the entries of one key share
    using hashed = typename store_type::hashed;                         ///< a key and its hash
    using notes_type = typename store_type::notes_type;                 ///< what it takes notes with
    using moment = core::moment<CapacityPolicy, ClockPolicy, entries>;  ///< what a step decides with
    using rule = expiry_rule<ExpiryPolicy, entry>;                      ///< when entries expire
    /// The wait queue.
    using admission_type = std::conditional_t<bounds_open, admission<store_type>, no_admission<store_type>>;

    guarded_parts(const guarded_parts&) = delete;
    guarded_parts& operator=(const guarded_parts&) = delete;
    const std::string& name() const noexcept { return name_; }    ///< how error messages call the pool
    const ClockPolicy& clock() const noexcept { return clock_; }  ///< what is read for the time
    /// Whether something has to be done with each lease. One branch is less than two.
    bool marks_leases() const noexcept { return marks_leases_; }
    /// Whether a lease is given back only after `lease::keep`.
    bool begins_unkept() const noexcept { return begins_unkept_; }

    /// Whether a connection is of the process that this one was forked from. Then nothing may be done with it.
    bool is_forgotten(const entry& e) const noexcept { return forks_ != 0 && e.forks() != forks_; }

    /// Whether nothing is lent.
    bool is_paused() const noexcept {
        const std::lock_guard guard{lock_};
        return service_ == service::paused;
    }

    /// Whether the pool was destroyed, and leases or lazy connections keep this.
    bool has_ended() const noexcept {
        const std::lock_guard guard{lock_};
        return has_ended_;
    }

    /// Calls `ask(policy)` with the capacity policy, under the lock.
    template <class Ask>
    void ask_capacity(const Ask& ask) const {
        const std::lock_guard guard{lock_};
        ask(capacity_);
    }

    /// The figures of the pool.
    pool::stats stats() const {
        const std::lock_guard guard{lock_};
        pool::stats all = store().stats();
        all.dialing = admission_.dialing();
        all.waiting = admission_.waiting();
        all.overtaken = admission_.overtaken();
        all.timed_out = admission_.timed_out();
        all.cancelled = admission_.cancelled();
        all.queue_full = admission_.queue_full();
        all.total_wait = saturating_cast<std::chrono::nanoseconds>(admission_.total_wait());
        all.longest_wait = saturating_cast<std::chrono::nanoseconds>(admission_.longest_wait());
        if (notes_ != nullptr) {
            all.lost_events = notes_->lost();
            all.failed_events = notes_->failed();
        }
        return all;
    }

    /// The histograms of the pool; none without the setting.
    std::optional<pool::histograms> histograms() const {
        if (notes_ == nullptr || notes_->times() == nullptr) return std::nullopt;
        const std::lock_guard guard{lock_};
        return *notes_->times();
    }

    /// The savings of higher bounds, if the settings ask for them.
    pool::savings savings() const {
        const std::lock_guard guard{lock_};
        return notes_ != nullptr ? notes_->ghosts.result() : pool::savings{};
    }

    bool takes_notes() const noexcept { return notes_ != nullptr; }  ///< for whatever reason
    /// Whether somebody is told of events.
    bool is_observed() const noexcept { return notes_ != nullptr && notes_->has_observer(); }

    /// Closes a connection that no other code can reach, unless it is released already. Keeps its error, if there is memory
    /// for it: if not, the other connections must still be closed.
    close_end close(Conn& c, std::vector<std::exception_ptr>* errors = nullptr) const noexcept {
        const bool is_timed = is_observed() || (notes_ != nullptr && notes_->times() != nullptr);
        const auto begin = is_timed ? notes_->now() : std::chrono::nanoseconds{};
        close_end end;
        end.failed = !core::close_conn(c, [&](const std::exception_ptr& error) {
            if (errors != nullptr) core::record(*errors, error);
            end.why = text_of(error);
        });
        if (is_timed) end.took = notes_->now() - begin;
        return end;
    }

    /// The text of an exception, if an observer is to be told.
    kept_error text_of(const std::exception_ptr& error) const noexcept {
        return is_observed() ? core::kept_text(error) : nullptr;
    }

    /// The figures of one key.
    key_stats stats(const hashed& key) const {
        const std::lock_guard guard{lock_};
        key_stats all = store().stats(key);
        if constexpr (bounds_open) {
            if (const auto* const queue = admission_.find(key)) {
                all.dialing = queue->dialing;
                all.waiting = queue->waiting.size() + queue->closing;
            }
        }
        return all;
    }

    // Traces.

    /// A caller gets a lease.
    void trace_lease(const entry& lent, const call_site& where) noexcept {
        if (!traces_leases_) return;
        const std::lock_guard guard{lock_};
        notes_->lent_by(lent, where);
    }

    /// The caller has given it back, and it is not idle yet.
    void trace_return(const entry& lent) noexcept {
        if (notes_ == nullptr) return;
        const std::lock_guard guard{lock_};
        notes_->used(lent);
    }

    /// The trace of an entry; an empty one if there is none.
    trace trace_of(const entry& e) const {
        if (notes_ == nullptr) return {};
        const std::lock_guard guard{lock_};
        return notes_->of(e);
    }

    /// Looks at all entries in steps of a batch: calls `prepare(batch)` without the lock, and then `visit(entry, trace)`
    /// under it, for as many at most. One that is given back meanwhile may be visited again. If that does not end, because
    /// others give back as fast as this looks, the last step looks at all that are left.
    template <class Prepare, class Visit>
    void look_at_all(const Prepare& prepare, const Visit& visit) {
        walking way{*this};
        std::size_t seen = 0;
        const auto look = [&](const entry& e) {
            ++seen;
            visit(e, notes_ != nullptr ? notes_->of(e) : trace{});
        };
        for (bool is_all = false; !is_all;) {
            prepare(moment::batch);
            const std::lock_guard guard{lock_};
            const bool is_endless = seen > 2 * store().size() + 2 * moment::batch;
            is_all = store().look_at(way.way, is_endless ? store().size() : moment::batch, look);
        }
    }

protected:
    /// A thread in `drain`, which waits until nothing is outstanding.
    struct drainer : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>,
                     parked_thread<LockPolicy, ClockPolicy> {};
    using drainers = boost::intrusive::list<drainer, boost::intrusive::constant_time_size<false>>;
    struct no_drainers {};

    /// Nothing is open.
    guarded_parts(CapacityPolicy&& capacity, ExpiryPolicy&& expiry, pool_settings&& settings, ClockPolicy&& clock)
        : name_{std::move(settings.name)},
          traces_leases_{settings.trace_leases},
          marks_leases_{settings.discard_unless_kept || settings.trace_leases},
          begins_unkept_{settings.discard_unless_kept},
          clock_{std::move(clock)},
          capacity_{std::move(capacity)},
          expiry_{std::move(expiry)},
          notes_{asks_for_notes(settings) ? make_notes(settings) : nullptr},
          store_{{settings.reuse, settings.check_after}, notes_.get()} {}

    ~guarded_parts() = default;

    /// Forgets all connections and requests, in the child of a fork. Nothing of them is destroyed: another thread of the
    /// parent may have been in the middle of changing it. If none was, has the connections abandoned. From then on this
    /// state is never deleted, because leases of the parent may refer to it.
    void abandon() noexcept {
        if (is_whole()) {
            store_.for_each_conn([](Conn& c) { core::abandon_conn(c); });
            for (entry& each : unclosed_) core::abandon_conn(each.conn());
            lock_.unlock();  // it may count its holders
        }
        auto rules = store_.rules();
        forks_ = rules.forks = rules.forks % entry::most_forks + 1;
        // Not value-initialised: that could overwrite what fills the lock's tail padding.
        if constexpr (!std::is_empty_v<LockPolicy>) ::new (static_cast<void*>(std::addressof(lock_))) LockPolicy;
        if (notes_ != nullptr) notes_ = std::make_unique<notes_type>(*notes_.release(), name_);
        std::construct_at(std::addressof(store_), rules, notes_.get());
        std::construct_at(std::addressof(unclosed_));
        if constexpr (bounds_open) {
            const bool lets_wait = admission_.lets_wait();
            std::construct_at(std::addressof(admission_), store_);
            if (is_closed()) admission_.close();
            else if (!lends()) admission_.pause(lets_wait);
            somebody_waits_ = false;
        }
        if constexpr (can_wait) std::construct_at(std::addressof(drainers_));
        unfinished_ = 1;
    }

    bool is_closed() const noexcept { return service_ == service::closed; }  ///< for ever
    bool lends() const noexcept { return service_ == service::open; }        ///< neither paused nor closed

    /// The store. Call it only under the lock. If the lock can report whether it is held, an assertion checks that.
    store_type& store() noexcept {
        assert(is_locked() && "pool: the store was used without the lock");
        return store_;
    }
    const store_type& store() const noexcept {
        assert(is_locked() && "pool: the store was used without the lock");
        return store_;
    }

    /// The moment of a step.
    moment now() noexcept { return {capacity_, clock_, unclosed_}; }

    /// Reads the clock, if the store needs the time.
    time_point read_clock() const {
        if constexpr (parts::needs_time) return clock_.now();
        else return {};
    }

    /// The time of a step, for entries.
    static time_point entry_time([[maybe_unused]] moment& now) {
        if constexpr (parts::needs_time) return now.now();
        else return {};
    }

private:
    /// A walk of `look_at_all`. It begins and ends under the lock.
    struct walking {
        explicit walking(guarded_parts& of) noexcept : parts{of} {
            const std::lock_guard guard{parts.lock_};
            parts.store().begin(way);
        }
        walking(const walking&) = delete;
        walking& operator=(const walking&) = delete;
        ~walking() {
            const std::lock_guard guard{parts.lock_};
            if (way.is_linked()) way.unlink();
        }

        guarded_parts& parts;
        typename store_type::walk way;
    };

    static bool asks_for_notes(const pool_settings& settings) noexcept {
        return settings.trace_leases || settings.histograms || settings.ghosts || settings.on_event;
    }
    std::unique_ptr<notes_type> make_notes(pool_settings& settings) const {
        const auto now = [its = clock_] { return core::since_epoch(its.now()); };
        const auto reason = [this](const entry& e, time_point since, time_point at) {
            return expiry_.reason(e, since, at);
        };
        auto made = std::make_unique<notes_type>(now, std::move(settings.on_event), settings.histograms, reason, name_);
        if (settings.ghosts) {
            const auto bounds = [this](const void* key) {
                return core::raised_bounds_of(capacity_, *static_cast<const Key*>(key));
            };
            made->ghosts = ghost_feed<entry>{std::make_unique<core::ghosts>(bounds, settings.reuse)};
        }
        return made;
    }

    /// In the child of a fork: whether no other thread of the parent was in the middle of a step. Only a lock with a
    /// `try_lock` can tell.
    bool is_whole() noexcept {
        if constexpr (requires { { lock_.try_lock() } -> std::same_as<bool>; }) return lock_.try_lock();
        else return false;
    }

    bool is_locked() const noexcept {
        if constexpr (requires { lock_traits<LockPolicy>::held(lock_); }) return lock_traits<LockPolicy>::held(lock_);
        else return true;
    }

    const std::string name_;
    const bool traces_leases_;
    const bool marks_leases_;
    const bool begins_unkept_;
    unsigned forks_ = 0;  ///< how often processes have forked until this one, as far as entries tell
    [[no_unique_address]] const ClockPolicy clock_;

protected:
    struct nobody_waits {};
    [[no_unique_address]] std::conditional_t<bounds_open, std::atomic<bool>, nobody_waits> somebody_waits_{};

    /// Guards all members below. No connection is dialled, closed or destroyed while it is held. The only foreign code
    /// under it is Key's equality, copy and destruction (the hash is computed before), Conn's `closed` and `unblocked`,
    /// the answers of the capacity and the expiry policy, their swaps in `reconfigure`, and the clock, if a caller waits
    /// or begins to, or the pool takes notes [C8]. In the child of a fork, also `abandon` of Conn.
    [[no_unique_address]] mutable LockPolicy lock_;
    [[no_unique_address]] CapacityPolicy capacity_;
    [[no_unique_address]] rule expiry_;

private:
    std::unique_ptr<notes_type> notes_;  ///< if the settings ask for them
    store_type store_;

protected:
    entries unclosed_;  ///< retired connections that nobody closes yet
    [[no_unique_address]] admission_type admission_{store_};
    [[no_unique_address]] std::conditional_t<can_wait, drainers, no_drainers> drainers_;
    service service_ = service::open;
    bool has_ended_ = false;
    bool orphaned_ = false;
    unsigned unfinished_ = 0;  ///< steps whose batch has ended before they had given everything
};

}  // namespace pool::core
