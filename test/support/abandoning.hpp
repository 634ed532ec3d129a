// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <pool/basic_pool.hpp>
#include <pool/sharded_pool.hpp>

#include <support/leaks.hpp>
#include <support/requests.hpp>

/// @file
/// Pools that are abandoned in the process that has made their connections. So a test sees both sides.

namespace abandoning {

using namespace std::chrono_literals;

/// What has happened to the connections.
struct ledger {
    int dials = 0;
    std::vector<int> spoken, abandoned;  ///< to which a close or a destructor has spoken; their numbers
    std::vector<int> dead;               ///< those that say so
    std::function<void()> on_destroy{};  ///< called by each destructor
};

/// Its destructor speaks to its peer, too, unless it was closed or abandoned.
class session {
public:
    explicit session(ledger& of) : of_{&of}, number_{++of.dials} {}
    session(session&& other) noexcept : of_{other.of_}, number_{std::exchange(other.number_, 0)} {}
    ~session() {
        close();
        if (of_->on_destroy) of_->on_destroy();
    }

    void close() {
        if (number_ != 0) of_->spoken.push_back(std::exchange(number_, 0));
    }
    bool closed() const noexcept { return std::find(of_->dead.begin(), of_->dead.end(), number_) != of_->dead.end(); }
    bool unblocked() const noexcept { return true; }
    std::size_t weight() const noexcept { return 10; }
    void abandon() noexcept { of_->abandoned.push_back(std::exchange(number_, 0)); }

    int number() const noexcept { return number_; }

private:
    ledger* of_;
    int number_;
};
static_assert(pool::abandonable<session>);

/// The same without `abandon`.
class mute_session : public session {
public:
    using session::session;

private:
    using session::abandon;
};
static_assert(!pool::abandonable<mute_session>);

/// A lock that may be with another thread: `is_taken` says so. Each one is new where it is constructed.
struct other_threads_lock {
    void lock() {
        if (std::exchange(is_locked, true) || is_taken) std::abort();
    }
    void unlock() { is_locked = false; }
    bool try_lock() { return !is_taken && !std::exchange(is_locked, true); }

    bool is_locked = false;
    static inline bool is_taken = false;
};

/// A lock that cannot tell.
struct silent_lock {
    void lock() {
        if (std::exchange(is_locked, true)) std::abort();
    }
    void unlock() { is_locked = false; }

    bool is_locked = false;
};

/// A lock that counts its holders, and its ends.
struct counted_lock : std::mutex {
    ~counted_lock() { ++ends; }
    void lock() { std::mutex::lock(), ++held; }
    void unlock() { --held, std::mutex::unlock(); }
    bool try_lock() { return std::mutex::try_lock() && ++held != 0; }

    static inline int held = 0, ends = 0;
};

template <class Conn, class Lock>
using idle_sessions = pool::basic_pool<std::string, Conn, pool::bounded, pool::after_idle, Lock, pool::manual_clock>;
template <class Conn, class Lock>
using open_sessions = pool::basic_pool<std::string, Conn, pool::bounded_open, pool::after_idle, Lock, pool::manual_clock>;
template <class Conn, class Lock>
using shard_sessions = pool::sharded_pool<3, std::string, Conn, pool::bounded, pool::after_idle, Lock, pool::manual_clock>;

/// Pools that can tell whether they are whole.
#define ABANDONED_POOLS                                                                                            \
    idle_sessions<session, std::mutex>, idle_sessions<session, pool::null_mutex>, idle_sessions<session, other_threads_lock>,  \
        idle_sessions<session, pool::adaptive_mutex>, open_sessions<session, std::mutex>,                                  \
        open_sessions<session, pool::null_mutex>, open_sessions<session, other_threads_lock>, shard_sessions<session, std::mutex>, \
        shard_sessions<session, pool::null_mutex>

template <class Pool>
struct fixture {
    using conn = typename Pool::connection_type;
    using lease = typename Pool::lease_type;

    explicit fixture(pool::pool_settings settings = {})
        : conns{std::in_place, capacity(), pool::after_idle{10s}, std::move(settings), clock} {}

    auto dial() {
        return [this](const auto&...) { return conn{all}; };
    }
    void put(const char* key = "a") { conns->put(key, conn{all}); }
    lease lend(const char* key = "a") {
        put(key);
        return conns->try_acquire(key);
    }
    pool::stats figures() const { return conns->stats(); }

    leaks_on_purpose leaks;
    ledger all;
    pool::manual_clock clock;
    std::optional<Pool> conns;

private:
    static auto capacity() {
        if constexpr (Pool::bounds_open) return pool::bounded_open{.max_open = 3};
        else return pool::bounded{};
    }
};

inline std::vector<int> sorted(std::vector<int> numbers) {
    std::sort(numbers.begin(), numbers.end());
    return numbers;
}
using numbers = std::vector<int>;

/// A caller of a pool that has asked, and is never notified. It stays in the lists that it was in.
template <class Pool>
struct forgotten_request final : requests::request<Pool> {
    forgotten_request() : requests::request<Pool>{false} {}
    bool notified() noexcept override { return true; }
};

}  // namespace abandoning
