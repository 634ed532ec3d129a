// SPDX-License-Identifier: BSL-1.0
#include <memory>
#include <optional>
#include <string>
#include <type_traits>

#include <doctest/doctest.h>

#include <pool/connection.hpp>
#include <pool/core/requirements.hpp>

#include <support/fake.hpp>
#include <support/plain_connection.hpp>

/// @file
/// Models of the concepts of a connection, and near misses. A near miss differs from a model in what its name says.

using plain = fake::plain_connection;

namespace conns {
namespace {

struct without_close {
    bool closed() const noexcept { return false; }
    bool unblocked() const noexcept { return true; }
};
struct close_is_private : private plain {
    using plain::closed;
    using plain::unblocked;
};
struct close_with_argument : plain {
    void close(int how);
};
struct without_closed {
    void close() {}
    bool unblocked() const noexcept { return true; }
};
struct closed_may_throw : plain {
    bool closed() const { return false; }
};
struct closed_changes_it : plain {
    bool closed() noexcept { return false; }
};
struct closed_is_silent : plain {
    void closed() const noexcept {}
};
struct without_unblocked {
    void close() {}
    bool closed() const noexcept { return false; }
};
struct unblocked_may_throw : plain {
    bool unblocked() const { return true; }
};
struct unblocked_changes_it : plain {
    bool unblocked() noexcept { return true; }
};
struct unblocked_is_silent : plain {
    void unblocked() const noexcept {}
};
class destroyed_by_others : public plain {
    ~destroyed_by_others() = default;
};
struct reusable_may_throw : plain {
    bool reusable() const { return true; }
};
struct released_may_throw : plain {
    bool released() const { return false; }
};
struct immovable : plain {
    immovable() = default;
    immovable(immovable&&) = delete;
};
struct answers_with_types {
    void close() {}
    std::true_type closed() const noexcept { return {}; }
    std::true_type unblocked() const noexcept { return {}; }
    std::true_type reusable() const noexcept { return {}; }
    std::true_type released() const noexcept { return {}; }
    const char* why_dead() const noexcept { return ""; }
};

struct with_hook_members : plain {  // not in a specialisation, so they are no hooks
    bool healthy();
    void reset();
    void keep_alive();
};

template <int>
struct tended : plain {};
using hooked = tended<0>;
using asked_as_const = tended<1>;
using healthy_is_silent = tended<2>;
using healthy_counts = tended<3>;
using hooks_of_temporaries = tended<4>;
using hooks_with_results = tended<5>;
using hooks_without_argument = tended<6>;
using overloaded_hooks = tended<7>;

struct foreign {};
struct foreign_that_may_throw {};
struct foreign_that_counts {};

}  // namespace
}  // namespace conns

template <>
struct pool::connection_traits<conns::foreign> {
    static void close(conns::foreign&) {}
    static bool closed(const conns::foreign&) noexcept { return false; }
    static bool unblocked(const conns::foreign&) noexcept { return true; }
    static const char* why_dead(const conns::foreign&) noexcept { return ""; }
};
template <>
struct pool::connection_traits<conns::foreign_that_may_throw> {
    static void close(conns::foreign_that_may_throw&) {}
    static bool closed(const conns::foreign_that_may_throw&) { return false; }
    static bool unblocked(const conns::foreign_that_may_throw&) { return true; }
    static bool reusable(const conns::foreign_that_may_throw&) { return true; }
    static bool released(const conns::foreign_that_may_throw&) { return true; }
    static std::string why_dead(const conns::foreign_that_may_throw&) { return {}; }
};
template <>
struct pool::connection_traits<conns::foreign_that_counts> {
    static void close(conns::foreign_that_counts&) {}
    static int closed(const conns::foreign_that_counts&) noexcept { return 0; }
    static int unblocked(const conns::foreign_that_counts&) noexcept { return 1; }
    static int reusable(const conns::foreign_that_counts&) noexcept { return 1; }
    static int* why_dead(const conns::foreign_that_counts&) noexcept { return nullptr; }
};

template <>
struct pool::connection_traits<conns::hooked> : pool::member_connection_traits<conns::hooked> {
    static bool healthy(conns::hooked&) { return true; }
    static void reset(conns::hooked&) {}
    static void keep_alive(conns::hooked&) {}
};
template <>
struct pool::connection_traits<conns::asked_as_const> : pool::member_connection_traits<conns::asked_as_const> {
    static bool healthy(const conns::asked_as_const&) noexcept { return true; }
    static constexpr auto reset = [](const plain&) {};
    template <class Conn>
    static void keep_alive(const Conn&) {}
};
template <>
struct pool::connection_traits<conns::healthy_is_silent> : pool::member_connection_traits<conns::healthy_is_silent> {
    static void healthy(conns::healthy_is_silent&) {}
};
template <>
struct pool::connection_traits<conns::healthy_counts> : pool::member_connection_traits<conns::healthy_counts> {
    static int healthy(conns::healthy_counts&) { return 1; }
};
template <>
struct pool::connection_traits<conns::hooks_of_temporaries>
    : pool::member_connection_traits<conns::hooks_of_temporaries> {
    static bool healthy(conns::hooks_of_temporaries&&) { return true; }
    static void reset(conns::hooks_of_temporaries&&) {}
    static void keep_alive(conns::hooks_of_temporaries&&) {}
};
template <>
struct pool::connection_traits<conns::hooks_with_results> : pool::member_connection_traits<conns::hooks_with_results> {
    static bool reset(conns::hooks_with_results&) { return false; }
    static bool keep_alive(conns::hooks_with_results&) { return false; }
};
template <>
struct pool::connection_traits<conns::hooks_without_argument>
    : pool::member_connection_traits<conns::hooks_without_argument> {
    static bool healthy() { return true; }
    static void reset() {}
    static void keep_alive() {}
};
template <>
struct pool::connection_traits<conns::overloaded_hooks> : pool::member_connection_traits<conns::overloaded_hooks> {
    static void reset(conns::overloaded_hooks&, int) {}
    static void reset(conns::foreign&) {}
};

TEST_CASE("closable: wants close() or a trait") {
    static_assert(pool::closable<plain>);
    static_assert(pool::closable<conns::foreign>);
    static_assert(pool::closable<std::shared_ptr<plain>>);
    static_assert(!pool::closable<conns::without_close>);
    static_assert(!pool::closable<conns::close_is_private>);
    static_assert(!pool::closable<conns::close_with_argument>);
    static_assert(!pool::closable<const plain>);
    static_assert(!pool::closable<plain*>);
    static_assert(!pool::closable<std::unique_ptr<plain[]>>);
    static_assert(!pool::closable<std::shared_ptr<const plain>>);
}

TEST_CASE("closed_reporting: wants an answer of a const object that does not throw") {
    static_assert(pool::closed_reporting<plain>);
    static_assert(pool::closed_reporting<const plain>);
    static_assert(pool::closed_reporting<conns::foreign>);
    static_assert(pool::closed_reporting<conns::answers_with_types>);
    static_assert(pool::closed_reporting<std::unique_ptr<plain>>);
    static_assert(!pool::closed_reporting<conns::without_closed>);
    static_assert(!pool::closed_reporting<conns::closed_may_throw>);
    static_assert(!pool::closed_reporting<conns::closed_changes_it>);
    static_assert(!pool::closed_reporting<conns::closed_is_silent>);
    static_assert(!pool::closed_reporting<conns::foreign_that_may_throw>);
    static_assert(!pool::closed_reporting<conns::foreign_that_counts>);
    static_assert(!pool::closed_reporting<std::unique_ptr<conns::closed_may_throw>>);
}

TEST_CASE("unblocked_reporting: wants an answer of a const object that does not throw") {
    static_assert(pool::unblocked_reporting<plain>);
    static_assert(pool::unblocked_reporting<const plain>);
    static_assert(pool::unblocked_reporting<conns::foreign>);
    static_assert(pool::unblocked_reporting<conns::answers_with_types>);
    static_assert(pool::unblocked_reporting<std::unique_ptr<plain>>);
    static_assert(!pool::unblocked_reporting<conns::without_unblocked>);
    static_assert(!pool::unblocked_reporting<conns::unblocked_may_throw>);
    static_assert(!pool::unblocked_reporting<conns::unblocked_changes_it>);
    static_assert(!pool::unblocked_reporting<conns::unblocked_is_silent>);
    static_assert(!pool::unblocked_reporting<conns::foreign_that_may_throw>);
    static_assert(!pool::unblocked_reporting<conns::foreign_that_counts>);
    static_assert(!pool::unblocked_reporting<std::unique_ptr<conns::unblocked_may_throw>>);
}

TEST_CASE("reusable_reporting: wants an answer of a const object that does not throw") {
    static_assert(pool::reusable_reporting<fake::connection>);
    static_assert(pool::reusable_reporting<conns::answers_with_types>);
    static_assert(pool::reusable_reporting<std::shared_ptr<fake::connection>>);
    static_assert(!pool::reusable_reporting<plain>);
    static_assert(!pool::reusable_reporting<conns::foreign>);
    static_assert(!pool::reusable_reporting<conns::reusable_may_throw>);
    static_assert(!pool::reusable_reporting<conns::foreign_that_may_throw>);
    static_assert(!pool::reusable_reporting<conns::foreign_that_counts>);
}

TEST_CASE("released_reporting: wants an answer of a const object that does not throw") {
    static_assert(pool::released_reporting<fake::connection>);
    static_assert(pool::released_reporting<conns::answers_with_types>);
    static_assert(pool::released_reporting<std::unique_ptr<plain>>);
    static_assert(pool::released_reporting<std::shared_ptr<plain>>);
    static_assert(!pool::released_reporting<plain>);
    static_assert(!pool::released_reporting<conns::foreign>);
    static_assert(!pool::released_reporting<conns::released_may_throw>);
    static_assert(!pool::released_reporting<conns::foreign_that_may_throw>);
}

TEST_CASE("death_explaining: wants a text of a const object, which may throw") {
    static_assert(pool::death_explaining<conns::answers_with_types>);
    static_assert(pool::death_explaining<conns::foreign>);
    static_assert(pool::death_explaining<conns::foreign_that_may_throw>);
    static_assert(pool::death_explaining<std::unique_ptr<plain>>);  // says that it is null
    static_assert(!pool::death_explaining<plain>);
    static_assert(!pool::death_explaining<conns::foreign_that_counts>);
}

TEST_CASE("hooks: only a specialisation has them, and they take a Conn&") {
    static_assert(pool::health_checked<conns::hooked>);
    static_assert(pool::resettable<conns::hooked>);
    static_assert(pool::kept_alive<conns::hooked>);
    static_assert(pool::health_checked<conns::asked_as_const>);
    static_assert(pool::resettable<conns::asked_as_const>);
    static_assert(pool::kept_alive<conns::asked_as_const>);
    static_assert(pool::health_checked<std::unique_ptr<conns::hooked>>);
    static_assert(pool::resettable<std::shared_ptr<conns::hooked>>);
    static_assert(pool::kept_alive<std::unique_ptr<std::shared_ptr<conns::hooked>>>);
    static_assert(!pool::health_checked<plain>);
    static_assert(!pool::health_checked<std::unique_ptr<plain>>);
    static_assert(!pool::health_checked<conns::with_hook_members>);
    static_assert(!pool::resettable<conns::with_hook_members>);
    static_assert(!pool::kept_alive<conns::with_hook_members>);
    static_assert(!pool::health_checked<conns::healthy_is_silent>);
    static_assert(!pool::health_checked<conns::healthy_counts>);
    static_assert(!pool::health_checked<conns::hooks_of_temporaries>);
    static_assert(!pool::resettable<conns::hooks_of_temporaries>);
    static_assert(!pool::kept_alive<conns::hooks_of_temporaries>);
    static_assert(!pool::resettable<conns::hooks_with_results>);
    static_assert(!pool::kept_alive<conns::hooks_with_results>);
    static_assert(!pool::resettable<conns::overloaded_hooks>);
}

TEST_CASE("hooks: those that would never be called are seen, however they are declared") {
    using pool::core::right_healthy;
    using pool::core::right_keep_alive;
    using pool::core::right_reset;
    static_assert(right_healthy<plain>);
    static_assert(right_reset<plain>);
    static_assert(right_keep_alive<plain>);
    static_assert(right_healthy<conns::with_hook_members>);
    static_assert(right_reset<conns::with_hook_members>);
    static_assert(right_keep_alive<conns::with_hook_members>);
    static_assert(right_healthy<conns::hooked>);
    static_assert(right_reset<conns::hooked>);
    static_assert(right_keep_alive<conns::hooked>);
    static_assert(right_healthy<conns::asked_as_const>);
    static_assert(right_reset<conns::asked_as_const>);
    static_assert(right_keep_alive<conns::asked_as_const>);
    static_assert(right_healthy<std::unique_ptr<conns::hooked>>);
    static_assert(right_reset<std::unique_ptr<conns::hooked>>);
    static_assert(right_keep_alive<std::unique_ptr<conns::hooked>>);
    static_assert(!right_healthy<conns::healthy_is_silent>);
    static_assert(right_reset<conns::healthy_is_silent>);
    static_assert(right_keep_alive<conns::healthy_is_silent>);
    static_assert(!right_healthy<std::unique_ptr<std::shared_ptr<conns::healthy_counts>>>);
    static_assert(right_reset<std::unique_ptr<std::shared_ptr<conns::healthy_counts>>>);
    static_assert(right_keep_alive<std::unique_ptr<std::shared_ptr<conns::healthy_counts>>>);
    static_assert(!right_healthy<conns::hooks_of_temporaries>);
    static_assert(!right_reset<conns::hooks_of_temporaries>);
    static_assert(!right_keep_alive<conns::hooks_of_temporaries>);
    static_assert(right_healthy<conns::hooks_with_results>);
    static_assert(!right_reset<conns::hooks_with_results>);
    static_assert(!right_keep_alive<conns::hooks_with_results>);
    static_assert(!right_healthy<conns::hooks_without_argument>);
    static_assert(!right_reset<conns::hooks_without_argument>);
    static_assert(!right_keep_alive<conns::hooks_without_argument>);
    static_assert(right_healthy<conns::overloaded_hooks>);
    static_assert(!right_reset<conns::overloaded_hooks>);
    static_assert(right_keep_alive<conns::overloaded_hooks>);
}

TEST_CASE("poolable: wants its three answers and a destructor, not a move") {
    static_assert(pool::poolable<plain>);
    static_assert(pool::poolable<conns::foreign>);
    static_assert(pool::poolable<conns::immovable>);
    static_assert(pool::poolable<conns::reusable_may_throw>);
    static_assert(pool::poolable<std::unique_ptr<std::shared_ptr<plain>>>);
    static_assert(!pool::poolable<conns::without_close>);
    static_assert(!pool::poolable<conns::without_closed>);
    static_assert(!pool::poolable<conns::without_unblocked>);
    static_assert(!pool::poolable<conns::destroyed_by_others>);
    static_assert(!pool::poolable<const plain>);
    static_assert(!pool::poolable<plain*>);
    static_assert(!pool::poolable<std::optional<plain>>);
    static_assert(!pool::poolable<std::weak_ptr<plain>>);
    static_assert(!pool::poolable<std::unique_ptr<int>>);
    static_assert(!pool::poolable<int>);
    static_assert(!pool::poolable<void>);
}
