// SPDX-License-Identifier: BSL-1.0
#include <cstddef>
#include <iostream>
#include <string>
#include <vector>

#include <pool/pool.hpp>

// [key]
struct service {
    std::string name;
    bool remote = false;  // in another data centre

    friend bool operator==(const service&, const service&) = default;
};
// [/key]

// [policy]
// A dial to another data centre takes a hundred times as long as one within ours. So more of those connections are kept.
struct by_distance {
    std::size_t near = 1;
    std::size_t far = 4;

    std::size_t max_idle() const noexcept { return 64; }
    std::size_t max_idle_for(const service& to) const noexcept { return to.remote ? far : near; }
};
static_assert(pool::capacity_policy<by_distance, service>);
// [/policy]

struct connection {
    bool open = true;

    void close() { open = false; }
    bool closed() const noexcept { return !open; }
    bool unblocked() const noexcept { return true; }
};

int main() {
    // [use]
    pool::basic_pool<service, connection, by_distance> connections{by_distance{.near = 1, .far = 4}};

    const service users{.name = "users"};
    const service backup{.name = "backup", .remote = true};
    const auto dial = [](const service&) { return connection{}; };
    {
        std::vector<decltype(connections)::lease_type> busy;
        for (int i = 0; i < 3; ++i) {
            busy.push_back(connections.acquire(users, dial));
            busy.push_back(connections.acquire(backup, dial));
        }
    }  // all six are given back here
    std::cout << "users keeps " << connections.stats(users).idle << ", backup keeps " << connections.stats(backup).idle
              << '\n';
    // [/use]

    // [reconfigure]
    const std::size_t closed = connections.reconfigure(by_distance{.near = 1, .far = 2});
    std::cout << "closed at once: " << closed << ", backup keeps " << connections.stats(backup).idle << '\n';
    // [/reconfigure]
}
