// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include <bounded/model_queue.hpp>

/// @file
/// The steps of the reference model, and the closes between them.

namespace bounded_models {

/// An operation is made of steps, and of closes between them, in which other operations may run. So the model stops at
/// each close:
///
///     give_back(id);                  // its first step
///     while (...) close_begins(next); // ends the close before, and goes on to the next one
///     end_operation(count);           // ends the last close
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
        const bool is_done = operations_.back().closing == 0;
        count = operations_.back().count;
        operations_.pop_back();
        return is_done;
    }

protected:
    static constexpr std::size_t later = 0;  ///< closes nothing
    static constexpr std::size_t every = std::numeric_limits<std::size_t>::max();

    /// How many connections the caller of a step closes at most, other than those that are retired meanwhile.
    struct closes {
        std::size_t most;
        std::size_t count = 0;  ///< what the operation returns
    };
    using step = std::function<closes()>;

    struct operation {
        std::vector<step> steps;
        std::size_t next = 0;       ///< step
        std::size_t left = 0;       ///< closes
        int closing = 0;            ///< the connection that it closes
        bool has_begun = false;     ///< that close
        std::size_t count = 0;      ///< its result
        request* closer = nullptr;  ///< the caller that closes, for its own request
    };

    /// As many as this step has retired, and one of another caller.
    closes own() const { return {retired_in_step_.size() + 1}; }
    closes counted() const { return {every, retired_in_step_.size()}; }

    void begin(std::vector<step> steps) {
        operations_.push_back({.steps = std::move(steps)});
        advance();
    }

    /// Goes on to the next close, or to the end.
    void advance() {
        for (;;) {
            operation& under_way = operations_.back();
            if (under_way.closing != 0) return;
            if (under_way.next != under_way.steps.size()) {
                retired_in_step_.clear();
                const std::size_t before = retired_.size();
                const closes who = under_way.steps[under_way.next++]();
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
        retired_in_step_.clear();
        const std::size_t before = retired_.size();
        end_close(std::exchange(under_way.closing, 0));
        if (under_way.closer != nullptr) end_close_for(*under_way.closer);
        serve();
        const bool may_go_on = --under_way.left != 0;
        under_way.left += !may_go_on && !retired_in_step_.empty() && under_way.closer == nullptr;
        const std::size_t fresh = left(retired_.size(), before);
        if (under_way.left != 0) under_way.closing = claim();
        call_to_close(fresh - (fresh != 0 && under_way.closing != 0 && before == 0));
    }

    std::vector<operation> operations_;  ///< those within a close of another come after it
};

}  // namespace bounded_models
