// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <array>
#include <deque>
#include <functional>
#include <utility>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>

#include <support/fake.hpp>
#include <support/requests.hpp>
#include <support/strict.hpp>

// A step that has to serve many callers ends after a batch of them, and another step goes on. In between, the lock is
// free. A test gets there by the notifications, which are made without the lock.

using pool::core::request_state;

namespace {

constexpr int many = 1'000;

using pool_type = pool::basic_pool<int, fake::connection, pool::bounded_open>;

/// A caller that does something when it is notified.
struct asker final : requests::request<pool_type> {
    explicit asker(std::function<void()> act = [] {}) : request{false}, when_notified{std::move(act)} {}
    bool notified() noexcept override { return when_notified(), true; }
    bool is_stop_requested() const noexcept override { return has_stopped; }
    std::function<void()> when_notified;
    bool has_stopped = false;
};

/// Callers that wait for a key.
void wait(pool_type& conns, std::deque<asker>& all, int key) {
    for (asker& each : all) {
        requests::submit(conns, each, key);
        CHECK(requests::look(conns, each) == request_state::able);
    }
}

}  // namespace

TEST_CASE("pool_state: a look-up between two batches is counted once [C16]") {
    fake::network net;
    pool_type conns{strict({.max_open = 1})};
    auto lent = conns.acquire(0, net.dialer());
    int notified = 0;
    std::deque<asker> all;
    for (int i = 0; i != many; ++i)
        all.emplace_back([&] {
            if (notified++ == 0) CHECK_FALSE(conns.try_acquire(-1));
        });
    for (int key = 1; asker& each : all) {
        requests::submit(conns, each, key++);
        CHECK(requests::look(conns, each) == request_state::able);
    }
    conns.reconfigure({});
    CHECK(conns.stats().dialing == many);
    CHECK(notified == many);
    CHECK(conns.stats().misses == 2);
    for (asker& each : all) requests::cancel(conns, each);
}

TEST_CASE("pool_state: a give-back keeps the bounds, however many callers have given up before it [C2]") {
    fake::network net;
    pool::bounded_open bounds{.max_open = 3};
    SUBCASE("none of a key") { bounds.max_idle_per_key = 0; }
    SUBCASE("none at all") { bounds.max_idle = 0; }
    SUBCASE("one") { bounds.max_idle = 1; }
    pool_type conns{bounds};
    std::array leases{conns.acquire(0, net.dialer()), conns.acquire(0, net.dialer()), conns.acquire(0, net.dialer())};
    std::deque<asker> all(many);
    wait(conns, all, 0);
    for (asker& each : all) each.has_stopped = true;
    for (auto& each : leases) {
        each.give_back();
        CHECK(conns.stats().idle <= std::min(bounds.max_idle(), bounds.max_idle_per_key()));
    }
    CHECK(conns.stats().waiting == 0);
    CHECK(conns.stats().closing == 0);
}

TEST_CASE("pool_state: between two batches nobody overtakes a caller that still waits") {
    fake::network net;
    pool_type conns{strict({.max_open = 1})};
    auto lent = conns.acquire(0, net.dialer());
    asker oldest;
    asker younger;
    bool is_first = true;
    std::function<void()> overtake;
    SUBCASE("try_acquire") { overtake = [&] { CHECK_FALSE(conns.try_acquire(0)); }; }
    SUBCASE("take") { overtake = [&] { CHECK_FALSE(conns.take(0)); }; }
    SUBCASE("a caller that waits, and looks") {
        overtake = [&] { CHECK(requests::look(conns, younger) == request_state::able); };
    }
    std::deque<asker> late;
    for (int i = 0; i != many; ++i)
        late.emplace_back([&] {
            if (std::exchange(is_first, false)) overtake();
        });
    wait(conns, late, 0);
    for (asker* each : {&oldest, &younger}) {
        requests::submit(conns, *each, 0);
        CHECK(requests::look(conns, *each) == request_state::able);
    }
    for (asker& each : late) each.has_stopped = true;
    lent.give_back();
    CHECK_FALSE(is_first);
    CHECK(conns.stats().overtaken == 0);
    CHECK(conns.stats().waiting == 1);
    REQUIRE(oldest.state() == request_state::lent);
    requests::lease_of(conns, oldest).give_back();
    REQUIRE(younger.state() == request_state::lent);
    requests::lease_of(conns, younger).give_back();
}

TEST_CASE("pool_state: connections that come back between two batches are within the bound of their key, too [C2]") {
    fake::network net;
    pool_type conns{strict({.max_open = 4, .max_idle_per_key = 1})};
    std::array leases{conns.acquire(0, net.dialer()), conns.acquire(0, net.dialer()), conns.acquire(0, net.dialer()),
        conns.acquire(0, net.dialer())};
    std::deque<asker> all;
    for (std::size_t i = 0, next = 1; i != many; ++i) {
        if (i % 128 != 0 || next == leases.size()) all.emplace_back();
        else all.emplace_back([&leases, next] { leases[next].give_back(); }), ++next;
    }
    wait(conns, all, 0);
    for (asker& each : all) each.has_stopped = true;
    leases[0].give_back();
    CHECK(conns.stats().waiting == 0);
    CHECK(conns.stats().idle == 1);
    CHECK(net.closed().size() == 3);
}

TEST_CASE("pool_state: a give-back closes what it has retired after its first batch [C9]") {
    fake::network net;
    pool::bounded_open bounds{.max_open = 1};
    SUBCASE("of all keys") { bounds.max_idle = 0; }
    SUBCASE("of its key") { bounds.max_idle_per_key = 0; }
    pool_type conns{strict(bounds)};
    auto lent = conns.acquire(0, net.dialer());
    std::deque<asker> all(128);
    wait(conns, all, 0);
    for (asker& each : all) each.has_stopped = true;
    lent.give_back();
    CHECK(conns.stats().idle == 0);
    CHECK(conns.stats().closing == 0);
    CHECK(net.closed().size() == 1);
}

TEST_CASE("pool_state: a caller that joins between two batches of close is refused once [C11]") {
    fake::network net;
    pool_type conns{strict({.max_open = 2})};
    auto lent = conns.acquire(-1, net.dialer());
    asker dials;
    bool is_used = false;  // the queue of the key, after its last caller has left it
    SUBCASE("the queue of its key ends with it") {}
    SUBCASE("the queue does not") { is_used = true; }
    auto other = is_used ? pool_type::lease_type{} : conns.acquire(-1, net.dialer());
    if (is_used) {
        requests::submit(conns, dials, 0);
        CHECK(requests::look(conns, dials) == request_state::may_dial);
    }
    asker late;
    std::deque<asker> all;
    all.emplace_back([&] { requests::submit(conns, late, 0); });
    for (int i = 1; i != 200; ++i) all.emplace_back();
    wait(conns, all, 0);
    const auto before = conns.stats().misses;
    conns.close();
    CHECK(late.state() == request_state::closed);
    CHECK(conns.stats().misses - before == 201U + is_used);
    CHECK(conns.stats().waiting == 0);
    if (is_used) requests::dial_failed(conns, dials);
}

TEST_CASE("pool_state: a give-back keeps the bound of all keys, even if it has to look at more keys than a batch [C2]") {
    fake::network net;
    constexpr int keys = 200;
    pool_type conns{pool::bounded_open{.max_idle = keys}};
    for (int key = 1; key <= keys; ++key) conns.put(key, net.dial());
    for (int key = 1; key <= keys; ++key) conns.acquire(key, net.dialer()).give_back();
    auto lent = conns.acquire(0, net.dialer());
    asker dials;
    requests::submit(conns, dials, 0);
    CHECK(dials.state() == request_state::may_dial);
    dials.has_stopped = true;
    lent.give_back();
    CHECK(conns.stats().idle == keys);
    CHECK(conns.stats().closing == 0);
    CHECK(requests::look(conns, dials) == request_state::cancelled);
}
