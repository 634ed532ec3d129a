// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/sharded_pool.hpp>

#include <support/fake.hpp>

// A caller looks up with a view of his own text. A close that he makes or waits for, or the dial, may end that text.
// Here each close writes over it, so that a later look at it sees something else.

namespace keys_of_the_caller_cases {

using namespace std::chrono_literals;

namespace {

const std::string first_key = "a key that is long enough to be on the heap";

/// A text of the caller's that the first close writes over, and the pool that is asked with it.
template <class Pool>
struct fixture {
    explicit fixture(auto capacity) : conns{capacity, 1s, pool::pool_settings{.name = "peers"}, clock} {}

    std::string_view view() const { return text; }

    /// Idle connections of the key, expired; each close writes over the text.
    void put_expired(int count = 1) {
        net.prepare([this](fake::line& line) { line.on_close = [this] { std::ranges::fill(text, 'x'); }; });
        for (int i = 0; i < count; ++i) conns.put(first_key, net.dial());
        net.prepare([](fake::line&) {});
        clock.advance(2s);
    }

    /// A dial that notes for which key.
    auto noted() {
        return [this](const std::string& key) {
            dialled = key;
            return net.dial();
        };
    }

    /// The same, which makes the closes first that the look-up has left.
    auto sweeping() {
        return [this](const std::string& key) {
            conns.expire();
            return noted()(key);
        };
    }

    pool::manual_clock clock;
    fake::network net;
    std::string text = first_key;
    std::string dialled;
    Pool conns;
};

template <class Capacity>
using pool_of =
    pool::basic_pool<std::string, fake::connection, Capacity, pool::after_idle, std::mutex, pool::manual_clock>;
using unbounded = pool_of<pool::unlimited>;
using open_bounded = pool_of<pool::bounded_open>;
using sharded = pool::sharded_pool<2, std::string, fake::connection, pool::unlimited, pool::after_idle, std::mutex,
    pool::manual_clock>;

/// What `ask` throws, as text.
template <class Error>
std::string error_of(const auto& ask) {
    try {
        ask();
    } catch (const Error& error) {
        return error.what();
    }
    return "no error";
}

bool names_the_key(const std::string& error) { return error.find('"' + first_key + '"') != std::string::npos; }

/// The capacity of a pool in these tests.
template <class Pool>
auto roomy(std::size_t most = 4) {
    if constexpr (std::is_same_v<Pool, open_bounded>) return pool::bounded_open{.max_open = most};
    else return pool::unlimited{};
}

}  // namespace

TEST_CASE_TEMPLATE("acquire: a close during its dial may end the key", Pool, unbounded, open_bounded, sharded) {
    fixture<Pool> f{roomy<Pool>()};
    f.put_expired();
    const auto lent = f.conns.acquire(f.view(), f.sweeping());
    REQUIRE(f.text != first_key);
    CHECK(f.dialled == first_key);
    CHECK(lent.key() == first_key);
    CHECK(f.conns.stats(first_key).lent == 1);
    CHECK(f.conns.stats(f.view()).lent == 0);
}

TEST_CASE_TEMPLATE("acquire: the errors name the key, though its dial has ended it", Pool, unbounded, open_bounded,
    sharded) {
    fixture<Pool> f{roomy<Pool>()};
    SUBCASE("the pool is closed while it dials") {
        f.put_expired();
        const auto error = error_of<pool::pool_closed>([&] {
            (void)f.conns.acquire(f.view(), [&](const std::string&) {
                f.conns.close();
                return f.net.dial();
            });
        });
        REQUIRE(f.text != first_key);
        CHECK_MESSAGE(names_the_key(error), error);
    }
    SUBCASE("the pool is closed in a close during the dial") {
        f.net.prepare([&](fake::line& line) {
            line.on_close = [&] {
                std::ranges::fill(f.text, 'x');
                f.conns.close();
            };
        });
        f.conns.put(first_key, f.net.dial());
        f.net.prepare([](fake::line&) {});
        f.clock.advance(2s);
        const auto error = error_of<pool::pool_closed>([&] { (void)f.conns.acquire(f.view(), f.sweeping()); });
        REQUIRE(f.text != first_key);
        CHECK_MESSAGE(names_the_key(error), error);
    }
    SUBCASE("the dial ends the key itself") {
        const auto error = error_of<pool::pool_closed>([&] {
            (void)f.conns.acquire(f.view(), [&](const std::string&) {
                std::ranges::fill(f.text, 'x');
                f.conns.close();
                return f.net.dial();
            });
        });
        REQUIRE(f.text != first_key);
        CHECK_MESSAGE(names_the_key(error), error);
    }
}

TEST_CASE("acquire: the close that makes room for a caller may end his key") {
    fixture<open_bounded> f{pool::bounded_open{.max_open = 1}};
    f.net.prepare([&](fake::line& line) { line.on_close = [&] { std::ranges::fill(f.text, 'x'); }; });
    f.conns.put("another key", f.net.dial());
    f.net.prepare([](fake::line&) {});
    const auto lent = f.conns.acquire(f.view(), f.noted());
    REQUIRE(f.text != first_key);
    CHECK(f.net.closed() == std::vector{1});
    CHECK(f.dialled == first_key);
    CHECK(lent.key() == first_key);
}

TEST_CASE_TEMPLATE(
    "try_acquire and take: they close nothing, so no close ends their key", Pool, unbounded, open_bounded, sharded) {
    fixture<Pool> f{roomy<Pool>()};
    f.put_expired(2);
    SUBCASE("try_acquire") { CHECK_FALSE(f.conns.try_acquire(f.view())); }
    SUBCASE("take") { CHECK_FALSE(f.conns.take(f.view())); }
    CHECK(f.text == first_key);
    CHECK(f.net.closed().empty());
    CHECK(f.conns.stats().keys == 0);
    CHECK(f.conns.expire() == 0);
    CHECK(f.net.closed() == std::vector{1, 2});
}

TEST_CASE_TEMPLATE("clear: of one key, though its first close ends the key", Pool, unbounded, open_bounded, sharded) {
    constexpr int more_than_a_batch = 300;
    fixture<Pool> f{roomy<Pool>(2 * more_than_a_batch)};
    f.put_expired(more_than_a_batch);
    f.conns.put("another key", f.net.dial());
    CHECK(f.conns.clear(f.view()) == more_than_a_batch);
    REQUIRE(f.text != first_key);
    CHECK(f.conns.stats().idle == 1);
}

TEST_CASE_TEMPLATE("put: the key may be a part of the connection", Pool, unbounded, open_bounded, sharded) {
    fixture<Pool> f{roomy<Pool>()};
    f.conns.put(f.view(), f.net.dial());
    std::ranges::fill(f.text, 'x');
    CHECK(f.conns.try_acquire(first_key));
}

TEST_CASE_TEMPLATE("get: the lazy connection has a key of its own", Pool, unbounded, open_bounded, sharded) {
    fixture<Pool> f{roomy<Pool>()};
    f.put_expired();
    auto lazy = f.conns.get(f.view(), f.noted());
    std::ranges::fill(f.text, 'y');
    lazy.invoke([](fake::connection&) {});
    CHECK(f.dialled == first_key);
    CHECK(f.conns.stats(first_key).idle == 1);
}

}  // namespace keys_of_the_caller_cases
