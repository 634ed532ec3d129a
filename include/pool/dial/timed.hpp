// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <stdexcept>
#include <string>
#include <utility>

#include <pool/core/dial_with.hpp>
#include <pool/core/limit.hpp>
#include <pool/core/refused.hpp>
#include <pool/core/runs_later.hpp>
#include <pool/core/saturating.hpp>
#include <pool/dial.hpp>
#include <pool/policies/clock.hpp>

/// @file
/// A dial with a limit of its own.

namespace pool {

/// A dial around another dial, which gets a tighter deadline in its context: the earlier one of the caller's deadline
/// and the limit from now. It saturates. The wrapped dial has to heed its context; a dial that takes none is refused.
/// The stop token is passed on as it is. Asynchronous dials are refused, too, because they may use the context later.
///
/// Together with `backing_off`: in `backing_off{timed(3s, dial)}` each dial that is made has three seconds, and one
/// that has used them up has failed. `timed(3s, backing_off{dial})` does the same, because a `backing_off` never waits
/// and passes the context on; it also reads the clock where nothing is dialled. So take the first form.
///
/// Copies are independent. Any threads may call it at once, if the wrapped dial allows that. It adds one look at the
/// clock to a dial.
///
/// @code
/// pool::bounded_pool<std::string, session> sessions{{}, pool::timed(3s, dial)};
/// @endcode
template <class Dial, class Clock = std::chrono::steady_clock>
class timed {
    static_assert(
        clock_policy<Clock> && std::same_as<typename Clock::time_point, std::chrono::steady_clock::time_point>,
        "pool: the clock of timed must be steady, and have the time points of std::chrono::steady_clock, as a "
        "deadline");

public:
    /// `limit` is any duration, in the range of nanoseconds. Throws `std::invalid_argument` if it is not more than
    /// zero, because no dial could succeed, and what the moves of the dial and of the clock throw.
    template <class Rep, class Period>
    timed(std::chrono::duration<Rep, Period> limit, Dial dial, Clock clock = Clock{})
        : limit_{core::saturating_cast<std::chrono::nanoseconds>(limit)},
          dial_{std::move(dial)},
          clock_{std::move(clock)} {
        if (limit_ <= limit_.zero())
            throw std::invalid_argument{"pool: the limit of a timed dial is " + std::to_string(limit_.count()) +
                                        " ns, and must be more than 0 ns"};
    }

    /// Dials within the limit. Throws what the dial throws.
    template <class Key>
        requires core::can_dial<Dial, Key>
    core::dialled<Dial, Key> operator()(const Key& key, const dial_context& context = {}) {
        return call(dial_, key, context);
    }
    /// The same, if the dial can be called as const.
    template <class Key>
        requires core::can_dial<const Dial, Key>
    core::dialled<const Dial, Key> operator()(const Key& key, const dial_context& context = {}) const {
        return call(dial_, key, context);
    }

private:
    template <class Called, class Key>
    core::dialled<Called, Key> call(Called& dial, const Key& key, const dial_context& context) const {
        using result = core::dialled<Called, Key>;
        constexpr bool sees_limit = core::heeds_context<Called, Key>;
        static_assert(
            sees_limit, "pool: timed needs a dial that takes a dial_context: no other dial can see its limit");
        static_assert(!core::awaitable_result<result> && !core::coroutine_result<result>,
            "pool: timed needs a dial that returns when it is over: a coroutine has only begun then");
        if constexpr (sees_limit) {
            const auto end = core::saturating_add(clock_.now(), limit_);
            return core::call_dial(dial, key, dial_context{std::min(context.deadline, end), context.stop});
        } else {
            return core::refused<result>();
        }
    }

    std::chrono::nanoseconds limit_;
    [[no_unique_address]] Dial dial_;
    [[no_unique_address]] Clock clock_;
};

}  // namespace pool

/// @cond
namespace pool::core {

template <class Dial, class Clock>
inline constexpr bool is_blocking<timed<Dial, Clock>> = true;

}  // namespace pool::core
/// @endcond
