// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <openssl/ssl.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include <pool/adapters/beast_ssl.hpp>
#include <pool/pool.hpp>

#include <clients/http_certificates.hpp>
#include <clients/http_peer.hpp>
#include <support/latch.hpp>

// Connections of HTTP with TLS.

namespace http_tls {

using namespace std::chrono_literals;
using namespace http_test;
namespace beast = pool::beast;
using connections = pool::bounded_pool<beast::connection_key, beast::ssl_connection>;

static std::string body_of(beast::ssl_connection& c) { return c.exchange(get()).body(); }

/// The key of a server that the authority has signed.
static beast::connection_key trusted(const server& peer, const authority& by) {
    auto key = peer.https_key();
    key.certificate_authorities = by.file;
    return key;
}

/// What a dial says.
static std::string problem_of(const beast::connection_key& key) {
    try {
        beast::ssl_dial{}(key);
    } catch (const beast::error& e) {
        CHECK(e.during() == beast::step::handshake);
        const std::string what = e.what();
        const std::string before = "http: " + pool::key_traits<beast::connection_key>::describe(key) + ": handshake: ";
        REQUIRE(what.starts_with(before));
        const std::string words = what.substr(before.size());
        return words.substr(0, words.rfind(" ("));  // newer versions of Asio add the part of OpenSSL
    }
    return "none";
}

TEST_CASE("http_tls: a connection is kept, for keys of both schemes") {
    const authority by;
    const auto context = server_context(by.local);
    const server safe{answers(ok), context.get()};
    const server plain{answers(ok)};
    connections conns{{.max_open = 2, .acquire_timeout = 1min}, beast::ssl_dial{}};
    for (int i = 0; i < 3; ++i) {
        CHECK(conns.invoke(trusted(safe, by), body_of) == "hello");
        CHECK(conns.invoke(plain.key(), body_of) == "hello");
    }
    CHECK(conns.stats().dials == 2);
    CHECK(conns.stats().idle == 2);
}

TEST_CASE("http_tls: the dial of a pool of one peer holds its key") {
    const authority by;
    const auto context = server_context(by.local);
    const server peer{answers(ok), context.get()};
    pool::bounded_pool<pool::no_key, beast::ssl_connection> conns{
        {.max_open = 1}, beast::ssl_dial_to{trusted(peer, by)}};
    for (int i = 0; i < 2; ++i) CHECK(conns.invoke(body_of) == "hello");
    CHECK(conns.stats().dials == 1);
}

TEST_CASE("http_tls: a server has to be the right one") {
    const authority by;
    const authority others;
    const auto problem = [&](const identity& its, auto change) {
        const auto context = server_context(its);
        const server peer{answers(ok), context.get()};
        auto key = trusted(peer, by);
        change(key);
        return problem_of(key);
    };
    const std::string failed = ": certificate verify failed";
    const auto as_it_is = [](beast::connection_key&) {};
    CHECK(problem(by.local, as_it_is) == "none");
    CHECK(problem(by.local, [](auto& key) { key.host = "127.0.0.1"; }) == "none");
    CHECK(problem(by.other_name, as_it_is) == "hostname mismatch" + failed);
    CHECK(problem(by.other_name, [](auto& key) { key.host = "127.0.0.1"; }) == "IP address mismatch" + failed);
    CHECK(problem(by.other_name, [](auto& key) { key.server_name = "elsewhere"; }) == "none");
    CHECK(problem(by.local, [](auto& key) { key.server_name = "elsewhere"; }) == "hostname mismatch" + failed);
    CHECK(problem(by.expired, as_it_is) == "certificate has expired" + failed);
    CHECK(problem(others.local, as_it_is) == "unable to get local issuer certificate" + failed);
    CHECK(problem(by.local, [](auto& key) { key.certificate_authorities.clear(); }) ==
          "unable to get local issuer certificate" + failed);  // the system does not know it
    CHECK(problem(others.local, [](auto& key) { key.verify = false; }) == "none");
    CHECK(problem(by.expired, [](auto& key) { key.verify = false; }) == "none");
}

TEST_CASE("http_tls: SNI and ALPN are what the key says") {
    const authority by;
    const auto context = server_context(by.other_name);
    std::string name;
    std::string protocol;
    const server peer{[&](conversation& with, int) {
                          const char* const sni = SSL_get_servername(with.ssl(), TLSEXT_NAMETYPE_host_name);
                          name = sni != nullptr ? sni : "none";
                          const unsigned char* chosen = nullptr;
                          unsigned size = 0;
                          SSL_get0_alpn_selected(with.ssl(), &chosen, &size);
                          protocol.assign(reinterpret_cast<const char*>(chosen), size);
                          while (!with.read_request().empty()) with.send(ok);
                      },
        context.get()};
    auto key = trusted(peer, by);
    key.server_name = "elsewhere";
    auto c = beast::ssl_dial{}(key);
    CHECK(body_of(c) == "hello");
    CHECK(name == "elsewhere");
    CHECK(protocol == "http/1.1");

    key.alpn.clear();
    c = beast::ssl_dial{}(key);
    CHECK(body_of(c) == "hello");
    CHECK(protocol.empty());

    key.alpn = "h2";  // the server does not speak it
    CHECK(problem_of(key) == "tlsv1 alert no application protocol");

    key.alpn = "http/1.1";
    key.host = "127.0.0.1";
    key.server_name.clear();
    key.verify = false;
    c = beast::ssl_dial{}(key);
    CHECK(body_of(c) == "hello");
    CHECK(name == "none");  // an address is no name
}

TEST_CASE("http_tls: versions before 1.2 are refused") {
    const authority by;
    const auto context = server_context(by.local);
    SSL_CTX_set_security_level(context.get(), 0);
    SSL_CTX_set_min_proto_version(context.get(), TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context.get(), TLS1_1_VERSION);
    const server peer{answers(ok), context.get()};
    CHECK(problem_of(trusted(peer, by)) == "tlsv1 alert protocol version");
}

TEST_CASE("http_tls: a server may demand a certificate") {
    const authority by;
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        CAPTURE(version);
        const auto context = server_context(by.local);
        SSL_CTX_set_max_proto_version(context.get(), version);
        SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
        REQUIRE(SSL_CTX_load_verify_locations(context.get(), by.file.c_str(), nullptr) == 1);
        const server peer{answers(ok), context.get()};
        auto key = trusted(peer, by);
        try {
            auto c = beast::ssl_dial{}(key);  // with TLS 1.3, the client is done before the server
            (void)body_of(c);
            FAIL("the server has accepted it");
        } catch (const beast::error& e) {
            INFO(std::string{e.what()});
            CHECK((e.during() == beast::step::handshake) == (version == TLS1_2_VERSION));
            CHECK_MESSAGE(std::string{e.what()}.find("alert") != std::string::npos, e.what());
        }
        key.client_certificate = by.client_certificate;
        key.client_key = by.client_key;
        auto c = beast::ssl_dial{}(key);
        CHECK(body_of(c) == "hello");
    }
}

TEST_CASE("http_tls: files that cannot be used are named by what they are") {
    const authority by;
    const auto context = server_context(by.local);
    const server peer{answers(ok), context.get()};
    auto key = trusted(peer, by);
    key.client_certificate = by.client_certificate;
    key.client_key = by.files.file("none.key");
    CHECK(problem_of(key) == "the key of the client's certificate: No such file or directory");
    make_identity("").write_key(key.client_key);
    CHECK(problem_of(key) == "the key of the client's certificate: key values mismatch");
    key.client_key = by.client_key;
    CHECK(problem_of(key) == "none");
    key.client_certificate = by.files.file("none.pem");
    CHECK(problem_of(key) == "the client's certificate: No such file or directory");
    key.certificate_authorities = by.files.file("none.pem");
    CHECK(problem_of(key) == "the certificate authorities: No such file or directory");
}

TEST_CASE("http_tls: a file that has changed is read again by the next dial") {
    const authority by;
    const authority next;
    const auto context = server_context(by.local);
    const server peer{answers(ok), context.get()};
    auto key = trusted(peer, by);
    key.certificate_authorities = by.files.file("trusted.pem");
    std::filesystem::copy_file(next.file, key.certificate_authorities);
    const beast::ssl_dial dial;
    CHECK_THROWS_AS(dial(key), beast::error);
    std::filesystem::copy_file(by.file, key.certificate_authorities, std::filesystem::copy_options::overwrite_existing);
    std::filesystem::last_write_time(key.certificate_authorities, std::filesystem::file_time_type::clock::now() + 1h);
    auto c = dial(key);
    CHECK(body_of(c) == "hello");
    // One set of files has one context.
    beast::kernel::ssl_contexts contexts;
    const auto first = contexts.of(key);
    CHECK(contexts.of(key) == first);
    key.host = "other";
    CHECK(contexts.of(key) == first);
    key.certificate_authorities = by.file;
    CHECK(contexts.of(key) != first);
}

TEST_CASE("http_tls: tickets that arrive on a connection that is not used yet are no reason to close it") {
    const authority by;
    const auto context = server_context(by.local);
    SSL_CTX_set_num_tickets(context.get(), 2);
    const server peer{answers(ok), context.get()};
    const auto key = trusted(peer, by);
    auto unused = beast::ssl_dial{}(key);
    wait_for_input(unused.native_handle());
    CHECK(unused.healthy());
    CHECK(unused.healthy());
    CHECK(body_of(unused) == "hello");
}

TEST_CASE("http_tls: a ticket later on is none, either") {
    const authority by;
    const auto context = server_context(by.local);
    latch may_send{1};
    const server peer{[&](conversation& with, int) {
                          with.read_request();
                          with.send(ok);
                          may_send.wait();
                          SSL_new_session_ticket(with.ssl());
                          SSL_do_handshake(with.ssl());  // sends it
                          while (!with.read_request().empty()) with.send(ok);
                      },
        context.get()};
    connections conns{{.max_open = 1, .acquire_timeout = 1min}, beast::ssl_dial{}};
    const auto key = trusted(peer, by);
    const int socket = conns.invoke(key, [](beast::ssl_connection& c) {
        CHECK(body_of(c) == "hello");
        return c.native_handle();
    });
    may_send.count_down();
    wait_for_input(socket);
    CHECK(conns.invoke(key, body_of) == "hello");
    CHECK(conns.stats().dials == 1);
    CHECK(conns.stats().found_unhealthy == 0);
}

TEST_CASE("http_tls: what closes an idle connection") {
    enum class does { notifies, closes, speaks };
    for (const does what : {does::notifies, does::closes, does::speaks}) {
        CAPTURE(static_cast<int>(what));
        const authority by;
        const auto context = server_context(by.local);
        SSL_CTX_set_num_tickets(context.get(), 0);
        latch has_answer{1};
        const server peer{[&](conversation& with, int number) {
                              with.read_request();
                              with.send(ok);
                              if (number == 1) {
                                  has_answer.wait();
                                  if (what == does::closes) return;
                                  if (what == does::notifies) with.notify_close();
                                  else with.send("H");
                              }
                              with.read_to_end();
                          },
            context.get()};
        connections conns{{.max_open = 1, .acquire_timeout = 1min}, beast::ssl_dial{}};
        const auto key = trusted(peer, by);
        const int socket = conns.invoke(key, [](beast::ssl_connection& c) {
            CHECK(body_of(c) == "hello");
            return c.native_handle();
        });
        has_answer.count_down();
        wait_for_input(socket);
        CHECK(conns.invoke(key, body_of) == "hello");
        CHECK(conns.stats().dials == 2);
        CHECK(conns.stats().found_unhealthy == 1);
    }
}

TEST_CASE("http_tls: a body without a length ends with a close_notify, and not with the connection") {
    const authority by;
    const auto context = server_context(by.local);
    bool notifies = true;
    const server peer{[&](conversation& with, int) {
                          with.read_request();
                          with.send("HTTP/1.1 200 OK\r\n\r\nhello");
                          if (notifies) with.notify_close();
                      },
        context.get()};
    auto c = beast::ssl_dial{}(trusted(peer, by));
    CHECK(body_of(c) == "hello");
    CHECK(c.closed());
    notifies = false;  // somebody may have cut it
    c = beast::ssl_dial{}(trusted(peer, by));
    CHECK_THROWS_AS(body_of(c), beast::error);
}

TEST_CASE("http_tls: a connection is closed with a close_notify") {
    const authority by;
    const auto context = server_context(by.local);
    latch is_over{1};
    int end = 0;
    const server peer{[&](conversation& with, int) {
                          with.read_request();
                          with.send(ok);
                          with.read_to_end();
                          end = SSL_get_shutdown(with.ssl());
                          is_over.count_down();
                      },
        context.get()};
    {
        auto c = beast::ssl_dial{}(trusted(peer, by));
        CHECK(body_of(c) == "hello");
    }
    is_over.wait();
    CHECK((end & SSL_RECEIVED_SHUTDOWN) != 0);
}

TEST_CASE("http_tls: a handshake keeps to the limits of its dial") {
    const support::loopback_listener silent;
    const authority by;
    const beast::connection_key key{.scheme = "https", .port = silent.port(), .certificate_authorities = by.file};
    try {
        beast::ssl_dial{}(key, {.deadline = std::chrono::steady_clock::now() + 50ms});
        FAIL("nobody has answered");
    } catch (const beast::error& e) {
        CHECK(e.code() == std::errc::timed_out);
        CHECK(e.during() == beast::step::handshake);
    }
}

TEST_CASE("http_tls: a tunnel of a proxy") {
    const authority by;
    const auto context = server_context(by.local);
    std::string asked;
    std::string answer = "HTTP/1.1 200 Connection established\r\n\r\n";
    // It reads the question of the client, and is then the server itself.
    const server proxy{[&](conversation& with, int) {
        asked = with.read_request();
        with.send(answer);
        if (!answer.starts_with("HTTP/1.1 200")) return;
        conversation inner{::dup(with.socket()), context.get()};
        while (!inner.read_request().empty()) inner.send(ok);
    }};
    auto key = beast::connection_key::from_url("https://localhost:8443");
    key.certificate_authorities = by.file;
    key.proxy = "http://me:secret@127.0.0.1:" + std::to_string(proxy.port());
    auto c = beast::ssl_dial{}(key);
    CHECK(body_of(c) == "hello");
    CHECK(body_of(c) == "hello");
    CHECK(asked == "CONNECT localhost:8443 HTTP/1.1\r\nHost: localhost:8443\r\n"
                   "Proxy-Authorization: Basic bWU6c2VjcmV0\r\n\r\n");

    answer = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 3\r\n\r\nno!";
    try {
        beast::ssl_dial{}(key);
        FAIL("the proxy has refused it");
    } catch (const beast::error& e) {
        const std::string what = e.what();
        CHECK(e.during() == beast::step::proxy);
        CHECK_MESSAGE(what.find("the proxy says: 407 Proxy Authentication Required") != what.npos, what);
        CHECK(what.find("secret") == what.npos);
    }
    answer = "HTTP/1.1 200 OK\r\n\r\nx";
    CHECK_THROWS_AS(beast::ssl_dial{}(key), beast::error);
    answer = "nonsense\r\n\r\n";
    CHECK_THROWS_AS(beast::ssl_dial{}(key), beast::error);
}

TEST_CASE("http_tls: those who read and write by themselves have a stream of either kind") {
    const authority by;
    const auto context = server_context(by.local);
    const server safe{answers(ok), context.get()};
    const server plain{answers(ok)};
    for (const auto& key : {trusted(safe, by), plain.key()}) {
        auto c = beast::ssl_dial{}(key);
        http::response<http::string_body> response;
        http::write(c.stream(), get());
        http::read(c.stream(), c.buffer(), response);
        CHECK(response.body() == "hello");
        CHECK(c.closed());
        c.keep(response);
        CHECK(!c.closed());
        CHECK(body_of(c) == "hello");
    }
}

}  // namespace http_tls
