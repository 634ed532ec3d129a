// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <exception>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include <pool/core/connection.hpp>
#include <pool/core/error.hpp>

/// @file
/// A stream is a call that goes on: rows of a query, messages of an RPC. It occupies its connection until it is done.

namespace pool {

/// Adapts a stream type. `done(s)` says that `s` will not touch its connection any more, not even when it is destroyed.
/// To destroy one that is not done ends its call; until that is wound up, the connection must be closed or blocked.
template <class Stream>
struct stream_traits {
    /// Calls `s.done()`, or that of what it points at; a null pointer is done.
    static bool done(Stream& s) noexcept
        requires requires {
            { pool::object_of(s).done() } noexcept -> std::convertible_to<bool>;
        }
    {
        if constexpr (requires { s == nullptr; }) {
            if (s == nullptr) return true;
        }
        return pool::object_of(s).done();
    }
};

/// What `open_stream` and `new_stream` can keep a connection for.
template <class Stream>
concept stream = std::move_constructible<Stream> && requires(Stream& s) {
    { stream_traits<Stream>::done(s) } noexcept -> std::same_as<bool>;
};

/// A stream with the lease of its connection. The connection is back in the pool before any call through here returns
/// that ended the stream, and when a stream is dropped half-way. If a call throws, the stream is over: it is destroyed,
/// and its connection closed unless it is `reusable`, before the exception reaches the caller.
///
/// Move-only. Not thread-safe, but it may outlive the pool and the lazy connection that it came from.
template <class Lease, class Stream>
class pooled_stream {
public:
    /// Calls `open(conn)` for the stream.
    template <class Open>
    pooled_stream(Lease conn, Open&& open)
        : lease_{std::move(conn)}, stream_{std::invoke(std::forward<Open>(open), *lease_)} {
        settle();
    }

    /// Leaves `other` ended. If the stream's move throws, nothing has changed.
    pooled_stream(pooled_stream&& other) noexcept(std::is_nothrow_move_constructible_v<Stream>)
        : stream_{std::move(other.stream_)} {
        other.stream_.reset();
        lease_ = std::move(other.lease_);
    }

    /// Ends its own stream first, and leaves `other` ended. To move it to itself does nothing.
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

    /// Calls `f(stream)`. After the end of the stream, its last state can still be asked for. Throws what `f` throws, and
    /// `stream_ended` after a failure or a move.
    template <class F>
    decltype(auto) invoke(F&& f) {
        static_assert(std::invocable<F, Stream&>, "pool: a stream's invoke needs a function that takes the stream");
        if (!stream_) throw stream_ended{"pool: a call on a stream that has failed or was moved from"};
        const after_call after{*this};
        return std::invoke(std::forward<F>(f), *stream_);
    }

    /// Calls the stream's own `next`.
    template <class... Args>
    decltype(auto) next(Args&&... args) {
        return invoke([&](Stream& s) -> decltype(auto) { return pool::object_of(s).next(std::forward<Args>(args)...); });
    }

    /// Whether the connection is with the pool again.
    bool done() const noexcept { return !lease_; }

private:
    /// Runs when the result is there and before the caller has it.
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
