// SPDX-License-Identifier: BSL-1.0
#include <cstddef>
#include <functional>
#include <new>
#include <optional>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>

#include <interleavings/scenario.hpp>

// A caller that waits finds no memory for a copy of its key, just when it could be served.

using namespace interleavings;

namespace {

/// A key that may be too long to be copied.
struct key {
    explicit key(int its) : number{its} {}
    key(const key& other) : number{other.number} {
        if (other.is_long) throw std::bad_alloc{};
    }
    key& operator=(const key&) = delete;
    ~key() = default;
    friend bool operator==(const key& a, const key& b) noexcept { return a.number == b.number; }

    int number;
    bool is_long = false;
};

struct key_hash {
    std::size_t operator()(const key& of) const noexcept { return std::hash<int>{}(of.number); }
};

}  // namespace

template <>
struct std::hash<key> : key_hash {};

using key_pool = pool::basic_pool<key, connection, pool::bounded_open, pool::never, scheduled_lock, scheduled_clock>;

TEST_CASE("a caller that leaves by an exception gives back what it was lent meanwhile [C13]") {
    const auto found = pool::testing::explore(
        [](exploration& test) {
            connection_count counted{test};
            const auto dial = [&](const key&) { return connection{counted}; };
            std::optional<key_pool> conns;
            conns.emplace(pool::bounded_open{.max_open = 2, .patience = 0ns});
            auto lent = conns->acquire(key{1}, dial);
            conns->put(key{2}, connection{counted});  // which it would close before it dials

            test.run({{"acquires",
                          [&] {
                              key its{1};
                              its.is_long = true;
                              try {
                                  (void)conns->acquire(its, dial);
                              } catch (const std::bad_alloc&) {
                              }
                          }},
                {"gives back", [&] { lent.give_back(); }}});

            test.require(conns->stats().lent == 0, "nothing is lent");
            test.require(conns->stats().waiting == 0, "nobody waits");
            conns->close();
            test.require(counted.open == 0, "every connection is closed");
        },
        {.skips_equivalent = true});
    INFO(found.text);
    CHECK(found);
    CHECK(found.all);
}
