// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <cstdint>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <doctest/doctest.h>

#include "connection.hpp"
#include "protocol.hpp"
#include "servers.hpp"

using namespace std::chrono_literals;

namespace {

/// Two servers. The tests stop the first one.
struct fixture {
    fanout::embedded_servers servers{2};

    fanout::connection dial(std::size_t server) const {
        return {servers.endpoints()[server], {std::chrono::steady_clock::now() + 10s, {}}};
    }
};

bool answers(fanout::connection& conn, std::uint64_t id) {
    conn.send(id, 0us);
    return conn.receive() == fanout::reply_to(id);
}

}  // namespace

TEST_CASE_FIXTURE(fixture, "embedded_servers: a server that is stopped ends its connections") {
    auto idle = dial(0);
    auto busy = dial(0);
    REQUIRE(answers(idle, 1));
    REQUIRE(answers(busy, 2));
    busy.send(3, 1h);  // it works when it is stopped
    servers.stop(0);
    CHECK_THROWS_AS(answers(idle, 4), fanout::went_stale);
    CHECK_THROWS_AS(busy.receive(), fanout::went_stale);
}

TEST_CASE_FIXTURE(fixture, "embedded_servers: a server that is stopped refuses new connections") {
    servers.stop(0);
    CHECK_THROWS_AS(dial(0), fanout::dial_failed);
}

TEST_CASE_FIXTURE(fixture, "embedded_servers: nobody else gets the port of a server that is stopped") {
    servers.stop(0);
    boost::asio::io_context context;
    CHECK_THROWS_AS((boost::asio::ip::tcp::acceptor{context, servers.endpoints()[0]}), boost::system::system_error);
}

TEST_CASE_FIXTURE(fixture, "embedded_servers: a server that is started again is at the same port") {
    const auto before = servers.endpoints();
    for (int i = 0; i < 3; ++i) {
        servers.stop(0);
        servers.start(0);
        auto conn = dial(0);
        CHECK(answers(conn, 5));
    }
    CHECK(servers.endpoints() == before);
}

TEST_CASE_FIXTURE(fixture, "embedded_servers: the other servers stay") {
    auto conn = dial(1);
    servers.stop(0);
    CHECK(answers(conn, 6));
    auto another = dial(1);
    CHECK(answers(another, 7));
}
