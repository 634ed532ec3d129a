// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <interleavings/operations.hpp>

// Connections that are checked, reset and kept alive: pairs of the operations that call these hooks, and of those that
// could disturb them, under every schedule in which threads are stopped five times at most. A thread may be stopped in
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

template <class Capacity>
using tended_pool = pool::basic_pool<int, tended, Capacity, pool::after_idle, scheduled_lock, scheduled_clock>;
using tended_idle = tended_pool<pool::bounded>;
using tended_open = tended_pool<pool::bounded_open>;

}  // namespace

template <>
struct pool::connection_traits<tended> : pool::member_connection_traits<tended> {
    static bool healthy(const tended& c) { return c.check(); }
    static void reset(const tended& c) { c.reset_session(); }
    static void keep_alive(const tended& c) { c.keep_alive(); }
};

namespace interleavings {

constexpr auto silence = 10ns;  ///< the time after which an idle connection is kept alive

template <>
struct maker<tended_idle> {
    static constexpr std::size_t max_idle = 2;
    static void make(std::optional<tended_idle>& into, const setting&, std::size_t) {
        into.emplace(pool::bounded{.max_idle = max_idle, .max_idle_per_key = 1}, pool::after_idle{time_to_live},
            pool::pool_settings{.keep_alive_every = silence});
    }
};
template <>
struct maker<tended_open> {
    static constexpr std::size_t max_idle = 2;
    static void make(std::optional<tended_open>& into, const setting& how, std::size_t open) {
        into.emplace(maker<open_pool>::bounds(open, how.patience), pool::after_idle{time_to_live},
            pool::pool_settings{.keep_alive_every = silence});
    }
};

namespace {

/// Those that call hooks, and those beside which that is not easy.
template <class Pool>
std::vector<operation<Pool>> operations_with_hooks() {
    using scene = interleavings::scene<Pool>;
    std::vector<operation<Pool>> chosen{
        {"keep alive",
            [](scene& all, std::size_t) {
                all.counted.test.advance(silence);
                all.conns->upkeep();
            }},
        {"fewer connections", fewer_connections<Pool>},
    };
    for (const auto& each : common_operations<Pool>()) {
        for (const char* const name :
            {"acquire", "try_acquire", "give back", "put", "take", "clear", "close", "close, with a lease"})
            if (std::string{each.name} == name) chosen.push_back(each);
    }
    if constexpr (Pool::bounds_open) {
        chosen.push_back({"acquire with a deadline", [](scene& all, std::size_t i) {
                              may_fail([&] { (void)all.conns->acquire(all.key(i), all.dial(), at(soon)); });
                          }});
        chosen.push_back({"acquire a fresh one", [](scene& all, std::size_t i) {
                              may_fail([&] { (void)all.conns->acquire_fresh(all.key(i), all.dial(), soon); });
                          }});
    }
    return chosen;
}

template <class Pool>
total explore_hooks(setting how) {
    const int preemptions = is_full_tier() ? pool::testing::limits{}.preemptions : is_plain ? 5 : 3;
    const pool::testing::limits within{
        .preemptions = preemptions, .schedules = 1'000'000'000, .time = 1h, .skips_equivalent = true};
    total sum;
    for (const bool is_sick : {false, true}) {
        how.is_sick = is_sick;
        for (const start from : {start::one_idle, start::one_lent}) {
            how.from = from;
            sum += explore_all(operations_with_hooks<Pool>(), 2, how, within);
        }
    }
    return sum;
}

}  // namespace
}  // namespace interleavings

TEST_CASE("hooks: every pair of operations that call them keeps its promises [C1, C2, C11, C16]") {
    explore_hooks<tended_idle>({}).print("pairs in a pool that bounds what is idle");
}

TEST_CASE("hooks: the same in a pool that bounds what is open: nobody sleeps who could be served") {
    explore_hooks<tended_open>({}).print("pairs in a pool that bounds what is open");
}

TEST_CASE("hooks: three callers at the bound: the finder of an unhealthy one keeps its turn, and nobody is stuck") {
    const pool::testing::limits within{.preemptions = 2, .schedules = 20'000'000, .time = 1h};
    const auto operations = operations_with_hooks<tended_open>();
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
