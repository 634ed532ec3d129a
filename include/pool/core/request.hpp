// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cassert>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>

#include <pool/connection.hpp>
#include <pool/core/entry.hpp>
#include <pool/core/ghost_rules.hpp>
#include <pool/core/what.hpp>
#include <pool/event.hpp>

/// @file
/// The request of a caller that waits for a connection or dials one.

namespace pool::core {

/// The state of a request.
///
/// - `held`, `able`, `promised` and `nudged` become each other: its key has changed, or a permit was promised or
///   withdrawn. No request is `nudged` in a paused pool.
/// - These four, `may_dial` and `dialing` become `lent`: it gets an idle connection (`dialing` not if its dial blocks
///   it).
/// - `promised` becomes `closing`: its caller begins to close a connection.
/// - `able`, `promised` and `closing` become `may_dial`: it gets a permit, `closing` that of the connection that its
///   caller has closed.
/// - `closing` becomes one of the first four, if that permit is not free: bounds were lowered, or a caller has put a
///   connection. So does `may_dial`, if the pool is paused, and lets callers wait.
/// - `may_dial` becomes `dialing`: its caller begins to dial.
/// - `dialing` becomes `lent` or `failed`: its dial has succeeded or failed. It becomes `may_dial` again if its dial was
///   outdated.
/// - The first four, `may_dial`, and `closing` at the end of its close, become `timed_out` or `cancelled`: it has given
///   up, and this is noticed. So does `dialing`, whose dial goes on (not if its dial blocks it).
/// - The first four, `may_dial`, `closing` and `dialing` become `closed`: the pool is closed (`dialing` not if its dial
///   blocks it).
/// - The first four and `may_dial` become `paused`: the pool is paused, and lets nobody wait.
/// - The first four become `invalidated`: the pool was invalidated, and fails those that wait. So does `dialing`, if
///   too many of its dials were outdated.
/// - `held` and `able` become `queue_full`: it was just submitted, and too many requests wait.
///
/// The first four wait in the queue. Those from `lent` on are final.
enum class request_state : unsigned char {
    held,        ///< waits; its key is at a bound of its own, so only a connection of that key helps
    able,        ///< waits; may have a permit, but none is free, and none of those that will be free is for it
    promised,    ///< waits; a connection is being closed, and its permit is for this request
    nudged,      ///< waits; an idle connection of its key is for it, unless another caller takes that first
    closing,     ///< its caller closes a connection, and cannot look meanwhile; it then gets the permit of that
    may_dial,    ///< has a permit, and was notified to begin
    dialing,     ///< dials
    lent,        ///< has a connection
    failed,      ///< its dial has failed
    closed,       ///< the pool is closed
    queue_full,   ///< too many were waiting
    timed_out,    ///< its deadline passed
    cancelled,    ///< its caller has cancelled it
    paused,       ///< the pool is paused
    invalidated,  ///< the pool was invalidated
};

/// Whether a request in this state waits in the queue.
constexpr bool is_waiting(request_state state) noexcept { return state <= request_state::nudged; }

/// Whether the caller of a request in this state gets an error of the pool.
constexpr bool is_refusal(request_state state) noexcept { return state > request_state::failed; }

/// Why the pool refuses a request in this state, as errors and events say it.
constexpr const char* why_refused(request_state refusal) noexcept {
    switch (refusal) {
    case request_state::queue_full: return "the wait queue is full";
    case request_state::timed_out: return "its deadline has passed";
    case request_state::cancelled: return "cancelled";
    case request_state::paused: return "the pool is paused";
    case request_state::invalidated: return "the pool was invalidated";
    default: return "the pool is closed";
    }
}

/// How many dials of one caller an `invalidate` may outdate. Then the caller fails: a dial that itself invalidates the
/// pool must not be made for ever.
inline constexpr int most_outdated = 16;

/// The error text of the last failed dial of a key, if there was one. It is not the exception, because that belongs to
/// the caller of the dial.
using dial_error = kept_error;

/// How many connections of a key to open ahead.
struct ahead {
    std::size_t count;   ///< how many there should be
    bool includes_lent;  ///< whether lent ones count, too
};

/// What a pool held when a request was refused: for the text of its error.
struct seen_figures {
    std::size_t idle = 0;     ///< idle connections
    std::size_t lent = 0;     ///< connections that were lent
    std::size_t dialing = 0;  ///< running dials
    std::size_t closing = 0;  ///< connections that were being closed
    std::size_t waiting = 0;  ///< waiting requests, with this one
    dial_error last_error;    ///< of its key
};

template <class Store>
class admission;
template <class Store>
class allocation;
template <class Store>
class wait_queue;
template <class Entry>
struct key_queue;
template <class Entry>
struct request_lists;
template <class Entry>
class notifications;
template <class Entry>
class queue_order;

/// One caller's request and its result. Do not move or destroy it until its state is final and its dial has ended.
template <class Entry>
class request {
    using list_hook = boost::intrusive::list_member_hook<>;
    using set_hook = boost::intrusive::set_member_hook<>;

public:
    using time_point = typename Entry::parts::deadline;  ///< the type of deadlines

    request(const request&) = delete;
    request& operator=(const request&) = delete;

    request_state state() const noexcept { return state_; }           ///< its state now
    bool is_submitted() const noexcept { return queue_ != nullptr; }  ///< whether it is or was in the queue
    bool is_notified() const noexcept { return is_notified_; }        ///< since its caller last looked
    Entry& lent() const noexcept { return *lent_; }                   ///< the connection, if it is `lent`
    void prefer_dial() noexcept { prefers_dial_ = true; }             ///< with a permit, it takes no idle connection
    const seen_figures& seen() const noexcept { return seen_; }       ///< if it is final, and not `lent` or `failed`
    std::uint64_t ticket() const noexcept { return ticket_; }         ///< its age: the lower, the older
    time_point deadline() const noexcept { return deadline_; }        ///< when it gives up
    key_queue<Entry>& queue() const noexcept { return *queue_; }      ///< where it is: only while it waits or dials
    /// Only while it waits or dials.
    const typename Entry::key_type& key() const noexcept { return queue_->group->key; }

protected:
    /// `dials_on_caller_thread`: the caller's thread is blocked by the dial, so it cannot use a connection that is
    /// given back meanwhile.
    explicit request(bool dials_on_caller_thread, time_point deadline = time_point::max()) noexcept
        : deadline_{deadline},
          dials_on_caller_thread_{dials_on_caller_thread} {}

    ~request() {
        assert(!place_.is_linked() && !by_age_.is_linked() &&
               "pool: a request was destroyed while it was in the wait queue");
    }

private:
    template <class Store>
    friend class admission;
    template <class Store>
    friend class allocation;
    template <class Store>
    friend class wait_queue;
    friend key_queue<Entry>;
    friend notifications<Entry>;
    friend queue_order<Entry>;
    friend request_lists<Entry>;

    /// Tells the caller to look, once until it does. A blocked thread is told under the lock, and may only be woken;
    /// any other caller is told after unlocking. Returns false if there is no memory for that: then this is called
    /// again after the next step.
    virtual bool notified() noexcept = 0;

    /// Whether the caller has asked to stop. Called under the lock.
    virtual bool is_stop_requested() const noexcept { return false; }

    /// Whether it can take an idle connection while it dials. Not one that has to be checked first: its check could
    /// fail, and the dial would go on meanwhile.
    static constexpr bool takes_while_dialing = !has_check<typename Entry::connection_type>;

    const time_point deadline_;
    const bool dials_on_caller_thread_;
    bool prefers_dial_ = false;
    bool is_notified_ = false;
    bool is_told_queued_ = false;  ///< the observer was told that it has to wait
    request_state state_ = request_state::held;
    unsigned char outdated_dials_ = 0;  ///< how many it has made
    key_queue<Entry>* queue_ = nullptr;
    Entry* lent_ = nullptr;
    std::uint64_t ticket_ = 0;
    time_point since_{};  ///< when it joined the queue
    std::chrono::nanoseconds waited_{};  ///< when it waits no more: how long it did
    comer came_;                         ///< how it came, if notes are taken
    seen_figures seen_;
    list_hook place_;  ///< among the waiting requests of its key
    set_hook by_age_;  ///< among the promised requests, or among the dialers of its key
    request* next_to_notify_ = nullptr;
    std::optional<request_state> given_up_as_;  ///< while its caller was closing a connection
};

/// The lists that requests are in.
template <class Entry>
struct request_lists {
    /// The age of a request.
    struct age {
        using type = std::uint64_t;                                                       ///< its ticket
        type operator()(const request<Entry>& of) const noexcept { return of.ticket(); }  ///< of a request
    };

    using waiting = boost::intrusive::list<request<Entry>,  ///< those of one key
        boost::intrusive::member_hook<request<Entry>, boost::intrusive::list_member_hook<>, &request<Entry>::place_>>;
    using by_age = boost::intrusive::set<request<Entry>,  ///< the oldest first
        boost::intrusive::member_hook<request<Entry>, boost::intrusive::set_member_hook<>, &request<Entry>::by_age_>,
        boost::intrusive::key_of_value<age>>;
};

/// The requests to notify when a step is over, in order.
template <class Entry>
class notifications {
public:
    bool empty() const noexcept { return first_ == nullptr; }  ///< whether there are none

    /// Adds a request that is not there yet. O(1).
    void add(request<Entry>& changed) noexcept {
        changed.next_to_notify_ = nullptr;
        (first_ == nullptr ? first_ : last_->next_to_notify_) = &changed;
        last_ = &changed;
    }

    /// Removes them all, and returns them.
    notifications take() noexcept { return std::exchange(*this, {}); }

    /// Notifies them. A request may be destroyed as soon as it is notified. Returns those that could not be notified.
    notifications deliver() noexcept {
        notifications undelivered;
        while (first_ != nullptr) {
            auto& next = *first_;
            first_ = next.next_to_notify_;
            if (!next.notified()) undelivered.add(next);
        }
        return undelivered;
    }

    /// Adds those of another list at the end. O(n).
    void append(notifications& others) noexcept {
        while (others.first_ != nullptr) {
            auto& next = *others.first_;
            others.first_ = next.next_to_notify_;
            add(next);
        }
    }

private:
    request<Entry>* first_ = nullptr;
    request<Entry>* last_ = nullptr;
};

}  // namespace pool::core
