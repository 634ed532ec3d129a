// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <iostream>
#include <string>
#include <utility>

#include <pool/adapters/beast_ssl.hpp>
#include <pool/policies/expiry.hpp>
#include <pool/pool.hpp>

/// @file
/// The code of docs/http.md. It needs a server, whose URL is its argument.

using namespace std::chrono_literals;
namespace http = boost::beast::http;

namespace {

// [tls]
using connections = pool::bounded_pool<pool::beast::connection_key, pool::beast::ssl_connection>;

pool::beast::connection_key orders() {
    auto key = pool::beast::connection_key::from_url("https://orders.example");
    key.certificate_authorities = "/etc/orders/ca.pem";  // instead of those of the system
    key.client_certificate = "/etc/orders/client.pem";
    key.client_key = "/etc/orders/client.key";
    key.proxy = "http://user:password@proxy.example:3128";
    return key;
}
// [/tls]

// [post]
std::string create(connections& conns, const pool::beast::connection_key& server, std::string text) {
    http::request<http::string_body> request{http::verb::post, "/orders", 11};
    request.set(http::field::content_type, "application/json");
    request.body() = std::move(text);  // the connection adds Host and Content-Length
    return conns.invoke(server, [&](pool::beast::ssl_connection& c) { return c.exchange(std::move(request)).body(); });
}
// [/post]

// [pieces]
std::size_t size_of(connections& conns, const pool::beast::connection_key& server) {
    return conns.invoke(server, [](pool::beast::ssl_connection& c) {
        const auto header = c.begin(http::request<http::empty_body>{http::verb::get, "/export", 11});
        if (header.result() != http::status::ok) return std::size_t{0};  // the rest is not read: the pool closes it
        char piece[16 * 1024];
        std::size_t size = 0;
        while (const std::size_t got = c.read_some(boost::asio::buffer(piece))) size += got;
        return size;
    });
}
// [/pieces]

// [stream]
std::string by_hand(connections& conns, const pool::beast::connection_key& server) {
    return conns.invoke(server, [](pool::beast::ssl_connection& c) {
        http::request<http::empty_body> request{http::verb::get, "/", 11};
        request.set(http::field::host, c.key().authority());
        http::response<http::string_body> response;
        http::write(c.stream(), request);
        do {
            response = {};
            http::read(c.stream(), c.buffer(), response);
        } while (response.result_int() < 200);  // a 1xx comes before the response
        c.keep(response);                       // without it, the pool closes the connection
        return response.body();
    });
}
// [/stream]

// [error]
void show_failure(connections& conns, const pool::beast::connection_key& server) {
    try {
        create(conns, server, "{}");
    } catch (const pool::beast::error& e) {
        std::cout << e.what() << (e.may_have_arrived() ? "; the server may have got it" : "") << '\n';
    }
}
// [/error]

// [own_deadline]
using expiry = pool::any_of<pool::after_idle, pool::at_own_deadline>;
using timed_connections =
    pool::basic_pool<pool::beast::connection_key, pool::beast::ssl_connection, pool::bounded_open, expiry>;

timed_connections make_connections() {
    return timed_connections{{.max_open_per_key = 8}, expiry{pool::after_idle{5min}, pool::at_own_deadline{}},
        {.name = "http"}, pool::beast::ssl_dial{}};
}
// [/own_deadline]

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    const auto server = pool::beast::connection_key::from_url(argv[1]);
    connections conns{{.max_open_per_key = 8, .acquire_timeout = 5s}, pool::beast::ssl_dial{}};
    const std::string body = create(conns, server, "");
    const bool is_right = by_hand(conns, server) == body && size_of(conns, server) == body.size();
    std::cout << conns.stats() << '\n';
    const bool is_reused = conns.stats().dials == 1;

    timed_connections timed = make_connections();
    timed.invoke(server, [](pool::beast::ssl_connection& c) {
        c.exchange(http::request<http::empty_body>{http::verb::get, "/", 11});
    });
    auto nobody = orders();
    nobody.host = "no-such-host.invalid";
    nobody.scheme = "http";
    nobody.proxy.clear();
    show_failure(conns, nobody);
    return is_right && is_reused && timed.stats().idle == 1 ? 0 : 1;
}
