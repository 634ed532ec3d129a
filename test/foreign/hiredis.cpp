// SPDX-License-Identifier: BSL-1.0
#include <memory>
#include <utility>

#include <hiredis/hiredis.h>
#include <sys/socket.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include <pool/adapters/handle.hpp>

#include "forms.hpp"

/// @file
/// Connections of hiredis.

namespace foreign_hiredis {

struct library {
    static inline foreign::ledger<redisContext*> handles;

    static redisContext* open() {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
        ::close(ends[1]);  // the client does not know yet
        return handles.opened(redisConnectFd(ends[0]));
    }
    static redisContext* open_dead() { return handles.opened(redisConnectUnix("/there/is/no/such/socket")); }
    static void kill(redisContext* c) {
        (void)redisBufferRead(c);  // notices that the server has gone
        REQUIRE(c->err != 0);
    }
};

void end(redisContext* c) noexcept {
    if (library::handles.ended(c)) redisFree(c);
}

struct ender {
    void operator()(redisContext* c) const noexcept { end(c); }
};

struct checks {
    static bool closed(redisContext* c) noexcept { return c->err != 0; }
    static const char* why_dead(redisContext* c) { return c->errstr; }
};

struct raw {
    using connection = redisContext*;
    static redisContext* get(redisContext* c) { return c; }
    static void close(redisContext*& c) { end(std::exchange(c, nullptr)); }
};
using pointer = foreign::in_unique_ptr<std::unique_ptr<redisContext, ender>>;
using handle = foreign::in_class<pool::handle<redisContext*, end, checks>>;

}  // namespace foreign_hiredis

template <>
struct pool::connection_traits<redisContext*> {
    static void close(redisContext* c) { foreign_hiredis::end(c); }
    static bool closed(redisContext* c) noexcept { return c == nullptr || c->err != 0; }
    static bool unblocked(redisContext*) noexcept { return true; }
};

/// The deleter ends it.
template <>
struct pool::connection_traits<redisContext> {
    static bool closed(const redisContext& c) noexcept { return c.err != 0; }
};

TEST_CASE_TEMPLATE("hiredis: each redisContext is freed once, dead or not", Form, foreign_hiredis::raw,
    foreign_hiredis::pointer, foreign_hiredis::handle) {
    foreign::check<foreign_hiredis::library, Form>();
}
