// SPDX-License-Identifier: BSL-1.0
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include <pool/adapters/kernel/connect.hpp>

#include <support/fault_proxy.hpp>
#include <support/loopback_listener.hpp>

// The proxy of the tests with servers, between a client and a server of which both ends are here.

namespace {

using namespace std::chrono_literals;
using support::fault;
using support::fault_proxy;
using kind = fault::kind;

/// Owns a socket.
class end {
public:
    explicit end(int socket) : socket_{socket} { REQUIRE(socket != -1); }
    end(end&& other) noexcept : socket_{std::exchange(other.socket_, -1)} {}
    end& operator=(end&&) = delete;
    ~end() {
        if (socket_ != -1) ::close(socket_);
    }

    void say(std::string_view what) const {
        while (!what.empty()) {
            const ssize_t sent = ::send(socket_, what.data(), what.size(), MSG_NOSIGNAL);
            REQUIRE(sent > 0);
            what.remove_prefix(static_cast<std::size_t>(sent));
        }
    }
    void say_no_more() const { ::shutdown(socket_, SHUT_WR); }

    /// Reads so many bytes.
    std::string hear(std::size_t size) const {
        std::string all(size, ' ');
        const ssize_t got = ::recv(socket_, all.data(), size, MSG_WAITALL);
        REQUIRE(got >= 0);
        all.resize(static_cast<std::size_t>(got));
        return all;
    }
    /// Looks at the socket without waiting: returns how much could be read, and errno if that is -1.
    std::pair<ssize_t, int> peek() const {
        char next = 0;
        const ssize_t could = ::recv(socket_, &next, 1, MSG_PEEK | MSG_DONTWAIT);
        return {could, errno};
    }
    /// Whether more has arrived with what was read.
    bool has_more() const { return peek().first == 1; }
    /// Reads until the end, which must be a FIN.
    std::string hear_all() const { return hear_until(0); }
    /// Reads until the end, which must be an RST.
    std::string hear_until_reset() const { return hear_until(ECONNRESET); }

    int port() const { return support::local_port(socket_); }

private:
    std::string hear_until(int wanted) const {
        std::string all;
        char bytes[4096];
        ssize_t got = 0;
        while ((got = ::recv(socket_, bytes, sizeof bytes, 0)) > 0) all.append(bytes, static_cast<std::size_t>(got));
        const int error = got == 0 ? 0 : errno;
        CHECK(error == wanted);
        return all;
    }

    int socket_;
};

end dial(int port) {
    const int connected = pool::adapters::kernel::connect_to_host("127.0.0.1", port, {}).release();
    REQUIRE(::fcntl(connected, F_SETFL, O_RDWR) == 0);  // it blocks
    return end{connected};
}

/// A client and a server, with the proxy between them.
struct network {
    explicit network(fault what, fault_proxy::options how = {})
        : proxy{listener.port(), [=](std::size_t) { return what; }, how},
          client{dial(proxy.port())},
          server{::accept(listener.fd(), nullptr, nullptr)} {}

    support::loopback_listener listener;
    fault_proxy proxy;
    end client;
    end server;
};

std::string long_text() {
    std::string all;
    for (int i = 0; all.size() < 1'000'000; ++i) all += std::to_string(i) + ' ';
    return all;
}

TEST_CASE("fault_proxy: without a fault, all is passed on, and the end of each direction") {
    network with{{}};
    const std::string sent = long_text();
    std::jthread answers{[&] {
        const std::string got = with.server.hear_all();
        with.server.say(got + "!");
        with.server.say_no_more();
    }};
    with.client.say(sent);
    with.client.say_no_more();
    CHECK((with.client.hear_all() == sent + "!"));
    CHECK(with.proxy.count().cut() == 0);
    CHECK_FALSE(with.proxy.was_cut(with.client.port()));
}

TEST_CASE("fault_proxy: slices are as long as they are said to be, and nothing is lost or changed by them") {
    SUBCASE("the first, and nothing before its pause is over") {
        network with{{.slice = 10, .pause = 1h}};
        with.client.say("0123456789abcdef");
        CHECK(with.server.hear(10) == "0123456789");
        CHECK_FALSE(with.server.has_more());
        with.server.say("9876543210fedcba");
        CHECK(with.client.hear(10) == "9876543210");
        CHECK_FALSE(with.client.has_more());
        with.proxy.heal();
        CHECK(with.server.hear(6) == "abcdef");
        CHECK(with.client.hear(6) == "fedcba");
    }
    SUBCASE("all") {
        network with{{.slice = 7, .pause = 1us}};
        const std::string sent = long_text().substr(0, 20'000);
        with.client.say(sent);
        with.client.say_no_more();
        CHECK((with.server.hear_all() == sent));
        CHECK(with.proxy.count().sliced == 1);
    }
}

TEST_CASE("fault_proxy: a delay begins after so many bytes, and nothing is lost by it") {
    for (const auto delay : {std::chrono::nanoseconds{1us}, std::chrono::nanoseconds{1h}}) {
        network with{{.what = kind::delay, .to_server = true, .after = 5, .delay = delay}};
        with.client.say("at once, later");
        CHECK(with.server.hear(5) == "at on");
        with.server.say("the other direction");
        CHECK(with.client.hear(19) == "the other direction");
        if (delay == 1h) with.proxy.heal();
        CHECK(with.server.hear(9) == "ce, later");
        CHECK(with.proxy.count().delayed == 1);
        CHECK(with.proxy.count().cut() == 0);
    }
}

TEST_CASE("fault_proxy: a direction is truncated after so many bytes, and the other one goes on") {
    SUBCASE("that of the client") {
        network with{{.what = kind::truncate, .to_server = true, .after = 7}};
        with.client.say("0123456789");
        CHECK(with.server.hear_all() == "0123456");
        with.server.say("still here");
        CHECK(with.client.hear(10) == "still here");
        CHECK(with.proxy.was_cut(with.client.port()));
        with.client.say("to nobody");
        with.server.say_no_more();
        CHECK(with.client.hear_all() == "");
    }
    SUBCASE("that of the server") {
        network with{{.what = kind::truncate, .after = 7}};
        with.server.say("0123456789");
        CHECK(with.client.hear_all() == "0123456");
        CHECK(with.proxy.was_cut(with.client.port()));
        with.client.say("still here");
        with.client.say_no_more();
        CHECK(with.server.hear_all() == "still here");
    }
    SUBCASE("at the beginning") {
        network with{{.what = kind::truncate}};
        CHECK(with.client.hear_all() == "");
    }
}

TEST_CASE("fault_proxy: a reset reaches both ends") {
    for (const auto delay : {0us, 1us}) {
        network with{{.what = kind::reset, .to_server = true, .after = 7, .delay = delay}};
        with.client.say("0123456");
        with.server.hear_until_reset();
        with.client.hear_until_reset();
        CHECK(with.proxy.was_cut(with.client.port()));
        CHECK(with.proxy.count().reset == 1);
    }
}

TEST_CASE("fault_proxy: after a stall nothing arrives, in either direction, until it is reset") {
    for (const auto ends : {0ms, 1ms}) {
        network with{{.what = kind::stall, .to_server = true, .after = 7}, {.stall_ends = ends}};
        with.server.say("before");
        CHECK(with.client.hear(6) == "before");
        with.client.say("0123456789");
        CHECK(with.server.hear(7) == "0123456");
        while (with.proxy.count().stalled == 0) std::this_thread::yield();
        if (ends == 0ms) with.server.say("after");
        if (ends == 0ms) with.proxy.heal();
        CHECK(with.client.hear_until_reset() == "");
        CHECK(with.server.hear_until_reset() == "");
        CHECK(with.proxy.was_cut(with.client.port()));
    }
}

TEST_CASE("fault_proxy: once it is healed, a client whose connection was cut knows it") {
    const auto is_reset = [](const end& client) {
        const auto [was_read, error] = client.peek();
        CHECK(was_read == -1);
        CHECK(error == ECONNRESET);
    };
    SUBCASE("a stalled one") {
        network with{{.what = kind::stall}};
        while (with.proxy.count().stalled == 0) std::this_thread::yield();
        with.proxy.heal();
        is_reset(with.client);
    }
    SUBCASE("one of which only the server knows that it is truncated") {
        network with{{.what = kind::truncate, .to_server = true}};
        CHECK(with.server.hear_all() == "");
        with.proxy.heal();
        is_reset(with.client);
    }
}

TEST_CASE("fault_proxy: it is silent from one moment to another") {
    network with{{}};
    with.client.say("before");
    CHECK(with.server.hear(6) == "before");
    with.proxy.stall();
    with.client.say("after");
    const end late = dial(with.proxy.port());
    late.say("late");
    while (with.proxy.count().stalled != 2) std::this_thread::yield();
    with.proxy.heal();
    CHECK(with.server.hear_until_reset() == "");
    CHECK(late.hear_until_reset() == "");
    const end next = dial(with.proxy.port());
    next.say("next");
    const end first{::accept(with.listener.fd(), nullptr, nullptr)};  // of the late one
    const end second{::accept(with.listener.fd(), nullptr, nullptr)};
    CHECK(second.hear(4) == "next");
}

TEST_CASE("fault_proxy: it counts connections that are open, and those that its clients have not ended") {
    const support::loopback_listener listener;
    fault_proxy proxy{listener.port(), [](std::size_t) { return fault{}; }, {.counts_from = 3}};
    std::vector<end> accepted;
    const auto open = [&](std::string_view says) {
        end client = dial(proxy.port());
        accepted.emplace_back(::accept(listener.fd(), nullptr, nullptr));
        client.say(says);
        CHECK(accepted.back().hear(says.size()) == says);
        accepted.back().say("heard");
        CHECK(client.hear(5) == "heard");
        return client;
    };
    for (int i = 0; i != 50; ++i) (void)open("one");
    CHECK(proxy.count().most_in_use == 1);
    CHECK(proxy.count().open > 1);  // their server has not ended them
    accepted.clear();
    {
        const end first = open("one");
        const end small = open("to");
        const end second = open("two");
        CHECK(proxy.count().most_in_use == 2);
        accepted.clear();
    }
    while (proxy.count().open != 0) std::this_thread::yield();
    CHECK(proxy.count().connections == 53);
}

TEST_CASE("fault_proxy: its clients lose their connections with it, and get none without its server") {
    auto listener = std::make_unique<support::loopback_listener>();
    auto proxy = std::make_unique<fault_proxy>(
        listener->port(), [](std::size_t) { return fault{}; }, fault_proxy::options{});
    const end client = dial(proxy->port());
    const end server{::accept(listener->fd(), nullptr, nullptr)};
    listener.reset();
    try {
        dial(proxy->port()).hear_until_reset();
    } catch (const std::system_error& e) {  // before it has returned
        CHECK(e.code() == std::errc::connection_reset);
    }
    proxy.reset();
    client.hear_until_reset();
    server.hear_until_reset();
}

TEST_CASE("fault_proxy: a seed gives the same faults again, of each kind, and as often as it is told") {
    const auto is_same = [](const fault& a, const fault& b) {
        return a.what == b.what && a.to_server == b.to_server && a.after == b.after && a.delay == b.delay &&
               a.slice == b.slice && a.pause == b.pause;
    };
    const support::fault_mix mix{.cut = 30, .delayed = 20, .sliced = 50, .most_bytes = 1000, .longest_delay = 1s};
    std::map<std::pair<kind, bool>, int> seen;
    int sliced = 0;
    int others = 0;
    for (std::size_t i = 0; i != 10'000; ++i) {
        const fault each = support::random_fault(7, i, mix);
        CHECK(is_same(each, support::random_fault(7, i, mix)));
        others += !is_same(each, support::random_fault(8, i, mix));
        ++seen[{each.what, each.to_server}];
        sliced += each.slice != 0;
        CHECK(each.after < 1000);
        CHECK(each.delay <= 1s);
        if (each.what == kind::delay) CHECK(each.delay >= 1us);
    }
    CHECK(seen.size() == 10);
    const auto both = [&](kind what) { return seen[{what, true}] + seen[{what, false}]; };
    const auto is_about = [](int is, int wanted) { return wanted * 8 / 10 < is && is < wanted * 12 / 10; };
    CHECK(is_about(both(kind::truncate), 1000));
    CHECK(is_about(both(kind::reset), 1000));
    CHECK(is_about(both(kind::stall), 1000));
    CHECK(is_about(both(kind::delay), 2000));
    CHECK(is_about(sliced, 5000));
    CHECK(others > 9'000);
}

}  // namespace
