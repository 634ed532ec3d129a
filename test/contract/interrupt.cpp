// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstdint>
#include <new>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/dial.hpp>
#include <pool/dial/backing_off.hpp>
#include <pool/dial/timed.hpp>
#include <pool/error.hpp>

#include <support/allocations.hpp>
#include <support/invalidated_pool.hpp>
#include <support/latch.hpp>

// C25 invalidate({.interrupt = true}): the dials that it outdates are told to stop.

namespace invalidated {

namespace interrupted {

constexpr pool::invalidate_options at_once{.interrupt = true};

/// The exception of a dial that was told to stop.
struct told : std::runtime_error {
    told() : runtime_error{"told to stop"} {}
};

/// A dial that calls `act(n, context)` in its n-th call, then fails if it was told to stop.
template <class Net, class Act>
auto heeding(Net& net, Act act) {
    return [&net, act, n = 0](const std::string&, const pool::dial_context& context) mutable {
        act(++n, context);
        if (context.stop.stop_requested()) throw told{};
        return net.dial();
    };
}

/// A dial that says itself whether it heeds the context, and acts when it is asked.
template <class Net, class Act>
struct asked_dial {
    bool heeds_context() const {
        act();
        return true;
    }
    fake::connection operator()(const std::string&, const pool::dial_context& context) const {
        seen = context.stop.stop_requested();
        return net.dial();
    }
    Net& net;
    Act act;
    bool& seen;
};
template <class Net, class Act>
asked_dial(Net&, Act, bool&) -> asked_dial<Net, Act>;  // clang 14 needs it

}  // namespace interrupted

using namespace interrupted;

EACH_INVALIDATED_POOL("interrupt: a dial is told to stop, and is made again when it fails [C25]") {
    fixture<Pool> f;
    bool of_key = false;
    SUBCASE("all") {}
    SUBCASE("its key") { of_key = true; }
    auto dial = heeding(f.net, [&](int n, const pool::dial_context& context) {
        CHECK_FALSE(context.stop.stop_requested());
        if (n > 2) return;
        CHECK((of_key ? f.conns->invalidate("a", at_once) : f.conns->invalidate(at_once)) == 0);
        CHECK(context.stop.stop_requested());
    });
    CHECK(f.conns->acquire("a", dial)->id() == 1);
    CHECK(f.stats().failed_dials == 2);
    CHECK(f.stats().dials == 1);
    CHECK(f.stats().outdated_dials == 0);
    f.check_sums(1);
}

EACH_INVALIDATED_POOL("interrupt: a dial that ignores it is closed, and made again [C25]") {
    fixture<Pool> f;
    int n = 0;
    const auto dial = [&](const std::string&, const pool::dial_context&) {
        if (++n == 1) f.conns->invalidate(at_once);
        return f.net.dial();
    };
    CHECK(f.conns->acquire("a", dial)->id() == 2);
    CHECK(f.net.closed() == ids{1});
    CHECK(f.stats().outdated_dials == 1);
    CHECK(f.stats().failed_dials == 0);
    f.check_sums(1);
}

EACH_INVALIDATED_POOL("interrupt: a dial that returns a dead connection then is made again [C19, C25]") {
    fixture<Pool> f;
    int n = 0;
    const auto dial = [&](const std::string&, const pool::dial_context&) {
        auto conn = f.net.dial();
        if (++n == 1) {
            f.conns->invalidate(at_once);
            conn.far().dead = true;
            conn.far().on_close = [] { throw std::runtime_error{"reset"}; };
        }
        return conn;
    };
    CHECK(f.conns->acquire("a", dial)->id() == 2);
    CHECK(f.net.closed() == ids{1});
    CHECK(f.stats().failed_dials == 1);
    CHECK(f.stats().failed_closes == 1);
    CHECK(f.stats().outdated_dials == 0);
    f.check_sums(1);
}

EACH_INVALIDATED_POOL("interrupt: a dial that takes no context is not told, and fails its caller when it fails [C25]") {
    fixture<Pool> f;
    const auto dial = [&](const std::string&) -> fake::connection {
        f.conns->invalidate(at_once);
        throw std::runtime_error{"no answer"};
    };
    CHECK_THROWS_WITH_AS((void)f.conns->acquire("a", dial), "no answer", std::runtime_error);
    CHECK(f.stats().failed_dials == 1);
    f.check_sums(1);
}

EACH_INVALIDATED_POOL("interrupt: without the option no dial is told to stop [C25]") {
    fixture<Pool> f;
    auto dial = heeding(f.net, [&](int n, const pool::dial_context& context) {
        CHECK(context.stop.stop_possible());
        if (n == 1) f.conns->invalidate();
        CHECK_FALSE(context.stop.stop_requested());
    });
    CHECK(f.conns->acquire("a", dial)->id() == 2);
}

EACH_INVALIDATED_POOL("interrupt: of one key, a dial of another one is not told [C25]") {
    fixture<Pool> f;
    f.put("b");
    auto dial = heeding(f.net, [&](int, const pool::dial_context& context) {
        CHECK(f.conns->invalidate("b", at_once) == 1);
        CHECK_FALSE(context.stop.stop_requested());
    });
    CHECK(f.conns->acquire("a", dial)->id() == 2);
}

EACH_INVALIDATED_POOL("interrupt: a dial that began after it is not told [C25]") {
    fixture<Pool> f;
    f.conns->invalidate(at_once);
    auto dial = heeding(f.net, [&](int, const pool::dial_context&) {});
    CHECK(f.conns->acquire("a", dial)->id() == 1);
}

EACH_INVALIDATED_POOL("interrupt: a dial that is about to begin is not outdated, so it need not be told [C25]") {
    fixture<Pool> f;
    bool seen = true;
    auto dial = asked_dial{f.net, [&] { f.conns->invalidate(at_once); }, seen};
    CHECK(f.conns->acquire("a", dial)->id() == 1);
    CHECK_FALSE(seen);
    CHECK(f.stats().outdated_dials == 0);
}

EACH_INVALIDATED_POOL("interrupt: each dial is told once, and all that are outdated are [C25]") {
    fixture<Pool> f;
    int told_inner = 0;
    int told_outer = 0;
    auto inner = heeding(f.net, [&](int n, const pool::dial_context& context) {
        if (n > 1) return;
        const std::stop_callback counts{context.stop, [&] { ++told_inner; }};
        f.conns->invalidate(at_once);
        f.conns->invalidate(at_once);
    });
    auto outer = heeding(f.net, [&](int n, const pool::dial_context& context) {
        if (n > 1) return;
        const std::stop_callback counts{context.stop, [&] { ++told_outer; }};
        CHECK(f.conns->acquire("b", inner)->id() == 1);
    });
    CHECK(f.conns->acquire("a", outer)->id() == 2);
    CHECK(told_inner == 1);
    CHECK(told_outer == 1);
    f.check_sums(2);
}

EACH_INVALIDATED_POOL("interrupt: a dial that is told may call the pool [C8, C25]") {
    fixture<Pool> f;
    f.put("b");
    auto dial = heeding(f.net, [&](int n, const pool::dial_context& context) {
        if (n > 1) return;
        const std::stop_callback calls{context.stop, [&] {
                                           CHECK_FALSE(f.conns->try_acquire("b"));
                                           CHECK(f.acquire("b")->id() == 2);
                                       }};
        f.conns->invalidate(at_once);
    });
    CHECK(f.conns->acquire("a", dial)->id() == 3);
}

EACH_INVALIDATED_POOL("interrupt: after 16 interrupted dials their caller fails [C24, C25]") {
    fixture<Pool> f;
    int dials = 0;
    auto dial = heeding(f.net, [&](int, const pool::dial_context&) {
        ++dials;
        f.conns->invalidate(at_once);
    });
    CHECK_THROWS_AS((void)f.conns->acquire("a", dial), pool::acquire_invalidated);
    CHECK(dials == 16);
    CHECK(f.stats().failed_dials == 16);
    f.check_sums(1);
}

EACH_INVALIDATED_POOL("interrupt: a pool that is closed meanwhile ends the caller [C11, C25]") {
    fixture<Pool> f;
    auto dial = heeding(f.net, [&](int n, const pool::dial_context&) {
        CHECK(n == 1);
        f.conns->invalidate(at_once);
        f.conns->close();
    });
    CHECK_THROWS_AS((void)f.conns->acquire("a", dial), pool::pool_closed);
    f.check_sums(1);
}

// The stop of the caller.

EACH_INVALIDATED_POOL("interrupt: the stop of the caller is passed on, and is none of an interrupt [C25]") {
    fixture<Pool> f;
    std::stop_source stop;
    auto dial = heeding(f.net, [&](int n, const pool::dial_context& context) {
        CHECK(n == 1);
        stop.request_stop();
        CHECK(context.stop.stop_requested());
    });
    CHECK_THROWS_AS((void)f.conns->acquire("a", dial, pool::dial_context{.stop = stop.get_token()}), told);
    CHECK(f.stats().failed_dials == 1);
    f.check_sums(1);
}

EACH_INVALIDATED_POOL("interrupt: a caller that has requested a stop, too, dials no more [C25]") {
    fixture<Pool> f;
    std::stop_source stop;
    auto dial = heeding(f.net, [&](int n, const pool::dial_context& context) {
        CHECK(n == 1);
        CHECK_FALSE(context.stop.stop_requested());
        stop.request_stop();
        f.conns->invalidate(at_once);
    });
    const pool::dial_context context{.stop = stop.get_token()};
    CHECK_THROWS_AS((void)f.conns->acquire("a", dial, context), told);
    CHECK(f.net.dials() == 0);
    CHECK(f.stats().failed_dials == 1);
    f.check_sums(1);
}

EACH_INVALIDATED_POOL("interrupt: the deadline of the caller is that of each dial [C25]") {
    fixture<Pool> f;
    const auto deadline = std::chrono::steady_clock::now() + 1h;
    auto dial = heeding(f.net, [&](int n, const pool::dial_context& context) {
        CHECK(context.deadline == deadline);
        if (n == 1) f.conns->invalidate(at_once);
    });
    CHECK(f.conns->acquire("a", dial, pool::dial_context{.deadline = deadline}));
}

EACH_INVALIDATED_POOL("interrupt: a dial in another thread wakes [C25]") {
    fixture<Pool> f;
    latch begun{1};
    latch stopped{1};
    auto dial = heeding(f.net, [&](int n, const pool::dial_context& context) {
        if (n > 1) return;
        const std::stop_callback wakes{context.stop, [&] { stopped.count_down(); }};
        begun.count_down();
        stopped.wait();
    });
    std::thread other{[&] { CHECK(f.conns->acquire("a", dial)->id() == 1); }};
    begun.wait();
    f.conns->invalidate(at_once);
    other.join();
    CHECK(f.stats().failed_dials == 1);
    f.check_sums(1);
}

// Dials of other kinds.

EACH_INVALIDATED_POOL("interrupt: the dial of a lazy connection, and one that opens ahead, are told, too [C25]") {
    fixture<Pool> f;
    int dials = 0;
    const auto dial = [&](const std::string&, const pool::dial_context& context) {
        if (++dials % 2 != 0) f.conns->invalidate(at_once);
        if (context.stop.stop_requested()) throw told{};
        return f.net.dial();
    };
    auto lazy = f.conns->get("a", dial);
    lazy.invoke([](fake::connection& c) { CHECK(c.id() == 1); });
    CHECK(f.conns->prewarm("b", 1, dial).opened == 1);
    f.conns->min_idle("c", 1, dial);
    f.conns->upkeep();
    CHECK(f.conns->stats("c").idle == 1);
    CHECK(dials == 6);
    CHECK(f.stats().failed_dials == 3);
}

EACH_INVALIDATED_POOL("interrupt: without memory for the context of a dial, no dial has failed") {
    bool is_over = false;
    std::uint64_t in_vain = 0;
    for (std::uint64_t n = 1; !is_over; ++n) {
        fixture<Pool> f;
        auto dial = heeding(f.net, [](int, const pool::dial_context&) {});
        try {
            const allocations::failing nth{n};
            auto lent = f.conns->acquire("a", dial);
            is_over = !nth.happened();
        } catch (const std::bad_alloc&) {
            if (f.net.dials() > 0) continue;
            ++in_vain;
            CHECK(f.stats().failed_dials == 0);
            CHECK(f.stats().dialing == 0);
            CHECK(f.stats().keys == 0);
        }
    }
    CHECK(in_vain >= 2);  // the entry, and the stop source
}

TEST_CASE_TEMPLATE("interrupt: a dial of the pool's own is told, in whatever it is wrapped [C25]", Capacity,
    pool::bounded, pool::bounded_open) {
    using owning = pool::basic_pool<std::string, fake::connection, Capacity>;
    fake::network net;
    owning* conns = nullptr;
    int dials = 0;
    const auto dial = [&](const std::string&, const pool::dial_context& context) {
        if (++dials == 1) conns->invalidate(at_once);
        if (context.stop.stop_requested()) throw told{};
        return net.dial();
    };
    const auto check = [&](auto wrapped) {
        owning own{{}, {}, {}, wrapped};
        conns = &own;
        auto lazy = own.get("a");
        lazy.invoke([](fake::connection& c) { CHECK(c.id() == 1); });
        CHECK(dials == 2);
        CHECK(own.stats().failed_dials == 1);
    };
    SUBCASE("plain") { check(dial); }
    SUBCASE("timed") { check(pool::timed{1h, dial}); }
    SUBCASE("backing off: it was no failure of the peer") { check(pool::backing_off{dial}); }
    SUBCASE("both") { check(pool::backing_off{pool::timed{1h, dial}}); }
}

}  // namespace invalidated
