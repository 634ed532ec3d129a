// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>

#include <pool/connection.hpp>
#include <pool/dial/kernel/back_off.hpp>
#include <pool/core/dial_with.hpp>
#include <pool/dial/kernel/failing_keys.hpp>
#include <pool/core/jitter.hpp>
#include <pool/core/limit.hpp>
#include <pool/core/runs_later.hpp>
#include <pool/dial.hpp>
#include <pool/key.hpp>
#include <pool/policies/clock.hpp>
#include <pool/policies/lock.hpp>

/// @file
/// A dial that spares a server that is down.

namespace pool {

/// The options of a `backing_off`. Times are any durations, and are limited to the range of nanoseconds.
struct backing_off_options {
    core::duration_option first = std::chrono::milliseconds{100};  ///< the delay after the first failed dial of a key
    core::duration_option most = std::chrono::seconds{30};         ///< the longest delay
    double factor = 2;       ///< each delay is this many times as long as the last
    double jitter = 0.2;     ///< a random part of each delay is left out, up to this share: from 0 to 1
    std::uint64_t seed = 0;  ///< the same seed gives the same jitter; 0 is a random one
    /// Which errors of the dial count as failures. If it is empty, all do. A `std::bad_alloc` never does. It is called
    /// without a lock, by several threads at once.
    std::function<bool(const std::exception_ptr&)> counts = {};
};

/// A dial around another dial. While a key fails, its callers fail at once, and do not dial:
///
/// - A failed dial begins a delay of its key. Whoever dials the key during the delay gets that error again.
/// - The first caller after the delay dials: it is the *probe*. While the probe runs, all others get the last error.
/// - A probe that fails begins the next delay, which is longer by the factor, up to the longest one.
/// - A dial of the key that succeeds, the probe or one that is still under way, ends this: all callers dial as before.
///
/// Keys do not know of each other. A dial fails by any exception, or by returning a connection that is `closed()`, if
/// that can be moved. (Its own caller gets that connection; a pool then throws `dial_failed`. Callers that fail at once
/// get a `dial_failed`, too.) But some failures do not count:
///
/// - A stop was requested of the caller, or its deadline had passed before it began. If it was the probe, the next
///   caller is the probe. A deadline that passes during the dial counts, because a server that does not answer is down,
///   too. If some callers have deadlines that a healthy server cannot meet, let `counts` ignore such errors.
/// - It is a `std::bad_alloc`, or `counts` returns false.
/// - The key fails already, and the dial is not the probe. It has begun before, so it says nothing new.
///
/// Callers that fail at once get the exception object that the last dial threw: its type and its text are those of the
/// dial. Several threads may have it at the same time. So catch it by reference to const and do not change it. Its
/// class must allow that several threads read one object, as the exceptions of the standard do, and that any thread
/// destroys it.
///
/// A probe that hangs keeps its key failing. So each dial should end at some time: see `timed`.
///
/// Copies share what they know of the keys. One that was moved from must not be called. Give copies of one object to
/// all pools and lazy connections that dial the same servers. Any threads may call them at once, if the wrapped dial
/// allows that; it is called without a lock. The wrapped dial may take the context, the key, both or neither, as any
/// dial. An asynchronous dial is refused.
///
/// A call adds two short steps under a lock to the dial, and at most three looks at a clock. Each step is O(1), but for
/// keys with the same hash. Memory is used only for keys that fail. A key is removed when it succeeds. A key that has
/// not failed for twice the longest delay is forgotten, and the next dials of any keys remove it.
///
/// @code
/// pool::bounded_pool<std::string, session> sessions{{}, pool::backing_off{dial, {.first = 100ms, .most = 30s}}};
/// @endcode
template <class Dial, class Clock = std::chrono::steady_clock, class Lock = std::mutex>
class backing_off {
    static_assert(clock_policy<Clock>,
        "pool: the clock of backing_off needs now(), and must be steady: a wall clock can be set back");
    static_assert(
        lock_policy<Lock>, "pool: the lock of backing_off needs lock() and unlock(), and a default constructor");

public:
    /// Throws `std::invalid_argument` if `first` is not more than zero, `most` is less than `first`, `factor` is less
    /// than 1, or `jitter` is not from 0 to 1; `std::bad_alloc`; and what `std::random_device` throws, if the seed is
    /// to be random.
    explicit backing_off(Dial dial, backing_off_options options = {}, Clock clock = Clock{})
        : shared_{std::make_shared<state>(
              lengths(options), jitter(options), std::move(options.counts), std::move(clock))},
          dial_{std::move(dial)} {}

    /// Dials, or fails at once. Throws what the dial, or an earlier dial of the key, has thrown; what `counts` throws;
    /// and what Key's hash and equality throw, before it dials. If there is no memory to remember a failed dial, the
    /// caller gets the error of the dial, and the key does not count as failing.
    template <class Key>
        requires(core::lasting_key<Key> && core::can_dial<Dial, Key>)
    core::dialled<Dial, Key> operator()(const Key& key, const dial_context& context = {}) {
        return call(*shared_, dial_, key, context);
    }
    /// The same, if the dial can be called as const.
    template <class Key>
        requires(core::lasting_key<Key> && core::can_dial<const Dial, Key>)
    core::dialled<const Dial, Key> operator()(const Key& key, const dial_context& context = {}) const {
        return call(*shared_, dial_, key, context);
    }

    /// How many keys are remembered: those that fail, and those that are forgotten, but not removed yet. O(1).
    std::size_t remembered() const { return shared_->size(); }

    /// In the child of a fork: forgets the keys that fail, for all copies. Another thread of the parent may have had the
    /// lock, or may have been the probe of a key. Call it before anything dials in that process. `abandon` of a pool does
    /// not call it: keep a copy of a wrapper that a pool owns.
    void abandon() noexcept { shared_->abandon(); }

private:
    using state = core::back_off<Clock, Lock>;

    template <class Called, class Key>
    static core::dialled<Called, Key> call(state& shared, Called& dial, const Key& key, const dial_context& context) {
        using result = core::dialled<Called, Key>;
        static_assert(!core::awaitable_result<result> && !core::coroutine_result<result>,
            "pool: backing_off needs a dial that returns when it is over: a coroutine has only begun then");
        core::dial_attempt attempt{shared, key, context};
        try {
            attempt.succeeds();
            if constexpr (closed_reporting<result> && std::move_constructible<result>) {
                result conn = core::call_dial(dial, key, context);
                attempt.returned(conn);
                return conn;
            } else {
                return core::call_dial(dial, key, context);
            }
        } catch (...) {
            attempt.failed(std::current_exception());
            throw;
        }
    }

    static core::delays lengths(const backing_off_options& options) {
        const auto first = options.first.value;
        const auto most = options.most.value;
        if (first <= first.zero()) refuse("first is " + text(first) + ", and must be more than 0 ns");
        if (most < first)
            refuse("most is " + text(most) + ", and must not be less than first, which is " + text(first));
        if (!(options.factor >= 1)) refuse("factor is " + std::to_string(options.factor) + ", and must be at least 1");
        return {.first = first, .most = most, .factor = options.factor};
    }
    static core::jitter jitter(const backing_off_options& options) {
        if (!(options.jitter >= 0 && options.jitter <= 1))
            refuse("jitter is " + std::to_string(options.jitter) + ", and must be from 0 to 1");
        return {options.jitter, options.seed != 0 ? options.seed : random_seed()};
    }
    static std::uint64_t random_seed() {
        std::random_device source;  // 32 bits a call
        return std::uint64_t{source()} << 32 | source();
    }

    static std::string text(std::chrono::nanoseconds time) { return std::to_string(time.count()) + " ns"; }
    [[noreturn]] static void refuse(const std::string& why) {
        throw std::invalid_argument{"pool: an option of backing_off: " + why};
    }

    std::shared_ptr<state> shared_;
    [[no_unique_address]] Dial dial_;
};

}  // namespace pool

/// @cond
namespace pool::core {

/// Passes the context on to a dial that takes it.
template <class Dial, class Clock, class Lock, class Key>
inline constexpr bool heeds_context<backing_off<Dial, Clock, Lock>, Key> = heeds_context<Dial, Key>;
template <class Dial, class Clock, class Lock, class Key>
inline constexpr bool heeds_context<const backing_off<Dial, Clock, Lock>, Key> = heeds_context<const Dial, Key>;

template <class Dial, class Clock, class Lock>
inline constexpr bool is_blocking<backing_off<Dial, Clock, Lock>> = true;

}  // namespace pool::core
/// @endcond
