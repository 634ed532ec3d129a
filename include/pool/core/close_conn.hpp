// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <exception>
#include <utility>
#include <vector>

#include <pool/connection.hpp>

/// @file
/// How a pool closes a connection.

namespace pool::core {

/// Keeps an error, if there is memory for it. If not, the other connections must still be closed.
inline void record(std::vector<std::exception_ptr>& errors, std::exception_ptr error) noexcept {
    try {
        errors.push_back(std::move(error));
    } catch (...) {
    }
}

/// Closes a connection that no other code can reach, unless it is released already. Returns false if the close threw,
/// after it has called `caught(error)`, which must not throw.
template <class Conn, class Caught>
bool close_conn(Conn& conn, const Caught& caught) noexcept {
    if (core::is_released(conn)) return true;
    try {
        connection_traits<Conn>::close(conn);
        return true;
    } catch (...) {
        caught(std::current_exception());
        return false;
    }
}

/// The same. The error is lost.
template <class Conn>
bool close_conn(Conn& conn) noexcept {
    return core::close_conn(conn, [](const std::exception_ptr&) {});
}

/// In the child of a fork: has a connection of the parent abandoned, if Conn can do that.
template <class Conn>
void abandon_conn([[maybe_unused]] Conn& conn) noexcept {
    if constexpr (abandonable<Conn>) connection_traits<Conn>::abandon(conn);
}

}  // namespace pool::core
