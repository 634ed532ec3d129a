// SPDX-License-Identifier: BSL-1.0
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>

#include <support/fake.hpp>

// The results that a function may return from `invoke`, which gives the connection back before its caller has the
// result. test/misuse shows the sentences of what is refused.

namespace invoke_results_cases {

namespace {

using pool::core::refers_to;
using pool::core::runs_later;

struct coroutine {
    struct promise_type;
};
struct awaitable {
    bool await_ready();
};
struct awaitable_by_member {
    awaitable operator co_await();
};
struct awaitable_by_function {
    [[maybe_unused]] friend awaitable operator co_await(awaitable_by_function&) { return {}; }
};
/// A future that gives its value away.
struct one_shot_future {
    bool valid() const;
    void wait();
    int get() &&;
};
struct waits_but_holds_nothing {
    void wait();
};

static_assert(runs_later<std::future<int>> && runs_later<std::future<void>> && runs_later<std::shared_future<int>>);
static_assert(runs_later<one_shot_future> && runs_later<std::thread> && runs_later<std::jthread>);
static_assert(runs_later<coroutine> && runs_later<awaitable> && runs_later<awaitable_by_member>);
static_assert(runs_later<awaitable_by_function>);

static_assert(!runs_later<void> && !runs_later<int> && !runs_later<std::string> && !runs_later<std::optional<int>>);
static_assert(
    !runs_later<std::unique_ptr<int>> && !runs_later<std::shared_ptr<int>> && !runs_later<std::function<int()>>);
static_assert(!runs_later<waits_but_holds_nothing> && !runs_later<fake::stream>);

static_assert(refers_to<int&, fake::connection> && refers_to<int&&, fake::connection>);
static_assert(!refers_to<std::reference_wrapper<int>, fake::connection>);  // it may be to the caller's own
static_assert(refers_to<fake::connection*, fake::connection> && refers_to<const fake::connection*, fake::connection>);
static_assert(!refers_to<const char*, fake::connection>);  // it may be a literal
static_assert(!refers_to<int*, fake::connection>);         // it may be the caller's own
static_assert(!refers_to<void, fake::connection> && !refers_to<std::unique_ptr<int>, fake::connection>);

/// Computed already, though coroutines can await it.
struct outcome {
    int value;

    bool await_ready() const noexcept { return true; }
};

struct fixture {
    fake::network net;
    pool::basic_pool<std::string, fake::connection> conns;
    auto lazy() { return conns.get("a", net.dialer()); }
};

}  // namespace

}  // namespace invoke_results_cases

template <>
inline constexpr bool pool::is_finished<invoke_results_cases::outcome> = true;

namespace invoke_results_cases {

TEST_CASE_FIXTURE(fixture, "invoke: a result that is finished is returned, though it can be awaited") {
    static_assert(runs_later<outcome>);
    auto peer = lazy();
    CHECK(peer.invoke([](fake::connection& conn) { return outcome{conn.id()}; }).value == 1);
}

TEST_CASE_FIXTURE(fixture, "invoke: a value reaches the caller when its connection is idle again") {
    auto peer = lazy();
    CHECK(peer.invoke([](fake::connection& conn) { return conn.id(); }) == 1);
    CHECK(conns.stats().idle == 1);
    CHECK(*peer.invoke([](fake::connection& conn) { return std::make_unique<int>(conn.id()); }) == 1);
    CHECK(std::string{"text"} == peer.invoke([](fake::connection&) { return "text"; }));
    CHECK(peer.invoke([&](fake::connection&) { return &net; }) == &net);
    peer.invoke([&](fake::connection&) { CHECK(conns.stats().lent == 1); });
    CHECK(conns.stats().lent == 0);
    CHECK(net.dials() == 1);
}

TEST_CASE_FIXTURE(fixture, "invoke: who waits for a future in the function gets its value") {
    auto peer = lazy();
    const auto ask = [](fake::connection& conn) {
        return std::async(std::launch::deferred, [&conn] { return conn.id(); });
    };
    CHECK(peer.invoke([&](fake::connection& conn) { return ask(conn).get(); }) == 1);
}

TEST_CASE_FIXTURE(fixture, "invoke: what runs later is done with a lease, which keeps the connection until then") {
    const auto ask = [](fake::connection& conn) {
        return std::async(std::launch::deferred, [&conn] { return conn.id(); });
    };
    const auto lent = conns.acquire("a", net.dialer());
    auto later = ask(*lent);
    CHECK(conns.stats().lent == 1);
    CHECK_FALSE(conns.try_acquire("a"));
    CHECK(later.get() == 1);
}

}  // namespace invoke_results_cases
