// SPDX-License-Identifier: BSL-1.0
#include <string>

#include <fmt/format.h>

#include "connection.hpp"
#include "pool_fmt.hpp"
#include "pool_inspect.hpp"

bool is_inspected() {
    pool::basic_pool<std::string, connection, pool::bounded> connections;
    connections.put("peer", connection{});
    auto idle = pool::inspect(connections) | pool::views::idle;
    return fmt::format("{}", *idle.begin()) == "\"peer\": idle";
}
