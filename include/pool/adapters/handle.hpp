// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cerrno>
#include <concepts>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#include <pool/connection.hpp>

/// @file
/// A connection made of a handle of a C library, and of the function that ends it.

namespace pool {

namespace core {

/// The handle that stands for none: a null pointer; -1, as with file descriptors; or what `Checks::none` says.
template <class T, class Checks>
constexpr T no_handle() noexcept {
    if constexpr (requires { Checks::none; }) return Checks::none;
    else if constexpr (std::integral<T>) return T(-1);
    else return T{};
}

/// Has a `closed`.
template <class Checks, class T>
concept checks_closed = requires(T value) { Checks::closed(value); };

/// Has an `unblocked`.
template <class Checks, class T>
concept checks_unblocked = requires(T value) { Checks::unblocked(value); };

/// Has a `reusable`.
template <class Checks, class T>
concept checks_reusable = requires(T value) { Checks::reusable(value); };

/// Has a `why_dead`.
template <class Checks, class T>
concept checks_why_dead = requires(T value) { Checks::why_dead(value); };

/// Has an `abandon`.
template <class Checks, class T>
concept checks_abandon = requires(T value) { Checks::abandon(value); };

/// Whether each function of `Checks` takes the handle. Otherwise it would be left out, and nobody would notice.
template <class Checks, class T>
inline constexpr bool checks_take_handle =
    (checks_closed<Checks, T> || !requires { &Checks::closed; }) &&
    (checks_unblocked<Checks, T> || !requires { &Checks::unblocked; }) &&
    (checks_reusable<Checks, T> || !requires { &Checks::reusable; }) &&
    (checks_why_dead<Checks, T> || !requires { &Checks::why_dead; }) &&
    (checks_abandon<Checks, T> || !requires { &Checks::abandon; });

/// Whether `Checks` has any of the functions, so that none of a class is misspelt without notice.
template <class Checks, class T>
inline constexpr bool has_checks = checks_closed<Checks, T> || checks_unblocked<Checks, T> ||
                                   checks_reusable<Checks, T> || checks_why_dead<Checks, T> ||
                                   checks_abandon<Checks, T> || requires { Checks::none; };

}  // namespace core

/// A handle without checks: it is never dead, and never blocked.
struct no_checks {};

/// Owns a handle of a C library, such as a `PGconn*` or a file descriptor. `Close(value)` ends it, at most once. So the
/// pool can close it, and a caller that takes it out of the pool cannot leak it.
///
/// `Checks` has static functions that take a T. Each is optional, and means what the function of the same name in
/// `connection_traits` means: `closed`, `unblocked`, `reusable`, `why_dead` and `abandon`. Only `why_dead` may throw.
/// `Checks::none` is the value that stands for no handle. Without it, that is a null pointer, or -1 for an integer.
///
/// @code
/// struct checks {
///     static bool closed(PGconn* c) noexcept { return PQstatus(c) != CONNECTION_OK; }
///     static const char* why_dead(PGconn* c) { return PQerrorMessage(c); }
/// };
/// using connection = pool::handle<PGconn*, PQfinish, checks>;
/// @endcode
///
/// Move-only. Not thread-safe, as the handle itself.
template <class T, auto Close, class Checks = no_checks>
class handle {
    static_assert(std::is_pointer_v<T> || std::integral<T>, "pool: a handle is a pointer or an integer");
    static_assert(
        std::invocable<decltype(Close), T>, "pool: the Close of a handle must be a function that takes the handle");
    static_assert(core::checks_take_handle<Checks, T>,
        "pool: each of closed, unblocked, reusable, why_dead and abandon of a handle's Checks must be a static function that "
        "takes the handle");
    static_assert(std::same_as<Checks, no_checks> || !core::checks_take_handle<Checks, T> || core::has_checks<Checks, T>,
        "pool: the Checks of a handle need one of closed, unblocked, reusable, why_dead, abandon and none");

public:
    using value_type = T;        ///< the parameter
    using checks_type = Checks;  ///< the parameter

    static constexpr T none = core::no_handle<T, Checks>();  ///< stands for no handle

    handle() noexcept = default;                                  ///< no handle
    explicit(false) handle(T value) noexcept : value_{value} {}   ///< owns `value`, so that a dial can return one
    handle(handle&& other) noexcept : value_{other.release()} {}  ///< leaves `other` without a handle
    /// Ends its own handle first, and leaves `other` without one. Moving it to itself does nothing.
    handle& operator=(handle&& other) noexcept {
        const handle old{std::exchange(value_, other.release())};
        return *this;
    }
    /// Ends the handle, if there is one. An error of that is lost.
    ~handle() {
        if (value_ != none) (void)Close(value_);
    }

    T get() const noexcept { return value_; }                           ///< the handle
    explicit(false) operator T() const noexcept { return value_; }      ///< so that C functions take it
    explicit operator bool() const noexcept { return value_ != none; }  ///< whether there is a handle
    T release() noexcept { return std::exchange(value_, none); }        ///< leaves the handle to the caller

    /// Ends the handle, if there is one. If `Close` returns an `int` of -1, as functions of POSIX do that fail, throws a
    /// `std::system_error` with `errno`. Throws what `Close` throws.
    void close() {
        if (value_ == none) return;
        if constexpr (std::same_as<std::invoke_result_t<decltype(Close), T>, int>) {
            if (Close(release()) == -1)
                throw std::system_error{errno, std::generic_category(), "pool: the close of a handle"};
        } else {
            (void)Close(release());
        }
    }

    /// Whether there is no handle, or `Checks::closed` says that it is dead.
    bool closed() const noexcept {
        if constexpr (core::checks_closed<Checks, T>) return value_ == none || Checks::closed(value_);
        else return value_ == none;
    }

    bool released() const noexcept { return value_ == none; }  ///< whether there is no handle

    /// Whether `Checks::unblocked` says that it takes a call now.
    bool unblocked() const noexcept {
        if constexpr (core::checks_unblocked<Checks, T>) return value_ == none || Checks::unblocked(value_);
        else return true;
    }

    /// Whether `Checks::reusable` says that it takes another call.
    bool reusable() const noexcept
        requires core::checks_reusable<Checks, T>
    {
        return value_ != none && Checks::reusable(value_);
    }

    /// In the child of a fork: `Checks::abandon` forgets the handle, and it is never ended.
    void abandon() noexcept
        requires core::checks_abandon<Checks, T>
    {
        if (value_ != none) Checks::abandon(release());
    }

private:
    T value_ = none;
};

/// Answers by the members of the handle, and by its checks.
template <class T, auto Close, class Checks>
struct connection_traits<handle<T, Close, Checks>> : member_connection_traits<handle<T, Close, Checks>> {
    /// Calls `Checks::why_dead`.
    static std::string why_dead(const handle<T, Close, Checks>& c)
        requires core::checks_why_dead<Checks, T>
    {
        return c ? std::string(Checks::why_dead(c.get())) : std::string("no handle");
    }
};

}  // namespace pool
