// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/error_code.hpp>
#include <boost/version.hpp>
#if BOOST_VERSION >= 107700
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#endif
#include <doctest/doctest.h>

#include <pool/asio/async_acquire.hpp>

#include <interleavings/loop.hpp>
#include <interleavings/operations.hpp>

// An asynchronous caller whose connection is checked by an asynchronous operation, beside the operations that could disturb
// it. A thread of its own ends the checks.
//
// These threads are real ones: an operation asks for the id of the thread that dials.

using namespace interleavings;
using boost::system::error_code;

namespace {

/// Its checks end in the thread that ends hooks.
class checked : public connection {
public:
    using connection::connection;

    void check(pool::hook_done done) const {
        all_->test.at("begins to check connection #", number_);
        all_->hooks->begin(std::move(done), number_ > all_->sick);
    }
};

template <class Capacity>
using checked_pool = pool::basic_pool<int, checked, Capacity, pool::after_idle, scheduled_lock, scheduled_clock>;
using checked_idle = checked_pool<pool::bounded>;
using checked_open = checked_pool<pool::bounded_open>;

}  // namespace

template <>
struct pool::connection_traits<checked> : pool::member_connection_traits<checked> {
    static bool healthy(const checked&) { return true; }
    static void async_healthy(const checked& c, hook_done done) { c.check(std::move(done)); }
};

namespace interleavings {

template <>
struct maker<checked_idle> : maker<idle_pool> {
    static void make(std::optional<checked_idle>& into, const setting&, std::size_t) {
        into.emplace(pool::bounded{.max_idle = max_idle, .max_idle_per_key = 1}, pool::after_idle{time_to_live});
    }
    static void starts_hooks() {}
};
template <>
struct maker<checked_open> : maker<open_pool> {
    static void make(std::optional<checked_open>& into, const setting& how, std::size_t open) {
        into.emplace(bounds(open, how.patience), pool::after_idle{time_to_live});
    }
    static void starts_hooks() {}
};

namespace {

/// One call of `async_acquire`, from its begin to its end.
template <class Pool>
class checked_call {
public:
    explicit checked_call(scene<Pool>& all) : all_{all} {}

    void run(std::size_t i) {
        pool::asio::async_acquire(*all_.conns, all_.key(i), dial(), handler());
        loop_.run_until(is_done_);
    }

#if BOOST_VERSION >= 107700
    void run_and_cancel(std::size_t i) {
        boost::asio::cancellation_signal signal;
        pool::asio::async_acquire(
            *all_.conns, all_.key(i), dial(), boost::asio::bind_cancellation_slot(signal.slot(), handler()));
        boost::asio::post(loop_.get_executor(), [&] {
            if (!is_done_) signal.emit(boost::asio::cancellation_type::terminal);
        });
        loop_.run_until(is_done_);
    }
#endif

private:
    auto dial() {
        return [this](const int&, auto handler) {
            all_.counted.test.at("dials");
            std::move(handler)(error_code{}, checked{all_.counted});
        };
    }
    auto handler() {
        return boost::asio::bind_executor(
            loop_.get_executor(), [this](error_code error, typename Pool::lease_type got) {
                all_.counted.test.require(!is_done_, "the handler is called once");
                all_.counted.test.require(bool{error} != bool{got}, "it gets a connection or an error");
                got.give_back();
                is_done_ = true;
            });
    }

    scene<Pool>& all_;
    loop loop_;
    bool is_done_ = false;
};

template <class Pool>
std::vector<operation<Pool>> checked_callers() {
    using scene = interleavings::scene<Pool>;
    std::vector<operation<Pool>> all{
        {.name = "async_acquire",
            .act = [](scene& where, std::size_t i) { checked_call<Pool>{where}.run(i); },
            .waits = true},
    };
#if BOOST_VERSION >= 107700
    all.push_back(
        {"async_acquire, cancelled", [](scene& where, std::size_t i) { checked_call<Pool>{where}.run_and_cancel(i); }});
#endif
    return all;
}

template <class Pool>
total explore_checks(const pool::testing::limits& within) {
    const auto callers = checked_callers<Pool>();
    auto beside = callers;
    for (const auto& each : common_operations<Pool>()) {
        for (const char* const name : {"acquire", "try_acquire", "give back", "clear", "close"})
            if (std::string{each.name} == name) beside.push_back(each);
    }
    total sum;
    for (const bool is_sick : {false, true}) {
        const setting how{.from = start::one_idle, .is_sick = is_sick};
        for (const auto& caller : callers) {
            for (const auto& other : beside) {
                const std::vector<const operation<Pool>*> together{&caller, &other};
                const auto scenario = [&](exploration& test) { play(test, together, how); };
                sum.add(std::string{caller.name} + " | " + other.name, scenario, within);
            }
        }
    }
    return sum;
}

}  // namespace
}  // namespace interleavings

TEST_CASE(
    "async check: beside every operation, a caller gets one answer, and no connection is lost [C1, C11, C16, C20]") {
    // Real threads are slow, with the thread sanitizer above all.
    const pool::testing::limits within{
        .preemptions = preemptions(3, 2), .schedules = 1'000'000'000, .skips_equivalent = true, .uses_threads = true};
    explore_checks<checked_idle>(within).print("a pool that bounds what is idle");
    explore_checks<checked_open>(within).print("a pool that bounds what is open");
}
