// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <exception>
#include <new>
#include <stdexcept>
#include <utility>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/error.hpp>
#include <boost/version.hpp>
#include <doctest/doctest.h>

#include <pool/asio/async_acquire.hpp>
#include <pool/asio/with_exceptions.hpp>

#if BOOST_VERSION >= 107700
#include <boost/asio/bind_cancellation_slot.hpp>
#endif

#include <support/failing_asio.hpp>

// Each call of foreign code fails in turn, in callers that do not block: when they start, in a turn of the event loop, in
// the end of a dial, and in the step of another caller that serves them.

using namespace failing;

namespace {

constexpr auto ends_dial = [](auto& w) {
    w.end_dial();
    w.poll();
};
constexpr auto fails_dial = [](auto& w) {
    w.end_dial(net::error::connection_refused);
    w.poll();
};
constexpr auto closes = [](auto& w) {
    w.is_closed = true;
    (void)w.conns->close();
    w.poll();
};

/// The pool is closed, even if there is no memory for the errors of the closes.
constexpr auto closes_in_any_case = [](auto& w) {
    try {
        closes(w);
    } catch (const std::bad_alloc&) {
    }
};
/// The pool is closed while a caller dials; the dial ends later.
constexpr auto closes_while_it_dials = [](auto& w) {
    closes_in_any_case(w);
    w.poll();
    w.end_dial();
    w.poll();
};
constexpr auto one_idle = [](auto& w) { w.put(w.a); };

}  // namespace

TEST_CASE_TEMPLATE("failures, asio: a caller that dials, or finds a connection [C12]", Pool, idle_pool, open_pool) {
    using world = async_world<Pool>;
    scenarios all;
    all.add_run<world>("dials", promise::strong, nothing, fails_from_the_start(starts, turns));
    all.add_run<world>("finds one", promise::basic, one_idle, fails_from_the_start(starts, turns));
    all.add_run<world>(
        "finds an expired one", promise::basic,
        [](world& w) {
            one_idle(w);
            w.clock.advance(w.lifetime);
        },
        fails_from_the_start(starts, turns));
    all.add_run<world>("its dial is slow", promise::strong, nothing, fails_from_the_start(starts_slowly, [](world& w) {
        w.poll();
        if (!w.dials_under_way.empty()) ends_dial(w);
    }));
    all.add_run<world>("its dial has come to its end", promise::basic, nothing, fails_later(starts_slowly, ends_dial));
    all.add_run<world>("its dial fails", promise::basic, nothing, fails_later(starts_slowly, fails_dial, false));
    all.add_run<world>("its dial is dropped", promise::basic, nothing,
        fails_later(
            starts_slowly,
            [](world& w) {
                w.dials_under_way.clear();
                w.poll();
            },
            false));
}

TEST_CASE_TEMPLATE(
    "failures, asio: a pool that ends, or is closed, while a caller dials [C11, C12]", Pool, idle_pool, open_pool) {
    using world = async_world<Pool>;
    scenarios all;
    all.add_run<world>("closed", promise::basic, nothing, fails_later(starts_slowly, closes_while_it_dials, false));
    all.add_run<world>("gone", promise::basic, nothing,
        fails_later(
            starts_slowly,
            [](world& w) {
                w.conns.reset();
                w.poll();
                w.end_dial();
                w.poll();
            },
            false));
}

TEST_CASE("failures, asio: a caller of a pool that is paused [C12, C26]") {
    using world = async_world<open_pool>;
    scenarios all;
    const auto paused = [](world& w) { w.conns->pause(pool::wait_for_resume); };
    const auto resumes = [](world& w) {
        w.poll();
        w.conns->resume();
        w.poll();
    };
    const auto pauses_and_resumes = [resumes](world& w) {
        w.conns->pause(pool::wait_for_resume);
        resumes(w);
    };
    all.add_run<world>("it waits from its start", promise::basic, paused, [resumes](world& w, failure_run& run) {
        const bool is_started = fails_from_the_start(starts, resumes)(w, run);
        w.conns->resume();
        return is_started;
    });
    all.add_run<world>(
        "it gives its permit back", promise::strong, nothing, fails_from_the_start(starts, pauses_and_resumes));
    all.add_run<world>("it dials", promise::basic, nothing, fails_later(starts_slowly, [pauses_and_resumes](world& w) {
        pauses_and_resumes(w);
        ends_dial(w);
    }));
    all.add_run<world>("it is refused", promise::basic, nothing,
        fails_from_the_start(
            starts,
            [](world& w) {
                w.conns->pause();
                w.poll();
                w.conns->resume();
            },
            false));
}

TEST_CASE("failures, asio: a caller that waits, and who serves it [C12]") {
    using world = async_world<open_pool>;
    scenarios all;
    const auto one_lent = [](world& w) {
        w.conns->reconfigure(open_bounds{{.max_open = 1, .patience = 0ns}});
        w.acquire(w.a);
    };
    const auto lent_of_b = [](world& w) {
        w.conns->reconfigure(open_bounds{{.max_open = 1, .patience = 0ns}});
        w.acquire(w.b);
    };
    const auto gives_back = [](world& w) {
        w.held.clear();
        w.poll();
    };
    const auto served = [&](auto go_on, bool is_served = true) { return fails_later(starts, go_on, is_served); };
    all.add_run<world>("from its start", promise::basic, one_lent, fails_from_the_start(starts, gives_back));
    all.add_run<world>(
        "from its start, for another key", promise::basic, lent_of_b, fails_from_the_start(starts, gives_back));
    all.add_run<world>("gets what comes back", promise::basic, one_lent, served(gives_back));
    all.add_run<world>("gets the permit of another key", promise::basic, lent_of_b, served(gives_back));
    all.add_run<world>("gets the permit of a discard", promise::basic, one_lent, served([](world& w) {
        w.held.back().discard();
        w.held.clear();
        w.poll();
    }));
    all.add_run<world>("gives up at its deadline", promise::basic, one_lent,
        fails_later([](world& w) { pool::asio::async_acquire(*w.conns, w.a, w.at_once(), 1s, w.handler(w.first)); },
            [](world& w) {
                w.clock.advance(1s);
                w.conns->upkeep();
                w.poll();
            },
            false));
    all.add_run<world>(
        "is refused by a full queue", promise::basic,
        [](world& w) {
            w.conns->reconfigure(open_bounds{{.max_open = 1, .max_waiting = 0, .patience = 0ns}});
            w.acquire(w.a);
        },
        [](world& w, failure_run& run) {
            const bool is_started = run.during([&] { starts(w); });
            run.require(!is_started || run.during([&] { w.poll(); }), "nothing is thrown out of the loop");
            if (w.is_started) w.finish(run, w.first, false);
            return is_started;
        });
    all.add_run<world>(
        "is refused when the pool is closed", promise::basic, one_lent, served(closes_in_any_case, false));
}

TEST_CASE("failures, asio: a caller with a timer [C12]") {
    using world = async_world<real_time_pool>;
    scenarios all;
    const auto start = [](world& w) {
        pool::asio::async_acquire(*w.conns, w.a, w.at_once(), 1h, w.handler(w.first));
        w.is_started = true;
    };
    all.add_run<world>("dials", promise::strong, nothing, fails_from_the_start(start, turns));
    all.add_run<world>("finds one", promise::basic, one_idle, fails_from_the_start(start, turns));
    const auto one_lent = [](world& w) {
        w.conns->reconfigure(open_bounds{{.max_open = 1, .patience = 0ns}});
        w.acquire(w.a);
    };
    all.add_run<world>("waits", promise::basic, one_lent, fails_from_the_start(start, [](world& w) {
        w.held.clear();
        w.poll();
    }));
    all.add_run<world>("its deadline has passed", promise::basic, nothing, [](world& w, failure_run& run) {
        const bool is_started = run.during([&] {
            pool::asio::async_acquire(*w.conns, w.a, w.at_once(), 0s, w.handler(w.first));
            w.is_started = true;
        });
        run.require(!is_started || run.during([&] { w.poll(); }), "nothing is thrown out of the loop");
        if (w.is_started) w.finish(run, w.first, false);
        return is_started;
    });
}

TEST_CASE_TEMPLATE(
    "failures, asio: a caller that takes exceptions, whose texts need memory [C12]", Pool, idle_pool, open_pool) {
    using world = async_world<Pool>;
    scenarios all;
    const auto start_with = [](auto dial) {
        return [dial](world& w) {
            auto handler = net::bind_executor(w.loop, [&w](const std::exception_ptr& error, typename world::lease got) {
                ++w.first.calls;
                if (error) w.first.error = net::error::fault;
                w.first.got = std::move(got);
            });
            pool::asio::async_acquire(
                *w.conns, w.a, dial(w), w.clock.now() + 1s, pool::asio::with_exceptions{std::move(handler)});
            w.is_started = true;
        };
    };
    const auto start = start_with([](world& w) { return w.at_once(); });
    const auto start_slowly = start_with([](world& w) { return w.slow(); });
    all.add_run<world>("dials", promise::strong, nothing, fails_from_the_start(start, turns));
    all.add_run<world>("its dial fails", promise::basic, nothing, fails_later(start_slowly, fails_dial, false));
    all.add_run<world>("its dial throws", promise::basic, nothing, [&](world& w, failure_run& run) {
        const auto throws = start_with([](world&) {
            return [](const key&, auto) { throw std::runtime_error{"a text that is long enough for the heap"}; };
        });
        const bool is_started = run.during([&] { throws(w); });
        run.require(!is_started || run.during([&] { w.poll(); }), "nothing is thrown out of the loop");
        if (w.is_started) w.finish(run, w.first, false);
        return is_started;
    });
    const auto ends_late = [](world& w) {
        w.clock.advance(1s);
        w.conns->upkeep();
        w.poll();
        w.end_dial();
        w.poll();
    };
    all.add_run<world>("its deadline passes", promise::basic, nothing, fails_later(start_slowly, ends_late, false));
    all.add_run<world>(
        "the pool is closed", promise::basic, nothing, fails_later(start_slowly, closes_while_it_dials, false));
}

#if BOOST_VERSION >= 107700
TEST_CASE_TEMPLATE("failures, asio: a caller that is cancelled [C12]", Pool, idle_pool, open_pool) {
    using world = async_world<Pool>;
    scenarios all;
    const auto start = [](world& w) {
        pool::asio::async_acquire(
            *w.conns, w.a, w.slow(), net::bind_cancellation_slot(w.signal.slot(), w.handler(w.first)));
        w.is_started = true;
    };
    const auto cancels = [](world& w) {
        w.poll();
        w.signal.emit(net::cancellation_type::all);
        w.poll();
    };
    const auto late = [](world& w, failure_run& run, auto fails) {
        const bool is_done = fails(w, run);
        if (!w.dials_under_way.empty()) ends_dial(w);  // nobody needs this connection any more
        return is_done;
    };
    all.add_run<world>("from its start", promise::basic, nothing, [=](world& w, failure_run& run) {
        return late(w, run, [&](world& its, failure_run& that) {
            const bool is_started = that.during([&] { start(its); });
            that.require(!is_started || that.during([&] { cancels(its); }), "nothing is thrown out of the loop");
            if (its.is_started) its.finish(that, its.first, false);
            return is_started;
        });
    });
    all.add_run<world>("while it dials", promise::basic, nothing,
        [=](world& w, failure_run& run) { return late(w, run, fails_later(start, cancels, false)); });
}
#endif
