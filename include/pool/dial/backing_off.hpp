// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>

#include <pool/core/back_off.hpp>
#include <pool/core/dial_with.hpp>
#include <pool/core/failing_keys.hpp>
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
    core::duration_option first = std::chrono::milliseconds{100};  ///< the pause after the first failed dial of a key
    core::duration_option most = std::chrono::seconds{30};         ///< the longest pause
    double factor = 2;                                             ///< how much longer each pause is than the last one
    double jitter = 0.2;  ///< up to this share of each pause is left out, at random: 0 is none, 1 is up to all
    std::optional<std::uint64_t> seed = {};  ///< the same seed draws the same jitter; if left out, it is random
    /// Which errors of the dial say that the server is down. If it is empty, all do. A `std::bad_alloc` never does. It
    /// is called without a lock, by several threads at once.
    std::function<bool(const std::exception_ptr&)> counts = {};
};

/// A dial around another dial. While a key fails, its callers fail at once instead of dialling it again:
///
/// - When a dial has failed, a pause of its key begins. Whoever dials the key in the pause gets the last error of it.
/// - The first caller after the pause dials: it is the *probe*. Until its dial has ended, all others get the last
///   error.
/// - If the probe fails, the next pause begins, which is longer by the factor, up to the longest one. If it succeeds,
///   or any other dial of the key that is still under way, the key is dialled as before.
///
/// Keys do not know of each other. What counts as a failure is any exception of the dial, apart from these:
///
/// - It does not count if a stop was requested of its caller, or if the deadline of the caller had passed before it
///   began. The next caller is the probe then. A deadline that passes *during* the dial counts: a server that does not
///   answer is down, too. If some callers have deadlines that a server in good health cannot meet, let `counts` ignore
///   such errors.
/// - It does not count if it is a `std::bad_alloc`, or if `counts` returns false.
/// - It does not count if the key fails already: a dial that was under way then says nothing new.
///
/// All callers that fail at once get the same exception object as the caller whose dial has thrown it: its type and its
/// text are those of the dial. Several threads may hold it at the same time. So catch it by reference to const, do not
/// change it, and let its class allow that several threads read it, as those of the standard do. It is destroyed by the
/// last thread that holds it.
///
/// A probe that hangs keeps its key failing. So a dial should end at some time: see `timed`.
///
/// Copies share their keys, so give copies of one object to all pools and lazy connections of the same servers. Any
/// threads may call them at once, if the wrapped dial allows that. The wrapped dial may take the context, the key, both
/// or neither, as any dial; it is called without a lock. An asynchronous dial is refused.
///
/// A dial that may begin costs O(1), two short steps under the lock, and two looks at the clock, beside the dial.
/// Memory is used only for keys that fail: one that succeeds is removed, and one that has not failed for twice the
/// longest pause is forgotten, and removed by some later dial of any key.
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
    /// than 1, or `jitter` is not from 0 to 1; `std::bad_alloc`; and what `std::random_device` throws, if there is no
    /// seed.
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
            return core::call_dial(dial, key, context);
        } catch (...) {
            attempt.failed(std::current_exception());
            throw;
        }
    }

    static core::pauses lengths(const backing_off_options& options) {
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
        return {options.jitter, options.seed ? *options.seed : random_seed()};
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

namespace pool::core {

/// Passes the context on to a dial that takes it.
template <class Dial, class Clock, class Lock, class Key>
inline constexpr bool heeds_context<backing_off<Dial, Clock, Lock>, Key> = heeds_context<Dial, Key>;
template <class Dial, class Clock, class Lock, class Key>
inline constexpr bool heeds_context<const backing_off<Dial, Clock, Lock>, Key> = heeds_context<const Dial, Key>;

}  // namespace pool::core
