// SPDX-License-Identifier: BSL-1.0
#include <memory>
#include <optional>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/stream.hpp>

#include <support/fake.hpp>

/// @file
/// Models of the concept of a stream, and near misses. A near miss differs from a model in what its name says.

namespace streams {
namespace {

struct model {
    bool done() noexcept { return true; }
};
struct without_done {};
struct done_may_throw {
    bool done() { return true; }
};
struct done_is_silent {
    void done() noexcept {}
};
struct done_is_a_member {
    bool done = true;
};
struct move_only : model {
    move_only(move_only&&) noexcept = default;
};
struct immovable : model {
    immovable(immovable&&) = delete;
};
struct foreign {};
struct foreign_that_may_throw {};

}  // namespace
}  // namespace streams

template <>
struct pool::stream_traits<streams::foreign> {
    static bool done(streams::foreign&) noexcept { return true; }
};
template <>
struct pool::stream_traits<streams::foreign_that_may_throw> {
    static bool done(streams::foreign_that_may_throw&) { return true; }
};

TEST_CASE("poolable_stream: wants done(), which does not throw, and a move") {
    static_assert(pool::poolable_stream<streams::model>);
    static_assert(pool::poolable_stream<streams::move_only>);
    static_assert(pool::poolable_stream<streams::foreign>);
    static_assert(pool::poolable_stream<fake::stream>);
    static_assert(pool::poolable_stream<std::unique_ptr<streams::immovable>>);
    static_assert(!pool::poolable_stream<streams::without_done>);
    static_assert(!pool::poolable_stream<streams::done_may_throw>);
    static_assert(!pool::poolable_stream<streams::done_is_silent>);
    static_assert(!pool::poolable_stream<streams::done_is_a_member>);
    static_assert(!pool::poolable_stream<streams::immovable>);
    static_assert(!pool::poolable_stream<streams::foreign_that_may_throw>);
    static_assert(!pool::poolable_stream<std::unique_ptr<streams::done_may_throw>>);
    static_assert(!pool::poolable_stream<std::optional<streams::model>>);
    static_assert(!pool::poolable_stream<void>);
}

TEST_CASE("poolable_stream: a pooled_stream is one, so that pools nest") {
    using fake_pool = pool::basic_pool<int, fake::connection>;
    static_assert(pool::poolable_stream<pool::pooled_stream<fake_pool::lease_type, fake::stream>>);
}
