// SPDX-License-Identifier: BSL-1.0
#include <cstddef>
#include <string>

#include <doctest/doctest.h>

#include <pool/pool.hpp>
#include <pool/sharded_pool.hpp>

// A program may say `using namespace pool`, and still have these names of its own: the usual words of a program that
// uses connections. Names that describe nothing but a pool, such as `basic_pool`, are not among them.

namespace {

struct connection {
    void close() { is_closed = true; }
    bool closed() const noexcept { return is_closed; }
    bool unblocked() const noexcept { return true; }
    bool is_closed = false;
};
struct stream {
    bool done() noexcept { return true; }
};
struct key {
    std::string host;
    int port;
    bool operator==(const key&) const = default;
};
struct dialer {
    connection operator()(const key&) const { return {}; }
};
struct session {};
struct client {};
struct server {};
struct endpoint {};
struct request {};
struct response {};
struct options {};
struct settings {};
struct policy {};
struct limits {};
struct entry {};
struct state {};
struct waiter {};
struct store {};
struct peer {};
struct host {};
struct context {};
struct deadline {};
struct dial {};
struct connection_error {};
struct timeout {};
struct mutex {};

using namespace pool;

/// Each of them by its bare name.
template <class... T>
constexpr std::size_t count_of = sizeof...(T);

constexpr std::size_t own_names = count_of<connection, stream, key, dialer, session, client, server, endpoint, request,
    response, options, settings, policy, limits, entry, state, waiter, store, peer, host, context, deadline, dial,
    connection_error, timeout, mutex>;

}  // namespace

TEST_CASE("using namespace pool: a program has its own connection, stream, dialer and key") {
    static_assert(poolable<connection> && poolable_stream<stream> && dial_function<dialer, key, connection>);
    CHECK(own_names == 26);

    connection_pool<key, connection> conns;
    const key where{"db", 5432};
    { const auto lent = conns.acquire(where, dialer{}); }
    CHECK(conns.stats(where).idle == 1);
    auto lazy = conns.get(where, dialer{});
    stream rows = lazy.invoke([](connection&) { return stream{}; });
    CHECK(rows.done());

    sharded_pool<2, key, connection, bounded> shards{bounded{.max_idle = 8}};
    CHECK_FALSE(shards.try_acquire(where));
    basic_pool<key, connection, bounded_open, after_idle> open{bounded_open{.max_open = 1}, after_idle{}};
    CHECK(open.close().empty());
}
