// SPDX-License-Identifier: BSL-1.0
#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/pool.hpp>

#include <support/fake.hpp>

/// @file
/// What models each concept, and what only nearly does. Each near miss differs from a model in what its name says.

namespace {

struct plain {
    void close() {}
    bool closed() const noexcept { return false; }
    bool unblocked() const noexcept { return true; }
};

}  // namespace

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
struct immovable : plain {
    immovable() = default;
    immovable(immovable&&) = delete;
};
struct answers_with_types {
    void close() {}
    std::true_type closed() const noexcept { return {}; }
    std::true_type unblocked() const noexcept { return {}; }
    std::true_type reusable() const noexcept { return {}; }
};

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
};
template <>
struct pool::connection_traits<conns::foreign_that_may_throw> {
    static void close(conns::foreign_that_may_throw&) {}
    static bool closed(const conns::foreign_that_may_throw&) { return false; }
    static bool unblocked(const conns::foreign_that_may_throw&) { return true; }
    static bool reusable(const conns::foreign_that_may_throw&) { return true; }
};
template <>
struct pool::connection_traits<conns::foreign_that_counts> {
    static void close(conns::foreign_that_counts&) {}
    static int closed(const conns::foreign_that_counts&) noexcept { return 0; }
    static int unblocked(const conns::foreign_that_counts&) noexcept { return 1; }
    static int reusable(const conns::foreign_that_counts&) noexcept { return 1; }
};

TEST_CASE("closes: wants close() or a trait") {
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

TEST_CASE("tells_closed: wants an answer of a const object that does not throw") {
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

TEST_CASE("connection: wants its three answers and a destructor, not a move") {
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

namespace streams {
namespace {

struct model {
    bool done() noexcept { return true; }
};
struct without_done {};
struct done_may_throw {
    bool done() { return true; }
};
struct done_is_silent {
    void done() noexcept {}
};
struct done_is_a_member {
    bool done = true;
};
struct move_only : model {
    move_only(move_only&&) noexcept = default;
};
struct immovable : model {
    immovable(immovable&&) = delete;
};
struct foreign {};
struct foreign_that_may_throw {};

}  // namespace
}  // namespace streams

template <>
struct pool::stream_traits<streams::foreign> {
    static bool done(streams::foreign&) noexcept { return true; }
};
template <>
struct pool::stream_traits<streams::foreign_that_may_throw> {
    static bool done(streams::foreign_that_may_throw&) { return true; }
};

TEST_CASE("stream: wants done(), which does not throw, and a move") {
    static_assert(pool::poolable_stream<streams::model>);
    static_assert(pool::poolable_stream<streams::move_only>);
    static_assert(pool::poolable_stream<streams::foreign>);
    static_assert(pool::poolable_stream<fake::stream>);
    static_assert(pool::poolable_stream<std::unique_ptr<streams::immovable>>);
    static_assert(!pool::poolable_stream<streams::without_done>);
    static_assert(!pool::poolable_stream<streams::done_may_throw>);
    static_assert(!pool::poolable_stream<streams::done_is_silent>);
    static_assert(!pool::poolable_stream<streams::done_is_a_member>);
    static_assert(!pool::poolable_stream<streams::immovable>);
    static_assert(!pool::poolable_stream<streams::foreign_that_may_throw>);
    static_assert(!pool::poolable_stream<std::unique_ptr<streams::done_may_throw>>);
    static_assert(!pool::poolable_stream<std::optional<streams::model>>);
    static_assert(!pool::poolable_stream<void>);
}

TEST_CASE("stream: a pooled_stream is one, so that pools nest") {
    using fake_pool = pool::basic_pool<int, fake::connection>;
    static_assert(pool::poolable_stream<pool::pooled_stream<fake_pool::lease_type, fake::stream>>);
}

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
struct derived : plain {
    explicit derived(int);
};

}  // namespace
}  // namespace dials

TEST_CASE("plain_dialer: makes a Conn of a key") {
    using dials::key;
    static_assert(pool::plain_dial_function<dials::plain_function, key, plain>);
    static_assert(pool::plain_dial_function<dials::plain_function&, key, plain>);
    static_assert(pool::plain_dial_function<dials::by_value, key, plain>);
    static_assert(pool::plain_dial_function<dials::by_view, key, plain>);
    static_assert(pool::plain_dial_function<const dials::either, key, plain>);
    static_assert(pool::plain_dial_function<std::unique_ptr<dials::derived> (*)(key), key, std::unique_ptr<plain>>);
    static_assert(pool::plain_dial_function<conns::immovable (*)(const key&), key, conns::immovable>);
    static_assert(!pool::plain_dial_function<dials::with_context, key, plain>);
    static_assert(!pool::plain_dial_function<dials::of_nothing, key, plain>);
    static_assert(!pool::plain_dial_function<dials::changes_key, key, plain>);
    static_assert(!pool::plain_dial_function<dials::of_other_key, key, plain>);
    static_assert(!pool::plain_dial_function<dials::returns_nothing, key, plain>);
    static_assert(!pool::plain_dial_function<dials::returns_maybe, key, plain>);
    static_assert(!pool::plain_dial_function<dials::returns_pointer, key, plain>);
    static_assert(!pool::plain_dial_function<dials::only_as_rvalue, key, plain>);
    static_assert(!pool::plain_dial_function<int (*)(key), key, dials::derived>);  // not by an explicit conversion
    static_assert(!pool::plain_dial_function<conns::immovable& (*)(const key&), key, conns::immovable>);
    static_assert(!pool::plain_dial_function<plain, key, plain>);
}

TEST_CASE("context_dialer: makes a Conn of a key and the limits of a call") {
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

TEST_CASE("dialer: is one of the two, or both") {
    using dials::key;
    static_assert(pool::dial_function<dials::plain_function, key, plain>);
    static_assert(pool::dial_function<dials::with_context, key, plain>);
    static_assert(pool::dial_function<dials::either, key, plain>);
    static_assert(!pool::dial_function<dials::of_nothing, key, plain>);
    static_assert(!pool::dial_function<dials::context_first, key, plain>);
    static_assert(!pool::dial_function<dials::returns_nothing, key, plain>);
}

namespace capacities {
namespace {

struct model {
    std::size_t max_idle() const noexcept { return 1; }
    std::size_t max_idle_for(const std::string&) const noexcept { return 1; }
};
struct without_total {
    std::size_t max_idle_for(const std::string&) const noexcept { return 1; }
};
struct without_per_key {
    std::size_t max_idle() const noexcept { return 1; }
};
struct total_may_throw : model {
    std::size_t max_idle() const { return 1; }
};
struct per_key_may_throw : model {
    std::size_t max_idle_for(const std::string&) const { return 1; }
};
struct total_is_signed : model {
    int max_idle() const noexcept { return 1; }
};
struct per_key_is_signed : model {
    int max_idle_for(const std::string&) const noexcept { return 1; }
};
struct total_changes_it : model {
    std::size_t max_idle() noexcept { return 1; }
};
struct per_key_changes_it : model {
    std::size_t max_idle_for(const std::string&) noexcept { return 1; }
};
struct per_key_changes_key : model {
    std::size_t max_idle_for(std::string&) const noexcept { return 1; }
};
struct not_assignable : model {
    const int limit = 1;
};

}  // namespace
}  // namespace capacities

TEST_CASE("capacity_policy: gives two numbers, without throwing, and can be moved") {
    using key = std::string;
    static_assert(pool::capacity_policy<pool::unlimited, key>);
    static_assert(pool::capacity_policy<pool::bounded, key>);
    static_assert(pool::capacity_policy<pool::fixed<1>, key>);
    static_assert(pool::capacity_policy<pool::fixed<1, 1>, key>);
    static_assert(pool::capacity_policy<capacities::model, key>);
    static_assert(!pool::capacity_policy<capacities::model, int>);
    static_assert(!pool::capacity_policy<const capacities::model, key>);
    static_assert(!pool::capacity_policy<capacities::without_total, key>);
    static_assert(!pool::capacity_policy<capacities::without_per_key, key>);
    static_assert(!pool::capacity_policy<capacities::total_may_throw, key>);
    static_assert(!pool::capacity_policy<capacities::per_key_may_throw, key>);
    static_assert(!pool::capacity_policy<capacities::total_is_signed, key>);
    static_assert(!pool::capacity_policy<capacities::per_key_is_signed, key>);
    static_assert(!pool::capacity_policy<capacities::total_changes_it, key>);
    static_assert(!pool::capacity_policy<capacities::per_key_changes_it, key>);
    static_assert(!pool::capacity_policy<capacities::per_key_changes_key, key>);
    static_assert(!pool::capacity_policy<capacities::not_assignable, key>);
    static_assert(!pool::capacity_policy<std::size_t, key>);
}

namespace expiries {
namespace {

using time_point = pool::manual_clock::time_point;

struct model {
    static constexpr bool can_expire = true;
    time_point expires_at(time_point since) const noexcept { return since; }
};
struct says_it_never_does : model {
    static constexpr bool can_expire = false;
};
struct says_it_by_type : model {
    static constexpr std::true_type can_expire{};
};
struct without_can_expire {
    time_point expires_at(time_point since) const noexcept { return since; }
};
struct without_expires_at {
    static constexpr bool can_expire = true;
};
struct may_throw : model {
    time_point expires_at(time_point since) const { return since; }
};
struct changes_itself : model {
    time_point expires_at(time_point since) noexcept { return since; }
};
struct answers_with_duration : model {
    time_point::duration expires_at(time_point since) const noexcept { return since.time_since_epoch(); }
};
struct answers_with_other_clock : model {
    std::chrono::steady_clock::time_point expires_at(time_point) const noexcept { return {}; }
};
struct asks_for_key : model {
    time_point expires_at(time_point since, int /*key*/) const noexcept { return since; }
};

}  // namespace
}  // namespace expiries

TEST_CASE("expiry_policy: says whether it expires and, if so, when") {
    using expiries::time_point;
    static_assert(pool::expiry_policy<pool::never, time_point>);
    static_assert(pool::expiry_policy<pool::after_idle, time_point>);
    static_assert(pool::expiry_policy<pool::after_idle, std::chrono::steady_clock::time_point>);
    static_assert(pool::expiry_policy<expiries::model, time_point>);
    static_assert(pool::expiry_policy<expiries::says_it_never_does, time_point>);
    static_assert(pool::expiry_policy<expiries::says_it_by_type, time_point>);
    static_assert(!pool::expiry_policy<expiries::model, std::chrono::steady_clock::time_point>);
    static_assert(!pool::expiry_policy<const pool::after_idle, time_point>);
    static_assert(!pool::expiry_policy<expiries::without_can_expire, time_point>);
    static_assert(!pool::expiry_policy<expiries::without_expires_at, time_point>);
    static_assert(!pool::expiry_policy<expiries::may_throw, time_point>);
    static_assert(!pool::expiry_policy<expiries::changes_itself, time_point>);
    static_assert(!pool::expiry_policy<expiries::answers_with_duration, time_point>);
    static_assert(!pool::expiry_policy<expiries::answers_with_other_clock, time_point>);
    static_assert(!pool::expiry_policy<expiries::asks_for_key, time_point>);
    static_assert(!pool::expiry_policy<std::chrono::seconds, time_point>);
}

namespace locks {
namespace {

struct without_unlock {
    void lock();
};
struct without_lock {
    void unlock();
};
struct lock_is_private : private std::mutex {
    using std::mutex::unlock;
};
struct made_with_argument : std::mutex {
    explicit made_with_argument(int);
};
struct only_shared {
    void lock_shared();
    void unlock_shared();
};

}  // namespace
}  // namespace locks

TEST_CASE("lock_policy: is any BasicLockable that can be made of nothing") {
    static_assert(pool::lock_policy<std::mutex>);
    static_assert(pool::lock_policy<std::recursive_timed_mutex>);
    static_assert(pool::lock_policy<std::shared_mutex>);
    static_assert(pool::lock_policy<pool::null_mutex>);
    static_assert(!pool::lock_policy<locks::without_unlock>);
    static_assert(!pool::lock_policy<locks::without_lock>);
    static_assert(!pool::lock_policy<locks::lock_is_private>);
    static_assert(!pool::lock_policy<locks::made_with_argument>);
    static_assert(!pool::lock_policy<locks::only_shared>);
    static_assert(!pool::lock_policy<std::mutex&>);
    static_assert(!pool::lock_policy<std::lock_guard<std::mutex>>);
}

namespace clocks {
namespace {

struct without_now {
    using duration = std::chrono::nanoseconds;
    using time_point = pool::manual_clock::time_point;
    static constexpr bool is_steady = true;
};
struct model : without_now {
    time_point now() const { return {}; }
};
struct not_steady : model {
    static constexpr bool is_steady = false;
};
struct steadiness_unknown {
    using duration = std::chrono::nanoseconds;
    using time_point = pool::manual_clock::time_point;
    time_point now() const { return {}; }
};
struct without_duration {
    using time_point = pool::manual_clock::time_point;
    static constexpr bool is_steady = true;
    time_point now() const { return {}; }
};
struct changes_itself : without_now {
    time_point now() { return {}; }
};
struct answers_with_duration : without_now {
    duration now() const { return {}; }
};
struct move_only : model {
    move_only(move_only&&) = default;
    move_only& operator=(move_only&&) = default;
};

}  // namespace
}  // namespace clocks

TEST_CASE("clock_policy: is steady, can be copied, and says the time") {
    static_assert(pool::clock_policy<std::chrono::steady_clock>);
    static_assert(pool::clock_policy<pool::manual_clock>);
    static_assert(pool::clock_policy<clocks::model>);
    static_assert(!pool::clock_policy<std::chrono::system_clock>);
    static_assert(!pool::clock_policy<const clocks::model>);
    static_assert(!pool::clock_policy<clocks::without_now>);
    static_assert(!pool::clock_policy<clocks::not_steady>);
    static_assert(!pool::clock_policy<clocks::steadiness_unknown>);
    static_assert(!pool::clock_policy<clocks::without_duration>);
    static_assert(!pool::clock_policy<clocks::changes_itself>);
    static_assert(!pool::clock_policy<clocks::answers_with_duration>);
    static_assert(!pool::clock_policy<clocks::move_only>);
    static_assert(!pool::clock_policy<std::chrono::seconds>);
}

namespace keys {
namespace {

enum class region { north, south };

struct endpoint {
    std::string host;
    int port;
    bool operator==(const endpoint&) const = default;
};
struct without_equality {
    std::string host;
};
struct unequal_only {
    int number;
    bool operator!=(const unequal_only&) const;
};
class opaque {
public:
    bool operator==(const opaque&) const = default;

private:
    [[maybe_unused]] int number_ = 0;
};
struct hashed_to_int : opaque {
    hashed_to_int() {}  // so that it is no aggregate either
};
struct foreign : opaque {};
struct foreign_hashed_to_int : opaque {};

}  // namespace
}  // namespace keys

template <>
struct std::hash<keys::hashed_to_int> {
    int operator()(const keys::hashed_to_int&) const noexcept { return 0; }
};
template <>
struct pool::key_traits<keys::foreign> {
    using view = int;
    static std::size_t hash(int) { return 0; }
    static bool equal(int, int) { return true; }
};
template <>
struct pool::key_traits<keys::foreign_hashed_to_int> {
    using view = int;
    static int hash(int) { return 0; }
    static void equal(int, int) {}
};

TEST_CASE("std_hashable: has a std::hash that gives a std::size_t") {
    static_assert(pool::core::std_hashable<std::string>);
    static_assert(pool::core::std_hashable<int>);
    static_assert(pool::core::std_hashable<keys::region>);
    static_assert(pool::core::std_hashable<std::unique_ptr<int>>);
    static_assert(pool::core::std_hashable<std::optional<int>>);
    static_assert(!pool::core::std_hashable<keys::endpoint>);
    static_assert(!pool::core::std_hashable<keys::hashed_to_int>);
    static_assert(!pool::core::std_hashable<std::pair<int, int>>);
    static_assert(!pool::core::std_hashable<std::vector<int>>);
    static_assert(!pool::core::std_hashable<std::optional<keys::opaque>>);
}

TEST_CASE("tuple_like: has a std::tuple_size") {
    static_assert(pool::core::tuple_like<std::pair<int, std::string>>);
    static_assert(pool::core::tuple_like<std::tuple<>>);
    static_assert(pool::core::tuple_like<std::array<int, 2>>);
    static_assert(!pool::core::tuple_like<keys::endpoint>);
    static_assert(!pool::core::tuple_like<std::vector<int>>);
    static_assert(!pool::core::tuple_like<int[2]>);
}

TEST_CASE("hashable_key: by std::hash, field by field, or by key_traits") {
    static_assert(pool::hashable_key<std::string>);
    static_assert(pool::hashable_key<std::wstring>);
    static_assert(pool::hashable_key<keys::region>);
    static_assert(pool::hashable_key<keys::endpoint>);
    static_assert(pool::hashable_key<std::tuple<std::string, int>>);
    static_assert(pool::hashable_key<keys::foreign>);
    static_assert(!pool::hashable_key<std::vector<int>>);
    static_assert(!pool::hashable_key<keys::opaque>);
    static_assert(!pool::hashable_key<keys::hashed_to_int>);
    static_assert(!pool::hashable_key<keys::foreign_hashed_to_int>);
}

TEST_CASE("comparable_key: by operator==, or by key_traits") {
    static_assert(pool::comparable_key<std::string>);
    static_assert(pool::comparable_key<keys::endpoint>);
    static_assert(pool::comparable_key<keys::foreign>);
    static_assert(!pool::comparable_key<keys::without_equality>);
    static_assert(!pool::comparable_key<keys::unequal_only>);
    static_assert(!pool::comparable_key<keys::foreign_hashed_to_int>);
}
