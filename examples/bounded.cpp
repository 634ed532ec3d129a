// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include <pool/pool.hpp>

/// @file
/// 32 threads share the 4 connections that a server allows. A thread that finds none free waits in the pool's queue.
/// The oldest request is served next, so no thread starves, and all wait for about as long.

namespace {

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;
using microseconds = std::chrono::duration<double, std::micro>;

constexpr std::size_t threads = 32;
constexpr std::size_t calls = 8'000;

/// A session on the server. The sessions count how many are open.
class session {
public:
    explicit session(std::atomic<int>& sessions) : open_{&sessions} {
        const int now = ++*open_;
        for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {}
    }

    void query() { std::this_thread::sleep_for(100us); }  // the server's work

    void close() {
        --*open_;
        is_open_ = false;
    }
    bool closed() const noexcept { return !is_open_; }
    bool unblocked() const noexcept { return true; }

    static inline std::atomic<int> most{0};  ///< sessions that were open at the same time

private:
    std::atomic<int>* open_;
    bool is_open_ = true;
};

microseconds percentile(const std::vector<microseconds>& sorted, double share) {
    return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
}

}  // namespace

int main() {
    std::atomic<int> open{0};
    pool::basic_pool<std::string, session, pool::bounded_open> sessions{pool::bounded_open{.max_open = 4}};
    const auto dial = [&open](const std::string&) { return session{open}; };

    std::atomic<std::size_t> started{0};
    std::vector<std::vector<microseconds>> waits(threads);  // one list for each thread
    {
        std::vector<std::jthread> all;
        for (auto& mine : waits) {
            all.emplace_back([&] {
                while (started++ < calls) {
                    const auto asked = clock_type::now();
                    const auto lent = sessions.acquire("db", dial, asked + 10s);  // throws pool::acquire_timeout
                    mine.emplace_back(clock_type::now() - asked);
                    lent->query();
                }
            });
        }
    }

    std::vector<microseconds> sorted;
    for (const auto& mine : waits) sorted.insert(sorted.end(), mine.begin(), mine.end());
    std::sort(sorted.begin(), sorted.end());
    const auto by_count = [](const auto& a, const auto& b) { return a.size() < b.size(); };
    const auto [least, most] = std::minmax_element(waits.begin(), waits.end(), by_count);

    fmt::print("{} threads: {} calls, {} sessions dialled, at most {} open\n", threads, sorted.size(),
        sessions.stats().dials, session::most.load());
    fmt::print("wait: median {:.0f} us, 99 % {:.0f} us, longest {:.0f} us\n", percentile(sorted, 0.5).count(),
        percentile(sorted, 0.99).count(), sorted.back().count());
    fmt::print("calls of a thread: {} to {}\n", least->size(), most->size());

    sessions.close().rethrow();
    const std::size_t left = sessions.drain(1s);
    fmt::print("{} still lent, {} open\n", left, open.load());
}
