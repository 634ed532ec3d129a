// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <latch>
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

// What other pools got wrong, this one included before it was written down.

using namespace std::chrono_literals;

namespace {

using ids = std::vector<int>;

template <class Key>
using pool_of =
    pool::basic_pool<Key, fake::connection, pool::bounded, pool::after_idle, std::mutex, pool::manual_clock>;
using test_pool = pool_of<std::string>;

}  // namespace

// 1. The eviction removed the record of the key that was being put, and the new entry with it.
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

// 2. Keys that were used once left an empty list behind. What is kept of a key is shown by how many own it.
TEST_CASE("known mistake 2: keys that are used once are forgotten with their connections [C17]") {
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

// 3. A closed pool went on keeping connections, which nobody closed.
TEST_CASE("known mistake 3: a put after close keeps nothing [C11]") {
    fake::network net;
    test_pool conns;
    conns.close();
    conns.put("a", net.dial());
    CHECK(net.closed() == ids{1});
    CHECK(conns.stats().idle == 0);
}

// 4. A timer had chosen its entry before it had the lock, and unlinked it though it had just been taken.
TEST_CASE("known mistake 4: an entry that is being expired cannot be taken, nor the other way round [C9]") {
    fake::network net;
    pool::manual_clock clock;
    test_pool conns{{}, 10s, {}, clock};
    conns.put("a", net.dial());
    conns.put("b", net.dial());
    auto taken = conns.take("b");
    clock.advance(10s);

    std::latch closing{1};
    std::latch go_on{1};
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

// 5. The walk removed from the list that it was walking, and stepped over what followed.
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

// 6. Slow closes were made under the lock.
TEST_CASE("known mistake 6: while a connection is slow to close, all keys go on [C8]") {
    fake::network net;
    test_pool conns{{.max_idle_per_key = 1}};
    conns.put("slow", net.dial());

    std::latch closing{1};
    std::latch go_on{1};
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

// 7. "None free" and "wake me" were two steps, and what came between was missed. Nobody waits for a connection here;
// what sleeps is a sweep, until the time that `next_expiry` said.
TEST_CASE("known mistake 7: a sweep planned while nothing is idle is not late for what follows [C7]") {
    fake::network net;
    pool::manual_clock clock;
    test_pool conns{{}, 10s, {}, clock};
    const auto planned = conns.next_expiry();
    conns.put("a", net.dial());
    CHECK(planned <= conns.next_expiry());
    clock.set(planned);
    CHECK(conns.expire() == 1);
}

// 8. What throws half-way left its slot taken. Nothing that is lent takes a slot here, and nothing stays lent.
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

// 9. A wait started over after each wake-up, and so never ended. There is no timed wait; but a sweep is waited for
// again and again, and what happens in between must not put it off.
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

// 10. Jitter was drawn again at each return, so that all lives converged on the shortest; or was rounded to nothing.
// There is no jitter; but returns must not use up a time to live, and a short one is still one.
TEST_CASE("known mistake 10: each return gives the whole time to live [C7]") {
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
