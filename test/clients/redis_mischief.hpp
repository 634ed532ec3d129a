// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <array>
#include <string>
#include <string_view>

#include <sys/socket.h>

#include <clients/redis_server.hpp>

/// @file
/// What users may leave behind in a connection to Redis.

namespace redis_test {

/// One user who leaves something behind.
struct mischief {
    const char* what;                     ///< is left behind
    void (*leave)(hiredis::connection&);  ///< leaves it
    bool is_undone;                       ///< whether the connection is kept; otherwise it is closed
};

inline void send_all(hiredis::connection& c, std::string_view bytes) {
    (void)!::send(c.get()->fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

/// Reads past hiredis, until what has arrived ends so.
inline void read_past(hiredis::connection& c, std::string_view end) {
    std::string all;
    char next = 0;
    while (!all.ends_with(end) && ::recv(c.get()->fd, &next, 1, 0) == 1) all += next;
}

/// Sends the commands of the output buffer, and reads nothing.
inline void flush(hiredis::connection& c) {
    for (int done = 0; done == 0 && redisBufferWrite(c, &done) == REDIS_OK;) continue;
}

inline void ignore(void* r) { freeReplyObject(r); }

inline redisReplyObjectFunctions* other_functions() {
    static redisReplyObjectFunctions none{};
    return &none;
}

/// All of them. The user `other` with the password `secret` must be there.
inline constexpr std::array<mischief, 25> all_mischief{{
    {"MULTI", [](hiredis::connection& c) { ignore(redisCommand(c, "MULTI")); }, true},
    {"MULTI with a queued command",
        [](hiredis::connection& c) {
            ignore(redisCommand(c, "MULTI"));
            ignore(redisCommand(c, "SET queued 1"));
        },
        true},
    {"SUBSCRIBE", [](hiredis::connection& c) { ignore(redisCommand(c, "SUBSCRIBE news")); }, true},
    {"PSUBSCRIBE", [](hiredis::connection& c) { ignore(redisCommand(c, "PSUBSCRIBE n*")); }, true},
    {"MONITOR", [](hiredis::connection& c) { ignore(redisCommand(c, "MONITOR")); }, true},
    {"SELECT", [](hiredis::connection& c) { ignore(redisCommand(c, "SELECT 7")); }, true},
    {"CLIENT SETNAME", [](hiredis::connection& c) { ignore(redisCommand(c, "CLIENT SETNAME mine")); }, true},
    {"AUTH of another user", [](hiredis::connection& c) { ignore(redisCommand(c, "AUTH other secret")); }, true},
    {"RESET", [](hiredis::connection& c) { c.command("RESET"); }, true},
    {"CLIENT REPLY OFF",
        [](hiredis::connection& c) {
            redisAppendCommand(c, "CLIENT REPLY OFF");
            flush(c);
        },
        true},
    {"CLIENT REPLY SKIP",
        [](hiredis::connection& c) {
            redisAppendCommand(c, "CLIENT REPLY SKIP");
            flush(c);
        },
        false},
    {"HELLO 3, read past hiredis",
        [](hiredis::connection& c) {
            send_all(c, "HELLO 3\r\n");
            read_past(c, "$7\r\nmodules\r\n*0\r\n");
        },
        true},
    {"HELLO 3, which hiredis 0.14 cannot read", [](hiredis::connection& c) { ignore(redisCommand(c, "HELLO 3")); },
        HIREDIS_MAJOR > 0},
    {"CLIENT TRACKING",
        [](hiredis::connection& c) {
            const std::string self = std::to_string(c.command("CLIENT ID")->integer);
            c.command({"CLIENT", "TRACKING", "ON", "REDIRECT", self});
        },
        true},
    {"one reply of two is not read, and is in hiredis",
        [](hiredis::connection& c) {
            redisAppendCommand(c, "ECHO one");
            redisAppendCommand(c, "ECHO another");
            void* first = nullptr;
            redisGetReply(c, &first);
            while (first != nullptr && c.get()->reader->pos == c.get()->reader->len && redisBufferRead(c) == REDIS_OK)
                continue;
            ignore(first);
        },
        false},
    {"a part of a reply is not read, and is in hiredis",
        [](hiredis::connection& c) {
            c.command("DEL list");
            c.command("RPUSH list a b");
            constexpr std::string_view part = "*2\r\n$1\r\na\r\n";  // of the reply to LRANGE
            send_all(c, "LRANGE list 0 -1\r\n");
            char bytes[part.size()]{};
            (void)!::recv(c.get()->fd, bytes, sizeof bytes, MSG_WAITALL);
            redisReaderFeed(c.get()->reader, bytes, sizeof bytes);
            void* none = nullptr;
            redisReaderGetReply(c.get()->reader, &none);
            read_past(c, "b\r\n");
        },
        false},
    {"a reply is in the socket",
        [](hiredis::connection& c) {
            send_all(c, "PING\r\n");
            char next = 0;
            (void)!::recv(c.get()->fd, &next, 1, MSG_PEEK);  // it has arrived
        },
        false},
    {"a reply is still to come",
        [](hiredis::connection& c) {
            redisAppendCommand(c, "BLPOP nothing 0.02");
            flush(c);
        },
        false},
    {"replies that look like those of a reset are still to come",
        [](hiredis::connection& c) {
            c.command("CLIENT PAUSE 20 ALL");
            send_all(c, "RESET\r\nPING pool:1\r\n");
        },
        false},
    {"a timeout",
        [](hiredis::connection& c) {
            redisSetTimeout(c, timeval{0, 1000});
            ignore(redisCommand(c, "BLPOP nothing 0.02"));
        },
        false},
    {"redisSetTimeout",
        [](hiredis::connection& c) {
            redisSetTimeout(c, timeval{77, 0});
        },
        true},
    {"O_NONBLOCK", [](hiredis::connection& c) { ::fcntl(c.get()->fd, F_SETFL, O_RDWR | O_NONBLOCK); }, true},
    {"functions for replies", [](hiredis::connection& c) { c.get()->reader->fn = other_functions(); }, true},
    {"a command that was not sent", [](hiredis::connection& c) { redisAppendCommand(c, "ECHO late"); }, false},
    {"a command of which a part was sent",
        [](hiredis::connection& c) { send_all(c, "*2\r\n$4\r\nECHO\r\n$12\r\nhalf"); }, false},
}};

}  // namespace redis_test
