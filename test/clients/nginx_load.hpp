// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <functional>
#include <iterator>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/verb.hpp>

#include <doctest/doctest.h>

#include <pool/adapters/beast_ssl.hpp>
#include <pool/pool.hpp>

#include <clients/server.hpp>
#include <support/fault_proxy.hpp>
#include <support/tier.hpp>

/// @file
/// Many users of a pool of connections to nginx, of whom a tenth misbehaves. Each request has a number that its response must
/// have.

namespace nginx {

using namespace std::chrono_literals;
namespace http = boost::beast::http;
using pool::beast::connection_key;
using connection = pool::beast::ssl_connection;
using connections = pool::bounded_pool<connection_key, connection>;
using request = http::request<http::empty_body>;

/// A nginx of its own.
class server : public clients::server {
public:
    server() : clients::server{"nginx"} {}

    /// The key of a URL of it.
    connection_key key(const std::string& url) const {
        connection_key one = connection_key::from_url(url);
        if (one.scheme == "https") one.certificate_authorities = directory() + "/ca.pem";
        return one;
    }
    connection_key plain() const { return key(url()); }       ///< without TLS
    connection_key secret() const { return key(tls_url()); }  ///< with TLS
};

inline request get(std::string_view path, const std::string& nonce, http::verb method = http::verb::get) {
    return {method, std::string{path} + "?nonce=" + nonce, 11};
}

/// How many connections a server has, by one that is not of the pool, and not counted.
class counter {
public:
    /// Waits until nginx counts no other one: that of the script which asked whether it listens is counted for a while.
    explicit counter(const server& of) : key_{of.plain()} { wait_for_none(); }

    std::size_t count() {
        if (connection_.closed()) connection_ = pool::beast::ssl_dial{}(key_);
        const std::string said = connection_.exchange(request{http::verb::get, "/status", 11}).body();
        constexpr std::string_view before = "Active connections: ";
        REQUIRE(said.starts_with(before));
        return std::stoul(said.substr(before.size())) - 1;
    }

    /// Returns when all have ended.
    void wait_for_none() {
        while (count() != 0) std::this_thread::yield();
    }

private:
    connection_key key_;
    connection connection_;
};

/// The answer to somebody else, or a part of one.
struct wrong_answer : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Each part of a response must have the number.
inline void check_answer(
    std::string_view path, const std::string& nonce, std::string_view said, std::string_view body, bool is_head) {
    std::string wanted = is_head ? "" : nonce;
    if (!is_head && (path == "/large" || path == "/chunked")) {
        const std::string line =
            nonce + (path == "/large" ? " of a body that has a length\n" : " of a body that has no length\n");
        wanted.clear();
        for (int i = 0; i != 1000; ++i) wanted += line;
    }
    if (said == nonce && body == wanted) return;
    throw wrong_answer{"asked " + std::string{path} + " with " + nonce + ", got " + std::string{said} + " and " +
                       std::to_string(body.size()) + " bytes: " + std::string{body.substr(0, 80)}};
}

/// What a response says of its request.
inline std::string nonce_of(const http::fields& header) {
    const auto said = header["Nonce"];
    return {said.data(), said.size()};
}

/// Asks for that path, in one of several ways.
inline void ask_for(connection& c, std::string_view path, const std::string& nonce, std::size_t how) {
    if (how % 10 == 0) {
        const auto got = c.exchange(get(path, nonce, http::verb::head));
        return check_answer(path, nonce, nonce_of(got), got.body(), true);
    }
    if (how % 10 > 2) {
        const auto got = c.exchange(get(path, nonce));
        return check_answer(path, nonce, nonce_of(got), got.body(), false);
    }
    const auto header = c.begin(get(path, nonce));
    std::string body;
    char part[4096];
    while (const auto size = c.read_some(boost::asio::buffer(part))) body.append(part, size);
    check_answer(path, nonce, nonce_of(header), body, false);
}

/// A user who does nothing wrong. Half of them ask for little.
inline void behave(connection& c, const std::string& nonce, std::size_t kind) {
    constexpr std::string_view paths[] = {"/large", "/chunked", "/close", "/close", "/few", "/few", "/few", "/brief",
        "/brief", "/brief", "/missing", "/missing"};
    if (kind % 2 == 0) return ask_for(c, "/echo", nonce, kind / 2);
    ask_for(c, paths[kind / 2 % std::size(paths)], nonce, kind / 2 / std::size(paths));
}

/// What users do to a connection.
struct misdeed {
    const char* name;
    bool is_kept;
    void (*commit)(connection&);
};

inline void say(connection& c, std::string_view text) { boost::asio::write(c.stream(), boost::asio::buffer(text)); }

inline const misdeed misdeeds[] = {
    {"a body is not read", false, [](connection& c) { c.begin(get("/large", "of-another")); }},
    {"a body without length is not read", false, [](connection& c) { c.begin(get("/chunked", "of-another")); }},
    {"a body is read in part", false,
        [](connection& c) {
            c.begin(get("/chunked", "of-another"));
            char part[1000];
            c.read_some(boost::asio::buffer(part));
        }},
    {"a small body is not read, and has arrived", false, [](connection& c) { c.begin(get("/echo", "of-another")); }},
    {"the connection is closed half-way", false,
        [](connection& c) {
            c.begin(get("/large", "of-another"));
            c.close();
        }},
    {"a second request is written, and nothing of its response read", false,
        [](connection& c) {
            c.exchange(get("/echo", "of-another"));
            say(c, "GET /echo?nonce=of-another HTTP/1.1\r\nHost: it\r\n\r\n");
        }},
    {"two requests are written, and one response read", false,
        [](connection& c) {
            say(c, "GET /echo?nonce=of-another HTTP/1.1\r\nHost: it\r\n\r\n"
                   "GET /echo?nonce=of-one-more HTTP/1.1\r\nHost: it\r\n\r\n");
            http::response<http::string_body> got;
            http::read(c.stream(), c.buffer(), got);
        }},
    {"a part of a request is written", false, [](connection& c) { say(c, "GET /echo?nonce=of-ano"); }},
    {"what is written is no HTTP", false, [](connection& c) { say(c, "\x16\x03\x01 of another\r\n\r\n"); }},
    {"the request closes", false,
        [](connection& c) {
            request closing = get("/echo", "of-another");
            closing.keep_alive(false);
            c.exchange(closing);
        }},
    {"the request is too late", true,
        [](connection& c) {
            CHECK_THROWS_AS(c.exchange(get("/echo", "of-another"), {.deadline = std::chrono::steady_clock::now() - 1s}),
                pool::beast::error);
        }},
    {"nothing, after a whole exchange", true, [](connection& c) { c.exchange(get("/large", "of-another")); }},
    // Under load, nginx goes on counting those for its lingering_timeout, although the system has closed them.
    {"a part of a body is written", false,
        [](connection& c) {
            say(c, "POST /echo?nonce=of-another HTTP/1.1\r\nHost: it\r\nContent-Length: 1000\r\n\r\nhalf");
        }},
};
inline constexpr std::size_t misdeeds_under_load = std::size(misdeeds) - 1;

/// The port of a connection of its own. No member of a connection says it.
struct port_of : connection {
    static int own(connection& c) {
        const auto& of = c.*(&port_of::of_);
        return of == nullptr ? 0 : support::local_port(of->transport.socket().native_handle());
    }
};

/// What has happened.
struct outcome {
    std::atomic<std::size_t> served{0}, misbehaved{0}, wrong{0}, failed{0}, excused{0}, in_outages{0}, most_open{0};
    std::atomic<int> outages{0};  ///< odd during one

    std::size_t done() const { return served + misbehaved + wrong + failed + excused; }

    /// Prints the first ones.
    void note(std::atomic<std::size_t>& which, const std::exception& e) {
        if (++which < 10) std::printf("%s\n", e.what());
    }
};

/// One thread of users.
struct users {
    connections& conns;
    const std::vector<connection_key>& keys;
    outcome& seen;
    const std::function<bool(int)>& is_excused;
    unsigned thread;

    void serve(std::size_t requests) {
        std::minstd_rand random{thread + 1};
        for (std::size_t i = 0; i != requests; ++i) {
            const connection_key& key = keys[random() % keys.size()];
            const unsigned kind = static_cast<unsigned>(random() >> 4);
            if (random() % 10 == 0) misbehave(key, kind);
            else ask(key, std::to_string(thread) + '-' + std::to_string(i), kind);
        }
    }

    /// Again and again in an outage; otherwise an error is one that the pool has let through.
    void ask(const connection_key& key, const std::string& nonce, unsigned kind) {
        const pool::retry_stale retry{pool::beast::not_executed};
        for (;;) {
            const int before = seen.outages;
            int port = 0;
            try {
                conns.get(key).invoke(retry, [&](connection& c) {
                    port = port_of::own(c);
                    behave(c, nonce, kind);
                });
                ++seen.served;
                return;
            } catch (const wrong_answer& e) {
                return seen.note(seen.wrong, e);
            } catch (const std::exception& e) {
                if (before % 2 != 0 || seen.outages != before) {
                    ++seen.in_outages;
                    continue;
                }
                // After a repetition, the error may be that of a dial.
                const auto* const known = dynamic_cast<const pool::beast::error*>(&e);
                if (known != nullptr && known->during() < pool::beast::step::write) port = 0;
                if (is_excused(port)) return void(++seen.excused);
                return seen.note(seen.failed, e);
            }
        }
    }

    void misbehave(const connection_key& key, unsigned kind) {
        try {
            conns.invoke(key, [&](connection& c) {
                misdeeds[kind % misdeeds_under_load].commit(c);
                if (kind / misdeeds_under_load % 4 == 0) throw std::runtime_error{"and the user fails"};
            });
        } catch (const std::exception&) {  // it is its own
        }
        ++seen.misbehaved;
    }
};

inline constexpr std::size_t bound = 6;

/// Calls from several threads. `look` is called by this one, until they are done.
template <class Look>
void call_from_threads(connections& conns, const std::vector<connection_key>& keys, std::size_t requests, outcome& seen,
    const std::function<bool(int)>& is_excused, const Look& look) {
    constexpr unsigned threads = 8;
    std::vector<std::jthread> all;
    for (unsigned thread = 0; thread != threads; ++thread)
        all.emplace_back([&, thread] { users{conns, keys, seen, is_excused, thread}.serve(requests / threads); });
    while (seen.done() < requests / threads * threads) look();
}

/// Whose errors are excused, if no error is.
inline bool nobody(int) { return false; }

/// Nothing of what a user leaves behind reaches the next one.
inline void check_misdeeds(const std::vector<connection_key>& keys) {
    for (const connection_key& key : keys) {
        for (const misdeed& each : misdeeds) {
            CAPTURE(key);
            CAPTURE(each.name);
            connections conns{{.max_open = 1, .acquire_timeout = 10s}, pool::beast::ssl_dial{}};
            conns.invoke(key, each.commit);
            CHECK(conns.stats().idle == each.is_kept);
            for (std::size_t kind = 1; kind != 25; kind += 2)
                conns.invoke(key, [&](connection& c) { behave(c, "mine", kind); });
        }
    }
}

/// Each response is that of its own request, nobody fails, nothing leaks, and nginx counts no more connections than the bound.
inline void check_load(
    const char* name, const server& web, const std::vector<connection_key>& keys, std::size_t requests) {
    counter admin{web};
    outcome seen;
    {
        connections conns{{.max_open = bound, .acquire_timeout = 60s}, pool::beast::ssl_dial{}};
        call_from_threads(conns, keys, requests, seen, nobody, [&] {
            const std::size_t now = admin.count();
            if (now > seen.most_open) seen.most_open = now;
        });
        const auto s = conns.stats();
        CHECK(s.lent == 0);
        std::printf("%s: %zu served, %zu misbehaved, %zu wrong, %zu failed, nginx counted %zu at most; "
                    "%zu dials, %zu hits, %zu unhealthy, %zu closed\n",
            name, seen.served.load(), seen.misbehaved.load(), seen.wrong.load(), seen.failed.load(),
            seen.most_open.load(), std::size_t{s.dials}, std::size_t{s.hits}, std::size_t{s.found_unhealthy},
            std::size_t{s.found_closed});
    }
    CHECK(seen.wrong == 0);
    CHECK(seen.failed == 0);
    CHECK(seen.misbehaved.load() > requests / 20);
    CHECK(seen.most_open.load() <= bound);
    admin.wait_for_none();
}

}  // namespace nginx
