// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <exception>
#include <utility>

#include <pool/core/connection.hpp>

/// @file
/// The handle of a lent connection.

namespace pool {

/// A lent connection: used like a pointer, and given back at the end of its scope. Two pointers wide, move-only.
///
/// If an exception ends the scope, the connection may have stopped in the middle of a call. It is closed then, unless it
/// says that it is `reusable`. An exception is told from those that were under way when the connection was lent by their
/// number, so a lease that is made while one unwinds, and kept beyond it, does not see the next one.
///
/// A lease may outlive its pool. Different leases may be used by different threads at once; one lease may not.
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
    lease(lease&& other) noexcept : state_{other.state_}, entry_{std::exchange(other.entry_, nullptr)} {}

    /// Gives its own connection back first, and leaves `other` empty. To move it to itself does nothing.
    lease& operator=(lease&& other) noexcept {
        if (this != &other) {
            release();
            state_ = other.state_;
            entry_ = std::exchange(other.entry_, nullptr);
        }
        return *this;
    }

    /// Gives the connection back, or what an exception asks for (see above).
    ~lease() { release(); }

    /// Has a connection. All else but assignment needs one.
    explicit operator bool() const noexcept { return entry_ != nullptr; }

    connection_type& operator*() const noexcept { return entry_->conn(); }    ///< at one address while it is lent
    connection_type* operator->() const noexcept { return &entry_->conn(); }  ///< likewise

    /// What it was lent for; valid while it is lent.
    const key_type& key() const noexcept { return entry_->key(); }

    /// Whether it was idle before, as opposed to dialled for this lease. After a failure on a reused connection, a new one
    /// may well succeed.
    bool reused() const noexcept { return entry_->reused; }

    /// Gives the connection back now. It is closed instead if it is `closed()`, if there is no room, or if the pool is
    /// closed. Closing errors are counted in the statistics.
    void give_back() noexcept { state_->give_back(*std::exchange(entry_, nullptr)); }

    /// Closes the connection instead of giving it back.
    void discard() noexcept { state_->discard(*std::exchange(entry_, nullptr)); }

    /// What follows a failed call: gives back a connection that says it is `reusable`, and closes any other.
    void give_back_if_reusable() noexcept {
        if constexpr (tells_reusable<connection_type>) {
            if (connection_traits<connection_type>::reusable(**this)) return give_back();
        }
        discard();
    }

    /// Takes the connection out of the pool's knowledge: the caller keeps it. If its move throws, nothing has changed.
    connection_type detach() {
        static_assert(std::move_constructible<connection_type>, "pool: detach needs a Conn that can be moved");
        connection_type kept(std::move(**this));
        state_->detach(*std::exchange(entry_, nullptr));
        return kept;
    }

private:
    void release() noexcept {
        if (entry_ == nullptr) return;
        if (std::uncaught_exceptions() > entry_->exceptions) give_back_if_reusable();
        else give_back();
    }

    State* state_ = nullptr;
    typename State::entry* entry_ = nullptr;
};

}  // namespace pool
