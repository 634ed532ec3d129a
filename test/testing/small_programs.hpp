// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include <support/chance.hpp>

/// @file
/// Small programs of a few threads: what they may do, and what is seen of it. An exploration runs them, and a reference.

namespace small_programs {

constexpr int lock_count = 3;
constexpr int condition_count = 2;
constexpr int object_count = 2;

enum class act {
    lock,
    unlock,
    try_lock,
    wait,
    wait_until,
    notify_one,
    notify_all,
    write_guarded,  ///< what a lock guards
    write_object,   ///< what no lock guards, but has a number
    write_world,    ///< what no lock guards
    read_clock,
    advance,
};

/// What a thread does next.
struct operation {
    act what;
    int object = 0;  ///< the number of a lock, of a condition variable, or of what is written
    int lock = 0;    ///< of a wait: the number of its lock
    int number =
        0;  ///< of a wait: its deadline; of `advance`: by how much; of `try_lock`: how many operations a failure skips
};

/// The operations of each thread. The threads have the numbers from 1 on.
using program = std::vector<std::vector<operation>>;

inline std::string text_of(const operation& each) {
    constexpr std::array names{"lock", "unlock", "try_lock", "wait", "wait_until", "notify_one", "notify_all",
        "write_guarded", "write_object", "write_world", "read_clock", "advance"};
    return std::string{names[static_cast<std::size_t>(each.what)]} + '(' + std::to_string(each.object) + ", " +
           std::to_string(each.lock) + ", " + std::to_string(each.number) + ") ";
}

inline std::string text_of(const program& threads) {
    std::string text;
    for (const auto& each : threads) {
        text += "\n  ";
        for (const operation& next : each) text += text_of(next);
    }
    return text;
}

/// What the threads write, and what each has seen.
struct memory {
    explicit memory(std::size_t threads) : seen(threads) {}

    void note(int thread, const std::string& what) { seen[static_cast<std::size_t>(thread - 1)] += what + ' '; }

    /// Makes a write. The value that is left tells in which order the threads have written.
    void write(int thread, const operation& how) {
        const auto number = static_cast<std::size_t>(how.object);
        int& value = how.what == act::write_guarded  ? guarded[number]
                     : how.what == act::write_object ? objects[number]
                                                     : world;
        value = value * 5 + thread;
        note(thread, std::to_string(value));
    }

    std::string text() const {
        std::string text;
        for (const std::string& each : seen) text += each + "| ";
        for (const int each : guarded) text += std::to_string(each) + ' ';
        for (const int each : objects) text += std::to_string(each) + ' ';
        return text + std::to_string(world);
    }

    std::vector<std::string> seen;  ///< by each thread
    std::array<int, lock_count> guarded{};
    std::array<int, object_count> objects{};
    int world = 0;
};

/// What an invariant can see.
inline std::string state_text(const memory& all, long now, std::size_t asleep) {
    return all.text() + " at " + std::to_string(now) + ", asleep: " + std::to_string(asleep);
}

/// How many there are for the threads to share: the fewer, the more they meet.
struct shared_counts {
    int locks;
    int conditions;
};

/// Appends what a thread may do while it has a lock.
inline void add_locked_operations(std::vector<operation>& to, chance& by, const shared_counts& counts, int lock) {
    const int condition = static_cast<int>(by.below(static_cast<std::size_t>(counts.conditions)));
    const bool may_wait = condition % counts.locks == lock;  // all that wait at one wait with one lock
    switch (by.below(may_wait ? 9 : 6)) {
    case 0:
        return to.push_back({act::write_guarded, lock});
    case 1:
        return to.push_back({act::write_object, static_cast<int>(by.below(object_count))});
    case 2:
        return to.push_back({act::notify_one, condition});
    case 3:
        return to.push_back({act::notify_all, condition});
    case 4:
        return to.push_back(by.one_in(2) ? operation{act::advance, 0, 0, 3} : operation{act::read_clock});
    case 5: {
        const int inner = (lock + 1 + static_cast<int>(by.below(lock_count - 1))) % lock_count;
        to.push_back({act::lock, inner});
        if (condition % counts.locks == inner) to.push_back({act::wait_until, condition, inner, 5});
        to.insert(to.end(), {{act::write_guarded, inner}, {act::unlock, inner}});
        return;
    }
    case 6:
        return to.push_back({act::wait, condition, lock});
    default:
        return to.push_back({act::wait_until, condition, lock, by.any_of(2, 5)});
    }
}

/// Appends a few operations that belong together.
inline void add_operations(std::vector<operation>& to, chance& by, const shared_counts& counts) {
    const int lock = static_cast<int>(by.below(static_cast<std::size_t>(counts.locks)));
    const int condition = static_cast<int>(by.below(static_cast<std::size_t>(counts.conditions)));
    switch (by.below(12)) {
    case 0:
        return to.push_back({act::write_world});
    case 1:
        return to.push_back({act::write_object, static_cast<int>(by.below(object_count))});
    case 2:
        return to.push_back({by.one_in(2) ? act::notify_one : act::notify_all, condition});
    case 3:
        return to.push_back({act::advance, 0, 0, 3});
    case 4:
        return to.push_back({act::read_clock});
    case 5:
        to.insert(to.end(), {{act::try_lock, lock, 0, 2}, {act::write_guarded, lock}, {act::unlock, lock}});
        return;
    default:
        to.push_back({act::lock, lock});
        for (std::size_t left = 1 + by.below(3); left != 0; --left) add_locked_operations(to, by, counts, lock);
        to.push_back({act::unlock, lock});
    }
}

/// A program of two to four threads. The more threads, the shorter they are.
inline program random_program(chance& by) {
    program threads(by.any_of(2U, 2U, 2U, 3U, 3U, 4U));
    const shared_counts counts{
        1 + static_cast<int>(by.below(lock_count)), 1 + static_cast<int>(by.below(condition_count))};
    for (auto& each : threads) add_operations(each, by, counts);
    for (std::size_t more = by.below(5 - threads.size()); more != 0; --more)
        add_operations(threads[by.below(threads.size())], by, counts);
    return threads;
}

}  // namespace small_programs
