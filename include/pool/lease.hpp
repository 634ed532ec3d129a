// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <cassert>
#include <concepts>
#include <exception>
#include <memory>
#include <utility>

#include <pool/connection.hpp>

/// @file
/// The handle of a lent connection.

namespace pool {

/// A lent connection. It is used like a pointer, and given back at the end of its scope. Two pointers wide, move-only.
///
/// If an exception ends the scope, the connection may have stopped in the middle of a call. It is closed then, unless
/// it says that it is `reusable`.
///
/// A lease may outlive its pool. Different threads may use different leases at once, but not one lease.
template <class State>
class lease {
public:
    using connection_type = typename State::connection_type;  ///< Conn
    using key_type = typename State::key_type;                ///< Key

    /// No connection.
    lease() noexcept = default;

    /// The pool's: a connection that has just been lent.
    lease(State& state, typename State::entry& lent) noexcept : state_{&state}, entry_{&lent} {
        lent.exceptions = std::uncaught_exceptions();
    }

    /// Leaves `other` empty.
    lease(lease&& other) noexcept { adopt(other); }

    /// Gives its own connection back first, and leaves `other` empty. Moving it to itself does nothing.
    lease& operator=(lease&& other) noexcept {
        if (this != &other) {
            release();
            adopt(other);
        }
        return *this;
    }

    /// Gives the connection back, or what an exception asks for (see above).
    ~lease() { release(); }

    /// Whether it has a connection. An empty lease can be assigned to, given back or discarded. Anything else is a
    /// mistake, which is asserted.
    explicit operator bool() const noexcept { return entry_ != nullptr; }

    connection_type& operator*() const noexcept { return entry().conn(); }                   ///< at one address
    connection_type* operator->() const noexcept { return std::addressof(entry().conn()); }  ///< likewise

    /// The key that it was lent for. The reference is valid while it is lent: copy it before the lease ends.
    const key_type& key() const noexcept { return entry().key(); }

    /// Whether it was idle before, as opposed to dialled for this lease. After a failure on a reused connection, a new
    /// one may well succeed.
    bool reused() const noexcept { return entry().reused; }

    /// Gives the connection back now. It is closed instead if there is no room or if the pool is closed, and only
    /// dropped if it is `closed()` already. Errors of closing are counted in the statistics. Does nothing on an empty
    /// lease, so a second return is harmless.
    void give_back() noexcept {
        if (entry_ != nullptr) state_->give_back(*std::exchange(entry_, nullptr));
    }

    /// Closes the connection instead of giving it back. Does nothing on an empty lease.
    void discard() noexcept {
        if (entry_ != nullptr) state_->discard(*std::exchange(entry_, nullptr));
    }

    /// After a failed call: gives back a connection that says it is `reusable`, and closes any other.
    void give_back_if_reusable() noexcept {
        if constexpr (reusable_reporting<connection_type>) {
            if (entry_ != nullptr && connection_traits<connection_type>::reusable(**this)) return give_back();
        }
        discard();
    }

    /// Moves the connection out: the pool forgets it, the caller keeps it. If its move throws, nothing has changed.
    connection_type detach() {
        static_assert(std::move_constructible<connection_type>, "pool: detach needs a Conn that can be moved");
        if constexpr (std::move_constructible<connection_type>) {
            connection_type kept(std::move(**this));
            state_->detach(*std::exchange(entry_, nullptr));
            return kept;
        }
    }

private:
    typename State::entry& entry() const noexcept {
        assert(entry_ != nullptr && "pool: an empty lease has no connection");
        return *entry_;
    }

    void release() noexcept {
        if (entry_ == nullptr) return;
        if (std::uncaught_exceptions() > entry_->exceptions) give_back_if_reusable();
        else give_back();
    }

    /// Keeps the lower exception count, so that a lease created during unwinding detects a later exception.
    void adopt(lease& other) noexcept {
        state_ = other.state_;
        entry_ = std::exchange(other.entry_, nullptr);
        if (entry_ != nullptr) entry_->exceptions = std::min(entry_->exceptions, std::uncaught_exceptions());
    }

    State* state_ = nullptr;
    typename State::entry* entry_ = nullptr;
};

}  // namespace pool
