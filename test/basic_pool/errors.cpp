// SPDX-License-Identifier: BSL-1.0
#include <exception>
#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>

#include <support/fake.hpp>

namespace {

using bounded_pool = pool::basic_pool<std::string, fake::connection, pool::bounded>;

}  // namespace

TEST_CASE("basic_pool: a closed pool says its name, the key and what it holds [C11]") {
    fake::network net;
    bounded_pool conns{{}, {}, {.name = "peers"}};
    const auto lent = conns.acquire("a", net.dialer());
    conns.put("a", net.dial());
    conns.close();
    CHECK_THROWS_WITH_AS((void)conns.acquire("b", net.dialer()),
        R"(pool "peers": no connection for key "b": the pool is closed (0 idle, 1 lent))", pool::pool_closed);
}

TEST_CASE("basic_pool: a lazy connection of a closed pool says the same [C11]") {
    fake::network net;
    bounded_pool conns{{}, {}, {.name = "peers"}};
    auto peer = conns.get("b", net.dialer());
    conns.close();
    CHECK_THROWS_WITH_AS(peer.invoke([](fake::connection&) {}),
        R"(pool "peers": no connection for key "b": the pool is closed (0 idle, 0 lent))", pool::pool_closed);
}

TEST_CASE("basic_pool: close() says which pool failed to close, and why [C11]") {
    fake::network net;
    bounded_pool conns{{}, {}, {.name = "peers"}};
    for (int i = 0; i < 2; ++i) conns.put("a", net.dial());
    net[2].on_close = [] { throw std::runtime_error{"reset by peer"}; };
    const auto errors = conns.close();
    CHECK_THROWS_WITH_AS(errors.rethrow(), R"(pool "peers": 1 failed to close: reset by peer)", pool::close_errors);
    CHECK_THROWS_WITH_AS(std::rethrow_exception(*errors.begin()), "reset by peer", std::runtime_error);
}

TEST_CASE("basic_pool: close() says that all went well [C11]") {
    bounded_pool conns{{}, {}, {.name = "peers"}};
    CHECK(std::string{conns.close().what()} == "no errors");
}
