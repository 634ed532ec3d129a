// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <optional>
#include <stop_token>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/system/error_code.hpp>
#include <doctest/doctest.h>
#include <sys/socket.h>

#include <pool/adapters/beast.hpp>
#include <pool/pool.hpp>

#include <clients/http_peer.hpp>
#include <support/latch.hpp>

// What callers and servers get wrong, by mistake or on purpose: no answer reaches another user.

namespace http_mistakes {

using namespace http_test;
using namespace std::chrono_literals;
namespace beast = pool::beast;
using connections = pool::bounded_pool<beast::connection_key, beast::connection>;

template <class Call>
std::optional<beast::error> error_of(Call call) {
    try {
        call();
    } catch (const beast::error& e) {
        return e;
    }
    return {};
}

/// An asynchronous connection with this `exchange_timeout`.
std::optional<beast::async_connection> dialled(
    boost::asio::io_context& io, const beast::connection_key& key, std::chrono::nanoseconds timeout) {
    std::optional<beast::async_connection> c;
    struct handler {
        boost::asio::io_context* io;
        std::optional<beast::async_connection>* c;
        using executor_type = boost::asio::io_context::executor_type;
        executor_type get_executor() const noexcept { return io->get_executor(); }
        void operator()(std::exception_ptr) {}
        void operator()(boost::system::error_code, beast::async_connection got) { c->emplace(std::move(got)); }
    };
    beast::async_dial{{.exchange_timeout = timeout}}(key, {}, handler{&io, &c});
    io.run();
    REQUIRE(c.has_value());
    io.restart();
    return c;
}

TEST_CASE("http: an interruption within a body that ends with the connection is not its end") {
    latch has_sent{1};
    const server peer{[&](conversation& with, int) {
        with.read_request();
        with.send("HTTP/1.1 200 OK\r\n\r\nhalf of the");
        has_sent.count_down();
        with.read_to_end();
    }};
    SUBCASE("exchange_timeout") {
        auto c = beast::dial{{.exchange_timeout = 100ms}}(peer.key());
        std::string body = "<threw>";
        const auto e = error_of([&] { body = c.exchange(get()).body(); });
        CHECK(body == "<threw>");
        CHECK(e.has_value());
        if (e) CHECK(e->code() == std::errc::timed_out);
    }
    SUBCASE("stop") {
        auto c = beast::dial{}(peer.key());
        std::stop_source stop;
        std::thread stops{[&] {
            has_sent.wait();
            stop.request_stop();
        }};
        std::string body = "<threw>";
        const auto e = error_of([&] { body = c.exchange(get(), {.stop = stop.get_token()}).body(); });
        stops.join();
        CHECK(body == "<threw>");
        CHECK(e.has_value());
    }
    SUBCASE("pieces") {
        auto c = beast::dial{{.exchange_timeout = 100ms}}(peer.key());
        c.begin(get());
        char piece[64];
        CHECK(c.read_some(boost::asio::buffer(piece)) == 11);
        std::size_t got = 99;
        const auto e = error_of([&] { got = c.read_some(boost::asio::buffer(piece)); });
        CHECK(got == 99);  // 0 would be the end
        CHECK(e.has_value());
    }
    SUBCASE("async") {
        boost::asio::io_context io;
        std::optional<beast::async_connection> c = dialled(io, peer.key(), 100ms);
        std::string body;
        bool failed = false;
        c->async_exchange(get(), [&](std::exception_ptr e, http::response<http::string_body> r) {
            failed = e != nullptr;
            body = r.body();
        });
        io.run();
        CHECK(failed);
        CHECK(body == "");
        c.reset();
    }
}

TEST_CASE("http: a response of 1xx that was read by hand is not the last one") {
    const server peer{[&](conversation& with, int) {
        with.read_request();
        with.send("HTTP/1.1 102 Processing\r\n\r\n");
        with.read_request();  // slow: the next request comes first
        with.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nALICE");
        with.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nBOB's");
        with.read_to_end();
    }};
    connections conns{{.max_open = 2, .acquire_timeout = 5s}, beast::dial{{.exchange_timeout = 2s}}};
    conns.invoke(peer.key(), [](beast::connection& c) {
        auto request = get("/alice");
        request.set(http::field::host, c.key().authority());
        http::response<http::string_body> response;
        http::write(c.stream(), request);
        http::read(c.stream(), c.buffer(), response);
        c.keep(response);
    });
    CHECK(conns.stats().idle == 0);
    std::string body;
    try {
        body = conns.invoke(peer.key(), [](beast::connection& c) { return c.exchange(get("/bob")).body(); });
    } catch (const std::exception&) {
    }
    CHECK(body != "ALICE");
}

/// Answers every request of a stream with its target. That to /evil comes only after the request that follows.
server::script pipelining() {
    return [](conversation& with, int) {
        std::string text;
        char bytes[4096];
        const auto receive = [&] {
            const auto got = ::recv(with.socket(), bytes, sizeof bytes, 0);
            if (got > 0) text.append(bytes, static_cast<std::size_t>(got));
            return got > 0;
        };
        for (;;) {
            while (text.find("\r\n\r\n") == text.npos)
                if (!receive()) return;
            const auto line = text.substr(0, text.find(" HTTP/"));
            text.erase(0, text.find("\r\n\r\n") + 4);
            const std::string body = line.substr(line.find(' ') + 1);
            while (body == "/evil" && text.find("\r\n\r\n") == text.npos)
                if (!receive()) return;
            with.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
        }
    };
}

/// What Bob gets on the connection on which somebody before him has made this request.
std::string answer_for_bob(const http::request<http::string_body>& before) {
    const server peer{pipelining()};
    connections conns{{.max_open = 2, .acquire_timeout = 5s}, beast::dial{{.exchange_timeout = 2s}}};
    const auto e = error_of([&] { conns.invoke(peer.key(), [&](beast::connection& c) { c.exchange(before); }); });
    REQUIRE(e);
    CHECK(e->code() == std::errc::invalid_argument);
    CHECK(e->is_refused());
    CHECK(conns.stats().dials == 1);
    const std::string body =
        conns.invoke(peer.key(), [](beast::connection& c) { return c.exchange(get("/bob")).body(); });
    CHECK(conns.stats().dials == 1);  // the connection is as good as before
    return body;
}

TEST_CASE("http: a request that a server could read as another one is refused") {
    http::request<http::string_body> request{http::verb::get, "/a", 11};
    SUBCASE("a target with the end of a line") { request.target("/a HTTP/1.1\r\nHost: x\r\n\r\nGET /evil"); }
    SUBCASE("a target with a space") { request.target("/a b"); }
    SUBCASE("no target") { request.target(""); }
    SUBCASE("a header with the end of a line") { request.set("X-Name", "eve\r\n\r\nGET /evil HTTP/1.1\r\nHost: x"); }
    SUBCASE("a header whose name has a colon") { request.set("X: 1\r\nY", "2"); }
    SUBCASE("a method that is no token") { request.method_string("GET /evil HTTP/1.1\r\n\r\nGET"); }
    SUBCASE("two of Host") {
        request.insert(http::field::host, "a");
        request.insert(http::field::host, "b");
    }
    SUBCASE("a body that is longer than its Content-Length") {
        request.content_length(0);
        request.body() = "GET /evil HTTP/1.1\r\nHost: x\r\n\r\n";
    }
    SUBCASE("two of Content-Length") {
        request.insert(http::field::content_length, "0");
        request.insert(http::field::content_length, "0");
    }
    SUBCASE("a TRACE with a body") {
        request.method(http::verb::trace);
        request.body() = "hello";
    }
    CHECK(answer_for_bob(request) == "/bob");
}

TEST_CASE("http: the timer of an exchange that was given up shuts down no other socket") {
    const server peer{[](conversation& with, int) { with.read_to_end(); }};
    boost::asio::io_context io;
    std::optional<beast::async_connection> c = dialled(io, peer.key(), 50ms);
    c->async_exchange(get(), [](std::exception_ptr, const http::response<http::string_body>&) {});
    const int fd = c->native_handle();
    io.poll();
    c.reset();  // the caller gives up
    int other[2] = {-1, -1};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, other) == 0);
    const bool is_same = other[0] == fd || other[1] == fd;
    const auto late = std::chrono::steady_clock::now() + 60ms;
    while (std::chrono::steady_clock::now() < late) {  // a thread that is busy: then both have ended
    }
    io.run();
    CHECK(is_same);
    CHECK(::send(other[0], "x", 1, MSG_NOSIGNAL) == 1);
    CHECK(::send(other[1], "x", 1, MSG_NOSIGNAL) == 1);
}

TEST_CASE("http: the extension of a chunk, and trailers, take no more memory than the limits") {
    for (const std::string& begin : {std::string{"5;a="}, std::string{"0\r\nX: "}}) {
        const server peer{[&](conversation& with, int) {
            with.read_request();
            with.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + begin);
            const std::string much(1024 * 1024, 'a');
            for (int i = 0; i < 16; ++i) with.send(much);
        }};
        auto c = beast::dial{{.exchange_timeout = 20s, .body_limit = 1024}}(peer.key());
        const auto e = error_of([&] { c.exchange(get()); });
        CHECK(e.has_value());
        CHECK(c.buffer().size() < 256 * 1024);
    }
}

TEST_CASE("http: a request that was answered is not made again because the next one of its call is refused") {
    std::atomic<int> posts = 0;
    const server peer{[&](conversation& with, int number) {
        if (number == 1) {
            with.read_request();
            with.send(ok);
        }
        for (std::string text; !(text = with.read_request()).empty();) {
            if (!text.starts_with("POST")) return with.send(ok);
            ++posts;
            with.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello");
        }
    }};
    connections conns{{.max_open = 2, .acquire_timeout = 5s}, beast::dial{{.exchange_timeout = 2s}}};
    conns.invoke(peer.key(), [](beast::connection& c) { c.exchange(get()); });
    const pool::retry_stale retry{beast::not_executed};
    const auto e = error_of([&] {
        conns.get(peer.key()).invoke(retry, [](beast::connection& c) {
            c.exchange(post(""));
            c.exchange(get());
        });
    });
    REQUIRE(e);
    CHECK(e->code() == std::errc::not_connected);
    CHECK(posts == 1);
}

TEST_CASE("http: close in a second header Connection is heeded") {
    const server peer{
        answers("HTTP/1.1 200 OK\r\nConnection: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello")};
    auto c = beast::dial{}(peer.key());
    c.exchange(get());
    CHECK(c.closed());
}

TEST_CASE("http: no request has both a length and chunks") {
    std::string got;
    const server peer{[&](conversation& with, int) {
        got = with.read_request();
        with.send(ok);
    }};
    auto c = beast::dial{}(peer.key());
    http::request<http::string_body> request{http::verb::post, "/", 11};
    request.body() = "hello";
    request.insert(http::field::content_length, "3");
    request.insert(http::field::transfer_encoding, "chunked");
    const auto e = error_of([&] { c.exchange(request); });
    const bool both = got.find("Content-Length") != got.npos && got.find("chunked") != got.npos;
    CHECK(!both);
}

TEST_CASE("http: another coding than chunked, and a length, leave the length of a response in doubt") {
    const server peer{answers("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello")};
    auto c = beast::dial{}(peer.key());
    try {
        c.exchange(get());
    } catch (const std::exception&) {
    }
    CHECK(c.closed());
}

TEST_CASE("http: with a proxy, a target names no other server than that of the key") {
    std::string got;
    const server proxy{[&](conversation& with, int) {
        got = with.read_request();
        with.send(ok);
    }};
    beast::connection_key key{.host = "orders.example", .proxy = "http://127.0.0.1:" + std::to_string(proxy.port())};
    auto c = beast::dial{}(key);
    try {
        c.exchange(get("http://169.254.169.254/meta"));
    } catch (const std::exception&) {
    }
    CHECK(got.find("GET http://169.254") == got.npos);
}

TEST_CASE("http: chunks in a response of HTTP/1.0 leave its length in doubt") {
    const server peer{answers(
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")};
    auto c = beast::dial{}(peer.key());
    try {
        c.exchange(get());
    } catch (const std::exception&) {
    }
    CHECK(c.closed());
}

TEST_CASE("http: a request that was moved away is not sent again as an empty one") {
    std::string second = "none";
    latch go{1};
    const server peer{[&](conversation& with, int number) {
        if (number == 1) {
            with.read_request();
            with.send(ok);
            go.wait();
            with.read_request(4);
            return;
        }
        second = with.read_request();
        with.send(ok);
    }};
    connections conns{{.max_open = 2, .acquire_timeout = 5s}, beast::dial{{.exchange_timeout = 2s}}};
    conns.invoke(peer.key(), [](beast::connection& c) { c.exchange(get()); });
    go.count_down();
    http::request<http::string_body> request{http::verb::put, "/money", 11};
    request.body() = "give";
    const pool::retry_stale retry{beast::not_executed};
    try {
        conns.get(peer.key()).invoke(retry, [&](beast::connection& c) { c.exchange(std::move(request)); });
    } catch (const std::exception&) {
    }
    CHECK((second == "none" || second.find("PUT /money") == 0));
}

}  // namespace http_mistakes
