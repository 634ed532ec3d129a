// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/core/platform.hpp>

/// @file
/// Function results that represent unfinished work.

namespace pool::core {

/// The return type of a coroutine: a task, a generator.
template <class T>
concept coroutine_result = requires { typename T::promise_type; };

/// Can be awaited: by its own members, or by its `operator co_await`.
template <class T>
concept awaitable_result = requires(T& result) { result.await_ready(); } ||
                           requires(T& result) { result.operator co_await(); } ||
                           requires(T& result) { operator co_await(result); };

/// A future: it has `valid`, `wait` and `get`. Some futures give it only to their last user.
template <class T>
concept future_result = requires(T& result) {
    result.valid();
    result.wait();
    static_cast<T&&>(result).get();
};

/// A thread: it is joined when its work is done.
template <class T>
concept thread_result = requires(T& result) {
    result.joinable();
    result.join();
};

/// Any of these types. A function with such a result has not finished its work when it returns.
template <class T>
concept runs_later = coroutine_result<T> || awaitable_result<T> || future_result<T> || thread_result<T>;

}  // namespace pool::core
