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

namespace bounded_threads_cases {

using namespace std::chrono_literals;
using namespace bounded_pools;

TEST_CASE("bounded: among threads, no caller is served before an older one that could have used the connection") {
    constexpr int threads = 16;
    constexpr int rounds = 200;
    const std::array<std::string, 4> keys{"a", "b", "c", "d"};
    using pool_type = pool::basic_pool<std::string, fake::connection, bounds>;
    using pool::core::request_state;

    /// What has happened to a caller. Its number is its place in the queue.
    struct event {
        enum { told, waits, served, left } what;
        int caller;
    };
    /// What happened to all callers, in that order.
    struct event_log {
        std::mutex mutex;
        std::vector<event> all;
    };
    /// Logs its notifications, under the lock of the pool.
    struct asker final : requests::request<pool_type> {
        asker(int order, event_log& all) : request{true}, number{order}, log{all} {}
        bool notified() noexcept override {
            const std::scoped_lock guard{log.mutex};
            add(state(), event::told);
            return is_told = true;
        }
        /// Its caller has looked, or gives up.
        void knows(request_state state) {
            const std::scoped_lock guard{log.mutex};
            if (!is_told || !pool::core::is_waiting(state)) add(state, event::waits);
            is_closing = false;
        }
        /// Its caller closes a connection for its permit, if there is one to close. Meanwhile others are served before
        /// it, and then it is served before others.
        void may_close() {
            const std::scoped_lock guard{log.mutex};
            log.all.push_back({event::told, number});
            is_closing = true;
        }
        void add(request_state state, decltype(event::what) waiting) {
            const bool is_served = state == request_state::lent || state == request_state::may_dial;
            const bool in_turn = is_served && !is_closing;
            log.all.push_back(
                {in_turn ? event::served : pool::core::is_waiting(state) ? waiting : event::left, number});
        }
        int number;
        event_log& log;
        std::atomic<bool> is_told{false};
        bool is_closing = false;
    };

    fake::network net;
    pool_type conns{strict({.max_open = 3, .max_open_per_key = 2})};
    std::mutex order;  // makes the numbers follow the order of the queue
    std::vector<std::string> wanted;
    event_log log;
    log.all.reserve(threads * rounds * 3);
    {
        std::vector<std::jthread> all;
        for (int number = 0; number < threads; ++number) {
            all.emplace_back([&, number] {
                std::minstd_rand random{static_cast<unsigned>(number + 1)};
                for (int i = 0; i < rounds; ++i) {
                    const std::string key = keys[random() % 4];
                    std::optional<asker> asking;
                    request_state seen{};
                    {
                        const std::scoped_lock guard{order};
                        asking.emplace(static_cast<int>(wanted.size()), log);
                        wanted.push_back(key);
                        requests::submit(conns, *asking, key);
                        seen = requests::look(conns, *asking);  // it is notified only after this
                        asking->knows(seen);
                    }
                    const bool gives_up = random() % 8 == 0;
                    while (pool::core::is_waiting(seen) && !gives_up) {
                        asking->may_close();
                        if (!requests::state(conns).close_for(*asking)) {
                            asking->knows(seen);
                            while (!asking->is_told.exchange(false)) std::this_thread::yield();
                        }
                        seen = requests::look(conns, *asking);
                        asking->knows(seen);
                    }
                    if (pool::core::is_waiting(seen)) {
                        asking->knows(request_state::cancelled);
                        requests::cancel(conns, *asking);
                        seen = requests::look(conns, *asking);
                    }
                    if (seen == request_state::may_dial && random() % 8 == 0) {
                        requests::dial_failed(conns, *asking);
                    } else if (seen == request_state::may_dial) {
                        requests::dial_succeeded(conns, *asking, net.dialer());
                    }
                    if (asking->state() != request_state::lent) continue;
                    auto lent = requests::lease_of(conns, *asking);
                    if (random() % 8 == 0) lent->far().dead = true;
                }
            });
        }
    }

    // One that was told to close a connection is not told again when it is served before it looks. So who was told, or
    // closes, may or may not wait until it looks.
    enum class standing { may_wait, waits, is_done };
    std::vector<standing> all(wanted.size(), standing::may_wait);
    int overtaken = 0;
    for (const auto& [what, caller] : log.all) {
        const auto place = static_cast<std::size_t>(caller);
        const bool is_served = what == event::served && all[place] != standing::is_done;
        for (std::size_t older = 0; older < place && is_served; ++older)
            overtaken += all[older] == standing::waits && wanted[older] == wanted[place];
        if (what == event::served || what == event::left) all[place] = standing::is_done;
        else if (all[place] != standing::is_done)
            all[place] = what == event::told ? standing::may_wait : standing::waits;
    }
    CHECK(overtaken == 0);
    CHECK(std::count(all.begin(), all.end(), standing::is_done) == static_cast<std::ptrdiff_t>(all.size()));
    conns.upkeep();  // a caller that gives up leaves its close to others
    const pool::stats s = conns.stats();
    CHECK(s.overtaken == 0);
    CHECK(s.lent + s.dialing + s.waiting + s.closing == 0);
    CHECK(s.hits + s.misses == wanted.size());
    conns.close();
    CHECK(net.open() == 0);
}

TEST_CASE("bounded: threads, cancels, timeouts, failures and changing bounds lose nothing and leave nobody waiting") {
    constexpr int threads = 16;
    constexpr int rounds = 300;
    const std::array<std::string, 4> keys{"a", "b", "c", "d"};
    bounds capacity{.max_open = 5, .max_open_per_key = 3, .max_idle = 4, .max_waiting = 12, .max_dials_per_key = 2};
    SUBCASE("with patience") { capacity.patience = 2ms; }
    SUBCASE("without") { capacity.patience = 0ms; }
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
    f.conns.upkeep();
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

}  // namespace bounded_threads_cases
