// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <string>
#include <utility>

#include <pool/pool.hpp>

// Calls each operation of one pool once.

struct connection {
    explicit connection(int chosen) noexcept : fd{chosen} {}
    void close();
    bool closed() const noexcept { return fd < 0; }
    static bool unblocked() noexcept { return true; }
    int call();

    int fd;
};

connection dial(const std::string& key);
using pool_type = pool::basic_pool<std::string, connection, pool::bounded, pool::after_idle>;

int use(const std::string& key) {
    pool_type conns{{.max_idle = 2}, std::chrono::minutes{1}};
    conns.acquire(key, dial)->call();
    conns.try_acquire(key).discard();
    auto kept = conns.acquire(key, dial).detach();
    conns.put(key, std::move(kept));
    if (auto taken = conns.take(key)) conns.put(key, *std::move(taken));
    conns.get(key, dial).invoke([](connection& conn) { return conn.call(); });
    conns.reconfigure({.max_idle = 1});
    const auto seen = conns.stats().idle + conns.stats(key).idle + conns.expire() + conns.clear(key) + conns.clear();
    const bool is_due = conns.next_expiry() <= conns.clock().now();
    return static_cast<int>(seen) + is_due + conns.close().empty();
}
