// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <concepts>
#include <exception>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>

#include <support/pools.hpp>

using namespace std::chrono_literals;

using fake::default_fixture;

TEST_CASE_FIXTURE(default_fixture, "basic_pool: a dial is called on a miss only, and gets the key") {
    std::vector<std::string> dialled;
    const auto dial = [&](const std::string& key) {
        dialled.push_back(key);
        return net.dial();
    };
    for (const auto* key : {"a", "b", "a"}) (void)conns.acquire(key, dial);
    CHECK(dialled == std::vector<std::string>{"a", "b"});
}

TEST_CASE_FIXTURE(default_fixture, "basic_pool: a dial that asks for the limits gets those of the call") {
    std::stop_source caller;
    const pool::dial_context limits{std::chrono::steady_clock::time_point{7s}, caller.get_token()};
    const auto dial = [&](const std::string& key, const pool::dial_context& got) {
        CHECK(key == "a");
        CHECK(got.deadline == limits.deadline);
        CHECK_FALSE(got.stop.stop_requested());
        caller.request_stop();
        CHECK(got.stop.stop_requested());
        return net.dial();
    };
    (void)conns.acquire("a", dial, limits);
    CHECK(net.dials() == 1);
}

TEST_CASE_FIXTURE(default_fixture, "basic_pool: without limits, a dial may take for ever") {
    const auto dial = [&](const std::string&, const pool::dial_context& got) {
        CHECK(got.deadline == std::chrono::steady_clock::time_point::max());
        CHECK_FALSE(got.stop.stop_requested());
        return net.dial();
    };
    (void)conns.acquire("a", dial);
    CHECK(net.dials() == 1);
}

TEST_CASE_FIXTURE(default_fixture, "basic_pool: a dial that takes anything gets the key and the limits") {
    bool limited = false;
    const auto dial = [&](const auto& key, const auto&... rest) {
        static_assert(std::same_as<decltype(key), const std::string&>);
        limited = std::same_as<void(decltype(rest)...), void(const pool::dial_context&)>;
        return net.dial();
    };
    (void)conns.acquire("a", dial);
    CHECK(limited);
}

TEST_CASE_FIXTURE(default_fixture, "basic_pool: a dial is called in place, not copied") {
    int calls = 0;
    auto dial = [this, &calls, mine = 0](const std::string&) mutable {
        calls = ++mine;
        return net.dial();
    };
    const auto first = conns.acquire("a", dial);
    const auto second = conns.acquire("a", dial);
    CHECK(calls == 2);
}

TEST_CASE_FIXTURE(default_fixture, "basic_pool: a dial need not be copyable") {
    const auto dialer = [&] {
        return [this, token = std::make_unique<int>()](const std::string&) { return net.dial(); };
    };
    CHECK(conns.acquire("a", dialer())->id() == 1);
    CHECK(conns.get("b", dialer()).invoke(&fake::connection::id) == 2);
}

TEST_CASE("basic_pool: a dial may be a member of the key") {
    struct host {
        fake::network* net;
        bool operator==(const host&) const = default;
        fake::connection dial() const { return net->dial(); }
    };
    fake::network net;
    pool::basic_pool<host, fake::connection> conns;
    CHECK(conns.acquire({&net}, &host::dial)->id() == 1);
}

TEST_CASE("basic_pool: an exception of a dial reaches the caller unchanged [C12]") {
    fake::default_pool conns;
    const auto thrown = std::make_exception_ptr(42);
    const auto dial = [&](const std::string&) -> fake::connection { std::rethrow_exception(thrown); };
    const auto caught_from = [](const auto& call) {
        try {
            call();
        } catch (...) {
            return std::current_exception();
        }
        return std::exception_ptr{};
    };
    CHECK(caught_from([&] { (void)conns.acquire("a", dial); }) == thrown);
    CHECK(caught_from([&] { conns.get("a", dial).invoke(&fake::connection::id); }) == thrown);
}

TEST_CASE_FIXTURE(default_fixture, "basic_pool: a dial may acquire from the same key [C8]") {
    const auto lent = conns.acquire("a", [&](const std::string& key) {
        const auto via = conns.acquire(key, net.dialer());
        CHECK(via->id() == 1);
        return net.dial();
    });
    CHECK(lent->id() == 2);
    CHECK(conns.stats("a") == pool::key_stats{.idle = 1, .lent = 1});
}
