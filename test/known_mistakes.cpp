// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <memory>
#include <mutex>
#include <ratio>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>

#include <support/fake.hpp>
#include <support/latch.hpp>

// Mistakes that other pools made, and this one, too, before the list was written.

namespace known_mistakes_cases {

using namespace std::chrono_literals;

namespace {

using ids = std::vector<int>;

template <class Key>
using pool_of =
    pool::basic_pool<Key, fake::connection, pool::bounded, pool::after_idle, std::mutex, pool::manual_clock>;
using test_pool = pool_of<std::string>;

}  // namespace

// 1. An eviction removed the record of the key that was being put, and lost the new entry with it.
TEST_CASE("known mistake 1: an eviction that takes the last entry of a key does not lose the one being put [C3]") {
    fake::network net;
    test_pool conns{{.max_idle = 1}};
    conns.put("a", net.dial());
    conns.put("a", net.dial());
    CHECK(conns.stats("a").idle == 1);
    conns.put("b", net.dial());
    CHECK(net.closed() == ids{1, 2});
    CHECK(conns.try_acquire("b")->id() == 3);
}

// 2. Each key that was used once left an empty list behind. Here each key is a shared_ptr, and its use count shows
// whether the pool keeps a copy.
TEST_CASE("known mistake 2: the pool keeps a key no longer than its connections [C17]") {
    fake::network net;
    pool_of<std::shared_ptr<int>> conns{{.max_idle = 10}};
    std::vector<std::shared_ptr<int>> keys;
    for (int i = 0; i < 100; ++i) {
        keys.push_back(std::make_shared<int>(i));
        (void)conns.acquire(keys.back(), net.dialer());
    }
    long kept = 0;
    for (const auto& key : keys) kept += key.use_count() - 1;
    CHECK(kept == 10);
}

// 3. A closed pool still kept connections, and nobody closed them.
TEST_CASE("known mistake 3: a put after close keeps nothing [C11]") {
    fake::network net;
    test_pool conns;
    conns.close();
    conns.put("a", net.dial());
    CHECK(net.closed() == ids{1});
    CHECK(conns.stats().idle == 0);
}

// 4. A timer chose its entry before it had the lock. Then it unlinked the entry, although another thread had just taken
// it.
TEST_CASE("known mistake 4: an entry that is being expired cannot be taken, and a taken one cannot expire [C9]") {
    fake::network net;
    pool::manual_clock clock;
    test_pool conns{{}, 10s, {}, clock};
    conns.put("a", net.dial());
    conns.put("b", net.dial());
    auto taken = conns.take("b");
    clock.advance(10s);

    latch closing{1};
    latch go_on{1};
    net[1].on_close = [&] {
        closing.count_down();
        go_on.wait();
    };
    std::jthread sweep{[&] { conns.expire(); }};
    closing.wait();
    CHECK_FALSE(conns.take("a"));
    CHECK(conns.expire() == 0);
    CHECK(conns.stats() == pool::stats{.hits = 1, .misses = 1, .puts = 2, .expired = 1, .closing = 1});
    go_on.count_down();
    sweep.join();

    CHECK(net.closed() == ids{1});
    taken->close();
}

// 5. A search removed entries from the list that it was walking, and skipped the entries after them.
TEST_CASE("known mistake 5: a live connection between dead ones is found [C6]") {
    for (const auto reuse : {pool::reuse_order::oldest_first, pool::reuse_order::newest_first}) {
        fake::network net;
        test_pool conns{{}, {}, {.reuse = reuse}};
        for (int i = 0; i < 3; ++i) conns.put("a", net.dial());
        net[1].dead = net[3].dead = true;
        const auto live = conns.try_acquire("a");
        REQUIRE(live);
        CHECK(live->id() == 2);
    }
}

TEST_CASE("known mistake 5: a live connection behind many dead ones is found [C6]") {
    fake::network net;
    test_pool conns;
    for (int i = 0; i < 10; ++i) conns.put("a", net.dial());
    for (int id = 1; id < 10; ++id) net[id].dead = true;
    CHECK(conns.try_acquire("a")->id() == 10);
}

// 6. Connections were closed under the lock, and a close can be slow.
TEST_CASE("known mistake 6: a slow close blocks no key, not even its own [C8]") {
    fake::network net;
    test_pool conns{{.max_idle_per_key = 1}};
    conns.put("slow", net.dial());

    latch closing{1};
    latch go_on{1};
    net[1].on_close = [&] {
        closing.count_down();
        go_on.wait();
    };
    std::jthread evicting{[&] { conns.put("slow", net.dial()); }};
    closing.wait();
    CHECK(conns.try_acquire("slow")->id() == 2);
    CHECK(conns.acquire("quick", net.dialer())->id() == 3);
    CHECK(conns.clear() == 2);
    CHECK(conns.stats().closing == 1);
    go_on.count_down();
}

// 7. A caller saw that no connection was free, and registered its wait in a second step. It missed a connection that
// was given back in between. Callers of this test's pool do not wait for connections. But a reaper sleeps until
// `next_expiry`.
TEST_CASE("known mistake 7: a sweep that was planned for an empty pool is not late for a later connection [C7]") {
    fake::network net;
    pool::manual_clock clock;
    test_pool conns{{}, 10s, {}, clock};
    const auto planned = conns.next_expiry();
    conns.put("a", net.dial());
    CHECK(planned <= conns.next_expiry());
    clock.set(planned);
    CHECK(conns.expire() == 1);
}

// 8. An exception half-way left a slot taken. In this test's pool a lent connection takes no slot, but none may stay
// lent.
TEST_CASE("known mistake 8: a failed dial leaves nothing behind [C12]") {
    fake::network net;
    test_pool conns{{.max_idle = 1, .max_idle_per_key = 1}};
    const auto refuse = [](const std::string&) -> fake::connection { throw std::runtime_error{"refused"}; };
    for (int i = 0; i < 3; ++i) CHECK_THROWS_AS((void)conns.acquire("a", refuse), std::runtime_error);
    CHECK(conns.stats() == pool::stats{.misses = 3, .failed_dials = 3});
    (void)conns.acquire("a", net.dialer());
    CHECK(conns.stats("a").idle == 1);
}

TEST_CASE("known mistake 8: a validation that throws leaves nothing behind [C14]") {
    fake::network net;
    test_pool conns{{.max_idle = 1, .max_idle_per_key = 1}};
    auto peer = conns.get("a", net.dialer());
    const auto reject = [](fake::connection&) { throw std::runtime_error{"not valid"}; };
    for (int i = 0; i < 3; ++i) CHECK_THROWS_AS(peer.invoke(reject), std::runtime_error);
    CHECK(conns.stats().lent == 0);
    CHECK(net.closed() == ids{1, 2, 3});
    CHECK(peer.invoke(&fake::connection::id) == 4);
    CHECK(conns.stats("a").idle == 1);
}

// 9. A wait began anew after each wake-up, so it never ended. Callers of this test's pool do not wait. But a reaper
// waits for one sweep after the other, and other operations must not postpone the next one.
TEST_CASE("known mistake 9: the use of other connections does not put off an expiry [C7]") {
    fake::network net;
    pool::manual_clock clock;
    test_pool conns{{}, 10s, {}, clock};
    conns.put("used", net.dial());
    conns.put("unused", net.dial());
    const auto due = conns.next_expiry();
    for (int i = 0; i < 9; ++i) {
        clock.advance(1s);
        CHECK(conns.try_acquire("used"));
        CHECK(conns.next_expiry() == due);
    }
    clock.advance(1s);
    CHECK(conns.expire() == 1);
    CHECK(net.closed() == ids{2});
}

// 10. A new random jitter was drawn at each give-back, so all lifetimes converged on the shortest. Elsewhere the jitter
// was rounded to zero. The library has no jitter. But a give-back must not shorten the time to live, and a short one
// must not become zero.
TEST_CASE("known mistake 10: each give-back starts the whole time to live anew [C7]") {
    fake::network net;
    pool::manual_clock clock;
    test_pool conns{{}, 10s, {}, clock};
    for (int i = 0; i < 100; ++i) {
        CHECK(conns.acquire("a", net.dialer())->id() == 1);
        clock.advance(10s - 1ns);
    }
    clock.advance(1ns);
    CHECK(conns.expire() == 1);
}

TEST_CASE("known mistake 10: a time to live of less than a tick is not rounded away [C7]") {
    fake::network net;
    pool::manual_clock clock;
    test_pool conns{{}, std::chrono::duration<double, std::nano>{0.25}, {}, clock};
    conns.put("a", net.dial());
    CHECK(conns.try_acquire("a"));
    clock.advance(1ns);
    CHECK(conns.expire() == 1);
}

}  // namespace known_mistakes_cases
