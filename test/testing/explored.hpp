// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <mutex>
#include <set>
#include <string>

#include <doctest/doctest.h>

#include <pool/testing/explore.hpp>
#include <pool/testing/scheduled_lock.hpp>

/// @file
/// What is explored in several tests.

namespace explored {

using pool::testing::exploration;
using pool::testing::explore;
using pool::testing::findings;
using pool::testing::limits;
using pool::testing::scheduled_condition;
using pool::testing::scheduled_lock;

/// What threads write without a lock of the exploration. Its mutex keeps the thread sanitizer quiet.
class notes {
public:
    void add(char what) {
        const std::lock_guard guard{mutex_};
        text_ += what;
    }
    std::string text() const {
        const std::lock_guard guard{mutex_};
        return text_;
    }

private:
    mutable std::mutex mutex_;
    std::string text_;
};

inline bool says(const findings& found, const std::string& what) { return found.text.find(what) != std::string::npos; }

/// The results of a test in all its schedules, without repetition.
template <class Test>
std::set<std::string> outcomes(const Test& test, const limits& within = {}) {
    std::set<std::string> all;
    const findings found = explore([&](exploration& run) { all.insert(test(run)); }, within);
    INFO(found.text);
    CHECK(found.all);
    return all;
}

/// Two threads that add to a number in two steps: they read it, and write it later.
inline void add_in_two_steps(exploration& test) {
    scheduled_lock lock;
    int number = 0;
    const auto add = [&] {
        int read = 0;
        {
            const std::lock_guard guard{lock};
            read = number;
        }
        const std::lock_guard guard{lock};
        number = read + 1;
    };
    test.run({{"one", add}, {"two", add}});
    test.require(number == 2, "both have added");
}

/// Takes two locks, in one order or in the other.
inline void take_crosswise(exploration& test) {
    scheduled_lock first;
    scheduled_lock second;
    test.run({{"one",
                  [&] {
                      const std::lock_guard outer{first};
                      const std::lock_guard inner{second};
                  }},
        {"two", [&] {
             const std::lock_guard outer{second};
             const std::lock_guard inner{first};
         }}});
}

}  // namespace explored
