// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <exception>
#include <iostream>
#include <string>

#include <boost/beast/http.hpp>
#include <pool/adapters/beast.hpp>
#include <pool/pool.hpp>

using namespace std::chrono_literals;
namespace http = boost::beast::http;

// [pool]
using upstream = pool::bounded_pool<pool::no_key, pool::beast::connection>;

upstream make_upstream(const std::string& url) {
    return upstream{{.max_open = 32,
                        .acquire_timeout = 1s,
                        .expiration = 50s,  // nginx closes what has been idle for 75 s
                        .lifetime = 10min,  // the name may have got another address
                        .name = "upstream"},
        pool::timed(1s, pool::beast::dial_to{pool::beast::connection_key::from_url(url), {.exchange_timeout = 2s}})};
}
// [/pool]

// [call]
std::string fetch(upstream& conns, const std::string& path) {
    const pool::retry_stale retry{pool::beast::not_executed};  // a POST that may have arrived would not be repeated
    return conns.get().invoke(retry, [&](pool::beast::connection& c) {
        const auto reply = c.exchange(http::request<http::string_body>{http::verb::get, path, 11});
        return std::to_string(reply.result_int()) + ", " + std::to_string(reply.body().size()) + " bytes";
    });
}
// [/call]

int main(int argc, char** argv) {
    upstream conns = make_upstream(argc > 1 ? argv[1] : "http://127.0.0.1");
    for (std::string path; std::getline(std::cin, path);) {
        try {
            std::cout << fetch(conns, path) << std::endl;
        } catch (const std::exception& e) {
            std::cout << "failed: " << e.what() << std::endl;
        }
    }
    const pool::stats seen = conns.stats();
    std::cout << seen.hits + seen.misses << " calls, " << seen.dials << " dials" << std::endl;
}
