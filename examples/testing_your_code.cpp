// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <mutex>
#include <string>
#include <utility>

#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <pool/pool.hpp>

/// @file
/// How to test code that uses a pool. The test replaces the pool's clock and its connections, so it decides what time
/// it is and what the peers do. Nothing sleeps, and nothing depends on the speed of the machine.

using namespace std::chrono_literals;

// The code under test. The pool is a template parameter. In the program it is connection_pool<std::string, connection>.
template <class Pool, class Dial>
class weather_client {
public:
    weather_client(Pool& pool, Dial dial) : station_{pool.get("weather.example:7777", std::move(dial))} {}

    std::string forecast(const std::string& place) {
        return station_.invoke([&](auto& conn) { return conn.ask("forecast " + place); });
    }

private:
    decltype(std::declval<Pool&>().get("", std::declval<Dial>())) station_;
};

// The peer, as the test sees it.
struct fake_station {
    int dials = 0;
    int closes = 0;
};

struct fake_connection {
    fake_station* station;
    bool open = true;

    std::string ask(const std::string& question) { return "answer to " + question; }

    void close() {
        open = false;
        ++station->closes;
    }
    bool closed() const noexcept { return !open; }
    bool unblocked() const noexcept { return true; }
};

using test_pool =
    pool::basic_pool<std::string, fake_connection, pool::bounded, pool::after_idle, std::mutex, pool::manual_clock>;

TEST_CASE("weather_client: asks again on the same connection, until that has been idle for too long") {
    pool::manual_clock clock;  // copies share one time: when this one moves, the pool's copy moves, too
    test_pool connections{pool::bounded{.max_idle_per_key = 1}, 30s, {.name = "test"}, clock};
    fake_station station;
    weather_client client{connections, [&station](const std::string&) {
                              ++station.dials;
                              return fake_connection{&station};
                          }};
    CHECK(station.dials == 0);

    CHECK(client.forecast("Bern") == "answer to forecast Bern");
    clock.advance(29s);
    client.forecast("Oslo");
    CHECK(station.dials == 1);

    clock.advance(30s);
    client.forecast("Rome");
    CHECK(station.dials == 2);
    CHECK(station.closes == 1);
}
