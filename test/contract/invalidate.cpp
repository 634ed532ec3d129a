// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <exception>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/error.hpp>

#include <support/calls.hpp>
#include <support/invalidated_pool.hpp>

// C24 invalidate(): no connection is lent any more that was open, or being opened, when it was called.

namespace invalidated {

EACH_INVALIDATED_POOL("invalidate: idle connections are closed at once, the oldest first, and counted [C16, C24]") {
    fixture<Pool> f;
    f.put("a", 2);
    CHECK(f.conns->invalidate() == 2);
    CHECK(f.net.closed() == ids{1, 2});
    CHECK(f.stats().invalidated == 2);
    CHECK(f.stats().idle == 0);
    CHECK(f.stats().keys == 0);
    CHECK(f.conns->invalidate() == 0);
    CHECK(f.acquire()->id() == 3);
    CHECK(f.acquire()->id() == 3);  // what was dialled since may be used again
    f.check_sums(2);
}

EACH_INVALIDATED_POOL("invalidate: of one key, it leaves the others [C24]") {
    fixture<Pool> f;
    for (const char* const key : {"a", "b", "a"}) f.put(key);
    auto lent = f.conns->try_acquire("b");
    CHECK(f.conns->invalidate("a") == 2);
    CHECK(f.net.closed() == ids{1, 3});
    lent.give_back();
    CHECK(f.conns->stats("b").idle == 1);
    CHECK(f.conns->invalidate("c") == 0);
    CHECK(f.acquire("b")->id() == 2);
    CHECK(f.stats().invalidated == 2);
    f.check_sums(2);
}

EACH_INVALIDATED_POOL("invalidate: a lent connection may be used, and is closed when it comes back [C16, C24]") {
    fixture<Pool> f;
    auto lent = f.acquire();
    CHECK(f.conns->invalidate("a") == 0);
    CHECK_FALSE(lent->closed());
    CHECK(f.stats().lent == 1);
    SUBCASE("given back") {
        lent.give_back();
        CHECK(f.stats().puts == 1);
        CHECK(f.stats().invalidated == 1);
    }
    SUBCASE("given back, after all were invalidated, too") {
        CHECK(f.conns->invalidate() == 0);
        lent.give_back();
        CHECK(f.stats().invalidated == 1);
    }
    SUBCASE("discarded") {
        lent.discard();
        CHECK(f.stats().discarded == 1);
        CHECK(f.stats().invalidated == 0);
    }
    SUBCASE("dead") {
        f.net[1].dead = true;
        lent.give_back();
        CHECK(f.stats().refused == 1);
        CHECK(f.stats().invalidated == 0);
    }
    SUBCASE("to a closed pool") {
        f.conns->close();
        lent.give_back();
        CHECK(f.stats().refused == 1);
    }
    CHECK(f.net.closed() == ids{1});
    CHECK(f.stats().lent == 0);
    f.check_sums(1);
}

EACH_INVALIDATED_POOL("invalidate: a connection that its caller keeps is not the pool's any more [C24]") {
    fixture<Pool> f;
    f.put("a", 2);
    auto taken = f.conns->take("a");
    auto detached = f.conns->try_acquire("a").detach();
    CHECK(f.conns->invalidate() == 0);
    // The pool cannot know how old it is: whoever puts it says that it is good.
    f.conns->put("a", std::move(*taken));
    f.conns->put("a", std::move(detached));
    CHECK(f.conns->invalidate("a") == 2);
    CHECK(f.net.closed() == ids{1, 2});
    f.check_sums(2);
}

EACH_INVALIDATED_POOL("invalidate: blocked and dead connections are closed, too [C5, C6, C24]") {
    fixture<Pool> f;
    f.put("a", 3);
    f.net[1].blocked = true;
    f.net[2].dead = true;
    CHECK(f.conns->invalidate() == 3);
    CHECK(f.net.closed() == ids{1, 2, 3});
    CHECK(f.stats().invalidated == 3);
    CHECK(f.stats().found_closed == 0);
    f.check_sums(0);
}

EACH_INVALIDATED_POOL("invalidate: the newest connection is not lent before the outdated ones are closed [C4, C24]") {
    fixture<Pool> f{{}, {.reuse = pool::reuse_order::newest_first}};
    f.put("a", 2);
    ids seen;
    f.net[1].on_close = [&] {  // the second one is not closed yet
        seen.push_back(f.acquire()->id());
        seen.push_back(f.acquire()->id());
    };
    CHECK(f.conns->invalidate() == 2);
    CHECK(seen == ids{3, 3});
    CHECK(f.net.closed() == ids{1, 2});
    f.check_sums(2);
}

EACH_INVALIDATED_POOL("invalidate: more than a batch is closed, whatever a close does meanwhile [C10, C24]") {
    fixture<Pool> f{{.max_idle = 3'000}};
    constexpr int count = 300;
    f.put("a", count);
    SUBCASE("nothing") { CHECK(f.conns->invalidate() == count); }
    SUBCASE("nothing, of the key") { CHECK(f.conns->invalidate("a") == count); }
    SUBCASE("it looks up") {
        f.net[1].on_close = [&] {
            CHECK(f.stats().idle == count - 128);  // so the first batch is being closed
            CHECK_FALSE(f.conns->try_acquire("a"));
        };
        f.conns->invalidate();
    }
    SUBCASE("it dials, and gives back") {
        f.net[128].on_close = [&] { CHECK(f.acquire()->id() == count + 1); };
        f.conns->invalidate();
        CHECK(f.stats().idle == 1);
        CHECK(f.acquire()->id() == count + 1);
    }
    SUBCASE("it dials, and gives back, of the key") {
        f.net[128].on_close = [&] { CHECK(f.acquire()->id() == count + 1); };
        f.conns->invalidate("a");
        CHECK(f.stats().idle == 1);
        CHECK(f.acquire()->id() == count + 1);
    }
    SUBCASE("it puts another one") {
        f.net[1].on_close = [&] { f.put(); };
        CHECK(f.conns->invalidate() == count);
        CHECK(f.stats().idle == 1);
    }
    SUBCASE("it invalidates again") {
        f.net[1].on_close = [&] { CHECK(f.conns->invalidate() == count - 128); };
        CHECK(f.conns->invalidate() == 128);
        CHECK(f.stats().idle == 0);
    }
    SUBCASE("it clears") {
        f.net[1].on_close = [&] { CHECK(f.conns->clear() == count - 128); };
        CHECK(f.conns->invalidate() == 128);
        CHECK(f.stats().cleared == count - 128);
    }
    CHECK(f.stats().invalidated + f.stats().cleared == count);
    CHECK(f.net.closed().size() == count);
    f.check_sums(f.stats().hits + f.stats().misses);
}

EACH_INVALIDATED_POOL("invalidate: the error of a close is counted, and stops nothing [C13, C24]") {
    fixture<Pool> f;
    f.put("a", 2);
    const auto lent = f.acquire("b");
    for (const int id : {1, 2}) f.net[id].on_close = [] { throw std::runtime_error{"reset"}; };
    CHECK(f.conns->invalidate() == 2);
    CHECK(f.net.closed() == ids{1, 2});
    CHECK(f.stats().failed_closes == 2);
}

EACH_INVALIDATED_POOL("invalidate: a close may destroy the pool [C8, C24]") {
    fixture<Pool> f;
    std::string key = "a";
    f.put("a", 2);
    f.net[1].on_close = [&] {
        key = "another";
        f.conns.reset();
    };
    SUBCASE("all") { CHECK(f.conns->invalidate() == 2); }
    SUBCASE("a key") { CHECK(f.conns->invalidate(key) == 2); }
    CHECK_FALSE(f.conns);
    CHECK(f.net.closed() == ids{1, 2});
}

EACH_INVALIDATED_POOL("invalidate: a closed pool has nothing to close, and stays closed [C11, C24]") {
    fixture<Pool> f;
    f.put();
    f.conns->close();
    CHECK(f.conns->invalidate() == 0);
    CHECK(f.conns->invalidate("a", {.interrupt = true, .fail_waiting = true}) == 0);
    CHECK_THROWS_AS((void)f.acquire(), pool::pool_closed);
}

// Dials.

EACH_INVALIDATED_POOL("invalidate: what is being dialled is closed, and its caller dials again [C16, C24]") {
    fixture<Pool> f;
    bool of_key = false;
    SUBCASE("all") {}
    SUBCASE("its key") { of_key = true; }
    auto dial = f.dial_after([&](int n) {
        if (n < 3) CHECK((of_key ? f.conns->invalidate("a") : f.conns->invalidate()) == 0);
    });
    auto lent = f.conns->acquire("a", dial);
    CHECK(lent->id() == 3);
    CHECK(f.net.closed() == ids{1, 2});
    CHECK(f.stats().dials == 3);
    CHECK(f.stats().outdated_dials == 2);
    CHECK(f.stats().failed_dials == 0);
    CHECK(f.stats().invalidated == 0);
    CHECK(f.stats().misses == 1);
    lent.give_back();
    CHECK(f.stats().idle == 1);
    f.check_sums(1);
}

EACH_INVALIDATED_POOL("invalidate: a dial of another key goes on [C24]") {
    fixture<Pool> f;
    f.put("b");
    auto dial = f.dial_after([&](int) { f.conns->invalidate("b"); });
    CHECK(f.conns->acquire("a", dial)->id() == 2);
    CHECK(f.stats().outdated_dials == 0);
    CHECK(f.stats().invalidated == 1);
    f.check_sums(1);
}

EACH_INVALIDATED_POOL("invalidate: a dial that fails has failed, outdated or not [C24]") {
    fixture<Pool> f;
    int attempts = 0;
    const auto fails = [&](const std::string&) -> fake::connection {
        ++attempts;
        f.conns->invalidate();
        throw std::runtime_error{"no answer"};
    };
    CHECK_THROWS_WITH_AS((void)f.conns->acquire("a", fails), "no answer", std::runtime_error);
    const auto dead = [&](const std::string&) {
        f.conns->invalidate();
        auto conn = f.net.dial();
        conn.far().dead = true;
        return conn;
    };
    CHECK_THROWS_AS((void)f.conns->acquire("a", dead), pool::dial_failed);
    CHECK(attempts == 1);
    CHECK(f.stats().failed_dials == 2);
    CHECK(f.stats().outdated_dials == 0);
    CHECK(f.net.closed() == ids{1});
    f.check_sums(2);
}

EACH_INVALIDATED_POOL("invalidate: a dial that fails after one that was outdated fails its caller [C24]") {
    fixture<Pool> f;
    auto dial = f.dial_after([&](int n) {
        if (n == 2) throw std::runtime_error{"no answer"};
        f.conns->invalidate();
    });
    CHECK_THROWS_WITH_AS((void)f.conns->acquire("a", dial), "no answer", std::runtime_error);
    CHECK(f.stats().outdated_dials == 1);
    CHECK(f.stats().failed_dials == 1);
    f.check_sums(1);
    CHECK(f.acquire()->id() == 2);
}

EACH_INVALIDATED_POOL("invalidate: a caller whose context has ended meanwhile does not dial again [C24]") {
    using pool::dial_context;
    fixture<Pool> f;
    std::stop_source stop;
    const auto late = std::chrono::steady_clock::now() - 1s;
    for (const bool is_late : {true, false}) {
        auto dial = f.dial_after([&](int) {
            f.conns->invalidate();
            if (!is_late) stop.request_stop();
        });
        const dial_context context = is_late ? dial_context{.deadline = late} : dial_context{.stop = stop.get_token()};
        const int before = f.net.dials();
        if constexpr (Pool::bounds_open) {  // it would not dial at all after its deadline
            if (is_late) continue;
            CHECK_THROWS_AS((void)f.conns->acquire("a", dial, context), pool::acquire_cancelled);
        } else {
            CHECK_THROWS_AS((void)f.conns->acquire("a", dial, context), pool::acquire_invalidated);
        }
        CHECK(f.net.dials() == before + 1);
        CHECK(f.net.open() == 0);
    }
    f.check_sums(Pool::bounds_open ? 1 : 2);
}

EACH_INVALIDATED_POOL("invalidate: a prewarm whose context has ended meanwhile does not dial again [C24]") {
    fixture<Pool> f;
    std::stop_source stop;
    auto dial = f.dial_after([&](int) {
        f.conns->invalidate();
        stop.request_stop();
    });
    const pool::prewarmed done = f.conns->prewarm("a", 2, dial, {.stop = stop.get_token()});
    CHECK(done.opened == 0);
    CHECK_THROWS_AS(std::rethrow_exception(done.error), pool::acquire_invalidated);
    CHECK(f.net.dials() == 1);
    CHECK(f.stats().idle == 0);
    f.check_sums(0);
}

EACH_INVALIDATED_POOL("invalidate: after 16 outdated dials their caller fails, and not before [C24]") {
    fixture<Pool> f;
    auto most = [&](int count) {
        return f.dial_after([&f, count](int n) {
            if (n <= count) f.conns->invalidate();
        });
    };
    auto dial = most(15);
    CHECK(f.conns->acquire("a", dial)->id() == 16);
    f.conns->clear();
    auto other = most(17);
    const auto text = Pool::bounds_open
                          ? "pool \"peers\": no connection for key \"a\": the pool was invalidated (1 open, 0 idle, "
                            "0 lent, 1 dialling, 0 waiting)"
                          : "pool \"peers\": no connection for key \"a\": the pool was invalidated (0 open, 0 idle, "
                            "0 lent, 0 dialling, 0 waiting)";
    CHECK_THROWS_WITH_AS((void)f.conns->acquire("a", other), text, pool::acquire_invalidated);
    CHECK(f.net.dials() == 32);
    CHECK(f.stats().outdated_dials == 31);
    CHECK(f.net.open() == 0);
    f.check_sums(2);
    CHECK(f.acquire()->id() == 33);
}

EACH_INVALIDATED_POOL("invalidate: a pool that is closed during an outdated dial ends its caller [C11, C24]") {
    fixture<Pool> f;
    auto dial = f.dial_after([&](int) {
        f.conns->invalidate();
        f.conns->close();
    });
    CHECK_THROWS_AS((void)f.conns->acquire("a", dial), pool::pool_closed);
    CHECK(f.net.closed() == ids{1});
    f.check_sums(1);
}

EACH_INVALIDATED_POOL("invalidate: a pool that is closed when an outdated connection is, ends its caller [C11, C24]") {
    fixture<Pool> f;
    auto dial = f.dial_after([&](int) { f.conns->invalidate(); });
    f.net.prepare([&](fake::line& far) { far.on_close = [&] { f.conns->close(); }; });
    CHECK_THROWS_AS((void)f.conns->acquire("a", dial), pool::pool_closed);
    CHECK(f.net.closed() == ids{1});
    CHECK(f.stats().outdated_dials == 1);
    f.check_sums(1);
}

EACH_INVALIDATED_POOL("invalidate: the failed close of an outdated dial is counted [C13, C24]") {
    fixture<Pool> f;
    auto dial = f.dial_after([&](int n) {
        if (n == 1) f.conns->invalidate();
    });
    f.net.prepare([](fake::line& far) {
        if (far.id == 1) far.on_close = [] { throw std::runtime_error{"reset"}; };
    });
    CHECK(f.conns->acquire("a", dial)->id() == 2);
    CHECK(f.stats().failed_closes == 1);
    f.check_sums(1);
}

EACH_INVALIDATED_POOL("invalidate: a connection that is put meanwhile is closed [C24]") {
    fixture<Pool> f;
    auto conn = f.net.dial();
    f.conns->put("a", std::move(conn));
    auto lent = f.conns->try_acquire("a");
    f.conns->invalidate();
    f.conns->put("a", lent.detach());  // it is new to the pool
    CHECK(f.stats().idle == 1);
    CHECK(f.stats().invalidated == 0);
}

EACH_INVALIDATED_POOL("invalidate: a fresh connection is dialled again, too [C24]") {
    fixture<Pool> f;
    f.put();
    auto dial = f.dial_after([&](int n) {
        if (n == 1) f.conns->invalidate();
    });
    CHECK(f.conns->acquire_fresh("a", dial)->id() == 3);
    CHECK(f.stats().outdated_dials == 1);
    CHECK(f.net.closed() == ids{1, 2});
}

EACH_INVALIDATED_POOL("invalidate: a lazy connection dials again, and closes what it had [C24]") {
    fixture<Pool> f;
    auto lazy = f.conns->get("a", f.net.dialer());
    CHECK(lazy.invoke(fake::id) == 1);
    f.conns->invalidate();
    CHECK(lazy.invoke(fake::id) == 2);
    lazy.invoke([&](fake::connection&) { f.conns->invalidate("a"); });
    CHECK(f.net.closed() == ids{1, 2});
    CHECK(lazy.invoke(fake::id) == 3);
    CHECK(f.stats().invalidated == 2);
    f.check_sums(4);
}

EACH_INVALIDATED_POOL("invalidate: a stream goes on, and its connection is closed at its end [C24]") {
    fixture<Pool> f;
    auto lazy = f.conns->get("a", f.net.dialer());
    auto replies = lazy.open_stream(fake::messages(2));
    f.conns->invalidate();
    replies.invoke(&fake::stream::next);
    CHECK(f.net.closed() == ids{});
    replies.invoke(&fake::stream::next);
    CHECK(f.net.closed() == ids{1});
    CHECK(f.stats().invalidated == 1);
    f.check_sums(1);
}

EACH_INVALIDATED_POOL("invalidate: what is opened ahead is dialled again [C24]") {
    fixture<Pool> f;
    auto dial = f.dial_after([&](int n) {
        if (n == 2) f.conns->invalidate();
    });
    const pool::prewarmed done = f.conns->prewarm("a", 3, dial);
    CHECK_FALSE(done.error);
    CHECK(f.conns->stats("a").idle == 3);
    CHECK(f.net.closed() == ids{1, 2});
    CHECK(f.stats().outdated_dials == 1);
    CHECK(f.stats().invalidated == 1);
    f.check_sums(0);
}

EACH_INVALIDATED_POOL("invalidate: opening ahead ends, if each of its dials is outdated [C24]") {
    fixture<Pool> f;
    auto dial = f.dial_after([&](int) { f.conns->invalidate(); });
    const pool::prewarmed done = f.conns->prewarm("a", 3, dial);
    CHECK(done.opened == 0);
    CHECK_THROWS_AS(std::rethrow_exception(done.error), pool::acquire_invalidated);
    CHECK(f.net.dials() == 16);
    CHECK(f.net.open() == 0);
    f.check_sums(0);
}

EACH_INVALIDATED_POOL("invalidate: the next upkeep opens what has to be idle [C24]") {
    fixture<Pool> f;
    f.conns->min_idle("a", 2, f.net.dialer());
    f.conns->upkeep();
    CHECK(f.conns->invalidate() == 2);
    CHECK(f.stats().idle == 0);
    f.conns->upkeep();
    CHECK(f.stats().idle == 2);
    CHECK(f.net.dials() == 4);
}

// Others.

TEST_CASE_TEMPLATE("invalidate: a connection that is dialled again begins its lifetime then [C7, C24]", Pool,
    pool_of<pool::bounded, pool::after_lifetime>, pool_of<pool::bounded_open, pool::after_lifetime>) {
    fake::network net;
    pool::manual_clock clock;
    Pool conns{{}, 10s, {}, clock};
    int dials = 0;
    auto lent = conns.acquire("a", [&](const std::string&) {
        if (++dials == 1) conns.invalidate();
        clock.advance(5s);
        return net.dial();
    });
    lent.give_back();
    clock.advance(10s - 1ns);
    CHECK(conns.expire() == 0);
    clock.advance(1ns);
    CHECK(conns.expire() == 1);
    CHECK(net.closed() == ids{1, 2});
    conns.put("a", net.dial());
    CHECK(conns.invalidate() == 1);
    CHECK(conns.stats().idle == 0);
}

TEST_CASE_TEMPLATE("invalidate: a pool of one peer has one key [C24]", Capacity, pool::bounded, pool::bounded_open) {
    fake::network net;
    pool::basic_pool<pool::no_key, fake::connection, Capacity> conns;
    conns.put(net.dial());
    auto lent = conns.acquire([&] { return net.dial(); });
    conns.put(net.dial());
    CHECK(conns.invalidate() == 1);
    lent.give_back();
    CHECK(net.closed() == ids{2, 1});
    int dials = 0;
    CHECK(conns
              .acquire([&] {
                  if (++dials == 1) conns.invalidate(pool::no_key{}, {.interrupt = true});
                  return net.dial();
              })
              ->id() == 4);
    CHECK(conns.invalidate(pool::no_key{}) == 1);
}

EACH_INVALIDATED_POOL("invalidate: it works more often than a byte can count [C24]") {
    fixture<Pool> f;
    auto lent = f.acquire("b");
    for (int i = 0; i != 600; ++i) {
        CHECK(f.acquire()->id() == i + 2);
        CHECK(f.conns->invalidate("a") == 1);
    }
    const int id = lent->id();
    lent.give_back();
    CHECK(f.acquire("b")->id() == id);
    f.check_sums(602);
}

TEST_CASE("invalidate: the connections of all shards are outdated, and those of a key in its shard [C24]") {
    fixture<shards> f{{.max_idle = 30}};
    std::vector<shards::lease_type> lent;
    for (const char* const key : {"a", "b", "c", "d", "e"}) {
        f.put(key);
        lent.push_back(f.acquire((std::string{key} + "2").c_str()));
    }
    CHECK(f.conns->invalidate("c") == 1);
    CHECK(f.conns->invalidate() == 4);
    lent.clear();
    CHECK(f.stats().invalidated == 10);
    CHECK(f.net.open() == 0);
    f.check_sums(5);
}

}  // namespace invalidated
