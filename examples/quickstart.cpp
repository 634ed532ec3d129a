// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <iostream>
#include <string>

#include <pool/pool.hpp>

using namespace std::chrono_literals;

struct connection {  // yours: a socket, a session, a client
    std::string peer;
    bool open = true;

    std::string call(const std::string& request) { return request + " to " + peer; }

    void close() { open = false; }
    bool closed() const noexcept { return !open; }
    bool unblocked() const noexcept { return true; }
};

int main() {
    pool::connection_pool<std::string, connection> connections{{.capacity = 64, .key_capacity = 5, .expiration = 30s}};
    const auto dial = [](const std::string& peer) { return connection{peer}; };

    auto peer = connections.get("10.0.0.7:7777", dial);  // lazy: no connection yet
    for (int i = 0; i < 3; ++i)                          // the first call dials, the others reuse
        std::cout << peer.invoke([](connection& c) { return c.call("ping"); }) << '\n';

    auto conn = connections.acquire("10.0.0.7:7777", dial);  // a lease: given back at the end of its scope
    std::cout << conn->call("ping") << ", dialled " << connections.stats().dials << " in all\n";
}
