// SPDX-License-Identifier: BSL-1.0
#include <string>

#include <pool/pool.hpp>

namespace {

struct connection {
    void close() { closed_ = true; }
    bool closed() const noexcept { return closed_; }
    bool unblocked() const noexcept { return true; }

    bool closed_ = false;
};

}  // namespace

int main() {
    pool::connection_pool<std::string, connection> connections{{.capacity = 4}};
    const auto dial = [](const std::string&) { return connection{}; };
    { const auto first = connections.acquire("peer", dial); }
    const auto second = connections.acquire("peer", dial);
    return second.reused() ? 0 : 1;
}
