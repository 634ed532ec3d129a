// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>

#include <support/calls.hpp>
#include <support/pools.hpp>

using namespace std::chrono_literals;

using fake::call_failed;
using fake::default_fixture;
using fake::default_pool;
using fake::ids;
using fake::messages;

namespace {

/// A stream of a foreign library: a plain structure with names of its own.
struct cursor {
    int rows_left;
};

/// Writes its answer into a variable of the caller, and returns a reference to that.
struct echo_stream {
    bool done() const noexcept { return false; }
    std::string& next(std::string& answer, std::unique_ptr<std::string> text) { return answer = *text; }
};

/// Uses its connection until the last moment: if it is destroyed before it is done, it calls `farewell` with it.
class clinging_stream {
public:
    clinging_stream(fake::connection& over, std::function<void(fake::connection&)> farewell)
        : over_{&over},
          farewell_{std::move(farewell)} {}
    clinging_stream(clinging_stream&& other) noexcept
        : over_{std::exchange(other.over_, nullptr)},
          farewell_{std::move(other.farewell_)} {}
    ~clinging_stream() {
        if (over_ != nullptr) farewell_(*over_);
    }

    bool done() const noexcept { return over_ == nullptr; }

private:
    fake::connection* over_;
    std::function<void(fake::connection&)> farewell_;
};

/// Opens one message when it is called as an lvalue, two as an rvalue.
struct opener {
    fake::stream operator()(fake::connection& conn) & { return {conn, 1}; }
    fake::stream operator()(fake::connection& conn) && { return {conn, 2}; }
};

}  // namespace

template <>
struct pool::stream_traits<cursor> {
    static bool done(const cursor& c) noexcept { return c.rows_left == 0; }
};

TEST_CASE_FIXTURE(default_fixture, "pooled_stream: its connection is idle before the call that ended it returns") {
    auto stream = conns.get("a", net.dialer()).open_stream(messages(2));
    const auto idle_after = [&](int /*left*/) { return conns.stats().idle; };

    CHECK(idle_after(stream.next()) == 0);
    CHECK(!stream.done());
    CHECK(idle_after(stream.next()) == 1);
    CHECK(stream.done());
}

TEST_CASE_FIXTURE(
    default_fixture, "pooled_stream: the connection is lent until the end, so that another call uses another one") {
    auto peer = conns.get("a", net.dialer());
    auto stream = peer.open_stream(messages(1));
    CHECK(peer.invoke(&fake::connection::id) == 2);
    stream.next();
    CHECK(conns.stats() == pool::stats{.misses = 2, .dials = 2, .puts = 2, .idle = 2, .keys = 1});
}

TEST_CASE_FIXTURE(
    default_fixture, "pooled_stream: one that is done when it opens has given its connection back already") {
    const auto stream = conns.get("a", net.dialer()).open_stream(messages(0));
    CHECK(stream.done());
    CHECK(conns.stats().idle == 1);
}

TEST_CASE_FIXTURE(default_fixture, "pooled_stream: after the end, the stream can still be asked for its last state") {
    auto stream = conns.get("a", net.dialer()).open_stream(messages(1));
    stream.next();
    CHECK(stream.invoke([](fake::stream& ended) { return ended.done(); }));
    CHECK(conns.stats().puts == 1);
}

TEST_CASE_FIXTURE(default_fixture, "pooled_stream: opening it hands the limits of the call to the dial") {
    const pool::dial_context limits{.deadline = pool::dial_context{}.deadline - 1s, .stop = {}};
    pool::dial_context seen;
    auto peer = conns.get("a", [&](const std::string&, const pool::dial_context& given) {
        seen = given;
        return net.dial();
    });
    CHECK(peer.open_stream(limits, messages(0)).done());
    CHECK(seen.deadline == limits.deadline);
}

TEST_CASE_FIXTURE(
    default_fixture, "pooled_stream: the function that opens it is called as it was given, as an lvalue or an rvalue") {
    auto peer = conns.get("a", net.dialer());
    opener open;
    CHECK(peer.open_stream(open).next() == 0);
    CHECK(peer.open_stream(opener{}).next() == 1);
}

TEST_CASE_FIXTURE(default_fixture, "pooled_stream: next hands its arguments and its result through") {
    auto stream = conns.get("a", net.dialer()).open_stream([](fake::connection&) { return echo_stream{}; });
    std::string answer;
    CHECK(&stream.next(answer, std::make_unique<std::string>("hello")) == &answer);
    CHECK(answer == "hello");
}

TEST_CASE_FIXTURE(
    default_fixture, "pooled_stream: dropped half-way, a reusable connection is back but skipped until it is unblocked [C5]") {
    auto peer = conns.get("a", net.dialer());
    net.prepare([](fake::line& line) { line.reusable = true; });
    peer.open_stream(messages(2)).next();
    CHECK(conns.stats().idle == 1);

    CHECK(!conns.try_acquire("a"));
    CHECK(conns.stats().skipped_blocked == 1);
    net[1].blocked = false;
    CHECK(peer.invoke(&fake::connection::id) == 1);
}

TEST_CASE_FIXTURE(default_fixture, "pooled_stream: dropped half-way, any other connection is closed [C14]") {
    conns.get("a", net.dialer()).open_stream(messages(2)).next();
    CHECK(net.closed() == ids{1});
    CHECK(conns.stats().discarded == 1);
}

TEST_CASE_FIXTURE(default_fixture, "pooled_stream: the stream is destroyed while it still has its connection") {
    auto peer = conns.get("a", net.dialer());
    std::vector<int> with_connection;
    const auto open = [&](fake::connection& over) {
        return clinging_stream{over, [&](fake::connection& conn) {
                                   if (!conn.closed() && conns.stats().idle == 0) with_connection.push_back(conn.id());
                               }};
    };
    std::optional stream = peer.open_stream(open);

    SUBCASE("when it is dropped") { stream.reset(); }
    SUBCASE("when a call throws") {
        CHECK_THROWS_AS(stream->invoke([](clinging_stream&) { throw call_failed{}; }), call_failed);
    }
    SUBCASE("when another is assigned to it") { stream = peer.open_stream(open); }
    CHECK(with_connection == ids{1});
}

TEST_CASE_FIXTURE(default_fixture, "pooled_stream: a foreign stream is adapted by its traits") {
    auto rows = conns.get("a", net.dialer()).open_stream([](fake::connection&) { return cursor{.rows_left = 2}; });
    const auto fetch = [](cursor& c) { --c.rows_left; };
    rows.invoke(fetch);
    CHECK(conns.stats().lent == 1);
    rows.invoke(fetch);
    CHECK(conns.stats().idle == 1);
}

TEST_CASE_TEMPLATE("pooled_stream: a pointer to a stream is a stream", Pointer, std::unique_ptr<fake::stream>,
    std::shared_ptr<fake::stream>) {
    fake::network net;
    default_pool conns;
    auto stream = conns.get("a", net.dialer()).open_stream([](fake::connection& conn) {
        return Pointer{new fake::stream{conn, 2}};
    });
    CHECK(stream.next() == 1);
    CHECK(conns.stats().lent == 1);
    CHECK(stream.next() == 0);
    CHECK(conns.stats().idle == 1);
}

TEST_CASE("pooled_stream: in nested pools, the end of a stream gives back in both") {
    fake::network net;
    default_pool inner;
    using lazy = decltype(inner.get("a", net.dialer()));
    pool::basic_pool<int, lazy> outer;
    auto peer = outer.get(7, [&](int) { return inner.get("a", net.dialer()); });

    auto stream = peer.open_stream([](lazy& each) { return each.open_stream(messages(2)); });
    stream.next();
    CHECK(inner.stats().lent == 1);
    CHECK(outer.stats().lent == 1);
    stream.next();
    CHECK(inner.stats().idle == 1);
    CHECK(outer.stats().idle == 1);
}

TEST_CASE("pooled_stream: in nested pools, one dropped half-way gives back in both") {
    fake::network net;
    net.prepare([](fake::line& line) { line.reusable = true; });
    default_pool inner;
    using lazy = decltype(inner.get("a", net.dialer()));
    pool::basic_pool<int, lazy> outer;
    auto peer = outer.get(7, [&](int) { return inner.get("a", net.dialer()); });

    peer.open_stream([](lazy& each) { return each.open_stream(messages(2)); }).next();
    CHECK(net[1].blocked);
    CHECK(inner.stats().idle == 1);
    CHECK(outer.stats().idle == 1);
}

TEST_CASE("pooled_stream: it goes on after the end of its pool, and then closes its connection [C11]") {
    fake::network net;
    std::optional<default_pool> conns{std::in_place};
    auto stream = conns->get("a", net.dialer()).open_stream(messages(2));
    conns.reset();
    CHECK(stream.next() == 1);
    CHECK(net.closed().empty());
    stream.next();
    CHECK(net.closed() == ids{1});
}
