// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <interleavings/operations.hpp>

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

template <class Capacity>
using started_pool = pool::basic_pool<int, started, Capacity, pool::after_idle, scheduled_lock, scheduled_clock>;
using started_idle = started_pool<pool::bounded>;
using started_open = started_pool<pool::bounded_open>;

}  // namespace

template <>
struct pool::connection_traits<started> : pool::member_connection_traits<started> {
    static void async_reset(const started& c, hook_done done) { c.reset_session(std::move(done)); }
    static void async_keep_alive(const started& c, hook_done done) { c.keep_alive(std::move(done)); }
};

namespace interleavings {

constexpr auto silence_of_started = 10ns;  ///< the time after which an idle connection is kept alive

template <>
struct maker<started_idle> {
    static constexpr std::size_t max_idle = 2;
    static void make(std::optional<started_idle>& into, const setting&, std::size_t) {
        into.emplace(pool::bounded{.max_idle = max_idle, .max_idle_per_key = 1}, pool::after_idle{time_to_live},
            pool::pool_settings{.keep_alive_every = silence_of_started});
    }
    static void starts_hooks() {}
};
template <>
struct maker<started_open> {
    static constexpr std::size_t max_idle = 2;
    static void make(std::optional<started_open>& into, const setting& how, std::size_t open) {
        into.emplace(maker<open_pool>::bounds(open, how.patience), pool::after_idle{time_to_live},
            pool::pool_settings{.keep_alive_every = silence_of_started});
    }
    static void starts_hooks() {}
};

namespace {

/// Those that start hooks, and those beside which that is not easy.
template <class Pool>
std::vector<operation<Pool>> operations_that_start_hooks() {
    using scene = interleavings::scene<Pool>;
    std::vector<operation<Pool>> chosen{
        {"keep alive",
            [](scene& all, std::size_t) {
                all.counted.test.advance(silence_of_started);
                all.conns->upkeep();
            }},
        {"fewer connections", fewer_connections<Pool>},
    };
    for (const auto& each : common_operations<Pool>()) {
        for (const char* const name :
            {"acquire", "try_acquire", "give back", "clear", "close", "close, with a lease", "end of the pool"})
            if (std::string{each.name} == name) chosen.push_back(each);
    }
    if constexpr (Pool::bounds_open) {
        chosen.push_back({"acquire with a deadline", [](scene& all, std::size_t i) {
                              may_fail([&] { (void)all.conns->acquire(all.key(i), all.dial(), at(soon)); });
                          }});
    }
    return chosen;
}

template <class Pool>
total explore_started(setting how) {
    const int preemptions = is_full_tier() ? 3 : is_plain ? 2 : 1;
    const pool::testing::limits within{
        .preemptions = preemptions, .schedules = 1'000'000'000, .time = 1h, .skips_equivalent = true};
    total sum;
    for (const bool is_sick : {false, true}) {
        how.is_sick = is_sick;
        for (const start from : {start::one_idle, start::one_lent}) {
            how.from = from;
            sum += explore_all(operations_that_start_hooks<Pool>(), 2, how, within);
        }
    }
    return sum;
}

}  // namespace
}  // namespace interleavings

TEST_CASE("async hooks: every pair of operations that start them keeps its promises [C1, C2, C11, C16, C21, C22]") {
    explore_started<started_idle>({}).print("pairs in a pool that bounds what is idle");
}

TEST_CASE("async hooks: the same in a pool that bounds what is open: nobody sleeps who could be served") {
    explore_started<started_open>({}).print("pairs in a pool that bounds what is open");
}
