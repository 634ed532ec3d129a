// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <stop_token>
#include <string>

#include <pool/pool.hpp>

/// @file
/// The code of docs/bounded.md. Each region is quoted there.

namespace {

using namespace std::chrono_literals;

struct session {
    bool open = true;

    void query() {}

    void close() { open = false; }
    bool closed() const noexcept { return !open; }
    bool unblocked() const noexcept { return true; }
};

session dial(const std::string&) { return {}; }

// [pool]
using sessions = pool::basic_pool<std::string, session, pool::bounded_open>;

constexpr pool::bounded_open limits{
    .max_open = 16, .max_open_per_key = 4, .max_waiting = 1'000, .max_dials_per_key = 2};
// [/pool]

// [waiting]
void wait_in_the_queue(sessions& pool, std::stop_token stop) {
    const auto deadline = std::chrono::steady_clock::now() + 200ms;

    auto first = pool.acquire("db", dial);                   // waits without a deadline
    auto second = pool.acquire("db", dial, deadline);        // or throws pool::acquire_timeout
    auto third = pool.acquire("db", dial, stop);             // or throws pool::acquire_cancelled
    auto fourth = pool.acquire("db", dial, deadline, stop);  // or either of them
}
// [/waiting]

// [end]
std::size_t end(sessions& pool) {
    pool.close();                                              // ends all waiting
    return pool.drain(std::chrono::steady_clock::now() + 1s);  // waits for what is lent; returns how many are left
}
// [/end]

// [nested]
void nested(sessions& pool, std::chrono::steady_clock::time_point deadline) {
    auto outer = pool.acquire("db", dial, deadline);
    auto inner = pool.acquire("db", dial, deadline);  // while `outer` is held
}
// [/nested]

}  // namespace

int main() {
    sessions pool{limits};
    wait_in_the_queue(pool, {});
    nested(pool, std::chrono::steady_clock::now() + 1s);
    return end(pool) == 0 ? 0 : 1;
}
