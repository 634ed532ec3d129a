// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <memory>
#include <type_traits>

#include <pool/core/platform.hpp>

/// @file
/// What a pool needs of a Conn: `close`, `closed` and `unblocked`. A class has them as member functions. Any other
/// type, such as a file descriptor, gives them by a specialisation of `connection_traits`.

namespace pool {

/// Adapts a connection type.
/// - `close(c)` ends the connection. It may throw. The pool calls it at most once, and never under its lock.
/// - `closed(c)` is true if the connection can never be used again. The pool then does not call `close`: the destructor
///   has to release the rest.
/// - `unblocked(c)` is true if the connection can take a call now. It is false while a cancelled call is still ending.
/// - `reusable(c)` is optional. After a failed call, it is true if the connection can take another call.
///
/// The pool calls `closed` and `unblocked` under its lock, too. It calls `reusable` only without the lock. All three
/// must be cheap, must not throw and must not call the pool.
///
/// The primary template calls the members of the same names. A specialisation has these functions as static members.
template <class Conn>
struct connection_traits {
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
};

/// Can be closed.
template <class Conn>
concept closable = requires(Conn& c) { connection_traits<Conn>::close(c); };

/// Reports whether it is closed, without throwing.
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

/// A connection that a pool can keep.
template <class Conn>
concept poolable = std::destructible<Conn> && closable<Conn> && closed_reporting<Conn> && unblocked_reporting<Conn>;

namespace core {

/// A `std::unique_ptr` or `std::shared_ptr` answers as the connection that it points to. A null pointer is a closed
/// connection.
template <class Pointer>
struct pointer_connection_traits {
    using target = connection_traits<typename Pointer::element_type>;  ///< the traits of the connection pointed to

    /// Closes the pointee.
    static void close(Pointer& p)
        requires closable<typename Pointer::element_type>
    {
        if (p) target::close(*p);
    }

    /// A null pointer is closed.
    static bool closed(const Pointer& p) noexcept
        requires closed_reporting<typename Pointer::element_type>
    {
        return !p || target::closed(*p);
    }

    /// Calls `unblocked` of the pointee. A null pointer is unblocked.
    static bool unblocked(const Pointer& p) noexcept
        requires unblocked_reporting<typename Pointer::element_type>
    {
        return !p || target::unblocked(*p);
    }

    /// Calls `reusable` of the pointee. A null pointer is not reusable.
    static bool reusable(const Pointer& p) noexcept
        requires reusable_reporting<typename Pointer::element_type>
    {
        return p && target::reusable(*p);
    }
};

}  // namespace core

/// Answers as the connection that it points to.
template <class T, class Deleter>
    requires(!std::is_array_v<T>)
struct connection_traits<std::unique_ptr<T, Deleter>> : core::pointer_connection_traits<std::unique_ptr<T, Deleter>> {};

/// Answers as the connection that it points to.
template <class T>
    requires(!std::is_array_v<T>)
struct connection_traits<std::shared_ptr<T>> : core::pointer_connection_traits<std::shared_ptr<T>> {};

}  // namespace pool
