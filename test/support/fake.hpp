// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <stdexcept>
#include <utility>

#include <pool/testing/fake_connection.hpp>
#include <pool/testing/fake_dialer.hpp>

#include <support/ids.hpp>

/// @file
/// The fakes of the testing kit, under the short names that these tests use.

namespace fake {

using connection = pool::testing::fake_connection;
using fragile_connection = pool::testing::fragile_connection;
using line = pool::testing::far_end;

/// Where connections come from.
class network : public pool::testing::fake_dialer {
public:
    /// A connection that no pool has dialled.
    connection dial() { return (*this)(); }

    /// A dial function for any key. It refers to this network.
    auto dialer() {
        return [this](const auto& key) { return (*this)(key); };
    }
};

/// Closes a connection that the caller owns, and ignores a failure.
inline void hang_up(connection conn) {
    try {
        conn.close();
    } catch (const std::runtime_error&) {
    }
}

/// A call of several messages. Destroying it before its end cancels the call, which blocks its connection.
class stream {
public:
    stream(connection& over, int messages) : over_{&over.far()}, left_{messages} {}
    stream(stream&& other) noexcept : over_{other.over_}, left_{std::exchange(other.left_, 0)} {}
    ~stream() {
        if (left_ > 0) over_->blocked = true;
    }

    /// Takes the next message. Returns how many are left.
    int next() { return --left_; }
    bool done() const noexcept { return left_ == 0; }

private:
    line* over_;
    int left_;
};

}  // namespace fake
