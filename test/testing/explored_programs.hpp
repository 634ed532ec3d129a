// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <limits>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <pool/testing/explore.hpp>
#include <pool/testing/scheduled_lock.hpp>
#include <testing/small_programs.hpp>

/// @file
/// Runs small programs in explorations, and collects what is seen in all of their runs.

namespace small_programs {

/// One run of a program in an exploration.
class explored_run {
public:
    explicit explored_run(const program& threads) : threads_{threads}, all_{threads.size()} {}

    /// What an exploration calls.
    void operator()(pool::testing::exploration& test, std::set<std::string>& visible) {
        all_ = memory{threads_.size()};
        objects shared;
        std::vector<pool::testing::exploration::thread> bodies;
        for (std::size_t i = 0; i != threads_.size(); ++i)
            bodies.push_back({"", [&, i] { run(test, shared, threads_[i], static_cast<int>(i) + 1); }});
        test.invariant([&] {
            const std::scoped_lock quiet{mutex_};
            visible.insert(state_text(all_, test.now().count(), test.asleep()));
        });
        test.run(std::move(bodies));
    }

    std::string seen() const { return all_.text(); }

private:
    struct objects {
        std::array<pool::testing::scheduled_lock, lock_count> locks{};
        std::array<pool::testing::scheduled_condition, condition_count> conditions{};
    };

    void run(pool::testing::exploration& test, objects& shared, const std::vector<operation>& own, int me) {
        using std::chrono::nanoseconds;
        const auto note = [&](const std::string& what) {
            const std::scoped_lock quiet{mutex_};
            all_.note(me, what);
        };
        for (std::size_t i = 0; i < own.size(); ++i) {
            const operation& next = own[i];
            const auto object = static_cast<std::size_t>(next.object);
            auto& lock = shared.locks[next.what < act::wait ? object : static_cast<std::size_t>(next.lock)];
            auto& condition = shared.conditions[object % condition_count];
            switch (next.what) {
            case act::lock:
                lock.lock();
                break;
            case act::unlock:
                lock.unlock();
                break;
            case act::try_lock: {
                const bool is_got = lock.try_lock();
                note(is_got ? "got" : "not");
                if (!is_got) i += static_cast<std::size_t>(next.number);
                break;
            }
            case act::wait: {
                std::unique_lock guard{lock, std::adopt_lock};
                condition.wait(guard);
                guard.release();
                break;
            }
            case act::wait_until: {
                std::unique_lock guard{lock, std::adopt_lock};
                const pool::testing::scheduled_clock::time_point until{nanoseconds{next.number}};
                note(condition.wait_until(guard, until) == std::cv_status::timeout ? "late" : "in-time");
                guard.release();
                break;
            }
            case act::notify_one:
                condition.notify_one();
                break;
            case act::notify_all:
                condition.notify_all();
                break;
            case act::write_world:
                test.at("writes");
                write(me, next);
                break;
            case act::write_object:
                test.at("writes object #", next.object);
                write(me, next);
                break;
            case act::write_guarded:
                write(me, next);
                break;
            case act::read_clock:
                test.at("reads the clock");
                note("at" + std::to_string(test.now().count()));
                break;
            case act::advance:
                test.advance(nanoseconds{next.number});
                break;
            }
        }
    }

    void write(int me, const operation& how) {
        const std::scoped_lock quiet{mutex_};
        all_.write(me, how);
    }

    const program& threads_;
    std::mutex mutex_;  ///< for the thread sanitizer: some of it is written without a lock of the exploration
    memory all_;
};

/// What the runs of a search have found.
struct explored {
    std::set<std::string> ends;
    std::set<std::string> stuck;
    std::set<std::string> visible;
    std::string other_failure;
    std::size_t runs = 0;
    std::size_t stuck_runs = 0;
    bool is_complete = true;
    bool has_begun_anew = false;
    std::vector<std::pair<int, std::string>> preemptions;  ///< of each run, and what was seen in it
    int fewest_to_get_stuck = std::numeric_limits<int>::max();
};

/// Runs a program as a search says, also after a run that gets stuck, where `explore` would stop.
inline explored explore_all(const program& threads, pool::testing::kernel::search by,
    const pool::testing::limits& within, std::size_t most_runs, std::size_t most_stuck) {
    explored found;
    explored_run one{threads};
    pool::testing::exploration all{[&](pool::testing::exploration& test) { one(test, found.visible); }, within};
    do {
        all.run_once(by);
        if (all.has_learned()) {
            by.restart();
            found = {};
            found.has_begun_anew = true;
            all.run_once(by);
        }
        ++found.runs;
        const std::string& why = all.failure();
        if (why.empty()) {
            if (!by.is_redundant()) found.ends.insert(one.seen());  // others must have seen that
        } else if (why.starts_with("a deadlock") || why.starts_with("a lost wake-up")) {
            if (!by.is_redundant()) found.stuck.insert(one.seen());
            found.fewest_to_get_stuck = std::min(found.fewest_to_get_stuck, by.preemptions());
            ++found.stuck_runs;
        } else {
            found.other_failure = why + '\n' + all.text();
            return found;
        }
        found.preemptions.emplace_back(by.preemptions(), one.seen());
        if (found.runs == most_runs || found.stuck_runs == most_stuck) found.is_complete = false;
    } while (found.is_complete && by.next());
    return found;
}

}  // namespace small_programs
