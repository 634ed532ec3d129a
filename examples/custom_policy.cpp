// SPDX-License-Identifier: BSL-1.0
#include <cstddef>
#include <iostream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <pool/pool.hpp>

/// @file
/// A capacity policy of your own: each tenant keeps as many idle connections as it pays for.

namespace {

/// A policy only says how many. The pool counts the connections and evicts them. It calls the policy under its lock.
struct per_tenant {
    std::size_t total = pool::no_limit;
    std::size_t others = 1;  ///< for tenants that are not listed
    std::map<std::string, std::size_t> tenants = {};

    std::size_t max_idle() const noexcept { return total; }
    std::size_t max_idle_for(const std::string& tenant) const noexcept {
        const auto found = tenants.find(tenant);
        return found == tenants.end() ? others : found->second;
    }
};

struct session {
    bool open = true;

    void close() { open = false; }
    bool closed() const noexcept { return !open; }
    bool unblocked() const noexcept { return true; }
};

}  // namespace

int main() {
    pool::basic_pool<std::string, session, per_tenant> sessions{per_tenant{.total = 8, .tenants = {{"acme", 3}}}};
    const auto use_at_once = [&](const std::string& tenant, int count) {
        std::vector<decltype(sessions)::lease_type> leases;
        for (int i = 0; i < count; ++i)
            leases.push_back(sessions.acquire(tenant, [](const std::string&) { return session{}; }));
    };

    use_at_once("acme", 5);
    use_at_once("example", 5);
    std::cout << "acme keeps " << sessions.stats("acme").idle << ", example keeps " << sessions.stats("example").idle;

    // New bounds apply to the idle connections at once.
    const std::size_t evicted = sessions.reconfigure(per_tenant{.total = 8, .tenants = {{"acme", 2}, {"example", 4}}});
    std::cout << "; then acme keeps " << sessions.stats("acme").idle << ", " << evicted << " evicted\n";
}
