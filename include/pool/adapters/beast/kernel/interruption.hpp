// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <system_error>

#include <sys/socket.h>

#include <pool/core/platform.hpp>

/// @file
/// Ends what a connection is doing, from any thread. Private.

namespace pool::beast::kernel {

/// Shuts a socket down, which ends whatever waits for it, and all that comes after: no step of an operation is missed,
/// as it would be by a cancel between two of them. The connection is lost. Thread-safe.
class interruption {
public:
    /// An operation begins with this socket. Returns its number.
    std::uint64_t begin(int socket) noexcept {
        const std::lock_guard guard{lock_};
        socket_ = socket;
        why_.reset();
        return ++number_;
    }

    /// The number of the operation that runs.
    std::uint64_t number() const noexcept {
        const std::lock_guard guard{lock_};
        return number_;
    }

    /// It has ended: it is not interrupted any more. Returns why it was.
    std::optional<std::errc> end() noexcept {
        const std::lock_guard guard{lock_};
        socket_ = -1;
        ++number_;
        return why_;
    }

    /// The socket is about to be closed, also if the operation has not ended yet.
    void forget() noexcept {
        const std::lock_guard guard{lock_};
        socket_ = -1;
    }

    /// Interrupts the operation of this number, unless it has ended.
    void interrupt(std::uint64_t number, std::errc why) noexcept {
        const std::lock_guard guard{lock_};
        if (number != number_ || socket_ < 0) return;
        if (!why_) why_ = why;
        ::shutdown(socket_, SHUT_RDWR);
    }

private:
    mutable std::mutex lock_;
    int socket_ = -1;  ///< not closed before the operation has ended
    std::uint64_t number_ = 0;
    std::optional<std::errc> why_{};
};

}  // namespace pool::beast::kernel
