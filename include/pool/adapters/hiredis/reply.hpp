// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/core/platform.hpp>  // first: what it says of the compiler comes before what hiredis says

#include <exception>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include <hiredis/hiredis.h>
#include <unistd.h>

/// @file
/// The answers of a Redis server, as replies and as errors, and how it is asked.

namespace pool::hiredis {

/// An error of a server or of its connection. The message has the words of the server or of the library.
class error : public std::runtime_error {
public:
    /// What has failed.
    enum class origin {
        reply,       ///< the server has answered with an error; the connection is as good as before
        connection,  ///< the connection has failed; the server may have executed the command
        unsent,      ///< the connection has failed before the server could have got anything of its user
    };

    /// With a message.
    error(const std::string& text, origin from) : std::runtime_error{text}, from_{from} {}

    origin from() const noexcept { return from_; }  ///< what has failed

private:
    origin from_;
};

/// Whether the server has executed nothing of what the user of a connection has asked, since it was lent. It is exact, and
/// so true only for errors of `connection::command`, and not after a call of `get` or a conversion, because commands that
/// were sent by hiredis itself are not seen. For `pool::retry_stale{not_executed}`.
inline bool not_executed(const std::exception& e) noexcept {
    const auto* const known = dynamic_cast<const error*>(&e);
    return known != nullptr && known->from() == error::origin::unsent;
}

namespace kernel {

/// Closes the descriptor, too. `redisFree` of 0.14 leaves open one that is 0.
struct context_deleter {
    void operator()(redisContext* c) const noexcept { ::close(redisFreeKeepFd(c)); }
};

/// Frees a reply.
struct reply_deleter {
    void operator()(redisReply* r) const noexcept { freeReplyObject(r); }
};

/// Frees a command that hiredis has formatted.
struct command_deleter {
    void operator()(char* text) const noexcept { redisFreeCommand(text); }
};

/// Appends a command in the format of the protocol.
inline void append_command(std::string& to, std::initializer_list<std::string_view> arguments) {
    to += '*' + std::to_string(arguments.size()) + "\r\n";
    for (const std::string_view each : arguments) {
        to += '$' + std::to_string(each.size()) + "\r\n";
        to.append(each).append("\r\n");
    }
}

/// The text of a reply that is one.
inline std::string_view text_of(const redisReply& r) { return {r.str, r.str == nullptr ? 0 : r.len}; }

}  // namespace kernel

/// A reply, which frees itself.
using reply = std::unique_ptr<redisReply, kernel::reply_deleter>;

}  // namespace pool::hiredis
