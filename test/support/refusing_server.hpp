// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <stdexcept>
#include <string>

#include <pool/testing/fake_connection.hpp>
#include <pool/testing/fake_dialer.hpp>

#include <support/fake.hpp>

/// @file
/// A server that is down until the test says that it is up.

namespace fake {

/// While it is down, each dial throws a `std::runtime_error` with its number: "refused 3".
class refusing_server {
public:
    refusing_server() { down(); }
    refusing_server(const refusing_server&) = delete;
    refusing_server& operator=(const refusing_server&) = delete;

    /// The dial of it, for any key, with and without a context.
    auto dial() {
        return [this](const auto&... key_and_context) { return dials(key_and_context...); };
    }

    /// From now on, it is down.
    void down() {
        dials.each([this](const auto&) { throw std::runtime_error{"refused " + std::to_string(dials.attempts())}; });
    }
    /// From now on, it is up.
    void up() { dials.each(nullptr); }

    pool::testing::fake_dialer dials;  ///< counts, and may be told what else to do
};

/// Dials and hangs up. Returns the text of the error, or "" if there is none.
template <class Dial, class... Args>
std::string try_to_dial(Dial& dial, const Args&... key_and_context) {
    try {
        hang_up(dial(key_and_context...));
        return "";
    } catch (const std::runtime_error& error) {
        return error.what();
    }
}

}  // namespace fake
