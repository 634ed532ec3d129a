// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <future>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <range/v3/algorithm/set_algorithm.hpp>

#include <pool/connection_pool.hpp>

#include <support/fake.hpp>

namespace connection_pool_cases {

namespace {

using namespace std::chrono_literals;

using clocked_pool = pool::connection_pool<std::string, fake::connection, pool::manual_clock>;

constexpr auto id = &fake::connection::id;

/// Puts `count` new connections.
void fill(clocked_pool& conns, const std::string& key, fake::network& net, int count) {
    for (int i = 0; i < count; ++i) conns.put(key, net.dial());
}

const std::filesystem::path own_threads = "/proc/self/task";  // on Linux

std::set<std::string> threads() {
    std::set<std::string> found;
    for (const auto& each : std::filesystem::directory_iterator{own_threads}) found.insert(each.path().filename().string());
    return found;
}

/// How many threads a pool starts. A thread that has just ended may still be listed, so only new ones are counted.
std::ptrdiff_t threads_of(const pool::connection_pool_options& chosen) {
    const auto before = threads();
    const pool::connection_pool<std::string, fake::connection> conns{chosen};
    std::vector<std::string> started;
    ranges::set_difference(threads(), before, std::back_inserter(started));
    return std::ssize(started);
}

}  // namespace

TEST_CASE("connection_pool: a capacity of zero, the default, is no bound") {
    fake::network net;
    clocked_pool chosen{{.capacity = 0, .key_capacity = 0}};
    clocked_pool defaults;
    fill(chosen, "a", net, 1'000);
    fill(defaults, "a", net, 1'000);
    CHECK(chosen.stats().idle == 1'000);
    CHECK(defaults.stats().idle == 1'000);
}

TEST_CASE("connection_pool: capacity bounds all keys together [C2]") {
    fake::network net;
    clocked_pool conns{{.capacity = 2}};
    fill(conns, "a", net, 1);
    fill(conns, "b", net, 2);
    CHECK(net.closed() == std::vector{1});
    CHECK(conns.stats().idle == 2);
}

TEST_CASE("connection_pool: key_capacity bounds each key [C2]") {
    fake::network net;
    clocked_pool conns{{.key_capacity = 2}};
    fill(conns, "a", net, 3);
    fill(conns, "b", net, 2);
    CHECK(net.closed() == std::vector{1});
    CHECK(conns.stats().idle == 4);
}

TEST_CASE("connection_pool: a negative capacity keeps no connections") {
    fake::network net;
    clocked_pool conns{{.capacity = -1}};
    fill(conns, "a", net, 1);
    CHECK(net.closed() == std::vector{1});
}

TEST_CASE("connection_pool: a negative key_capacity keeps no connections") {
    fake::network net;
    clocked_pool conns{{.key_capacity = -1}};
    fill(conns, "a", net, 1);
    CHECK(net.closed() == std::vector{1});
}

TEST_CASE("connection_pool: a negative expiration keeps no connections") {
    fake::network net;
    clocked_pool conns{{.expiration = -1ns}};
    fill(conns, "a", net, 1);
    CHECK(net.closed() == std::vector{1});
}

TEST_CASE("connection_pool: with an expiration of zero, the default, connections never expire") {
    fake::network net;
    pool::manual_clock clock;
    clocked_pool chosen{{.expiration = 0s}, clock};
    clocked_pool defaults{{}, clock};
    fill(chosen, "a", net, 1);
    fill(defaults, "a", net, 1);
    clock.advance(pool::manual_clock::duration::max());
    CHECK(chosen.expire() + defaults.expire() == 0);
    CHECK(chosen.get("a", net.dialer()).invoke(id) == 1);
    CHECK(defaults.get("a", net.dialer()).invoke(id) == 2);
}

TEST_CASE("connection_pool: closes by itself a connection that has been idle for the expiration [C7]") {
    fake::network net;
    pool::manual_clock clock;
    std::promise<int> closed;
    net.prepare([&](fake::line& line) { line.on_close = [&] { closed.set_value(line.id); }; });
    clocked_pool conns{{.expiration = 10s}, clock};
    fill(conns, "a", net, 1);
    clock.advance(10s - 1ns);
    CHECK(conns.get("a", net.dialer()).invoke(id) == 1);

    clock.advance(10s);
    CHECK(closed.get_future().get() == 1);
}

TEST_CASE("connection_pool: an expiration may be given in any unit") {
    CHECK(pool::connection_pool_options{.expiration = 1.5min}.expiration.ttl() == 90s);
    CHECK(pool::connection_pool_options{.expiration = 2h}.expiration.ttl() == 7'200s);
}

TEST_CASE("connection_pool: has one thread with an expiration, and none without") {
    if (!std::filesystem::exists(own_threads)) {
        MESSAGE("skipped: this system does not list the threads of a process");
        return;
    }
    std::thread{[] {}}.join();  // with the first thread, a sanitizer starts a thread of its own
    CHECK(threads_of({.expiration = 1h}) == 1);
    CHECK(threads_of({.expiration = 0s}) == 0);
    CHECK(threads_of({.expiration = -1s}) == 0);
    CHECK(threads_of({.lifetime = 1h}) == 1);
    CHECK(threads_of({.lifetime = -1s}) == 0);
    CHECK(threads_of({.max_uses = 5}) == 0);
}

TEST_CASE("connection_pool: closes a connection that is past its lifetime by itself [C7]") {
    fake::network net;
    pool::manual_clock clock;
    std::promise<int> closed;
    net.prepare([&](fake::line& line) { line.on_close = [&] { closed.set_value(line.id); }; });
    clocked_pool conns{{.lifetime = 10s, .lifetime_jitter = 0}, clock};
    fill(conns, "a", net, 1);
    clock.advance(10s - 1ns);
    CHECK(conns.get("a", net.dialer()).invoke(id) == 1);
    clock.advance(1ns);
    CHECK(closed.get_future().get() == 1);
}

TEST_CASE("connection_pool: a lifetime has a jitter of a tenth, unless it is chosen [C7]") {
    fake::network net;
    pool::manual_clock clock;
    clocked_pool conns{{.lifetime = 100s}, clock};
    for (int i = 0; i != 100; ++i) fill(conns, std::to_string(i), net, 1);
    clock.advance(90s);
    conns.expire();
    CHECK(conns.stats().idle >= 90);
    clock.advance(8s);
    conns.expire();
    CHECK(conns.stats().idle > 0);
    CHECK(conns.stats().idle < 60);
    clock.advance(2s);
    conns.expire();
    CHECK(conns.stats().idle == 0);
}

TEST_CASE("connection_pool: lends a connection as often as an option says [C7]") {
    fake::network net;
    clocked_pool conns{{.max_uses = 2}};
    for (int i = 0; i != 4; ++i) CHECK(conns.get("a", net.dialer()).invoke(id) == i / 2 + 1);
    clocked_pool none{{.max_uses = -1}};
    none.put("a", net.dial());
    CHECK(none.stats().idle == 0);
}

TEST_CASE("connection_pool: with a new expiration, its thread plans anew, and starts if there was none [C7]") {
    using pool::after_idle, pool::after_lifetime, pool::after_uses;
    for (const after_idle before : {after_idle{0s}, after_idle{1h}}) {
        fake::network net;
        pool::manual_clock clock;
        std::promise<int> closed;
        net.prepare([&](fake::line& line) { line.on_close = [&] { closed.set_value(line.id); }; });
        clocked_pool conns{{.expiration = before}, clock};
        fill(conns, "a", net, 1);
        CHECK(conns.reconfigure(pool::any_of{after_idle{10s}, after_lifetime{}, after_uses{}}) == 0);
        clock.advance(10s);
        CHECK(closed.get_future().get() == 1);
    }
}

TEST_CASE("connection_pool: lends the newest connection first if connections expire, and else the oldest [C4]") {
    const auto lent_first = [](const pool::connection_pool_options& chosen) {
        fake::network net;
        clocked_pool conns{chosen};
        for (int i = 0; i < 2; ++i) conns.put("a", net.dial());
        return conns.try_acquire("a")->id();
    };
    constexpr int oldest = 1;
    constexpr int newest = 2;
    CHECK(lent_first({}) == oldest);
    CHECK(lent_first({.expiration = std::chrono::nanoseconds::max()}) == oldest);
    CHECK(lent_first({.expiration = 10s}) == newest);
    CHECK(lent_first({.reuse = pool::reuse_order::newest_first}) == newest);
    CHECK(lent_first({.expiration = 10s, .reuse = pool::reuse_order::oldest_first}) == oldest);
}

TEST_CASE("connection_pool: its name is in its errors") {
    fake::network net;
    clocked_pool conns{{.name = "shards"}};
    CHECK(conns.name() == "shards");
    conns.close();
    CHECK_THROWS_WITH_AS((void)conns.acquire("a", net.dialer()),
        "pool \"shards\": no connection for key \"a\": the pool is closed (0 idle, 0 lent)", pool::pool_closed);
}

TEST_CASE("connection_pool: its destructor closes the idle connections and ends its sleeping thread [C1]") {
    fake::network net;
    std::optional<pool::connection_pool<std::string, fake::connection>> conns{
        std::in_place, pool::connection_pool_options{.expiration = 1h}};
    conns->put("a", net.dial());
    conns.reset();
    CHECK(net.closed() == std::vector{1});
}

TEST_CASE("connection_pool: a lazy connection may outlive the pool and its thread [C11]") {
    fake::network net;
    pool::manual_clock clock;
    std::optional<clocked_pool> conns{std::in_place, pool::connection_pool_options{.expiration = 10s}, clock};
    auto peer = conns->get("a", net.dialer());
    peer.invoke([&](fake::connection&) { conns.reset(); });
    clock.advance(10s);
    CHECK(net.closed() == std::vector{1});
    CHECK_THROWS_AS(peer.invoke(id), pool::pool_closed);
}

TEST_CASE("local_pool: bounds the idle connections, without a lock") {
    fake::network net;
    pool::local_pool<std::string, fake::connection> conns{{.max_idle = 2, .max_idle_per_key = 1}, 1h};
    static_assert(std::is_same_v<decltype(conns)::lock_type, pool::null_mutex>);
    static_assert(decltype(conns)::can_expire);
    for (const char* key : {"a", "a", "b", "c"}) conns.put(key, net.dial());
    CHECK(net.closed() == std::vector{1, 2});
}

}  // namespace connection_pool_cases
