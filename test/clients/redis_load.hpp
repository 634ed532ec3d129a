// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <functional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <pool/pool.hpp>

#include <clients/redis_mischief.hpp>
#include <clients/redis_server.hpp>
#include <support/fault_proxy.hpp>
#include <support/tier.hpp>

/// @file
/// Many users of a pool of connections to Redis, of whom a tenth leaves something behind. Each answer must be that of its
/// own question, whatever lies between the pool and the server.

namespace redis_test {

using namespace std::chrono_literals;
using redis_pool = pool::bounded_pool<hiredis::connection_key, hiredis::connection>;

struct wrong_answer {
    std::string wanted;
    std::string got;
};

/// How the pools get to a server.
struct way {
    std::string name;
    int port = 0;  ///< of what the pools dial
    std::function<void()> restart;
    /// What lies between may tell that the server has closed a connection when the pool has lent it already. Users then ask again.
    bool tells_late = false;
    /// Whether a user is excused whose connection has this port of its own; zero, if it got none.
    std::function<bool(int)> is_excused = [](int) { return false; };
};

/// What has happened.
struct counts {
    std::atomic<int> served{0}, mischief{0}, wrong{0}, errors{0}, excused{0}, in_outages{0}, most_on_server{0};

    int done() const { return served + mischief + wrong + errors + excused; }
};

/// Whether the server is being restarted, or has closed connections: odd meanwhile.
class outages {
public:
    template <class F>
    void during(F f) {
        ++turn_;
        f();
        ++turn_;
    }
    int now() const { return turn_; }
    bool met(int begin) const { return begin % 2 != 0 || turn_ != begin; }

private:
    std::atomic<int> turn_{0};
};

inline void compare(const std::string& got, const std::string& wanted) {
    if (got != wanted) throw wrong_answer{wanted, got};
}

/// As a user of hiredis without this library does.
inline std::string ask_raw(hiredis::connection& c, const std::string& nonce) {
    const hiredis::reply got{static_cast<redisReply*>(redisCommand(c, "ECHO %s", nonce.c_str()))};
    if (got == nullptr) throw hiredis::error{c.get()->errstr, hiredis::error::origin::connection};
    return text_of(got);
}

/// A user who does nothing wrong. Each of its answers has its nonce.
inline void behave(hiredis::connection& c, const std::string& nonce, unsigned kind) {
    if (kind % 3 == 0) return compare(ask_raw(c, nonce), nonce);
    if (kind % 3 == 1) return compare(text_of(c.command({"ECHO", nonce})), nonce);
    compare(text_of(c.command({"SET", "key:" + nonce, nonce, "EX", "60"})), "OK");
    compare(text_of(c.command({"GET", "key:" + nonce})), nonce);
}

/// Whether an error is one of the connection: what these users do may be done twice.
inline bool lost_connection(const std::exception& e) {
    const auto* const known = dynamic_cast<const hiredis::error*>(&e);
    return known != nullptr && known->from() != hiredis::error::origin::reply;
}

/// One thread of users.
class users {
public:
    users(redis_pool& conns, const way& to, const std::vector<hiredis::connection_key>& keys, outages& watched,
        counts& total, int thread)
        : conns_{conns},
          way_{to},
          keys_{keys},
          outages_{watched},
          total_{total},
          random_(static_cast<unsigned>(thread)),
          name_{std::to_string(thread)} {}

    void serve(int requests) {
        for (int i = 0; i < requests; ++i) {
            const auto& key = keys_[random_() % keys_.size()];
            if (random_() % 10 == 0) misbehave(key);
            else ask(key, name_ + '-' + std::to_string(i));
        }
    }

private:
    /// Again and again in an outage; otherwise an error is one that the pool has let through.
    void ask(const hiredis::connection_key& key, const std::string& nonce) {
        const unsigned kind = static_cast<unsigned>(random_());
        for (;;) {
            const int begin = outages_.now();
            int port = 0;
            const auto use = [&](hiredis::connection& c) {
                port = support::local_port(c.get()->fd);
                behave(c, nonce, kind);
            };
            try {
                if (way_.tells_late) conns_.get(key).invoke(pool::retry_stale{lost_connection}, use);
                else conns_.invoke(key, use);
                ++total_.served;
                return;
            } catch (const wrong_answer& e) {
                if (++total_.wrong < 10)
                    std::printf("wrong answer: %s instead of %s\n", e.got.c_str(), e.wanted.c_str());
                return;
            } catch (const std::exception& e) {
                if (outages_.met(begin)) {
                    ++total_.in_outages;
                    continue;
                }
                if (way_.is_excused(port)) ++total_.excused;
                else if (++total_.errors < 10) std::printf("error: %s\n", e.what());
                return;
            }
        }
    }

    void misbehave(const hiredis::connection_key& key) {
        const mischief& chosen = all_mischief[random_() % all_mischief.size()];
        try {
            conns_.invoke(key, [&](hiredis::connection& c) {
                behave(c, "before", 1);
                chosen.leave(c);
                if (random_() % 4 == 0) throw std::runtime_error{"and the user fails"};
            });
        } catch (const wrong_answer& e) {
            if (++total_.wrong < 10) std::printf("wrong answer: %s instead of %s\n", e.got.c_str(), e.wanted.c_str());
        } catch (const std::exception&) {  // it is its own
        }
        ++total_.mischief;
    }

    redis_pool& conns_;
    const way& way_;
    const std::vector<hiredis::connection_key>& keys_;
    outages& outages_;
    counts& total_;
    std::mt19937_64 random_;
    std::string name_;
};

/// A connection that is not of a pool, and the user that some mischief needs, also after a restart.
inline hiredis::connection dial_admin(const server& redis) {
    auto admin = hiredis::dial{}(redis.key());
    admin.command("ACL SETUSER other on >secret ~* &* +@all");
    return admin;
}

/// Two peers of one server, which differ in what their connections are.
inline std::vector<hiredis::connection_key> two_keys(const way& to) {
    std::vector<hiredis::connection_key> keys(2);
    keys[0].port = keys[1].port = to.port;
    keys[1].database = 3;
    keys[1].client_name = "billing";
    return keys;
}

inline constexpr int bound = 6;

/// Calls from several threads. `look` is called by this one, until they are done.
template <class Look>
void call_from_threads(
    redis_pool& conns, const way& to, int requests, outages& watched, counts& total, const Look& look) {
    constexpr int threads = 8;
    const auto keys = two_keys(to);
    std::vector<std::jthread> all;
    for (int thread = 0; thread < threads; ++thread)
        all.emplace_back([&, thread] { users{conns, to, keys, watched, total, thread}.serve(requests / threads); });
    while (total.done() < requests / threads * threads) look();
}

/// The server is restarted twice, and closes all connections 19 times.
inline void check_load(const server& redis, const way& to, int requests) {
    std::signal(SIGPIPE, SIG_IGN);  // hiredis 0.14 writes without MSG_NOSIGNAL
    auto admin = dial_admin(redis);
    counts total;
    outages watched;
    std::size_t dials = 0;
    int restarts = 0;
    int kills = 0;
    {
        redis_pool conns{{.max_open = bound, .acquire_timeout = 1min}, hiredis::dial{{.command_timeout = 30s}}};
        call_from_threads(conns, to, requests, watched, total, [&] {
            total.most_on_server = std::max<int>(total.most_on_server, count_others(admin));
            if (total.done() > requests / 3 * (restarts + 1) && restarts < 2) {
                watched.during([&] {
                    to.restart();
                    admin = dial_admin(redis);
                });
                ++restarts;
            }
            if (total.done() > requests / 20 * (kills + 1) && kills < 19) {
                watched.during([&] { admin.command("CLIENT KILL TYPE normal"); });
                watched.during([&] { admin.command("CLIENT KILL TYPE pubsub"); });
                ++kills;
            }
        });
        dials = conns.stats().dials;
    }
    while (to.tells_late && count_others(admin) != 0) std::this_thread::yield();
    CHECK(count_others(admin) == 0);
    CHECK(total.wrong == 0);
    CHECK(total.errors == 0);
    CHECK(total.most_on_server.load() <= bound);
    CHECK(restarts == 2);
    CHECK(kills == 19);
    std::printf(
        "%s: %d requests served, %d users misbehaved, %d wrong answers, %d errors; %d restarts and %d kills, in "
        "which %d requests failed and were repeated; %zu dials, at most %d connections of %d on the server, 0 left\n",
        to.name.c_str(), total.served.load(), total.mischief.load(), total.wrong.load(), total.errors.load(), restarts,
        kills, total.in_outages.load(), dials, total.most_on_server.load(), bound);
}

}  // namespace redis_test
