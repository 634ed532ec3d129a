// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <functional>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include <bounded/model_queue.hpp>

/// @file
/// The steps of the reference model, and the closes between them.

namespace bounded_models {

/// An operation is made of steps, and of closes, checks and dials between them, in which other operations may run. So
/// the model stops at each of these:
///
///     give_back(id);                  // its first step
///     while (...) close_begins(next); // ends the close before, and goes on to the next one
///     end_operation(count);           // ends the last close
///
///     try_acquire(of, found);         // its first step
///     is_checking(id), check_ends(...);
///     end_operation(count);
class model_steps : public model_queue {
public:
    using model_queue::model_queue;

    /// The close of a connection begins. Returns whether it is this one's turn.
    bool close_begins(int id) {
        if (operations_.empty()) return false;
        if (std::exchange(operations_.back().has_begun, false)) {
            finish_close();
            advance();
        }
        operations_.back().has_begun = true;
        return operations_.back().closing == id;
    }

    /// The operation returns. Returns whether all of its closes were made. Sets how many it has retired itself.
    bool end_operation(std::size_t& count) {
        if (std::exchange(operations_.back().has_begun, false)) {
            finish_close();
            advance();
        }
        const bool is_done = operations_.back().closing == 0 && !is_waiting_for_code();
        count = operations_.back().count;
        operations_.pop_back();
        return is_done;
    }

    /// Whether the operation that is under way checks this connection now.
    bool is_checking(int id) {
        end_closes();
        return !operations_.empty() && operations_.back().checking == id;
    }
    void check_ends(bool is_good) {
        operation& under_way = operations_.back();
        const int id = std::exchange(under_way.checking, 0);
        if (is_good) passed_check(id);
        else replace_found(id);
        advance();
    }

    /// Whether it dials now, ahead of callers.
    bool is_dialing_ahead() {
        end_closes();
        return !operations_.empty() && operations_.back().dials_for != nullptr;
    }
    /// The dial has opened this connection, or none.
    void dial_ahead_ends(int id) {
        request& asking = *std::exchange(operations_.back().dials_for, nullptr);
        operations_.back().steps.push_back([this, &asking, id] { return end_dial_ahead(asking, id); });
        advance();
    }

protected:
    ~model_steps() = default;

    static constexpr std::size_t later = 0;  ///< closes nothing
    static constexpr std::size_t every = std::numeric_limits<std::size_t>::max();

    /// How many connections the caller of a step closes at most, other than those that are retired meanwhile.
    struct closes {
        std::size_t most;
        std::size_t count = 0;  ///< what the operation returns
    };
    using step = std::function<closes()>;

    struct operation {
        std::vector<step> steps{};
        std::size_t next = 0;       ///< step
        std::size_t left = 0;       ///< closes
        int closing = 0;            ///< the connection that it closes
        bool has_begun = false;     ///< that close
        bool is_of_dial = false;    ///< that connection was never lent: its dial was outdated
        std::size_t count = 0;      ///< its result
        request* closer = nullptr;  ///< the caller that closes, for its own request
        bool closes_one = false;    ///< it goes on to no other close

        std::optional<int>* found = nullptr;  ///< what a look-up finds, which is checked
        step look_up{};                       ///< finds another one
        step at_end{};                        ///< with what was found
        int checking = 0;                     ///< the connection that it checks
        int unhealthy = 0;                    ///< connections that it has checked

        step dial_ahead{};              ///< the step before a dial, as long as there are more
        request* dials_for = nullptr;   ///< the dial that runs
        std::size_t* opened = nullptr;  ///< counts those that went well
        int outdated_dials = 0;         ///< since then
    };

    /// As many as this step has retired, and one of another caller.
    closes own() const { return {retired_in_step_.size() + 1}; }
    closes counted() const { return {every, retired_in_step_.size()}; }

    void begin(std::vector<step> steps) { begin(operation{.steps = std::move(steps)}); }
    void begin(operation begun) {
        operations_.push_back(std::move(begun));
        advance();
    }

    /// Goes on to the next close, or to the end.
    void advance() {
        for (;;) {
            operation& under_way = operations_.back();
            if (under_way.closing != 0 || is_waiting_for_code()) return;
            if (under_way.next == under_way.steps.size()) go_on(under_way);
            if (is_waiting_for_code()) return;
            if (under_way.next != under_way.steps.size()) {
                retired_in_step_.clear();
                const std::size_t before = retired_.size();
                const step next = under_way.steps[under_way.next++];  // it may add others
                const closes who = next();
                for (auto of = retired_in_step_.rbegin(); of != retired_in_step_.rend(); ++of) touch(*of);
                serve();
                under_way.count += who.count;
                under_way.left = who.most;
                const std::size_t fresh = left(retired_.size(), before);
                if (who.most != later) under_way.closing = claim();
                call_to_close(fresh - (fresh != 0 && under_way.closing != 0 && before == 0));
            } else {
                return;
            }
        }
    }

    /// A close has returned: its permit is free.
    void finish_close() {
        operation& under_way = operations_.back();
        if (std::exchange(under_way.is_of_dial, false)) {
            under_way.closing = 0;
            return;
        }
        retired_in_step_.clear();
        const std::size_t before = retired_.size();
        end_close(std::exchange(under_way.closing, 0));
        if (under_way.closer != nullptr) end_close_for(*under_way.closer);
        serve();
        const bool may_go_on = --under_way.left != 0;
        under_way.left += !may_go_on && !retired_in_step_.empty() && !under_way.closes_one;
        const std::size_t fresh = left(retired_.size(), before);
        if (under_way.left != 0) under_way.closing = claim();
        call_to_close(fresh - (fresh != 0 && under_way.closing != 0 && before == 0));
    }

    /// A dial was outdated: its connection is closed, before the step `then`.
    closes close_outdated(int id, const step& then) {
        operation& under_way = operations_.back();
        under_way.closing = id;
        under_way.is_of_dial = true;
        under_way.steps.push_back([this, id, then] {
            ++figures_.outdated_dials;
            figures_.failed_closes += close_throws(id);
            return then();
        });
        return {later};
    }

    /// The end of a dial ahead.
    virtual closes end_dial_ahead(request& asking, int id) = 0;

    /// Drops a connection that was lent, and is not healthy. Only if the pool is closed, nobody else comes to close it.
    closes drop(int sick) {
        retire_unhealthy(sick);
        return {is_closed_ ? 1u : 0u};
    }

    std::vector<operation> operations_;  ///< those within a close of another come after it

private:
    bool is_waiting_for_code() const {
        return operations_.back().checking != 0 || operations_.back().dials_for != nullptr;
    }

    /// A check or a dial has begun, so the close before has ended.
    void end_closes() {
        if (operations_.empty() || !std::exchange(operations_.back().has_begun, false)) return;
        finish_close();
        advance();
    }

    /// All steps so far are made.
    void go_on(operation& under_way) {
        if (under_way.found != nullptr && *under_way.found) {
            if (is_unchecked(**under_way.found)) under_way.checking = **under_way.found;
            else if (under_way.at_end) under_way.steps.push_back(std::exchange(under_way.at_end, nullptr));
        } else if (under_way.dial_ahead) {
            under_way.steps.push_back(under_way.dial_ahead);
        }
    }

    /// Looks for another connection, unless there were two.
    void replace_found(int sick) {
        operation& under_way = operations_.back();
        under_way.found->reset();
        if (++under_way.unhealthy != 2) under_way.steps.push_back(under_way.look_up);
        else ++figures_.misses;
        under_way.steps.push_back([this, sick] { return drop(sick); });
        operations_.back().closes_one = true;
    }
};

}  // namespace bounded_models
