// SPDX-License-Identifier: BSL-1.0
#include <memory>
#include <regex>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/pool.hpp>

// Things that are not connections, in a pool.

namespace plain_objects {
namespace {

/// Counts those that there are.
struct model {
    explicit model(int size_of) : size{size_of} { ++count; }
    model(model&& other) noexcept : size{other.size} { ++count; }
    ~model() { --count; }

    int size;
    static inline int count = 0;
};

/// Made in the pool, and never moved.
struct immovable {
    immovable(int one, int two) : sum{one + two} {}
    immovable(immovable&&) = delete;
    int sum;
};

struct unnamed {};

}  // namespace
}  // namespace plain_objects

using namespace plain_objects;

template <>
inline constexpr bool pool::is_plain<model> = true;

TEST_CASE("is_plain: one line makes a type poolable, and nothing else does") {
    static_assert(pool::poolable<model>);
    static_assert(pool::poolable<std::unique_ptr<model>>);
    static_assert(!pool::poolable<unnamed>);
    static_assert(!pool::poolable<std::vector<char>>);
    static_assert(!pool::reusable_reporting<model>);
    static_assert(!pool::released_reporting<model>);
    {
        pool::basic_pool<int, model> models;
        CHECK(models.acquire(1, [](int size) { return model{size}; })->size == 1);
        CHECK(models.acquire(1, [](int) { return model{2}; })->size == 1);
        CHECK(model::count == 1);
        CHECK(models.clear() == 1);
        CHECK(model::count == 0);
        models.put(2, model{2});
        CHECK(models.stats().idle == 1);
    }
    CHECK(model::count == 0);
}

TEST_CASE("plain: makes any object poolable, which is used like a pointer") {
    pool::connection_pool<int, pool::plain<std::vector<char>>> buffers{
        {.capacity = 4}, [](int size) { return std::vector<char>(static_cast<std::size_t>(size)); }};
    auto lent = buffers.acquire(100);
    CHECK((*lent)->size() == 100);
    CHECK((**lent).size() == 100);
    CHECK(lent->value.size() == 100);
    const auto& constant = *lent;
    CHECK(constant->size() == 100);
    CHECK((*constant).size() == 100);
    lent->value.push_back('x');
    lent.give_back();
    CHECK(buffers.invoke(100, [](auto& buffer) { return buffer->size(); }) == 101);
}

TEST_CASE("plain: what an exception leaves is dropped, as the object may be half changed [C14]") {
    pool::local_pool<std::string, pool::plain<std::regex>> patterns{};
    auto digits = patterns.get("[0-9]+", [](const std::string& pattern) { return std::regex{pattern}; });
    CHECK(digits.invoke([](auto& compiled) { return std::regex_match("123", *compiled); }));
    CHECK(patterns.stats().idle == 1);
    CHECK_THROWS_AS(digits.invoke([](auto&) { throw std::runtime_error{"no answer"}; }), std::runtime_error);
    CHECK(patterns.stats().idle == 0);
    CHECK(patterns.stats().dials == 1);
}

TEST_CASE("plain: an object that cannot be moved is constructed in the pool") {
    using plain = pool::plain<immovable>;
    static_assert(!std::move_constructible<plain>);
    pool::basic_pool<int, plain> pool_of_them;
    const auto make = [](int n) { return plain{std::in_place, n, 2}; };
    CHECK(pool_of_them.acquire(1, make)->value.sum == 3);
    CHECK(pool_of_them.acquire(1, make)->value.sum == 3);
    CHECK(pool_of_them.stats().dials == 1);
}

TEST_CASE("plain: an object that is no class is one, too") {
    pool::basic_pool<int, pool::plain<int>> numbers;
    CHECK(**numbers.acquire(7, [](int n) { return n; }) == 7);
    CHECK(**numbers.try_acquire(7) == 7);
    pool::basic_pool<int, pool::plain<std::unique_ptr<int>>> pointers;
    CHECK(***pointers.acquire(7, [](int n) { return std::make_unique<int>(n); }) == 7);
}

TEST_CASE("plain: is moved without throwing if the object is") {
    static_assert(std::is_nothrow_move_constructible_v<pool::plain<std::string>>);
    static_assert(std::is_nothrow_constructible_v<pool::plain<std::string>, std::string>);
    static_assert(!std::is_copy_constructible_v<pool::plain<std::unique_ptr<int>>>);
}
