// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <ostream>
#include <utility>

#include <pool/testing/failure_point.hpp>
#include <pool/testing/held_locks.hpp>
#include <pool/testing/kernel/schedule.hpp>

/// @file
/// A value whose every operation can fail.

namespace pool::testing {

/// Holds a `T`. Its copies, its moves, its hash and its comparisons are failure points, and steps. As a key of a pool it
/// shows that the pool stands what a key throws.
template <class T>
class fallible {
public:
    fallible(T value) : value_{std::move(value)} {}  ///< not a failure point

    /// If a copy or a move throws, both are as before.
    fallible(const fallible& other) : value_{passing(point::copy, other.value_)} {}
    fallible(fallible&& other) : value_{std::move(passing(point::move, other.value_))} {}  ///< as the copy
    /// As the copy.
    fallible& operator=(const fallible& other) {
        value_ = passing(point::copy, other.value_);
        return *this;
    }
    /// As the copy.
    fallible& operator=(fallible&& other) {
        value_ = std::move(passing(point::move, other.value_));
        return *this;
    }
    ~fallible() { step(); }

    const T& value() const noexcept { return value_; }  ///< what it holds

    /// Compares the values.
    friend bool operator==(const fallible& a, const fallible& b) {
        return passing(point::comparison, a.value_) == b.value_;
    }

    /// Prints the value, if it can be printed. Not a failure point.
    friend std::ostream& operator<<(std::ostream& out, const fallible& printed)
        requires kernel::printable<T>
    {
        return out << printed.value_;
    }

private:
    template <class Value>
    static Value& passing(point kind, Value& value) {
        step();
        may_fail(kind);
        return value;
    }

    T value_;
};

}  // namespace pool::testing

/// A failure point, too.
template <class T>
struct std::hash<pool::testing::fallible<T>> {
    /// The hash of the value.
    std::size_t operator()(const pool::testing::fallible<T>& hashed) const {
        pool::testing::step();
        pool::testing::may_fail(pool::testing::point::hash);
        return std::hash<T>{}(hashed.value());
    }
};
