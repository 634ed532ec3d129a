// SPDX-License-Identifier: BSL-1.0
#include <string>

#include "connection.hpp"

bool reuses_with_asio();
bool explores();
bool is_inspected();

int main() {
    const auto dial = [](const std::string&) { return connection{}; };

    pool::connection_pool<std::string, connection> connections{{.capacity = 4}};
    { const auto first = connections.acquire("peer", dial); }
    const auto second = connections.acquire("peer", dial);

    pool::sharded_pool<4, std::string, connection> sharded;
    { const auto first = sharded.acquire("peer", dial); }
    const auto third = sharded.acquire("peer", dial);

    return second.reused() && third.reused() && reuses_with_asio() && explores() && is_inspected() ? 0 : 1;
}
