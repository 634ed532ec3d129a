// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <iostream>
#include <string>
#include <system_error>

#include <pool/pool.hpp>

#include "client.hpp"
#include "echo_server.hpp"

using namespace std::chrono_literals;

int main() {
    tutorial::echo_server server;

    // [pool]
    const tutorial::endpoint echo{"127.0.0.1", server.port()};
    pool::connection_pool<tutorial::endpoint, tutorial::connection> connections{
        {.capacity = 64, .key_capacity = 8, .expiration = 30s}};

    for (const char* line : {"one", "two", "three"})
        std::cout << tutorial::ask(connections, echo, tutorial::dial, line) << '\n';
    std::cout << "connections dialled: " << connections.stats().dials << '\n';
    // [/pool]

    // [two]
    {
        auto first = connections.acquire(echo, tutorial::dial);
        auto second = connections.acquire(echo, tutorial::dial);
        std::cout << first->ask("four") << ", " << second->ask("five") << '\n';
    }  // both are given back here
    std::cout << "connections dialled: " << connections.stats().dials << ", idle: " << connections.stats().idle << '\n';
    // [/two]

    // [large]
    const std::string large(16'000'000, '#');
    std::cout << "the large line comes back "
              << (tutorial::ask(connections, echo, tutorial::dial, large) == large ? "whole" : "changed") << '\n';
    // [/large]

    // [dead]
    server.drop_connections();
    std::cout << tutorial::ask(connections, echo, tutorial::dial, "six") << '\n';
    std::cout << "connections dialled: " << connections.stats().dials << ", idle: " << connections.stats().idle << '\n';

    server.stop();
    try {
        tutorial::ask(connections, echo, tutorial::dial, "seven");
    } catch (const std::system_error& error) {
        std::cout << error.what() << '\n';
    }
    // [/dead]

    // [close]
    connections.close().rethrow();
    // [/close]
}
