// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <boost/intrusive/list.hpp>

#include <pool/core/admission.hpp>
#include <pool/core/connection.hpp>
#include <pool/core/dial.hpp>
#include <pool/core/entry_store.hpp>
#include <pool/core/error.hpp>
#include <pool/core/key.hpp>
#include <pool/core/stats.hpp>
#include <pool/core/waiter.hpp>
#include <pool/policies/capacity.hpp>

/// @file
/// What a pool, its leases and its lazy connections share: the store and the policies, behind one lock.

namespace pool {

/// What is chosen for a pool beside its policies.
struct pool_settings {
    reuse_order reuse = reuse_order::oldest_first;  ///< which idle connection of a key is handed out first
    std::string name = {};                          ///< how error messages call the pool
};

/// Where nobody takes turns.
struct no_admission {
    explicit constexpr no_admission(const auto&) noexcept {}  ///< for any store

    struct request {};
    struct notices {};
};

/// Every operation reads the clock, takes one step of the store under the lock, and then, without the lock, closes what
/// the step retired. Whoever unlinks a connection under the lock owns its close, so each is closed once.
///
/// A lease may outlive its pool. So the state deletes itself, when the pool and its lazy connections are gone, nothing is
/// lent and no close is under way; all of that is known under the lock that is held anyway.
///
/// Thread-safe, as far as LockPolicy is one.
template <class Key, class Conn, class CapacityPolicy, class ExpiryPolicy, class LockPolicy, class ClockPolicy>
class pool_state {
public:
    static constexpr bool timed = ExpiryPolicy::can_expire;                                   ///< whether there are deadlines
    static constexpr bool bounds_open = open_capacity_policy<CapacityPolicy, Key>;            ///< whether callers take turns
    static constexpr bool can_wait = bounds_open && waiting_lock<LockPolicy>;                 ///< by blocking, too

    using key_type = Key;                                                                     ///< the parameter
    using connection_type = Conn;                                                             ///< the parameter
    using time_point = std::conditional_t<timed, typename ClockPolicy::time_point, no_time>;  ///< what deadlines are
    using store = entry_store<Key, Conn, time_point>;                                         ///< the container
    using entry = typename store::entry;                                                      ///< one connection
    using entries = typename store::entries;                                                  ///< those that it closes
    using lookup = typename store::lookup;                                                    ///< a key and its hash
    using turns = std::conditional_t<bounds_open, admission<store>, no_admission>;            ///< who waits and dials
    using request = typename turns::request;                                                  ///< a caller who asks

    /// Without connections.
    pool_state(CapacityPolicy capacity, ExpiryPolicy expiry, pool_settings settings, ClockPolicy clock)
        : name_{std::move(settings.name)},
          clock_{std::move(clock)},
          expiry_{std::move(expiry)},
          capacity_{std::move(capacity)},
          store_{settings.reuse} {}

    /// An idle connection, or nullptr.
    entry* lend(const lookup& wanted) {
        entry* found = nullptr;
        step([&, now = now()](entries& retired) { found = lend(wanted, now, retired); });
        return found;
    }

    /// An idle connection, or else a new one. Throws what `dial` throws, and `pool_closed`.
    template <class Dial>
    entry& acquire(const lookup& wanted, Dial& dial, const dial_context& context)
        requires(!bounds_open)
    {
        entry* found = nullptr;
        bool is_closed = false;
        step([&, now = now()](entries& retired) {
            found = lend(wanted, now, retired);
            is_closed = closed_;
        });
        if (found != nullptr) return *found;
        if (is_closed) throw closed_error(wanted);

        entry& fresh = dialled(wanted, dial, context);
        {
            const std::lock_guard guard{lock_};
            ++store_.stats().dials;
            is_closed = closed_;
            if (!is_closed) store_.admit(fresh);
        }
        if (!is_closed) return fresh;
        try {
            throw closed_error(fresh.wanted());  // `wanted` may refer to what the dial ended
        } catch (...) {
            drop(fresh);
            throw;
        }
    }

    /// An idle connection, or else a new one, or else the first of these that it is this caller's turn for. Throws what
    /// `dial` throws, `pool_closed`, `acquire_timeout`, `acquire_cancelled` and `too_many_waiters`.
    template <class Dial>
    entry& acquire(const lookup& wanted, Dial& dial, const dial_context& context,
        typename ClockPolicy::time_point deadline)
        requires bounds_open
    {
        if (context.stop.stop_requested()) throw gave_up<acquire_cancelled>(wanted, "cancelled before it began", nullptr);
        if (is_past(deadline)) throw gave_up<acquire_timeout>(wanted, "its deadline has passed", nullptr);

        blocking_request<request, LockPolicy, ClockPolicy> asking;
        if (ask(asking, wanted) == standing::lent) return asking.lent();
        return turn(asking, wanted, dial, context, deadline);
    }

    /// The same, until the deadline of the context, if it is one of the pool's clock.
    template <class Dial>
    entry& acquire(const lookup& wanted, Dial& dial, const dial_context& context)
        requires bounds_open
    {
        if constexpr (std::is_same_v<typename ClockPolicy::time_point, decltype(context.deadline)>) {
            return acquire(wanted, dial, context, context.deadline);
        } else {
            return acquire(wanted, dial, context, ClockPolicy::time_point::max());
        }
    }

    /// Answers a request at once, or puts it in the queue. Returns where it stands. Strong guarantee.
    standing ask(request& asking, const lookup& wanted)
        requires bounds_open
    {
        standing outcome{};
        std::exception_ptr error;
        step([&, now = now()](entries& retired) {
            if (closed_) {
                admission_.answer(asking, standing::closed);
            } else if (entry* found =
                           admission_.is_wanted(wanted) ? nullptr : store_.template lend<true>(wanted, now, retired)) {
                admission_.answer(asking, *found);
            } else {
                try {
                    enqueue(asking, wanted, now, retired);
                } catch (...) {
                    error = std::current_exception();  // what was retired still has to be closed
                }
            }
            outcome = asking.standing();
        });
        if (error) std::rethrow_exception(error);
        return outcome;
    }

    /// Where a request stands that has been told. `standing::dialing` is its call to begin.
    standing look(request& asking) noexcept
        requires bounds_open
    {
        standing seen{};
        step([&](entries&) { seen = admission_.look(asking); });
        return seen;
    }

    /// Takes a request out that has lost interest, unless it is settled or blocked by its dial.
    void withdraw(request& asking) noexcept
        requires bounds_open
    {
        step([&](entries&) { admission_.withdraw(asking); });
    }

    /// The dial of a request is over, with `fresh`: that goes to the oldest that waits for it, or becomes idle.
    void opened(request& dialing, entry& fresh) noexcept
        requires bounds_open
    {
        const time_point now = this->now();
        const time_point due = deadline(now);
        step([&](entries& retired) {
            ++store_.stats().dials;
            if (closed_) {
                store_.discard(fresh, retired);
                admission_.dial_failed(dialing, standing::closed, nullptr);
            } else {
                store_.admit(fresh);
                if (!admission_.dialled(dialing, fresh)) keep(fresh, due, now, retired);
            }
        });
    }

    /// The dial of a request has failed.
    void dial_failed(request& dialing, const dial_error& error) noexcept
        requires bounds_open
    {
        step([&](entries&) {
            ++store_.stats().failed_dials;
            admission_.dial_failed(dialing, standing::failed, error);
        });
    }

    /// Opens a connection in a place of its own: it is what `make()` returns. It is nobody's until it is `opened`, lent or
    /// kept. Strong guarantee.
    template <class Make>
    entry& open(const lookup& wanted, const Make& make) {
        entry* fresh = nullptr;
        {
            const time_point earliest = deadline(now());
            const std::lock_guard guard{lock_};
            fresh = &store_.reserve(wanted, earliest);
        }
        try {
            fresh->open([&]() -> Conn { return make(fresh->key()); });
        } catch (...) {
            const std::lock_guard guard{lock_};
            store_.abandon(*fresh);
            throw;
        }
        return *fresh;
    }

    /// Moves an idle connection out, if there is one. If its move throws, it is closed.
    std::optional<Conn> take(const lookup& wanted) {
        std::optional<Conn> taken;
        if (entry* found = lend(wanted)) {
            try {
                taken.emplace(std::move(found->conn()));
            } catch (...) {
                drop(*found);
                throw;
            }
            forget(*found, [] {});
        }
        return taken;
    }

    /// Adds a connection, as idle. `wanted` may refer to a part of it. Strong guarantee.
    void put(const lookup& wanted, Conn&& conn) {
        entry& fresh = open(wanted, [&](const Key&) -> Conn { return std::move(conn); });
        const bool dead = connection_traits<Conn>::closed(fresh.conn());
        const time_point now = this->now();
        const time_point due = deadline(now);
        step([&](entries& retired) {
            if (dead || closed_) {
                store_.refuse(fresh, retired);
            } else {
                store_.admit(fresh);
                keep(fresh, due, now, retired);
            }
        });
    }

    /// A lent connection becomes idle, or is closed if there is no room for it.
    void give_back(entry& lent) noexcept {
        const bool dead = connection_traits<Conn>::closed(lent.conn());
        const time_point now = this->now();
        const time_point due = deadline(now);
        step([&](entries& retired) {
            if (dead || closed_) store_.refuse(lent, retired);
            else keep(lent, due, now, retired);
        });
    }

    /// Closes a lent connection.
    void discard(entry& lent) noexcept {
        step([&](entries& retired) {
            ++store_.stats().discarded;
            store_.discard(lent, retired);
        });
    }

    /// Forgets a connection that the caller has moved out.
    void detach(entry& lent) noexcept {
        forget(lent, [this] { ++store_.stats().detached; });
    }

    /// Closes what is due. Returns how many.
    std::size_t expire()
        requires timed
    {
        return in_batches([this, now = now()](entries& retired) { return store_.expire(now, batch, retired); });
    }

    /// Nothing that is idle now or is given back from now on is due before.
    time_point next_expiry()
        requires timed
    {
        const time_point earliest = deadline(now());
        for (;;) {
            const std::lock_guard guard{lock_};
            if (closed_) return time_point::max();
            if (const auto next = store_.next_deadline(batch)) return std::min(*next, earliest);
        }
    }

    /// Closes what is idle. Returns how many.
    std::size_t clear(std::vector<std::exception_ptr>* errors = nullptr) {
        return clear_idle([this] { return store_.stats().idle; },
            [this](std::size_t most, entries& retired) { store_.clear(most, retired); }, errors);
    }

    /// Closes what is idle of one key. Returns how many.
    std::size_t clear(const lookup& wanted) {
        const Key key(wanted.key);  // `wanted` may refer to what a close ends
        const lookup own{key_view<Key>(key), wanted.hash};
        return clear_idle([&] { return store_.stats(own).idle; },
            [&](std::size_t most, entries& retired) { store_.clear(own, most, retired); });
    }

    /// Makes room in the index of keys for as many connections.
    void reserve(std::size_t count) {
        const std::lock_guard guard{lock_};
        store_.reserve(count);
    }

    /// Exchanges the capacity policy, and closes what is idle beyond the new one. Returns how many.
    std::size_t reconfigure(CapacityPolicy& capacity) {
        return step([&](entries& retired) {
            using std::swap;
            swap(capacity_, capacity);
            if constexpr (bounds_open) {
                const auto left = [](std::size_t bound, std::size_t used) { return bound > used ? bound - used : 0; };
                const std::size_t busy = store_.stats().lent + admission_.dialing();
                const std::size_t total = std::min(capacity_.max_idle(), left(capacity_.max_open(), busy));
                const auto per_key = [&](const entry& e) noexcept {
                    const std::size_t used = store_.stats(e).lent + admission_.dialing(e.wanted());
                    return std::min(capacity_.max_idle_for(e.key()), left(capacity_.max_open_for(e.key()), used));
                };
                store_.trim(total, per_key, retired);
            } else {
                const auto per_key = [this](const entry& e) noexcept { return capacity_.max_idle_for(e.key()); };
                store_.trim(capacity_.max_idle(), per_key, retired);
            }
        });
    }

    /// Keeps nothing from now on. Adds what goes wrong to `errors`, unless it is nullptr.
    void shut(std::vector<std::exception_ptr>* errors) noexcept {
        step([this](entries&) {
            closed_ = true;
            if constexpr (bounds_open) admission_.refuse_all();
        });
        clear(errors);
    }

    /// Waits until nothing is lent, being dialled or being closed, or until `deadline`. Returns how many still are.
    std::size_t drain(typename ClockPolicy::time_point deadline)
        requires can_wait
    {
        drainer here;
        for (;;) {
            const bool late = is_past(deadline);
            std::unique_lock guard{lock_};
            if (const std::size_t left = out(); left == 0 || late) {
                here.unlink();
                return left;
            }
            if (!here.is_linked()) drainers_.push_back(here);
            here.wait(std::move(guard), clock_, deadline);
        }
    }

    /// The figures of the pool.
    pool::stats stats() const {
        const std::lock_guard guard{lock_};
        pool::stats all = store_.stats();
        if constexpr (bounds_open) {
            all.misses += admission_.misses();
            all.dialing = admission_.dialing();
            all.waiting = admission_.waiting();
        }
        return all;
    }

    /// The figures of one key.
    key_stats stats(const lookup& wanted) const {
        const std::lock_guard guard{lock_};
        return stats_of(wanted);
    }

    const std::string& name() const noexcept { return name_; }    ///< how error messages call the pool
    const ClockPolicy& clock() const noexcept { return clock_; }  ///< what is read for the time

    /// Closes a connection that nobody else has, unless it is closed already. Returns whether that went well; if not, adds
    /// what went wrong to `errors`, unless it is nullptr.
    static bool close(Conn& conn, std::vector<std::exception_ptr>* errors) noexcept {
        if (connection_traits<Conn>::closed(conn)) return true;
        try {
            connection_traits<Conn>::close(conn);
            return true;
        } catch (...) {
            if (errors != nullptr) record(*errors, std::current_exception());
            return false;
        }
    }

    /// The pool and its lazy connections are gone. The deleter of the `std::shared_ptr` that they have in common.
    static void abandon(pool_state* state) noexcept {
        entries none;
        state->conclude(none, [state] { state->abandoned_ = true; });
    }

private:
    /// Somebody who waits until nothing is lent.
    struct drainer : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>,
                     waiter<LockPolicy, ClockPolicy> {};
    using drainers = boost::intrusive::list<drainer, boost::intrusive::constant_time_size<false>>;
    struct no_drainers {};

    ~pool_state() = default;

    /// The most that is done to entries in one step, so that nobody waits long for the lock.
    static constexpr std::size_t batch = 128;

    /// Calls `act(retired)` under the lock, and closes what it retired after that. Returns how many.
    template <class Act>
    std::size_t step(Act&& act, std::vector<std::exception_ptr>* errors = nullptr) {
        entries retired;
        [[maybe_unused]] const auto now = time_to_serve();
        [[maybe_unused]] typename turns::notices told;
        std::size_t count = 0;
        {
            const std::lock_guard guard{lock_};
            act(retired);
            count = retired.size();
            if constexpr (bounds_open) serve(now, retired);
            if constexpr (bounds_open) told = news();
        }
        if constexpr (bounds_open) told.deliver();
        if (!retired.empty()) [[unlikely]] finish(retired, errors);
        return count;
    }

    /// Repeats a step that retires no more than a batch, until it says that this was all. Returns how many it retired. Its
    /// caller keeps this state alive.
    template <class Act>
    std::size_t in_batches(const Act& act, std::vector<std::exception_ptr>* errors = nullptr) {
        std::size_t count = 0;
        bool is_all = false;
        while (!is_all) count += step([&](entries& retired) { is_all = act(retired); }, errors);
        return count;
    }

    /// Retires as many as are idle now by `idle()`, and not what comes in meanwhile, by `clear(most, retired)`.
    template <class Idle, class Clear>
    std::size_t clear_idle(
        const Idle& idle, const Clear& clear, std::vector<std::exception_ptr>* errors = nullptr) {
        std::size_t left = no_limit;
        return in_batches([&](entries& retired) {
            left = std::min(left, idle());
            const std::size_t most = std::min(left, batch);
            clear(most, retired);
            left -= most;
            return left == 0;
        }, errors);
    }

    /// Closes and destroys connections. That they are counted as closing keeps this state alive meanwhile.
    void finish(entries& retired, std::vector<std::exception_ptr>* errors) noexcept {
        while (!retired.empty()) {
            entries closed;
            std::uint64_t failed = 0;
            do {
                entry& leaving = retired.front();
                retired.pop_front();
                closed.push_back(leaving);
                failed += !close(leaving.conn(), errors);
                leaving.destroy();
                // Where others wait for the permits, each is free as soon as its own connection is closed.
            } while (!bounds_open && closed.size() < batch && !retired.empty());

            entries more;  // that make room for somebody who waits
            conclude(more, [&] {
                store_.stats().failed_closes += failed;
                store_.erase(closed);
            });
            retired.splice(retired.end(), more);
        }
    }

    /// Closes what is lent or newly opened, for a reason that is not counted.
    void drop(entry& e) noexcept {
        step([&](entries& retired) { store_.discard(e, retired); });
    }

    /// Lets go of a lent entry whose connection has been moved out, and of this state, if that was the last.
    template <class Count>
    void forget(entry& lent, const Count& count) noexcept {
        lent.destroy();
        entries retired;
        conclude(retired, [&] {
            count();
            store_.forget(lent);
        });
        if (!retired.empty()) finish(retired, nullptr);
    }

    /// Calls `act` under the lock, and ends this state if nothing needs it after that. What is `retired` then still has to
    /// be closed.
    template <class Act>
    void conclude([[maybe_unused]] entries& retired, const Act& act) noexcept {
        bool unneeded = false;
        [[maybe_unused]] const auto now = time_to_serve();
        [[maybe_unused]] typename turns::notices told;
        {
            const std::lock_guard guard{lock_};
            act();
            if constexpr (bounds_open) serve(now, retired);
            if constexpr (bounds_open) told = news();
            unneeded = abandoned_ && store_.stats().lent == 0 && store_.stats().closing == 0;
        }
        if constexpr (bounds_open) told.deliver();
        if (unneeded) delete this;
    }

    /// Gives what is free to those who wait.
    void serve(time_point now, entries& retired) noexcept
        requires bounds_open
    {
        if (!admission_.empty()) admission_.serve(capacity_, now, retired);
    }

    /// Those who have to be told after a step. Wakes those who wait for the end.
    typename turns::notices news() noexcept
        requires bounds_open
    {
        if constexpr (can_wait) {
            if (out() == 0) {
                for (drainer& each : drainers_) each.wake();
            }
        }
        return admission_.take_notices();
    }

    /// What a drain waits for. What is idle in a pool that is closed still has to be closed, too.
    std::size_t out() const noexcept
        requires bounds_open
    {
        const pool::stats& all = store_.stats();
        return all.lent + all.closing + admission_.dialing() + (closed_ ? all.idle : 0);
    }

    /// The time, where `serve` will ask for it.
    auto time_to_serve() const {
        if constexpr (bounds_open) return now();
        else return no_time{};
    }

    /// The end of the queue, from where it may be served at once, or has to leave.
    void enqueue(request& asking, const lookup& wanted, time_point now, entries& retired) {
        admission_.enqueue(asking, wanted);
        serve(now, retired);
        if (asking.standing() != standing::waiting) return;
        // Who waits for the end of a close is as good as served.
        const std::size_t coming = std::min(store_.stats().closing, admission_.waiting());
        if (admission_.waiting() - coming > capacity_.max_waiting()) admission_.withdraw(asking, standing::crowded);
    }

    bool is_past(typename ClockPolicy::time_point deadline) const {
        return deadline != ClockPolicy::time_point::max() && clock_.now() >= deadline;
    }

    /// Lends what nobody waits for.
    entry* lend(const lookup& wanted, time_point now, entries& retired) {
        if (closed_) [[unlikely]] {  // what is idle is about to be closed
            ++store_.stats().misses;
            return nullptr;
        }
        if constexpr (bounds_open) {
            if (!admission_.empty()) {
                serve(now, retired);
                if (admission_.is_wanted(wanted)) {
                    ++store_.stats().misses;
                    return nullptr;
                }
            }
        }
        return store_.lend(wanted, now, retired);
    }

    /// A lent entry becomes idle, unless somebody waits for it or there is no room.
    void keep(entry& lent, time_point due, time_point now, entries& retired) noexcept {
        if constexpr (bounds_open) {
            if (is_full(lent)) return store_.refuse(lent, retired);
            if (!admission_.empty()) {
                return store_.give_back(lent, limits(lent.key()), due, now, retired,
                    [this, now](entries& leaving) { serve(now, leaving); });
            }
        }
        store_.give_back(lent, limits(lent.key()), due, now, retired);
    }

    /// More are open than may be, this one counted.
    bool is_full(const entry& lent) const noexcept
        requires bounds_open
    {
        // What is being closed makes no room by more closes.
        return admission_.open() - store_.stats().closing > capacity_.max_open() ||
               admission_.open(lent) > capacity_.max_open_for(lent.key());
    }

    key_stats stats_of(const lookup& wanted) const {
        key_stats all = store_.stats(wanted);
        if constexpr (bounds_open) {
            all.dialing = admission_.dialing(wanted);
            all.waiting = admission_.waiting(wanted);
        }
        return all;
    }

    /// What its turn brings: a connection, or the right to dial, after which it may have to wait again, if that connection
    /// went to somebody older.
    template <class Request, class Dial>
    entry& turn(Request& asking, const lookup& wanted, Dial& dial, const dial_context& context,
        typename ClockPolicy::time_point deadline) {
        switch (await(asking, context.stop, deadline)) {
        case standing::lent: return asking.lent();
        case standing::dialing: {
            std::optional<Key> key;  // `wanted` may refer to what the dial ends
            entry* fresh = nullptr;
            try {
                key.emplace(asking.key());
                fresh = &dialled(asking.wanted(), dial, context);
            } catch (...) {
                step([&, error = text_of(std::current_exception())](entries&) {
                    admission_.dial_failed(asking, standing::failed, error);
                });
                throw;
            }
            opened(asking, *fresh);
            return turn(asking, lookup{key_view<Key>(*key), wanted.hash}, dial, context, deadline);
        }
        case standing::crowded: throw gave_up<too_many_waiters>(wanted, "too many wait already", asking.last_error());
        case standing::closed: throw closed_error(wanted);
        default: break;
        }
        if (context.stop.stop_requested()) throw gave_up<acquire_cancelled>(wanted, "cancelled", asking.last_error());
        throw gave_up<acquire_timeout>(wanted, "its deadline has passed", asking.last_error());
    }

    /// Blocks until a request does not wait any more, and makes it so at the deadline or when `stop` is requested.
    template <class Request>
    standing await(Request& asking, const std::stop_token& stop, typename ClockPolicy::time_point deadline) {
        const std::stop_callback wake_up{stop, [&] {
            const std::lock_guard guard{lock_};
            asking.wake();
        }};
        for (;;) {
            const bool late = is_past(deadline);
            std::unique_lock guard{lock_};
            if (asking.standing() != standing::waiting) return asking.standing();
            if (late || stop.stop_requested()) break;
            asking.wait(std::move(guard), clock_, deadline);
        }
        withdraw(asking);
        return asking.standing();
    }

    static dial_error text_of(const std::exception_ptr& error) noexcept {
        try {
            return std::make_shared<const std::string>(message(error));
        } catch (...) {
            return nullptr;  // no memory for it
        }
    }

    /// Why a caller leaves the queue.
    template <class Error>
    Error gave_up(const lookup& wanted, const std::string& why, const dial_error& last_error) const {
        const pool::stats seen = stats();
        return Error{"pool \"" + name_ + "\": no connection for key " + pool::describe(wanted.key) + ": " + why + " (" +
                     std::to_string(seen.idle + seen.lent + seen.dialing + seen.closing) + " open, " +
                     std::to_string(seen.idle) + " idle, " + std::to_string(seen.lent) + " lent, " +
                     std::to_string(seen.dialing) + " dialling, " + std::to_string(seen.waiting) + " waiting)" +
                     (last_error ? "; the last dial failed: " + *last_error : "")};
    }

    static void record(std::vector<std::exception_ptr>& errors, std::exception_ptr error) noexcept {
        try {
            errors.push_back(std::move(error));
        } catch (...) {
            // No memory for it: it is counted, and the other connections still have to be closed.
        }
    }

    template <class Dial>
    entry& dialled(const lookup& wanted, Dial& dial, const dial_context& context) {
        return open(wanted, [&](const Key& key) -> Conn {
            try {
                return pool::dial_with<Conn>(dial, key, context);
            } catch (...) {
                const std::lock_guard guard{lock_};
                ++store_.stats().failed_dials;
                throw;
            }
        });
    }

    pool_closed closed_error(const lookup& wanted) const {
        const pool::stats seen = stats();
        return pool_closed{"pool \"" + name_ + "\": no connection for key " + pool::describe(wanted.key) +
                           ": the pool is closed (" + std::to_string(seen.idle) + " idle, " +
                           std::to_string(seen.lent) + " lent)"};
    }

    /// With nothing that can expire, the clock is not read.
    time_point now() const {
        if constexpr (timed) return clock_.now();
        else return {};
    }

    time_point deadline([[maybe_unused]] time_point since) const noexcept {
        if constexpr (timed) return expiry_.expires_at(since);
        else return {};
    }

    typename store::bounds limits(const Key& key) const noexcept {
        return {capacity_.max_idle(), capacity_.max_idle_for(key)};
    }

    const std::string name_;
    [[no_unique_address]] const ClockPolicy clock_;
    [[no_unique_address]] const ExpiryPolicy expiry_;

    /// Guards all below. No connection is dialled, closed or destroyed while it is held. Key's equality, copy and
    /// destruction, Conn's `closed` and `unblocked`, and the capacity policy are the only foreign code under it.
    [[no_unique_address]] mutable LockPolicy lock_;
    [[no_unique_address]] CapacityPolicy capacity_;
    store store_;
    [[no_unique_address]] turns admission_{store_};
    [[no_unique_address]] std::conditional_t<can_wait, drainers, no_drainers> drainers_;
    bool closed_ = false;
    bool abandoned_ = false;
};

}  // namespace pool
