// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

/// @file
/// What happened in one run, as text.

namespace pool::testing::kernel {

/// A step of a thread: what it does, and to which object. In `what`, a `#` stands for the number.
struct step {
    const char* what = "";
    std::int64_t number = 0;
};

/// The text of a step.
inline std::string text_of(const step& what) {
    std::string text = what.what;
    if (const auto at = text.find('#'); at != std::string::npos) text.replace(at, 1, std::to_string(what.number));
    return text;
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

    /// A line for each step, with the name of its thread. Each thread has a column of its own.
    std::string text(const std::vector<std::string>& names) const {
        std::size_t width = 0;
        for (const std::string& each : names) width = std::max(width, each.size());
        std::string text;
        std::size_t number = 0;
        for (const line& each : lines_) {
            const std::string& name = names[static_cast<std::size_t>(each.thread)];
            const std::string count = each.is_step ? std::to_string(++number) : "";
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
