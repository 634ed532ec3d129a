// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

#include <pool/basic_pool.hpp>
#include <pool/policies/capacity.hpp>
#include <pool/policies/clock.hpp>
#include <pool/policies/expiry.hpp>

#include <support/fake.hpp>
#include <support/latch.hpp>
#include <support/strict.hpp>

/// @file
/// A pool that bounds the open connections, and callers of it. A caller that waits is a thread. The figures show that
/// it waits; nothing sleeps.

namespace bounded_pools {

using bounds = pool::bounded_open;

template <class Expiry = pool::never>
using pool_of = pool::basic_pool<std::string, fake::connection, bounds, Expiry, std::mutex, pool::manual_clock>;

/// Holds a dial or a close until the test opens the gate.
struct gate {
    latch reached{1};
    latch open{1};
    void pass() {
        reached.count_down();
        open.wait();
    }
};

/// A caller in a thread of its own.
template <class Pool>
class caller {
public:
    using lease = typename Pool::lease_type;
    using action = std::function<lease(std::stop_token)>;

    /// Starts, and returns when the caller waits in the queue.
    caller(Pool& conns, action act) {
        const std::size_t waiting = conns.stats().waiting;
        start(std::move(act));
        while (conns.stats().waiting == waiting) std::this_thread::yield();
    }

    /// Starts, and returns at once.
    explicit caller(action act) { start(std::move(act)); }

    ~caller() { finish(); }

    /// Returns what the caller got. Throws what it threw.
    lease got() {
        finish();
        if (error_) std::rethrow_exception(error_);
        return std::move(lease_);
    }

    /// The text of the error that the caller got.
    std::string error() {
        finish();
        try {
            if (error_) std::rethrow_exception(error_);
        } catch (const std::exception& known) {
            return known.what();
        }
        return "no error";
    }

    void cancel() { stop_.request_stop(); }

private:
    void start(action act) {
        thread_ = std::thread{[this, act = std::move(act)] {
            try {
                lease_ = act(stop_.get_token());
            } catch (...) {
                error_ = std::current_exception();
            }
        }};
    }
    void finish() {
        if (thread_.joinable()) thread_.join();
    }

    std::stop_source stop_;
    lease lease_;
    std::exception_ptr error_;
    std::thread thread_;
};

/// A pool of fake connections on a clock that the test advances.
template <class Expiry = pool::never>
struct fixture {
    using pool_type = pool_of<Expiry>;
    using lease = typename pool_type::lease_type;
    using caller = bounded_pools::caller<pool_type>;
    static constexpr auto never = pool::manual_clock::time_point::max();

    explicit fixture(bounds capacity, Expiry expiry = {})
        : conns{capacity, expiry, pool::pool_settings{.name = "peers"}, clock} {}

    lease acquire(const char* key) { return conns.acquire(key, net.dialer()); }
    void put(const char* key) { conns.put(key, net.dial()); }

    /// A caller that waits in the queue.
    caller waits(const char* key, pool::manual_clock::time_point deadline = never) {
        const auto act = [this, key, deadline](std::stop_token stop) {
            return conns.acquire(key, net.dialer(), deadline, std::move(stop));
        };
        return {conns, act};
    }

    /// A caller whose dial waits at the gate, and then fails.
    caller fails(const char* key, gate& dial) {
        const auto no_answer = [&dial](const std::string&) -> fake::connection {
            dial.pass();
            throw std::runtime_error{"no answer"};
        };
        return caller{[this, key, no_answer](const std::stop_token&) { return conns.acquire(key, no_answer); }};
    }

    fake::network net;
    pool::manual_clock clock;
    pool_type conns;
};

}  // namespace bounded_pools
