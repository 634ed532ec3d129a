// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <string>

#include <support/choices.hpp>

/// @file
/// Runs histories: sequences of operations on something and on its model. Each runs in a child process, so that a
/// mistake may show in any way. What fails is shrunk, and then told in words.

namespace histories {

/// Tells a history in words, a line for each operation, if somebody listens. Counts the operations.
class teller {
public:
    explicit teller(bool is_heard) : is_heard_{is_heard} {}

    /// An operation.
    template <class... Parts>
    void operator()(const Parts&... parts) {
        ++operations;
        note(parts...);
    }

    /// Something else.
    template <class... Parts>
    void note(const Parts&... parts) {
        if (!is_heard_) return;
        std::cerr << "    " << std::string(2 * depth, ' ');
        (std::cerr << ... << parts) << std::endl;
    }

    bool is_heard() const { return is_heard_; }
    std::size_t depth = 0;         ///< operations within others
    std::uint64_t operations = 0;  ///< so far

private:
    bool is_heard_;
};

/// What a history finds, it reports by this. It ends the process: what has failed could not go on.
[[noreturn]] inline void fail(const std::string& what) {
    std::cerr << what << std::endl;
    std::abort();
}

/// How much was run.
struct counts {
    std::uint64_t histories = 0;
    std::uint64_t operations = 0;

    counts& operator+=(const counts& other) {
        histories += other.histories;
        operations += other.operations;
        return *this;
    }
};

/// Runs one history with these choices. It asks for an operation after the other. `is_new()` is whether what it does
/// has not been done in an earlier history: only that needs to be checked.
using history = std::function<void(choice_source&, const std::function<bool()>& is_new, teller&)>;

/// How a history that fails is reported.
struct failure {
    std::string text;       ///< the shortest history, in words, and where it was found
    choice_groups choices;  ///< its choices
    std::size_t operations_before = 0;
    std::size_t tries = 0;  ///< to shrink it
};

/// Runs histories of so many operations, with the seeds from `first` to `last`. Returns how much it has run; fails the
/// test case if a history fails.
counts run_at_random(const history& run, std::uint64_t first, std::uint64_t last, std::size_t operations);

// The longest histories that are run in every way: of the main operations, and of all.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)  // slower by far
inline constexpr std::size_t main_length = 4, whole_length = 2;
#else
inline constexpr std::size_t main_length = 6, whole_length = 4;
#endif

/// Runs all histories of at most so many operations, the shortest first.
counts run_every_way(const history& run, std::size_t operations);

/// The same for one seed, and for one number of operations. Returns whether one fails, and sets `found`.
bool find_at_random(const history& run, std::uint64_t seed, std::size_t operations, counts& all, failure& found);
bool find_in_every_way(const history& run, std::size_t operations, counts& all, failure& found);

}  // namespace histories
