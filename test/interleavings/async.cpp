// SPDX-License-Identifier: BSL-1.0
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

// An asynchronous caller, whose event loop a thread of its own runs, beside every operation. Its dial ends at once, later
// or in vain.
//
// These threads are real ones: an operation asks for the id of the thread that dials.

using namespace interleavings;
using boost::system::error_code;

namespace {

/// One call of `async_acquire`, from its begin to its end.
template <class Pool>
class async_call {
public:
    explicit async_call(scene<Pool>& all) : all_{all} {}

    template <class Dial>
    void run(std::size_t i, Dial dial) {
        start(i, std::move(dial), executor());
        loop_.run_until(is_done_);
    }

#if BOOST_VERSION >= 107700
    template <class Dial>
    void run_and_cancel(std::size_t i, Dial dial) {
        boost::asio::cancellation_signal signal;
        start(i, std::move(dial), boost::asio::bind_cancellation_slot(signal.slot(), executor()));
        boost::asio::post(loop_.get_executor(), [&] {
            if (!is_done_) signal.emit(boost::asio::cancellation_type::terminal);
        });
        loop_.run_until(is_done_);
    }
#endif

    /// A dial that ends in its call.
    auto at_once() {
        return [this](const int&, auto handler) {
            scene<Pool>& all = all_;
            all.counted.test.at("dials");
            std::move(handler)(error_code{}, connection{all.counted});
        };
    }

    /// A dial that ends in another turn of the loop.
    auto later() {
        return [this](const int&, auto handler) {
            all_.counted.test.at("begins to dial");
            boost::asio::post(loop_.get_executor(), [this, handler = std::move(handler)]() mutable {
                std::move(handler)(error_code{}, connection{all_.counted});
            });
        };
    }

    auto in_vain() {
        return [this](const int&, auto handler) {
            all_.counted.test.at("dials in vain");
            std::move(handler)(boost::asio::error::connection_refused);
        };
    }

private:
    auto executor() {
        return boost::asio::bind_executor(loop_.get_executor(), [this](error_code, typename Pool::lease_type lease) {
            all_.counted.test.require(!is_done_, "the handler is called once");
            lease.give_back();
            is_done_ = true;
        });
    }

    template <class Dial, class Handler>
    void start(std::size_t i, Dial dial, Handler handler) {
        pool::asio::async_acquire(*all_.conns, all_.key(i), std::move(dial), std::move(handler));
    }

    scene<Pool>& all_;
    loop loop_;
    bool is_done_ = false;
};

template <class Pool>
std::vector<operation<Pool>> async_operations() {
    using scene = interleavings::scene<Pool>;
    using call = async_call<Pool>;
    std::vector<operation<Pool>> all{
        {.name = "async_acquire",
            .act =
                [](scene& where, std::size_t i) {
                    call one{where};
                    one.run(i, one.at_once());
                },
            .waits = true},
        {.name = "async_acquire, the dial ends later",
            .act =
                [](scene& where, std::size_t i) {
                    call one{where};
                    one.run(i, one.later());
                },
            .waits = true},
        {.name = "async_acquire, the dial fails",
            .act =
                [](scene& where, std::size_t i) {
                    call one{where};
                    one.run(i, one.in_vain());
                },
            .waits = true},
    };
#if BOOST_VERSION >= 107700
    all.push_back({"async_acquire, cancelled", [](scene& where, std::size_t i) {
                       call one{where};
                       one.run_and_cancel(i, one.later());
                   }});
#endif
    return all;
}

/// Each asynchronous caller beside each operation, the others of their kind too.
template <class Pool>
total explore_async(const std::vector<operation<Pool>>& beside, const pool::testing::limits& within) {
    const auto callers = async_operations<Pool>();
    auto all = callers;
    all.insert(all.end(), beside.begin(), beside.end());
    total sum;
    for (const auto& caller : callers) {
        for (const auto& other : all) {
            const std::vector<const operation<Pool>*> together{&caller, &other};
            if (!may_meet(together)) continue;
            const auto scenario = [&](exploration& test) { play(test, together, {}); };
            sum.add(std::string{caller.name} + " | " + other.name, scenario, within);
        }
    }
    return sum;
}

}  // namespace

TEST_CASE("async_acquire: beside every operation, a pool keeps its promises") {
    // Real threads are slow, with the thread sanitizer above all.
    const pool::testing::limits within{.preemptions = is_plain ? no_bound : 1,
        .schedules = 1'000'000'000,
        .skips_equivalent = true,
        .uses_threads = true};
    explore_async(idle_operations(), within).print("a pool that bounds what is idle");
    explore_async(open_operations(), within).print("a pool that bounds what is open");
}
