// SPDX-License-Identifier: BSL-1.0

// Uses both libraries, the way Boost's headers are meant to be included.
#include <string>

#include <boost/pool/pool.hpp>

#include <pool/core/include_path.hpp>
#include <pool/pool.hpp>

struct connection {
    void close() {}
    bool closed() const noexcept { return false; }
    bool unblocked() const noexcept { return true; }
};

int main() {
    pool::connection_pool<std::string, connection> connections{{.capacity = 4}};
    connections.put("peer", connection{});
    boost::pool<> memory{sizeof(int)};
    return memory.is_from(memory.malloc()) ? 0 : 1;
}
