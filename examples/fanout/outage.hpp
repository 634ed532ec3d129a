// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "connection.hpp"
#include "options.hpp"
#include "servers.hpp"
#include "timeline.hpp"

/// @file
/// The load whose pool --plot shows over time. Callers share a `bounded_pool`, because only in such a pool do callers wait.
/// The server with the most requests goes away and comes back. Then the pool is invalidated.

namespace fanout {

struct outage_result {
    timeline history;
    pool::stats stats;  ///< at the end
    std::size_t callers = 0, servers = 0;
    std::size_t most_open = 0;  ///< connections to each server
    std::uint64_t answered = 0, wrong = 0, retried = 0;
    std::uint64_t failed_while_away = 0;  ///< to the server that was away, which is expected
    std::uint64_t failed = 0;             ///< all others
    std::string first_error;              ///< of these

    bool succeeded() const { return wrong + failed == 0; }
};

/// Without embedded servers no server goes away.
outage_result run_outage(const options& chosen, const std::vector<server>& servers, embedded_servers* embedded);

}  // namespace fanout
