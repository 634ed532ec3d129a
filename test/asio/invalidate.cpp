// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/error.hpp>
#include <boost/version.hpp>
#include <doctest/doctest.h>

#include <pool/asio/async_acquire.hpp>
#include <pool/dial.hpp>
#include <pool/error.hpp>
#include <pool/stats.hpp>

#if BOOST_VERSION >= 107700
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#endif
#ifdef BOOST_ASIO_HAS_CO_AWAIT
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#endif

#include <support/allocations.hpp>
#include <support/async_calls.hpp>
#include <support/figures.hpp>
#include <support/ids.hpp>
#include <support/posting_executor.hpp>

// An asynchronous caller whose dial is outdated dials again.

using namespace std::chrono_literals;
using namespace async_calls;
using fake::ids;
using pool::asio::errc;

namespace {

/// Nothing is under way, and the figures add up [C16].
template <class Fixture>
void check_end(Fixture& f, std::uint64_t look_ups) {
    const pool::stats s = f.conns->stats();
    figures::check_exact(s, look_ups);
    CHECK(s.dialing == 0);
    CHECK(s.waiting == 0);
    CHECK(s.closing == 0);
}

}  // namespace

TEST_CASE("asio, invalidate: an outdated dial is closed, and made again [C24]") {
    with_each_kind([](auto& f) {
        auto got = f.ask("a", f.slow());
        f.run();
        CHECK(f.conns->invalidate() == 0);
        f.dial_succeeded();
        CHECK(f.far.closed() == ids{1});
        CHECK_FALSE(got->done);
        f.run();
        REQUIRE(f.dials.size() == 2);
        f.dial_succeeded(1);
        f.run();
        CHECK(got->lease->id() == 2);
        CHECK(f.conns->stats().outdated_dials == 1);
        CHECK(f.conns->stats().dials == 2);
        CHECK(f.conns->invalidate("a") == 0);
        got->lease.give_back();
        CHECK(f.far.closed() == ids{2});
        CHECK(f.conns->stats().invalidated == 1);
        check_end(f, 1);
    });
}

TEST_CASE("asio, invalidate: a dial of another key goes on, and so does one that begins later [C24]") {
    with_each_kind([](auto& f) {
        auto first = f.ask("a", f.slow());
        f.run();
        f.conns->invalidate("b");
        f.dial_succeeded();
        auto second = f.ask("b", f.slow());
        f.run();
        f.dial_succeeded(1);
        f.run();
        CHECK(first->lease->id() == 1);
        CHECK(second->lease->id() == 2);
        CHECK(f.conns->stats().outdated_dials == 0);
    });
}

TEST_CASE("asio, invalidate: a dial that fails has failed, outdated or not [C24]") {
    with_each_kind([](auto& f) {
        auto got = f.ask("a", f.slow());
        f.run();
        f.conns->invalidate();
        f.dial_failed(0, net::error::connection_refused);
        f.run();
        CHECK(got->error == net::error::connection_refused);
        CHECK(f.dials.size() == 1);
        CHECK(f.conns->stats().failed_dials == 1);
        CHECK(f.conns->stats().outdated_dials == 0);
        check_end(f, 1);
    });
}

TEST_CASE("asio, invalidate: dials that are over at once are made again in the same turn, 16 times [C24]") {
    with_each_kind([](auto& f) {
        int outdated = 0;
        const auto dial = [&](const std::string&, auto handler) {
            if (outdated-- > 0) f.conns->invalidate();
            handler(error_code{}, f.far.dial());
        };
        SUBCASE("the 16th is valid") {
            outdated = 15;
            auto got = f.ask("a", dial);
            CHECK(f.loop.poll() == 1);
            CHECK(got->lease->id() == 16);
        }
        SUBCASE("the 16th is not: it fails") {
            outdated = 16;
            auto got = f.ask("a", dial);
            CHECK(f.loop.poll() == 1);
            CHECK(got->error == errc::acquire_invalidated);
            CHECK(f.far.dials() == 16);
            CHECK(f.far.open() == 0);
        }
        SUBCASE("it fails with an exception") {
            outdated = 16;
            auto got = f.ask_for_exceptions("a", dial);
            f.run();
            CHECK(text(got->exception).find("the pool was invalidated") != std::string::npos);
            CHECK_THROWS_AS(std::rethrow_exception(got->exception), pool::acquire_invalidated);
        }
        check_end(f, 1);
    });
}

TEST_CASE("asio, invalidate: a dial that throws after one that was outdated has failed [C24]") {
    with_each_kind([](auto& f) {
        int n = 0;
        auto got = f.ask_for_exceptions("a", [&](const std::string&, auto handler) {
            if (++n == 2) throw std::runtime_error{"no answer"};
            f.conns->invalidate();
            handler(error_code{}, f.far.dial());
        });
        f.run();
        CHECK(text(got->exception) == "no answer");
        CHECK(f.far.closed() == ids{1});
        check_end(f, 1);
    });
}

TEST_CASE("asio, invalidate: what is left of an outdated dial does not end the next one [C24]") {
    with_each_kind([](auto& f) {
        using handler_type = std::function<void(error_code)>;
        std::optional<handler_type> left;
        std::optional<std::function<void()>> opens_late;
        int n = 0;
        auto got = f.ask("a", [&](const std::string& key, auto handler) {
            if (++n != 1) return f.slow()(key, std::move(handler));
            left.emplace([handler](error_code error) mutable { handler(error); });
            opens_late.emplace([handler, &f]() mutable { handler(error_code{}, f.far.dial()); });
            f.conns->invalidate();
            handler(error_code{}, f.far.dial());
        });
        f.run();
        REQUIRE(f.dials.size() == 1);
        SUBCASE("a failure") { (*left)(net::error::connection_reset); }
        SUBCASE("a connection") {
            (*opens_late)();
            CHECK(f.far.closed() == ids{1, 2});
        }
        SUBCASE("its handlers are dropped") {}
        left.reset();
        opens_late.reset();
        f.run();
        CHECK_FALSE(got->done);
        const int next = f.far.dials() + 1;
        f.dial_succeeded();
        f.run();
        CHECK(got->lease->id() == next);
        CHECK(f.conns->stats().outdated_dials == 1);
        CHECK(f.conns->stats().failed_dials == 0);
        check_end(f, 1);
    });
}

TEST_CASE("asio, invalidate: a dial that is made again, and drops its handler, fails [C24]") {
    with_each_kind([](auto& f) {
        int n = 0;
        auto got = f.ask("a", [&](const std::string&, auto handler) {
            if (++n == 2) return;
            f.conns->invalidate();
            handler(error_code{}, f.far.dial());
        });
        f.run();
        CHECK(got->error == errc::dial_dropped);
        check_end(f, 1);
    });
}

TEST_CASE("asio, invalidate: a dial is not called again before it returns, whatever other threads do [C24]") {
    with_each_kind([](auto& f) {
        int n = 0;
        int inside = 0;
        auto got = f.ask("a", [&](const std::string&, auto handler) {
            CHECK(++inside == 1);
            if (++n == 1) {
                f.conns->invalidate();
                std::thread other{[&] {
                    handler(error_code{}, f.far.dial());
                    f.loop.restart();
                    f.loop.poll();  // the next turn, while this dial has not returned
                }};
                other.join();
            } else {
                handler(error_code{}, f.far.dial());
            }
            --inside;
        });
        f.run();
        f.run();
        CHECK(n == 2);
        REQUIRE(got->done);
        CHECK(got->lease->id() == 2);
        check_end(f, 1);
    });
}

TEST_CASE("asio, invalidate: a caller that has left needs no other dial [C24]") {
    with_each_kind([](auto& f) {
        auto got = f.ask("a", f.slow(), 1s);
        f.run();
        f.conns->invalidate();
        SUBCASE("it was late") {
            f.clock.advance(1s);
            f.conns->upkeep();
            f.run();
            CHECK(got->error == errc::acquire_timeout);
            f.dial_succeeded();
        }
        SUBCASE("it is late when the dial ends") {
            f.dial_succeeded();
            f.clock.advance(1s);
            f.run();
            CHECK(got->error == errc::acquire_timeout);
        }
        SUBCASE("the pool was closed") {
            f.conns->close();
            f.run();
            CHECK(got->error == errc::pool_closed);
            f.dial_succeeded();
        }
        SUBCASE("the pool is closed when the dial ends") {
            f.dial_succeeded();
            f.conns->close();
            f.run();
            CHECK(got->error == errc::pool_closed);
        }
        f.run();
        CHECK(f.dials.size() == 1);
        CHECK(f.far.closed() == ids{1});
        check_end(f, 1);
    });
}

#if BOOST_VERSION >= 107700
TEST_CASE("asio, invalidate: a caller can be cancelled between two dials [C24]") {
    with_each_kind([](auto& f) {
        net::cancellation_signal cancel;
        using fixture_type = std::remove_reference_t<decltype(f)>;
        auto got = std::make_shared<async_calls::result<typename fixture_type::pool_type>>();
        pool::asio::async_acquire(*f.conns, "a", f.slow(), net::bind_cancellation_slot(cancel.slot(), f.handler(got)));
        f.run();
        f.conns->invalidate();
        f.dial_succeeded();
        cancel.emit(net::cancellation_type::all);
        f.run();
        CHECK(got->error == net::error::operation_aborted);
        CHECK(f.dials.size() == 1);
        check_end(f, 1);
    });
}
#endif

TEST_CASE("asio, invalidate: a caller dials again without memory for its turn, and without an executor that has none "
          "[C12, C24]") {
    with_each_kind([](auto& f) {
        using fixture_type = std::remove_reference_t<decltype(f)>;
        auto got = std::make_shared<async_calls::result<typename fixture_type::pool_type>>();
        bool has_memory = true;
        pool::asio::async_acquire(*f.conns, "a", f.slow(),
            net::bind_executor(posting_executor{f.loop.get_executor(), while_there_is_memory{&has_memory}}, f.handler(got).get()));
        f.run();
        f.conns->invalidate();
        auto conn = f.far.dial();
        SUBCASE("its turn") {
            CHECK(allocations::allocated_by([&] { f.dials[0]({}, std::move(conn)); }) == 0);
            f.run();
            f.dial_succeeded(1);
            f.run();
            REQUIRE(got->done);
            CHECK(got->lease->id() == 2);
        }
        SUBCASE("an executor: it is told when there is some, or has failed") {
            has_memory = false;
            f.dials[0]({}, std::move(conn));
            CHECK(f.far.closed() == ids{1});
            has_memory = true;
            (void)f.conns->upkeep();
            f.run();
            if (!got->done) {
                f.dial_succeeded(1);
                f.run();
            } else {
                CHECK(got->error == net::error::no_memory);
            }
            CHECK(got->done);
        }
        check_end(f, 1);
    });
}

TEST_CASE("asio, invalidate: with an interrupt, the dial is told to stop, and made again when it fails [C25]") {
    with_each_kind([](auto& f) {
        auto got = f.ask("a", f.slow_with_context());
        auto other = f.ask("b", f.slow_with_context());
        f.run();
        const auto of_first = f.contexts.at(0)->stop;
        const auto of_other = f.contexts.at(1)->stop;
        f.conns->invalidate("a", {.interrupt = true});
        CHECK(of_first.stop_requested());
        CHECK_FALSE(of_other.stop_requested());
        SUBCASE("it fails") {
            f.dial_failed(0, net::error::operation_aborted);
            CHECK(f.conns->stats().failed_dials == 1);
        }
        SUBCASE("it succeeds, too late") {
            f.dial_succeeded(0);
            CHECK(f.far.closed() == ids{1});
            CHECK(f.conns->stats().outdated_dials == 1);
        }
        SUBCASE("it drops its handler") {
            f.dials[0] = nullptr;
            CHECK(f.conns->stats().failed_dials == 1);
        }
        SUBCASE("it has opened a dead connection") {
            auto conn = f.far.dial();
            conn.far().dead = true;
            std::exchange(f.dials.at(0), nullptr)({}, std::move(conn));
            CHECK(f.conns->stats().failed_dials == 1);
        }
        f.run();
        REQUIRE(f.dials.size() == 3);
        CHECK_FALSE(f.contexts.at(2)->stop.stop_requested());
        f.dial_succeeded(2);
        f.dial_succeeded(1);
        f.run();
        CHECK(got->lease);
        CHECK(other->lease);
        CHECK_FALSE(got->error);
        check_end(f, 2);
    });
}

TEST_CASE("asio, invalidate: the stop of a caller that leaves is none of an interrupt [C25]") {
    with_each_kind([](auto& f) {
        auto got = f.ask("a", f.slow_with_context(), 1s);
        f.run();
        SUBCASE("alone") {}
        SUBCASE("both") { f.conns->invalidate({.interrupt = true}); }
        f.clock.advance(1s);
        f.conns->upkeep();
        f.run();
        CHECK(got->error == errc::acquire_timeout);
        CHECK(f.contexts.at(0)->stop.stop_requested());
        f.dial_failed(0, net::error::operation_aborted);
        f.run();
        CHECK(f.dials.size() == 1);
        CHECK(f.conns->stats().failed_dials == 1);
        check_end(f, 1);
    });
}

TEST_CASE("asio, invalidate: a dial without a context, or without the option, is not interrupted [C25]") {
    with_each_kind([](auto& f) {
        SUBCASE("no option") {
            auto got = f.ask("a", f.slow_with_context());
            f.run();
            f.conns->invalidate();
            CHECK_FALSE(f.contexts.at(0)->stop.stop_requested());
            f.dial_failed(0, net::error::connection_reset);
            f.run();
            CHECK(got->error == net::error::connection_reset);
        }
        SUBCASE("no context") {
            auto got = f.ask("a", f.slow());
            f.run();
            f.conns->invalidate({.interrupt = true});
            f.dial_failed(0, net::error::connection_reset);
            f.run();
            CHECK(got->error == net::error::connection_reset);
        }
        check_end(f, 1);
    });
}

TEST_CASE("asio, invalidate: callers that wait fail, if it says so [C25]") {
    timed_fixture<open_pool> f{pool::bounded_open{.max_open = 1}};
    auto dials = f.ask("a", f.slow());
    auto first = f.ask("a");
    auto other = f.ask("b");
    f.run();
    SUBCASE("all") { f.conns->invalidate({.fail_waiting = true}); }
    SUBCASE("of a key") { f.conns->invalidate("a", {.fail_waiting = true}); }
    f.run();
    CHECK(first->error == errc::acquire_invalidated);
    CHECK_FALSE(dials->done);
    f.dial_succeeded();
    f.run();
    f.dial_succeeded(1);
    f.run();
    CHECK(dials->lease->id() == 2);
    dials->lease.discard();
    f.run();
    if (!other->error) CHECK(other->lease->id() == 3);
    CHECK(other->done);
    check_end(f, 3);
}

#ifdef BOOST_ASIO_HAS_CO_AWAIT
TEST_CASE("asio, invalidate: a dial that is a coroutine is made again [C24, C25]") {
    with_each_kind([](auto& f) {
        int n = 0;
        bool fails = false;
        SUBCASE("it succeeds, too late") {}
        SUBCASE("it is interrupted, and fails") { fails = true; }
        auto got =
            f.ask("a", [&](const std::string&, const pool::dial_context& context) -> net::awaitable<fake::connection> {
                const bool is_first = ++n == 1;
                CHECK_FALSE(context.stop.stop_requested());
                if (is_first) f.conns->invalidate({.interrupt = fails});
                co_await net::post(co_await net::this_coro::executor, net::use_awaitable);
                if (context.stop.stop_requested()) throw std::runtime_error{"interrupted"};
                co_return f.far.dial();
            });
        f.run();
        CHECK(n == 2);
        REQUIRE(got->done);
        CHECK(got->lease->id() == (fails ? 1 : 2));
        CHECK(f.conns->stats().failed_dials == (fails ? 1 : 0));
        check_end(f, 1);
    });
}
#endif
