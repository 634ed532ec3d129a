// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <random>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/policies/expiry.hpp>
#include <pool/reaper.hpp>
#include <pool/stats.hpp>

#include <support/bounded_pool.hpp>
#include <support/fake.hpp>
#include <support/figures.hpp>
#include <support/latch.hpp>
#include <support/requests.hpp>

// Many threads at once.

using namespace std::chrono_literals;
using namespace bounded_pools;

TEST_CASE("bounded: among threads, no caller is served before an older one that could have used the connection") {
    constexpr int threads = 16;
    constexpr int rounds = 200;
    const std::array<std::string, 4> keys{"a", "b", "c", "d"};
    using pool_type = pool::basic_pool<std::string, fake::connection, bounds>;
    using pool::core::request_state;

    /// A notification. The number of a caller is its place in the queue.
    struct event {
        int caller;
        request_state what;
    };
    /// Logs its notifications, under the lock of the pool.
    struct asker final : requests::request<pool_type> {
        asker(int order, std::vector<event>& all) : request{true}, number{order}, log{all} {}
        void notified() noexcept override {
            log.push_back({number, state()});
            is_notified = true;
        }
        int number;
        std::vector<event>& log;
        std::atomic<bool> is_notified{false};
    };

    fake::network net;
    pool_type conns{bounds{.max_open = 3, .max_open_per_key = 2}};
    std::mutex order;  // makes the numbers follow the order of the queue
    std::vector<std::string> wanted;
    std::vector<event> log;
    log.reserve(threads * rounds * 2);
    {
        std::vector<std::jthread> all;
        for (int number = 0; number < threads; ++number) {
            all.emplace_back([&, number] {
                std::minstd_rand random{static_cast<unsigned>(number + 1)};
                for (int i = 0; i < rounds; ++i) {
                    const std::string key = keys[random() % 4];
                    std::optional<asker> asking;
                    {
                        const std::scoped_lock guard{order};
                        asking.emplace(static_cast<int>(wanted.size()), log);
                        wanted.push_back(key);
                        requests::submit(conns, *asking, key);
                    }
                    const bool gives_up = random() % 8 == 0;
                    while (!asking->is_notified && !gives_up) std::this_thread::yield();
                    (void)conns.stats();  // the thread that has notified it has left the lock
                    if (!asking->is_notified) requests::cancel(conns, *asking);
                    if (asking->state() == request_state::dialing && random() % 8 == 0) {
                        requests::dial_failed(conns, *asking);
                    } else if (asking->state() == request_state::dialing) {
                        requests::dial_succeeded(conns, *asking, net.dialer());
                    }
                    if (asking->state() != request_state::lent) continue;
                    auto lent = requests::lease_of(conns, *asking);
                    if (random() % 8 == 0) lent->far().dead = true;
                }
            });
        }
    }

    std::vector<bool> waits(wanted.size(), true);  // not notified yet
    int overtaken = 0;
    for (const auto& [caller, what] : log) {
        const auto place = static_cast<std::size_t>(caller);
        for (std::size_t older = 0; older < place; ++older) {
            const bool could = waits[older] && wanted[older] == wanted[place];
            overtaken += could && (what == request_state::lent || what == request_state::dialing);
        }
        waits[place] = false;
    }
    CHECK(overtaken == 0);
    CHECK(std::find(waits.begin(), waits.end(), true) == waits.end());
    const pool::stats s = conns.stats();
    CHECK(s.lent + s.dialing + s.waiting + s.closing == 0);
    CHECK(s.hits + s.misses == wanted.size());
    conns.close();
    CHECK(net.open() == 0);
}

TEST_CASE("bounded: threads, cancels, timeouts, failures and changing bounds lose nothing and leave nobody waiting") {
    constexpr int threads = 16;
    constexpr int rounds = 300;
    const std::array<std::string, 4> keys{"a", "b", "c", "d"};
    const bounds capacity{
        .max_open = 5, .max_open_per_key = 3, .max_idle = 4, .max_waiting = 12, .max_dials_per_key = 2};
    fixture<pool::after_idle> f{capacity, pool::after_idle{20ms}};
    std::atomic<std::uint64_t> asked{0};
    std::atomic<bool> over{false};
    {
        const pool::reaper<pool_of<pool::after_idle>> reaper{f.conns};
        latch start{threads};
        std::vector<std::jthread> all;
        for (int number = 0; number < threads; ++number) {
            all.emplace_back([&, number] {
                std::minstd_rand random{static_cast<unsigned>(number + 1)};
                const auto one_in = [&](unsigned n) { return random() % n == 0; };
                start.arrive_and_wait();
                for (int i = 0; i < rounds; ++i) {
                    std::stop_source stop;
                    const bool fails = one_in(10);
                    const auto dial = [&](const std::string&) {
                        if (fails) throw std::runtime_error{"no answer"};
                        auto fresh = f.net.dial();
                        if (f.net.open() > 5) over = true;
                        return fresh;
                    };
                    try {
                        std::jthread canceller;
                        if (one_in(20)) canceller = std::jthread{[&] { stop.request_stop(); }};
                        ++asked;
                        auto lent = f.conns.acquire(
                            keys[random() % 4], dial, f.clock.now() + (one_in(4) ? 1ms : 1h), stop.get_token());
                        if (one_in(3)) f.clock.advance(1ms);
                        if (one_in(10)) lent->far().dead = true;
                        if (one_in(10)) lent.discard();
                    } catch (const std::exception&) {
                    }
                    if (one_in(50)) f.conns.clear();
                    if (one_in(50)) {
                        bounds other = capacity;
                        other.max_open = 2 + random() % 4;  // 5 at most
                        other.max_open_per_key = 1 + random() % 3;
                        f.conns.reconfigure(other);
                    }
                }
            });
        }
    }
    const pool::stats s = f.conns.stats();
    CHECK_FALSE(over);
    CHECK(s.lent == 0);
    CHECK(s.waiting == 0);
    CHECK(s.dialing == 0);
    CHECK(s.closing == 0);
    CHECK(s.hits + s.misses <= asked);  // a caller that is late before it begins does not look
    CHECK(s.puts == figures::accounted_puts(s));
    f.conns.close();
    CHECK(f.net.open() == 0);
    CHECK(f.conns.stats().keys == 0);
}
