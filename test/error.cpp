// SPDX-License-Identifier: BSL-1.0
#include <exception>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <range/v3/algorithm/equal.hpp>

#include <pool/error.hpp>

namespace {

std::vector<std::exception_ptr> three_errors() {
    return {std::make_exception_ptr(std::runtime_error{"reset by peer"}),
        std::make_exception_ptr(std::logic_error{"already shut"}), std::make_exception_ptr(7)};
}

const auto listed =
    R"(pool "shards": 3 failed to close: reset by peer; already shut; an exception that is not a std::exception)";

}  // namespace

TEST_CASE_TEMPLATE("error: each exception of the pool itself is a pool::error", Error, pool::pool_closed,
    pool::connection_closed, pool::stream_ended) {
    CHECK(std::is_base_of_v<std::runtime_error, pool::error>);
    CHECK_THROWS_WITH_AS(throw Error{"what happened"}, "what happened", pool::error);
}

TEST_CASE("close_errors: by default there are none") {
    const pool::close_errors none;
    CHECK(none.empty());
    CHECK(none.size() == 0);
    CHECK(none.begin() == none.end());
    CHECK(none.what() == std::string{"no errors"});
}

TEST_CASE("close_errors: a named pool without errors has none either") {
    const pool::close_errors none{"shards", {}};
    CHECK(none.empty());
    CHECK(none.what() == std::string{"no errors"});
}

TEST_CASE("close_errors: the message has a single error as it is") {
    const pool::close_errors errors{"shards", {std::make_exception_ptr(std::runtime_error{"reset by peer"})}};
    CHECK(errors.size() == 1);
    CHECK(errors.what() == std::string{R"(pool "shards": 1 failed to close: reset by peer)"});
}

TEST_CASE("close_errors: the message names the pool and lists all errors, whatever their type [C13]") {
    const pool::close_errors errors{"shards", three_errors()};
    CHECK(errors.what() == std::string{listed});
}

TEST_CASE("close_errors: operator<< prints the message") {
    std::ostringstream out;
    out << pool::close_errors{"shards", three_errors()};
    CHECK(out.str() == listed);
}

TEST_CASE("close_errors: it is a range of the original exceptions, in their order [C13]") {
    const auto given = three_errors();
    const pool::close_errors errors{"shards", given};
    CHECK(!errors.empty());
    CHECK(errors.size() == 3);
    CHECK(ranges::equal(errors, given));
}

TEST_CASE("close_errors: rethrow throws all of them as one") {
    const pool::close_errors errors{"shards", three_errors()};
    CHECK_THROWS_WITH_AS(errors.rethrow(), listed, pool::error);
    try {
        errors.rethrow();
    } catch (const pool::close_errors& thrown) {
        CHECK(ranges::equal(thrown, errors));
    }
}

TEST_CASE("close_errors: rethrow does nothing when there are none") { CHECK_NOTHROW(pool::close_errors{}.rethrow()); }

TEST_CASE("close_errors: copying does not throw, as for any exception") {
    CHECK(std::is_nothrow_copy_constructible_v<pool::close_errors>);
    CHECK(std::is_nothrow_copy_assignable_v<pool::close_errors>);
}

TEST_CASE("close_errors: a moved-from object can still be used") {
    pool::close_errors errors{"shards", three_errors()};
    const pool::close_errors moved = std::move(errors);
    CHECK(moved.size() == 3);
    CHECK((errors.empty() || errors.size() == 3));
}
