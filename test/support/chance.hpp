// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <array>
#include <cstddef>
#include <type_traits>
#include <utility>
#include <vector>

#include <support/choices.hpp>

/// @file
/// The decisions of a history, in the forms in which it needs them.

/// Decides as its source does. The first of several values is the simplest, and `one_in` is simplest if it is false.
class chance {
public:
    explicit chance(choice_source& from) : from_{from} {}

    bool has_operation() const { return from_.has_operation(); }
    bool begin_operation() { return from_.begin_operation(); }
    std::size_t below(std::size_t end) { return end == 1 ? 0 : from_.below(end); }
    bool one_in(std::size_t n) { return below(n) + 1 == n; }

    /// Returns one of the values, each as likely as the others.
    template <class... Values>
    auto any_of(Values... values) {
        const std::array<std::common_type_t<Values...>, sizeof...(Values)> all{values...};
        return all[below(all.size())];
    }

    /// Takes one element out. There must be at least one.
    template <class T>
    T any_out_of(std::vector<T>& all) {
        std::swap(all[below(all.size())], all.back());
        auto chosen = std::move(all.back());
        all.pop_back();
        return chosen;
    }

private:
    choice_source& from_;
};
