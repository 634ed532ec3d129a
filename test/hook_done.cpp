// SPDX-License-Identifier: BSL-1.0
#include <cstddef>
#include <exception>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#include <doctest/doctest.h>

#include <pool/hook_done.hpp>

// What an asynchronous hook calls when it is done.

namespace {

using pool::hook_done;

/// What it was told.
struct listener {
    int calls = 0;
    bool answer = false;

    hook_done done() {
        return hook_done{[](void* owner, void* of, bool is_good) noexcept {
                             auto& here = *static_cast<listener*>(owner);
                             if (of == &here.answer) ++here.calls;
                             here.answer = is_good;
                         },
            this, &answer};
    }
};

/// The answer to a call of `hook_done`.
template <class... Args>
bool answer_to(const Args&... args) {
    listener told;
    {
        hook_done done = told.done();
        done(args...);
        CHECK(told.calls == 1);
    }
    CHECK(told.calls == 1);
    return told.answer;
}

template <class... Args>
concept takes = requires(hook_done done, Args... args) {
    done(args...);
};

}  // namespace

TEST_CASE("hook_done: it takes an answer, an error, and an error with a result") {
    const auto error = std::make_error_code(std::errc::timed_out);
    const std::exception_ptr exception = std::make_exception_ptr(1);
    CHECK(answer_to(true));
    CHECK_FALSE(answer_to(false));
    CHECK(answer_to(std::error_code{}));
    CHECK_FALSE(answer_to(error));
    CHECK(answer_to(std::exception_ptr{}));
    CHECK_FALSE(answer_to(exception));
    CHECK(answer_to(std::error_code{}, true));
    CHECK_FALSE(answer_to(std::error_code{}, false));
    CHECK_FALSE(answer_to(error, true));
    CHECK_FALSE(answer_to(exception, true));
    CHECK(answer_to(std::error_code{}, std::size_t{0}));  // as a read of Asio ends
    CHECK_FALSE(answer_to(error, std::size_t{1}));
}

TEST_CASE("hook_done: what is neither an answer nor an error is refused") {
    static_assert(takes<bool>);
    static_assert(takes<std::error_code>);
    static_assert(takes<std::error_code, std::string>);
    static_assert(!takes<>);
    static_assert(!takes<int>);  // 0 could be "no error", or "no"
    static_assert(!takes<const char*>);
    static_assert(!takes<std::nullptr_t>);
    static_assert(!takes<bool, bool>);
    static_assert(!takes<std::string>);
}

TEST_CASE("hook_done: if it is dropped, the answer is no") {
    listener told;
    { const hook_done done = told.done(); }
    CHECK(told.calls == 1);
    CHECK_FALSE(told.answer);
}

TEST_CASE("hook_done: it answers once, and what was moved from does not") {
    static_assert(!std::is_copy_constructible_v<hook_done>);
    static_assert(std::is_nothrow_move_constructible_v<hook_done>);
    static_assert(std::is_nothrow_move_assignable_v<hook_done>);
    listener told;
    std::optional<hook_done> first{told.done()};
    hook_done second{std::move(*first)};
    (*first)(false);
    first.reset();
    CHECK(told.calls == 0);
    second(true);
    second(false);
    CHECK(told.calls == 1);
    CHECK(told.answer);
}

TEST_CASE("hook_done: an assignment answers no first") {
    listener old;
    listener fresh;
    {
        hook_done done = old.done();
        done = fresh.done();
        CHECK(old.calls == 1);
        CHECK_FALSE(old.answer);
        CHECK(fresh.calls == 0);
        hook_done& same = done;
        done = std::move(same);
        CHECK(fresh.calls == 0);
    }
    CHECK(old.calls == 1);
    CHECK(fresh.calls == 1);
}
