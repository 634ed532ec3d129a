// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/core/platform.hpp>  // first: what it says of the compiler comes before what libpq says

#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>

/// @file
/// The errors of libpq and of its servers.

namespace pool::libpq {

/// An error of libpq, or of the server: its text is what they say.
class error : public std::runtime_error {
public:
    /// With the text of the server or of libpq, and the SQLSTATE; none if the server has sent none. `has_lost_connection`:
    /// the connection is broken.
    error(const std::string& text, std::string_view sqlstate, bool has_lost_connection = false)
        : std::runtime_error{text},
          sqlstate_{sqlstate},
          has_lost_connection_{has_lost_connection} {}

    /// The five characters of the SQLSTATE, as "23505"; empty if the error is not of the server.
    const std::string& sqlstate() const noexcept { return sqlstate_; }
    bool has_lost_connection() const noexcept { return has_lost_connection_; }  ///< whether the connection is broken

private:
    std::string sqlstate_;
    bool has_lost_connection_;
};

/// Whether an error is one of the connection, and not of the command: it is broken, or the server says that it ends it. For
/// `pool::retry_stale`, with commands that may be executed twice: nobody knows whether the server has executed one whose
/// answer was lost. If a server ends a connection that is just being lent, its reason is mostly lost, too, so an error with
/// that reason says no more.
inline bool lost_connection(const std::exception& e) noexcept {
    const auto* const known = dynamic_cast<const error*>(&e);
    if (known == nullptr) return false;
    const std::string_view state = known->sqlstate();
    return known->has_lost_connection() || state == "57P01" || state == "57P02" || state == "57P03";
}

namespace kernel {

/// A message of libpq, without the line end that it has.
inline std::string text_of(const char* message) {
    std::string_view text = message != nullptr ? message : "";
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
    return std::string{text};
}

}  // namespace kernel

}  // namespace pool::libpq
