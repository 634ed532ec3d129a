// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/connection_pool.hpp>

#include <support/fake.hpp>
#include <support/latch.hpp>

// The behaviour that users of the ancestor rely on. The ancestor is the pool of a Go RPC library.

namespace ancestor_cases {

using namespace std::chrono_literals;

namespace {

using ids = std::vector<int>;
using test_pool = pool::connection_pool<std::string, fake::connection, pool::manual_clock>;

/// A user of the pool. It knows connections by their numbers, and makes its calls only through lazy connections.
struct client {
    /// The connections of the ancestor take further calls while a cancelled one is being wound up.
    explicit client(pool::connection_pool_options chosen) : conns{std::move(chosen), clock} {
        net.prepare([](fake::line& each) { each.reusable = true; });
    }

    auto get(const char* key) { return conns.get(key, net.dialer()); }

    /// Makes one call. Returns the number of the connection that it used.
    int call(const char* key) { return get(key).invoke(&fake::connection::id); }

    /// Starts a call of this many messages.
    auto open_stream(const char* key, int messages = 2) {
        return get(key).open_stream([=](fake::connection& c) { return fake::stream{c, messages}; });
    }

    /// Makes two calls at the same time, which need two connections. Returns their numbers, in the order in which they
    /// were given back.
    ids call_twice_at_once(const char* key) {
        const auto first = conns.acquire(key, net.dialer());  // given back last
        return {call(key), first->id()};
    }

    fake::network net;
    pool::manual_clock clock;
    test_pool conns;
};

}  // namespace

TEST_CASE("ancestor: a lazy connection does not dial until it is used") {
    client user{{}};
    auto peer = user.get("a");
    CHECK(user.net.dials() == 0);
    peer.invoke([](fake::connection&) {});
    CHECK(user.net.dials() == 1);
}

TEST_CASE("ancestor: a call finds the connection of the call before") {
    client user{{}};
    auto peer = user.get("a");
    CHECK(peer.invoke(&fake::connection::id) == 1);
    CHECK(peer.invoke(&fake::connection::id) == 1);
}

TEST_CASE("ancestor: the lazy connections of a key share what is cached") {
    client user{{}};
    CHECK(user.call("a") == 1);
    CHECK(user.call("a") == 1);
    CHECK(user.call("b") == 2);
}

TEST_CASE("ancestor: closing a lazy connection leaves the cached ones open") {
    client user{{}};
    auto peer = user.get("a");
    peer.invoke([](fake::connection&) {});
    peer.close();
    CHECK(peer.closed());
    CHECK(user.call("a") == 1);
}

TEST_CASE("ancestor: a full cache of two keeps the key that was used last and the new one [C3]") {
    client user{{.capacity = 2, .key_capacity = 1}};
    CHECK(user.call("a") == 1);
    CHECK(user.call("b") == 2);
    CHECK(user.call("a") == 1);  // now b was given back longest ago
    CHECK(user.call("c") == 3);
    CHECK(user.net.closed() == ids{2});
    CHECK(user.call("a") == 1);
    CHECK(user.call("c") == 3);
    CHECK(user.call("b") == 4);
    CHECK(user.net.closed() == ids{1});
}

TEST_CASE("ancestor: streams at the same time have a connection each, and leave them for reuse") {
    client user{{}};
    for (int i = 0; i < 2; ++i) {
        auto first = user.open_stream("a");
        auto second = user.open_stream("a");
        CHECK(user.conns.stats("a").lent == 2);
        while (!first.done()) first.next();
        while (!second.done()) second.next();
    }
    CHECK(user.net.dials() == 2);
}

TEST_CASE("ancestor: a stream gives its connection back before it reports that it is done") {
    client user{{}};
    auto rows = user.open_stream("a", 2);
    CHECK(rows.next() == 1);
    CHECK(user.conns.stats().idle == 0);
    CHECK(rows.next() == 0);
    CHECK(user.conns.stats().idle == 1);
    CHECK(rows.done());
}

TEST_CASE("ancestor: a connection that has not been used for long enough is closed [C7]") {
    latch expired{1};
    client user{{.expiration = 10s}};
    user.net.prepare([&](fake::line& each) { each.on_close = [&] { expired.count_down(); }; });
    user.call("a");
    user.clock.advance(9s);
    CHECK(user.net.closed().empty());
    user.clock.advance(1s);
    expired.wait();
    CHECK(user.net.closed() == ids{1});
}

TEST_CASE("ancestor: using a connection postpones its expiry [C7]") {
    client user{{.expiration = 10s}};
    for (int i = 0; i < 3; ++i) {
        CHECK(user.call("a") == 1);
        user.clock.advance(9s);
    }
}

TEST_CASE("ancestor: the next call notices a dead connection, and dials anew [C6]") {
    client user{{}};
    user.call("a");
    user.net[1].dead = true;
    CHECK(user.call("a") == 2);
    CHECK(user.net.closed() == ids{1});
    CHECK(user.call("a") == 2);
}

TEST_CASE("ancestor: a full cache evicts the connection of the older key, and its close closes the rest [C3]") {
    for (const auto expiration : {0s, 10s}) {
        client user{{.capacity = 1, .expiration = expiration}};
        user.call("a");
        user.call("b");
        CHECK(user.net.closed() == ids{1});
        user.conns.close();
        CHECK(user.net.closed() == ids{2});
    }
}

TEST_CASE("ancestor: a negative capacity keeps none") {
    client user{{.capacity = -1}};
    CHECK(user.call("a") == 1);
    CHECK(user.net.closed() == ids{1});
    CHECK(user.call("a") == 2);
}

TEST_CASE("ancestor: a negative key capacity keeps none") {
    client user{{.key_capacity = -1}};
    CHECK(user.call("a") == 1);
    CHECK(user.net.closed() == ids{1});
    CHECK(user.call("a") == 2);
}

TEST_CASE("ancestor: a capacity of zero is no bound") {
    client user{{.capacity = 0, .key_capacity = 0}};
    user.call_twice_at_once("a");
    user.call_twice_at_once("b");
    CHECK(user.conns.stats().idle == 4);
}

TEST_CASE("ancestor: a key capacity of one keeps the connection that was given back last [C3]") {
    client user{{.key_capacity = 1}};
    CHECK(user.call_twice_at_once("a") == ids{2, 1});
    CHECK(user.net.closed() == ids{2});
    CHECK(user.call("a") == 1);
}

TEST_CASE("ancestor: a call skips a dead first connection, and uses the next cached one [C6]") {
    client user{{}};
    CHECK(user.call_twice_at_once("a") == ids{2, 1});
    user.net[2].dead = true;
    CHECK(user.call("a") == 1);
    CHECK(user.net.dials() == 2);
}

TEST_CASE("ancestor: a call that was cancelled blocks its connection, and another is used [C5]") {
    client user{{}};
    { const auto dropped = user.open_stream("a"); }
    CHECK(user.call("a") == 2);
    CHECK(user.net.closed().empty());
}

TEST_CASE("ancestor: blocked connections count towards the bounds, and the oldest is evicted first [C5]") {
    client user{{.key_capacity = 2}};
    CHECK(user.call_twice_at_once("a") == ids{2, 1});
    user.net[1].blocked = user.net[2].blocked = true;
    CHECK(user.call("a") == 3);
    CHECK(user.net.closed() == ids{2});
    user.net[3].blocked = true;
    CHECK(user.call("a") == 4);
    CHECK(user.net.closed() == ids{1});
}

TEST_CASE("ancestor: connections that are unblocked are reused in the order in which they came back [C5]") {
    client user{{}};
    CHECK(user.call_twice_at_once("a") == ids{2, 1});
    user.net[1].blocked = user.net[2].blocked = true;
    CHECK(user.call("a") == 3);
    user.net[1].blocked = user.net[2].blocked = false;
    CHECK(user.call_twice_at_once("a") == ids{1, 2});
    CHECK(user.net.dials() == 3);
}

}  // namespace ancestor_cases
