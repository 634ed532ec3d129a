// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <latch>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>

#include <support/fake.hpp>

namespace {

using namespace std::chrono_literals;

using fake_pool = pool::basic_pool<std::string, fake::connection>;

constexpr auto id = &fake::connection::id;

struct call_failed {};

void fail(const fake::connection&) { throw call_failed{}; }

/// A connection with calls of its own, which tell how their arguments arrive.
class client : public fake::connection {
public:
    explicit client(fake::connection&& from) : connection{std::move(from)} {}

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

TEST_CASE("pooled_connection: nothing is dialled before the first call") {
    fake::network net;
    fake_pool conns;
    auto peer = conns.get("a", net.dialer());
    CHECK(conns.stats() == pool::stats{});
    CHECK(net.dials() == 0);

    peer.invoke(id);
    CHECK(net.dials() == 1);
}

TEST_CASE("pooled_connection: a call uses the idle connection of its key, whoever dialled it") {
    fake::network net;
    fake_pool conns;
    CHECK(conns.get("a", net.dialer()).invoke(id) == 1);
    CHECK(conns.get("b", net.dialer()).invoke(id) == 2);
    CHECK(conns.get("a", net.dialer()).invoke(id) == 1);
}

TEST_CASE("pooled_connection: dials for the key that it was made for") {
    fake::network net;
    fake_pool conns;
    std::string dialled;
    auto peer = conns.get("a", [&](const std::string& key) {
        dialled = key;
        return net.dial();
    });
    peer.invoke(id);
    CHECK(dialled == "a");
    CHECK(peer.key() == "a");
}

TEST_CASE("pooled_connection: the dial may be move-only") {
    fake::network net;
    fake_pool conns;
    auto peer = conns.get("a", [&net, expected = std::make_unique<std::string>("a")](const std::string& key) {
        CHECK(key == *expected);
        return net.dial();
    });
    CHECK(peer.invoke(id) == 1);
}

TEST_CASE("pooled_connection: the connection is lent during the call, and idle when invoke returns") {
    fake::network net;
    fake_pool conns;
    auto peer = conns.get("a", net.dialer());
    peer.invoke([&](fake::connection&) { CHECK(conns.stats("a") == pool::key_stats{.idle = 0, .lent = 1}); });
    CHECK(conns.stats("a") == pool::key_stats{.idle = 1, .lent = 0});
}

TEST_CASE("pooled_connection: invoke returns what its function returns") {
    fake::network net;
    fake_pool conns;
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
    std::vector<pool::dial_context> seen;
    auto peer = conns.get("a", [&](const std::string&, const pool::dial_context& limits) {
        seen.push_back(limits);
        return net.dial();
    });
    const std::stop_source caller;
    pool::dial_context limits{.deadline = pool::dial_context{}.deadline - 1s, .stop = caller.get_token()};

    peer.invoke(limits, id);
    peer.invoke(std::as_const(limits), id);
    peer.invoke(std::move(limits), id);
    REQUIRE(seen.size() == 3);
    for (const auto& each : seen) {
        CHECK(each.deadline == pool::dial_context{}.deadline - 1s);
        CHECK(each.stop == caller.get_token());
    }
}

TEST_CASE("pooled_connection: without limits, the dial gets none") {
    fake::network net;
    fake_pool conns;
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

TEST_CASE("pooled_connection: two calls at the same time use two connections, in one thread") {
    fake::network net;
    fake_pool conns;
    auto peer = conns.get("a", net.dialer());
    const int other = peer.invoke([&](fake::connection& conn) {
        CHECK(conn.id() == 1);
        return peer.invoke(id);
    });
    CHECK(other == 2);
    CHECK(conns.stats().idle == 2);
}

TEST_CASE("pooled_connection: two calls at the same time use two connections, in two threads") {
    fake::network net;
    fake_pool conns;
    auto peer = conns.get("a", net.dialer());
    std::latch both_are_calling{2};
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

TEST_CASE("pooled_connection: a call that throws closes its connection [C14]") {
    fake::network net;
    fake_pool conns;
    auto peer = conns.get("a", net.dialer());
    CHECK_THROWS_AS(peer.invoke(fail), call_failed);
    CHECK(net.closed() == std::vector{1});
    CHECK(conns.stats().discarded == 1);
}

TEST_CASE("pooled_connection: a call that throws gives a reusable connection back [C14]") {
    fake::network net;
    fake_pool conns;
    auto peer = conns.get("a", net.dialer());
    net.prepare([](fake::line& line) { line.reusable = true; });
    CHECK_THROWS_AS(peer.invoke(fail), call_failed);
    CHECK(peer.invoke(id) == 1);
}

TEST_CASE("pooled_connection: a call that threw does not end it") {
    fake::network net;
    fake_pool conns;
    auto peer = conns.get("a", net.dialer());
    CHECK_THROWS_AS(peer.invoke(fail), call_failed);
    CHECK(!peer.closed());
    CHECK(peer.invoke(id) == 2);
}

TEST_CASE("pooled_connection: what the dial throws reaches the caller unchanged, and nothing stays lent [C12]") {
    struct unreachable {};
    fake_pool conns;
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

TEST_CASE("pooled_connection: to close one leaves the pool its connections") {
    fake::network net;
    fake_pool conns;
    auto peer = conns.get("a", net.dialer());
    peer.invoke(id);
    peer.close();
    CHECK(conns.get("a", net.dialer()).invoke(id) == 1);
}

TEST_CASE("pooled_connection: to destroy one leaves the pool its connections") {
    fake::network net;
    fake_pool conns;
    conns.get("a", net.dialer()).invoke(id);
    CHECK(conns.stats().idle == 1);
}

TEST_CASE("pooled_connection: is never blocked, as a call can use another connection") {
    fake::network net;
    fake_pool conns;
    auto peer = conns.get("a", net.dialer());
    peer.invoke(id);
    net[1].blocked = true;
    CHECK(peer.unblocked());
    CHECK(peer.invoke(id) == 2);
}

TEST_CASE("pooled_connection: a moved one goes on for the same key") {
    fake::network net;
    fake_pool conns;
    auto from = conns.get("a", net.dialer());
    from.invoke(id);
    auto to = std::move(from);
    CHECK(to.key() == "a");
    CHECK(to.invoke(id) == 1);
}

TEST_CASE("pooled_connection: one that was moved when it was closed is closed") {
    fake::network net;
    fake_pool conns;
    auto from = conns.get("a", net.dialer());
    from.close();
    auto to = std::move(from);
    CHECK(to.closed());
    CHECK_THROWS_AS(to.invoke(id), pool::connection_closed);
}

TEST_CASE("pooled_connection: is a connection itself, so that pools nest") {
    fake::network net;
    fake_pool inner;
    using lazy = decltype(inner.get("a", net.dialer()));
    static_assert(pool::poolable<lazy>);
    pool::basic_pool<int, lazy> outer;

    auto peer = outer.get(7, [&](int) { return inner.get("a", net.dialer()); });
    CHECK(peer.invoke([](lazy& each) { return each.key(); }) == "a");
    CHECK(net.dials() == 0);
    CHECK(peer.invoke(id) == 1);  // through both
    CHECK(peer.invoke(id) == 1);
    CHECK(inner.stats().idle == 1);
    CHECK(outer.stats().idle == 1);
}

TEST_CASE("pooled_connection: calls after the end of its pool are refused") {
    fake::network net;
    std::optional<fake_pool> conns{std::in_place};
    auto peer = conns->get("a", net.dialer());
    peer.invoke(id);
    conns.reset();
    CHECK(net.closed() == std::vector{1});
    CHECK_THROWS_AS(peer.invoke(id), pool::pool_closed);
    CHECK(net.dials() == 1);
}

TEST_CASE("pooled_connection: a call under way ends well after the end of its pool, and closes its connection [C11]") {
    fake::network net;
    std::optional<fake_pool> conns{std::in_place};
    auto peer = conns->get("a", net.dialer());
    const int used = peer.invoke([&](fake::connection& conn) {
        conns.reset();
        CHECK(net.closed().empty());
        return conn.id();
    });
    CHECK(used == 1);
    CHECK(net.closed() == std::vector{1});
}
