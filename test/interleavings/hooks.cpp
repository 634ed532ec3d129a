// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <interleavings/hook_operations.hpp>

// Connections that are checked, reset and kept alive: pairs of the operations that call these hooks, and of those that
// could disturb them, under every schedule in which threads are stopped four times at most. A thread may be stopped in
// each hook.

using namespace interleavings;

namespace {

struct hook_failed {};

/// Its hooks are points where a thread may be stopped.
class tended : public connection {
public:
    using connection::connection;

    bool check() const {
        all_->test.at("checks connection #", number_);
        return number_ > all_->sick;
    }
    void reset_session() const {
        all_->test.at("resets connection #", number_);
        if (number_ <= all_->sick) throw hook_failed{};
    }
    void keep_alive() const {
        all_->test.at("keeps alive connection #", number_);
        if (number_ <= all_->sick) throw hook_failed{};
    }
};

using tended_idle = pool_with_hooks<tended, pool::bounded>;
using tended_open = pool_with_hooks<tended, pool::bounded_open>;

}  // namespace

template <>
struct pool::connection_traits<tended> : pool::member_connection_traits<tended> {
    static bool healthy(const tended& c) { return c.check(); }
    static void reset(const tended& c) { c.reset_session(); }
    static void keep_alive(const tended& c) { c.keep_alive(); }
};

namespace interleavings {

template <>
struct maker<tended_idle> : maker_with_hooks<tended_idle> {};
template <>
struct maker<tended_open> : maker_with_hooks<tended_open> {};

namespace {

template <class Pool>
std::vector<operation<Pool>> operations_that_call_hooks() {
    auto chosen = operations_with_hooks<Pool>(
        {"acquire", "try_acquire", "give back", "put", "take", "clear", "close", "close, with a lease"});
    if constexpr (Pool::bounds_open) {
        chosen.push_back({"acquire a fresh one", [](scene<Pool>& all, std::size_t i) {
                              may_fail([&] { (void)all.conns->acquire_fresh(all.key(i), all.dial(), soon); });
                          }});
    }
    return chosen;
}

template <class Pool>
total explore_called_hooks() {
    return explore_hooks(operations_that_call_hooks<Pool>(), {}, preemptions(no_bound, 4));
}

}  // namespace
}  // namespace interleavings

TEST_CASE("hooks: every pair of operations that call them keeps its promises [C1, C2, C11, C16]") {
    explore_called_hooks<tended_idle>().print("pairs in a pool that bounds what is idle");
}

TEST_CASE("hooks: the same in a pool that bounds what is open: nobody sleeps who could be served") {
    explore_called_hooks<tended_open>().print("pairs in a pool that bounds what is open");
}

TEST_CASE("hooks: three callers at the bound: the finder of an unhealthy one keeps its turn, and nobody is stuck") {
    const pool::testing::limits within{.preemptions = preemptions(2, 2), .schedules = 20'000'000, .time = 1h};
    const auto operations = operations_that_call_hooks<tended_open>();
    const auto named = [&](const std::string& name) {
        for (const auto& each : operations)
            if (each.name == name) return &each;
        FAIL("there is no such operation: " << name);
        return &operations.front();
    };
    total sum;
    for (const char* const third :
        {"acquire", "acquire with a deadline", "acquire a fresh one", "keep alive", "close"}) {
        const std::vector together{named("acquire"), named("acquire"), named(third)};
        const auto scenario = [&](exploration& test) {
            play(test, together, {.from = start::one_idle, .is_sick = true});
        };
        sum.add(std::string{"acquire | acquire | "} + third, scenario, within);
    }
    sum.print("triples");
}
