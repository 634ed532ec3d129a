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
void wait_in_the_queue(sessions& conns, std::stop_token stop) {
    const auto deadline = std::chrono::steady_clock::now() + 200ms;

    auto first = conns.acquire("db", dial);                   // waits without a deadline
    auto second = conns.acquire("db", dial, deadline);        // or throws pool::acquire_timeout
    auto third = conns.acquire("db", dial, stop);             // or throws pool::acquire_cancelled
    auto fourth = conns.acquire("db", dial, deadline, stop);  // or either of them
}
// [/waiting]

// [end]
std::size_t end(sessions& conns) {
    conns.close();                                              // ends all waiting
    return conns.drain(1s);  // waits for what is lent; returns how many are left
}
// [/end]

// [nested]
void nested(sessions& conns, std::chrono::steady_clock::time_point deadline) {
    auto outer = conns.acquire("db", dial, deadline);
    auto inner = conns.acquire("db", dial, deadline);  // while `outer` is held
}
// [/nested]

}  // namespace

int main() {
    sessions conns{limits};
    wait_in_the_queue(conns, {});
    nested(conns, std::chrono::steady_clock::now() + 1s);
    return end(conns) == 0 ? 0 : 1;
}
