// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <range/v3/algorithm/count_if.hpp>
#include <range/v3/range/primitives.hpp>
#include <range/v3/view/take.hpp>
#include <range/v3/view/transform.hpp>

#include <pool/inspect.hpp>
#include <pool/pool.hpp>
#include <pool/sharded_pool.hpp>
#include <pool/testing/fake_dialer.hpp>
#include <pool/testing/tended_connection.hpp>

#include <support/allocations.hpp>
#include <support/places.hpp>

// What `inspect` tells of the connections of a pool.

namespace inspecting {

using namespace std::chrono_literals;
namespace views = pool::views;
using pool::connection_state;
using pool::inspect;
using places::here;
using places::line_of;
using pool::testing::fake_connection;

template <class Capacity, class Expiry = pool::never, class Conn = fake_connection, class Lock = std::mutex>
using pool_of = pool::basic_pool<std::string, Conn, Capacity, Expiry, Lock, pool::manual_clock>;
using idle_pool = pool_of<pool::bounded>;
using open_pool = pool_of<pool::bounded_open>;
using shards =
    pool::sharded_pool<3, std::string, fake_connection, pool::bounded, pool::never, std::mutex, pool::manual_clock>;

#define EACH_INSPECTED_POOL(name) TEST_CASE_TEMPLATE(name, Pool, idle_pool, open_pool, shards)

const pool::pool_settings traced{.trace_leases = true};

template <class Pool>
struct fixture {
    explicit fixture(const pool::pool_settings& settings = traced) {
        conns.emplace(typename capacity<Pool>::type{}, pool::never{}, settings, clock);
    }

    template <class P>
    struct capacity {
        using type = std::conditional_t<P::bounds_open, pool::bounded_open, pool::bounded>;
    };

    auto look() const { return inspect(*conns); }
    auto the_only() const {
        const auto all = look();
        REQUIRE(ranges::distance(all) == 1);
        return *all.begin();
    }

    pool::testing::fake_dialer dials;
    pool::manual_clock clock;
    std::optional<Pool> conns;
};

template <class Range>
std::vector<std::string> keys_of(Range&& connections) {
    std::vector<std::string> keys;
    for (const auto& each : connections) keys.push_back(each.key);
    return keys;
}

using texts = std::vector<std::string>;

/// Acts once, when the lock has been freed for the n-th time.
struct acting_mutex {
    void lock() { inner.lock(); }
    void unlock() {
        inner.unlock();
        if (act && --left == 0) std::exchange(act, nullptr)();
    }
    static inline std::function<void()> act;
    static inline int left = 0;
    std::mutex inner;
};

/// A key whose copies can fail.
struct fragile_key {
    fragile_key(int n) : number{n} {}  // NOLINT: as the int
    fragile_key(const fragile_key& other) : number{other.number} {
        if (copies_left == 0) throw std::runtime_error{"no copy"};
        if (copies_left > 0) --copies_left;
    }
    fragile_key& operator=(const fragile_key&) = default;
    friend bool operator==(const fragile_key&, const fragile_key&) = default;
    int number;
    static inline int copies_left = -1;
};

}  // namespace inspecting

template <>
struct std::hash<inspecting::fragile_key> {
    std::size_t operator()(const inspecting::fragile_key& key) const noexcept {
        return static_cast<std::size_t>(key.number);
    }
};

namespace inspecting {

EACH_INSPECTED_POOL("inspect: an empty pool has no connection") {
    fixture<Pool> f;
    CHECK(ranges::empty(f.look()));
}

EACH_INSPECTED_POOL("inspect: each connection is there once, in its state") {
    fixture<Pool> f;
    auto lent = f.conns->acquire("lent", f.dials);
    f.conns->put("idle", f.dials("idle"));
    std::size_t seen = 0;
    const auto dial = [&](const std::string& key) {
        ++seen;
        CHECK(keys_of(f.look() | views::dialling) == texts{"new"});
        CHECK(keys_of(f.look() | views::idle) == texts{"idle"});
        CHECK(keys_of(f.look() | views::lent) == texts{"lent"});
        CHECK(ranges::distance(f.look()) == 3);
        return f.dials(key);
    };
    auto made = f.conns->acquire("new", dial);
    CHECK(seen == 1);
    CHECK(ranges::distance(f.look() | views::lent) == 2);
    lent.discard();
    made.give_back();
    CHECK(ranges::distance(f.look() | views::idle) == 2);
    CHECK(ranges::distance(f.look()) == 2);
}

TEST_CASE("inspect: a connection that is being closed is there until that has ended") {
    fixture<idle_pool> f;
    std::size_t seen = 0;
    f.conns->put("a", f.dials("a"));
    f.dials[1].on_close = [&] {
        ++seen;
        CHECK(keys_of(f.look() | views::closing) == texts{"a"});
        CHECK_FALSE(f.the_only().idle_for);
        CHECK_FALSE(f.the_only().lent_for);
    };
    SUBCASE("it was idle") { CHECK(f.conns->clear() == 1); }
    SUBCASE("it was lent") { f.conns->acquire("a", f.dials).discard(); }
    CHECK(seen == 1);
    CHECK(ranges::empty(f.look()));
}

EACH_INSPECTED_POOL("inspect: a pool that traces knows the times, the uses and the place of the acquire") {
    fixture<Pool> f;
    f.clock.advance(1h);
    const auto line = pool::call_site::current().line();
    auto lent = f.conns->acquire("a", f.dials);
    f.clock.advance(30s);
    {
        const auto c = f.the_only();
        CHECK(c.state == connection_state::lent);
        CHECK(c.age == 30s);
        CHECK(c.lent_for == 30s);
        CHECK(c.idle_for == std::nullopt);
        CHECK(c.uses == 0);
        CHECK(c.reused == false);
        REQUIRE(c.where);
        CHECK(c.where->line() == line + 1);
        CHECK(std::string_view{c.where->file_name()}.ends_with("inspect.cpp"));
    }
    lent.give_back();
    f.clock.advance(5s);
    {
        const auto c = f.the_only();
        CHECK(c.state == connection_state::idle);
        CHECK(c.age == 35s);
        CHECK(c.idle_for == 5s);
        CHECK(c.lent_for == std::nullopt);
        CHECK(c.uses == 1);
        CHECK(c.reused == std::nullopt);
        CHECK_FALSE(c.where);
    }
    lent = f.conns->acquire("a", f.dials);
    CHECK(f.the_only().reused == true);
    CHECK(f.the_only().uses == 1);
    CHECK(f.the_only().lent_for == 0s);
}

EACH_INSPECTED_POOL("inspect: a lease knows the age and the uses of its connection") {
    fixture<Pool> f;
    f.conns->put("a", f.dials("a"));
    f.clock.advance(2s);
    auto lent = f.conns->acquire("a", f.dials);
    CHECK(lent.age() == 2s);
    CHECK(lent.uses() == 0);
    lent.give_back();
    f.conns->acquire("a", f.dials).give_back();
    lent = f.conns->acquire("a", f.dials);
    CHECK(lent.uses() == 2);
    fixture<Pool> untraced{{}};
    lent = untraced.conns->acquire("a", untraced.dials);
    CHECK(lent.age() == std::nullopt);
    CHECK(lent.uses() == std::nullopt);
}

EACH_INSPECTED_POOL("inspect: a pool that does not trace knows the states") {
    fixture<Pool> f{{}};
    auto lent = f.conns->acquire("a", f.dials);
    f.clock.advance(1s);
    const auto c = f.the_only();
    CHECK(c.key == "a");
    CHECK(c.state == connection_state::lent);
    CHECK_FALSE(c.age);
    CHECK_FALSE(c.lent_for);
    CHECK_FALSE(c.uses);
    CHECK_FALSE(c.reused);
    CHECK_FALSE(c.where);
    lent.give_back();
    CHECK_FALSE(f.the_only().idle_for);
}

TEST_CASE("inspect: without traces, it tells what the policies ask for") {
    using aging = pool::any_of<pool::after_lifetime, pool::after_uses>;
    pool::testing::fake_dialer dials;
    pool::manual_clock clock;
    SUBCASE("the age and the uses") {
        pool_of<pool::bounded, aging> conns{{}, aging{pool::after_lifetime{1h}, pool::after_uses{9}}, {}, clock};
        const auto the_only = [&] { return *inspect(conns).begin(); };
        auto lent = conns.acquire("a", dials);
        clock.advance(3s);
        CHECK(the_only().age == 3s);
        CHECK(the_only().uses == 0);
        CHECK(lent.age() == 3s);
        lent.give_back();
        clock.advance(1s);
        CHECK(the_only().age == 4s);
        CHECK(the_only().uses == 1);
        CHECK_FALSE(the_only().idle_for);
        const auto dial = [&](const std::string& key) {
            auto opening = inspect(conns) | views::dialling;
            CHECK_FALSE(opening.begin()->age);  // it is not open
            return dials(key);
        };
        (void)conns.acquire("b", dial);
    }
    SUBCASE("the idle time") {
        using tended = pool::testing::tended_connection;
        pool_of<pool::bounded, pool::never, tended> conns{{}, {}, {}, clock};
        conns.put("a", tended{dials("a")});
        clock.advance(7s);
        CHECK(inspect(conns).begin()->idle_for == 7s);
        CHECK_FALSE(inspect(conns).begin()->age);
    }
}

TEST_CASE("inspect: a connection whose check fails, or that is kept alive, is as old as before") {
    using tended = pool::testing::tended_connection;
    pool::testing::fake_dialer dials;
    pool::manual_clock clock;
    pool_of<pool::bounded, pool::never, tended> conns{{}, {}, {.keep_alive_every = 1s, .trace_leases = true}, clock};
    conns.put("a", tended{dials("a")});
    clock.advance(5s);
    bool was_kept_alive = false;
    dials[1].on_keep_alive = [&] {
        was_kept_alive = true;
        const auto c = *inspect(conns).begin();
        CHECK(c.state == connection_state::lent);
        CHECK_FALSE(c.lent_for);  // no caller has it
        CHECK_FALSE(c.idle_for);
    };
    conns.upkeep();
    CHECK(was_kept_alive);
    CHECK(inspect(conns).begin()->idle_for == 5s);
    CHECK(inspect(conns).begin()->uses == 0);
}

TEST_CASE_TEMPLATE("inspect: every acquire says where it stands", Capacity, pool::bounded, pool::bounded_open) {
    pool::testing::fake_dialer dials;
    pool::manual_clock clock;
    using pool::discard_unless_kept;

    SUBCASE("with a key") {
        pool_of<Capacity> conns{{}, {}, traced, dials, clock};
        const auto check = [&](auto lent, auto line) {
            CHECK(line_of(conns) == line);
            lent.give_back();
        };
        conns.put("a", dials("a"));
        check(conns.acquire("a", dials), here());
        check(conns.acquire("a", dials, pool::dial_context{}), here());
        check(conns.acquire("a"), here());
        check(conns.acquire("a", pool::dial_context{}), here());
        check(conns.acquire("a", dials, discard_unless_kept), here());
        check(conns.acquire("a", discard_unless_kept), here());
        check(conns.try_acquire("a"), here());
        check(conns.try_acquire("a", discard_unless_kept), here());
        check(conns.acquire_fresh("a", dials), here());
        check(conns.acquire_fresh("a"), here());
        check(conns.acquire_fresh("a", discard_unless_kept), here());
        check(conns.acquire_fresh("a", dials, discard_unless_kept), here());
        check(conns.acquire_fresh("a", dials, pool::dial_context{}, discard_unless_kept), here());
        if constexpr (decltype(conns)::bounds_open) {
            const auto late = clock.now() + 1s;
            const std::stop_token stop;
            check(conns.acquire("a", dials, 1s), here());
            check(conns.acquire("a", dials, 1s, stop), here());
            check(conns.acquire("a", dials, late), here());
            check(conns.acquire("a", dials, late, stop), here());
            check(conns.acquire("a", dials, stop), here());
            check(conns.acquire("a", 1s), here());
            check(conns.acquire("a", late, stop), here());
            check(conns.acquire("a", stop), here());
            check(conns.acquire("a", dials, 1s, stop, discard_unless_kept), here());
            check(conns.acquire("a", late, discard_unless_kept), here());
            check(conns.acquire_fresh("a", dials, 1s), here());
            check(conns.acquire_fresh("a", dials, 1s, discard_unless_kept), here());
            check(conns.acquire_fresh("a", dials, 1s, stop, discard_unless_kept), here());
        }
    }
    SUBCASE("without a key") {
        pool::basic_pool<pool::no_key, fake_connection, Capacity, pool::never, std::mutex, pool::manual_clock> conns{
            {}, {}, traced, dials, clock};
        const auto check = [&](auto lent, auto line) {
            CHECK(line_of(conns) == line);
            lent.give_back();
        };
        check(conns.acquire(), here());
        check(conns.acquire(dials), here());
        check(conns.acquire(dials, pool::dial_context{}), here());
        check(conns.acquire(pool::dial_context{}), here());
        check(conns.acquire(discard_unless_kept), here());
        check(conns.acquire(dials, discard_unless_kept), here());
        check(conns.try_acquire(), here());
        check(conns.try_acquire(discard_unless_kept), here());
        check(conns.acquire_fresh(dials), here());
        check(conns.acquire_fresh(), here());
        check(conns.acquire_fresh(discard_unless_kept), here());
        check(conns.acquire_fresh(dials, discard_unless_kept), here());
        if constexpr (decltype(conns)::bounds_open) {
            const std::stop_token stop;
            check(conns.acquire(1s), here());
            check(conns.acquire(dials, 1s), here());
            check(conns.acquire(dials, clock.now() + 1s, stop), here());
            check(conns.acquire(stop), here());
            check(conns.acquire(dials, 1s, stop, discard_unless_kept), here());
            check(conns.acquire_fresh(dials, 1s), here());
            check(conns.acquire_fresh(dials, 1s, stop, discard_unless_kept), here());
        }
    }
}

EACH_INSPECTED_POOL("inspect: a lazy call is traced") {
    fixture<Pool> f;
    auto peer = f.conns->get("a", f.dials);
    peer.invoke([&](fake_connection&) {
        CHECK(f.the_only().lent_for == 0s);
        CHECK(std::string{f.the_only().where->file_name()} == pool::call_site::current().file_name());
    });
    CHECK(f.the_only().uses == 1);
}

TEST_CASE_TEMPLATE("inspect: every lazy call says where it stands", Capacity, pool::bounded, pool::bounded_open) {
    pool::testing::fake_dialer dials;
    pool::manual_clock clock;
    const auto place = pool::call_site::current();
    const pool::dial_context context;

    SUBCASE("with a key") {
        pool_of<Capacity> conns{{}, {}, traced, dials, clock};
        const auto look = [&](fake_connection&) { return line_of(conns); };
        const auto look_and_keep = [&](typename pool_of<Capacity>::lease_type& lent) {
            lent.keep();
            return line_of(conns);
        };
        auto peer = conns.get("a");
        CHECK(peer.invoke(look) == here());
        CHECK(peer.invoke(context, look) == here());
        CHECK(peer.invoke({}, look) == here());
        CHECK(peer.invoke(1s, look) == here());
        CHECK(peer.invoke(look_and_keep) == here());
        CHECK(peer.invoke(look, place) == place.line());
        CHECK(peer.invoke(context, look, place) == place.line());
        CHECK(conns.invoke("a", look) == here());
        CHECK(conns.invoke("a", context, look) == here());
        CHECK(conns.invoke("a", {}, look) == here());
        CHECK(conns.invoke("a", 1s, look) == here());
        CHECK(conns.invoke("a", look_and_keep) == here());
        CHECK(conns.invoke("a", look, place) == place.line());
        CHECK(conns.invoke("a", 1s, look, place) == place.line());
        CHECK(conns.stats().dials == 1);
    }
    SUBCASE("without a key") {
        pool::basic_pool<pool::no_key, fake_connection, Capacity, pool::never, std::mutex, pool::manual_clock> conns{
            {}, {}, traced, dials, clock};
        const auto look = [&](fake_connection&) { return line_of(conns); };
        CHECK(conns.get().invoke(look) == here());
        CHECK(conns.invoke(look) == here());
        CHECK(conns.invoke(context, look) == here());
        CHECK(conns.invoke(1s, look) == here());
        CHECK(conns.invoke(look, place) == place.line());
        CHECK(conns.invoke(1s, look, place) == place.line());
        CHECK(conns.invoke(pool::no_key{}, look) == here());
        CHECK(conns.invoke(pool::no_key{}, 1s, look, place) == place.line());
        CHECK(conns.stats().dials == 1);
    }
}

EACH_INSPECTED_POOL("inspect: both calls of a repeated one say where it stands") {
    fixture<Pool> f;
    f.conns->put("a", f.dials("a"));
    auto peer = f.conns->get("a", f.dials);
    const pool::retry_stale retry{[](const std::exception&) { return true; }};
    std::vector<std::uint_least32_t> seen;
    const auto look = [&](fake_connection&) {
        seen.push_back(line_of(*f.conns));
        if (seen.size() % 2 == 1) throw std::runtime_error{"stale"};
    };
    const auto twice = [&](auto line) { return std::vector<std::uint_least32_t>{line, line}; };
    peer.invoke(retry, look);
    CHECK(std::exchange(seen, {}) == twice(here() - 1));
    peer.invoke(retry, pool::dial_context{}, look);
    CHECK(seen == twice(here() - 1));
}

/// A stream that is not done.
struct endless {
    bool done() const noexcept { return false; }
};

/// A connection with calls of its own.
struct own_calls : fake_connection {
    explicit own_calls(fake_connection conn) : fake_connection{std::move(conn)} {}
    auto invoke(std::same_as<int> auto...) { return look(); }
    endless new_stream(std::same_as<int> auto...) { return {}; }

    std::function<std::uint_least32_t()> look = {};
};

EACH_INSPECTED_POOL("inspect: a stream says where it was opened") {
    fixture<Pool> f;
    auto peer = f.conns->get("a", f.dials);
    const auto open = [](fake_connection&) { return endless{}; };
    const auto place = pool::call_site::current();
    const auto line_with = [&](const auto&) { return line_of(*f.conns); };
    CHECK(line_with(peer.open_stream(open)) == here());
    CHECK(line_with(peer.open_stream(pool::dial_context{}, open)) == here());
    CHECK(line_with(peer.open_stream(1s, open)) == here());
    CHECK(line_with(peer.open_stream(open, place)) == place.line());
}

TEST_CASE("inspect: a call of the connection's own says where it stands, with up to four arguments") {
    pool::testing::fake_dialer dials;
    pool_of<pool::bounded_open, pool::never, own_calls> conns{{}, {}, traced, {}};
    const auto dial = [&](const std::string& key) {
        own_calls made{dials(key)};
        made.look = [&] { return line_of(conns); };
        return made;
    };
    auto peer = conns.get("a", dial);
    const auto place = pool::call_site::current();
    CHECK(peer.invoke() == here());
    CHECK(peer.invoke(1) == here());
    CHECK(peer.invoke(1, 2) == here());
    CHECK(peer.invoke(1, 2, 3) == here());
    CHECK(peer.invoke(1, 2, 3, 4) == here());
    CHECK(peer.invoke(1, 2, 3, 4, 5) == 0);
    CHECK(peer.invoke(1, 2, 3, 4, 5, 6, 7) == 0);
    CHECK(peer.invoke(place) == place.line());
    CHECK(peer.invoke(1, 2, place) == place.line());

    const auto line_with = [&](const auto&) { return line_of(conns); };
    CHECK(line_with(peer.new_stream()) == here());
    CHECK(line_with(peer.new_stream(1)) == here());
    CHECK(line_with(peer.new_stream(1, 2)) == here());
    CHECK(line_with(peer.new_stream(1, 2, 3)) == here());
    CHECK(line_with(peer.new_stream(1, 2, 3, 4)) == here());
    CHECK(line_with(peer.new_stream(1, 2, 3, 4, 5)) == 0);
    CHECK(line_with(peer.new_stream(1, place)) == place.line());
}

TEST_CASE("inspect: a call through two pools stands at one place") {
    pool::testing::fake_dialer dials;
    pool_of<pool::bounded_open, pool::never, own_calls> inner{{}, {}, traced, {}};
    const auto dial = [&](const std::string& key) {
        own_calls made{dials(key)};
        made.look = [&] { return line_of(inner); };
        return made;
    };
    using lazy = decltype(inner.get("a", dial));
    const auto look = [&](own_calls&) { return line_of(inner); };
    pool::basic_pool<std::string, std::unique_ptr<lazy>> outer;
    auto peer = outer.get("b", [&](const std::string&) { return std::make_unique<lazy>(inner.get("a", dial)); });
    CHECK(peer.invoke(look) == here());
    CHECK(peer.invoke(1s, look) == here());
    CHECK(peer.invoke(1, 2) == here());
    CHECK(peer.invoke(1, 2, 3, 4, 5) == 0);
    auto opened = peer.new_stream(1);
    CHECK(line_of(inner) == here() - 1);
}

EACH_INSPECTED_POOL("inspect: views choose, count and sort, and compose with those of range-v3") {
    fixture<Pool> f;
    std::vector<typename Pool::lease_type> leases;
    for (const char* const key : {"a", "b", "a", "c", "a"}) {
        leases.push_back(f.conns->acquire(key, f.dials));
        f.clock.advance(10s);
    }
    CHECK(ranges::distance(f.look() | views::of("a")) == 3);
    CHECK(ranges::distance(f.look() | views::of(std::string{"b"})) == 1);
    CHECK(ranges::distance(f.look() | views::of(std::string_view{"b"})) == 1);
    CHECK(ranges::distance(f.look() | views::lent_longer_than(30s)) == 2);  // not one that is lent for 30 seconds
    CHECK(keys_of(f.look() | views::oldest_first) == texts{"a", "b", "a", "c", "a"});
    CHECK(keys_of(f.look() | views::of("a") | views::oldest_first | ranges::views::take(1)) == texts{"a"});
    auto names = f.look() | views::of("c") | ranges::views::transform([](const auto& c) { return c.key + "!"; });
    CHECK(*names.begin() == "c!");
    CHECK(ranges::count_if(f.look(), [](const auto& c) { return c.age > 30s; }) == 2);

    leases.front().give_back();
    f.clock.advance(30s);
    CHECK(ranges::empty(f.look() | views::idle_longer_than(30s)));
    f.clock.advance(1s);
    CHECK(keys_of(f.look() | views::idle_longer_than(30s)) == texts{"a"});

    const auto counts = f.look() | views::by_key;
    REQUIRE(ranges::distance(counts) == 3);
    CHECK(counts.begin()->key == "a");  // it has most
    CHECK(counts.begin()->lent == 2);
    CHECK(counts.begin()->idle == 1);
    CHECK(counts.begin()->open() == 3);
    const auto lent_alone = f.look() | views::lent | views::by_key;
    CHECK(lent_alone.begin()->open() == 2);
    CHECK(ranges::empty(f.look() | views::of("d") | views::by_key));
}

TEST_CASE("inspect: a range may be stored, and outlives the pool") {
    fixture<idle_pool> f;
    f.conns->put("a", f.dials("a"));
    const auto all = f.look();
    auto idle = all | views::idle;
    f.conns.reset();
    CHECK(keys_of(all) == texts{"a"});
    CHECK(keys_of(idle) == texts{"a"});
    const auto copy = all;
    CHECK(copy.begin() == all.begin());  // they share
    CHECK(ranges::empty(pool::snapshot<int>{}));
}

TEST_CASE("inspect: what is used between its steps is told once") {
    using acting_pool = pool_of<pool::bounded, pool::never, fake_connection, acting_mutex>;
    for (const int many : {128, 300})  // a step looks at 128
        for (const int used : {0, 127, 128, many - 10, many - 1, many})
            for (const int step : {2, 3}) {  // the first time that the lock is free, nothing was looked at
                pool::testing::fake_dialer dials;
                acting_pool conns{{}, {}, traced, {}};
                for (int i = 0; i != many; ++i) conns.put("k" + std::to_string(i), dials("k"));
                auto lent = conns.acquire("k" + std::to_string(many), dials);  // the last one
                acting_mutex::left = step;
                acting_mutex::act = [&] {
                    if (used == many) lent.give_back();
                    else conns.acquire("k" + std::to_string(used), dials).give_back();
                };
                auto keys = keys_of(inspect(conns));
                acting_mutex::act = nullptr;
                CHECK(keys.size() == static_cast<std::size_t>(many) + 1);
                std::sort(keys.begin(), keys.end());
                CHECK(std::adjacent_find(keys.begin(), keys.end()) == keys.end());
            }
}

TEST_CASE("inspect: what is closed between its steps, the next one among it, may be told or not") {
    using acting_pool = pool_of<pool::bounded, pool::never, fake_connection, acting_mutex>;
    constexpr int many = 300;
    pool::testing::fake_dialer dials;
    acting_pool conns{{}, {}, traced, {}};
    for (int i = 0; i != many; ++i) conns.put("k" + std::to_string(i), dials("k"));
    acting_mutex::left = 2;
    acting_mutex::act = [&] {
        for (int i = 100; i != 200; ++i) conns.clear("k" + std::to_string(i));
    };
    CHECK(keys_of(inspect(conns)).size() == many - 72);  // the first 128 had been seen
    CHECK(keys_of(inspect(conns)).size() == many - 100);
}

TEST_CASE("inspect: two at once, and a sweep, do not disturb each other") {
    using acting_pool = pool_of<pool::bounded, pool::after_idle, fake_connection, acting_mutex>;
    constexpr int many = 300;
    pool::testing::fake_dialer dials;
    pool::manual_clock clock;
    acting_pool conns{{}, 1h, traced, clock};
    for (int i = 0; i != many; ++i) conns.put("k" + std::to_string(i), dials("k"));
    std::size_t within = 0;
    acting_mutex::act = [&] {
        within = keys_of(inspect(conns)).size();
        conns.upkeep();
    };
    acting_mutex::left = 2;
    CHECK(keys_of(inspect(conns)).size() == many);
    CHECK(within == many);
}

TEST_CASE("inspect: a copy of a key that throws leaves the pool as it was") {
    using fragile_pool = pool::basic_pool<fragile_key, fake_connection, pool::bounded, pool::never, std::mutex,
        pool::manual_clock>;
    pool::testing::fake_dialer dials;
    fragile_pool conns{{}, {}, traced, {}};
    for (int i = 0; i != 3; ++i) conns.put(i, dials("k"));
    for (int left = 0; left != 3; ++left) {
        fragile_key::copies_left = left;
        CHECK_THROWS_AS(inspect(conns), std::runtime_error);
    }
    fragile_key::copies_left = -1;
    CHECK(ranges::distance(inspect(conns)) == 3);
    CHECK(conns.clear() == 3);
    CHECK(ranges::empty(inspect(conns)));
}

EACH_INSPECTED_POOL("inspect: without memory for a trace, nothing is dialled, and nothing is left [C13]") {
    bool is_over = false;
    for (std::uint64_t n = 1; !is_over; ++n) {
        fixture<Pool> f;
        try {
            const allocations::failing nth{n};
            (void)f.conns->acquire("a", f.dials);
            is_over = !nth.happened();
        } catch (const std::bad_alloc&) {
            CHECK(f.conns->stats().keys == 0);
            CHECK(f.conns->stats().lent + f.conns->stats().idle + f.conns->stats().dialing == 0);
            CHECK(ranges::empty(f.look()));
        }
        f.conns->put("b", f.dials("b"));
        CHECK(ranges::distance(f.look() | views::of("b")) == 1);
    }
}

TEST_CASE("inspect: a connection that was never lent has no past") {
    using aging = pool::any_of<pool::after_lifetime, pool::after_uses>;
    for (const bool traces : {true, false}) {
        pool::testing::fake_dialer dials;
        pool::manual_clock clock;
        clock.advance(1h);
        pool_of<pool::bounded, aging> conns{
            {}, aging{pool::after_lifetime{1h}, pool::after_uses{9}}, {.trace_leases = traces}, clock};
        int seen = 0;
        auto dead = dials("a");
        dials[1].dead = true;
        dials[1].on_close = [&] {
            ++seen;
            const auto c = *inspect(conns).begin();
            CHECK(c.state == connection_state::closing);
            CHECK_FALSE(c.age);
            CHECK_FALSE(c.uses);
        };
        conns.put("a", std::move(dead));
        const auto dial = [&](const std::string& key) {
            ++seen;
            CHECK_FALSE(inspect(conns).begin()->uses);
            return dials(key);
        };
        (void)conns.acquire("a", dial);
        CHECK(seen == 2);
    }
}

TEST_CASE("inspect: during a reset, no caller has the connection") {
    using tended = pool::testing::tended_connection;
    pool::testing::fake_dialer dials;
    pool_of<pool::bounded, pool::never, tended> conns{{}, {}, traced, {}};
    auto lent = conns.acquire("a", [&](const std::string& key) { return tended{dials(key)}; });
    bool was_reset = false;
    dials[1].on_reset = [&] {
        was_reset = true;
        const auto c = *inspect(conns).begin();
        CHECK(c.state == connection_state::lent);
        CHECK_FALSE(c.lent_for);
        CHECK_FALSE(c.where);
        CHECK(c.uses == 1);
    };
    lent.give_back();
    CHECK(was_reset);
    CHECK(inspect(conns).begin()->uses == 1);
}

TEST_CASE("inspect: of compares keys as the pool does") {
    pool::testing::fake_dialer dials;
    using seeded = pool::seeded_key<std::string>;
    pool::basic_pool<seeded, fake_connection> conns;
    conns.put("a", dials("a"));
    CHECK(ranges::distance(inspect(conns) | views::of("a")) == 1);
    CHECK(ranges::distance(inspect(conns) | views::of(std::string_view{"b"})) == 0);
    CHECK(ranges::distance(inspect(conns) | views::of(seeded{"a"})) == 1);
    pool::basic_pool<std::wstring, fake_connection> wide;
    wide.put(L"a", dials("a"));
    CHECK(ranges::distance(inspect(wide) | views::of(L"a")) == 1);
    pool::basic_pool<long, fake_connection> numbers;
    numbers.put(7, dials("7"));
    CHECK(ranges::distance(inspect(numbers) | views::of(7)) == 1);
    CHECK(ranges::distance(inspect(numbers) | views::lent_longer_than(std::chrono::hours::max())) == 0);
    CHECK(ranges::distance(inspect(numbers) | views::idle_longer_than(1.5s)) == 0);
}

TEST_CASE("inspect: calls that compiled before have a place, too") {
    pool::testing::fake_dialer dials;
    pool_of<pool::bounded_open> conns{{}, {}, traced, dials, {}};
    const auto place = pool::call_site::current();
    const auto is_there = [&](const auto& lent) {
        CHECK(lent->id() > 0);
        return inspect(conns).begin()->where->line() == place.line();
    };
    CHECK_FALSE(is_there(conns.acquire("a", {})));
    CHECK_FALSE(is_there(conns.acquire("a", dials, 1s, {})));
    CHECK(is_there(conns.acquire("a", {}, place)));
    CHECK(is_there(conns.acquire("a", dials, 1s, {}, place)));
    CHECK(is_there(conns.try_acquire("a", place)));
    CHECK(is_there(conns.acquire("a", pool::discard_unless_kept, place)));
    CHECK(is_there(conns.acquire("a", dials, pool::discard_unless_kept, place)));
    pool::basic_pool<pool::no_key, fake_connection> one{{}, {}, traced, dials};
    auto lent = one.acquire(place);
    CHECK(inspect(one).begin()->where->line() == place.line());
    lent = one.acquire(dials, place);
    lent = one.acquire_fresh(place);

    const auto two_limits = [](auto& pool, const auto& first, const std::stop_token& stop) {
        return requires { pool.acquire("a", first, stop); };
    };
    CHECK_FALSE(two_limits(conns, pool::dial_context{}, {}));  // which of the two stops would count?
    CHECK_FALSE(two_limits(conns, std::stop_token{}, {}));
    CHECK(two_limits(conns, 1s, {}));
}

EACH_INSPECTED_POOL("inspect: connections that leave for good are forgotten [C1]") {
    fixture<Pool> f;
    f.conns->acquire("a", f.dials).detach().close();
    f.conns->put("a", f.dials("a"));
    f.conns->take("a")->close();
    f.conns->acquire("a", f.dials).discard();
    CHECK_THROWS((void)f.conns->acquire("a", [](const std::string&) -> fake_connection { throw 1; }));
    CHECK(ranges::empty(f.look()));
    f.clock.advance(1s);
    f.conns->put("a", f.dials("a"));  // perhaps where one of these was
    CHECK(f.the_only().age == 0s);
    CHECK(f.the_only().uses == 0);
}

}  // namespace inspecting
