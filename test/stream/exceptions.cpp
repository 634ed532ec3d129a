// SPDX-License-Identifier: BSL-1.0

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>

#include <support/calls.hpp>
#include <support/pools.hpp>

using fake::call_failed;
using fake::default_fixture;
using fake::fail;
using fake::ids;
using fake::messages;

TEST_CASE_FIXTURE(default_fixture, "pooled_stream: dropped half-way by an exception, it closes its connection [C14]") {
    auto peer = conns.get("a", net.dialer());
    const auto read_and_fail = [&] {
        auto stream = peer.open_stream(messages(2));
        stream.next();
        throw call_failed{};
    };
    CHECK_THROWS_AS(read_and_fail(), call_failed);
    CHECK(net.closed() == ids{1});
}

TEST_CASE_FIXTURE(default_fixture,
    "pooled_stream: a call that throws closes the connection before the exception reaches the caller [C14]") {
    auto stream = conns.get("a", net.dialer()).open_stream(messages(2));
    CHECK_THROWS_AS(stream.invoke(fail), call_failed);
    CHECK(net.closed() == ids{1});
    CHECK(conns.stats().discarded == 1);
}

TEST_CASE_FIXTURE(default_fixture, "pooled_stream: a call that throws gives a reusable connection back [C14]") {
    net.prepare([](fake::line& line) { line.reusable = true; });
    auto stream = conns.get("a", net.dialer()).open_stream(messages(2));
    CHECK_THROWS_AS(stream.invoke(fail), call_failed);
    CHECK(conns.stats().idle == 1);
}

TEST_CASE_FIXTURE(default_fixture, "pooled_stream: after a call that threw it is over") {
    auto stream = conns.get("a", net.dialer()).open_stream(messages(2));
    CHECK_THROWS_AS(stream.invoke(fail), call_failed);
    CHECK(stream.done());
    CHECK_THROWS_AS(stream.next(), pool::stream_ended);
}

TEST_CASE_FIXTURE(
    default_fixture, "pooled_stream: a call that throws after the end leaves the connection to the pool") {
    auto stream = conns.get("a", net.dialer()).open_stream(messages(1));
    stream.next();
    CHECK_THROWS_AS(stream.invoke(fail), call_failed);
    CHECK(net.closed().empty());
    CHECK(conns.stats().idle == 1);
}

TEST_CASE_FIXTURE(default_fixture, "pooled_stream: opening one that throws closes the connection [C14]") {
    auto peer = conns.get("a", net.dialer());
    const auto refuse = [](fake::connection&) -> fake::stream { throw call_failed{}; };
    CHECK_THROWS_AS((void)peer.open_stream(refuse), call_failed);
    CHECK(net.closed() == ids{1});
}

TEST_CASE_FIXTURE(default_fixture, "pooled_stream: opening one that throws gives a reusable connection back [C14]") {
    net.prepare([](fake::line& line) { line.reusable = true; });
    auto peer = conns.get("a", net.dialer());
    const auto refuse = [](fake::connection&) -> fake::stream { throw call_failed{}; };
    CHECK_THROWS_AS((void)peer.open_stream(refuse), call_failed);
    CHECK(conns.stats().idle == 1);
}
