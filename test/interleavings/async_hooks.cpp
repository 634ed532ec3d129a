// SPDX-License-Identifier: BSL-1.0
#include <utility>

#include <doctest/doctest.h>

#include <interleavings/hook_operations.hpp>

// Resets and keep-alives that are asynchronous: the operations that start them, and those that could disturb them, in pairs,
// while a thread of its own ends what they have started.

using namespace interleavings;

namespace {

/// Its hooks end in the thread that ends hooks.
class started : public connection {
public:
    using connection::connection;

    void reset_session(pool::hook_done done) const {
        all_->test.at("begins to reset connection #", number_);
        all_->hooks->begin(std::move(done), number_ > all_->sick);
    }
    void keep_alive(pool::hook_done done) const {
        all_->test.at("begins to keep alive connection #", number_);
        all_->hooks->begin(std::move(done), number_ > all_->sick);
    }
};

using started_idle = pool_with_hooks<started, pool::bounded>;
using started_open = pool_with_hooks<started, pool::bounded_open>;

}  // namespace

template <>
struct pool::connection_traits<started> : pool::member_connection_traits<started> {
    static void async_reset(const started& c, hook_done done) { c.reset_session(std::move(done)); }
    static void async_keep_alive(const started& c, hook_done done) { c.keep_alive(std::move(done)); }
};

namespace interleavings {

template <>
struct maker<started_idle> : maker_with_hooks<started_idle> {
    static void starts_hooks() {}
};
template <>
struct maker<started_open> : maker_with_hooks<started_open> {
    static void starts_hooks() {}
};

namespace {

template <class Pool>
total explore_started_hooks() {
    const auto operations = operations_with_hooks<Pool>(
        {"acquire", "try_acquire", "give back", "clear", "close", "close, with a lease", "end of the pool"});
    return explore_hooks(operations, {}, preemptions(3, 2));
}

}  // namespace
}  // namespace interleavings

TEST_CASE("async hooks: every pair of operations that start them keeps its promises [C1, C2, C11, C16, C21, C22]") {
    explore_started_hooks<started_idle>().print("pairs in a pool that bounds what is idle");
}

TEST_CASE("async hooks: the same in a pool that bounds what is open: nobody sleeps who could be served") {
    explore_started_hooks<started_open>().print("pairs in a pool that bounds what is open");
}
