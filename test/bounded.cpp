// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <latch>
#include <mutex>
#include <new>
#include <optional>
#include <random>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/reaper.hpp>

#include <support/fake.hpp>
#include <support/figures.hpp>

// Pools that bound what is open: who waits, who is served, and when. A caller that waits is a thread; that it waits is
// seen in the figures, and nothing sleeps.

using namespace std::chrono_literals;

namespace {

using ids = std::vector<int>;
using bounds = pool::bounded_open;

template <class Expiry = pool::never>
using pool_of = pool::basic_pool<std::string, fake::connection, bounds, Expiry, std::mutex, pool::manual_clock>;

/// A caller in a thread of its own.
template <class Pool>
class caller {
public:
    using lease = typename Pool::lease_type;
    using action = std::function<lease(std::stop_token)>;

    /// Starts, and returns when the caller waits in the queue.
    caller(Pool& conns, action act) {
        const std::size_t waiting = conns.stats().waiting;
        start(std::move(act));
        while (conns.stats().waiting == waiting) std::this_thread::yield();
    }

    /// Starts without looking.
    explicit caller(action act) { start(std::move(act)); }

    ~caller() { finish(); }

    /// What it got. Throws what it threw.
    lease got() {
        finish();
        if (error_) std::rethrow_exception(error_);
        return std::move(lease_);
    }

    /// What the error said that it got.
    std::string error() {
        finish();
        try {
            if (error_) std::rethrow_exception(error_);
        } catch (const std::exception& known) {
            return known.what();
        }
        return "no error";
    }

    void cancel() { stop_.request_stop(); }

private:
    void start(action act) {
        thread_ = std::thread{[this, act = std::move(act)] {
            try {
                lease_ = act(stop_.get_token());
            } catch (...) {
                error_ = std::current_exception();
            }
        }};
    }
    void finish() {
        if (thread_.joinable()) thread_.join();
    }

    std::stop_source stop_;
    lease lease_;
    std::exception_ptr error_;
    std::thread thread_;
};

/// A pool, and callers of it.
template <class Expiry = pool::never>
struct fixture {
    using pool_type = pool_of<Expiry>;
    using lease = typename pool_type::lease_type;
    using caller = ::caller<pool_type>;
    static constexpr auto never = pool::manual_clock::time_point::max();

    explicit fixture(bounds capacity, Expiry expiry = {})
        : conns{capacity, expiry, pool::pool_settings{.name = "peers"}, clock} {}

    lease acquire(const char* key) { return conns.acquire(key, net.dialer()); }
    void put(const char* key) { conns.put(key, net.dial()); }
    auto waits(const char* key, pool::manual_clock::time_point deadline = never) {
        return caller{conns, [this, key, deadline](std::stop_token stop) {
            return conns.acquire(key, net.dialer(), deadline, std::move(stop));
        }};
    }

    fake::network net;
    pool::manual_clock clock;
    pool_type conns;
};

/// A key that cannot always be copied.
struct moody_key {
    explicit moody_key(int which) : number{which} {}
    moody_key(const moody_key& other) : number{other.number} {
        if (fails) throw std::bad_alloc{};
    }
    friend bool operator==(const moody_key& a, const moody_key& b) { return a.number == b.number; }

    int number;
    static inline bool fails = false;
};

/// Holds a dial until it is told to go on.
struct gate {
    std::latch reached{1};
    std::latch open{1};
    void pass() {
        reached.count_down();
        open.wait();
    }
};

}  // namespace

template <>
struct std::hash<moody_key> {
    std::size_t operator()(const moody_key& key) const noexcept { return static_cast<std::size_t>(key.number); }
};

TEST_CASE("bounded: nobody waits while there is room") {
    fixture f{bounds{.max_open = 2}};
    const auto first = f.acquire("a");
    const auto second = f.acquire("b");
    CHECK(f.conns.stats().lent == 2);
    CHECK_FALSE(f.conns.try_acquire("a"));
    CHECK(f.net.dials() == 2);
}

TEST_CASE("bounded: a caller that has to wait gets the connection that comes back") {
    fixture f{bounds{.max_open = 1}};
    auto lent = f.acquire("a");
    auto next = f.waits("a");
    lent.give_back();
    const auto got = next.got();
    CHECK(got->id() == 1);
    CHECK(got.reused());
    CHECK(f.net.dials() == 1);
    const pool::stats s = f.conns.stats();
    CHECK(s.hits == 1);
    CHECK(s.misses == 1);
    CHECK(s.puts == s.idle + s.hits);
}

TEST_CASE("bounded: the bound of a key holds, others are free") {
    fixture f{bounds{.max_open_per_key = 1}};
    auto lent = f.acquire("a");
    auto next = f.waits("a");
    CHECK(f.acquire("b")->id() == 2);
    lent.give_back();
    CHECK(next.got()->id() == 1);
}

TEST_CASE("bounded: who waits longer is served first") {
    fixture f{bounds{.max_open = 1}};
    auto lent = f.acquire("a");
    auto first = f.waits("a");
    auto second = f.waits("b");
    auto third = f.waits("a");
    lent.give_back();
    auto one = first.got();
    CHECK(one->id() == 1);
    CHECK(f.conns.stats().waiting == 2);
    one.give_back();
    auto two = second.got();  // "b" gets the room of "a", although a caller for "a" waits: it is older
    CHECK(two.key() == "b");
    CHECK(f.net.closed() == ids{1});
    two.give_back();
    CHECK(third.got().key() == "a");
    CHECK(f.net.closed() == ids{2});
}

TEST_CASE("bounded: one who cannot be served does not block those behind") {
    fixture f{bounds{.max_open = 2, .max_open_per_key = 1}};
    auto a = f.acquire("a");
    auto b = f.acquire("b");
    auto stuck = f.waits("a");  // its key is at its bound
    auto next = f.waits("c");
    b.give_back();
    CHECK(next.got().key() == "c");
    CHECK(f.conns.stats("a") == pool::key_stats{.idle = 0, .lent = 1, .dialing = 0, .waiting = 1});
    a.give_back();
    CHECK(stuck.got()->id() == 1);
}

TEST_CASE("bounded: room is an unused permit, else the place of the oldest idle one of another key") {
    fixture f{bounds{.max_open = 3}};
    f.put("a");
    f.put("b");
    const auto third = f.acquire("c");
    CHECK(f.net.closed().empty());
    const auto fourth = f.acquire("d");
    CHECK(f.net.closed() == ids{1});
    const auto fifth = f.acquire("d");
    CHECK(f.net.closed() == ids{2});
    CHECK(f.conns.stats().evicted == 2);
}

TEST_CASE("bounded: an idle one of the own key, which is blocked, is no room") {
    fixture f{bounds{.max_open = 2}};
    f.put("a");
    f.put("b");
    f.net[1].blocked = true;
    const auto got = f.acquire("a");
    CHECK(f.net.closed() == ids{2});
    CHECK(f.conns.stats("a") == pool::key_stats{.idle = 1, .lent = 1});
}

TEST_CASE("bounded: a connection is closed before another is dialled in its place") {
    fixture f{bounds{.max_open = 1}};
    f.put("a");
    bool closed_before = false;
    const auto got = f.conns.acquire("b", [&](const std::string&) {
        closed_before = f.net.closed() == ids{1};
        return f.net.dial();
    });
    CHECK(closed_before);
}

TEST_CASE("bounded: what is being closed is still open") {
    fixture f{bounds{.max_open = 1}};
    auto lent = f.acquire("a");
    pool::stats during;
    f.net[1].on_close = [&] {
        CHECK_FALSE(f.conns.try_acquire("b"));
        during = f.conns.stats();
    };
    auto next = f.waits("b");
    lent.discard();
    CHECK(during.closing == 1);
    CHECK(during.waiting == 1);
    CHECK(during.dialing == 0);
    CHECK(next.got()->id() == 2);
}

TEST_CASE("bounded: whatever frees a connection or a permit serves the oldest") {
    fixture<pool::after_idle> f{bounds{.max_open = 1}, pool::after_idle{1s}};
    const auto served = [&](const std::function<void()>& act, int id) {
        auto next = f.waits("b");
        act();
        auto got = next.got();
        CHECK(got->id() == id);
        got.detach().close();
        CHECK(f.net.open() == 0);
        CHECK(f.conns.stats().keys == 0);
    };

    SUBCASE("a discarded one") {
        auto lent = f.acquire("a");
        served([&] { lent.discard(); }, 2);
    }
    SUBCASE("one that comes back dead") {
        auto lent = f.acquire("a");
        f.net[1].dead = true;
        served([&] { lent.give_back(); }, 2);
    }
    SUBCASE("a detached one") {
        auto lent = f.acquire("a");
        served([&] { lent.detach().close(); }, 2);
    }
    SUBCASE("a failed dial") {
        gate dial;
        caller<decltype(f)::pool_type> failing{[&](std::stop_token) {
            return f.conns.acquire("a", [&](const std::string&) -> fake::connection {
                dial.pass();
                throw std::runtime_error{"no answer"};
            });
        }};
        dial.reached.wait();
        served([&] { dial.open.count_down(); }, 1);
        CHECK(failing.error() == "no answer");
    }
    SUBCASE("a bound that grows") {
        auto lent = f.acquire("a");
        auto next = f.waits("b");
        f.conns.reconfigure(bounds{.max_open = 2});
        CHECK(next.got()->id() == 2);
    }
}

TEST_CASE("bounded: what frees a blocked one's permit serves who waits for its key's bound") {
    fixture<pool::after_idle> f{bounds{.max_open_per_key = 1}, pool::after_idle{1s}};
    f.put("a");
    f.net[1].blocked = true;
    auto next = f.waits("a");

    SUBCASE("clear") { CHECK(f.conns.clear() == 1); }
    SUBCASE("clear of the key") { CHECK(f.conns.clear("a") == 1); }
    SUBCASE("expiry") {
        f.clock.advance(1s);
        CHECK(f.conns.expire() == 1);
    }
    SUBCASE("found expired by a look-up") {
        f.clock.advance(1s);
        CHECK_FALSE(f.conns.try_acquire("b"));
    }
    SUBCASE("found dead by a look-up") {
        f.net[1].dead = true;
        CHECK_FALSE(f.conns.try_acquire("b"));
    }
    SUBCASE("eviction") {
        f.conns.reconfigure(bounds{.max_open_per_key = 1, .max_idle = 0});
    }
    CHECK(next.got()->id() == 2);
}

TEST_CASE("bounded: one that is blocked when it comes back is nobody's until it is unblocked") {
    fixture<pool::after_idle> f{bounds{.max_open_per_key = 1}, pool::after_idle{1h}};
    auto lent = f.acquire("a");
    auto next = f.waits("a");
    f.net[1].blocked = true;
    lent.give_back();
    CHECK(f.conns.stats("a") == pool::key_stats{.idle = 1, .lent = 0, .dialing = 0, .waiting = 1});

    f.net[1].blocked = false;
    SUBCASE("a newcomer does not overtake") {
        CHECK_FALSE(f.conns.try_acquire("a"));
    }
    SUBCASE("nor does one that takes") { CHECK_FALSE(f.conns.take("a")); }
    SUBCASE("nor does one that waits") {
        auto later = f.waits("b");
        CHECK(later.got()->id() == 2);
    }
    SUBCASE("nor does one of its key that asks") {
        caller<decltype(f)::pool_type> later{[&](std::stop_token) { return f.acquire("a"); }};
        auto got = next.got();
        CHECK(got->id() == 1);
        got.give_back();
        CHECK(later.got()->id() == 1);
        return;
    }
    SUBCASE("a sweep sees it") { CHECK(f.conns.expire() == 0); }
    CHECK(next.got()->id() == 1);
}

TEST_CASE("bounded: nor does a newcomer overtake if it is unblocked in the middle of the step") {
    /// Says that it is blocked, so many times.
    struct fickle {
        int* left;
        void close() {}
        bool closed() const noexcept { return false; }
        bool unblocked() const noexcept { return (*left)-- <= 0; }
    };
    using pool_type = pool::basic_pool<int, fickle, bounds, pool::never, pool::null_mutex>;
    using state = pool::core::pool_access::state_of<pool_type>;
    struct asker final : state::request {
        asker() : request{false} {}
        void notified() noexcept override {}
    };
    int left = 100;
    pool_type conns{bounds{.max_open_per_key = 1}};
    conns.put(1, fickle{&left});
    asker waits;
    pool::core::pool_access::state(conns)->submit(waits, state::hashed{1}, [] {});
    REQUIRE(waits.state() == pool::core::request_state::waiting);

    left = 1;
    SUBCASE("try_acquire") { CHECK_FALSE(conns.try_acquire(1)); }
    SUBCASE("take") { CHECK_FALSE(conns.take(1)); }
    REQUIRE(waits.state() == pool::core::request_state::lent);
    pool_type::lease_type{*pool::core::pool_access::state(conns), waits.lent()}.give_back();
}

TEST_CASE("bounded: dials of one key are bounded") {
    constexpr int callers = 12;
    fixture f{bounds{.max_dials_per_key = 2}};
    std::atomic<int> dialling{0};
    std::atomic<int> most{0};
    const auto dial = [&](const std::string&) {
        const int now = ++dialling;
        for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {}
        while (f.conns.stats().waiting + f.conns.stats().lent + 2 < callers) std::this_thread::yield();
        --dialling;
        return f.net.dial();
    };
    std::vector<std::jthread> all;
    std::latch held{callers};
    for (int i = 0; i < callers; ++i) {
        all.emplace_back([&] {
            const auto lent = f.conns.acquire("a", dial);
            held.arrive_and_wait();
        });
    }
    all.clear();
    CHECK(most == 2);
    CHECK(f.net.dials() == callers);
    CHECK(f.conns.stats().idle == callers);
}

TEST_CASE("bounded: a failed dial fails its own caller only, and leaves no trace [mistake 8]") {
    fixture f{bounds{.max_open = 1}};
    const auto fails = [](const std::string&) -> fake::connection { throw std::runtime_error{"no answer"}; };
    for (int i = 0; i < 3; ++i) CHECK_THROWS_WITH_AS((void)f.conns.acquire("a", fails), "no answer", std::runtime_error);
    CHECK(f.conns.stats().failed_dials == 3);
    CHECK(f.conns.stats().dialing == 0);
    CHECK(f.acquire("a")->id() == 1);
}

TEST_CASE("bounded: a deadline that has passed fails before anything is taken") {
    fixture f{bounds{.max_open = 1}};
    f.put("a");
    CHECK_THROWS_WITH_AS((void)f.conns.acquire("a", f.net.dialer(), f.clock.now()),
        "pool \"peers\": no connection for key \"a\": its deadline has passed (1 open, 1 idle, 0 lent, 0 dialling, "
        "0 waiting)",
        pool::acquire_timeout);
    std::stop_source stop;
    stop.request_stop();
    CHECK_THROWS_AS((void)f.conns.acquire("a", f.net.dialer(), stop.get_token()), pool::acquire_cancelled);
    CHECK(f.conns.stats().idle == 1);
    CHECK(f.conns.stats().misses == 0);
}

TEST_CASE("bounded: a caller waits until its deadline, which no wake-up moves [mistake 9]") {
    fixture f{bounds{.max_open = 1}};
    auto lent = f.acquire("a");
    auto first = f.waits("a");
    auto next = f.waits("a", f.clock.now() + 10s);
    for (int i = 0; i < 9; ++i) f.clock.advance(1s);
    lent.give_back();  // served: not this one
    auto held = first.got();
    CHECK(f.conns.stats().waiting == 1);
    f.clock.advance(1s);
    CHECK(next.error() ==
          "pool \"peers\": no connection for key \"a\": its deadline has passed (1 open, 0 idle, 1 lent, 0 dialling, "
          "0 waiting)");
    CHECK(f.conns.stats("a").waiting == 0);
}

TEST_CASE("bounded: a timeout tells the last dial error of its key") {
    fixture f{bounds{.max_open_per_key = 1}};
    gate dial;
    caller<decltype(f)::pool_type> failing{[&](std::stop_token) {
        return f.conns.acquire("a", [&](const std::string&) -> fake::connection {
            dial.pass();
            throw std::runtime_error{"no answer"};
        });
    }};
    dial.reached.wait();
    gate second;
    caller<decltype(f)::pool_type> dialling{f.conns, [&](std::stop_token) {
        return f.conns.acquire("a", [&](const std::string&) {
            second.pass();
            return f.net.dial();
        });
    }};
    auto next = f.waits("a", f.clock.now() + 1s);
    dial.open.count_down();
    CHECK(failing.error() == "no answer");
    second.reached.wait();
    f.clock.advance(1s);
    CHECK(next.error() ==
          "pool \"peers\": no connection for key \"a\": its deadline has passed (1 open, 0 idle, 0 lent, 1 dialling, "
          "0 waiting); the last dial failed: no answer");
    second.open.count_down();
    CHECK(dialling.got()->id() == 1);
}

TEST_CASE("bounded: a caller that is cancelled leaves the queue") {
    fixture f{bounds{.max_open = 1}};
    auto lent = f.acquire("a");
    auto first = f.waits("a");
    auto second = f.waits("a");
    first.cancel();
    CHECK_THROWS_AS((void)first.got(), pool::acquire_cancelled);
    lent.give_back();
    CHECK(second.got()->id() == 1);
    const pool::stats s = f.conns.stats();
    CHECK(s.hits + s.misses == 3);
}

TEST_CASE("bounded: as many wait as may, the next fails at once") {
    fixture f{bounds{.max_open = 1, .max_waiting = 1}};
    auto lent = f.acquire("a");
    auto next = f.waits("a");
    CHECK_THROWS_WITH_AS((void)f.acquire("a"),
        "pool \"peers\": no connection for key \"a\": the wait queue is full (1 open, 0 idle, 1 lent, 0 dialling, "
        "1 waiting)",
        pool::queue_full);
    lent.give_back();
    CHECK(next.got()->id() == 1);
}

TEST_CASE("bounded: with no place to wait, what is free is served") {
    fixture f{bounds{.max_open = 1, .max_waiting = 0}};
    {
        const auto lent = f.acquire("a");
        CHECK_THROWS_AS((void)f.acquire("a"), pool::queue_full);
    }
    CHECK(f.acquire("a")->id() == 1);
}

TEST_CASE("bounded: with no place to wait, one for whom room is made does not count") {
    fixture f{bounds{.max_open = 1, .max_waiting = 0}};
    f.put("a");
    CHECK(f.acquire("b")->id() == 2);
    CHECK(f.net.closed() == ids{1});
}

TEST_CASE("bounded: what was retired is closed even if the queue has no memory for its key [C12]") {
    fake::network net;
    pool::manual_clock clock;
    pool::basic_pool<moody_key, fake::connection, bounds, pool::after_idle, std::mutex, pool::manual_clock> conns{
        bounds{.max_open = 2}, pool::after_idle{1s}, {}, clock};
    const moody_key key{1};
    conns.put(key, net.dial());
    clock.advance(1s);
    moody_key::fails = true;
    CHECK_THROWS_AS((void)conns.acquire(key, [&](const moody_key&) { return net.dial(); }), std::bad_alloc);
    moody_key::fails = false;
    CHECK(net.closed() == ids{1});
    const pool::stats s = conns.stats();
    CHECK(s.expired == 1);
    CHECK(s.waiting + s.dialing + s.closing + s.keys == 0);
}

TEST_CASE("bounded: close fails all who wait [C11]") {
    fixture f{bounds{.max_open = 1}};
    auto lent = f.acquire("a");
    auto first = f.waits("a");
    auto second = f.waits("b");
    CHECK(f.conns.close().empty());
    CHECK_THROWS_AS((void)first.got(), pool::pool_closed);
    CHECK_THROWS_AS((void)second.got(), pool::pool_closed);
    CHECK_THROWS_AS((void)f.acquire("a"), pool::pool_closed);
    lent.give_back();
    CHECK(f.net.closed() == ids{1});
    const pool::stats s = f.conns.stats();
    CHECK(s.hits + s.misses == 4);
}

TEST_CASE("bounded: a dial that ends after the close is closed") {
    fixture f{bounds{.max_open = 1}};
    CHECK_THROWS_AS((void)f.conns.acquire("a",
                        [&](const std::string&) {
                            f.conns.close();
                            return f.net.dial();
                        }),
        pool::pool_closed);
    CHECK(f.net.closed() == ids{1});
    CHECK(f.conns.stats().dialing == 0);
    CHECK(f.conns.stats().keys == 0);
}

TEST_CASE("bounded: drain waits for what is lent, until its deadline") {
    fixture f{bounds{.max_open = 2}};
    auto first = f.acquire("a");
    auto second = f.acquire("a");
    f.conns.close();
    CHECK(f.conns.drain(f.clock.now()) == 2);
    std::size_t left = 3;
    std::thread waiting{[&, deadline = f.clock.now() + 1s] { left = f.conns.drain(deadline); }};
    SUBCASE("all come back") {
        first.give_back();
        second.discard();
        waiting.join();
        CHECK(left == 0);
    }
    SUBCASE("one does not") {
        first.give_back();
        f.clock.advance(1s);
        waiting.join();
        CHECK(left == 1);
    }
}

TEST_CASE("bounded: drain waits for closes, too") {
    fixture f{bounds{.max_open = 2}};
    gate closing;
    auto lent = f.acquire("a");
    lent->far().on_close = [&] { closing.pass(); };
    std::thread other{[&] { lent.discard(); }};
    closing.reached.wait();
    CHECK(f.conns.drain(f.clock.now()) == 1);
    std::thread waiting{[&] { CHECK(f.conns.drain(fixture<>::never) == 0); }};
    closing.open.count_down();
    waiting.join();
    other.join();
}

TEST_CASE("bounded: each close of many frees its own permit") {
    fixture f{bounds{.max_open = 3}};
    for (const char* key : {"a", "a", "a"}) f.put(key);
    for (int id = 1; id <= 3; ++id) f.net[id].blocked = true;
    auto& last = f.net[3];
    gate closing;
    last.on_close = [&] { closing.pass(); };
    std::thread other{[&] { f.conns.clear(); }};
    closing.reached.wait();
    {
        const auto first = f.acquire("b");
        const auto second = f.acquire("b");
        CHECK(f.conns.stats().closing == 1);
        CHECK_THROWS_AS((void)f.conns.acquire("b", f.net.dialer(), f.clock.now()), pool::acquire_timeout);
    }
    closing.open.count_down();
    other.join();
}

TEST_CASE("bounded: one that comes back while another is being closed is kept") {
    fixture f{bounds{.max_open = 2}};
    auto first = f.acquire("a");
    auto second = f.acquire("b");
    auto next = f.waits("a");
    auto refused = f.net.dial();
    refused.far().on_close = [&] {
        CHECK(f.conns.stats().closing == 1);
        first.give_back();
    };
    f.conns.put("c", std::move(refused));
    CHECK(next.got()->id() == 1);
}

TEST_CASE("bounded: a smaller bound closes what is idle at once, and what is lent when it comes back") {
    fixture f{bounds{.max_open = 4}};
    auto first = f.acquire("a");
    auto second = f.acquire("b");
    f.put("c");
    f.put("d");
    CHECK(f.conns.reconfigure(bounds{.max_open = 1}) == 2);
    CHECK(f.net.closed() == ids{3, 4});
    auto next = f.waits("c");
    first.give_back();
    CHECK(f.net.closed() == ids{1});
    CHECK(f.conns.stats().waiting == 1);
    second.give_back();
    CHECK(next.got()->id() == 5);
    CHECK(f.net.open() == 1);
}

TEST_CASE("bounded: a smaller bound of each key does the same") {
    fixture f{bounds{}};
    auto first = f.acquire("a");
    auto second = f.acquire("a");
    f.put("a");
    CHECK(f.conns.reconfigure(bounds{.max_open_per_key = 1}) == 1);
    first.give_back();
    second.give_back();
    CHECK(f.net.closed() == ids{3, 1});
    CHECK(f.conns.stats().idle == 1);
}

TEST_CASE("bounded: a raw connection is not kept beyond the bound") {
    fixture f{bounds{.max_open = 2, .max_open_per_key = 1}};
    f.put("a");
    f.put("a");
    CHECK(f.net.closed() == ids{2});
    f.put("b");
    f.put("c");
    CHECK(f.net.closed() == ids{4});
    CHECK(f.conns.stats().refused == 2);
}

TEST_CASE("bounded: what is idle has bounds of its own, which those who wait come before") {
    fixture f{bounds{.max_open = 2, .max_idle = 0}};
    auto lent = f.acquire("a");
    auto other = f.acquire("a");
    auto next = f.waits("a");
    lent.give_back();
    auto got = next.got();
    CHECK(got->id() == 1);
    got.give_back();
    CHECK(f.net.closed() == ids{1});
}

TEST_CASE("bounded: the pool may be called from a dial and from a close [C8]") {
    fixture f{bounds{.max_open = 2}};
    f.put("x");
    f.net[1].on_close = [&] { CHECK(f.conns.try_acquire("z")); };
    f.put("z");
    const auto got = f.conns.acquire("a", [&](const std::string&) {
        CHECK_FALSE(f.conns.try_acquire("a"));
        CHECK(f.conns.stats().dialing == 1);
        return f.net.dial();
    });
    CHECK(got.key() == "a");
    CHECK(f.net.open() <= 2);
}

TEST_CASE("bounded: a lazy connection waits, too") {
    fixture f{bounds{.max_open = 1}};
    auto lazy = f.conns.get("a", f.net.dialer());
    auto lent = f.acquire("a");
    int id = 0;
    std::thread other{[&] { id = lazy.invoke([](fake::connection& conn) { return conn.id(); }); }};
    while (f.conns.stats().waiting == 0) std::this_thread::yield();
    lent.give_back();
    other.join();
    CHECK(id == 1);
}

TEST_CASE("bounded: a pool of real time waits, and gives up") {
    fake::network net;
    pool::basic_pool<std::string, fake::connection, bounds> conns{bounds{.max_open = 1}};
    auto lent = conns.acquire("a", net.dialer());
    CHECK_THROWS_AS((void)conns.acquire("a", net.dialer(), std::chrono::steady_clock::now() + 1ms), pool::acquire_timeout);
    CHECK_THROWS_AS(
        (void)conns.acquire("a", net.dialer(), pool::dial_context{.deadline = std::chrono::steady_clock::now() + 1ms}),
        pool::acquire_timeout);
    std::stop_source stop;
    std::latch cancelled{1};
    std::thread next{[&] {
        CHECK_THROWS_AS((void)conns.acquire("a", net.dialer(), stop.get_token()), pool::acquire_cancelled);
        cancelled.count_down();
        CHECK(conns.acquire("a", net.dialer())->id() == 1);
    }};
    while (conns.stats().waiting == 0) std::this_thread::yield();
    stop.request_stop();
    cancelled.wait();
    lent.give_back();
    next.join();
}

TEST_CASE("bounded: what changes during a close is seen at its end") {
    fixture f{bounds{.max_open_per_key = 1}};
    f.put("a");
    f.net[1].blocked = true;
    auto next = f.waits("a");
    auto other = f.acquire("b");
    other->far().on_close = [&] { f.net[1].dead = true; };
    other.discard();
    CHECK(next.got()->id() == 3);
    CHECK(f.conns.stats().closing == 0);
    CHECK(f.conns.stats().found_closed == 1);
}

TEST_CASE("bounded: a delivery that comes before a cancel or a timeout stands") {
    fixture f{bounds{.max_open = 1}};
    for (int i = 0; i < 50; ++i) {
        auto lent = f.acquire("a");
        auto next = f.waits("a", f.clock.now() + 1s);
        lent.give_back();
        if (i % 2 == 0) next.cancel();
        else f.clock.advance(1s);
        CHECK(next.got()->id() == 1);
    }
    CHECK(f.conns.stats().hits == 99);
}

TEST_CASE("bounded: one that races with a cancel or a timeout reaches exactly one caller") {
    fixture f{bounds{.max_open = 1}};
    for (int i = 0; i < 50; ++i) {
        auto lent = f.acquire("a");
        auto first = f.waits("a", f.clock.now() + 1s);
        auto second = f.waits("a");
        if (i % 2 == 0) first.cancel();
        else f.clock.advance(1s);
        lent.give_back();
        bool is_right = true;
        try {
            is_right = first.got()->id() == 1;
        } catch (const pool::error&) {
            // It has left, and holds nothing.
        }
        CHECK(is_right);
        CHECK(second.got()->id() == 1);
        CHECK(f.conns.stats().idle == 1);
    }
    CHECK(f.net.dials() == 1);
}

TEST_CASE("bounded: a lease that moves holds its permit") {
    fixture f{bounds{.max_open = 1}};
    auto lent = f.acquire("a");
    auto moved = std::move(lent);
    auto next = f.waits("a");
    CHECK(f.conns.stats().waiting == 1);
    lent = std::move(moved);
    CHECK(f.conns.stats().waiting == 1);
    lent = {};
    CHECK(next.got()->id() == 1);
}

TEST_CASE("bounded: among threads nobody is served before an older one who could have used the connection") {
    constexpr int threads = 16;
    constexpr int rounds = 200;
    const std::array<std::string, 4> keys{"a", "b", "c", "d"};
    using pool_type = pool::basic_pool<std::string, fake::connection, bounds>;
    using state = pool::core::pool_access::state_of<pool_type>;
    using pool::core::request_state;

    /// A caller whose number is its place in the queue, and who notes under the lock what it is told.
    struct event {
        int caller;
        request_state what;
    };
    struct asker final : state::request {
        asker(int order, std::vector<event>& all) : request{true}, number{order}, log{all} {}
        void notified() noexcept override {
            log.push_back({number, state()});
            is_told = true;
        }
        int number;
        std::vector<event>& log;
        std::atomic<bool> is_told{false};
    };

    fake::network net;
    pool_type conns{bounds{.max_open = 3, .max_open_per_key = 2}};
    std::mutex order;  // so that the numbers are in the order of the queue
    std::vector<std::string> wanted;
    std::vector<event> log;
    log.reserve(threads * rounds * 2);
    {
        std::vector<std::jthread> all;
        for (int number = 0; number < threads; ++number) {
            all.emplace_back([&, number] {
                std::minstd_rand random{static_cast<unsigned>(number + 1)};
                for (int i = 0; i < rounds; ++i) {
                    const std::string key = keys[random() % 4];
                    std::optional<asker> asking;
                    {
                        const std::scoped_lock guard{order};
                        asking.emplace(static_cast<int>(wanted.size()), log);
                        wanted.push_back(key);
                        pool::core::pool_access::state(conns)->submit(*asking, state::hashed{key}, [] {});
                    }
                    const bool gives_up = random() % 8 == 0;
                    while (!asking->is_told && !gives_up) std::this_thread::yield();
                    (void)conns.stats();  // whoever told it has left the lock
                    if (!asking->is_told) pool::core::pool_access::state(conns)->cancel(*asking);
                    if (asking->state() == request_state::dialing && random() % 8 == 0) {
                        pool::core::pool_access::state(conns)->dial_failed(*asking, nullptr, pool::core::count_dial::yes);
                    } else if (asking->state() == request_state::dialing) {
                        const auto dial = [&](const auto&) { return net.dial(); };
                        pool::core::pool_access::state(conns)->dial_succeeded(*asking, pool::core::pool_access::state(conns)->make_entry_with(asking->hashed(), dial));
                    }
                    if (asking->state() != request_state::lent) continue;
                    pool_type::lease_type lent{*pool::core::pool_access::state(conns), asking->lent()};
                    if (random() % 8 == 0) lent->far().dead = true;
                }
            });
        }
    }

    std::vector<bool> waits(wanted.size(), true);  // has been told nothing yet
    int overtaken = 0;
    for (const auto& [caller, what] : log) {
        const auto place = static_cast<std::size_t>(caller);
        for (std::size_t older = 0; older < place; ++older) {
            const bool could = waits[older] && wanted[older] == wanted[place];
            overtaken += could && (what == request_state::lent || what == request_state::dialing);
        }
        waits[place] = false;
    }
    CHECK(overtaken == 0);
    CHECK(std::find(waits.begin(), waits.end(), true) == waits.end());
    const pool::stats s = conns.stats();
    CHECK(s.lent + s.dialing + s.waiting + s.closing == 0);
    CHECK(s.hits + s.misses == wanted.size());
    conns.close();
    CHECK(net.open() == 0);
}

TEST_CASE("bounded: many threads, cancels, timeouts, failures and moving bounds: nothing is lost and nobody is left") {
    constexpr int threads = 16;
    constexpr int rounds = 300;
    const std::array<std::string, 4> keys{"a", "b", "c", "d"};
    const bounds capacity{.max_open = 5, .max_open_per_key = 3, .max_idle = 4, .max_waiting = 12, .max_dials_per_key = 2};
    fixture<pool::after_idle> f{capacity, pool::after_idle{20ms}};
    std::atomic<std::uint64_t> asked{0};
    std::atomic<bool> over{false};
    {
        const pool::reaper<pool_of<pool::after_idle>> reaper{f.conns};
        std::latch start{threads};
        std::vector<std::jthread> all;
        for (int number = 0; number < threads; ++number) {
            all.emplace_back([&, number] {
                std::minstd_rand random{static_cast<unsigned>(number + 1)};
                const auto one_in = [&](unsigned n) { return random() % n == 0; };
                start.arrive_and_wait();
                for (int i = 0; i < rounds; ++i) {
                    std::stop_source stop;
                    const bool fails = one_in(10);
                    const auto dial = [&](const std::string&) {
                        if (fails) throw std::runtime_error{"no answer"};
                        auto fresh = f.net.dial();
                        if (f.net.open() > 5) over = true;
                        return fresh;
                    };
                    try {
                        std::jthread canceller;
                        if (one_in(20)) canceller = std::jthread{[&] { stop.request_stop(); }};
                        ++asked;
                        auto lent = f.conns.acquire(
                            keys[random() % 4], dial, f.clock.now() + (one_in(4) ? 1ms : 1h), stop.get_token());
                        if (one_in(3)) f.clock.advance(1ms);
                        if (one_in(10)) lent->far().dead = true;
                        if (one_in(10)) lent.discard();
                    } catch (const std::exception&) {
                    }
                    if (one_in(50)) f.conns.clear();
                    if (one_in(50)) {
                        bounds other = capacity;
                        other.max_open = 2 + random() % 4;  // 5 at most
                        other.max_open_per_key = 1 + random() % 3;
                        f.conns.reconfigure(other);
                    }
                }
            });
        }
    }
    const pool::stats s = f.conns.stats();
    CHECK_FALSE(over);
    CHECK(s.lent == 0);
    CHECK(s.waiting == 0);
    CHECK(s.dialing == 0);
    CHECK(s.closing == 0);
    CHECK(s.hits + s.misses <= asked);  // those late before they began did not look
    CHECK(s.puts == figures::accounted_puts(s));
    f.conns.close();
    CHECK(f.net.open() == 0);
    CHECK(f.conns.stats().keys == 0);
}
