// SPDX-License-Identifier: BSL-1.0
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/stats.hpp>

#include <support/fake.hpp>
#include <support/figures.hpp>

namespace {

using namespace std::chrono_literals;

using pool_type = pool::basic_pool<std::string, fake::connection, pool::bounded, pool::after_idle, pool::null_mutex,
    pool::manual_clock>;

/// One operation on a pool, and how many look-ups it makes.
struct step {
    const char* what;
    std::uint64_t look_ups;
    std::function<void()> act;
};

}  // namespace

TEST_CASE("stats: the identities hold after every step, and each figure counts only its own events [C16]") {
    fake::network net;
    pool::manual_clock clock;
    pool_type pool{{.max_idle = 3, .max_idle_per_key = 2}, 10s, {}, clock};
    pool_type::lease_type held;
    const auto put = [&](const char* key) { pool.put(key, net.dial()); };
    const auto failing_dial = [](const auto&) -> fake::connection { throw std::runtime_error{"refused"}; };
    const auto failing_close = [](fake::line& line) { line.on_close = [] { throw std::runtime_error{"cut"}; }; };
    const auto stillborn = [](fake::line& line) { line.dead = true; };

    const std::vector<step> history{
        {"put", 0, [&] { put("a"); }},
        {"take", 1, [&] { pool.take("a")->close(); }},
        {"take of nothing", 1, [&] { CHECK(!pool.take("a")); }},
        {"dial", 1, [&] { held = pool.acquire("a", net.dialer()); }},
        {"give back", 0, [&] { held.give_back(); }},
        {"reuse", 1, [&] { held = pool.try_acquire("a"); }},
        {"discard", 0, [&] { held.discard(); }},
        {"try of nothing", 1, [&] { held = pool.try_acquire("a"); }},
        {"dial that fails", 1, [&] { CHECK_THROWS(held = pool.acquire("a", failing_dial)); }},
        {"dial to keep", 1, [&] { held = pool.acquire("a", net.dialer()); }},
        {"detach", 0, [&] { held.detach().close(); }},
        {"full key", 0, [&] { put("a"), put("a"), put("a"); }},
        {"full pool", 0, [&] { put("b"), put("b"); }},
        {"all blocked", 1, [&] { net[6].blocked = true, held = pool.try_acquire("a"); }},
        {"one dead, one live", 1, [&] { net[7].dead = true, held = pool.try_acquire("b"); }},
        {"discard of the live one", 0, [&] { held.discard(); }},
        {"expiry by a sweep", 0, [&] { clock.advance(10s), pool.expire(); }},
        {"expiry met by a look-up", 1, [&] { put("b"), clock.advance(10s), held = pool.try_acquire("b"); }},
        {"put of a dead one", 0, [&] { net.prepare(stillborn), put("a"); }},
        {"close that fails", 0, [&] { net.prepare(failing_close), put("a"), pool.clear("a"); }},
        {"lease to outlast", 1, [&] { held = pool.acquire("c", net.dialer()); }},
        {"close", 0, [&] { put("b"), pool.close(); }},
        {"give back too late", 0, [&] { held.give_back(); }},
        {"dial too late", 1, [&] { CHECK_THROWS_AS(held = pool.acquire("c", net.dialer()), pool::pool_closed); }},
    };

    std::uint64_t look_ups = 0;
    for (const auto& each : history) {
        INFO(each.what);
        each.act();
        look_ups += each.look_ups;
        figures::check_exact(pool.stats(), look_ups);
    }
    CHECK(pool.stats() == pool::stats{.hits = 3,
                              .misses = 9,
                              .dials = 3,
                              .failed_dials = 1,
                              .skipped_blocked = 1,
                              .puts = 12,
                              .refused = 2,
                              .evicted = 2,
                              .expired = 2,
                              .cleared = 2,
                              .found_closed = 1,
                              .discarded = 2,
                              .detached = 1,
                              .failed_closes = 3});
}

TEST_CASE("stats: the identities hold while connections are being closed [C16]") {
    fake::network net;
    pool_type pool;
    std::size_t left = 2;
    net.prepare([&](fake::line& line) {
        line.on_close = [&] {
            figures::check_exact(pool.stats(), 0);
            CHECK(pool.stats().closing == left--);
        };
    });
    pool.put("a", net.dial());
    pool.put("b", net.dial());
    CHECK(pool.clear() == 2);
    CHECK(net.closed().size() == 2);
    CHECK(pool.stats().closing == 0);
}

TEST_CASE("stats: the statistics of two pools are added figure by figure, but the longer wait is the longest [C16]") {
    static_assert(sizeof(std::size_t) == sizeof(std::uint64_t), "all figures are of one size");
    using figures = std::array<std::uint64_t, sizeof(pool::stats) / sizeof(std::uint64_t)>;
    figures one{};
    figures other{};
    for (std::size_t i = 0; i < one.size(); ++i) {
        one[i] = i + 1;
        other[i] = 1'000 * (i + 1);
    }
    pool::stats sum = std::bit_cast<pool::stats>(one);
    sum += std::bit_cast<pool::stats>(other);
    const auto added = std::bit_cast<figures>(sum);
    constexpr std::size_t last = std::tuple_size_v<figures> - 1;  // the longest wait of both
    for (std::size_t i = 0; i < last; ++i) CHECK(added[i] == 1'001 * (i + 1));
    CHECK(added[last] == other[last]);
    CHECK(sum.longest_wait == std::chrono::nanoseconds{other[last]});
}
