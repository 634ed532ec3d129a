// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <new>
#include <utility>

#include <boost/asio/io_context.hpp>

/// @file
/// Executors that do not simply run what they are given.

/// An executor of a loop that takes each function by `how(executor of the loop, f, allocator)`.
template <class How>
struct posting_executor {
    boost::asio::io_context& context() const noexcept { return inner.context(); }
    void on_work_started() const noexcept { inner.on_work_started(); }
    void on_work_finished() const noexcept { inner.on_work_finished(); }
    template <class F, class Allocator>
    void dispatch(F&& f, const Allocator& memory) const {
        how(inner, std::forward<F>(f), memory);
    }
    template <class F, class Allocator>
    void defer(F&& f, const Allocator& memory) const {
        how(inner, std::forward<F>(f), memory);
    }
    template <class F, class Allocator>
    void post(F&& f, const Allocator& memory) const {
        how(inner, std::forward<F>(f), memory);
    }
    [[maybe_unused]] friend bool operator==(const posting_executor&, const posting_executor&) = default;

    boost::asio::io_context::executor_type inner;
    How how;
};
template <class How>
posting_executor(boost::asio::io_context::executor_type, How) -> posting_executor<How>;  // clang 14 needs it

/// Has memory for a function only while the test says so.
struct while_there_is_memory {
    template <class Inner, class F, class Allocator>
    void operator()(const Inner& inner, F&& f, const Allocator& memory) const {
        if (!*has_memory) throw std::bad_alloc{};
        inner.post(std::forward<F>(f), memory);
    }
    [[maybe_unused]] friend bool operator==(const while_there_is_memory&, const while_there_is_memory&) = default;

    const bool* has_memory;
};
