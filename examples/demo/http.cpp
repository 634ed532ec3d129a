// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/verb.hpp>

#include <pool/adapters/beast.hpp>
#include <pool/pool.hpp>

#include "compare.hpp"

/// @file
/// An HTTP server with a pool and without one. `scripts/demo.sh http` runs it.

namespace {

using namespace std::chrono_literals;
namespace http = boost::beast::http;

/// A request, and how its reply is checked.
struct question {
    std::string path;
    bool has_number =
        false;  ///< whether the path goes on with the number of the request, which is then the body of the reply

    bool operator()(pool::beast::connection& c, std::uint64_t number) const {
        const std::string text = has_number ? std::to_string(number) : std::string{};
        const auto reply = c.exchange(http::request<http::string_body>{http::verb::get, path + text, 11});
        if (has_number) return reply.result() == http::status::ok && reply.body() == text;
        return http::to_status_class(reply.result()) == http::status_class::successful;
    }
};

demo::subject make(const demo::options& chosen) {
    const std::size_t host = chosen.url.find("://");
    const std::size_t slash = host == chosen.url.npos ? chosen.url.npos : chosen.url.find('/', host + 3);
    const auto key = pool::beast::connection_key::from_url(chosen.url.substr(0, slash));
    if (key.scheme != "http") throw std::invalid_argument{"this demo speaks http only"};
    question asked{slash == chosen.url.npos ? "/" : chosen.url.substr(slash)};
    if (chosen.is_own_server) asked = {"/echo?nonce=", true};

    using server = pool::bounded_pool<pool::no_key, pool::beast::connection>;
    auto conns = std::make_shared<server>(
        pool::bounded_pool_options{
            .max_open = chosen.connections, .acquire_timeout = 5s, .expiration = 30s, .name = "demo"},
        pool::timed(demo::dial_patience, pool::beast::dial_to{key}));
    return demo::compare("HTTP " + key.url(), "GET " + asked.path, conns, pool::beast::dial_to{key}, asked);
}

}  // namespace

int main(int argc, char** argv) { return demo::run(argc, argv, "demo_http", make); }
