// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <pool/testing/kernel/sanitizers.hpp>
#include <pool/testing/kernel/schedule.hpp>
#include <pool/testing/kernel/search.hpp>
#include <pool/testing/kernel/strand.hpp>

/// @file
/// A thread of a test that is explored.

namespace pool::testing {
class scheduled_condition;
}

namespace pool::testing::kernel {

/// What a thread does next, once `*blocked` is false.
struct pending {
    kernel::step step{};
    const bool* blocked = nullptr;
    const int* owner = nullptr;  ///< of what it wants, by its number
};

struct logical_thread {
    enum class state : unsigned char { absent, ready, waiting, done };

    /// `called` outlives it.
    void begin(const std::string& called, std::function<void()> what) {
        name = called;
        known_as = called.c_str();
        body = std::move(what);
        plan = failures_here().plan;
        next = {{"begins"}};
        where = state::ready;
        locks = 0;
        is_woken = false;
    }

    /// Whether it was woken in time, and may still be late: before it has the lock again.
    bool may_be_late(std::chrono::nanoseconds now) const noexcept {
        return where == state::ready && is_woken && until != std::chrono::nanoseconds::max() && now < until;
    }

    bool can_go_on() const noexcept { return where == state::ready && (next.blocked == nullptr || !*next.blocked); }

    int number = 0;
    std::string name;
    const char* known_as = "";  ///< the same, for another thread
    std::function<void()> body;
    failure_plan* plan = nullptr;  ///< of the thread that called `run`
    std::unique_ptr<kernel::strand> flow;
    state where = state::absent;
    pending next{};
    int locks = 0;                      ///< how many it holds
    bool has_only_taken_locks = false;  ///< since it was last stopped

    // While it waits.
    scheduled_condition* condition = nullptr;
    pending afterwards{};  ///< it takes the lock again
    std::chrono::nanoseconds until{};
    bool is_woken = false;  ///< and does not have the lock again yet
    std::size_t since = 0;  ///< the number of the step
};

/// They will never go on: see `strand::abandon`.
inline void abandon(std::vector<std::unique_ptr<logical_thread>>& threads) {
    for (auto& each : threads) {
        each->flow->abandon();
        leak(each.release());
    }
    threads.clear();
}

/// A vector whose memory is the kit's.
template <class T>
std::vector<T> own_vector(std::initializer_list<T> elements) {
    const unwatched own;
    return elements;
}

using logical_threads = std::vector<std::unique_ptr<logical_thread>>;  ///< by their numbers

/// Lists what may happen next, the running thread first. Returns its number, if it can go on; otherwise -1. A wait may
/// time out, or be late, although a thread can go on, if `may_time_out`, and it may end for no reason, if
/// `may_wake_up`.
inline int list_options(std::vector<option>& options, const logical_threads& threads, const logical_thread& self,
    std::chrono::nanoseconds now, bool may_time_out, bool may_wake_up) {
    options.clear();
    const int running = self.can_go_on() ? self.number : -1;
    if (running != -1) options.push_back({running, way::run});
    for (const auto& each : threads) {
        if (each.get() != &self && each->can_go_on()) options.push_back({each->number, way::run});
    }
    const bool can_any_go_on = !options.empty();
    for (const auto& each : threads) {
        const bool is_waiting = each->where == logical_thread::state::waiting;
        const bool is_timed = is_waiting && each->until != std::chrono::nanoseconds::max();
        if (may_time_out && can_any_go_on && each->may_be_late(now)) options.push_back({each->number, way::time_out});
        if (is_timed && (may_time_out || !can_any_go_on)) options.push_back({each->number, way::time_out});
        if (is_waiting && may_wake_up) options.push_back({each->number, way::wake_up});
    }
    return running;
}

}  // namespace pool::testing::kernel
