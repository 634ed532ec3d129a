// SPDX-License-Identifier: BSL-1.0
#include <functional>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>

#include <support/pools.hpp>

using fake::default_fixture;
using fake::ids;

namespace {

using lease = fake::default_pool::lease_type;

struct failure {};

/// Calls `f` while an exception is on its way out.
template <class F>
void during_an_exception(F f) {
    struct at_exit {
        F& call;
        ~at_exit() { call(); }
    };
    try {
        const at_exit guard{f};
        throw failure{};
    } catch (const failure&) {
    }
}

}  // namespace

TEST_CASE_FIXTURE(default_fixture, "lease: an exception that ends its scope closes the connection [C14]") {
    const auto use = [&] {
        const auto lent = conns.acquire("a", net.dialer());
        throw failure{};
    };
    CHECK_THROWS_AS(use(), failure);
    CHECK(net.closed() == ids{1});
    CHECK(conns.stats().discarded == 1);
}

TEST_CASE_FIXTURE(default_fixture, "lease: an exception gives a reusable connection back [C14]") {
    const auto use = [&] {
        const auto lent = conns.acquire("a", net.dialer());
        net[1].reusable = true;
        throw failure{};
    };
    CHECK_THROWS_AS(use(), failure);
    CHECK(conns.try_acquire("a")->id() == 1);
}

TEST_CASE("lease: after an exception, a connection that cannot tell whether it is reusable is closed [C14]") {
    struct silent_connection : private fake::connection {
        explicit silent_connection(fake::connection from) : fake::connection{std::move(from)} {}
        using fake::connection::close;
        using fake::connection::closed;
        using fake::connection::unblocked;
    };
    static_assert(!pool::reusable_reporting<silent_connection>);

    fake::network net;
    pool::basic_pool<std::string, silent_connection> conns;
    const auto use = [&] {
        const auto lent = conns.acquire("a", [&](const std::string&) { return silent_connection{net.dial()}; });
        net[1].reusable = true;
        throw failure{};
    };
    CHECK_THROWS_AS(use(), failure);
    CHECK(net.closed() == ids{1});
}

TEST_CASE_FIXTURE(default_fixture, "lease: an exception that is caught within its scope does not matter [C14]") {
    {
        const auto lent = conns.acquire("a", net.dialer());
        during_an_exception([] {});
    }
    CHECK(conns.stats("a").idle == 1);
}

TEST_CASE_FIXTURE(default_fixture, "lease: one that an exception's clean-up acquires and ends is given back [C14]") {
    during_an_exception([&] { (void)conns.acquire("a", net.dialer()); });
    CHECK(conns.stats("a").idle == 1);
}

TEST_CASE_FIXTURE(
    default_fixture, "lease: one that outlives the exception during which it was acquired is given back [C14]") {
    lease kept;
    during_an_exception([&] { kept = conns.acquire("a", net.dialer()); });
    CHECK(kept->id() == 1);
    kept = {};
    CHECK(conns.stats("a").idle == 1);
}

TEST_CASE_FIXTURE(
    default_fixture, "lease: one that is acquired during an exception and moved on sees the next one [C14]") {
    lease kept;
    struct clean_up {
        std::function<void()> act;
        ~clean_up() { act(); }
    };
    try {
        const clean_up acquires{[&] { kept = conns.acquire("a", net.dialer()); }};
        throw failure{};
    } catch (const failure&) {
    }
    try {
        const auto lent = std::move(kept);
        throw failure{};
    } catch (const failure&) {
    }
    CHECK(net.closed() == ids{1});
}

TEST_CASE_FIXTURE(default_fixture, "lease: an exception within an exception's clean-up closes the connection [C14]") {
    during_an_exception([&] {
        try {
            const auto lent = conns.acquire("a", net.dialer());
            throw failure{};
        } catch (const failure&) {
        }
    });
    CHECK(net.closed() == ids{1});
}

TEST_CASE_FIXTURE(default_fixture, "lease: a move during an exception does not change what it does [C14]") {
    auto lent = conns.acquire("a", net.dialer());
    during_an_exception([&] { const auto moved = std::move(lent); });
    CHECK(net.closed() == ids{1});
}

TEST_CASE_FIXTURE(default_fixture, "lease: give_back during an exception gives back, as it was asked for [C14]") {
    auto lent = conns.acquire("a", net.dialer());
    during_an_exception([&] { lent.give_back(); });
    CHECK(conns.stats("a").idle == 1);
}

TEST_CASE_FIXTURE(default_fixture, "lease: give_back_if_reusable asks the connection [C14]") {
    auto lent = conns.acquire("a", net.dialer());
    SUBCASE("which is") {
        net[1].reusable = true;
        lent.give_back_if_reusable();
        CHECK(conns.stats("a").idle == 1);
    }
    SUBCASE("which is not") {
        lent.give_back_if_reusable();
        CHECK(net.closed() == ids{1});
    }
    CHECK_FALSE(lent);
}
