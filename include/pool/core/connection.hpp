// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <memory>
#include <type_traits>

/// @file
/// What is asked of Conn: three answers. A class gives them as members of the same names; any other type, such as a file
/// descriptor, by a specialisation of `connection_traits`.

namespace pool {

/// Adapts a connection type.
/// - `close(c)` ends the connection. It may throw; the pool calls it at most once, never under its lock.
/// - `closed(c)` says that it is dead for good and needs no `close`: its destructor releases what it has left.
/// - `unblocked(c)` says that it can take a call now: false while its last, cancelled call is still being wound up.
/// - `reusable(c)`, which is optional, says after a failed call that it is fit for the next one.
///
/// The last three may be asked under the pool's lock, so they must be cheap, must not throw and must not call the pool.
///
/// The primary template calls the members of the same names; a specialisation has these functions, static.
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
concept closes = requires(Conn& c) { connection_traits<Conn>::close(c); };

/// Says whether it is closed, without throwing.
template <class Conn>
concept tells_closed = requires(const Conn& c) {
    { connection_traits<Conn>::closed(c) } noexcept -> std::same_as<bool>;
};

/// Says whether it is unblocked, without throwing.
template <class Conn>
concept tells_unblocked = requires(const Conn& c) {
    { connection_traits<Conn>::unblocked(c) } noexcept -> std::same_as<bool>;
};

/// A connection that can tell, after an exception, that it is fit for the next call. Without it, it is not kept.
template <class Conn>
concept tells_reusable = requires(const Conn& c) {
    { connection_traits<Conn>::reusable(c) } noexcept -> std::same_as<bool>;
};

/// What a pool can keep.
template <class Conn>
concept connection = std::destructible<Conn> && closes<Conn> && tells_closed<Conn> && tells_unblocked<Conn>;

/// `std::unique_ptr` and `std::shared_ptr` answer as what they point at; a null pointer is a closed connection.
template <class Pointer>
struct pointer_connection_traits {
    using pointee = connection_traits<typename Pointer::element_type>;  ///< answers for what is pointed at

    /// Closes the pointee.
    static void close(Pointer& p)
        requires closes<typename Pointer::element_type>
    {
        if (p) pointee::close(*p);
    }

    /// A null pointer is closed.
    static bool closed(const Pointer& p) noexcept
        requires tells_closed<typename Pointer::element_type>
    {
        return !p || pointee::closed(*p);
    }

    /// As the pointee.
    static bool unblocked(const Pointer& p) noexcept
        requires tells_unblocked<typename Pointer::element_type>
    {
        return !p || pointee::unblocked(*p);
    }

    /// As the pointee; a null pointer is not.
    static bool reusable(const Pointer& p) noexcept
        requires tells_reusable<typename Pointer::element_type>
    {
        return p && pointee::reusable(*p);
    }
};

/// As what it points at.
template <class T, class Deleter>
    requires(!std::is_array_v<T>)
struct connection_traits<std::unique_ptr<T, Deleter>> : pointer_connection_traits<std::unique_ptr<T, Deleter>> {};

/// As what it points at.
template <class T>
    requires(!std::is_array_v<T>)
struct connection_traits<std::shared_ptr<T>> : pointer_connection_traits<std::shared_ptr<T>> {};

/// What the members of a connection are called on: what it points at, or itself.
template <class Conn>
auto& object_of(Conn& c) noexcept {
    return c;
}
/// The object that is pointed at.
template <class T, class Deleter>
T& object_of(std::unique_ptr<T, Deleter>& c) noexcept {
    return *c;
}
/// The object that is pointed at.
template <class T>
T& object_of(std::shared_ptr<T>& c) noexcept {
    return *c;
}

}  // namespace pool
