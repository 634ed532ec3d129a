// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>

#include <pool/policies/capacity.hpp>
#include <pool/policies/clock.hpp>

/// @file
/// What the decisions of a step depend on, other than the state of the pool.

namespace pool::core {

/// How many of the connections that nobody closes yet a step closes, after its own work.
enum class closing : unsigned char {
    later,        ///< none: its caller has looked something up, and must not be late
    own,          ///< as many as it has retired
    own_and_one,  ///< one more: its caller has finished with a connection, and makes a close that a look-up has left
    all,          ///< all: its caller sweeps
};

/// The bounds, the time, where a step puts the connections that have to be closed, and how much it may do.
///
/// The time is read when it is first asked for, and is the same from then on. So a step in which nobody waits does not
/// read the clock.
template <class CapacityPolicy, clock_policy Clock, class Entries>
class moment {
public:
    using time_point = typename Clock::time_point;  ///< of the clock

    /// How many connections and requests one step touches at most. Then it has to release the lock, so that no other
    /// thread waits long for it.
    static constexpr std::size_t batch = 128;

    /// A moment whose time is not read yet.
    moment(const CapacityPolicy& its_bounds, const Clock& clock, Entries& to_close) noexcept
        : bounds{its_bounds},
          retired{to_close},
          clock_{clock} {}

    /// The time.
    [[gnu::always_inline]] time_point now() {
        if (!now_) now_ = clock_.now();
        return *now_;
    }

    /// How long a request that waits may be overtaken.
    std::chrono::nanoseconds patience() const noexcept {
        if constexpr (patient<CapacityPolicy>) return bounds.patience();
        else return {};
    }

    /// The bound on the weight of all idle connections.
    std::size_t max_idle_weight() const noexcept { return core::weight_bound(bounds); }

    /// Whether the step has to end, because it has done enough.
    bool is_over() const noexcept { return budget == 0; }

    /// Takes note that the step has touched one more connection or request.
    void spend() noexcept {
        if (budget != 0) --budget;
    }

    const CapacityPolicy& bounds;  ///< the answers of the capacity policy
    Entries& retired;              ///< where to put the connections that have to be closed
    std::size_t budget = batch;    ///< what is left of the batch

private:
    const Clock& clock_;
    std::optional<time_point> now_;
};

}  // namespace pool::core
