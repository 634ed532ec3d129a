// SPDX-License-Identifier: BSL-1.0
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include <pool/dial.hpp>

#include <support/plain_connection.hpp>

/// @file
/// Models of the concepts of a dial, and near misses. A near miss differs from a model in what its name says.

using plain = fake::plain_connection;

namespace dials {
namespace {

using key = std::string;
using context = pool::dial_context;

using plain_function = plain(const key&);
using by_value = plain (*)(key);
using by_view = plain (*)(std::string_view);
using with_context = plain (*)(const key&, const context&);
using context_by_value = plain (*)(const key&, context);

using of_nothing = plain (*)();
using changes_key = plain (*)(key&);
using of_other_key = plain (*)(int);
using returns_nothing = void (*)(const key&);
using returns_maybe = std::optional<plain> (*)(const key&);
using returns_pointer = std::unique_ptr<plain> (*)(const key&);
using changes_context = plain (*)(const key&, context&);
using context_first = plain (*)(const context&, const key&);
using of_three = plain (*)(const key&, const context&, int);

struct either {
    plain operator()(const key&) const;
    plain operator()(const key&, const context&) const;
};
struct only_as_rvalue {
    plain operator()(const key&) &&;
};
struct immovable : plain {
    immovable() = default;
    immovable(immovable&&) = delete;
};
struct derived : plain {
    explicit derived(int);
};

}  // namespace
}  // namespace dials

TEST_CASE("plain_dial_function: makes a Conn of a key") {
    using dials::key;
    static_assert(pool::plain_dial_function<dials::plain_function, key, plain>);
    static_assert(pool::plain_dial_function<dials::plain_function&, key, plain>);
    static_assert(pool::plain_dial_function<dials::by_value, key, plain>);
    static_assert(pool::plain_dial_function<dials::by_view, key, plain>);
    static_assert(pool::plain_dial_function<const dials::either, key, plain>);
    static_assert(pool::plain_dial_function<std::unique_ptr<dials::derived> (*)(key), key, std::unique_ptr<plain>>);
    static_assert(pool::plain_dial_function<dials::immovable (*)(const key&), key, dials::immovable>);
    static_assert(!pool::plain_dial_function<dials::with_context, key, plain>);
    static_assert(!pool::plain_dial_function<dials::of_nothing, key, plain>);
    static_assert(!pool::plain_dial_function<dials::changes_key, key, plain>);
    static_assert(!pool::plain_dial_function<dials::of_other_key, key, plain>);
    static_assert(!pool::plain_dial_function<dials::returns_nothing, key, plain>);
    static_assert(!pool::plain_dial_function<dials::returns_maybe, key, plain>);
    static_assert(!pool::plain_dial_function<dials::returns_pointer, key, plain>);
    static_assert(!pool::plain_dial_function<dials::only_as_rvalue, key, plain>);
    static_assert(!pool::plain_dial_function<int (*)(key), key, dials::derived>);  // not by an explicit conversion
    static_assert(!pool::plain_dial_function<dials::immovable& (*)(const key&), key, dials::immovable>);
    static_assert(!pool::plain_dial_function<plain, key, plain>);
}

TEST_CASE("context_dial_function: makes a Conn of a key and the limits of a call") {
    using dials::key;
    static_assert(pool::context_dial_function<dials::with_context, key, plain>);
    static_assert(pool::context_dial_function<dials::context_by_value, key, plain>);
    static_assert(pool::context_dial_function<dials::either, key, plain>);
    static_assert(!pool::context_dial_function<dials::plain_function, key, plain>);
    static_assert(!pool::context_dial_function<dials::changes_context, key, plain>);
    static_assert(!pool::context_dial_function<dials::context_first, key, plain>);
    static_assert(!pool::context_dial_function<dials::of_three, key, plain>);
    static_assert(!pool::context_dial_function<dials::with_context, key, std::unique_ptr<plain>>);
}

TEST_CASE("plain_dial_function, context_dial_function: without a key, they need not take one") {
    using pool::no_key;
    static_assert(pool::plain_dial_function<dials::of_nothing, no_key, plain>);
    static_assert(pool::plain_dial_function<plain (*)(no_key), no_key, plain>);
    static_assert(pool::context_dial_function<plain (*)(const dials::context&), no_key, plain>);
    static_assert(pool::context_dial_function<plain (*)(no_key, dials::context), no_key, plain>);
    static_assert(!pool::plain_dial_function<dials::plain_function, no_key, plain>);
    static_assert(!pool::plain_dial_function<void (*)(), no_key, plain>);
    static_assert(!pool::context_dial_function<dials::of_nothing, no_key, plain>);
    static_assert(!pool::context_dial_function<dials::with_context, no_key, plain>);
    static_assert(!pool::context_dial_function<plain (*)(const dials::context&), dials::key, plain>);
}

TEST_CASE("dial_function: is one of the two, or both") {
    using dials::key;
    static_assert(pool::dial_function<dials::plain_function, key, plain>);
    static_assert(pool::dial_function<dials::with_context, key, plain>);
    static_assert(pool::dial_function<dials::either, key, plain>);
    static_assert(!pool::dial_function<dials::of_nothing, key, plain>);
    static_assert(!pool::dial_function<dials::context_first, key, plain>);
    static_assert(!pool::dial_function<dials::returns_nothing, key, plain>);
}
