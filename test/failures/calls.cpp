// SPDX-License-Identifier: BSL-1.0
#include <new>
#include <utility>

#include <doctest/doctest.h>

#include <support/failing_pool.hpp>

// Each call of foreign code fails in turn, while somebody calls through a lazy connection, a stream, or the pool's own
// dial. The call itself is a hook, which fails, too.

namespace failures_calls_cases {

using namespace failing;

namespace {

constexpr auto call = [](conn& over) {
    over.use();
    may_fail(point::hook);
};
constexpr auto one_idle = [](auto& w) { w.put(w.a); };

/// A call of two messages.
struct stream {
    explicit stream(conn& over) : left{2} { over.use("opens a stream"); }
    stream(stream&& other) : left{(may_fail(point::move), std::exchange(other.left, 0))} {}

    int next() {
        may_fail(point::hook);
        return --left;
    }
    bool done() const noexcept { return left == 0; }

    int left;
};
constexpr auto open = [](conn& over) {
    may_fail(point::hook);
    return stream{over};
};

/// A world whose pool has a dial of its own.
template <class Pool>
struct own_dial_world : world_of<Pool> {
    own_dial_world() : world_of<Pool>{true} {}
};

}  // namespace

TEST_CASE_TEMPLATE("failures: calls through a lazy connection [C12, C14]", Pool, idle_pool, open_pool, shards) {
    using world = world_of<Pool>;
    scenarios all;
    const auto invoke = [](world& w) { w.conns->get(w.a, w.dialer()).invoke(call); };
    all.add<world>("get", promise::strong, nothing, [](world& w) { (void)w.conns->get(w.a, w.dialer()); });
    all.add<world>("a call that dials", promise::basic, nothing, invoke);
    all.add<world>("a call that finds one", promise::basic, one_idle, invoke);
    all.add<world>(
        "a call over a reusable one", promise::strong,
        [](world& w) {
            one_idle(w);
            w.dials[1].reusable = true;
        },
        invoke);
    all.add<world>("several calls", promise::basic, nothing, [](world& w) {
        auto peer = w.conns->get(w.a, w.dialer());
        peer.invoke(call);
        auto moved = std::move(peer);
        moved.invoke([&](conn& over) {
            call(over);
            moved.invoke(call);
        });
    });
    all.add<world>("a call after the end of the pool", promise::basic, one_idle, [](world& w) {
        auto peer = w.conns->get(w.a, w.dialer());
        w.conns.reset();
        try {
            peer.invoke(call);
        } catch (const pool::pool_closed&) {
        }
    });
}

TEST_CASE_TEMPLATE("failures: streams [C12, C14]", Pool, idle_pool, open_pool, shards) {
    using world = world_of<Pool>;
    scenarios all;
    all.add<world>("to its end", promise::basic, one_idle, [](world& w) {
        auto opened = w.conns->get(w.a, w.dialer()).open_stream(open);
        while (!opened.done()) opened.next();
    });
    all.add<world>("half-way", promise::basic, nothing, [](world& w) {
        auto opened = w.conns->get(w.a, w.dialer()).open_stream(open);
        opened.next();
        const auto moved = std::move(opened);
    });
}

TEST_CASE_TEMPLATE("failures: a pool that owns its dial [C12]", Pool, idle_pool, open_pool) {
    using world = own_dial_world<Pool>;
    scenarios all;
    all.add<world>("acquire", promise::strong, nothing, [](world& w) { w.held.push_back(w.conns->acquire(w.a)); });
    all.add<world>("invoke", promise::basic, nothing, [](world& w) { w.conns->invoke(w.a, call); });
    all.add<world>("get", promise::basic, one_idle, [](world& w) { w.conns->get(w.a).invoke(call); });
}

TEST_CASE("failures: an allocation can fail in this program") {
    const auto found = pool::testing::explore_failures(
        [](failure_run& run) { run.during([] { ::operator delete(::operator new(1)); }); });
    CHECK(found.points(point::allocation) == 1);
}

}  // namespace failures_calls_cases
