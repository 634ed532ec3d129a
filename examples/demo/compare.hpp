// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <pool/dial.hpp>
#include <pool/stats.hpp>

/// @file
/// The same calls to one server, with connections of a pool, and with one that is dialled for each call.

namespace demo {

/// How long a dial may take.
inline constexpr std::chrono::seconds dial_patience{3};

/// The options of the command line.
struct options {
    std::string url;
    bool is_own_server = false;  ///< whether `scripts/server.sh` has started the server
    std::size_t threads = 8;
    std::size_t connections = 8;
    std::chrono::nanoseconds time = std::chrono::seconds{5};
};

/// A server, and calls to it with a pool and without one. A call has a number, and returns whether the reply is that of this number.
struct subject {
    std::string server;  ///< without secrets
    std::string call;
    std::function<bool(std::uint64_t)> pooled;
    std::function<bool(std::uint64_t)> unpooled;
    std::function<pool::stats()> stats;
};

/// Makes calls by `call(connection, number)`.
template <class Pool, class Dial, class Call>
subject compare(std::string server, std::string what, std::shared_ptr<Pool> conns, Dial dial, Call call) {
    subject made{std::move(server), std::move(what), {}, {}, {}};
    made.pooled = [conns, call](std::uint64_t number) {
        return conns->invoke([&](typename Pool::connection_type& c) { return call(c, number); });
    };
    made.unpooled = [dial, call](std::uint64_t number) {
        auto fresh = dial(pool::dial_context{std::chrono::steady_clock::now() + dial_patience, {}});
        const bool is_right = call(fresh, number);
        fresh.close();
        return is_right;
    };
    made.stats = [conns] { return conns->stats(); };
    return made;
}

/// Reads the command line, makes the calls, and prints a table. Returns the exit code of the program.
int run(int argc, const char* const* argv, const char* name, const std::function<subject(const options&)>& make);

}  // namespace demo
