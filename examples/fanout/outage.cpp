// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <exception>
#include <stop_token>
#include <system_error>
#include <thread>
#include <unordered_map>
#include <utility>

#include <boost/asio/ip/tcp.hpp>

#include <pool/pool.hpp>

#include "outage.hpp"
#include "protocol.hpp"
#include "workload.hpp"

namespace fanout {

namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

/// Callers pause or wait most of the time, so it takes more of them than in the comparison to make a load.
constexpr std::size_t callers_per_thread = 4;

/// With the default choice of servers, the first one then has more callers than connections, and the others have not.
std::size_t open_per_server(const options& chosen) { return std::max<std::size_t>(1, chosen.threads / 2); }

/// How long a server works on a request: between the half and three halves of this.
constexpr std::chrono::microseconds mean_work = 4ms;

/// How long a caller does something else before its next request, at random.
constexpr std::chrono::microseconds mean_pause = 4ms;

/// The work of a server on a login, with which each connection begins. It makes dials as dear as they often are.
constexpr std::chrono::microseconds login_work = 10ms;

constexpr auto dial_patience = 2s;
constexpr auto acquire_patience = 10s;

/// A server that is away is dialled at least this often.
constexpr auto longest_delay = 200ms;

/// The server that goes away. The choice of servers prefers the first one.
constexpr std::size_t victim = 0;

/// The victim, as far as callers know. Requests to it may fail from just before it goes `away` until one that was sent after it was
/// `started` is answered: only then has the dial noticed that it is back.
enum class presence { here, away, started, seen_again };

using sessions = pool::bounded_pool<std::string, connection>;

struct caller {
    outage_result counts;  ///< without the history
    std::vector<timeline::wait> waits;
};

bool exchange(connection& conn, std::uint64_t id, std::chrono::microseconds work) {
    conn.send(id, work);
    return conn.receive() == reply_to(id);
}

/// Connects and logs in.
auto dial_to(const std::vector<server>& servers) {
    std::unordered_map<std::string, boost::asio::ip::tcp::endpoint> endpoints;
    for (const server& each : servers) endpoints.emplace(each.name, each.endpoint);
    return [endpoints = std::move(endpoints)](const std::string& name, const pool::dial_context& limits) {
        connection fresh{endpoints.at(name), limits};
        if (!exchange(fresh, 0, login_work)) throw std::runtime_error{name + ": a wrong reply to the login"};
        return fresh;
    };
}

/// One after the other, sends requests until it is told to stop.
class client {
public:
    client(sessions& pool, const std::vector<server>& servers, const workload& work,
        std::atomic<std::uint64_t>& numbers, std::atomic<presence>& state, caller& notes)
        : pool_{pool},
          servers_{servers},
          work_{work},
          numbers_{numbers},
          victim_state_{state},
          notes_{notes} {}

    void run(const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            const request next = work_[numbers_.fetch_add(1, std::memory_order_relaxed)];
            send(next);
            const double share = static_cast<double>(mix(next.id) >> 11) * 0x1p-53;
            std::this_thread::sleep_for(mean_pause * -std::log1p(-share));  // an exponential distribution
        }
    }

private:
    void send(const request& next) {
        const presence before = victim_state_;
        try {
            const bool right = ask(next);
            ++(right ? notes_.counts.answered : notes_.counts.wrong);
            if (next.server == victim && before == presence::started) victim_state_ = presence::seen_again;
        } catch (const std::exception& error) {
            // A request that was sent before the server went away may fail afterwards.
            const bool was_away = before == presence::away || before == presence::started || before != victim_state_;
            if (next.server == victim && was_away) {
                ++notes_.counts.failed_while_away;
            } else {
                if (notes_.counts.failed++ == 0) notes_.counts.first_error = error.what();
            }
        }
    }

    /// Notes how long an acquire takes, unless it throws.
    template <class Acquire>
    auto measured(Acquire acquire) {
        const auto begin = clock::now();
        auto lease = acquire();
        const auto end = clock::now();
        notes_.waits.push_back({end, end - begin});
        return lease;
    }

    /// As in the comparison, a request that finds its connection stale is sent again on a new one. That may be stale, too:
    /// the server can close it soon after the login.
    bool ask(const request& next) {
        const std::string& name = servers_[next.server].name;
        const auto work = mean_work / 2 + mean_work * (next.id % 1000) / 1000;
        for (bool fresh = false;; fresh = true) {
            try {
                auto lease = measured([&] { return fresh ? pool_.acquire_fresh(name) : pool_.acquire(name); });
                return exchange(*lease, next.id, work);
            } catch (const went_stale&) {
                ++notes_.counts.retried;
            }
        }
    }

    sessions& pool_;
    const std::vector<server>& servers_;
    const workload& work_;
    std::atomic<std::uint64_t>& numbers_;
    std::atomic<presence>& victim_state_;
    caller& notes_;
};

/// Has each thing happen to the pool at its time, and tells the timeline. Runs on the calling thread.
void tell(const options& chosen, sessions& pool, embedded_servers* embedded, std::atomic<presence>& victim_state,
    timeline& history) {
    const auto at = [&](double share) {
        std::this_thread::sleep_until(
            history.begin + std::chrono::duration_cast<clock::duration>(chosen.plot_time * share));
        return clock::now();
    };
    if (embedded != nullptr) {
        history.marks.push_back({at(1.0 / 3), "a server goes away"});
        victim_state = presence::away;
        embedded->stop(victim);
        history.marks.push_back({at(1.0 / 2), "it comes back"});
        embedded->start(victim);
        victim_state = presence::started;
    }
    history.marks.push_back({at(3.0 / 4), "invalidate()"});
    pool.invalidate();
    history.end = at(1);
}

}  // namespace

outage_result run_outage(const options& chosen, const std::vector<server>& servers, embedded_servers* embedded) {
    outage_result result;
    result.callers = callers_per_thread * chosen.threads;
    result.most_open = open_per_server(chosen);
    result.servers = servers.size();

    sessions pool{{.max_open_per_key = result.most_open,
                      .acquire_timeout = acquire_patience,
                      .expiration = chosen.expiration,
                      .name = "fanout"},
        pool::backing_off{
            pool::timed(dial_patience, dial_to(servers)), {.first = longest_delay / 4, .most = longest_delay}}};

    const workload work{chosen.seed, servers.size(), chosen.keys_skew, 0};
    std::atomic<std::uint64_t> numbers{0};
    std::atomic<presence> victim_state{presence::here};
    std::vector<caller> callers(result.callers);
    result.history.begin = clock::now();
    {
        const sampler looking{result.history.samples, [&pool] { return pool.stats(); }};
        std::vector<std::jthread> threads;
        for (caller& each : callers) {
            threads.emplace_back([&](const std::stop_token& stop) {
                client{pool, servers, work, numbers, victim_state, each}.run(stop);
            });
        }
        tell(chosen, pool, embedded, victim_state, result.history);
        for (std::jthread& each : threads) each.request_stop();
    }

    for (caller& each : callers) {
        result.answered += each.counts.answered;
        result.wrong += each.counts.wrong;
        result.retried += each.counts.retried;
        result.failed_while_away += each.counts.failed_while_away;
        result.failed += each.counts.failed;
        if (result.first_error.empty()) result.first_error = each.counts.first_error;
        result.history.waits.insert(result.history.waits.end(), each.waits.begin(), each.waits.end());
    }
    result.stats = pool.stats();
    pool.close().rethrow();
    return result;
}

}  // namespace fanout
