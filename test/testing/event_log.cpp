// SPDX-License-Identifier: BSL-1.0
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <pool/testing/event_log.hpp>

using pool::testing::event_log;

TEST_CASE("event_log: keeps the order, and gives the events away once") {
    event_log log;
    log.add("dials 1 for a");
    log.add("closes 1");
    CHECK(log.size() == 2);
    CHECK(log.events() == std::vector<std::string>{"dials 1 for a", "closes 1"});
    CHECK(log.take() == std::vector<std::string>{"dials 1 for a", "closes 1"});
    CHECK(log.take().empty());
    log.add("dials 2 for a");
    CHECK(log.take() == std::vector<std::string>{"dials 2 for a"});
}

TEST_CASE("event_log: prints what is in it") {
    std::ostringstream out;
    event_log log;
    out << log;
    log.add("dials 1");
    log.add("closes 1");
    out << log;
    CHECK(out.str() == "{}{dials 1, closes 1}");
}

TEST_CASE("event_log: takes events of any type") {
    struct call {
        int who;
        char what;
        bool operator==(const call&) const = default;
    };
    pool::testing::basic_event_log<call> log;
    log.add({1, 'd'});
    CHECK(log.take() == std::vector<call>{{1, 'd'}});
}

TEST_CASE("event_log: loses nothing that several threads add") {
    constexpr int each = 1'000;
    event_log log;
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i != 3; ++i) {
            threads.emplace_back([&] {
                for (int n = 0; n != each; ++n) log.add("x");
            });
        }
    }
    CHECK(log.take().size() == 3 * each);
}
