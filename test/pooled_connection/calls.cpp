// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/core/pointee.hpp>

#include <support/calls.hpp>
#include <support/latch.hpp>
#include <support/pools.hpp>

using namespace std::chrono_literals;

using fake::call_failed;
using fake::default_fixture;
using fake::default_pool;
using fake::fail;
using fake::id;
using fake::ids;

namespace {

/// A connection with calls of its own. Their results say how the arguments arrive.
class client : public fake::connection {
public:
    explicit client(fake::connection&& from) : fake::connection{std::move(from)} {}

    std::string invoke(std::string&) { return "lvalue"; }
    std::string invoke(const std::string&) { return "const lvalue"; }
    std::string invoke(std::string&&) { return "rvalue"; }
    int invoke(std::unique_ptr<int> moved, int added) { return *moved + added; }
    int* invoke(int& counter) {
        ++counter;
        return &counter;
    }
    void invoke() { ++calls; }

    fake::stream new_stream(std::unique_ptr<int> messages) { return {*this, *messages}; }

    int calls = 0;
};

/// Opens clients, as they are or behind a pointer.
template <class Conn>
struct client_dialer {
    fake::network& net;

    Conn operator()(const std::string&) const {
        if constexpr (std::is_same_v<Conn, client>) return client{net.dial()};
        else return Conn{new client{net.dial()}};
    }
};

}  // namespace

TEST_CASE_FIXTURE(default_fixture, "pooled_connection: nothing is dialled before the first call") {
    auto peer = conns.get("a", net.dialer());
    CHECK(conns.stats() == pool::stats{});
    CHECK(net.dials() == 0);

    peer.invoke(id);
    CHECK(net.dials() == 1);
}

TEST_CASE_FIXTURE(
    default_fixture, "pooled_connection: a call uses the idle connection of its key, whoever dialled it") {
    CHECK(conns.get("a", net.dialer()).invoke(id) == 1);
    CHECK(conns.get("b", net.dialer()).invoke(id) == 2);
    CHECK(conns.get("a", net.dialer()).invoke(id) == 1);
}

TEST_CASE_FIXTURE(default_fixture, "pooled_connection: dials for the key that it was made for") {
    std::string dialled;
    auto peer = conns.get("a", [&](const std::string& key) {
        dialled = key;
        return net.dial();
    });
    peer.invoke(id);
    CHECK(dialled == "a");
    CHECK(peer.key() == "a");
}

TEST_CASE_FIXTURE(default_fixture, "pooled_connection: the dial may be move-only") {
    auto peer = conns.get("a", [this, expected = std::make_unique<std::string>("a")](const std::string& key) {
        CHECK(key == *expected);
        return net.dial();
    });
    CHECK(peer.invoke(id) == 1);
}

TEST_CASE_FIXTURE(
    default_fixture, "pooled_connection: the connection is lent during the call, and idle when invoke returns") {
    auto peer = conns.get("a", net.dialer());
    peer.invoke([&](fake::connection&) { CHECK(conns.stats("a") == pool::key_stats{.idle = 0, .lent = 1}); });
    CHECK(conns.stats("a") == pool::key_stats{.idle = 1, .lent = 0});
}

TEST_CASE_FIXTURE(default_fixture, "pooled_connection: invoke returns what its function returns") {
    auto peer = conns.get("a", net.dialer());
    std::string log;

    const auto none = [](fake::connection&) {};
    const auto owner = [](fake::connection& conn) { return std::make_unique<int>(conn.id()); };
    const auto elsewhere = [&](fake::connection&) { return std::ref(log); };
    static_assert(std::is_same_v<decltype(peer.invoke(none)), void>);
    static_assert(std::is_same_v<decltype(peer.invoke(owner)), std::unique_ptr<int>>);
    static_assert(std::is_same_v<decltype(peer.invoke(elsewhere)), std::reference_wrapper<std::string>>);

    CHECK(*peer.invoke(owner) == 1);
    CHECK(&peer.invoke(elsewhere).get() == &log);
}

TEST_CASE("pooled_connection: invoke hands the limits of the call to the dial") {
    fake::network net;
    pool::basic_pool<std::string, fake::connection, pool::fixed<0>> conns;  // so that every call dials
    std::stop_source caller;
    std::vector<pool::dial_context> seen;
    auto peer = conns.get("a", [&](const std::string&, const pool::dial_context& limits) {
        CHECK(limits.stop.stop_requested() == !seen.empty());
        caller.request_stop();
        CHECK(limits.stop.stop_requested());
        seen.push_back(limits);
        return net.dial();
    });
    pool::dial_context limits{.deadline = pool::dial_context{}.deadline - 1s, .stop = caller.get_token()};

    peer.invoke(limits, id);
    peer.invoke(std::as_const(limits), id);
    peer.invoke(std::move(limits), id);
    REQUIRE(seen.size() == 3);
    for (const auto& each : seen) CHECK(each.deadline == pool::dial_context{}.deadline - 1s);
}

TEST_CASE_FIXTURE(default_fixture, "pooled_connection: without limits, the dial gets none") {
    pool::dial_context seen{.deadline = {}, .stop = std::stop_source{}.get_token()};
    auto peer = conns.get("a", [&](const std::string&, const pool::dial_context& limits) {
        seen = limits;
        return net.dial();
    });
    peer.invoke(id);
    CHECK(seen.deadline == pool::dial_context{}.deadline);
    CHECK(!seen.stop.stop_possible());
}

TEST_CASE_TEMPLATE("pooled_connection: the connection's own invoke gets its arguments as they are given", Conn, client,
    std::unique_ptr<client>, std::shared_ptr<client>) {
    fake::network net;
    pool::basic_pool<std::string, Conn> conns;
    auto peer = conns.get("a", client_dialer<Conn>{net});
    std::string text;

    CHECK(peer.invoke(text) == "lvalue");
    CHECK(peer.invoke(std::as_const(text)) == "const lvalue");
    CHECK(peer.invoke(std::move(text)) == "rvalue");
    CHECK(peer.invoke(std::make_unique<int>(40), 2) == 42);
    peer.invoke();
    CHECK(peer.invoke([](Conn& conn) { return pool::core::pointee(conn).calls; }) == 1);
    CHECK(net.dials() == 1);
}

TEST_CASE("pooled_connection: the connection's own invoke may return a pointer") {
    fake::network net;
    pool::basic_pool<std::string, client> conns;
    auto peer = conns.get("a", client_dialer<client>{net});
    int counter = 0;
    CHECK(peer.invoke(counter) == &counter);
    CHECK(counter == 1);
}

TEST_CASE_TEMPLATE("pooled_connection: the connection's own new_stream keeps it until the stream is done", Conn, client,
    std::unique_ptr<client>, std::shared_ptr<client>) {
    fake::network net;
    pool::basic_pool<std::string, Conn> conns;
    auto peer = conns.get("a", client_dialer<Conn>{net});

    auto messages = peer.new_stream(std::make_unique<int>(2));
    CHECK(messages.next() == 1);
    CHECK(conns.stats().lent == 1);
    CHECK(messages.next() == 0);
    CHECK(conns.stats().idle == 1);
}

TEST_CASE_FIXTURE(default_fixture, "pooled_connection: two calls at the same time use two connections, in one thread") {
    auto peer = conns.get("a", net.dialer());
    const int other = peer.invoke([&](fake::connection& conn) {
        CHECK(conn.id() == 1);
        return peer.invoke(id);
    });
    CHECK(other == 2);
    CHECK(conns.stats().idle == 2);
}

TEST_CASE_FIXTURE(
    default_fixture, "pooled_connection: two calls at the same time use two connections, in two threads") {
    auto peer = conns.get("a", net.dialer());
    latch both_are_calling{2};
    const auto meet = [&](fake::connection& conn) {
        both_are_calling.arrive_and_wait();
        return conn.id();
    };

    int other = 0;
    std::thread caller{[&] { other = peer.invoke(meet); }};
    const int own = peer.invoke(meet);
    caller.join();
    CHECK(own + other == 1 + 2);
    CHECK(conns.stats().idle == 2);
}

TEST_CASE_FIXTURE(default_fixture, "pooled_connection: a call that throws closes its connection [C14]") {
    auto peer = conns.get("a", net.dialer());
    CHECK_THROWS_AS(peer.invoke(fail), call_failed);
    CHECK(net.closed() == ids{1});
    CHECK(conns.stats().discarded == 1);
}

TEST_CASE_FIXTURE(default_fixture, "pooled_connection: a call that throws gives a reusable connection back [C14]") {
    auto peer = conns.get("a", net.dialer());
    net.prepare([](fake::line& line) { line.reusable = true; });
    CHECK_THROWS_AS(peer.invoke(fail), call_failed);
    CHECK(peer.invoke(id) == 1);
}

TEST_CASE_FIXTURE(default_fixture, "pooled_connection: a call that threw does not end it") {
    auto peer = conns.get("a", net.dialer());
    CHECK_THROWS_AS(peer.invoke(fail), call_failed);
    CHECK(!peer.closed());
    CHECK(peer.invoke(id) == 2);
}

TEST_CASE("pooled_connection: an exception of the dial reaches the caller unchanged, and nothing stays lent [C12]") {
    struct unreachable {};
    default_pool conns;
    auto peer = conns.get("a", [](const std::string&) -> fake::connection { throw unreachable{}; });
    CHECK_THROWS_AS(peer.invoke(id), unreachable);
    CHECK(conns.stats().failed_dials == 1);
    CHECK(conns.stats().lent == 0);
}

TEST_CASE("pooled_connection: closed, it refuses every call and says for which key") {
    fake::network net;
    pool::basic_pool<std::string, client> conns{{}, {}, {.name = "clients"}};
    auto peer = conns.get("a", client_dialer<client>{net});
    CHECK(!peer.closed());
    peer.close();
    CHECK(peer.closed());

    CHECK_THROWS_WITH_AS(
        peer.invoke(id), "pool \"clients\": a call through a closed connection for key \"a\"", pool::connection_closed);
    CHECK_THROWS_AS(peer.invoke(), pool::connection_closed);
    CHECK_THROWS_AS((void)peer.new_stream(std::make_unique<int>(1)), pool::connection_closed);
    CHECK(net.dials() == 0);
}

TEST_CASE_FIXTURE(default_fixture, "pooled_connection: is never blocked, as a call can use another connection") {
    auto peer = conns.get("a", net.dialer());
    peer.invoke(id);
    net[1].blocked = true;
    CHECK(peer.unblocked());
    CHECK(peer.invoke(id) == 2);
}
