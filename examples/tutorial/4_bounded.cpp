// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <iostream>
#include <stop_token>
#include <string>
#include <thread>

#include <pool/pool.hpp>

#include "client.hpp"
#include "echo_server.hpp"

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

int main() {
    tutorial::echo_server server;

    // [pool]
    pool::basic_pool<std::string, tutorial::connection, pool::bounded_open> connections{
        pool::bounded_open{.max_open = 2, .max_waiting = 1}, {}, {.name = "echo"}};
    const auto dial = [&server](const std::string&, const pool::dial_context& limits) {
        return tutorial::dial({"127.0.0.1", server.port()}, limits);
    };
    // [/pool]

    // [deadline]
    auto first = connections.acquire("echo", dial, clock_type::now() + 10s);
    auto second = connections.acquire("echo", dial, clock_type::now() + 10s);
    try {
        auto third = connections.acquire("echo", dial, clock_type::now() + 20ms);
    } catch (const pool::acquire_timeout& error) {
        std::cout << error.what() << '\n';
    }
    // [/deadline]

    // [handover]
    std::string answer;
    std::jthread waiting{[&] {
        auto third = connections.acquire("echo", dial, clock_type::now() + 10s);
        answer = third->ask("handed over");
    }};
    while (connections.stats().waiting == 0) std::this_thread::yield();
    // [/handover]

    // [queue]
    try {
        auto fourth = connections.acquire("echo", dial, clock_type::now() + 10s);
    } catch (const pool::queue_full& error) {
        std::cout << error.what() << '\n';
    }
    // [/queue]

    // [give_back]
    first.give_back();  // the thread that waits gets this connection
    waiting.join();
    std::cout << answer << ", connections opened: " << server.accepted() << '\n';
    // [/give_back]

    // [stop]
    first = connections.acquire("echo", dial);
    std::jthread stoppable{[&](const std::stop_token& stop) {
        try {
            auto third = connections.acquire("echo", dial, stop);
        } catch (const pool::acquire_cancelled& error) {
            std::cout << error.what() << '\n';
        }
    }};
    while (connections.stats().waiting == 0) std::this_thread::yield();
    stoppable.request_stop();
    stoppable.join();
    // [/stop]

    // [close]
    connections.close().rethrow();
    std::cout << "still lent: " << connections.drain(20ms) << '\n';
    first.give_back();
    second.give_back();
    std::cout << "still lent: " << connections.drain(10s) << '\n';
    try {
        auto late = connections.acquire("echo", dial);
    } catch (const pool::pool_closed& error) {
        std::cout << error.what() << '\n';
    }
    // [/close]
}
