// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include <pool/testing/kernel/logical_thread.hpp>
#include <pool/testing/kernel/sanitizers.hpp>
#include <pool/testing/kernel/schedule.hpp>
#include <pool/testing/kernel/search.hpp>

/// @file
/// Why a run cannot go on, in words.

namespace pool::testing::kernel {

/// The steps of a run.
inline std::string text_of(const schedule& made, const logical_threads& threads) {
    std::vector<std::string> names;
    for (const auto& each : threads) names.push_back(each->name);
    return made.text(names);
}

/// What to print when the program ends in a run, while a thread of it goes on. `known` is what another run has found.
inline std::string last_words_of(const schedule& made, const logical_threads& threads, const logical_thread& running,
    const search& by, const std::string& known) {
    return "pool: the program ends in a schedule that is explored:\n\n" + text_of(made, threads) + "\nnow " +
           running.name + " goes on; replay: " + by.letters() + '\n' +
           (known.empty() ? "" : "\nanother schedule has failed before: " + known);
}

/// What may happen next.
inline std::string text_of(const std::vector<option>& options, const logical_threads& threads) {
    std::string text;
    for (const option& each : options) {
        if (!text.empty()) text += ", or ";
        text += threads[static_cast<std::size_t>(each.thread)]->name;
        switch (each.how) {
        case way::run:
            text += " goes on";
            break;
        case way::time_out:
            text += " times out";
            break;
        case way::wake_up:
            text += " wakes up for no reason";
            break;
        case way::notified:
            text += " is notified";
        }
    }
    return text;
}

/// Why the search cannot choose one of these options.
inline std::string why_none_fits(const search& by, const std::vector<option>& options, const logical_threads& threads) {
    if (const char letter = by.next_letter(); letter != search::no_letter) {
        return "this replay is not of this test: its letter " + std::to_string(by.choices() + 1) + " is '" + letter +
               "', but the last option there is '" + search::alphabet[options.size() - 1] + '\'';
    }
    const std::string different = "the test does not do the same in each run. ";
    if (by.expected() != options) {
        return different + "In the run before, at this place: " + text_of(by.expected(), threads) +
               ". Now: " + text_of(options, threads);
    }
    std::string next;
    for (const auto& each : threads) {
        if (each->where == logical_thread::state::ready && each->next.step.what[0] != '\0')
            next += "\n  " + each->name + ' ' + text_of(each->next.step);
    }
    return different + "At this place, the next step of a thread was another one in the run before. Now:" + next;
}

/// What tells a place of a run from others: the next steps of all threads.
inline std::uint64_t place_of(const logical_threads& threads) noexcept {
    std::uint64_t place = 0;
    for (const auto& each : threads) {
        if (each->where != logical_thread::state::ready) continue;
        const step& next = each->next.step;
        place = place * 31 + reinterpret_cast<std::uintptr_t>(next.what) + static_cast<std::uint64_t>(next.number);
    }
    return place;
}

/// Calls `f()`. Returns what is wrong if an exception leaves it; otherwise nothing.
template <class F>
std::string exception_of(const F& f, const std::string& who) {
    try {
        f();
        return {};
    } catch (const std::exception& error) {
        const unwatched own;
        return "an exception leaves " + who + ": " + error.what();
    } catch (...) {
        const unwatched own;
        return "an exception leaves " + who + ", which is no std::exception";
    }
}

/// Why a run is stopped that has had so many steps, and so many waits that timed out although a thread could go on.
inline std::string why_it_does_not_end(std::size_t steps, int early_time_outs) {
    const std::string most = "it does not end: more than " + count_of(steps, "step");
    return early_time_outs < 100 ? most : most + ". A wait times out again and again: see limits::early_time_outs";
}

/// What the thread that `wanting` waits for is called.
inline std::string owner_of(const logical_thread& wanting, const logical_threads& threads) {
    const int number = *wanting.next.owner;
    if (number == wanting.number) return "it has";
    const logical_thread& owner = *threads[static_cast<std::size_t>(number)];
    return owner.name + (owner.where == logical_thread::state::done ? " has, and has ended" : " has");
}

/// Why no thread can go on. That of the test waits for the end of the others, while `are_running`.
inline std::string why_none_can_go_on(const logical_threads& threads, const bool& are_running) {
    using state = logical_thread::state;
    std::string why;
    bool is_any_waiting = false;
    for (const auto& each : threads) {
        const bool is_left = each->where == state::ready || each->where == state::waiting;
        if (!is_left || each->next.blocked == &are_running) continue;
        why += "\n  " + each->name;
        if (each->where == state::waiting) {
            is_any_waiting = true;
            why += " waits since step " + std::to_string(each->since);
        } else {
            why += " cannot go on: it " + text_of(each->next.step);
            if (each->next.owner != nullptr) why += ", which " + owner_of(*each, threads);
        }
    }
    return (is_any_waiting ? "a lost wake-up: nobody is left to notify those that wait" : "a deadlock") + why;
}

}  // namespace pool::testing::kernel
