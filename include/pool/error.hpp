// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <exception>
#include <memory>
#include <ostream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <pool/core/what.hpp>

/// @file
/// The pool's own errors. Exceptions of a dial or a call are never wrapped: they reach the caller as they were thrown.
/// (`asio::async_acquire` reports error codes instead, unless its token takes exceptions.)

namespace pool {

/// The base of the errors below. The message names the pool and, if the operation had one, the key.
class error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// The pool is closed, so it lends no connection.
class pool_closed : public error {
public:
    using error::error;
};

/// The pool is paused, so it lends no connection.
class pool_paused : public error {
public:
    using error::error;
};

/// The pool was invalidated while a caller waited, and was told to fail those. Or so often while it dialled that it has
/// given up: `core::most_outdated` times.
class acquire_invalidated : public error {
public:
    using error::error;
};

/// A caller's deadline passed while it waited.
class acquire_timeout : public error {
public:
    using error::error;
};

/// A stop was requested while a caller waited.
class acquire_cancelled : public error {
public:
    using error::error;
};

/// Nothing was free, and the wait queue was full.
class queue_full : public error {
public:
    using error::error;
};

/// A dial has returned a dead connection. The message has what `connection_traits::why_dead` says.
class dial_failed : public error {
public:
    using error::error;
};

/// A call brought no dial, and the pool has none of its own.
class no_dial : public error {
public:
    using error::error;
};

/// A call was made through a `pooled_connection` that is closed.
class connection_closed : public error {
public:
    using error::error;
};

/// A stream was used after it failed, or after it was moved from.
class stream_ended : public error {
public:
    using error::error;
};

/// The errors of a pool's closes: a range of `std::exception_ptr`, empty if there were none. It is itself an exception,
/// and its message lists them all. Copying it does not throw.
class close_errors : public error {
public:
    /// No errors.
    close_errors() : close_errors{"", {}} {}

    /// The errors of the pool `pool_name`.
    close_errors(const std::string& pool_name, std::vector<std::exception_ptr> errors)
        : error{text(pool_name, errors)},
          errors_{std::make_shared<const std::vector<std::exception_ptr>>(std::move(errors))} {}

    /// Copies share the errors. There is no move, because a moved-from object would have no list of errors.
    close_errors(const close_errors&) noexcept = default;
    close_errors& operator=(const close_errors&) noexcept = default;  ///< copies share the errors

    auto begin() const noexcept { return errors_->begin(); }       ///< the first `std::exception_ptr`
    auto end() const noexcept { return errors_->end(); }           ///< behind the last one
    std::size_t size() const noexcept { return errors_->size(); }  ///< how many closes failed
    bool empty() const noexcept { return errors_->empty(); }       ///< whether all went well

    /// Throws the collection as one exception, unless it is empty.
    void rethrow() const {
        if (!empty()) throw *this;
    }

    /// Prints the message.
    friend std::ostream& operator<<(std::ostream& out, const close_errors& errors) { return out << errors.what(); }

private:
    static std::string text(const std::string& pool_name, const std::vector<std::exception_ptr>& errors) {
        if (errors.empty()) return "no errors";
        std::string all = "pool \"" + pool_name + "\": " + std::to_string(errors.size()) + " failed to close";
        const char* separator = ": ";
        for (const auto& error : errors) {
            all += separator + core::what(error);
            separator = "; ";
        }
        return all;
    }

    std::shared_ptr<const std::vector<std::exception_ptr>> errors_;
};

}  // namespace pool
