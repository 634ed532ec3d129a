// SPDX-License-Identifier: BSL-1.0
#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/version.hpp>
#include <doctest/doctest.h>

#include <pool/asio/async_acquire.hpp>
#include <pool/stats.hpp>

#if BOOST_VERSION >= 107700
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#endif

#include <support/asio_pool.hpp>
#include <support/figures.hpp>

// Many threads at once.

using namespace asio_pools;
using pool::asio::async_acquire;

TEST_CASE("asio: threads that block and threads that do not, cancels, failures and a bound lose nothing") {
    constexpr int loops = 2;
    constexpr int chains = 8;
    constexpr int rounds = 200;
    const std::array<std::string, 4> keys{"a", "b", "c", "d"};
    fixture f{strict({.max_open = 5, .max_open_per_key = 3, .max_dials_per_key = 2})};
    std::atomic<int> answers{0};
    std::atomic<bool> over{false};

    /// Asks, uses what it gets, and asks again.
    struct chain : std::enable_shared_from_this<chain> {
        chain(fixture<>& home, const std::array<std::string, 4>& all, std::atomic<int>& count, std::atomic<bool>& many,
            int seed)
            : f{home},
              keys{all},
              answers{count},
              over{many},
              strand{net::make_strand(home.loop)},
              random{static_cast<unsigned>(seed)} {}

        void next() {
            if (left-- == 0) return;
            const bool fails = random() % 8 == 0;
            const auto dial = [self = this->shared_from_this(), fails](const std::string&, auto handler) {
                net::post(self->f.loop, [self, fails, handler]() mutable {
                    if (fails) return handler(net::error::connection_refused);
                    auto fresh = self->f.far.dial();
                    if (self->f.far.open() > 5) self->over = true;
                    handler(error_code{}, std::move(fresh));
                });
            };
            auto done = net::bind_executor(strand, [self = this->shared_from_this()](error_code, auto lent) {
                ++self->answers;
                if (lent && self->random() % 8 == 0) lent->far().dead = true;
                if (lent && self->random() % 2 == 0) lent.give_back();
                self->next();
            });
            const std::string& key = keys[random() % 4];
#if BOOST_VERSION >= 107700
            async_acquire(*f.conns, key, dial, net::bind_cancellation_slot(signal.slot(), std::move(done)));
            if (random() % 4 == 0) {
                net::post(
                    strand, [self = this->shared_from_this()] { self->signal.emit(net::cancellation_type::terminal); });
            }
#else
            async_acquire(*f.conns, key, dial, std::move(done));
#endif
        }

        fixture<>& f;
        const std::array<std::string, 4>& keys;
        std::atomic<int>& answers;
        std::atomic<bool>& over;
        net::strand<net::io_context::executor_type> strand;
        std::minstd_rand random;
        int left = rounds;
#if BOOST_VERSION >= 107700
        net::cancellation_signal signal;
#endif
    };
    for (int i = 1; i <= chains; ++i) {
        auto each = std::make_shared<chain>(f, keys, answers, over, i);
        net::post(each->strand, [each] { each->next(); });
    }
    {
        std::vector<std::jthread> all;
        for (int i = 0; i < loops; ++i) all.emplace_back([&] { f.loop.run(); });
        for (int i = 0; i < 2; ++i) {
            all.emplace_back([&, i] {
                for (int n = 0; n < rounds; ++n) (void)f.acquire(keys[static_cast<std::size_t>(n + i) % 4].c_str());
            });
        }
    }
    f.conns->upkeep();  // a caller that gives up leaves its close to others
    CHECK(answers == chains * rounds);
    CHECK_FALSE(over);
    const pool::stats s = f.conns->stats();
    CHECK(s.hits + s.misses == chains * rounds + 2 * rounds);
    CHECK(s.lent + s.dialing + s.waiting + s.closing == 0);
    CHECK(s.puts == figures::accounted_puts(s));
    f.conns->close();
    CHECK(f.far.open() == 0);
}
