// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

#include <pool/core/platform.hpp>

/// @file
/// Finds the fields of an aggregate, without a declaration by its author.

namespace pool::core::fields {

/// The most fields an aggregate key may have.
inline constexpr std::size_t most = 6;

/// The largest number of values that is tried to initialise an aggregate. An array takes one value for each element.
inline constexpr std::size_t most_values = 256;

/// Converts to any type: one value in the braces of an aggregate.
template <std::size_t = 0>
struct any {
    /// Never defined: only asked for in unevaluated operands.
    template <class T>
    operator T() const noexcept;
};

/// The same for a base class of the aggregate. A field is of no such type.
template <class Aggregate>
struct any_base {
    /// Never defined.
    template <class T>
        requires(std::is_base_of_v<T, Aggregate> && !std::is_same_v<T, Aggregate>)
    operator T() const noexcept;
};

/// Converts to no other type. A first field that can be made from this is made from any type, and is no base class.
struct nothing {};

/// Whether the braces may hold a base class, and then so many values.
template <class Aggregate, std::size_t... I>
constexpr bool holds_base(std::index_sequence<I...>) {
    return requires { Aggregate{any_base<Aggregate>{}, any<I>{}...}; } && !requires { Aggregate{nothing{}, any<I>{}...}; };
}

/// Whether an aggregate can be initialised with this many values in its braces.
template <class Aggregate, std::size_t... I>
constexpr bool holds(std::index_sequence<I...>) {
    return requires { Aggregate{any<I>{}...}; };
}

/// Whether the braces may hold values, then a braced list of values, then more values.
template <class Aggregate, std::size_t... Before, std::size_t... Inner, std::size_t... After>
constexpr bool holds(std::index_sequence<Before...>, std::index_sequence<Inner...>, std::index_sequence<After...>) {
    return requires { Aggregate{any<Before>{}..., {any<Inner>{}...}, any<After>{}...}; };
}

/// How many values the braces may hold: one for each field, and for each element of a field that is an array. 0 if
/// there are too many.
template <class Aggregate, std::size_t N = 1, bool Found = false>
consteval std::size_t count_values() {
    if constexpr (N > most_values) {
        return 0;
    } else if constexpr (holds<Aggregate>(std::make_index_sequence<N>{})) {
        return count_values<Aggregate, N + 1, true>();
    } else if constexpr (Found || N > sizeof(Aggregate)) {
        return Found ? N - 1 : 0;
    } else {  // a field without a default constructor needs a value
        return count_values<Aggregate, N + 1, false>();
    }
}

/// How many values the field takes that begins at value `First`. Only an array takes more than one. Its values may have
/// braces of their own. If so many values are in the inner braces, one more value after them is too many.
template <class Aggregate, std::size_t Values, std::size_t First, std::size_t N = Values - First>
consteval std::size_t values_of_field() {
    if constexpr (N <= 1) {
        return 1;
    } else {
        constexpr std::make_index_sequence<First> before{};
        constexpr std::make_index_sequence<N> inner{};
        if constexpr (holds<Aggregate>(before, inner, std::make_index_sequence<Values - First - N>{}) &&
                      !holds<Aggregate>(before, inner, std::make_index_sequence<Values - First - N + 1>{}))
            return N;
        else return values_of_field<Aggregate, Values, First, N - 1>();
    }
}

template <class Aggregate, std::size_t Values, std::size_t First = 0>
consteval std::size_t count_fields() {
    if constexpr (First >= Values) return 0;
    else return 1 + count_fields<Aggregate, Values, First + values_of_field<Aggregate, Values, First>()>();
}

/// Whether an aggregate has a base class, whose fields nobody can name.
template <class Aggregate, std::size_t N = 0>
consteval bool has_base() {
    if constexpr (holds_base<Aggregate>(std::make_index_sequence<N>{})) return true;
    else if constexpr (N >= count_values<Aggregate>()) return false;
    else return has_base<Aggregate, N + 1>();
}

/// How many fields an aggregate has; 0 if that is unknown.
template <class Aggregate>
inline constexpr std::size_t count = count_fields<Aggregate, count_values<Aggregate>()>();

/// Calls `f` with the fields of an aggregate. Their types are its template arguments, because a call does not tell a
/// field that is a reference. A field may be a bit-field, whose reference ends with the call.
template <class Aggregate, class F>
constexpr auto apply(const Aggregate& key, const F& f) {
    constexpr std::size_t n = count<Aggregate>;
    static_assert(n >= 1 && n <= most);
    if constexpr (n == 1) {
        const auto& [a] = key;
        return f.template operator()<decltype(a)>(a);
    } else if constexpr (n == 2) {
        const auto& [a, b] = key;
        return f.template operator()<decltype(a), decltype(b)>(a, b);
    } else if constexpr (n == 3) {
        const auto& [a, b, c] = key;
        return f.template operator()<decltype(a), decltype(b), decltype(c)>(a, b, c);
    } else if constexpr (n == 4) {
        const auto& [a, b, c, d] = key;
        return f.template operator()<decltype(a), decltype(b), decltype(c), decltype(d)>(a, b, c, d);
    } else if constexpr (n == 5) {
        const auto& [a, b, c, d, e] = key;
        return f.template operator()<decltype(a), decltype(b), decltype(c), decltype(d), decltype(e)>(a, b, c, d, e);
    } else {
        const auto& [a, b, c, d, e, f6] = key;
        return f.template operator()<decltype(a), decltype(b), decltype(c), decltype(d), decltype(e), decltype(f6)>(
            a, b, c, d, e, f6);
    }
}

/// Makes a tuple type of the types of fields.
struct list_types {
    template <class... Field>
    constexpr std::type_identity<std::tuple<Field...>> operator()(const auto&...) const noexcept {
        return {};
    }
};

/// The types of the fields, as a tuple of them.
template <class Aggregate>
using types = typename decltype(fields::apply(std::declval<const Aggregate&>(), list_types{}))::type;

}  // namespace pool::core::fields
