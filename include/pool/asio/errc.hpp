// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <string>
#include <type_traits>

#include <boost/system/error_code.hpp>

#include <pool/core/platform.hpp>

/// @file
/// The error codes of an asynchronous acquire.

namespace pool::asio {

/// The errors of `async_acquire` itself. An error code of a dial reaches the caller unchanged, and so does the code of
/// a `boost::system::system_error` that the dial throws. Any other exception, and a dead connection, becomes
/// `dial_failed`: its text reaches a caller that takes exceptions (`with_exceptions`, `async_invoke`). A caller that is cancelled gets
/// `boost::asio::error::operation_aborted`. If there is no memory for something, it gets
/// `boost::asio::error::no_memory`.
enum class errc {
    pool_closed = 1,  ///< the pool is closed
    queue_full,       ///< nothing was free, and the wait queue was full
    dial_failed,      ///< the dial threw any other exception, or returned a dead connection
    dial_dropped,     ///< the dial destroyed its handler without calling it
    acquire_timeout,  ///< the deadline has passed; equals the condition `boost::system::errc::timed_out`
    pool_paused,      ///< the pool is paused
    acquire_invalidated,  ///< the pool was invalidated while the caller waited, or too often while it dialled
};

/// The category of `errc`.
inline const boost::system::error_category& category() noexcept {
    static const struct final : boost::system::error_category {
        const char* name() const noexcept override { return "pool"; }
        std::string message(int value) const override {
            switch (static_cast<errc>(value)) {
            case errc::pool_closed: return "the pool is closed";
            case errc::queue_full: return "the wait queue is full";
            case errc::dial_failed: return "the dial failed, without an error code";
            case errc::dial_dropped: return "the dial was dropped before it was over";
            case errc::acquire_timeout: return "the deadline has passed";
            case errc::pool_paused: return "the pool is paused";
            case errc::acquire_invalidated: return "the pool was invalidated";
            }
            return "unknown error";
        }
        boost::system::error_condition default_error_condition(int value) const noexcept override {
            if (value == static_cast<int>(errc::acquire_timeout))
                return make_error_condition(boost::system::errc::timed_out);
            return {value, *this};
        }
    } instance;
    return instance;
}

/// An error code of this category.
inline boost::system::error_code make_error_code(errc value) noexcept {
    return {static_cast<int>(value), category()};
}

}  // namespace pool::asio

namespace boost::system {

/// Makes `pool::asio::errc` convert to an error code.
template <>
struct is_error_code_enum<pool::asio::errc> : std::true_type {};

}  // namespace boost::system
