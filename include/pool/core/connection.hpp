// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <memory>

/// @file
/// What is asked of Conn: three answers. A class gives them as members of the same names; any other type, such as a file
/// descriptor, by a specialisation of `connection_traits`.

namespace pool {

/// Adapts a connection type.
/// - `close(c)` ends the connection. It may throw; the pool calls it once, never under its lock.
/// - `closed(c)` says that it is dead for good. `unblocked(c)` says that it can take a call now: false while its last,
///   cancelled call is still being wound up. Both are asked under the pool's lock, so they must be cheap, must not throw
///   and must not call the pool.
template <class Conn>
struct connection_traits {
    static void close(Conn& c)
        requires requires { c.close(); }
    {
        c.close();
    }

    static bool closed(const Conn& c) noexcept
        requires requires {
            { c.closed() } noexcept -> std::convertible_to<bool>;
        }
    {
        return c.closed();
    }

    static bool unblocked(const Conn& c) noexcept
        requires requires {
            { c.unblocked() } noexcept -> std::convertible_to<bool>;
        }
    {
        return c.unblocked();
    }

    static bool reusable(const Conn& c) noexcept
        requires requires {
            { c.reusable() } noexcept -> std::convertible_to<bool>;
        }
    {
        return c.reusable();
    }
};

/// `std::unique_ptr` and `std::shared_ptr` answer as what they point at; a null pointer is a closed connection.
template <class Pointer>
struct pointer_connection_traits {
    using pointee = connection_traits<typename Pointer::element_type>;

    static void close(Pointer& p)
        requires requires { pointee::close(*p); }
    {
        if (p) pointee::close(*p);
    }

    static bool closed(const Pointer& p) noexcept
        requires requires { pointee::closed(*p); }
    {
        return !p || pointee::closed(*p);
    }

    static bool unblocked(const Pointer& p) noexcept
        requires requires { pointee::unblocked(*p); }
    {
        return !p || pointee::unblocked(*p);
    }

    static bool reusable(const Pointer& p) noexcept
        requires requires { pointee::reusable(*p); }
    {
        return p && pointee::reusable(*p);
    }
};

template <class T, class Deleter>
struct connection_traits<std::unique_ptr<T, Deleter>> : pointer_connection_traits<std::unique_ptr<T, Deleter>> {};

template <class T>
struct connection_traits<std::shared_ptr<T>> : pointer_connection_traits<std::shared_ptr<T>> {};

template <class Conn>
concept closes = requires(Conn& c) { connection_traits<Conn>::close(c); };

template <class Conn>
concept tells_closed = requires(const Conn& c) {
    { connection_traits<Conn>::closed(c) } noexcept -> std::same_as<bool>;
};

template <class Conn>
concept tells_unblocked = requires(const Conn& c) {
    { connection_traits<Conn>::unblocked(c) } noexcept -> std::same_as<bool>;
};

/// What a pool can keep.
template <class Conn>
concept connection = std::destructible<Conn> && closes<Conn> && tells_closed<Conn> && tells_unblocked<Conn>;

/// A connection that can tell, after an exception, that it is fit for the next call. Without it, it is not kept.
template <class Conn>
concept tells_reusable = requires(const Conn& c) {
    { connection_traits<Conn>::reusable(c) } noexcept -> std::same_as<bool>;
};

/// What the members of a connection are called on: what it points at, or itself.
template <class Conn>
auto& object_of(Conn& c) noexcept {
    return c;
}
template <class T, class Deleter>
T& object_of(std::unique_ptr<T, Deleter>& c) noexcept {
    return *c;
}
template <class T>
T& object_of(std::shared_ptr<T>& c) noexcept {
    return *c;
}

}  // namespace pool
