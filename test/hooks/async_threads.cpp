// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/system/error_code.hpp>
#include <doctest/doctest.h>

#include <pool/asio/async_acquire.hpp>
#include <pool/basic_pool.hpp>
#include <pool/testing/async_tended_connection.hpp>
#include <pool/testing/fake_dialer.hpp>

#include <support/figures.hpp>

// Asynchronous callers on several threads, whose hooks end on any of these, while others sweep. Some connections are not
// healthy, and some callers give up in a check.

namespace {

using namespace std::chrono_literals;
using pool::hook_done;
using pool::testing::async_tended_connection;
using pool::testing::far_end;

template <class Capacity>
using busy_pool = pool::basic_pool<std::string, async_tended_connection, Capacity, pool::after_idle>;

constexpr std::size_t busy_bound = 4;

template <class Pool>
class busy {
public:
    busy() {
        dials_.prepare([this](far_end& far) {
            far.on_async_check = [this](hook_done done) { end_later(std::move(done), 5); };
            far.on_async_reset = [this](hook_done done) { end_later(std::move(done), 7); };
            far.on_async_keep_alive = [this](hook_done done) { end_later(std::move(done), 11); };
        });
    }

    void run() {
        std::atomic<bool> is_over = false;
        std::thread sweeps{[&] {
            while (!is_over) {
                conns_.upkeep();
                const pool::stats s = conns_.stats();
                CHECK(s.puts == figures::accounted_puts(s));
                if (Pool::bounds_open) CHECK(s.idle + s.lent + s.dialing + s.closing <= busy_bound);
            }
        }};
        for (int i = 0; i < callers; ++i) ask(i, calls);
        while (ended_ < callers) std::this_thread::yield();
        is_over = true;
        sweeps.join();
        workers_.join();  // all hooks have ended

        conns_.clear();  // closes what look-ups have left, too
        const pool::stats s = conns_.stats();
        CHECK(s.puts == figures::accounted_puts(s));
        CHECK(s.hits + s.misses + late_ >= callers * calls);  // a caller that is late from its begin looks nothing up
        CHECK(s.hits + s.misses <= callers * calls);
        CHECK(s.found_unhealthy > 0);
        CHECK(s.failed_resets > 0);
        CHECK(s.waiting + s.dialing + s.closing + s.lent + s.checking + s.idle == 0);
        CHECK(dials_.open() == 0);
    }

private:
    static constexpr int callers = 8;
    static constexpr int calls = 100;

    static auto bounds() {
        if constexpr (Pool::bounds_open) return pool::bounded_open{.max_open = busy_bound, .max_idle = 3};
        else return pool::bounded{.max_idle = 3};
    }

    /// Every n-th hook answers no, or is dropped.
    void end_later(hook_done done, int n) {
        const int count = ++hooks_;
        if (count % (10 * n) == 0) return;
        boost::asio::post(workers_, [done = std::move(done), is_good = count % n != 0]() mutable { done(is_good); });
    }

    /// Lends and gives back, `left` times in turn.
    void ask(int caller, int left) {
        if (left == 0) {
            ++ended_;
            return;
        }
        const auto dial = [this](const std::string& key, auto handler) {
            std::move(handler)(boost::system::error_code{}, async_tended_connection{dials_(key)});
        };
        auto got = boost::asio::bind_executor(
            workers_.get_executor(), [this, caller, left](boost::system::error_code error, auto lease) {
                if (error) ++late_;
                else lease->use();
                lease.give_back();
                ask(caller, left - 1);
            });
        const std::string key(1, static_cast<char>('a' + (caller + left) % 3));
        if (left % 3 == 0) pool::asio::async_acquire(conns_, key, dial, 50us, std::move(got));
        else pool::asio::async_acquire(conns_, key, dial, std::move(got));
    }

    pool::testing::fake_dialer dials_;
    boost::asio::thread_pool workers_{3};
    Pool conns_{bounds(), 10s, pool::pool_settings{.keep_alive_every = 1ns}};
    std::atomic<int> hooks_ = 0;
    std::atomic<int> ended_ = 0;
    std::atomic<std::uint64_t> late_ = 0;
};

}  // namespace

TEST_CASE_TEMPLATE("async hooks, threads: nothing is lost, lent twice, or open beyond the bound [C1, C16, C20 to C23]",
    Pool, busy_pool<pool::bounded>, busy_pool<pool::bounded_open>) {
    busy<Pool> all;
    all.run();
}
