// SPDX-License-Identifier: BSL-1.0
#include <stdexcept>
#include <type_traits>
#include <utility>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>

#include <support/calls.hpp>
#include <support/ids.hpp>
#include <support/pools.hpp>

using fake::call_failed;
using fake::default_fixture;
using fake::default_pool;
using fake::fail;
using fake::ids;
using fake::messages;

namespace {

/// Cannot be moved while `stuck`: throws.
struct heavy_stream : fake::stream {
    heavy_stream(fake::connection& over, const bool& stuck) : stream{over, 1}, is_stuck{&stuck} {}
    heavy_stream(heavy_stream&& other) : stream{movable(other)}, is_stuck{other.is_stuck} {}

    static fake::stream&& movable(heavy_stream& other) {
        if (*other.is_stuck) throw std::runtime_error{"stuck"};
        return std::move(other);
    }

    const bool* is_stuck;
};

}  // namespace

TEST_CASE_FIXTURE(default_fixture, "pooled_stream: a moved one goes on, and what it was moved from has ended [C15]") {
    auto from = conns.get("a", net.dialer()).open_stream(messages(1));
    auto to = std::move(from);
    CHECK(from.done());
    CHECK_THROWS_AS(from.next(), pool::stream_ended);
    CHECK(conns.stats().lent == 1);

    to.next();
    CHECK(conns.stats().idle == 1);
}

TEST_CASE_FIXTURE(
    default_fixture, "pooled_stream: assigning to a live one ends that one first, and goes on with the other [C15]") {
    auto peer = conns.get("a", net.dialer());
    auto stream = peer.open_stream(messages(2));
    auto other = peer.open_stream(messages(3));
    stream = std::move(other);
    CHECK(net[1].blocked);
    CHECK(net.closed() == ids{1});
    CHECK(other.done());
    CHECK_THROWS_AS(other.next(), pool::stream_ended);

    CHECK(stream.next() == 2);
    CHECK(!net[2].blocked);
}

TEST_CASE_FIXTURE(default_fixture, "pooled_stream: assigning to an ended one brings it to life again [C15]") {
    auto peer = conns.get("a", net.dialer());
    auto stream = peer.open_stream(messages(2));
    CHECK_THROWS_AS(stream.invoke(fail), call_failed);
    stream = peer.open_stream(messages(2));
    CHECK(!stream.done());
    CHECK(stream.next() == 1);
}

TEST_CASE_FIXTURE(default_fixture, "pooled_stream: assigning an ended one ends the target [C15]") {
    auto peer = conns.get("a", net.dialer());
    auto stream = peer.open_stream(messages(2));
    auto ended = peer.open_stream(messages(2));
    CHECK_THROWS_AS(ended.invoke(fail), call_failed);
    stream = std::move(ended);
    CHECK(stream.done());
    CHECK(net.closed() == ids{2, 1});
    CHECK_THROWS_AS(stream.next(), pool::stream_ended);
}

TEST_CASE_FIXTURE(default_fixture, "pooled_stream: moving one to itself does nothing [C15]") {
    auto stream = conns.get("a", net.dialer()).open_stream(messages(2));
    auto& same = stream;
    stream = std::move(same);
    CHECK(stream.next() == 1);
    CHECK(conns.stats().lent == 1);
}

TEST_CASE("pooled_stream: moves without throwing if the stream does") {
    fake::network net;
    const bool stuck = false;
    default_pool conns;
    auto peer = conns.get("a", net.dialer());
    using light = decltype(peer.open_stream(messages(1)));
    using heavy = decltype(peer.open_stream([&](fake::connection& conn) { return heavy_stream{conn, stuck}; }));
    CHECK(std::is_nothrow_move_constructible_v<light>);
    CHECK(std::is_nothrow_move_assignable_v<light>);
    CHECK(!std::is_nothrow_move_constructible_v<heavy>);
    CHECK(!std::is_nothrow_move_assignable_v<heavy>);
}

TEST_CASE("pooled_stream: a move that throws leaves the connection with its stream [C12]") {
    fake::network net;
    bool stuck = false;
    default_pool conns;
    auto peer = conns.get("a", net.dialer());
    const auto open = [&](fake::connection& conn) { return heavy_stream{conn, stuck}; };
    auto stream = peer.open_stream(open);

    stuck = true;
    CHECK_THROWS_WITH(decltype(stream){std::move(stream)}, "stuck");
    CHECK(net.closed().empty());
    CHECK(!stream.done());
    CHECK(stream.next() == 0);
    CHECK(conns.stats().idle == 1);
}

TEST_CASE("pooled_stream: an assignment that throws leaves the connection with its stream [C12]") {
    fake::network net;
    bool stuck = false;
    default_pool conns;
    auto peer = conns.get("a", net.dialer());
    const auto open = [&](fake::connection& conn) { return heavy_stream{conn, stuck}; };
    auto stream = peer.open_stream(open);
    auto other = peer.open_stream(open);

    stuck = true;
    CHECK_THROWS_WITH(stream = std::move(other), "stuck");
    CHECK(net[1].blocked);
    CHECK(stream.done());
    CHECK(!other.done());
    CHECK(other.next() == 0);
    CHECK(net.closed() == ids{1});
    CHECK(conns.stats().idle == 1);
}
