// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>

#include <support/fake.hpp>

namespace {

using namespace std::chrono_literals;

using fake_pool = pool::basic_pool<std::string, fake::connection>;

struct call_failed {};

void fail(fake::stream&) { throw call_failed{}; }

/// A call of `count` messages.
auto messages(int count) {
    return [count](fake::connection& conn) { return fake::stream{conn, count}; };
}

/// A stream of a foreign library: of a plain structure with names of its own.
struct cursor {
    int rows_left;
};

/// Its answer goes into what the caller has, so it returns a reference.
struct echo_stream {
    bool done() const noexcept { return false; }
    std::string& next(std::string& answer, std::unique_ptr<std::string> text) { return answer = *text; }
};

/// Uses its connection until the last moment: tells `farewell` of it when it is destroyed before it is done.
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

TEST_CASE("pooled_stream: its connection is idle before the call that ended it returns") {
    fake::network net;
    fake_pool conns;
    auto stream = conns.get("a", net.dialer()).open_stream(messages(2));
    const auto idle_after = [&](int /*left*/) { return conns.stats().idle; };

    CHECK(idle_after(stream.next()) == 0);
    CHECK(!stream.done());
    CHECK(idle_after(stream.next()) == 1);
    CHECK(stream.done());
}

TEST_CASE("pooled_stream: the connection is lent until the end, so that another call uses another one") {
    fake::network net;
    fake_pool conns;
    auto peer = conns.get("a", net.dialer());
    auto stream = peer.open_stream(messages(1));
    CHECK(peer.invoke(&fake::connection::id) == 2);
    stream.next();
    CHECK(conns.stats() == pool::stats{.misses = 2, .dials = 2, .puts = 2, .idle = 2, .keys = 1});
}

TEST_CASE("pooled_stream: one that is done when it opens has given its connection back already") {
    fake::network net;
    fake_pool conns;
    const auto stream = conns.get("a", net.dialer()).open_stream(messages(0));
    CHECK(stream.done());
    CHECK(conns.stats().idle == 1);
}

TEST_CASE("pooled_stream: after the end, the stream can still be asked for its last state") {
    fake::network net;
    fake_pool conns;
    auto stream = conns.get("a", net.dialer()).open_stream(messages(1));
    stream.next();
    CHECK(stream.invoke([](fake::stream& ended) { return ended.done(); }));
    CHECK(conns.stats().puts == 1);
}

TEST_CASE("pooled_stream: opening it hands the limits of the call to the dial") {
    fake::network net;
    fake_pool conns;
    const pool::dial_context limits{.deadline = pool::dial_context{}.deadline - 1s, .stop = {}};
    pool::dial_context seen;
    auto peer = conns.get("a", [&](const std::string&, const pool::dial_context& given) {
        seen = given;
        return net.dial();
    });
    CHECK(peer.open_stream(limits, messages(0)).done());
    CHECK(seen.deadline == limits.deadline);
}

TEST_CASE("pooled_stream: the function that opens it is called as it was given, as an lvalue or an rvalue") {
    fake::network net;
    fake_pool conns;
    auto peer = conns.get("a", net.dialer());
    opener open;
    CHECK(peer.open_stream(open).next() == 0);
    CHECK(peer.open_stream(opener{}).next() == 1);
}

TEST_CASE("pooled_stream: next hands its arguments and its result through") {
    fake::network net;
    fake_pool conns;
    auto stream = conns.get("a", net.dialer()).open_stream([](fake::connection&) { return echo_stream{}; });
    std::string answer;
    CHECK(&stream.next(answer, std::make_unique<std::string>("hello")) == &answer);
    CHECK(answer == "hello");
}

TEST_CASE("pooled_stream: dropped half-way, its connection is back but passed over until it is unblocked [C5]") {
    fake::network net;
    fake_pool conns;
    auto peer = conns.get("a", net.dialer());
    peer.open_stream(messages(2)).next();
    CHECK(conns.stats().idle == 1);

    CHECK(!conns.try_acquire("a"));
    CHECK(conns.stats().skipped_blocked == 1);
    net[1].blocked = false;
    CHECK(peer.invoke(&fake::connection::id) == 1);
}

TEST_CASE("pooled_stream: dropped half-way by an exception, it closes its connection [C14]") {
    fake::network net;
    fake_pool conns;
    auto peer = conns.get("a", net.dialer());
    const auto read_and_fail = [&] {
        auto stream = peer.open_stream(messages(2));
        stream.next();
        throw call_failed{};
    };
    CHECK_THROWS_AS(read_and_fail(), call_failed);
    CHECK(net.closed() == std::vector{1});
}

TEST_CASE("pooled_stream: a call that throws closes the connection before the exception reaches the caller [C14]") {
    fake::network net;
    fake_pool conns;
    auto stream = conns.get("a", net.dialer()).open_stream(messages(2));
    CHECK_THROWS_AS(stream.invoke(fail), call_failed);
    CHECK(net.closed() == std::vector{1});
    CHECK(conns.stats().discarded == 1);
}

TEST_CASE("pooled_stream: a call that throws gives a reusable connection back [C14]") {
    fake::network net;
    fake_pool conns;
    net.prepare([](fake::line& line) { line.reusable = true; });
    auto stream = conns.get("a", net.dialer()).open_stream(messages(2));
    CHECK_THROWS_AS(stream.invoke(fail), call_failed);
    CHECK(conns.stats().idle == 1);
}

TEST_CASE("pooled_stream: after a call that threw it is over") {
    fake::network net;
    fake_pool conns;
    auto stream = conns.get("a", net.dialer()).open_stream(messages(2));
    CHECK_THROWS_AS(stream.invoke(fail), call_failed);
    CHECK(stream.done());
    CHECK_THROWS_AS(stream.next(), pool::stream_ended);
}

TEST_CASE("pooled_stream: a call that throws after the end leaves the connection to the pool") {
    fake::network net;
    fake_pool conns;
    auto stream = conns.get("a", net.dialer()).open_stream(messages(1));
    stream.next();
    CHECK_THROWS_AS(stream.invoke(fail), call_failed);
    CHECK(net.closed().empty());
    CHECK(conns.stats().idle == 1);
}

TEST_CASE("pooled_stream: opening one that throws closes the connection [C14]") {
    fake::network net;
    fake_pool conns;
    auto peer = conns.get("a", net.dialer());
    const auto refuse = [](fake::connection&) -> fake::stream { throw call_failed{}; };
    CHECK_THROWS_AS((void)peer.open_stream(refuse), call_failed);
    CHECK(net.closed() == std::vector{1});
}

TEST_CASE("pooled_stream: opening one that throws gives a reusable connection back [C14]") {
    fake::network net;
    fake_pool conns;
    net.prepare([](fake::line& line) { line.reusable = true; });
    auto peer = conns.get("a", net.dialer());
    const auto refuse = [](fake::connection&) -> fake::stream { throw call_failed{}; };
    CHECK_THROWS_AS((void)peer.open_stream(refuse), call_failed);
    CHECK(conns.stats().idle == 1);
}

TEST_CASE("pooled_stream: a moved one goes on, and what it was moved from has ended [C15]") {
    fake::network net;
    fake_pool conns;
    auto from = conns.get("a", net.dialer()).open_stream(messages(1));
    auto to = std::move(from);
    CHECK(from.done());
    CHECK_THROWS_AS(from.next(), pool::stream_ended);
    CHECK(conns.stats().lent == 1);

    to.next();
    CHECK(conns.stats().idle == 1);
}

TEST_CASE("pooled_stream: to assign to a live one ends that one first, and goes on with the other [C15]") {
    fake::network net;
    fake_pool conns;
    auto peer = conns.get("a", net.dialer());
    auto stream = peer.open_stream(messages(2));
    auto other = peer.open_stream(messages(3));
    stream = std::move(other);
    CHECK(net[1].blocked);
    CHECK(conns.stats().idle == 1);
    CHECK(other.done());
    CHECK_THROWS_AS(other.next(), pool::stream_ended);

    CHECK(stream.next() == 2);
    CHECK(!net[2].blocked);
}

TEST_CASE("pooled_stream: to assign to an ended one brings it to life again [C15]") {
    fake::network net;
    fake_pool conns;
    auto peer = conns.get("a", net.dialer());
    auto stream = peer.open_stream(messages(2));
    CHECK_THROWS_AS(stream.invoke(fail), call_failed);
    stream = peer.open_stream(messages(2));
    CHECK(!stream.done());
    CHECK(stream.next() == 1);
}

TEST_CASE("pooled_stream: to assign an ended one ends it [C15]") {
    fake::network net;
    fake_pool conns;
    auto peer = conns.get("a", net.dialer());
    auto stream = peer.open_stream(messages(2));
    auto ended = peer.open_stream(messages(2));
    CHECK_THROWS_AS(ended.invoke(fail), call_failed);
    stream = std::move(ended);
    CHECK(stream.done());
    CHECK(conns.stats().idle == 1);
    CHECK_THROWS_AS(stream.next(), pool::stream_ended);
}

TEST_CASE("pooled_stream: to move one to itself does nothing [C15]") {
    fake::network net;
    fake_pool conns;
    auto stream = conns.get("a", net.dialer()).open_stream(messages(2));
    auto& same = stream;
    stream = std::move(same);
    CHECK(stream.next() == 1);
    CHECK(conns.stats().lent == 1);
}

TEST_CASE("pooled_stream: moves without throwing if the stream does") {
    fake::network net;
    const bool stuck = false;
    fake_pool conns;
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
    fake_pool conns;
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
    fake_pool conns;
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
    CHECK(conns.stats().idle == 2);
}

TEST_CASE("pooled_stream: the stream is destroyed while it still has its connection") {
    fake::network net;
    fake_pool conns;
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
    CHECK(with_connection == std::vector{1});
}

TEST_CASE("pooled_stream: a foreign stream is adapted by its traits") {
    fake::network net;
    fake_pool conns;
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
    fake_pool conns;
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
    fake_pool inner;
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
    fake_pool inner;
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
    std::optional<fake_pool> conns{std::in_place};
    auto stream = conns->get("a", net.dialer()).open_stream(messages(2));
    conns.reset();
    CHECK(stream.next() == 1);
    CHECK(net.closed().empty());
    stream.next();
    CHECK(net.closed() == std::vector{1});
}
