// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <type_traits>
#include <utility>

#include <pool/core/platform.hpp>

/// @file
/// An asynchronous hook calls this when it is done.

namespace pool {

namespace core {

/// Something that is true if there is an error, such as a `std::error_code` or a `std::exception_ptr`.
template <class T>
concept hook_error = std::is_class_v<T> && std::is_constructible_v<bool, const T&>;

}  // namespace core

/// The end of an asynchronous hook: its answer is yes, if it went well, or no. The hook calls it once, from any thread,
/// within the call of the hook or later, and does not use the connection after that. If it is destroyed without having
/// been called, the answer is no. It is a completion handler, too: `boost::asio::co_spawn` and the operations of
/// Boost.Asio take it.
///
/// Move-only. A call does not throw. It goes on with what the pool does next: it may close a connection.
class hook_done {
public:
    /// The function that it calls with its answer, once.
    using listener = void(void* owner, void* of, bool is_good) noexcept;

    /// For the pool, and for tests of hooks: calls `listens(owner, of, answer)`.
    hook_done(listener* listens, void* owner, void* of) noexcept : listens_{listens}, owner_{owner}, of_{of} {}

    /// Leaves `other` without an answer to give.
    hook_done(hook_done&& other) noexcept
        : listens_{std::exchange(other.listens_, nullptr)},
          owner_{other.owner_},
          of_{other.of_} {}
    /// Answers no first, if it has not been called.
    hook_done& operator=(hook_done&& other) noexcept {
        hook_done taken{std::move(other)};
        std::swap(listens_, taken.listens_);
        std::swap(owner_, taken.owner_);
        std::swap(of_, taken.of_);
        return *this;
    }
    ~hook_done() { answer(false); }

    /// The hook has ended with this answer. Does nothing if it was called before.
    template <std::same_as<bool> Bool>
    void operator()(Bool is_good) noexcept {
        answer(is_good);
    }

    /// The hook has ended with this error, if there is one. Of its results, only a `bool` counts: false means no.
    template <core::hook_error Error, class... Results>
    void operator()(const Error& error, const Results&... results) noexcept {
        answer(!static_cast<bool>(error) && (is_good(results) && ...));
    }

private:
    template <class Result>
    static bool is_good([[maybe_unused]] const Result& result) noexcept {
        if constexpr (std::same_as<Result, bool>) return result;
        else return true;
    }

    void answer(bool is_good) noexcept {
        if (listener* const listens = std::exchange(listens_, nullptr)) listens(owner_, of_, is_good);
    }

    listener* listens_;
    void* owner_;
    void* of_;
};

}  // namespace pool
