// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <exception>
#include <functional>
#include <utility>
#include <vector>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/system/error_code.hpp>
#include <boost/version.hpp>

#include <pool/asio/async_acquire.hpp>

#if BOOST_VERSION >= 107700
#include <boost/asio/cancellation_signal.hpp>
#endif

#include <support/failing_pool.hpp>

/// @file
/// Asynchronous callers of a pool all of whose foreign code can fail. The test turns the event loop.

namespace failing {

namespace net = boost::asio;
using boost::system::error_code;

/// A world with an event loop and asynchronous callers. The first of them may have been made to fail.
template <class Pool>
struct async_world : world_of<Pool> {
    using lease = typename Pool::lease_type;

    /// What a caller got.
    struct answer {
        int calls = 0;
        error_code error;
        lease got;
    };

    async_world() { dials_under_way.reserve(4); }

    auto handler(answer& to) {
        return net::bind_executor(loop, [&to](error_code error, lease got) {
            ++to.calls;
            to.error = error;
            to.got = std::move(got);
        });
    }

    /// A dial that is over at once.
    auto at_once() {
        return [this](const key& wanted, auto handler) { handler(error_code{}, conn{this->dials(wanted)}); };
    }

    /// A dial that waits in `dials_under_way` until the test ends it, with a connection or with an error.
    auto slow() {
        return [this](const key&, auto handler) {
            dials_under_way.emplace_back([this, handler = std::move(handler)](error_code error) mutable {
                if (error) return handler(error);
                try {
                    may_fail(point::dial);
                } catch (...) {
                    return handler(std::current_exception());
                }
                handler(error, open());
            });
        };
    }

    conn open() {
        const disarmed unnoticed;
        return conn{this->dials(this->a)};
    }

    void end_dial(error_code error = {}) {
        const auto done = std::move(dials_under_way.back());
        dials_under_way.pop_back();
        done(error);
    }

    template <class Dial>
    void start(Dial dial) {
        pool::asio::async_acquire(*this->conns, this->a, std::move(dial), handler(first));
        is_started = true;
    }

    void poll() {
        loop.restart();
        loop.poll();
    }

    /// What is left is done, and nothing fails any more. A caller that could not be told is told after the next step.
    void finish(failure_run& run, answer& of, bool is_served) {
        poll();
        if (this->conns) this->conns->upkeep();
        poll();
        run.require(of.calls == 1, "a caller gets one answer");
        if (of.error) {
            run.require(!of.got, "a caller that gets an error gets no connection");
            run.require(!is_served || run.has_failed(), "a caller gets an error only if something fails");
        } else {
            run.require(bool{of.got}, "a caller gets a connection, or an error");
        }
        if (of.got) this->held.push_back(std::move(of.got));
    }

    net::io_context loop;
    answer first;
    answer second;
    bool is_started = false;
    std::vector<std::function<void(error_code)>> dials_under_way;
#if BOOST_VERSION >= 107700
    net::cancellation_signal signal;
#endif
};

/// Starts a caller by `start(w)`, which may throw. Then `go_on(w)` must not throw. All of it fails.
auto fails_from_the_start(auto start, auto go_on, bool is_served = true) {
    return [start, go_on, is_served](auto& w, failure_run& run) {
        const bool is_started = run.during([&] { start(w); });
        const bool went_on = !is_started || run.during([&] { go_on(w); });
        run.require(went_on, "nothing is thrown out of the loop, or into who serves");
        if (w.is_started) w.finish(run, w.first, is_served);
        else run.require(w.first.calls == 0, "a call that throws gives no answer");
        return is_started;
    };
}

/// The caller has been started, and fails after that.
auto fails_later(auto start, auto go_on, bool is_served = true) {
    return [start, go_on, is_served](auto& w, failure_run& run) {
        start(w);
        w.poll();
        const bool went_on = run.during([&] { go_on(w); });
        run.require(went_on, "nothing is thrown out of the loop, or into who serves");
        w.finish(run, w.first, is_served);
        return true;
    };
}

constexpr auto starts = [](auto& w) { w.start(w.at_once()); };
constexpr auto starts_slowly = [](auto& w) { w.start(w.slow()); };
constexpr auto turns = [](auto& w) { w.poll(); };
}  // namespace failing
