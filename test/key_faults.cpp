// SPDX-License-Identifier: BSL-1.0
#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>

#include <support/fake.hpp>

// Which keys are refused, and that the others are told apart by all of their value. test/misuse shows the sentences.

namespace key_faults_cases {

namespace {

/// Has a constructor that takes anything.
struct token {
    int number = 0;

    token() = default;
    token(const token&) = default;
    template <class T>
        requires(!std::is_same_v<std::remove_cvref_t<T>, token>)
    token(T&& from) {
        if constexpr (std::is_convertible_v<T, int>) number = static_cast<int>(from);
    }
    token& operator=(const token&) = default;
    bool operator==(const token&) const = default;
};
struct with_a_token {
    token user;
    int port = 0;
    bool operator==(const with_a_token&) const = default;
};

/// A number with a type of its own, which is hashed and compared as the number is.
struct user_id {
    int number;

    explicit user_id(int chosen) : number{chosen} {}
    operator const int&() const { return number; }
};

}  // namespace

}  // namespace key_faults_cases

template <>
struct std::hash<key_faults_cases::token> {
    std::size_t operator()(const key_faults_cases::token& of) const noexcept { return std::hash<int>{}(of.number); }
};

template <>
struct pool::key_traits<key_faults_cases::user_id> : pool::key_traits<int> {};

namespace key_faults_cases {

namespace {

using pool::core::fault_of_key;
using pool::core::key_fault;

template <class Key>
inline constexpr bool borrows = fault_of_key<Key>() == key_fault::borrowed;

template <class T>
struct one_field {
    T text;
    int port = 0;
};
template <class T>
struct nested {
    int shard = 0;
    one_field<T> where;
};
template <class T>
struct two_in_an_array {
    T texts[2];
    int port = 0;
};

/// A type in each place where a key may have it.
template <class T>
inline constexpr bool is_borrowed_everywhere =
    borrows<T>&& borrows<std::pair<int, T>>&& borrows<std::tuple<int, T, int>>&& borrows<std::optional<T>>&&
        borrows<std::variant<int, T>>&& borrows<std::array<T, 2>>&& borrows<one_field<T>>&& borrows<nested<T>>&&
            borrows<two_in_an_array<T>>&& borrows<std::pair<std::array<one_field<std::optional<T>>, 2>, int>>;

static_assert(is_borrowed_everywhere<std::string_view>);
static_assert(is_borrowed_everywhere<std::wstring_view>);
static_assert(is_borrowed_everywhere<const char*>);
static_assert(is_borrowed_everywhere<char*>);
static_assert(is_borrowed_everywhere<const char8_t*>);

template <class T>
inline constexpr bool is_owned_everywhere =
    !borrows<T> && !borrows<std::pair<int, T>> && !borrows<std::tuple<int, T, int>> && !borrows<std::optional<T>> &&
    !borrows<std::variant<int, T>> && !borrows<std::array<T, 2>> && !borrows<one_field<T>> && !borrows<nested<T>> &&
    !borrows<two_in_an_array<T>>;

static_assert(is_owned_everywhere<std::string>);
static_assert(is_owned_everywhere<int>);
static_assert(is_owned_everywhere<const fake::line*>);  // an address is its own value

// A reference is borrowed, whatever it refers to.
struct referring {
    const std::string& host;
    int port;
};
static_assert(borrows<referring>);
static_assert(borrows<std::pair<const std::string&, int>>);
static_assert(borrows<std::tuple<int&>>);

// The fields of a base class have no names outside of it.
struct derived : one_field<std::string> {
    int shard;
};
struct no_fields {};
struct marked : no_fields {
    int shard;
};
static_assert(fault_of_key<derived>() == key_fault::base_class);
static_assert(fault_of_key<marked>() == key_fault::base_class);
static_assert(fault_of_key<std::pair<int, derived>>() == key_fault::base_class);

// A specialisation of key_traits is taken at its word.
struct literal {
    std::string_view text;
};

struct with_arrays {
    char code[4];
    int grid[2][2];
    std::string name;
    bool operator==(const with_arrays&) const = default;
};
struct with_bits {
    unsigned low : 4;
    unsigned high : 4;
    int rest;
    bool operator==(const with_bits&) const = default;
};
struct only_an_array {
    int parts[3];
    bool operator==(const only_an_array&) const = default;
};

/// Whether a connection that is kept for `key` is found by it, and not by any of `others`.
template <class Key>
void check_told_apart(const Key& key, std::initializer_list<Key> others) {
    fake::network net;
    pool::basic_pool<Key, fake::connection> conns;
    conns.put(key, net.dial());
    for (const Key& other : others) {
        CHECK_FALSE(conns.try_acquire(other));
        CHECK(pool::key_traits<Key>::hash(other) != pool::key_traits<Key>::hash(key));
    }
    CHECK(conns.try_acquire(Key{key}));
}

}  // namespace

}  // namespace key_faults_cases

template <>
struct pool::key_traits<key_faults_cases::literal> {
    using view = std::string_view;
    static std::size_t hash(view key) noexcept { return std::hash<view>{}(key); }
    static bool equal(view a, view b) noexcept { return a == b; }
};

namespace key_faults_cases {

static_assert(pool::core::fault_of<literal> == key_fault::none);

// A first field that is made from anything is not taken for a base class.
TEST_CASE("key_traits: a field may have a constructor that takes anything") {
    check_told_apart(with_a_token{token{1}, 2}, {with_a_token{token{2}, 2}, with_a_token{token{1}, 3}});
}

TEST_CASE("key_traits: a specialisation may inherit that of another type") {
    fake::network net;
    pool::basic_pool<user_id, fake::connection> conns;
    { const auto lent = conns.acquire(7, net.dialer()); }
    CHECK(conns.try_acquire(7).key().number == 7);
    CHECK_FALSE(conns.try_acquire(8));
}

TEST_CASE("key_traits: each element of an array in an aggregate makes a difference") {
    const with_arrays key{{'a', 'b', 'c', 'd'}, {{1, 2}, {3, 4}}, "n"};
    check_told_apart(key, {
                              {{'a', 'b', 'c', 'e'}, {{1, 2}, {3, 4}}, "n"},
                              {{'x', 'b', 'c', 'd'}, {{1, 2}, {3, 4}}, "n"},
                              {{'a', 'b', 'c', 'd'}, {{1, 2}, {3, 5}}, "n"},
                              {{'a', 'b', 'c', 'd'}, {{2, 1}, {3, 4}}, "n"},
                              {{'a', 'b', 'c', 'd'}, {{1, 2}, {3, 4}}, "m"},
                          });
    check_told_apart(only_an_array{{1, 2, 3}}, {only_an_array{{1, 2, 4}}, only_an_array{{3, 2, 1}}});
}

TEST_CASE("key_traits: a bit-field is a field as any other") {
    check_told_apart(with_bits{1, 2, 3}, {with_bits{2, 1, 3}, with_bits{1, 2, 4}, with_bits{1, 3, 3}});
}

TEST_CASE("key_traits: an array counts as one field") {
    struct six_fields {
        int a[2];
        std::string b;
        char c[3];
        std::array<int, 2> d;
        long e;
        bool f[1];
    };
    static_assert(fault_of_key<six_fields>() == key_fault::none);
    static_assert(pool::core::fields::count<six_fields> == 6);
    struct seven_fields {
        int a[2];
        int b, c, d, e, f, g;
    };
    static_assert(fault_of_key<seven_fields>() == key_fault::field_count);
    static_assert(pool::core::fields::count<seven_fields> == 7);
}

}  // namespace key_faults_cases
