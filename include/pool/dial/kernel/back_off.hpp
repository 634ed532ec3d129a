// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <type_traits>
#include <utility>

#include <pool/connection.hpp>
#include <pool/core/error_text.hpp>
#include <pool/dial/kernel/failing_keys.hpp>
#include <pool/core/jitter.hpp>
#include <pool/dial.hpp>
#include <pool/error.hpp>

/// @file
/// How a dial asks whether it may begin, and tells how it ended.

namespace pool::core {

/// The failing keys of all copies of a wrapper, with their lock and their clock. Thread-safe. Under the lock there is
/// no foreign code but Key's equality and destruction.
template <class Clock, class Lock>
class back_off {
public:
    using time_point = typename Clock::time_point;
    using probe = typename failing_keys<time_point>::probe;
    using predicate = std::function<bool(const std::exception_ptr&)>;

    /// `counts` may be empty: then all errors count.
    back_off(delays lengths, jitter random, predicate counts, Clock clock)
        : clock_{std::move(clock)},
          counts_{std::move(counts)},
          keys_{lengths, random} {}

    /// Whether the error of a dial says something about its peer. Memory that has run out does not. Throws what the
    /// predicate throws.
    bool counts(const std::exception_ptr& error) const {
        try {
            std::rethrow_exception(error);
        } catch (const std::bad_alloc&) {
            return false;
        } catch (...) {
            return !counts_ || counts_(error);
        }
    }

    /// Returns the probe of this dial, or null if it is none. Throws the last error of the key, if no dial may begin.
    template <class Key>
    probe begin(const typed_key<Key>& key, bool may_probe) {
        const time_point now = clock_.now();
        auto answer = step([&](dropped_errors& dropped) { return keys_.ask(key, now, may_probe, dropped); });
        if (answer.refusal) std::rethrow_exception(std::move(answer.refusal));
        return answer.probing;
    }

    /// A dial has failed, and its error counts. If there is no memory to remember that, the key is as before.
    template <class Key>
    void failed(const typed_key<Key>& key, probe of, const std::exception_ptr& error) noexcept {
        const time_point now = clock_.now();
        if (of != nullptr) return step([&](dropped_errors& dropped) { keys_.probe_failed(of, now, error, dropped); });
        try {
            const auto copy = std::make_shared<const Key>(key.key);
            step([&](dropped_errors& dropped) { keys_.failed(key, copy, now, error, dropped); });
        } catch (...) {  // the caller gets the error of its dial
        }
    }

    /// A dial has succeeded. If Key's equality throws, the key is as before.
    template <class Key>
    void succeeded(const typed_key<Key>& key, probe of) noexcept {
        if (of != nullptr) return step([&](dropped_errors& dropped) { keys_.probe_succeeded(of, dropped); });
        try {
            step([&](dropped_errors& dropped) { keys_.succeeded(key, dropped); });
        } catch (...) {  // the caller gets its connection
        }
    }

    /// A dial has ended in a way that says nothing about its peer.
    void ended(probe of) noexcept {
        if (of != nullptr) step([&](dropped_errors& dropped) { keys_.probe_ended(of, dropped); });
    }

    /// In the child of a fork: no key fails. Nothing is destroyed, because another thread of the parent may have been
    /// changing it.
    void abandon() noexcept {
        if constexpr (!std::is_empty_v<Lock>) ::new (static_cast<void*>(std::addressof(lock_))) Lock;
        std::construct_at(std::addressof(keys_), keys_.lengths(), keys_.random());
    }

    std::size_t size() const {
        const std::lock_guard guard{lock_};
        return keys_.size();
    }

private:
    template <class Act>
    auto step(const Act& act) {
        dropped_errors dropped;
        const std::lock_guard guard{lock_};
        return act(dropped);
    }

    const Clock clock_;
    const predicate counts_;
    mutable Lock lock_;  ///< guards `keys_`; nothing is dialled while it is held
    failing_keys<time_point> keys_;
};

/// One dial, from the question whether it may begin to its end. If it is told nothing, the dial says nothing about its
/// peer. So a probe ends with this object, whatever happens.
template <class Clock, class Lock, class Key>
class dial_attempt {
public:
    /// Throws the last error of the key, if no dial may begin, and what Key's hash and equality throw. The state, the
    /// key and the context must outlive this object.
    ///
    /// A caller that is too late already, or has been stopped, is not the probe: its dial would prove nothing.
    dial_attempt(back_off<Clock, Lock>& of, const Key& key, const dial_context& context)
        : of_{of},
          key_{key},
          context_{context},
          is_given_up_{context.stop.stop_requested() || is_past(context.deadline)},
          probe_{of.begin(key_, !is_given_up_)} {}
    dial_attempt(const dial_attempt&) = delete;
    dial_attempt& operator=(const dial_attempt&) = delete;
    ~dial_attempt() {
        if (end_ == end::succeeded) of_.succeeded(key_, probe_);
        else if (end_ == end::unknown) of_.ended(probe_);
    }

    /// It succeeds at the end of this object, unless it fails before.
    void succeeds() noexcept { end_ = end::succeeded; }

    /// It has failed. The error does not count if its caller was stopped, or was too late before it began. A deadline
    /// that passed meanwhile counts: the peer has not answered in time. Throws what the predicate throws.
    void failed(const std::exception_ptr& error) {
        end_ = end::unknown;
        if (is_given_up_ || context_.stop.stop_requested() || !of_.counts(error)) return;
        end_ = end::failed;
        of_.failed(key_, probe_, error);
    }

    /// It has returned this connection. If that is dead, the dial has failed. The pool tells its caller so. If there is
    /// no memory for the error, or the predicate throws, the dial says nothing.
    template <class Conn>
    void returned(const Conn& conn) noexcept {
        if (!connection_traits<Conn>::closed(conn)) return;
        end_ = end::unknown;
        try {
            failed(std::make_exception_ptr(dial_failed{core::dead_dial_text(key_.key, conn)}));
        } catch (...) {  // the pool gets the connection, which it has to close
        }
    }

private:
    enum class end : unsigned char { unknown, succeeded, failed };

    static bool is_past(std::chrono::steady_clock::time_point deadline) {
        return deadline != deadline.max() && deadline <= std::chrono::steady_clock::now();
    }

    back_off<Clock, Lock>& of_;
    const typed_key<Key> key_;
    const dial_context& context_;
    const bool is_given_up_;
    const typename back_off<Clock, Lock>::probe probe_;
    end end_ = end::unknown;
};

}  // namespace pool::core
