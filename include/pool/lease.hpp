// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <cassert>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

#include <pool/call_site.hpp>
#include <pool/connection.hpp>
#include <pool/core/history.hpp>
#include <pool/settings.hpp>

/// @file
/// The handle of a lent connection.

namespace pool {
namespace core {

/// What a connection is lent to.
enum class lent_to : bool {
    caller,  ///< keeps the lease
    call,    ///< gives it back at its end
};

}  // namespace core

/// A lent connection. Use it like a pointer. Its destructor gives the connection back. It is move-only, and has the
/// size of two pointers.
///
/// If an exception destroys the lease, the connection may be in the middle of a call. So it is closed, unless it is
/// `reusable`. The same holds after `discard_unless_kept`, whatever destroys the lease, until `keep` says that the call
/// went well.
///
/// A lease may outlive its pool. Different threads may use different leases at the same time. A single lease is not
/// thread-safe.
template <class State>
class lease {
public:
    using connection_type = typename State::connection_type;  ///< Conn
    using key_type = typename State::key_type;                ///< Key

    /// No connection.
    lease() noexcept = default;

    /// For the pool: the lease of a connection that was just lent, because of a call at `where`. If the caller keeps the lease,
    /// the settings of the pool say whether it begins unkept.
    lease(State& state, typename State::entry& lent, const call_site& where,
        core::lent_to whom = core::lent_to::caller) noexcept
        : state_{&state}, entry_{&lent} {
        lent.exceptions = uncaught();
        if (state.marks_leases()) [[unlikely]] {
            state.trace_lease(lent, where);
            if (whom == core::lent_to::caller && state.begins_unkept()) lent.exceptions = unkept;
        }
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

    /// Gives the connection back. If an exception destroys the lease, or it is not kept, calls `give_back_if_reusable`
    /// instead.
    ~lease() { release(); }

    /// Whether it has a connection. An empty lease may be assigned to, given back or discarded. Any other use is a
    /// mistake, which an assertion finds.
    explicit operator bool() const noexcept { return entry_ != nullptr; }

    connection_type& operator*() const noexcept { return entry().conn(); }                   ///< it never moves
    connection_type* operator->() const noexcept { return std::addressof(entry().conn()); }  ///< it never moves

    /// The key of the connection. The reference is valid only while the connection is lent: copy the key if you need it
    /// longer.
    const key_type& key() const noexcept { return entry().key(); }

    /// True if the connection was idle before, false if it was dialled for this lease. If a call on a reused connection
    /// fails, it may succeed on a new one.
    bool reused() const noexcept { return entry().reused; }

    /// How long the connection has been open, if the pool knows: its expiry policy asks for that, or it traces its leases.
    std::optional<std::chrono::nanoseconds> age() const {
        return core::age_of(entry(), state_->trace_of(entry()), core::since_epoch(state_->clock().now()));
    }

    /// How often the connection was used and given back before, under the same condition.
    std::optional<std::uint64_t> uses() const { return core::uses_of(entry(), state_->trace_of(entry())); }

    /// Gives the connection back now, after its reset, if Conn has one. If there is no room, the pool is closed, the
    /// connection is `closed()`, or its reset fails, the pool closes it instead. Errors of closing are counted in the
    /// statistics. Does not wait for an `async_reset`: the connection is lent until that ends. Does nothing on an empty
    /// lease, so calling it twice is harmless.
    void give_back() noexcept {
        if (entry_ != nullptr) state_->finish(*std::exchange(entry_, nullptr));
    }

    /// Closes the connection instead of giving it back. Does nothing on an empty lease.
    void discard() noexcept {
        if (entry_ != nullptr) state_->discard(*std::exchange(entry_, nullptr));
    }

    /// After a failed call: gives back a connection that is `reusable`, and closes any other.
    void give_back_if_reusable() noexcept {
        if constexpr (reusable_reporting<connection_type>) {
            if (entry_ != nullptr && connection_traits<connection_type>::reusable(**this)) return give_back();
        }
        discard();
    }

    /// From now on, the destructor and an assignment give the connection back only after `keep`. Otherwise they call
    /// `give_back_if_reusable`. Does nothing on an empty lease.
    void discard_unless_kept() noexcept {
        if (entry_ != nullptr) entry_->exceptions = unkept;
    }

    /// The connection is good: from now on, the lease gives it back, as if `discard_unless_kept` had not been called.
    /// Does nothing on an empty lease.
    void keep() noexcept {
        if (entry_ != nullptr) entry_->exceptions = uncaught();
    }

    /// Moves the connection out to the caller, and removes it from the pool. If its move constructor throws, nothing
    /// changes.
    connection_type detach() {
        static_assert(std::move_constructible<connection_type>, "pool: detach needs a Conn that can be moved");
        if constexpr (std::move_constructible<connection_type>) {
            const departure leaving{*this};
            return connection_type(std::move(**this));  // once: a second move could fail when the pool has forgotten it
        }
    }

private:
    static constexpr signed char unkept = -1;  ///< all bits: lower than any number of uncaught exceptions

    /// How many exceptions are uncaught, as an entry keeps it. Of more than 127 it keeps a lower number: then the lease
    /// closes its connection.
    static signed char uncaught() noexcept { return static_cast<signed char>(std::uncaught_exceptions()); }

    /// Removes the connection from the pool when it has been moved out. If the move throws, it does nothing.
    class departure {
    public:
        explicit departure(lease& from) noexcept : from_{from} {}
        departure(const departure&) = delete;
        departure& operator=(const departure&) = delete;
        ~departure() {
            if (std::uncaught_exceptions() > exceptions_) return;
            from_.state_->detach(*std::exchange(from_.entry_, nullptr));
        }

    private:
        lease& from_;
        const int exceptions_ = std::uncaught_exceptions();
    };

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
        if (entry_ != nullptr) entry_->exceptions = std::min(entry_->exceptions, uncaught());
    }

    State* state_ = nullptr;
    typename State::entry* entry_ = nullptr;
};

}  // namespace pool
