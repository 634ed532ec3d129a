// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <condition_variable>
#include <mutex>
#include <utility>
#include <vector>

/// @file
/// V, the pool that users write when they need only some connections of one peer: a mutex, a condition variable, and a
/// vector.

namespace baselines {

/// The thread that looks first takes a connection, even if other threads have waited for longer.
template <class Conn>
class free_list {
public:
    /// A connection that is lent to a caller.
    class lease {
    public:
        lease(free_list& home, Conn&& conn) : home_{home}, conn_{std::move(conn)} {}
        lease(const lease&) = delete;
        lease& operator=(const lease&) = delete;
        ~lease() { home_.give_back(std::move(conn_)); }
        Conn& operator*() noexcept { return conn_; }

    private:
        free_list& home_;
        Conn conn_;
    };

    explicit free_list(std::vector<Conn> all) : idle_{std::move(all)} {}

    /// Blocks until a connection is free.
    [[nodiscard]] lease acquire() {
        std::unique_lock guard{lock_};
        given_back_.wait(guard, [this] { return !idle_.empty(); });
        Conn taken = std::move(idle_.back());
        idle_.pop_back();
        guard.unlock();
        return {*this, std::move(taken)};
    }

private:
    void give_back(Conn&& conn) {
        {
            const std::lock_guard guard{lock_};
            idle_.push_back(std::move(conn));
        }
        given_back_.notify_one();
    }

    std::mutex lock_;  ///< guards `idle_`
    std::condition_variable given_back_;
    std::vector<Conn> idle_;
};

}  // namespace baselines
