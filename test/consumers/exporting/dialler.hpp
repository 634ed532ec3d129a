// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <string>

#include <pool/pool.hpp>

namespace dialler {

struct connection {
    void close() { closed_ = true; }
    bool closed() const noexcept { return closed_; }
    bool unblocked() const noexcept { return true; }

    bool closed_ = false;
};

using connections = pool::connection_pool<std::string, connection>;

connection dial(const std::string& peer);

}  // namespace dialler
