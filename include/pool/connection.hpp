// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include <pool/core/platform.hpp>
#include <pool/core/pointer_hooks.hpp>
#include <pool/hook_done.hpp>

/// @file
/// What a pool needs of a Conn: `close`, `closed` and `unblocked`. A class has them as member functions. Any other
/// type, such as a handle of a C library, gives them by a specialisation of `connection_traits`.

namespace pool {

/// The functions of a connection type as the members of that class: what the primary `connection_traits` has. A
/// specialisation for a class may derive from it, and add what the class lacks.
template <class Conn>
struct member_connection_traits {
    /// Calls `c.close()`.
    static void close(Conn& c)
        requires requires { c.close(); }
    {
        c.close();
    }

    /// Calls `c.closed()`.
    static bool closed(const Conn& c) noexcept
        requires requires {
            { c.closed() } noexcept -> std::convertible_to<bool>;
        }
    {
        return c.closed();
    }

    /// Calls `c.released()`.
    static bool released(const Conn& c) noexcept
        requires requires {
            { c.released() } noexcept -> std::convertible_to<bool>;
        }
    {
        return c.released();
    }

    /// Calls `c.unblocked()`.
    static bool unblocked(const Conn& c) noexcept
        requires requires {
            { c.unblocked() } noexcept -> std::convertible_to<bool>;
        }
    {
        return c.unblocked();
    }

    /// Calls `c.reusable()`.
    static bool reusable(const Conn& c) noexcept
        requires requires {
            { c.reusable() } noexcept -> std::convertible_to<bool>;
        }
    {
        return c.reusable();
    }

    /// Calls `c.weight()`.
    static std::size_t weight(const Conn& c) noexcept
        requires requires {
            { c.weight() } noexcept -> std::convertible_to<std::size_t>;
        }
    {
        return c.weight();
    }

    /// Calls `c.expires()`.
    static std::chrono::nanoseconds expires(const Conn& c) noexcept
        requires requires {
            { c.expires() } noexcept -> std::convertible_to<std::chrono::nanoseconds>;
        }
    {
        return c.expires();
    }

    /// Calls `c.abandon()`.
    static void abandon(Conn& c) noexcept
        requires requires {
            { c.abandon() } noexcept;
        }
    {
        c.abandon();
    }

    /// Calls `c.why_dead()`.
    static std::string why_dead(const Conn& c)
        requires requires {
            { c.why_dead() } -> std::convertible_to<std::string>;
        }
    {
        return c.why_dead();
    }
};

/// Adapts a connection type.
/// - `close(c)` ends the connection, and releases what it holds. It may throw. The pool calls it exactly once for each
///   connection that it has, dead ones included, unless that is `released`. It never calls it under its lock.
/// - `closed(c)` is true if the connection is dead: it can never be used again, because its peer has gone, or because
///   it was closed. The pool does not lend it, and closes it.
/// - `unblocked(c)` is true if the connection can take a call now. It is false while a cancelled call is still ending.
///
/// These are optional:
/// - `released(c)` is true if nothing is left for `close` to do, because somebody has closed the connection already.
///   Without it, a pointer is released if it is null, and any other connection is not. A class whose `close` must not
///   be called twice needs it, if its users can close a connection that they are lent.
/// - `reusable(c)` is true if the connection can take another call after one that has failed.
/// - `weight(c)` is what the connection weighs while it is idle, such as a number of bytes, for a capacity policy that
///   bounds that (`weight_capacity_policy`). It is asked when the connection is given back, before its reset and after it.
/// - `why_dead(c)` says why a connection is `closed`, as something that converts to `std::string`, such as the error
///   text of a C library. It is called without the lock, and may throw.
/// - `void abandon(c) noexcept` closes the descriptor in the child of a fork, without a word to the peer. The destructor
///   does nothing then. See `abandon` of a pool, which calls it under its lock, and maybe in the middle of a call.
/// - `expires(c)` is how long from now the peer keeps the connection open, as `std::chrono::nanoseconds`; their `max()`
///   is for ever. It is asked when the connection is given back, if the expiry policy asks for that: `at_own_deadline`.
/// - `bool healthy(c)` asks the peer of an idle connection, before it is lent, whether the connection still works. If
///   it returns false, or throws, the connection is closed. `pool_settings::check_after` says when it is called.
/// - `void reset(c)` removes what a caller has left behind, such as an open transaction, when a lent connection is
///   given back. If it throws, the connection is closed.
/// - `void keep_alive(c)` tells the peer of an idle connection that it is still needed. If it throws, the connection is
///   closed. `pool_settings::keep_alive_every` says how often `upkeep` calls it.
///
/// The pool calls these three without the lock, and nothing else uses the connection meanwhile. They may block, throw,
/// and call the pool. Only a specialisation has them, never a member of Conn: many classes have a `reset` that does
/// something else.
/// Each has an asynchronous form, which starts an operation and returns. The operation ends with a call of
/// `done(bool)`, `done(error)` or `done(error, bool)`: see `hook_done`. If `done` is destroyed instead, as by an
/// exception, the answer is no, and the connection is closed. Until then nothing else uses the connection.
/// - `void async_healthy(c, hook_done done)` is what `async_acquire` calls. A blocking call needs `healthy`: it is refused
///   if Conn has only this form.
/// - `void async_reset(c, hook_done done)` is called by blocking calls, too. If Conn has both forms, this is the one.
/// - `void async_keep_alive(c, hook_done done)`: the same. `upkeep` does not wait for its end.
///
/// The pool calls `closed` and `unblocked` under its lock, too. It calls `released`, `reusable`,
/// `weight` and `expires` only without the lock. These six must be cheap, must not throw and must not call the pool.
/// The primary template calls the members of the same names. A specialisation has these functions as static members.
template <class Conn>
struct connection_traits : member_connection_traits<Conn> {};

/// Can be closed.
template <class Conn>
concept closable = requires(Conn& c) { connection_traits<Conn>::close(c); };

/// Reports whether it is dead, without throwing.
template <class Conn>
concept closed_reporting = requires(const Conn& c) {
    { connection_traits<Conn>::closed(c) } noexcept -> std::same_as<bool>;
};

/// Reports whether it is unblocked, without throwing.
template <class Conn>
concept unblocked_reporting = requires(const Conn& c) {
    { connection_traits<Conn>::unblocked(c) } noexcept -> std::same_as<bool>;
};

/// Reports after a failed call whether it can take another call. A Conn without `reusable` is closed after an
/// exception.
template <class Conn>
concept reusable_reporting = requires(const Conn& c) {
    { connection_traits<Conn>::reusable(c) } noexcept -> std::same_as<bool>;
};

/// Reports whether there is nothing left to close.
template <class Conn>
concept released_reporting = requires(const Conn& c) {
    { connection_traits<Conn>::released(c) } noexcept -> std::same_as<bool>;
};

/// Says what it weighs.
template <class Conn>
concept weight_reporting = requires(const Conn& c) {
    { connection_traits<Conn>::weight(c) } noexcept -> std::same_as<std::size_t>;
};

/// Says how long its peer keeps it open.
template <class Conn>
concept expiry_reporting = requires(const Conn& c) {
    { connection_traits<Conn>::expires(c) } noexcept -> std::convertible_to<std::chrono::nanoseconds>;
};

/// Can be forgotten in the child of a fork.
template <class Conn>
concept abandonable = requires(Conn& c) {
    { connection_traits<Conn>::abandon(c) } noexcept -> std::same_as<void>;
};

/// Says why it is dead.
template <class Conn>
concept death_explaining = requires(const Conn& c) {
    { connection_traits<Conn>::why_dead(c) } -> std::convertible_to<std::string>;
};

/// Is asked for its health before it is lent again.
template <class Conn>
concept health_checked = requires(Conn& c) {
    { connection_traits<Conn>::healthy(c) } -> std::same_as<bool>;
};

/// Is reset when it is given back.
template <class Conn>
concept resettable = requires(Conn& c) {
    { connection_traits<Conn>::reset(c) } -> std::same_as<void>;
};

/// Is kept alive while it is idle.
template <class Conn>
concept kept_alive = requires(Conn& c) {
    { connection_traits<Conn>::keep_alive(c) } -> std::same_as<void>;
};

/// Is asked for its health before it is lent again to an asynchronous caller.
template <class Conn>
concept async_health_checked = requires(Conn& c, hook_done done) {
    { connection_traits<Conn>::async_healthy(c, std::move(done)) } -> std::same_as<void>;
};

/// Is reset by an asynchronous operation when it is given back.
template <class Conn>
concept async_resettable = requires(Conn& c, hook_done done) {
    { connection_traits<Conn>::async_reset(c, std::move(done)) } -> std::same_as<void>;
};

/// Is kept alive by an asynchronous operation while it is idle.
template <class Conn>
concept async_kept_alive = requires(Conn& c, hook_done done) {
    { connection_traits<Conn>::async_keep_alive(c, std::move(done)) } -> std::same_as<void>;
};

/// A connection that a pool can keep.
template <class Conn>
concept poolable = std::destructible<Conn> && closable<Conn> && closed_reporting<Conn> && unblocked_reporting<Conn>;

namespace core {

/// Has a hook in either form.
template <class Conn>
concept has_check = health_checked<Conn> || async_health_checked<Conn>;
/// The same for a reset.
template <class Conn>
concept has_reset = resettable<Conn> || async_resettable<Conn>;
/// The same for a keep-alive.
template <class Conn>
concept has_keep_alive = kept_alive<Conn> || async_kept_alive<Conn>;

/// Whether there is nothing left to close.
template <class Conn>
bool is_released(const Conn& c) noexcept {
    if constexpr (released_reporting<Conn>) return connection_traits<Conn>::released(c);
    else if constexpr (std::is_pointer_v<Conn>) return c == nullptr;
    else return false;
}

/// Whether `connection_traits<T>` is a specialisation with a `close` of its own.
template <class T>
inline constexpr bool has_foreign_close = closable<T> && !requires(T& c) { c.close(); };

/// A `std::unique_ptr` or `std::shared_ptr` answers as the connection that it points to. A null pointer is dead, and
/// released.
template <class Pointer, class Target = typename Pointer::element_type>
struct pointer_connection_traits : pointer_hooks<Pointer, connection_traits<Target>> {
    using target = connection_traits<Target>;  ///< the traits of the connection pointed to

    /// Closes the pointee.
    static void close(Pointer& p)
        requires closable<Target>
    {
        if (p) target::close(*p);
    }

    /// A null pointer is dead.
    static bool closed(const Pointer& p) noexcept
        requires closed_reporting<Target>
    {
        return !p || target::closed(*p);
    }

    /// A null pointer is released.
    static bool released(const Pointer& p) noexcept { return !p || core::is_released(*p); }

    /// Calls `unblocked` of the pointee. A null pointer is unblocked.
    static bool unblocked(const Pointer& p) noexcept
        requires unblocked_reporting<Target>
    {
        return !p || target::unblocked(*p);
    }

    /// Calls `reusable` of the pointee. A null pointer is not reusable.
    static bool reusable(const Pointer& p) noexcept
        requires reusable_reporting<Target>
    {
        return p && target::reusable(*p);
    }

    /// Calls `expires` of the pointee. A null pointer has expired.
    static std::chrono::nanoseconds expires(const Pointer& p) noexcept
        requires expiry_reporting<Target>
    {
        return p ? std::chrono::nanoseconds{target::expires(*p)} : std::chrono::nanoseconds::zero();
    }

    /// Calls `abandon` of the pointee. Of a null pointer there is nothing to abandon.
    static void abandon(Pointer& p) noexcept
        requires abandonable<Target>
    {
        if (p) target::abandon(*p);
    }

    /// Calls `weight` of the pointee. A null pointer has none.
    static std::size_t weight(const Pointer& p) noexcept
        requires weight_reporting<Target>
    {
        return p ? target::weight(*p) : 0;
    }

    /// What `why_dead` of the pointee says, if there is one.
    static std::string why_dead(const Pointer& p) {
        if (!p) return "a null pointer";
        if constexpr (death_explaining<Target>) return std::string(target::why_dead(*p));
        else return {};
    }
};

/// A `std::unique_ptr` whose deleter ends the connection, because its target has no `close`: a handle of a C library.
/// If the traits of the target do not answer a question, the connection is never dead, or never blocked.
template <class Pointer, class Target = typename Pointer::element_type>
struct deleted_connection_traits : pointer_connection_traits<Pointer> {
    using target = connection_traits<Target>;  ///< the traits of the connection pointed to

    static void close(Pointer& p) noexcept { p.reset(); }  ///< calls the deleter

    /// A null pointer is dead.
    static bool closed(const Pointer& p) noexcept {
        if constexpr (closed_reporting<Target>) return !p || target::closed(*p);
        else return !p;
    }

    static bool released(const Pointer& p) noexcept { return !p; }  ///< if it is null

    /// A null pointer is unblocked.
    static bool unblocked(const Pointer& p) noexcept {
        if constexpr (unblocked_reporting<Target>) return !p || target::unblocked(*p);
        else return true;
    }
};

/// Does not compile if both the deleter of a pointer and the traits of its target would end the connection.
template <class T, class Deleter>
consteval bool is_ended_by_deleter() {
    constexpr bool has_own_deleter = !std::is_same_v<Deleter, std::default_delete<T>>;
    static_assert(!(has_own_deleter && has_foreign_close<T>),
        "pool: both the deleter of this unique_ptr and connection_traits<T>::close would end the connection: leave close "
        "out of connection_traits<T>, or specialise connection_traits for the unique_ptr");
    return has_own_deleter && !closable<T>;
}

/// Does not compile for a pointer to an opaque handle that both its deleter and the traits of its target would end. Only
/// a deleter of its own can end an object of an incomplete type.
template <class T>
consteval bool is_closed_by_traits() {
    constexpr bool is_opaque = !requires { sizeof(T); };
    static_assert(!(is_opaque && has_foreign_close<T>),
        "pool: both the deleter of this shared_ptr and connection_traits<T>::close would end the connection: specialise "
        "connection_traits for the shared_ptr");
    return true;
}

/// The traits of a `std::unique_ptr`.
template <class T, class Deleter>
using unique_ptr_traits = std::conditional_t<is_ended_by_deleter<T, Deleter>(),
    deleted_connection_traits<std::unique_ptr<T, Deleter>>, pointer_connection_traits<std::unique_ptr<T, Deleter>>>;

/// The traits of a `std::shared_ptr`.
template <class T>
using shared_ptr_traits = std::enable_if_t<is_closed_by_traits<T>(), pointer_connection_traits<std::shared_ptr<T>>>;

}  // namespace core

/// Answers as the connection that it points to. If that has no `close`, and the pointer has a deleter of its own, the
/// deleter ends the connection.
template <class T, class Deleter>
    requires(!std::is_array_v<T>)
struct connection_traits<std::unique_ptr<T, Deleter>> : core::unique_ptr_traits<T, Deleter> {};

/// Answers as the connection that it points to. Its deleter must not end the connection, too: the pool closes it.
template <class T>
    requires(!std::is_array_v<T>)
struct connection_traits<std::shared_ptr<T>> : core::shared_ptr_traits<T> {};

}  // namespace pool
