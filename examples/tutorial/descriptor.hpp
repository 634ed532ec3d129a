// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cerrno>
#include <system_error>
#include <utility>

#include <unistd.h>

/// @file
/// Shared by the client and the server of the tutorial.

namespace tutorial {

/// Throws what `errno` says.
[[noreturn]] inline void fail(const char* what, int error = errno) {
    throw std::system_error{error, std::generic_category(), what};
}

/// Owns a file descriptor. Its destructor closes it.
class descriptor {
public:
    explicit descriptor(int number) noexcept : number_{number} {}
    descriptor(descriptor&& other) noexcept : number_{std::exchange(other.number_, -1)} {}
    descriptor& operator=(descriptor&& other) noexcept {
        std::swap(number_, other.number_);
        return *this;
    }
    ~descriptor() {
        if (number_ >= 0) ::close(number_);
    }

    int get() const noexcept { return number_; }  ///< -1 is none

    /// Closes it now. It is never closed a second time, even if this throws: after an error its number may be another
    /// thread's already. Linux has closed it when it reports `EINTR`, so that is no error.
    void close() {
        if (number_ >= 0 && ::close(std::exchange(number_, -1)) != 0 && errno != EINTR) fail("close");
    }

private:
    int number_;
};

}  // namespace tutorial
