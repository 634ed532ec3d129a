// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cassert>
#include <cstdint>
#include <memory>
#include <string>

#include <boost/intrusive/list.hpp>

#include <pool/core/entry.hpp>

/// @file
/// The request of a caller that waits for a connection or dials one.

namespace pool::core {

/// The state of a request.
///
/// | from | to | when |
/// |---|---|---|
/// | `waiting` | `lent` | a connection of its key is handed to it |
/// | `waiting` | `dialing` | it gets a permit |
/// | `waiting` | `queue_full` | it was just submitted, and too many requests wait |
/// | `waiting`, `dialing` | `cancelled` | its caller has cancelled it (not while it dials on the caller's thread) |
/// | `waiting`, `dialing` | `closed` | the pool is closed (not while it dials on the caller's thread) |
/// | `dialing` | `lent` | its dial has succeeded, or it got another connection before that |
/// | `dialing` | `waiting` | its dial has succeeded, and an older request has got that connection |
/// | `dialing` | `failed` | its dial has failed |
///
/// The other states are final.
enum class request_state : unsigned char {
    waiting,     ///< in the queue
    dialing,     ///< holds a permit, and dials
    lent,        ///< has a connection
    failed,      ///< its dial has failed
    closed,      ///< the pool is closed
    queue_full,  ///< too many were waiting
    cancelled,   ///< its caller has cancelled it
};

/// The error text of the last failed dial of a key, if there was one. It is not the exception, because that belongs to
/// the caller of the dial.
using dial_error = std::shared_ptr<const std::string>;

template <class Store>
class admission;
template <class Store>
struct key_queue;
template <class Store>
struct request_lists;

/// One caller's request and its result. Do not move or destroy it until it is settled and its dial has ended.
template <class Store>
class request {
    using entry = typename Store::entry;
    using hook = boost::intrusive::list_member_hook<>;

public:
    request(const request&) = delete;
    request& operator=(const request&) = delete;

    request_state state() const noexcept { return state_; }                ///< its state now
    entry& lent() const noexcept { return *lent_; }                        ///< the connection, if it is `lent`
    const dial_error& last_error() const noexcept { return last_error_; }  ///< of its key, if it is `cancelled`
    std::uint64_t ticket() const noexcept { return ticket_; }              ///< its age: the lower, the older

    /// The key. Only while the request waits or dials.
    const typename entry::key_type& key() const noexcept { return queue_->key(); }
    /// The key with its hash. Only while the request waits or dials.
    typename Store::hashed hashed() const noexcept { return queue_->hashed(); }

protected:
    /// `dials_on_caller_thread`: the caller's thread is blocked by the dial, so it cannot use a connection that is
    /// given back meanwhile.
    explicit request(bool dials_on_caller_thread) noexcept : dials_on_caller_thread_{dials_on_caller_thread} {}

    ~request() {
        assert(!place_.is_linked() && !notice_.is_linked() &&
               "pool: a request was destroyed while it was in the wait queue");
    }

private:
    friend admission<Store>;
    friend request_lists<Store>;

    /// Called when the state has changed: under the lock for a request of a blocked thread, which may only wake it;
    /// otherwise after unlocking, and once until the next `poll`.
    virtual void notified() noexcept = 0;

    const bool dials_on_caller_thread_;
    bool is_notified_ = false;
    bool may_begin_ = false;  ///< has a permit, and has not begun to dial
    request_state state_ = request_state::waiting;
    key_queue<Store>* queue_ = nullptr;
    entry* lent_ = nullptr;
    dial_error last_error_;
    std::uint64_t ticket_ = 0;
    hook place_;   ///< among the requests of its key
    hook notice_;  ///< among the requests to notify
};

/// The lists that requests are in.
template <class Store>
struct request_lists {
    using hook = boost::intrusive::list_member_hook<>;
    template <hook request<Store>::*Hook>
    using list = boost::intrusive::list<request<Store>, boost::intrusive::member_hook<request<Store>, hook, Hook>>;

    using of_key = list<&request<Store>::place_>;      ///< those of one key
    using to_notify = list<&request<Store>::notice_>;  ///< those whose state has changed
};

/// The requests to notify when a step is over.
template <class Store>
class notifications {
public:
    /// Notifies them. A request may be destroyed as soon as it is notified.
    void deliver() noexcept {
        while (!requests_.empty()) {
            auto& first = requests_.front();
            requests_.pop_front();
            admission<Store>::notify(first);
        }
    }

private:
    friend admission<Store>;

    typename request_lists<Store>::to_notify requests_;
};

}  // namespace pool::core
