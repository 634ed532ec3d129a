// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <ostream>
#include <string_view>

#include <pool/core/platform.hpp>

/// @file
/// Why connections leave a pool.

namespace pool {

/// Why a connection left the pool.
enum class retirement : unsigned char {
    none,               ///< it has not
    evicted_for_key,    ///< to make room for another one of its key
    evicted_for_pool,   ///< to make room for any other one
    expired,            ///< by an expiry policy that gives no further reason
    expired_idle,       ///< it was idle for too long
    expired_lifetime,   ///< it was open for too long
    expired_uses,       ///< it was used too often
    expired_own,        ///< by its own word
    dead,               ///< it said that it must not be lent
    unhealthy,          ///< its health check has failed
    keep_alive_failed,  ///< its keep-alive has failed
    reset_failed,       ///< its reset has failed
    cleared,            ///< by `clear`
    invalidated,        ///< it was opened, or began to be opened, before an `invalidate`
    refused,            ///< it came in, and there was no room for it
    discarded,          ///< its caller did not give it back
    detached,           ///< its caller has moved it out of the lease
    taken,              ///< its caller has moved it out, by `take`
    pool_closed,        ///< the pool is closed
};

/// It in words, such as "idle for too long".
constexpr std::string_view to_string(retirement why) noexcept {
    constexpr std::string_view names[]{"none", "evicted for its key", "evicted for the pool", "expired", "idle for too long",
        "open for too long", "used too often", "expired by its own word", "dead", "unhealthy", "keep-alive failed",
        "reset failed", "cleared", "invalidated", "no room", "discarded", "detached", "taken", "pool closed"};
    return names[static_cast<unsigned char>(why)];
}
inline std::ostream& operator<<(std::ostream& out, retirement why) { return out << to_string(why); }  ///< it in words

}  // namespace pool
