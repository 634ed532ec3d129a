// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#include <pool/testing/kernel/sanitizers.hpp>

/// @file
/// What happened in one run, as text.

namespace pool::testing::kernel {

/// A step of a thread: what it does, and to which object. In `what`, a `#` stands for the number, and a `@` for so many
/// nanoseconds.
struct step {
    const char* what = "";
    std::int64_t number = 0;
};

/// A time in the largest unit of which it is a multiple, such as "5 ms".
inline std::string text_of(std::chrono::nanoseconds time) {
    struct unit {
        std::int64_t length;
        const char* name;
    };
    constexpr std::array<unit, 4> units{{{1'000'000'000, " s"}, {1'000'000, " ms"}, {1'000, " us"}, {1, " ns"}}};
    const auto* of = units.begin();
    while (time.count() % of->length != 0) ++of;
    return std::to_string(time.count() / of->length) + of->name;
}

/// The text of a step.
inline std::string text_of(const step& what) {
    std::string text = what.what;
    if (const auto at = text.find('#'); at != std::string::npos) text.replace(at, 1, std::to_string(what.number));
    if (const auto at = text.find('@'); at != std::string::npos)
        text.replace(at, 1, text_of(std::chrono::nanoseconds{what.number}));
    return text;
}

/// A number of things, such as "1 copy" or "2 copies".
inline std::string count_of(std::uint64_t count, const std::string& one, const std::string& several) {
    return std::to_string(count) + ' ' + (count == 1 ? one : several);
}

/// The same, for things whose plural ends in an "s".
inline std::string count_of(std::uint64_t count, const std::string& what) { return count_of(count, what, what + 's'); }

/// Has an `operator<<`.
template <class T>
concept printable = requires(std::ostream& out, const T& value) { out << value; };

/// These, as `<<` prints them, one after the other.
template <class... Printed>
std::string printed(const Printed&... each) {
    const unwatched own;
    std::ostringstream text;
    (text << ... << each);
    return text.str();
}

/// The steps of one run, in their order.
class schedule {
public:
    void clear() noexcept {
        lines_.clear();
        steps_ = 0;
    }

    /// A thread has made a step.
    void add(int thread, const step& made) {
        lines_.push_back({thread, made, true});
        ++steps_;
    }

    /// A thread is stopped before its next step, although it could go on.
    void add_stop(int thread, const step& next) { lines_.push_back({thread, next, false}); }

    std::size_t steps() const noexcept { return steps_; }

    /// A line for each step, with the name of its thread. Of a long run, the first lines and the last ones.
    std::string text(const std::vector<std::string>& names) const {
        constexpr std::size_t first = 50, last = 150;
        std::size_t width = 0;
        for (const std::string& each : names) width = std::max(width, each.size());
        std::string text;
        std::size_t number = 0;
        const std::size_t left_out = lines_.size() > first + last ? lines_.size() - first - last : 0;
        for (std::size_t i = 0; i != lines_.size(); ++i) {
            const line& each = lines_[i];
            number += each.is_step;
            if (i >= first && i < first + left_out) continue;
            if (left_out != 0 && i == first + left_out)
                text += "       ... " + count_of(left_out, "line") + " left out\n";
            const std::string& name = names[static_cast<std::size_t>(each.thread)];
            const std::string count = each.is_step ? std::to_string(number) : "";
            text += std::string(count.size() < 5 ? 5 - count.size() : 0, ' ') + count + "  ";
            text += name + std::string(width - name.size() + 2, ' ');
            text += each.is_step ? text_of(each.made) : "-- is stopped here; its next step: " + text_of(each.made);
            text += '\n';
        }
        return text;
    }

private:
    struct line {
        int thread;
        step made;
        bool is_step;
    };

    std::vector<line> lines_;
    std::size_t steps_ = 0;
};

}  // namespace pool::testing::kernel
