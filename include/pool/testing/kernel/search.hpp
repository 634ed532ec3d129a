// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// @file
/// The search through all schedules: which of several options is taken, in this run and in the next one.

namespace pool::testing::kernel {

/// How a thread may go on.
enum class way : signed char {
    run,       ///< with its next step
    time_out,  ///< its wait ends, because its time is over
    wake_up,   ///< its wait ends for no reason
    notified,  ///< it is the one of several that is notified
};

/// What may happen next.
struct option {
    int thread;
    way how;
    friend bool operator==(const option&, const option&) = default;
};

/// The objects that a piece of a run has looked at and changed, a bit for each. Two objects may have one bit.
struct footprint {
    std::uint64_t read = 0;
    std::uint64_t written = 0;

    /// Of the test: what the kit does not know, or time.
    static footprint of_world() noexcept { return {0, 1}; }
    /// Of a lock or condition variable: 31 bits are for these.
    static footprint of_kit(int object) noexcept { return {0, std::uint64_t{1} << (1 + object % 31)}; }
    /// Of an object of the test: 32 bits are for these.
    static footprint of_test(std::int64_t object) noexcept { return {0, std::uint64_t{1} << (32 + object % 32)}; }

    /// Whether the order of two pieces may matter.
    bool conflicts_with(const footprint& other) const noexcept {
        return ((written & (other.read | other.written)) | (read & other.written)) != 0;
    }
};

/// Goes through all schedules, depth first. A *choice* is a point of a run at which several things may happen. A run
/// repeats the choices of the one before it, changes the last that can be changed, and then takes the first option at
/// each choice. In each list the first option must be that the running thread goes on, if it can.
///
/// With `preemptions`, it leaves out the schedules in which more threads are stopped although they could go on
/// (Musuvathi and Qadeer, "Iterative context bounding", 2007).
///
/// With `skips_equivalent`, it leaves out most schedules that differ from one that it has run only in the order of
/// pieces that have nothing in common ("sleep sets": Godefroid, "Partial-order methods", 1996, chapter 5). An option
/// that was tried sleeps in the rest of the search below its choice, until something happens that it conflicts with.
class search {
public:
    static constexpr int any_number = std::numeric_limits<int>::max();
    static constexpr std::size_t none = std::numeric_limits<std::size_t>::max();

    explicit search(int preemptions = any_number, bool skips_equivalent = false) noexcept
        : most_{preemptions},
          skips_{skips_equivalent} {}

    /// Takes the choices of a replay instead, a letter for each. Where it has no more, it takes the first option.
    explicit search(std::string_view replay) : replay_{replay} {}

    /// Before a run.
    void begin() {
        depth_ = 0;
        preemptions_ = 0;
        is_redundant_ = false;
        touched_ = {};
        letters_.clear();
    }

    /// Which one to take; `none` if the test does not offer what it offered in the run before. `running` is the thread
    /// that could go on, or -1. `place` tells this place of the test from others.
    std::size_t choose(const std::vector<option>& options, int running, std::uint64_t place = 0) {
        finish_piece();
        if (!replay_.empty()) return take(options, repeated(options), running);
        if (is_redundant_ || (options.size() == 1 && !skips_)) return take(options, 0, running);
        if (depth_ < length_) {
            const choice& known = path_[depth_];
            if (known.options != options || known.place != place) return none;
            ++depth_;
            return take(options, known.taken, running);
        }
        choice& fresh = lengthen(options, running, place);
        if (!settle(fresh)) {  // whatever it does now has been tried: let it end
            is_redundant_ = true;
            --length_;
            return take(options, 0, running);
        }
        ++depth_;
        return take(options, fresh.taken, running);
    }

    /// Begins anew, because the test has more choices than was known.
    void restart() noexcept {
        length_ = 0;
        was_bounded_ = false;
    }

    /// Between two choices, a run looks at objects and changes them.
    void touch(const footprint& what) noexcept {
        touched_.read |= what.read;
        touched_.written |= what.written;
    }

    /// After a run: whether there is another one.
    bool next() {
        finish_piece();
        for (; length_ > 0; --length_) {
            choice& last = path_[length_ - 1];
            if (skips_) last.asleep.push_back({last.options[last.taken], last.touched});
            ++last.taken;
            if (settle(last)) return true;
        }
        return false;
    }

    /// Whether the run has come to all choices that it was to repeat. If not, the test has done something else.
    bool has_repeated() const noexcept { return depth_ == length_ || is_redundant_; }

    /// How many choices this run has come to.
    std::size_t choices() const noexcept { return letters_.size(); }

    /// What may happen next in the run before, if this one does not do the same.
    const std::vector<option>& expected() const noexcept { return path_[depth_].options; }

    /// The next letter of a replay: `no_letter` if it has no more.
    char next_letter() const noexcept {
        return letters_.size() < replay_.size() ? replay_[letters_.size()] : no_letter;
    }

    static constexpr char no_letter = '\0';
    static constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

    bool was_bounded() const noexcept { return was_bounded_; }  ///< whether a schedule was left out for its preemptions
    bool is_redundant() const noexcept { return is_redundant_; }      ///< whether this run is one that was done
    int preemptions() const noexcept { return preemptions_; }         ///< of this run
    const std::string& letters() const noexcept { return letters_; }  ///< the choices of this run: its replay

private:
    struct tried {
        option what;
        footprint touched;  ///< until the next choice
    };
    struct choice {
        std::vector<option> options;
        std::vector<tried> asleep;
        std::uint64_t place = 0;
        std::size_t taken = 0;
        int running = -1;
        int preemptions = 0;  ///< before it
        footprint touched;    ///< since, by what was taken
    };

    static bool is_preemption(const option& what, int running) noexcept {
        return running != -1 && what.how == way::run && what.thread != running;
    }

    /// To the first option, from the taken one on, that is to be tried.
    bool settle(choice& at) {
        for (; at.taken < at.options.size(); ++at.taken) {
            const option& what = at.options[at.taken];
            const auto is_this = [&](const tried& each) { return each.what == what; };
            if (std::any_of(at.asleep.begin(), at.asleep.end(), is_this)) continue;
            if (at.preemptions < most_ || !is_preemption(what, at.running)) return true;
            was_bounded_ = true;
        }
        return false;
    }

    choice& lengthen(const std::vector<option>& options, int running, std::uint64_t place) {
        if (length_ == path_.size()) path_.emplace_back();
        choice& fresh = path_[length_++];
        fresh.options = options;
        fresh.asleep.clear();
        fresh.place = place;
        fresh.taken = 0;
        fresh.running = running;
        fresh.preemptions = preemptions_;
        if (skips_ && length_ > 1) {
            const choice& last = path_[length_ - 2];
            for (const tried& each : last.asleep) {
                const bool sleeps_on =
                    each.what.thread != last.options[last.taken].thread && !each.touched.conflicts_with(last.touched);
                if (sleeps_on) fresh.asleep.push_back(each);
            }
        }
        return fresh;
    }

    std::size_t take(const std::vector<option>& options, std::size_t which, int running) {
        if (which >= options.size()) return none;
        preemptions_ += is_preemption(options[which], running);
        if (options.size() > 1) letters_ += alphabet[which];
        return which;
    }

    std::size_t repeated(const std::vector<option>& options) const {
        if (options.size() == 1 || letters_.size() >= replay_.size()) return 0;
        return alphabet.find(replay_[letters_.size()]);
    }

    void finish_piece() noexcept {
        if (depth_ > 0 && !is_redundant_) path_[depth_ - 1].touched = touched_;
        touched_ = {};
    }

    int most_ = any_number;
    bool skips_ = false;
    std::string replay_;

    std::vector<choice> path_;  ///< the choices of this run, of which some at the end may be left from other runs
    std::size_t length_ = 0;    ///< how many are of this run
    std::size_t depth_ = 0;     ///< how many it has come to
    int preemptions_ = 0;
    bool is_redundant_ = false;
    bool was_bounded_ = false;
    footprint touched_;
    std::string letters_;
};

}  // namespace pool::testing::kernel
