// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <doctest/doctest.h>

#include <pool/core/describe.hpp>
#include <pool/core/hashed_key.hpp>
#include <pool/key.hpp>

namespace {

using namespace std::literals;

struct one {
    std::optional<int> shard;
    bool operator==(const one&) const = default;
};

struct endpoint {
    std::string host;
    int port;
    bool operator==(const endpoint&) const = default;
};

struct route {
    endpoint to;
    std::pair<int, bool> options;
    std::array<int, 2> range;
    bool operator==(const route&) const = default;
};

struct six {
    int a, b, c, d, e, f;
    bool operator==(const six&) const = default;
};

/// Has a std::hash of its own, which does not use all of its fields.
struct account {
    int number;
    std::string note;
    bool operator==(const account& other) const { return number == other.number; }
};

enum class region : unsigned char { here = 3, there };

/// A name whose upper and lower case are alike. It is looked up by text.
struct header_name {
    explicit header_name(std::string_view name) : text{name} {}
    operator std::string_view() const noexcept { return text; }

    std::string text;
};

struct printable {
    friend std::ostream& operator<<(std::ostream& out, const printable&) { return out << "a printable key"; }
};

/// The different hashes of the keys.
template <class Key>
std::set<std::size_t> hashes(std::initializer_list<Key> keys) {
    std::set<std::size_t> all;
    for (const auto& key : keys) all.insert(pool::key_traits<Key>::hash(key));
    return all;
}

}  // namespace

template <>
struct std::hash<account> {
    std::size_t operator()(const account& a) const noexcept { return std::hash<int>{}(a.number); }
};

template <>
struct pool::key_traits<header_name> {
    using view = std::string_view;

    static std::size_t hash(view name) {
        std::string lower{name};
        std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
        return std::hash<std::string>{}(lower);
    }
    static bool equal(view a, view b) {
        return std::equal(a.begin(), a.end(), b.begin(), b.end(),
            [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
    }
};

TEST_CASE("key_traits: a key with a std::hash is hashed by it") {
    CHECK(pool::key_traits<int>::hash(7) == std::hash<int>{}(7));
    CHECK(pool::key_traits<region>::hash(region::there) == std::hash<region>{}(region::there));
    CHECK(pool::key_traits<account>::hash({7, "one"}) == pool::key_traits<account>::hash({7, "other"}));
}

TEST_CASE("key_traits: equal keys hash alike") {
    CHECK(hashes<one>({{1}, {1}}).size() == 1);
    CHECK(hashes<endpoint>({{"localhost", 80}, {"localhost", 80}}).size() == 1);
    CHECK(hashes<std::pair<std::string, int>>({{"localhost", 80}, {"localhost", 80}}).size() == 1);
}

TEST_CASE("key_traits: each field of an aggregate makes a difference to its hash") {
    CHECK(hashes<one>({{1}, {2}, {std::nullopt}}).size() == 3);
    CHECK(hashes<endpoint>({{"a", 1}, {"b", 1}, {"a", 2}}).size() == 3);
    CHECK(hashes<six>({{0, 0, 0, 0, 0, 0}, {1, 0, 0, 0, 0, 0}, {0, 1, 0, 0, 0, 0}, {0, 0, 1, 0, 0, 0},
                          {0, 0, 0, 1, 0, 0}, {0, 0, 0, 0, 1, 0}, {0, 0, 0, 0, 0, 1}})
              .size() == 7);
}

TEST_CASE("key_traits: each element of a tuple, a pair and an array makes a difference to its hash") {
    CHECK(hashes<std::tuple<int, std::string, bool>>({{1, "a", true}, {2, "a", true}, {1, "b", true}, {1, "a", false}})
              .size() == 4);
    CHECK(hashes<std::pair<std::string, int>>({{"a", 1}, {"b", 1}, {"a", 2}}).size() == 3);
    CHECK(hashes<std::array<int, 2>>({{0, 0}, {1, 0}, {0, 1}}).size() == 3);
}

TEST_CASE("key_traits: nested aggregates, pairs and arrays are hashed with all their fields") {
    const route base{{"a", 1}, {1, true}, {1, 2}};
    auto host = base;
    auto option = base;
    auto range = base;
    host.to.host = "b";
    option.options.second = false;
    range.range[1] = 3;
    CHECK(hashes<route>({base, host, option, range}).size() == 4);
}

TEST_CASE("key_traits: keys are compared by operator==") {
    CHECK(pool::key_traits<account>::equal({7, "one"}, {7, "other"}));
    CHECK(!pool::key_traits<account>::equal({7, "one"}, {8, "one"}));
}

TEST_CASE_TEMPLATE("key_traits: a string is looked up by a view, which hashes and compares as the string", Char, char,
    wchar_t, char8_t, char16_t) {
    using string = std::basic_string<Char>;
    using traits = pool::key_traits<string>;

    const string key(3, Char{'x'});
    const string buffer(5, Char{'x'});
    const auto part = std::basic_string_view<Char>{buffer}.substr(1, 3);
    CHECK(std::is_same_v<pool::key_view<string>, std::basic_string_view<Char>>);
    CHECK(traits::hash(part) == std::hash<string>{}(key));
    CHECK(traits::equal(part, key));
    CHECK(!traits::equal(part, buffer));
}

TEST_CASE("key_traits: a string with a zero inside is compared whole") {
    const auto key = "a\0b"s;
    CHECK(!pool::key_traits<std::string>::equal("a\0c"sv, key));
    CHECK(pool::key_traits<std::string>::hash("a\0c"sv) != pool::key_traits<std::string>::hash(key));
}

TEST_CASE("key_traits: a specialisation decides which keys are equal, and by which type they are looked up") {
    static_assert(pool::hashable_key<header_name> && pool::comparable_key<header_name>);
    using traits = pool::key_traits<header_name>;

    CHECK(traits::hash("Accept") == traits::hash("aCCEPT"));
    CHECK(traits::equal("Accept", header_name{"aCCEPT"}));
    CHECK(!traits::equal("Accept", header_name{"Accept-Encoding"}));
}

TEST_CASE("describe: a key is shown as a reader would write it") {
    CHECK(pool::core::describe("10.0.0.7:7777"s) == "\"10.0.0.7:7777\"");
    CHECK(pool::core::describe("10.0.0.7:7777"sv) == "\"10.0.0.7:7777\"");
    CHECK(pool::core::describe(""s) == "\"\"");
    CHECK(pool::core::describe(-7) == "-7");
    CHECK(pool::core::describe(region::here) == "3");
    CHECK(pool::core::describe(printable{}) == "a printable key");
}

TEST_CASE("describe: for a key that cannot be printed it says so") {
    CHECK(pool::core::describe(endpoint{"localhost", 80}) == "(not printable)");
    CHECK(pool::core::describe(std::pair{1, 2}) == "(not printable)");
}
