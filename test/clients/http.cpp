// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include <pool/adapters/beast.hpp>
#include <pool/policies/expiry.hpp>
#include <pool/pool.hpp>

#include <clients/http_peer.hpp>
#include <support/latch.hpp>
#include <support/loopback_listener.hpp>

// Connections of HTTP without TLS, against a server that says exactly what is written here.

namespace http_test {

using namespace std::chrono_literals;
namespace beast = pool::beast;
using connections = pool::bounded_pool<beast::connection_key, beast::connection>;

static connections make_pool(const beast::options& how = {}) {
    return connections{{.max_open = 2, .acquire_timeout = 1min}, beast::dial{how}};
}

/// What a call has thrown.
template <class F>
static std::optional<beast::error> error_of(F call) {
    try {
        call();
    } catch (const beast::error& e) {
        return e;
    }
    return {};
}

/// Whether the connection is kept after one exchange with a server that answers so.
struct kept {
    std::size_t idle;     ///< after the first
    std::size_t dials;    ///< after the second
    std::string answers;  ///< the bodies of both
    bool operator==(const kept&) const = default;
};
static kept turns_with(
    const server::script& script, http::request<http::empty_body> request = get(), const beast::options& how = {}) {
    const server peer{script};
    auto conns = make_pool(how);
    std::string bodies;
    const auto turn = [&](beast::connection& c) { bodies += c.exchange(request).body() + ';'; };
    conns.invoke(peer.key(), turn);
    const std::size_t idle = conns.stats().idle;
    conns.invoke(peer.key(), turn);
    return {idle, conns.stats().dials, bodies};
}
static const kept is_kept{1, 1, "hello;hello;"};
static const kept is_not_kept{0, 2, "hello;hello;"};

TEST_CASE("http: a connection is kept if both sides keep it") {
    CHECK(turns_with(answers(ok)) == is_kept);
    CHECK(turns_with([](conversation& with, int) {
        while (!with.read_request().empty()) with.send_in_slices(ok);
    }) == is_kept);
    CHECK(turns_with(answers("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello")) == is_not_kept);
    CHECK(turns_with(answers("HTTP/1.1 200 OK\r\nconnection: foo, CLOSE\r\nContent-Length: 5\r\n\r\nhello")) ==
          is_not_kept);
    CHECK(turns_with(answers("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello")) == is_not_kept);
    CHECK(
        turns_with(answers("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello")) == is_kept);
    auto closing = get();
    closing.keep_alive(false);
    CHECK(turns_with(answers(ok), closing) == is_not_kept);
    http::request<http::empty_body> old{http::verb::get, "/", 10};
    CHECK(turns_with(answers(ok), old) == is_not_kept);
    old.keep_alive(true);
    CHECK(turns_with(answers(ok), old) == is_kept);
}

TEST_CASE("http: the dial of a pool of one peer holds its key") {
    const server peer{answers(ok)};
    pool::bounded_pool<pool::no_key, beast::connection> conns{{.max_open = 1}, beast::dial_to{peer.key()}};
    for (int i = 0; i < 2; ++i)
        CHECK(conns.invoke([](beast::connection& c) { return c.exchange(get()).body(); }) == "hello");
    CHECK(conns.stats().dials == 1);
}

TEST_CASE("http: how a body ends") {
    const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n";
    CHECK(turns_with(answers(chunked + "\r\n")) == is_kept);
    CHECK(turns_with(answers(chunked + "Checksum: 7\r\n\r\n")) == is_kept);
    CHECK(turns_with([](conversation& with, int) {
        if (!with.read_request().empty()) with.send("HTTP/1.1 200 OK\r\n\r\nhello");
    }) == is_not_kept);  // with the connection
    for (const char* status : {"204 No Content", "304 Not Modified"})
        CHECK(turns_with(answers("HTTP/1.1 " + std::string{status} + "\r\n\r\n")) == kept{1, 1, ";;"});
    // The answer to HEAD has the length of a body that does not follow.
    http::request<http::empty_body> head{http::verb::head, "/", 11};
    CHECK(turns_with(answers("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), head) == kept{1, 1, ";;"});
    CHECK(turns_with(answers("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), head) == kept{1, 1, ";;"});
    CHECK(turns_with(answers("HTTP/1.1 200 OK\r\n\r\n"), head) == kept{1, 1, ";;"});
}

TEST_CASE("http: responses before the one that counts are skipped") {
    CHECK(turns_with(answers("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok)) ==
          is_kept);
}

TEST_CASE("http: what follows a response closes the connection") {
    CHECK(turns_with(answers(ok + ok)) == is_not_kept);
    CHECK(turns_with(answers(ok + "\r")) == is_not_kept);
    CHECK(turns_with(answers("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello")).dials == 2);
    CHECK(turns_with(answers("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nx")) ==
          is_not_kept);
}

TEST_CASE("http: another protocol and a tunnel close the connection") {
    CHECK(turns_with(answers("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")).dials ==
          2);
    http::request<http::empty_body> connect{http::verb::connect, "other:443", 11};
    CHECK(turns_with(answers("HTTP/1.1 200 OK\r\n\r\n"), connect) == kept{0, 2, ";;"});
}

TEST_CASE("http: Keep-Alive says how long, and how often") {
    const auto with = [](const std::string& header) {
        return answers("HTTP/1.1 200 OK\r\nKeep-Alive: " + header + "\r\nContent-Length: 5\r\n\r\nhello");
    };
    CHECK(turns_with(with("timeout=60, max=100")) == is_kept);
    CHECK(turns_with(with("timeout=60\r\nKeep-Alive: max=0")) == is_not_kept);
    CHECK(turns_with(with("max=0")) == is_not_kept);
    CHECK(turns_with(with("MAX=\"0\"")) == is_not_kept);
    CHECK(turns_with(with("timeout=1")) == is_not_kept);  // not longer than the margin
    CHECK(turns_with(with("timeout=0")) == is_not_kept);
    CHECK(turns_with(with("timeout=5"), get(), {.keep_alive_margin = 5s}) == is_not_kept);
    CHECK(turns_with(with("max=0, max=5, timeout=60")) == is_not_kept);  // the smallest counts
    CHECK(turns_with(with("timeout=60, timeout=1")) == is_not_kept);
    CHECK(turns_with(with("timeout=5x, max, =, ,max=-1")) == is_kept);
}

TEST_CASE("http: a number of requests is counted down if the server does not say it again") {
    const server peer{[](conversation& with, int) {
        with.read_request();
        with.send("HTTP/1.1 200 OK\r\nKeep-Alive: max=2\r\nContent-Length: 0\r\n\r\n");
        while (!with.read_request().empty()) with.send(ok);
    }};
    auto conns = make_pool();
    std::vector<std::size_t> idle;
    for (int i = 0; i < 3; ++i) {
        conns.invoke(peer.key(), [](beast::connection& c) { c.exchange(get()); });
        idle.push_back(conns.stats().idle);
    }
    CHECK(idle == std::vector<std::size_t>{1, 1, 0});
}

TEST_CASE("http: the limit of the server is the connection's own deadline") {
    const server peer{answers("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=60\r\nContent-Length: 0\r\n\r\n")};
    beast::connection c = beast::dial{}(peer.key());
    CHECK(c.expires() == std::chrono::nanoseconds::max());
    c.exchange(get());
    CHECK(c.expires() <= 59s);
    CHECK(c.expires() > 0s);

    // A connection whose time is over is not lent, also by a pool whose policy does not ask for it.
    const server brief{[](conversation& with, int number) {
        with.read_request();
        with.send("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 0\r\n\r\n");
        if (number == 1) with.read_to_end();
    }};
    beast::connection short_lived =
        beast::dial{{.keep_alive_margin = std::chrono::nanoseconds{999'999'999}}}(brief.key());
    short_lived.exchange(get());
    CHECK(!short_lived.closed());
    while (short_lived.expires() > 0s) std::this_thread::yield();  // a nanosecond
    CHECK(!short_lived.healthy());
}

TEST_CASE("http: a body that is not read to its end closes the connection") {
    const server peer{answers(ok)};
    auto conns = make_pool();
    std::string body;
    const auto read = [&](std::size_t most) {
        conns.invoke(peer.key(), [&](beast::connection& c) {
            const auto header = c.begin(get());
            CHECK(header.result() == http::status::ok);
            char piece[2];
            body.clear();
            while (body.size() < most) {
                const std::size_t got = c.read_some(boost::asio::buffer(piece));
                if (got == 0) break;
                body.append(piece, got);
            }
            if (most > 5) CHECK(c.read_some(boost::asio::buffer(piece)) == 0);
        });
    };
    read(6);
    CHECK(body == "hello");
    CHECK(conns.stats().idle == 1);
    read(5);  // all bytes, but Beast has not been asked whether that is all: it knows by the length
    CHECK(conns.stats().idle == 1);
    read(2);
    CHECK(body == "he");
    CHECK(conns.stats().idle == 0);
    CHECK(conns.stats().dials == 1);
}

TEST_CASE("http: a connection whose response is not read takes no other request") {
    const server peer{answers(ok)};
    beast::connection c = beast::dial{}(peer.key());
    c.begin(get());
    CHECK(c.closed());
    const auto e = error_of([&] { c.exchange(get()); });
    REQUIRE(e);
    CHECK(e->code() == std::errc::operation_in_progress);
    CHECK(!e->may_have_arrived());
    CHECK(e->is_refused());
    CHECK(!beast::not_executed(*e));
    c.keep(http::response<http::empty_body>{});  // it is not read by hand
    CHECK(c.closed());
    char piece[8];
    CHECK(c.read_some(boost::asio::buffer(piece)) == 5);
    CHECK(!c.closed());
}

TEST_CASE("http: a piece is what has arrived") {
    latch has_read{1};
    const server peer{[&](conversation& with, int) {
        with.read_request();
        with.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n");
        has_read.wait();
        with.send("3\r\nllo\r\n0\r\n\r\n");
        with.read_to_end();
    }};
    beast::connection c = beast::dial{}(peer.key());
    c.begin(get());
    char piece[8];
    CHECK(c.read_some(boost::asio::buffer(piece)) == 2);
    has_read.count_down();
    CHECK(c.read_some(boost::asio::buffer(piece)) == 3);
    CHECK(c.read_some(boost::asio::buffer(piece)) == 0);
    CHECK(!c.closed());
}

TEST_CASE("http: a body that ends too early is an error") {
    for (const std::string& text : {std::string{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"},
             std::string{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"}}) {
        const server peer{[&](conversation& with, int) {
            with.read_request();
            with.send(text);
        }};
        beast::connection c = beast::dial{}(peer.key());
        auto e = error_of([&] { c.exchange(get()); });
        REQUIRE(e);
        CHECK(e->during() == beast::step::read_body);
        CHECK(e->has_answer());
        CHECK(e->code() == boost::beast::http::make_error_code(http::error::partial_message));
        CHECK(!beast::not_executed(*e));

        c = beast::dial{}(peer.key());
        c.begin(get());
        char piece[16];
        CHECK(c.read_some(boost::asio::buffer(piece)) == 5);
        e = error_of([&] { c.read_some(boost::asio::buffer(piece)); });
        REQUIRE(e);
        CHECK(e->during() == beast::step::read_body);
        CHECK(
            error_of([&] { c.read_some(boost::asio::buffer(piece)); }));  // an end would look like the end of the body
        CHECK(c.closed());
    }
}

TEST_CASE("http: a server that goes, or speaks, while a connection is idle") {
    enum class does { closes, finishes, resets, speaks };
    for (const does what : {does::closes, does::finishes, does::resets, does::speaks}) {
        CAPTURE(static_cast<int>(what));
        latch has_answer{1};
        const server peer{[&](conversation& with, int number) {
            with.read_request();
            with.send(ok);
            if (number == 1) {
                has_answer.wait();
                if (what == does::closes) return;
                if (what == does::resets) return with.reset_at_close();
                if (what == does::finishes) with.finish();
                else with.send("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
            }
            with.read_to_end();
        }};
        auto conns = make_pool();
        const int socket = conns.invoke(peer.key(), [](beast::connection& c) {
            c.exchange(get());
            return c.native_handle();
        });
        has_answer.count_down();
        wait_for_input(socket);
        CHECK(conns.invoke(peer.key(), [](beast::connection& c) { return c.exchange(get()).body(); }) == "hello");
        CHECK(conns.stats().found_unhealthy == 1);
        CHECK(conns.stats().dials == 2);
    }
}

TEST_CASE("http: before a request is sent, an exchange looks whether the server has gone") {
    const server peer{[](conversation& with, int) {
        with.read_request();
        with.send(ok);
    }};
    beast::connection c = beast::dial{}(peer.key());
    c.exchange(get());
    wait_for_input(c.native_handle());
    const auto e = error_of([&] { c.exchange(post("money")); });
    REQUIRE(e);
    CHECK(e->code() == std::errc::connection_reset);
    CHECK(e->during() == beast::step::write);
    CHECK(!e->may_have_arrived());
    CHECK(e->is_reused());
    CHECK(!e->is_idempotent());
    CHECK(beast::not_executed(*e));
    CHECK(c.closed());
}

/// A server that takes the second request of its first connection, and closes it, maybe after a few bytes.
static server::script loses_second_request(std::string before = {}) {
    return [before](conversation& with, int number) {
        with.read_request();
        with.send(ok);
        if (number > 1) {
            while (!with.read_request().empty()) with.send(ok);
            return;
        }
        with.read_request(0);
        with.send(before);
    };
}

TEST_CASE("http: what may be made again") {
    const auto second = [](const server& peer, auto request) {
        beast::connection c = beast::dial{}(peer.key());
        c.exchange(get());
        return error_of([&] { c.exchange(std::move(request)); });
    };
    {
        const server peer{loses_second_request()};
        const auto e = second(peer, get());
        REQUIRE(e);
        CHECK(e->may_have_arrived());
        CHECK(!e->has_answer());
        CHECK(e->is_idempotent());
        CHECK(e->is_reused());
        CHECK(e->during() == beast::step::read_header);
        CHECK(beast::not_executed(*e));
    }
    {
        const server peer{loses_second_request()};
        const auto e = second(peer, post("x"));
        REQUIRE(e);
        CHECK(!e->is_idempotent());
        CHECK(e->may_have_arrived());
        CHECK(!beast::not_executed(*e));
    }
    for (const char* before : {"H", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Le"}) {
        const server peer{loses_second_request(before)};
        const auto e = second(peer, get());
        REQUIRE(e);
        CHECK(e->has_answer());
        CHECK(!beast::not_executed(*e));
    }
    {
        const server peer{[](conversation& with, int) { with.read_request(); }};
        beast::connection fresh = beast::dial{}(peer.key());
        const auto e = error_of([&] { fresh.exchange(get()); });
        REQUIRE(e);
        CHECK(!e->is_reused());
        CHECK(!beast::not_executed(*e));
    }
    using http::verb;
    for (const verb method : {verb::get, verb::head, verb::put, verb::delete_, verb::options, verb::trace})
        CHECK(beast::kernel::is_idempotent(method));
    for (const verb method : {verb::post, verb::patch, verb::connect, verb::lock, verb::unknown})
        CHECK(!beast::kernel::is_idempotent(method));
}

TEST_CASE("http: a pool makes a request again if its connection was stale") {
    const server peer{loses_second_request()};
    auto conns = make_pool();
    const pool::retry_stale retry{beast::not_executed};
    conns.invoke(peer.key(), [](beast::connection& c) { c.exchange(get()); });
    const std::string body =
        conns.get(peer.key()).invoke(retry, [](beast::connection& c) { return c.exchange(get()).body(); });
    CHECK(body == "hello");
    CHECK(conns.stats().dials == 2);
}

TEST_CASE("http: an answer that comes before the request was read whole is returned") {
    const server peer{[](conversation& with, int) {
        with.read_request();
        with.send("HTTP/1.1 413 Payload Too Large\r\nContent-Length: 5\r\n\r\nhello");
    }};  // closes with bytes unread: a reset
    beast::connection c = beast::dial{}(peer.key());
    const auto response = c.exchange(post(std::string(64 * 1024 * 1024, 'x')));
    CHECK(response.result_int() == 413);
    CHECK(response.body() == "hello");
    CHECK(c.closed());
}

TEST_CASE("http: limits of a header and of a body") {
    const server big_header{
        answers("HTTP/1.1 200 OK\r\nX: " + std::string(5000, 'x') + "\r\nContent-Length: 0\r\n\r\n")};
    beast::connection c = beast::dial{{.header_limit = 1000}}(big_header.key());
    auto e = error_of([&] { c.exchange(get()); });
    REQUIRE(e);
    CHECK(e->code() == boost::beast::http::make_error_code(http::error::header_limit));
    CHECK(c.closed());
    c = beast::dial{{.header_limit = 10000}}(big_header.key());
    CHECK(c.exchange(get()).result_int() == 200);

    for (const char* text : {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"}) {
        const server big_body{answers(text)};
        c = beast::dial{{.body_limit = 4}}(big_body.key());
        e = error_of([&] { c.exchange(get()); });
        REQUIRE(e);
        CHECK(e->code() == boost::beast::http::make_error_code(http::error::body_limit));
        CHECK(c.closed());
        c = beast::dial{{.body_limit = 5}}(big_body.key());
        CHECK(c.exchange(get()).body() == "hello");
        c = beast::dial{{.body_limit = 4}}(big_body.key());
        c.begin(get());  // a body that is read in pieces has no limit
        char piece[8];
        CHECK(c.read_some(boost::asio::buffer(piece)) == 5);
    }
}

TEST_CASE("http: what is no response is an error") {
    for (const char* text : {"SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
             "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"}) {
        CAPTURE(text);
        const server peer{answers(text)};
        beast::connection c = beast::dial{}(peer.key());
        const auto e = error_of([&] { c.exchange(get()); });
        REQUIRE(e);
        CHECK(e->has_answer());
        CHECK(c.closed());
    }
}

TEST_CASE("http: a request gets what is missing") {
    std::string got;
    const server peer{[&](conversation& with, int) {
        got = with.read_request(5);
        with.send(ok);
        with.read_to_end();
    }};
    const std::string host = "127.0.0.1:" + std::to_string(peer.port());
    beast::dial{}(peer.key()).exchange(post("money"));
    CHECK(got == "POST / HTTP/1.1\r\nContent-Length: 5\r\nHost: " + host + "\r\n\r\nmoney");
}

TEST_CASE("http: a Host of the caller's own is kept") {
    std::string got;
    const server peer{[&](conversation& with, int) {
        got = with.read_request();
        with.send(ok);
        with.read_to_end();
    }};
    auto own = get("/a?b");
    own.set(http::field::host, "virtual");
    beast::dial{}(peer.key()).exchange(own);
    CHECK(got == "GET /a?b HTTP/1.1\r\nHost: virtual\r\n\r\n");
}

TEST_CASE("http: a deadline and a stop end an exchange, and the connection") {
    const server silent{[](conversation& with, int) { with.read_to_end(); }};
    beast::connection c = beast::dial{{.exchange_timeout = 20ms}}(silent.key());
    auto e = error_of([&] { c.exchange(get()); });
    REQUIRE(e);
    CHECK(e->code() == std::errc::timed_out);
    CHECK(e->may_have_arrived());
    CHECK(!beast::not_executed(*e));
    CHECK(c.closed());

    c = beast::dial{}(silent.key());
    e = error_of([&] { c.exchange(get(), {.deadline = std::chrono::steady_clock::now() + 20ms}); });
    REQUIRE(e);
    CHECK(e->code() == std::errc::timed_out);
    CHECK(c.closed());

    latch has_request{1};
    const server tells{[&](conversation& with, int) {
        with.read_request();
        has_request.count_down();
        with.read_to_end();
    }};
    c = beast::dial{}(tells.key());
    std::stop_source stop;
    std::thread stops{[&] {
        has_request.wait();
        stop.request_stop();
    }};
    e = error_of([&] { c.exchange(get(), {.stop = stop.get_token()}); });
    stops.join();
    REQUIRE(e);
    CHECK(e->code() == std::errc::operation_canceled);
    CHECK(c.closed());
}

TEST_CASE("http: an interruption that comes too late does nothing to the next operation") {
    int ends[2] = {-1, -1};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    beast::kernel::interruption interruption;
    const auto first = interruption.begin(ends[0]);
    CHECK(!interruption.end());
    interruption.interrupt(first, std::errc::timed_out);
    const auto second = interruption.begin(ends[0]);
    interruption.interrupt(first, std::errc::timed_out);
    CHECK(::send(ends[0], "x", 1, MSG_NOSIGNAL) == 1);
    interruption.interrupt(second, std::errc::timed_out);
    interruption.interrupt(second, std::errc::operation_canceled);  // the first reason counts
    CHECK(::send(ends[0], "x", 1, MSG_NOSIGNAL) == -1);
    CHECK(interruption.end() == std::errc::timed_out);
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST_CASE("http: a close waits until the server has closed, too, but not for ever") {
    std::atomic<int> ended{0};
    const server peer{[&](http_test::conversation& with, int) {
        with.read_to_end();
        ++ended;
    }};
    for (int i = 1; i <= 20; ++i) {
        beast::connection c = beast::dial{}(peer.key());
        c.close();
        CHECK(ended == i);
    }
    const support::loopback_listener silent;
    beast::connection_key key;
    key.port = silent.port();
    beast::dial{{.close_timeout = 1ms}}(key).close();
    beast::dial{{.close_timeout = 0ns}}(key).close();
}

TEST_CASE("http: limits that are over before the begin cost no connection") {
    const server peer{answers(ok)};
    beast::connection c = beast::dial{}(peer.key());
    std::stop_source stop;
    stop.request_stop();
    CHECK(error_of([&] { c.exchange(get(), {.stop = stop.get_token()}); })->code() == std::errc::operation_canceled);
    CHECK(error_of([&] { c.exchange(get(), {.deadline = std::chrono::steady_clock::now()}); })->code() ==
          std::errc::timed_out);
    CHECK(c.exchange(get()).body() == "hello");
    // A stop that comes after an exchange does nothing to the next one.
    std::stop_source late;
    c.exchange(get(), {.stop = late.get_token()});
    late.request_stop();
    CHECK(c.exchange(get()).body() == "hello");
}

TEST_CASE("http: a server that reads nothing does not hold a caller up") {
    const server peer{[&](conversation& with, int) { with.read_request(); }};
    const support::loopback_listener deaf;
    beast::connection c = beast::dial{{.exchange_timeout = 50ms}}({.port = deaf.port()});
    const auto e = error_of([&] { c.exchange(post(std::string(64 * 1024 * 1024, 'x'))); });
    REQUIRE(e);
    CHECK(e->code() == std::errc::timed_out);
    CHECK(e->during() == beast::step::write);
    CHECK(e->may_have_arrived());
}

TEST_CASE("http: a dial keeps to its limits, and says why it failed") {
    int port = 0;
    {
        const support::loopback_listener gone;
        port = gone.port();
    }
    auto e = error_of([&] { beast::dial{}({.port = port}); });
    REQUIRE(e);
    CHECK(e->code() == std::errc::connection_refused);
    CHECK(e->during() == beast::step::connect);
    CHECK(std::string{e->what()} == "http: http://127.0.0.1:" + std::to_string(port) + ": connect: Connection refused");

    e = error_of([&] { beast::dial{}({.port = port}, {.deadline = std::chrono::steady_clock::now()}); });
    REQUIRE(e);
    CHECK((e->code() == std::errc::timed_out || e->code() == std::errc::connection_refused));

    e = error_of([&] { beast::dial{}({.host = "no-such-host.invalid"}); });
    REQUIRE(e);
    CHECK(e->during() == beast::step::resolve);
    CHECK_THROWS_AS(beast::dial{}({.scheme = "https"}), std::invalid_argument);
    CHECK_THROWS_AS(beast::dial{}({.host = "a b"}), std::invalid_argument);
    CHECK_THROWS_AS(beast::dial{}({.proxy = "socks://a"}), std::invalid_argument);
    CHECK_THROWS_AS((beast::dial{{.header_limit = 0}}), std::invalid_argument);
    CHECK_THROWS_AS((beast::dial{{.exchange_timeout = -1s}}), std::invalid_argument);
}

TEST_CASE("http: sockets are close-on-exec, and without Nagle's algorithm") {
    const server peer{answers(ok)};
    const beast::connection c = beast::dial{}(peer.key());
    CHECK((::fcntl(c.native_handle(), F_GETFD) & FD_CLOEXEC) != 0);
    int on = 0;
    socklen_t size = sizeof on;
    REQUIRE(::getsockopt(c.native_handle(), IPPROTO_TCP, TCP_NODELAY, &on, &size) == 0);
    CHECK(on != 0);
}

TEST_CASE("http: a name with several addresses") {
    const server peer{answers(ok)};
    const beast::connection_key key{.host = "localhost", .port = peer.port()};  // ::1 refuses, if there is one
    CHECK(beast::dial{}(key).exchange(get()).body() == "hello");
}

TEST_CASE("http: those who read and write by themselves say what has become of the connection") {
    const server peer{answers(ok)};
    auto conns = make_pool();
    const auto use = [&](bool tells) {
        conns.invoke(peer.key(), [&](beast::connection& c) {
            auto request = get();
            request.set(http::field::host, c.key().authority());
            http::response<http::string_body> response;
            http::write(c.stream(), request);
            http::read(c.stream(), c.buffer(), response);
            CHECK(response.body() == "hello");
            if (tells) c.keep(response);
        });
    };
    use(true);
    CHECK(conns.stats().idle == 1);
    use(false);
    CHECK(conns.stats().idle == 0);
    CHECK(conns.stats().dials == 1);

    http::response<http::string_body> response;
    beast::connection own = beast::dial{}(peer.key());
    http::write(own.stream(), get());
    http::read(own.stream(), own.buffer(), response);
    own.keep(response, false);  // its request had `Connection: close`
    CHECK(own.closed());
    CHECK(own.why_dead() == "its request closes it");

    const server closes{answers("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")};
    beast::connection c = beast::dial{}(closes.key());
    response = {};
    http::write(c.stream(), get());
    http::read(c.stream(), c.buffer(), response);
    c.keep(response);
    CHECK(c.closed());
    CHECK(c.why_dead() == "the server closes it");
}

TEST_CASE("http: an exception of the caller keeps a connection whose exchange has ended") {
    const server peer{answers(ok)};
    auto conns = make_pool();
    const auto fail = [&](bool reads) {
        CHECK_THROWS_AS(conns.invoke(peer.key(),
                            [&](beast::connection& c) {
                                if (reads) c.exchange(get());
                                else c.begin(get());
                                throw std::logic_error{"of the caller"};
                            }),
            std::logic_error);
    };
    fail(true);
    CHECK(conns.stats().idle == 1);
    fail(false);
    CHECK(conns.stats().idle == 0);
}

TEST_CASE("http: a proxy gets the whole URL of a request") {
    std::string got;
    const server proxy{[&](conversation& with, int) {
        got = with.read_request();
        with.send(ok);
        with.read_to_end();
    }};
    beast::connection_key key = beast::connection_key::from_url("http://orders:8080");
    key.proxy = "http://me:p%40ss@127.0.0.1:" + std::to_string(proxy.port());
    auto c = beast::dial{}(key);
    CHECK(c.exchange(get("/a")).body() == "hello");
    CHECK(got ==
          "GET http://orders:8080/a HTTP/1.1\r\nHost: orders:8080\r\nProxy-Authorization: Basic bWU6cEBzcw==\r\n\r\n");
    CHECK(!c.closed());
}

TEST_CASE("http: a connection that was moved from, or closed, is none") {
    const server peer{answers(ok)};
    beast::connection c = beast::dial{}(peer.key());
    beast::connection other{std::move(c)};
    CHECK(c.closed());
    CHECK(c.released());
    CHECK_THROWS_AS(c.exchange(get()), std::system_error);
    CHECK(other.exchange(get()).body() == "hello");
    other.close();
    CHECK(other.released());
    CHECK(other.native_handle() == -1);
    CHECK(other.why_dead() == "no connection");
}

TEST_CASE("http: the connection of the parent goes on after the child has abandoned its own") {
    const server peer{answers(ok)};
    beast::connection c = beast::dial{}(peer.key());
    c.exchange(get());
    const int child = ::fork();
    if (child == 0) {
        c.abandon();
        ::_exit(c.closed() && c.released() ? 0 : 1);
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    CHECK(c.healthy());
    CHECK(c.exchange(get()).body() == "hello");
}

TEST_CASE("http: a pool asks for the own deadline of a connection") {
    const server peer{answers("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=60\r\nContent-Length: 0\r\n\r\n")};
    pool::manual_clock clock;
    pool::basic_pool<beast::connection_key, beast::connection, pool::bounded_open, pool::at_own_deadline, std::mutex,
        pool::manual_clock>
        conns{{.max_open = 2}, pool::at_own_deadline{}, pool::pool_settings{}, clock};
    const auto dial = beast::dial{};
    {
        auto lent = conns.acquire(peer.key(), dial);
        lent->exchange(get());
    }
    CHECK(conns.stats().idle == 1);
    clock.advance(58s);
    conns.upkeep();
    CHECK(conns.stats().idle == 1);
    clock.advance(2s);
    conns.upkeep();
    CHECK(conns.stats().idle == 0);
}

#ifdef POOL_HTTP_EXAMPLES
TEST_CASE("http: the examples run") {
    const server peer{[](conversation& with, int) {
        while (!with.read_request().empty()) with.send(ok);
    }};
    for (const char* program : {POOL_HTTP_EXAMPLES}) {
        CAPTURE(program);
        const std::string command = '"' + std::string{program} + "\" " + peer.key().url();
        CHECK(std::system(command.c_str()) == 0);
    }
}
#endif

}  // namespace http_test
