// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

#include <pool/asio.hpp>

#include <support/fake.hpp>

// The timer that sweeps: how often it does, and how it ends. Its event loop is turned by hand.

using namespace std::chrono_literals;

namespace {

/// A clock that the test moves. The pool takes it for one that keeps real time, as a timer needs.
struct moved_clock {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<moved_clock, duration>;
    static constexpr bool is_steady = true;

    static time_point now() noexcept { return time; }
    static inline time_point time{};
};

template <class Conn>
using pool_of = pool::basic_pool<std::string, Conn, pool::unlimited, pool::after_idle, std::mutex, moved_clock>;
using swept_pool = pool_of<fake::connection>;

/// A connection that owns something until it is closed, or until it is destroyed.
struct owning_connection {
    std::shared_ptr<void> until_close;
    std::shared_ptr<void> until_destruction;
    bool is_closed = false;

    void close() {
        is_closed = true;
        until_close.reset();
    }
    bool closed() const noexcept { return is_closed; }
    bool unblocked() const noexcept { return true; }
};

/// The owner of a pool and of its sweeper.
struct owner {
    explicit owner(boost::asio::io_context& loop, bool& is_gone)
        : gone{is_gone},
          sweeper{std::in_place, loop.get_executor(), conns} {}
    ~owner() { gone = true; }

    bool& gone;
    pool_of<owning_connection> conns{{}, 10s};
    std::optional<pool::asio::reaper<pool_of<owning_connection>>> sweeper;
};

}  // namespace

TEST_CASE("asio::reaper: sleeps for long where nothing that is given back is kept") {
    for (const auto ttl : {0s, -1s, -1'000'000s}) {
        boost::asio::io_context loop;
        swept_pool conns{{}, ttl};
        const pool::asio::reaper sweeper{loop.get_executor(), conns};
        CHECK(loop.run_one() == 1);  // the sweep at the beginning
        for (int i = 0; i < 10; ++i) CHECK(loop.poll_one() == 0);
    }
}

TEST_CASE("asio::reaper: sweeps at the beginning, and then not before something may be due") {
    fake::network net;
    boost::asio::io_context loop;
    swept_pool conns{{}, 10s};
    conns.put("a", net.dial());
    moved_clock::time += 10s;
    const pool::asio::reaper sweeper{loop.get_executor(), conns};
    CHECK(loop.run_one() == 1);
    CHECK(net.closed() == std::vector{1});
    CHECK(loop.poll_one() == 0);
}

TEST_CASE("asio::reaper: it and its pool may end in a close, or in a Conn's destructor, of a sweep") {
    for (const bool by_close : {true, false}) {
        bool gone = false;
        boost::asio::io_context loop;
        auto all = std::make_shared<owner>(loop, gone);
        owning_connection last;
        (by_close ? last.until_close : last.until_destruction) = all;
        auto& conns = all->conns;
        conns.put("a", {});
        conns.put("b", std::move(last));
        conns.put("c", {});
        all.reset();  // the connection of b owns the pool now
        moved_clock::time += 10s;
        CHECK(loop.run_one() == 1);
        CHECK(gone);
        CHECK(loop.run() == 0);  // nothing is left to do
    }
}
