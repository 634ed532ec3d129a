// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <numeric>
#include <ostream>
#include <random>
#include <utility>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>

// What the order of reuse does to a pool over minutes: how many connections stay open, how many are dialled, and how
// many calls meet one that its server has closed. The figures in docs/decisions.md are these. The clock is manual and
// the random numbers have a seed, so each figure is exact, and the same everywhere.

namespace reuse_order_cases {

using namespace std::chrono_literals;

namespace {

using duration = pool::manual_clock::duration;
using time_point = pool::manual_clock::time_point;

constexpr auto oldest = pool::reuse_order::oldest_first;
constexpr auto newest = pool::reuse_order::newest_first;
constexpr duration never = duration::max();

/// The server's side of a connection.
struct far_end {
    std::size_t server;    ///< which of the servers behind the name
    time_point last_used;  ///< since when it has been idle
};

/// The pool's side. It does not notice that the server has closed it, so a call fails.
class session {
public:
    explicit session(far_end& far) noexcept : far_{&far} {}
    far_end& far() const noexcept { return *far_; }

    void close() noexcept { far_ = nullptr; }
    bool closed() const noexcept { return far_ == nullptr; }
    bool unblocked() const noexcept { return true; }

private:
    far_end* far_;
};

/// A burst of 50 calls, of a second each, and a light load of single calls, of a tenth of a second on average.
struct scenario {
    double rate = 2;                  ///< calls of the light load in a second, on average
    duration expiration = never;      ///< how long the pool keeps an idle connection
    duration server_timeout = never;  ///< how long the server keeps it
    duration burst_every = never;     ///< the first is at the start
    duration lasts = 10min;
    std::uint64_t seed = 1;
};

struct figures {
    std::size_t open;         ///< connections at the end
    std::uint64_t dials;      ///< in all
    int stale_in_light_load;  ///< calls that met a connection which its server had closed: they failed
    int stale_in_bursts;      ///< the same
    std::int64_t longest_s;   ///< how long a connection had been idle at most when it was lent, in whole seconds
    int busiest;              ///< per cent of the light load that went to the busiest of four servers

    bool operator==(const figures&) const = default;
    friend std::ostream& operator<<(std::ostream& to, const figures& f) {
        return to << '{' << f.open << ", " << f.dials << ", " << f.stale_in_light_load << ", " << f.stale_in_bursts
                  << ", " << f.longest_s << ", " << f.busiest << '}';
    }
};

/// A pool of one peer, and its callers. Each dial goes to the next of four servers.
class simulation {
public:
    simulation(pool::reuse_order reuse, const scenario& chosen)
        : chosen_{chosen},
          conns_{{}, pool::after_idle{chosen.expiration}, {.reuse = reuse}, clock_},
          generator_{chosen.seed} {}

    figures run() {
        constexpr int calls_in_burst = 50;
        const time_point end{chosen_.lasts};
        time_point burst{};
        time_point arrival = burst + random_time(1 / chosen_.rate);
        int stale_in_light_load = 0;
        int stale_in_bursts = 0;
        for (time_point next = burst; next < end; next = std::min(burst, arrival)) {
            give_back_until(next);
            move_to(next);
            if (next == burst) {
                for (int i = 0; i < calls_in_burst; ++i) stale_in_bursts += call(1s) == none;
                burst = pool::core::saturating_add(burst, chosen_.burst_every);
            } else {
                const std::size_t server = call(random_time(0.1));
                if (server == none) ++stale_in_light_load;
                else ++calls_of_[server];
                arrival += random_time(1 / chosen_.rate);
            }
        }
        give_back_until(end);
        move_to(end);
        const pool::stats now = conns_.stats();
        return {now.idle + now.lent, now.dials, stale_in_light_load, stale_in_bursts,
            std::chrono::floor<std::chrono::seconds>(longest_).count(),
            100 * *std::max_element(calls_of_.begin(), calls_of_.end()) /
                std::accumulate(calls_of_.begin(), calls_of_.end(), 0)};
    }

private:
    using pool_type = pool::basic_pool<pool::no_key, session, pool::unlimited, pool::after_idle, pool::null_mutex,
        pool::manual_clock>;

    static constexpr std::size_t servers = 4;
    static constexpr std::size_t none = servers;  ///< of the servers

    /// An exponentially distributed time, of as many seconds on average. In whole microseconds, because the last digits
    /// of a logarithm are not the same everywhere.
    duration random_time(double mean) {
        const double uniform = (static_cast<double>(generator_() >> 11) + 1) * 0x1p-53;  // in (0, 1]
        return std::chrono::microseconds{static_cast<std::int64_t>(-std::log(uniform) * mean * 1e6) + 1};
    }

    void move_to(time_point now) {
        clock_.set(now);
        conns_.expire();  // as a reaper does
    }

    void give_back_until(time_point now) {
        while (!running_.empty() && running_.begin()->first <= now) {
            const auto ended = running_.begin();
            move_to(ended->first);
            ended->second->far().last_used = ended->first;
            running_.erase(ended);
        }
    }

    /// Begins a call. Returns its server. If that has closed the connection, the call fails, and is not repeated.
    std::size_t call(duration length) {
        const time_point now = clock_.now();
        auto lease = conns_.acquire([&] {
            far_ends_.push_back({far_ends_.size() % servers, now});
            return session{far_ends_.back()};
        });
        const far_end& far = lease->far();
        longest_ = std::max(longest_, now - far.last_used);
        if (now - far.last_used >= chosen_.server_timeout) {
            lease.discard();
            return none;
        }
        running_.emplace(now + length, std::move(lease));
        return far.server;
    }

    scenario chosen_;
    pool::manual_clock clock_;
    std::deque<far_end> far_ends_;
    pool_type conns_;
    std::multimap<time_point, pool_type::lease_type> running_;  // by their ends
    std::mt19937_64 generator_;
    std::array<int, servers> calls_of_{};
    duration longest_{};
};

figures simulate(pool::reuse_order reuse, const scenario& chosen) { return simulation{reuse, chosen}.run(); }

}  // namespace

TEST_CASE("reuse_order: after a burst, a light load keeps all connections open, or as many as it needs [C4]") {
    const auto after = [](duration lasts) { return scenario{.expiration = 60s, .lasts = lasts}; };
    CHECK(simulate(oldest, after(1min)) == figures{50, 50, 0, 0, 28, 25});
    CHECK(simulate(newest, after(1min)) == figures{50, 50, 0, 0, 17, 48});
    CHECK(simulate(oldest, after(2min)) == figures{50, 50, 0, 0, 28, 25});
    CHECK(simulate(newest, after(2min)) == figures{2, 50, 0, 0, 17, 45});
    CHECK(simulate(oldest, after(1h)) == figures{50, 50, 0, 0, 38, 26});
    CHECK(simulate(newest, after(1h)) == figures{3, 76, 0, 0, 58, 34});

    CHECK(simulate(oldest, {.rate = 0.1, .expiration = 60s}) == figures{2, 50, 0, 0, 59, 48});
    CHECK(simulate(newest, {.rate = 0.1, .expiration = 60s}) == figures{1, 50, 0, 0, 44, 100});
    CHECK(simulate(oldest, {.rate = 0.5, .expiration = 60s}) == figures{21, 50, 0, 0, 59, 27});
    CHECK(simulate(newest, {.rate = 0.5, .expiration = 60s}) == figures{2, 54, 0, 0, 34, 54});
    CHECK(simulate(oldest, {.rate = 2, .expiration = 60s}) == figures{50, 50, 0, 0, 34, 26});
    CHECK(simulate(newest, {.rate = 2, .expiration = 60s}) == figures{3, 55, 0, 0, 45, 48});
    CHECK(simulate(oldest, {.rate = 10, .expiration = 60s}) == figures{53, 53, 0, 0, 7, 26});
    CHECK(simulate(newest, {.rate = 10, .expiration = 60s}) == figures{6, 60, 0, 0, 54, 33});

    CHECK(simulate(oldest, {.rate = 0.5, .expiration = 5min, .lasts = 1h}) == figures{50, 50, 0, 0, 140, 26});
    CHECK(simulate(newest, {.rate = 0.5, .expiration = 5min, .lasts = 1h}) == figures{2, 51, 0, 0, 171, 63});
}

TEST_CASE("reuse_order: so it is with other random numbers [C4]") {
    for (std::uint64_t seed = 2; seed <= 20; ++seed) {
        CAPTURE(seed);
        CHECK(simulate(oldest, {.expiration = 60s, .seed = seed}).open >= 50);
        CHECK(simulate(newest, {.expiration = 60s, .seed = seed}).open <= 5);
    }
}

TEST_CASE("reuse_order: without an expiration, newest first keeps what the server has closed for the next burst [C4]") {
    const auto with = [](double rate) {
        return scenario{.rate = rate, .server_timeout = 75s, .burst_every = 10min, .lasts = 11min};
    };
    CHECK(simulate(oldest, with(0.1)) == figures{50, 100, 50, 0, 508, 55});
    CHECK(simulate(newest, with(0.1)) == figures{1, 50, 0, 49, 599, 100});
    CHECK(simulate(oldest, with(0.5)) == figures{50, 100, 50, 0, 105, 54});
    CHECK(simulate(newest, with(0.5)) == figures{12, 61, 11, 38, 599, 92});
    CHECK(simulate(oldest, with(2)) == figures{51, 51, 0, 0, 34, 25});
    CHECK(simulate(newest, with(2)) == figures{15, 63, 12, 36, 599, 47});
    CHECK(simulate(oldest, with(10)) == figures{53, 53, 0, 0, 7, 26});
    CHECK(simulate(newest, with(10)) == figures{26, 74, 22, 26, 599, 39});
}

TEST_CASE(
    "reuse_order: with an expiration above the server's timeout, the order decides which load meets closed ones [C4]") {
    const auto with = [](double rate) {
        return scenario{.rate = rate, .expiration = 60s, .server_timeout = 30s, .burst_every = 10min, .lasts = 11min};
    };
    CHECK(simulate(oldest, with(0.1)) == figures{47, 103, 11, 0, 58, 35});
    CHECK(simulate(newest, with(0.1)) == figures{50, 102, 3, 0, 44, 37});
    CHECK(simulate(oldest, with(0.5)) == figures{32, 100, 43, 0, 59, 50});
    CHECK(simulate(newest, with(0.5)) == figures{50, 102, 1, 0, 34, 57});
    CHECK(simulate(oldest, with(2)) == figures{51, 59, 8, 0, 31, 26});
    CHECK(simulate(newest, with(2)) == figures{51, 104, 2, 0, 45, 43});
    CHECK(simulate(oldest, with(10)) == figures{53, 53, 0, 0, 7, 26});
    CHECK(simulate(newest, with(10)) == figures{50, 112, 10, 1, 57, 35});
}

TEST_CASE("reuse_order: with an expiration below the server's timeout, no order meets a closed one [C4]") {
    for (const auto reuse : {oldest, newest}) {
        for (const double rate : {0.1, 0.5, 2.0, 10.0}) {
            const figures f = simulate(
                reuse, {.rate = rate, .expiration = 60s, .server_timeout = 75s, .burst_every = 10min, .lasts = 11min});
            CHECK(f.stale_in_light_load + f.stale_in_bursts == 0);
        }
    }
}

TEST_CASE("reuse_order: newest first dials for each burst, unless the expiration is longer than the pause [C4]") {
    const auto with = [](duration expiration) {
        return scenario{.expiration = expiration, .burst_every = 2min, .lasts = 1h};
    };
    CHECK(simulate(oldest, with(60s)) == figures{53, 53, 0, 0, 39, 26});
    CHECK(simulate(newest, with(60s)) == figures{3, 1465, 0, 0, 59, 29});
    CHECK(simulate(oldest, with(5min)) == figures{53, 53, 0, 0, 39, 26});
    CHECK(simulate(newest, with(5min)) == figures{51, 56, 0, 0, 240, 34});
}

TEST_CASE("reuse_order: newest first gives a light load to few servers, and a heavy one to all [C4]") {
    const auto with = [](double rate) { return scenario{.rate = rate, .expiration = 60s, .lasts = 5min}; };
    CHECK(simulate(oldest, with(0.5)) == figures{21, 50, 0, 0, 59, 26});
    CHECK(simulate(newest, with(0.5)) == figures{2, 52, 0, 0, 34, 92});
    CHECK(simulate(oldest, with(2)) == figures{50, 50, 0, 0, 31, 25});
    CHECK(simulate(newest, with(2)) == figures{3, 52, 0, 0, 26, 53});
    CHECK(simulate(oldest, with(10)) == figures{53, 53, 0, 0, 7, 26});
    CHECK(simulate(newest, with(10)) == figures{6, 58, 0, 0, 54, 33});
    CHECK(simulate(oldest, with(100)) == figures{69, 69, 0, 0, 0, 26});
    CHECK(simulate(newest, with(100)) == figures{21, 74, 0, 0, 45, 30});
    CHECK(simulate(oldest, with(300)) == figures{86, 86, 0, 0, 0, 25});
    CHECK(simulate(newest, with(300)) == figures{58, 99, 0, 0, 41, 30});
}

}  // namespace reuse_order_cases
