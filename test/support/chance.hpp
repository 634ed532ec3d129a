// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <type_traits>
#include <utility>
#include <vector>

/// @file
/// The random decisions of a random history. The same seed gives the same history.

/// A source of random decisions.
class chance {
public:
    explicit chance(std::uint64_t seed) : random_{seed} {}

    std::size_t below(std::size_t end) { return static_cast<std::size_t>(random_() % end); }
    bool one_in(std::size_t n) { return below(n) == 0; }

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
    std::mt19937_64 random_;
};
