// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/testing.hpp>

#include <testing/explored.hpp>

// The fakes in an exploration: their calls are points where a thread may be stopped, and what they report fails a run.

using namespace pool::testing;
using explored::says;

namespace {

using explored_pool =
    pool::basic_pool<std::string, fake_connection, pool::bounded_open, pool::never, scheduled_lock, scheduled_clock>;

/// Holds one connection. Its mistake is chosen.
class holder {
public:
    explicit holder(fake_connection conn) : conn_{std::move(conn)} {}

    void close_under_lock() {
        const std::lock_guard guard{lock_};
        if (!conn_.closed()) conn_.close();
    }
    void close_if_open() {
        bool is_closed = false;
        {
            const std::lock_guard guard{lock_};
            is_closed = conn_.closed();
        }
        if (!is_closed) conn_.close();
    }

private:
    scheduled_lock lock_;
    fake_connection conn_;
};

}  // namespace

TEST_CASE("explored fakes: a pool of them is right under every schedule") {
    const auto found = explore([](exploration& test) {
        fake_dialer dials;
        {
            explored_pool conns{{.max_open = 1}};
            const auto use = [&] { conns.acquire("a", dials)->use(); };
            test.run({{"one", use}, {"two", use}});
            test.require(dials.dials() == 1, "the second gets the connection of the first");
        }
        test.require(dials.open() == 0, "it is closed");
    });
    CHECK_MESSAGE(found, found.text);
    CHECK(found.all);
    CHECK(found.schedules > 10);
}

TEST_CASE("explored fakes: a close under the lock, and two closes by two threads, are found") {
    const auto explore_closes = [](void (holder::*close)()) {
        return explore([close](exploration& test) {
            fake_dialer dials;
            holder held{dials(std::string{"a"})};
            const auto closes = [&] { (held.*close)(); };
            test.run({{"one", closes}, {"two", closes}});
        });
    };
    const auto locked = explore_closes(&holder::close_under_lock);
    CHECK(says(locked, "connection 1: closed under a lock"));
    const auto twice = explore_closes(&holder::close_if_open);
    CHECK(says(twice, "connection 1: closed while it is being closed"));
    CHECK(says(twice, "its history: dialled for a"));
    CHECK(says(twice, "one       -- is stopped here; its next step: closes a connection"));
    CHECK(says(twice, "two       closes a connection"));
}

TEST_CASE("explored fakes: two threads in one connection at once are found") {
    using act = void (*)(fake_connection&);
    const auto meet = [](act second) {
        return explore([=](exploration& test) {
            fake_dialer dials;
            auto conn = dials(std::string{"a"});
            const auto use = [&] {
                if (!conn.closed()) conn.use("asks");
            };
            test.run({{"one", use}, {"two", [&conn, second] { second(conn); }}});
            dials[1].closes = 1;  // as if it were
        });
    };
    const auto used = meet([](fake_connection& conn) { conn.use("asks, too"); });
    CHECK(says(used, "connection 1: used while it is in use, by two threads at once\n  its history: dialled for a\n"));
    CHECK(says(used, "one       -- is stopped here; its next step: asks\n"));
    CHECK(says(used, "two       asks, too\n"));
    const auto closed = meet([](fake_connection& conn) { conn.close(); });
    CHECK(says(closed, "connection 1: closed while it is in use, by two threads at once\n"));
    CHECK(says(closed, "two       closes a connection\n"));
    const auto moved = meet([](fake_connection& conn) {
        auto other = std::move(conn);
        conn = std::move(other);
    });
    CHECK(says(moved, "connection 1: moved while it is in use, by two threads at once\n"));
    CHECK(says(moved, "two       moves a connection\n"));
}

TEST_CASE("explored fakes: a connection that is destroyed during its close is found") {
    const auto found = explore([](exploration& test) {
        fake_dialer dials;
        std::optional conn{dials()};
        const auto destroy = [&] {
            if (conn->closed()) conn.reset();
        };
        conn->far().on_close = [&] { test.at("says goodbye"); };
        test.run({{"closes", [&] { conn->close(); }}, {"destroys", destroy}});
    });
    CHECK(says(found, "connection 1: destroyed while it is being closed"));
    CHECK(says(found, "destroys  destroys a connection\n"));
}

TEST_CASE("explored fakes: threads may use a connection one after the other, while the test looks at it") {
    const auto found = explore([](exploration& test) {
        fake_dialer dials;
        auto conn = dials();
        scheduled_lock lock;
        bool is_lent = false;
        scheduled_condition is_back;
        const auto use = [&] {
            {
                std::unique_lock guard{lock};
                is_back.wait(guard, [&] { return !is_lent; });
                is_lent = true;
            }
            conn.use();
            const std::lock_guard guard{lock};
            is_lent = false;
            is_back.notify_one();
        };
        const auto look = [&] {
            test.at("looks");
            test.require(!conn.closed() && conn.unblocked() && !conn.reusable(), "it is as it was");
            dials[1].reusable = true;
            dials[1].note("looked at");
        };
        test.run({{"one", use}, {"two", use}, {"looks", look}});
        conn.close();
    });
    CHECK_MESSAGE(found, found.text);
    CHECK(found.all);
}

TEST_CASE("explored fakes: after a run that has failed under a lock, the next one begins without it") {
    int runs = 0;
    const auto found = explore([&](exploration& test) {
        fake_dialer dials;
        scheduled_lock lock;
        test.run({{"one", [&] {
                       if (++runs == 1) {
                           const std::lock_guard guard{lock};
                           test.fail("the first run");
                       }
                       dials().close();
                   }}});
    });
    CHECK(says(found, "the first run"));
    CHECK_FALSE(is_under_lock());
}

TEST_CASE("explored fakes: a connection that there is not fails the run, and the dialer can be used on") {
    fake_dialer dials;
    const auto found = explore([&](exploration& test) { test.run({{"one", [&] { (void)dials[9]; }}}); });
    CHECK(says(found, "there is no connection 9; 0 were dialled"));
    CHECK(dials.dials() == 0);
}

TEST_CASE("explored fakes: a use may have a text that does not live on") {
    const auto found = explore([](exploration& test) {
        fake_dialer dials;
        auto conn = dials();
        test.run({{"one", [&] { conn.use("asks for number " + std::to_string(dials.dials())); }}});
        const std::string history = dials[1].history();
        conn.close();
        test.fail(history);
    });
    CHECK(says(found, "opened, asks for number 1"));
    CHECK(says(found, "uses a connection\n"));
}

TEST_CASE("explored fakes: a dial hangs until another thread opens the gate, or stops it") {
    const auto explore_dial = [](auto release) {
        return explore([release](exploration& test) {
            gate dialling;
            std::stop_source stop;
            fake_dialer dials;
            dials.next(hangs(dialling));
            std::string end;
            const auto dial = [&] {
                try {
                    dials(pool::dial_context{.stop = stop.get_token()}).close();
                    end = "opened";
                } catch (const std::runtime_error& error) {
                    end = error.what();
                }
            };
            test.run({{"dials", dial}, {"releases", [&] { release(dialling, stop); }}});
            if (!end.empty()) throw std::runtime_error{end};
        });
    };
    const auto opened = explore_dial([](gate& here, std::stop_source&) { here.open(); });
    CHECK(says(opened, "an exception leaves the test: opened"));
    const auto stopped = explore_dial([](gate&, std::stop_source& stop) { stop.request_stop(); });
    CHECK(says(stopped, "an exception leaves the test: the dial was given up"));
    const auto forgotten = explore_dial([](gate&, std::stop_source&) {});
    CHECK(says(forgotten, "a deadlock"));
    CHECK(says(forgotten, "dials cannot go on: it waits at a gate"));
}
