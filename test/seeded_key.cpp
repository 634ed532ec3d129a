// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/seeded_key.hpp>
#include <pool/sharded_pool.hpp>

#include <support/fake.hpp>

namespace seeded_key_cases {

namespace {

using namespace std::literals;
using pool::core::hash_seed;
using pool::core::key_fault;

struct endpoint {
    std::string host;
    int port;
    std::optional<int> shard;
    bool operator==(const endpoint&) const = default;
};

/// Has no padding, so its bytes are hashed.
struct address {
    std::array<unsigned char, 16> bytes;
    std::uint16_t port;
    bool operator==(const address&) const = default;
};

/// Has padding between its fields, and behind them.
struct padded {
    char first;
    int second;
    char third;
    bool operator==(const padded&) const = default;
};

/// Has a std::hash of its own, which does not use all of its fields.
struct account {
    int number;
    std::string note;
    bool operator==(const account& other) const { return number == other.number; }
};

/// A name whose upper and lower case are alike.
struct header_name {
    explicit header_name(std::string_view name) : text{name} {}
    operator std::string_view() const noexcept { return text; }

    std::string text;
};

std::string lower(std::string_view name) {
    std::string all{name};
    std::transform(all.begin(), all.end(), all.begin(), [](unsigned char c) { return std::tolower(c); });
    return all;
}

/// The different hashes of some keys.
template <class Key>
std::set<std::size_t> hashes(std::initializer_list<Key> keys) {
    std::set<std::size_t> all;
    for (const auto& key : keys) all.insert(pool::seeded_key_traits<Key>::hash(key));
    return all;
}

constexpr hash_seed known{1, 2};

template <class... T>
std::uint64_t hash_of(const T&... values) {
    return pool::core::seeded_hash_of(known, values...);
}

}  // namespace

}  // namespace seeded_key_cases

template <>
struct std::hash<seeded_key_cases::account> {
    std::size_t operator()(const seeded_key_cases::account& of) const noexcept { return std::hash<int>{}(of.number); }
};

template <>
struct pool::key_traits<seeded_key_cases::endpoint> : pool::seeded_key_traits<seeded_key_cases::endpoint> {};

template <>
struct pool::key_traits<seeded_key_cases::header_name> {
    using view = std::string_view;
    static std::size_t hash(view name) { return pool::seeded_hash(seeded_key_cases::lower(name)); }
    static bool equal(view a, view b) { return seeded_key_cases::lower(a) == seeded_key_cases::lower(b); }
};

namespace seeded_key_cases {

TEST_CASE("seeded_hash: equal values hash alike, in one process") {
    CHECK(pool::seeded_hash(7) == pool::seeded_hash(7));
    CHECK(pool::seeded_hash("localhost"s) == pool::seeded_hash("localhost"sv));
    CHECK(pool::seeded_hash(7) == static_cast<std::size_t>(pool::core::seeded_hash_of(pool::core::process_seed(), 7)));
}

TEST_CASE("seeded_hash: another seed gives other hashes") {
    for (const hash_seed other : {hash_seed{1, 3}, hash_seed{3, 2}}) {
        CHECK(hash_of(7) != pool::core::seeded_hash_of(other, 7));
        CHECK(hash_of("localhost"sv) != pool::core::seeded_hash_of(other, "localhost"sv));
    }
}

// With 128 random bits, a word of the seed is zero, or the words are equal, once in 2^32 processes.
TEST_CASE("seeded_hash: the seed of a process is random, and stays the same") {
    const hash_seed& seed = pool::core::process_seed();
    CHECK(seed.low != 0);
    CHECK(seed.high != 0);
    CHECK(seed.low != seed.high);
    CHECK((seed.low >> 32) != (seed.low & 0xffff'ffff));
    CHECK(&pool::core::process_seed() == &seed);
}

TEST_CASE("seeded_hash: text alone is hashed as its bytes") {
    CHECK(hash_of("abc"sv) == pool::core::sip_hash<1, 3>::of(known, "abc", 3));
    CHECK(hash_of(u"abc"sv) == pool::core::sip_hash<1, 3>::of(known, u"abc", 6));
}

TEST_CASE("seeded_hash: text is not mistaken for its neighbour") {
    CHECK(hash_of("ab"sv, "c"sv) != hash_of("a"sv, "bc"sv));
    CHECK(hash_of("a"sv, ""sv) != hash_of(""sv, "a"sv));
    CHECK(hash_of("a\0"sv, 1) != hash_of("a"sv, 1));
    CHECK(hash_of(""sv) != hash_of("\0"sv));
    CHECK(hash_of("12345678"sv, ""sv) != hash_of(""sv, "12345678"sv));
    // 256 bytes are as many in the lowest byte of the length as none.
    const std::string long_text(256, '\0');
    CHECK(hash_of(long_text, ""sv) != hash_of(""sv, long_text));
}

TEST_CASE("seeded_hash: an empty optional is no value, and a variant is not its value") {
    CHECK(hash_of(std::optional<int>{}) != hash_of(std::optional{0}));
    CHECK(hash_of(std::optional<int>{}, 0) != hash_of(std::optional{0}));
    using either = std::variant<std::monostate, int, long>;
    CHECK(hash_of(either{}) != hash_of(either{0}));
    CHECK(hash_of(either{1}) != hash_of(either{1L}));
    CHECK(hash_of(either{1}) == hash_of(either{1}));
}

TEST_CASE("seeded_key_traits: each part of a key makes a difference to its hash") {
    CHECK(hashes<endpoint>({{"a", 1, {}}, {"b", 1, {}}, {"a", 2, {}}, {"a", 1, 0}, {"a", 1, 1}}).size() == 5);
    CHECK(hashes<std::pair<std::string, int>>({{"a", 1}, {"b", 1}, {"a", 2}, {"a", 1}}).size() == 3);
    CHECK(hashes<std::tuple<int, bool>>({{1, true}, {2, true}, {1, false}}).size() == 3);
    CHECK(hashes<std::array<int, 3>>({{0, 0, 0}, {1, 0, 0}, {0, 1, 0}, {0, 0, 1}}).size() == 4);
    CHECK(hashes<address>({{{1}, 1}, {{1}, 2}, {{2}, 1}, {{1, 0, 0, 0, 0, 0, 0, 0, 1}, 1}}).size() == 4);
    CHECK(hashes<std::int64_t>({0, 1, -1, std::int64_t{1} << 32, std::int64_t{1} << 63}).size() == 5);
}

TEST_CASE("seeded_key_traits: what is between the fields makes none") {
    padded a{'a', 1, 'b'};
    padded b{'a', 1, 'b'};
    for (auto [key, filler] : {std::pair<padded*, unsigned char>{&a, 0x55}, {&b, 0xaa}}) {
        auto* const bytes = reinterpret_cast<unsigned char*>(key);
        for (std::size_t i = offsetof(padded, first) + 1; i < offsetof(padded, second); ++i) bytes[i] = filler;
        for (std::size_t i = offsetof(padded, third) + 1; i < sizeof(padded); ++i) bytes[i] = filler;
    }
    REQUIRE(a == b);
    CHECK(hashes<padded>({a}) == hashes<padded>({b}));
}

TEST_CASE("seeded_key_traits: a class may call seeded_hash itself") {
    using traits = pool::key_traits<header_name>;
    CHECK(traits::hash("Accept") == traits::hash("aCCEPT"));
    CHECK(traits::hash("Accept") != traits::hash("Accept-Encoding"));
}

TEST_CASE_TEMPLATE("seeded_key_traits: strings are looked up by a view", Char, char, wchar_t, char8_t, char16_t) {
    using string = std::basic_string<Char>;
    using traits = pool::key_traits<pool::seeded_key<string>>;
    const string key(3, Char{'x'});
    const string buffer(5, Char{'x'});
    const auto part = std::basic_string_view<Char>{buffer}.substr(1, 3);
    static_assert(std::is_same_v<typename traits::view, std::basic_string_view<Char>>);
    CHECK(traits::hash(part) == traits::hash(pool::seeded_key<string>{key}));
    CHECK(traits::hash(part) != traits::hash(buffer));
    CHECK(traits::equal(part, key));
    CHECK(!traits::equal(part, buffer));
}

TEST_CASE_TEMPLATE("seeded_key: a pool of text is used as one without a seed", Pool,
    pool::basic_pool<pool::seeded_key<std::string>, fake::connection>,
    pool::sharded_pool<4, pool::seeded_key<std::string>, fake::connection>) {
    fake::network net;
    Pool conns;
    std::string dialled;
    const auto dial = [&](const std::string& peer) {
        dialled = peer;
        return net.dial();
    };
    { const auto lent = conns.acquire("a", dial); }
    CHECK(dialled == "a");
    CHECK(conns.try_acquire("a"sv).key().get() == "a");
    CHECK_FALSE(conns.try_acquire("b"s));
    conns.get("b", dial).invoke([](fake::connection&) {});
    CHECK(dialled == "b");
    CHECK(conns.stats("b").idle == 1);
    CHECK(conns.stats().idle == 2);
    conns.close();
    CHECK_THROWS_WITH((void)conns.acquire("c", dial), doctest::Contains("\"c\""));
}

TEST_CASE("seeded_key: a pool of aggregates, of integers and of pairs is used as one without a seed") {
    fake::network net;
    pool::basic_pool<endpoint, fake::connection> by_endpoint;
    by_endpoint.put({"a", 80, {}}, net.dial());
    CHECK(by_endpoint.try_acquire({"a", 80, {}}).key().host == "a");
    CHECK_FALSE(by_endpoint.try_acquire({"a", 80, 1}));

    pool::basic_pool<pool::seeded_key<int>, fake::connection> by_number;
    by_number.acquire(7, [&](int) { return net.dial(); }).give_back();
    CHECK(by_number.try_acquire(7).key() == 7);
    CHECK_FALSE(by_number.try_acquire(8));

    using place = std::pair<std::string, int>;
    pool::basic_pool<pool::seeded_key<place>, fake::connection> by_place;
    by_place.acquire({"a", 1}, [&](const place&) { return net.dial(); }).give_back();
    CHECK(by_place.try_acquire({"a", 1}).key().get() == place{"a", 1});
    CHECK_FALSE(by_place.try_acquire({"a", 2}));
}

// test/misuse shows the sentences.
TEST_CASE("seeded_key_traits: a key that its value does not tell apart is refused") {
    using pool::core::fault_of;
    static_assert(fault_of<endpoint> == key_fault::none);
    static_assert(fault_of<pool::seeded_key<std::string>> == key_fault::none);
    static_assert(fault_of<pool::seeded_key<address>> == key_fault::none);
    static_assert(fault_of<pool::seeded_key<std::string_view>> == key_fault::borrowed);
    static_assert(fault_of<pool::seeded_key<const char*>> == key_fault::borrowed);
    static_assert(fault_of<pool::seeded_key<std::pair<int, std::string_view>>> == key_fault::borrowed);
    static_assert(fault_of<pool::seeded_key<std::optional<std::string_view>>> == key_fault::borrowed);
    static_assert(fault_of<pool::seeded_key<account>> == key_fault::unseedable);
    static_assert(fault_of<pool::seeded_key<std::pair<int, account>>> == key_fault::unseedable);
    static_assert(fault_of<pool::seeded_key<std::optional<account>>> == key_fault::unseedable);
    static_assert(fault_of<pool::seeded_key<std::variant<int, account>>> == key_fault::unseedable);
    static_assert(fault_of<pool::seeded_key<double>> == key_fault::unseedable);
    static_assert(fault_of<pool::seeded_key<header_name>> == key_fault::unseedable);
}

}  // namespace seeded_key_cases
