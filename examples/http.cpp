// SPDX-License-Identifier: BSL-1.0
// [http]
#include <chrono>
#include <iostream>

#include <pool/adapters/beast.hpp>
#include <pool/pool.hpp>

using namespace std::chrono_literals;
namespace http = boost::beast::http;
using connections = pool::bounded_pool<pool::beast::connection_key, pool::beast::connection>;

int main(int argc, char** argv) {
    connections conns{{.max_open_per_key = 8, .acquire_timeout = 5s, .expiration = 1min, .name = "http"},
        pool::beast::dial{{.exchange_timeout = 10s}}};
    const auto server = pool::beast::connection_key::from_url(argc > 1 ? argv[1] : "http://localhost:8080");
    const pool::retry_stale retry{pool::beast::not_executed};  // if an idle connection turns out to be dead

    for (const char* target : {"/1", "/2", "/3"}) {
        const auto response = conns.get(server).invoke(retry, [&](pool::beast::connection& c) {
            return c.exchange(http::request<http::empty_body>{http::verb::get, target, 11});
        });
        std::cout << response.result_int() << ", " << response.body().size() << " bytes\n";
    }
    std::cout << conns.stats() << '\n';
}
// [/http]
