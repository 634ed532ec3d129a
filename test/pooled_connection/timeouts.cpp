// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>

#include <support/bounded_pool.hpp>
#include <support/calls.hpp>
#include <support/fake.hpp>

namespace {

using namespace std::chrono_literals;
using fake::id;

using real = std::chrono::steady_clock;

/// Its only connection is lent.
struct fixture : bounded_pools::fixture<> {
    fixture() : bounded_pools::fixture<>{{.max_open = 1}}, lent{acquire("a")} {}

    /// A caller that waits in the queue, by this call.
    template <class Call>
    caller waits(Call call) {
        return {conns, [call](const std::stop_token&) {
                    call();
                    return lease{};
                }};
    }

    lease lent;
};

/// A connection with calls of its own, which take a time.
class timed_client : public fake::connection {
public:
    explicit timed_client(fake::connection&& from) : fake::connection{std::move(from)} {}

    std::string invoke(std::chrono::milliseconds) { return "a time"; }
    std::string invoke(std::chrono::milliseconds, int) { return "a time and a number"; }
    template <class F>
        requires std::is_invocable_v<F, int>
    std::string invoke(std::chrono::milliseconds, F f) {
        return f(7);
    }
};

}  // namespace

TEST_CASE_FIXTURE(fixture, "pooled_connection: invoke waits for a time from now, on the pool's clock") {
    auto peer = conns.get("a", net.dialer());
    caller one = waits([&] { peer.invoke(5s, id); });
    clock.advance(5s - 1ns);
    CHECK(conns.stats().waiting == 1);
    clock.advance(1ns);
    CHECK_THROWS_AS((void)one.got(), pool::acquire_timeout);

    lent.give_back();
    CHECK(peer.invoke(5s, id) == 1);
}

TEST_CASE_FIXTURE(fixture, "pooled_connection: open_stream waits for a time from now, on the pool's clock") {
    auto peer = conns.get("a", net.dialer());
    const auto open = [](fake::connection& conn) { return fake::stream{conn, 1}; };
    caller one = waits([&] { (void)peer.open_stream(5s, open); });
    clock.advance(5s);
    CHECK_THROWS_AS((void)one.got(), pool::acquire_timeout);

    lent.give_back();
    auto messages = peer.open_stream(5s, open);
    CHECK(conns.stats().lent == 1);
    CHECK(messages.next() == 0);
    CHECK(conns.stats().idle == 1);
}

TEST_CASE("pooled_connection: where nobody waits, a time from now is the deadline of the dial") {
    fake::network net;
    pool::manual_clock clock;
    pool::basic_pool<std::string, fake::connection, pool::fixed<0>, pool::never, std::mutex, pool::manual_clock> conns{
        {}, {}, {}, clock};
    real::time_point seen;
    auto peer = conns.get("a", [&](const std::string&, const pool::dial_context& context) {
        seen = context.deadline;
        return net.dial();
    });
    const auto before = real::now();
    CHECK(peer.invoke(1h, id) == 1);
    CHECK(seen >= before + 1h);
    CHECK(seen <= real::now() + 1h);
    CHECK(peer.invoke(std::chrono::hours::max(), id) == 2);
    CHECK(seen == pool::dial_context{}.deadline);
    CHECK(peer.invoke(-1s, id) == 3);  // the dial decides
    CHECK(seen < real::now());
}

TEST_CASE("pooled_connection: a time and a function that takes the connection are ours, anything else is Conn's") {
    fake::network net;
    pool::basic_pool<std::string, timed_client> conns;
    auto peer = conns.get("a", [&](const std::string&) { return timed_client{net.dial()}; });
    const auto timeout = 5s;
    CHECK(peer.invoke(5s, [](timed_client&) { return 1; }) == 1);
    CHECK(peer.invoke(timeout, [](fake::connection&) { return 2; }) == 2);
    CHECK(peer.invoke(5s) == "a time");
    CHECK(peer.invoke(timeout) == "a time");
    CHECK(peer.invoke(5s, 7) == "a time and a number");
    CHECK(peer.invoke(5s, [](int number) { return std::to_string(number); }) == "7");
}

TEST_CASE_FIXTURE(fixture, "pooled_connection: closed, it refuses a call with a time, too") {
    auto peer = conns.get("a", net.dialer());
    peer.close();
    CHECK_THROWS_AS(peer.invoke(-5s, id), pool::connection_closed);
}
