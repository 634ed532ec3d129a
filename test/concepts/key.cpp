// SPDX-License-Identifier: BSL-1.0
#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include <doctest/doctest.h>

#include <pool/key.hpp>
#include <pool/seeded_key.hpp>

/// @file
/// Models of the concepts of a key, and near misses. A near miss differs from a model in what its name says.

namespace keys {
namespace {

enum class region { north, south };

struct endpoint {
    std::string host;
    int port;
    bool operator==(const endpoint&) const = default;
};
struct without_equality {
    std::string host;
};
struct unequal_only {
    int number;
    bool operator!=(const unequal_only&) const;
};
class opaque {
public:
    bool operator==(const opaque&) const = default;

protected:
    int number_ = 0;
};
struct hashed_to_int : opaque {
    hashed_to_int() {}  // so that it is no aggregate either
};
struct foreign : opaque {};
struct foreign_hashed_to_int : opaque {};

}  // namespace
}  // namespace keys

template <>
struct std::hash<keys::hashed_to_int> {
    int operator()(const keys::hashed_to_int&) const noexcept { return 0; }
};
template <>
struct pool::key_traits<keys::foreign> {
    using view = int;
    static std::size_t hash(int) { return 0; }
    static bool equal(int, int) { return true; }
};
template <>
struct pool::key_traits<keys::foreign_hashed_to_int> {
    using view = int;
    static int hash(int) { return 0; }
    static void equal(int, int) {}
};

TEST_CASE("std_hashable: has a std::hash that gives a std::size_t") {
    static_assert(pool::core::std_hashable<std::string>);
    static_assert(pool::core::std_hashable<int>);
    static_assert(pool::core::std_hashable<keys::region>);
    static_assert(pool::core::std_hashable<std::unique_ptr<int>>);
    static_assert(pool::core::std_hashable<std::optional<int>>);
    static_assert(!pool::core::std_hashable<keys::endpoint>);
    static_assert(!pool::core::std_hashable<keys::hashed_to_int>);
    static_assert(!pool::core::std_hashable<std::pair<int, int>>);
    static_assert(!pool::core::std_hashable<std::vector<int>>);
    static_assert(!pool::core::std_hashable<std::optional<keys::opaque>>);
}

TEST_CASE("tuple_like: has a std::tuple_size") {
    static_assert(pool::core::tuple_like<std::pair<int, std::string>>);
    static_assert(pool::core::tuple_like<std::tuple<>>);
    static_assert(pool::core::tuple_like<std::array<int, 2>>);
    static_assert(!pool::core::tuple_like<keys::endpoint>);
    static_assert(!pool::core::tuple_like<std::vector<int>>);
    static_assert(!pool::core::tuple_like<int[2]>);
}

TEST_CASE("hashable_key: by std::hash, field by field, or by key_traits") {
    static_assert(pool::hashable_key<std::string>);
    static_assert(pool::hashable_key<std::wstring>);
    static_assert(pool::hashable_key<keys::region>);
    static_assert(pool::hashable_key<keys::endpoint>);
    static_assert(pool::hashable_key<std::tuple<std::string, int>>);
    static_assert(pool::hashable_key<keys::foreign>);
    static_assert(!pool::hashable_key<std::vector<int>>);
    static_assert(!pool::hashable_key<keys::opaque>);
    static_assert(!pool::hashable_key<keys::hashed_to_int>);
    static_assert(!pool::hashable_key<keys::foreign_hashed_to_int>);
}

TEST_CASE("comparable_key: by operator==, or by key_traits") {
    static_assert(pool::comparable_key<std::string>);
    static_assert(pool::comparable_key<keys::endpoint>);
    static_assert(pool::comparable_key<keys::foreign>);
    static_assert(!pool::comparable_key<keys::without_equality>);
    static_assert(!pool::comparable_key<keys::unequal_only>);
    static_assert(!pool::comparable_key<keys::foreign_hashed_to_int>);
}

TEST_CASE("seedable: text, words, and what is made of them") {
    static_assert(pool::seedable<std::string>);
    static_assert(pool::seedable<std::u16string_view>);
    static_assert(pool::seedable<const int>);
    static_assert(pool::seedable<keys::region>);
    static_assert(pool::seedable<const keys::endpoint*>);
    static_assert(pool::seedable<keys::endpoint>);
    static_assert(pool::seedable<std::optional<std::pair<std::string, int>>>);
    static_assert(pool::seedable<std::variant<std::monostate, std::array<char, 4>>>);
    static_assert(!pool::seedable<double>);
    static_assert(!pool::seedable<const char*>);
    static_assert(!pool::seedable<std::vector<int>>);
    static_assert(!pool::seedable<std::unique_ptr<int>>);
    static_assert(!pool::seedable<keys::opaque>);
    static_assert(!pool::seedable<keys::hashed_to_int>);
    static_assert(!pool::seedable<std::tuple<int, double>>);
}
