// SPDX-License-Identifier: BSL-1.0
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include <doctest/doctest.h>

#include <pool/connection.hpp>
#include <pool/core/requirements.hpp>

#include <support/plain_connection.hpp>

// What the asynchronous hooks of a Conn may be.

namespace {

using plain = fake::plain_connection;

namespace hooked {

template <int>
struct plain_with : plain {};
using started = plain_with<0>;
using started_by_templates = plain_with<1>;
using with_both_forms = plain_with<2>;
using without_done = plain_with<3>;
using with_results = plain_with<4>;
using of_another_done = plain_with<5>;
struct with_members : plain {  // not in a specialisation, so they are no hooks
    void async_reset(pool::hook_done) {}
};

}  // namespace hooked

}  // namespace

template <>
struct pool::connection_traits<hooked::started> : pool::member_connection_traits<hooked::started> {
    static void async_healthy(hooked::started&, hook_done done) { done(true); }
    static void async_reset(hooked::started&, hook_done&& done) { done(true); }
    static void async_keep_alive(const hooked::started&, hook_done done) noexcept { done(true); }
};
template <>
struct pool::connection_traits<hooked::started_by_templates>
    : pool::member_connection_traits<hooked::started_by_templates> {
    static void async_healthy(hooked::started_by_templates&, auto done) { std::move(done)(true); }
    static void async_reset(auto&, auto&& done) { done(true); }
    static constexpr auto async_keep_alive = [](const plain&, auto done) { done(true); };
};
template <>
struct pool::connection_traits<hooked::with_both_forms> : pool::member_connection_traits<hooked::with_both_forms> {
    static bool healthy(hooked::with_both_forms&) { return true; }
    static void async_healthy(hooked::with_both_forms&, hook_done) {}
};
template <>
struct pool::connection_traits<hooked::without_done> : pool::member_connection_traits<hooked::without_done> {
    static void async_healthy(hooked::without_done&) {}
    static void async_reset(hooked::without_done&) {}
    static void async_keep_alive(hooked::without_done&) {}
};
template <>
struct pool::connection_traits<hooked::with_results> : pool::member_connection_traits<hooked::with_results> {
    static bool async_healthy(hooked::with_results&, hook_done) { return true; }
    static int async_reset(hooked::with_results&, hook_done) { return 0; }
    static bool async_keep_alive(hooked::with_results&, hook_done) { return true; }
};
template <>
struct pool::connection_traits<hooked::of_another_done> : pool::member_connection_traits<hooked::of_another_done> {
    static void async_healthy(hooked::of_another_done&, hook_done&) {}
    static void async_reset(hooked::of_another_done&, std::function<void()>) {}
    static void async_keep_alive(hooked::of_another_done&&, hook_done) {}
};

namespace {

template <class Conn>
constexpr bool has_all =
    pool::async_health_checked<Conn> && pool::async_resettable<Conn> && pool::async_kept_alive<Conn>;
template <class Conn>
constexpr bool has_none =
    !pool::async_health_checked<Conn> && !pool::async_resettable<Conn> && !pool::async_kept_alive<Conn>;
template <class Conn>
constexpr bool are_right = pool::core::right_async_healthy<Conn> && pool::core::right_async_reset<Conn> &&
                           pool::core::right_async_keep_alive<Conn>;
template <class Conn>
constexpr bool are_wrong = !pool::core::right_async_healthy<Conn> && !pool::core::right_async_reset<Conn> &&
                           !pool::core::right_async_keep_alive<Conn>;

}  // namespace

TEST_CASE("async hooks: only a specialisation has them, and they take a Conn& and a hook_done") {
    static_assert(has_all<hooked::started>);
    static_assert(has_all<hooked::started_by_templates>);
    static_assert(has_all<std::unique_ptr<hooked::started>>);
    static_assert(has_all<std::unique_ptr<std::shared_ptr<hooked::started_by_templates>>>);
    static_assert(has_none<plain>);
    static_assert(has_none<std::unique_ptr<plain>>);
    static_assert(has_none<hooked::with_members>);
    static_assert(has_none<hooked::without_done>);
    static_assert(has_none<hooked::with_results>);
    static_assert(has_none<hooked::of_another_done>);
    static_assert(pool::health_checked<hooked::with_both_forms> && pool::async_health_checked<hooked::with_both_forms>);
    static_assert(!pool::health_checked<hooked::started> && !pool::resettable<hooked::started>);
}

TEST_CASE("async hooks: those that would never be called are seen") {
    static_assert(are_right<plain>);
    static_assert(are_right<hooked::started>);
    static_assert(are_right<hooked::started_by_templates>);
    static_assert(are_right<hooked::with_both_forms>);
    static_assert(are_right<hooked::with_members>);
    static_assert(are_right<std::unique_ptr<hooked::started>>);
    static_assert(are_wrong<hooked::without_done>);
    static_assert(are_wrong<hooked::with_results>);
    static_assert(are_wrong<hooked::of_another_done>);
    static_assert(are_wrong<std::shared_ptr<hooked::with_results>>);
}

TEST_CASE("async hooks: a pointer calls those of what it points to") {
    auto conn = std::make_unique<hooked::started>();
    int answers = 0;
    const auto done = [&] {
        return pool::hook_done{
            [](void* count, void*, bool is_good) noexcept { *static_cast<int*>(count) += is_good; }, &answers, nullptr};
    };
    using traits = pool::connection_traits<decltype(conn)>;
    traits::async_healthy(conn, done());
    traits::async_reset(conn, done());
    traits::async_keep_alive(conn, done());
    CHECK(answers == 3);
}
