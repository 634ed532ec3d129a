// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/core/platform.hpp>  // first: what it says of the compiler comes before what range-v3 says

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <range/v3/range/concepts.hpp>
#include <range/v3/view/filter.hpp>
#include <range/v3/view/interface.hpp>
#include <range/v3/view/view.hpp>

#include <pool/connection_info.hpp>
#include <pool/core/history.hpp>
#include <pool/core/pool_states.hpp>
#include <pool/core/saturating.hpp>
#include <pool/key.hpp>

/// @file
/// Looks into a pool: every connection, as a range, and views of it that compose with those of range-v3.
///
/// Include it yourself: `pool.hpp` does not, because it needs range-v3.

namespace pool {

/// Values that were collected once, as a view: a copy is cheap, and shares them.
template <class T>
class snapshot : public ranges::view_interface<snapshot<T>> {
public:
    snapshot() = default;                                                                       ///< nothing
    explicit snapshot(std::vector<T> all) : all_{std::make_shared<std::vector<T>>(std::move(all))} {}  ///< these

    const T* begin() const noexcept { return all_ ? all_->data() : nullptr; }               ///< the first
    const T* end() const noexcept { return all_ ? all_->data() + all_->size() : nullptr; }  ///< after the last

private:
    std::shared_ptr<const std::vector<T>> all_;
};

namespace core {

/// Collects what a snapshot tells.
template <class State>
class inspection {
    using key_type = typename State::key_type;
    using entry = typename State::entry;
    using info = connection_info<key_type>;

public:
    /// Collects all of a state.
    void look_at(State& state) {
        const auto prepare = [&](std::size_t most) {
            reserve(most);
            now_ = core::since_epoch(state.clock().now());
        };
        state.look_at_all(prepare, [&](const entry& e, const trace& known) {
            seen_.push_back(&e);
            all_.push_back(info_of(e, known));
        });
    }

    /// All, each once.
    std::vector<info> take() {
        std::unordered_set<const void*> newer;
        std::vector<info> each;
        each.reserve(all_.size());
        for (std::size_t i = all_.size(); i-- != 0;)
            if (newer.insert(seen_[i]).second) each.push_back(std::move(all_[i]));
        std::reverse(each.begin(), each.end());
        return each;
    }

private:
    void reserve(std::size_t more) {
        const std::size_t needed = all_.size() + more;
        if (needed <= all_.capacity()) return;
        all_.reserve(std::max(needed, 2 * all_.capacity()));
        seen_.reserve(all_.capacity());
    }

    info info_of(const entry& e, const trace& known) const {
        info made{e.key(), e.state(), core::age_of(e, known, now_), core::idle_time_of(e, known, now_), {},
            core::uses_of(e, known), {}, {}};
        if (known.lent_since && !known.used_until) {
            made.lent_for = core::since(known.lent_since, now_);
            made.reused = known.reused;
            if (known.where.line() != 0) made.where = known.where;
        }
        return made;
    }

    std::vector<info> all_;
    std::vector<const void*> seen_;  ///< the address of each one's entry
    std::chrono::nanoseconds now_{};  ///< the time of this step
};

}  // namespace core

/// A snapshot of every connection of a pool: those that were idle for longest first, in each shard. It is taken in steps,
/// between which the lock is free. So a connection is in the state in which it was found, and one that was opened or
/// closed meanwhile may be there or not. O(n). Throws `std::bad_alloc`, and what Key's copy throws.
template <class Pool>
auto inspect(const Pool& conns) {
    using state = core::pool_access::state_of<Pool>;
    core::inspection<state> all;
    core::pool_access::for_each_state(conns, [&](state& each) { all.look_at(each); });
    return snapshot{all.take()};
}

/// The keys for which callers wait, as a range of `waiting_count`: the key first whose first caller has waited for longest.
/// Empty for a pool that does not bound what is open. O(n log n). Throws `std::bad_alloc`, and what Key's copy throws.
template <class Pool>
auto waiting(const Pool& conns) {
    using state = core::pool_access::state_of<Pool>;
    std::vector<waiting_count<typename state::key_type>> all;
    if constexpr (state::bounds_open) {
        core::pool_access::for_each_state(conns, [&](state& each) {
            each.look_at_waiting([&](const auto& key, std::size_t callers, std::chrono::nanoseconds longest) {
                all.push_back({key, callers, longest});
            });
        });
    }
    std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.longest > b.longest; });
    return snapshot{std::move(all)};
}

/// Views of what `inspect` returns. Each takes any range of `connection_info`, and composes with the views of range-v3.
namespace views {

namespace core {

/// Whether a connection is in this state.
struct is_in {
    connection_state state;  ///< the one

    /// Whether `c` is.
    template <class Info>
    bool operator()(const Info& c) const noexcept {
        return c.state == state;
    }
};

}  // namespace core

inline constexpr auto dialling = ranges::views::filter(core::is_in{connection_state::dialling});  ///< those being opened
inline constexpr auto idle = ranges::views::filter(core::is_in{connection_state::idle});          ///< those that are idle
inline constexpr auto lent = ranges::views::filter(core::is_in{connection_state::lent});          ///< those that are lent
inline constexpr auto closing = ranges::views::filter(core::is_in{connection_state::closing});    ///< those being closed

namespace core {

/// Whether it is a type of characters.
template <class T>
inline constexpr bool is_character = std::same_as<T, char> || std::same_as<T, wchar_t> || std::same_as<T, char8_t> ||
                                     std::same_as<T, char16_t> || std::same_as<T, char32_t>;

/// What `of` keeps of a key: text of its own.
template <class Key>
struct kept_key {
    using type = Key;  ///< itself
};
/// Of a view of text.
template <class Char, class Traits>
struct kept_key<std::basic_string_view<Char, Traits>> {
    using type = std::basic_string<Char, Traits>;  ///< its own
};
/// Of a pointer to text.
template <class Char>
    requires(is_character<std::remove_cv_t<Char>>)
struct kept_key<Char*> {
    using type = std::basic_string<std::remove_cv_t<Char>>;  ///< its own
};

}  // namespace core

/// Those of one key, as the pool compares keys. It keeps a copy of `key`, and of text, if that is a view or a pointer.
template <class Key>
auto of(Key key) {
    return ranges::views::filter([wanted = typename core::kept_key<Key>::type(std::move(key))](const auto& c) {
        return bool{key_traits<std::remove_cvref_t<decltype(c.key)>>::equal(c.key, wanted)};
    });
}

/// Those that a caller has had for longer than this. It needs the setting `trace_leases`.
template <class Rep, class Period>
auto lent_longer_than(std::chrono::duration<Rep, Period> time) {
    return ranges::views::filter([limit = pool::core::saturating_cast<std::chrono::nanoseconds>(time)](const auto& c) {
        return c.lent_for && *c.lent_for > limit;
    });
}

/// Those that have been idle for longer than this.
template <class Rep, class Period>
auto idle_longer_than(std::chrono::duration<Rep, Period> time) {
    return ranges::views::filter([limit = pool::core::saturating_cast<std::chrono::nanoseconds>(time)](const auto& c) {
        return c.idle_for && *c.idle_for > limit;
    });
}

namespace core {

/// The elements of a range of connections.
template <class Range>
using info_of = std::remove_cvref_t<ranges::range_reference_t<Range>>;

/// The function of `by_key`.
struct by_key_fn {
    /// Counts.
    template <ranges::viewable_range Range>
    auto operator()(Range&& connections) const {
        using key_type = decltype(info_of<Range>::key);
        struct hash {
            std::size_t operator()(const key_type* key) const { return key_traits<key_type>::hash(*key); }
        };
        struct equal {
            bool operator()(const key_type* a, const key_type* b) const { return key_traits<key_type>::equal(*a, *b); }
        };
        std::vector<key_count<key_type>> counts;
        std::unordered_map<const key_type*, std::size_t, hash, equal> places;
        std::vector<info_of<Range>> kept;
        for (auto&& each : connections) kept.push_back(each);
        for (const auto& each : kept) {
            const auto [place, is_new] = places.try_emplace(&each.key, counts.size());
            if (is_new) counts.push_back({.key = each.key});
            key_count<key_type>& its = counts[place->second];
            its.dialling += each.state == connection_state::dialling;
            its.idle += each.state == connection_state::idle;
            its.lent += each.state == connection_state::lent;
            its.closing += each.state == connection_state::closing;
        }
        std::stable_sort(counts.begin(), counts.end(), [](const auto& a, const auto& b) {
            return a.open() + a.dialling > b.open() + b.dialling;
        });
        return snapshot{std::move(counts)};
    }
};

/// The function of `oldest_first`, and of another view that sorts.
template <class Time>
struct longest_first_fn {
    Time time;  ///< of a connection: the longest comes first

    /// Sorts.
    template <ranges::viewable_range Range>
    auto operator()(Range&& connections) const {
        std::vector<info_of<Range>> sorted;
        for (auto&& each : connections) sorted.push_back(each);
        std::stable_sort(
            sorted.begin(), sorted.end(), [this](const auto& a, const auto& b) { return time(a) > time(b); });
        return snapshot{std::move(sorted)};
    }
};

inline constexpr auto age = [](const auto& c) { return c.age; };            ///< if it is known
inline constexpr auto lent_for = [](const auto& c) { return c.lent_for; };  ///< if it is known

}  // namespace core

/// The connections of each key, counted: a range of `key_count`, the key with most connections first. O(n log n).
inline constexpr auto by_key = ranges::make_view_closure(core::by_key_fn{});

/// The same connections, the one first that has been open for longest. Those whose age is not known are last.
/// O(n log n).
inline constexpr auto oldest_first = ranges::make_view_closure(core::longest_first_fn<decltype(core::age)>{core::age});

/// The same connections, the one first that a caller has had for longest. O(n log n).
inline constexpr auto longest_lent_first =
    ranges::make_view_closure(core::longest_first_fn<decltype(core::lent_for)>{core::lent_for});

}  // namespace views

}  // namespace pool
