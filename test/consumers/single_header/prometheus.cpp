// SPDX-License-Identifier: BSL-1.0
#include <cstdlib>
#include <string>

#include "connection.hpp"
#include "pool_prometheus.hpp"

#include "pool_inspect.hpp"  // they have headers in common

namespace {

bool is_exported() {
    pool::connection_pool<std::string, connection> connections{{.name = "peers"}};
    pool::metrics::prometheus_pools all;
    all.add(connections, {}, [](const std::string& key) { return key; });
    return !all.Collect().empty();
}

// It has no place in main.cpp, which is compiled where there is no prometheus-cpp, too.
[[maybe_unused]] const bool exported = is_exported() || (std::abort(), false);

}  // namespace
