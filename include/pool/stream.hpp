// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <exception>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include <pool/core/pointee.hpp>
#include <pool/core/refused.hpp>
#include <pool/error.hpp>

/// @file
/// Streams: calls that deliver their results one after the other, such as the rows of a query or the messages of an
/// RPC. A stream keeps its connection until it is done.

namespace pool {

/// Adapts a stream type. `done(s)` is true if `s` does not use its connection any more, not even in its destructor.
/// Destroying a stream that is not done cancels its call. Until that call has ended, the connection must report that it
/// is closed or blocked.
template <class Stream>
struct stream_traits {
    /// Calls `s.done()`, or that of the object that it points at. A null pointer is done.
    static bool done(Stream& s) noexcept
        requires requires {
            { core::pointee(s).done() } noexcept -> std::convertible_to<bool>;
        }
    {
        if constexpr (requires { s == nullptr; }) {
            if (s == nullptr) return true;
        }
        return core::pointee(s).done();
    }
};

/// A stream that `open_stream` and `new_stream` can keep a connection for.
template <class Stream>
concept poolable_stream = std::move_constructible<Stream> && requires(Stream& s) {
    { stream_traits<Stream>::done(s) } noexcept -> std::same_as<bool>;
};

/// A stream with the lease of its connection. The call that ends the stream gives the connection back before it
/// returns. If the stream is destroyed earlier, or a call throws, half of a reply may be left in the connection. So the
/// stream is destroyed, and then the connection is closed, unless it is `reusable`. After a call that throws, this
/// happens before the exception reaches the caller.
///
/// Move-only. Not thread-safe. It may outlive the pool and the lazy connection that it came from.
template <class Lease, class Stream>
class pooled_stream {
public:
    /// Makes the stream by `open(conn)`.
    template <class Open>
    pooled_stream(Lease conn, Open&& open)
        : lease_{std::move(conn)}, stream_{std::invoke(std::forward<Open>(open), *lease_)} {
        lease_.discard_unless_kept();
        settle();
    }

    /// Leaves `other` ended. If the stream's move throws, nothing has changed.
    pooled_stream(pooled_stream&& other) noexcept(std::is_nothrow_move_constructible_v<Stream>)
        : stream_{std::move(other.stream_)} {
        other.stream_.reset();
        lease_ = std::move(other.lease_);
    }

    /// Ends its own stream first, and leaves `other` ended. Moving it to itself does nothing.
    pooled_stream& operator=(pooled_stream&& other) noexcept(std::is_nothrow_move_constructible_v<Stream>) {
        if (this != &other) {
            stream_.reset();
            lease_ = Lease{};
            if (other.stream_) stream_.emplace(std::move(*other.stream_));
            other.stream_.reset();
            lease_ = std::move(other.lease_);
        }
        return *this;
    }

    /// Calls `f(stream)`. After the end of the stream, `f` may still read the stream's last state, but must not use the
    /// connection. Throws what `f` throws, and `stream_ended` after a failure or a move.
    template <class F>
    decltype(auto) invoke(F&& f) {
        static_assert(std::invocable<F, Stream&>, "pool: a stream's invoke needs a function that takes the stream");
        if constexpr (std::invocable<F, Stream&>) {
            if (!stream_) throw stream_ended{"pool: a call on a stream that has failed or was moved from"};
            const after_call after{*this};
            return std::invoke(std::forward<F>(f), *stream_);
        } else {
            return core::refused_result{};
        }
    }

    /// Calls the stream's own `next`.
    template <class... Args>
    decltype(auto) next(Args&&... args) {
        return invoke([&](Stream& s) -> decltype(auto) { return core::pointee(s).next(std::forward<Args>(args)...); });
    }

    /// Whether the stream has ended and its connection is in the pool again.
    bool done() const noexcept { return !lease_; }

private:
    /// Its destructor runs after the call, and before the caller gets the result.
    struct after_call {
        pooled_stream& self;
        int exceptions = std::uncaught_exceptions();

        ~after_call() {
            if (std::uncaught_exceptions() > exceptions) self.fail();
            else self.settle();
        }
    };

    void settle() noexcept {
        if (lease_ && stream_traits<Stream>::done(*stream_)) lease_.give_back();
    }

    void fail() noexcept {
        stream_.reset();
        if (lease_) lease_.give_back_if_reusable();
    }

    Lease lease_;  // before the stream, which uses the connection until it is destroyed
    std::optional<Stream> stream_;
};

}  // namespace pool
