// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/error.hpp>
#include <pool/stats.hpp>

#include <support/bounded_pool.hpp>
#include <support/fake.hpp>
#include <support/figures.hpp>
#include <support/requests.hpp>
#include <support/tended_pool.hpp>

// C26 Callers that wait, in a pool that is paused: they fail, or wait for its end.

using namespace std::chrono_literals;

using fake::ids;
using pool::wait_for_resume;
using pool::core::request_state;

namespace pausing {

using bounded_pools::bounds;
using pool_type = bounded_pools::pool_of<>;

/// A caller that looks when the test says so.
struct asker final : requests::request<pool_type> {
    asker(bool blocked_by_dial, pool::manual_clock::time_point deadline) : request{blocked_by_dial, deadline} {}
    bool notified() noexcept override { return ++times, true; }
    bool is_stop_requested() const noexcept override { return is_stopped; }
    bool waits() const { return is_waiting(state()); }

    int times = 0;
    bool is_stopped = false;
    bool has_taken = false;
};

/// A pool, and callers of both kinds: those whose threads are blocked by their dials, and those whose are not.
struct fixture : bounded_pools::fixture<> {
    using bounded_pools::fixture<>::fixture;

    ~fixture() {
        for (asker& each : askers) {
            if (each.state() == request_state::dialing) requests::dial_failed(conns, each);
            else requests::cancel(conns, each);
            if (each.state() == request_state::lent && !each.has_taken) (void)got(each);
        }
    }

    /// A caller that has not looked yet.
    asker& submit(const char* key, bool blocked_by_dial = true, pool::manual_clock::time_point deadline = never) {
        asker& fresh = askers.emplace_back(blocked_by_dial, deadline);
        requests::submit(conns, fresh, key);
        return fresh;
    }
    /// One that has looked: it waits, dials, or has got something.
    asker& ask(const char* key, bool blocked_by_dial = true, pool::manual_clock::time_point deadline = never) {
        asker& fresh = submit(key, blocked_by_dial, deadline);
        look(fresh);
        return fresh;
    }
    request_state look(asker& asking) { return requests::look(conns, asking); }

    /// Its dial ends.
    void opened(asker& dialing) {
        requests::dial_succeeded(conns, dialing, [this](const std::string&) { return net.dial(); });
    }
    /// The connection that a caller was lent.
    lease got(asker& served) {
        served.has_taken = true;
        return requests::lease_of(conns, served);
    }

    std::deque<asker> askers;
};

/// One connection may be open, and it is lent.
struct busy : fixture {
    explicit busy(bounds capacity = strict({.max_open = 1})) : fixture{capacity} { lent.emplace(acquire("a")); }
    std::optional<lease> lent;
};

/// Both kinds of pause.
constexpr auto refuses = [](pool_type& conns) { conns.pause(); };
constexpr auto lets_wait = [](pool_type& conns) { conns.pause(wait_for_resume); };

}  // namespace pausing

// Without `wait_for_resume`.

TEST_CASE("contract: callers that wait fail when the pool is paused [C26]") {
    pausing::busy f;
    auto first = f.waits("a");
    auto second = f.waits("b", f.clock.now() + 1s);
    f.conns.pause();
    CHECK(first.error() == "pool \"peers\": no connection for key \"a\": the pool is paused (1 open, 0 idle, 1 lent, 0 "
                           "dialling, 2 waiting)");
    CHECK_THROWS_AS((void)second.got(), pool::pool_paused);
    CHECK_THROWS_AS((void)f.conns.acquire("a", f.net.dialer(), f.clock.now() + 1s), pool::pool_paused);
    CHECK(f.conns.stats().waiting == 0);
    f.lent->give_back();
    CHECK(f.conns.stats().idle == 1);
    f.conns.resume();
    CHECK(f.acquire("a")->id() == 1);
    figures::check_exact(f.conns.stats(), 5);
}

TEST_CASE("contract: all callers that wait fail, however many, and each is notified once [C10, C26]") {
    for (const std::size_t keys : {1U, 300U}) {
        pausing::busy f;
        for (std::size_t i = 0; i != 300; ++i) f.ask(std::to_string(i % keys).c_str(), i % 2 == 0);
        CHECK(f.conns.stats().waiting == 300);
        f.conns.pause();
        CHECK(f.conns.stats().waiting == 0);
        for (pausing::asker& each : f.askers) {
            CHECK(each.state() == request_state::paused);
            CHECK(each.times == 1);
        }
        f.lent.reset();
        f.conns.resume();
        CHECK(f.acquire("a")->id() == 1);
        figures::check_exact(f.conns.stats(), 302);
    }
}

TEST_CASE("contract: a paused pool says that it is paused, even if nobody may wait [C26]") {
    pausing::busy f{strict({.max_open = 1, .max_waiting = 0})};
    f.conns.pause();
    CHECK_THROWS_AS((void)f.acquire("a"), pool::pool_paused);
    f.lent->give_back();
    CHECK_THROWS_AS((void)f.acquire("b"), pool::pool_paused);
}

TEST_CASE("contract: a caller with a permit, which has not begun to dial, fails, and the permit is free [C26]") {
    for (const bool is_blocking : {true, false}) {
        pausing::fixture f{strict({.max_open = 1})};
        auto& first = f.submit("a", is_blocking);
        CHECK(first.state() == request_state::may_dial);
        f.conns.pause();
        CHECK(f.look(first) == request_state::paused);
        CHECK(f.conns.stats().dialing == 0);
        f.conns.resume();
        CHECK(f.acquire("b")->id() == 1);
    }
}

TEST_CASE("contract: a caller that was promised a permit, or nudged, fails, too [C26]") {
    SUBCASE("promised") {
        pausing::fixture f{strict({.max_open = 1})};
        f.put("a");
        auto& first = f.ask("b");
        CHECK(first.state() == request_state::promised);
        f.conns.pause();
        CHECK(first.state() == request_state::paused);
        f.conns.upkeep();
        CHECK(f.net.closed() == ids{1});
        f.conns.resume();
        CHECK(f.acquire("b")->id() == 2);
    }
    SUBCASE("nudged") {
        pausing::busy f{{.max_open = 1, .patience = 1s}};
        auto& first = f.ask("a");
        f.lent->give_back();
        CHECK(first.state() == request_state::nudged);
        f.conns.pause();
        CHECK(first.state() == request_state::paused);
        CHECK(f.conns.stats().idle == 1);
        f.conns.resume();
        CHECK(f.acquire("b")->id() == 2);  // what the caller was to take makes room
    }
}

TEST_CASE("contract: a caller that closes a connection for its permit fails after that [C26]") {
    pausing::fixture f{strict({.max_open = 1})};
    f.put("a");
    f.net[1].on_close = [&] { f.conns.pause(); };
    CHECK_THROWS_AS((void)f.acquire("b"), pool::pool_paused);
    CHECK(f.net.closed() == ids{1});
    CHECK(f.net.dials() == 1);
    f.conns.resume();
    CHECK(f.acquire("b")->id() == 2);
    figures::check_exact(f.conns.stats(), 2);
}

// With `wait_for_resume`.

TEST_CASE("contract: callers wait for resume, and are then served in their old order [C26]") {
    pausing::busy f;
    auto& first = f.ask("a");
    auto& second = f.ask("b");
    f.conns.pause(wait_for_resume);
    CHECK(f.conns.is_paused());
    auto& third = f.ask("a");
    f.lent->give_back();
    for (pausing::asker* each : {&first, &second, &third}) {
        CHECK(is_waiting(f.look(*each)));
        CHECK(each->times == 0);
    }
    CHECK_FALSE(f.conns.try_acquire("a"));
    CHECK_FALSE(f.conns.take("a").has_value());
    CHECK(f.conns.stats().idle == 1);
    CHECK(f.conns.stats().waiting == 3);

    f.conns.resume();
    CHECK(first.state() == request_state::lent);
    CHECK(first.times == 1);
    auto lent = f.got(first);
    CHECK(lent->id() == 1);
    lent.give_back();  // makes room for the second
    f.conns.upkeep();
    CHECK(second.state() == request_state::may_dial);
    CHECK(third.waits());
    CHECK(f.net.closed() == ids{1});
}

TEST_CASE("contract: after resume, an older caller of another key comes first, as always [C26]") {
    pausing::busy f;
    auto& first = f.ask("b");
    auto& second = f.ask("a");
    f.conns.pause(wait_for_resume);
    f.lent->give_back();
    CHECK(f.net.closed().empty());
    f.conns.resume();
    f.conns.upkeep();
    CHECK(f.net.closed() == ids{1});
    CHECK(first.state() == request_state::may_dial);
    CHECK(second.waits());
}

TEST_CASE("contract: threads wait for resume, whether they come before the pause or during it [C26]") {
    pausing::busy f;
    auto first = f.waits("a");
    f.conns.pause(wait_for_resume);
    auto second = f.waits("a");
    f.lent->give_back();
    CHECK(f.conns.stats().waiting == 2);
    f.conns.resume();
    first.got().give_back();
    CHECK(second.got()->id() == 1);
    figures::check_exact(f.conns.stats(), 3);
}

TEST_CASE("contract: callers wait for resume even if connections are idle, or may be dialled [C26]") {
    pausing::fixture f{strict({.max_open = 4})};
    f.put("a");
    f.conns.pause(wait_for_resume);
    auto first = f.waits("a");
    auto second = f.waits("b");
    CHECK(f.conns.prewarm("b", 1, f.net.dialer()).opened == 0);
    CHECK(f.net.dials() == 1);
    f.conns.resume();
    CHECK(first.got()->id() == 1);
    CHECK(second.got()->id() == 2);
}

TEST_CASE("contract: any number of callers wait for resume, and all that may dial then do [C10, C26]") {
    for (const std::size_t keys : {1U, 300U}) {
        pausing::fixture f{strict({.max_open = 200})};
        f.conns.pause(wait_for_resume);
        for (std::size_t i = 0; i != 300; ++i) f.ask(std::to_string(i % keys).c_str());
        CHECK(f.conns.stats().waiting == 300);
        f.conns.resume();
        CHECK(f.conns.stats().dialing == 200);
        for (std::size_t i = 0; i != 300; ++i) {
            CHECK((f.askers[i].state() == request_state::may_dial) == (i < 200));
            CHECK(f.askers[i].times == (i < 200));
        }
    }
}

TEST_CASE("contract: the wait queue of a paused pool can be full [C26]") {
    pausing::busy f{strict({.max_open = 1, .max_waiting = 2})};
    f.conns.pause(wait_for_resume);
    f.ask("a");
    f.ask("b");
    CHECK_THROWS_AS((void)f.acquire("a"), pool::queue_full);
    SUBCASE("what comes back changes nothing") {
        f.lent->give_back();
        CHECK_THROWS_AS((void)f.acquire("a"), pool::queue_full);
    }
    SUBCASE("one that gives up leaves its place") {
        requests::cancel(f.conns, f.askers.front());
        CHECK(f.ask("b").waits());
    }
    SUBCASE("with no place to wait, nobody is served, even if something is free") {
        f.conns.reconfigure(strict({.max_open = 9, .max_waiting = 0}));
        CHECK_THROWS_AS((void)f.acquire("a"), pool::queue_full);
        CHECK(f.conns.stats().waiting == 2);  // those that are there stay
    }
}

TEST_CASE("contract: a caller that is nudged counts as waiting in a paused pool [C26]") {
    pausing::busy f{{.max_open = 1, .max_waiting = 1, .patience = 1s}};
    f.ask("a");
    f.lent->give_back();
    f.conns.pause(wait_for_resume);
    CHECK_THROWS_AS((void)f.acquire("a"), pool::queue_full);
}

TEST_CASE("contract: deadlines and stops end the wait for resume [C26]") {
    pausing::busy f;
    auto late = f.waits("a", f.clock.now() + 1s);
    f.conns.pause(wait_for_resume);
    auto later = f.waits("b", f.clock.now() + 1s);
    auto stopped = f.waits("a");
    auto last = f.waits("a");
    f.lent->give_back();
    f.clock.advance(1s);
    CHECK_THROWS_AS((void)late.got(), pool::acquire_timeout);
    CHECK_THROWS_AS((void)later.got(), pool::acquire_timeout);
    stopped.cancel();
    CHECK_THROWS_AS((void)stopped.got(), pool::acquire_cancelled);
    f.conns.resume();
    CHECK(last.got()->id() == 1);
    figures::check_exact(f.conns.stats(), 5);
}

TEST_CASE("contract: upkeep finds the callers that are late in a paused pool [C26]") {
    pausing::busy f;
    auto& late = f.ask("a", true, f.clock.now() + 1s);
    auto& stopped = f.ask("a");
    f.conns.pause(wait_for_resume);
    f.clock.advance(1s);
    stopped.is_stopped = true;
    f.conns.upkeep();
    CHECK(late.state() == request_state::timed_out);
    CHECK(stopped.state() == request_state::cancelled);
    CHECK(f.conns.stats().waiting == 0);
}

TEST_CASE("contract: a caller with a permit, which has not begun to dial, gives it back, and keeps its place [C26]") {
    for (const bool is_blocking : {true, false}) {
        pausing::fixture f{strict({.max_open = 2})};
        auto& first = f.submit("a", is_blocking);
        auto& second = f.submit("a", is_blocking);
        auto& third = f.ask("a", is_blocking);
        f.conns.pause(wait_for_resume);
        auto& fourth = f.ask("b", is_blocking);
        CHECK(f.conns.drain(f.clock.now()) == 2);
        SUBCASE("in their order") {
            CHECK(is_waiting(f.look(first)));
            CHECK(is_waiting(f.look(second)));
        }
        SUBCASE("in another order") {
            CHECK(is_waiting(f.look(second)));
            CHECK(is_waiting(f.look(first)));
        }
        CHECK(f.conns.drain(f.clock.now()) == 0);
        CHECK(f.conns.stats().dialing == 0);
        CHECK(f.conns.stats().waiting == 4);
        CHECK(f.conns.stats("a").waiting == 3);
        f.conns.reconfigure(strict({.max_open = 1}));
        f.conns.resume();
        CHECK(f.look(first) == request_state::may_dial);
        for (pausing::asker* each : {&second, &third, &fourth}) CHECK(is_waiting(f.look(*each)));
        f.conns.reconfigure(strict({.max_open = 2}));
        CHECK(f.look(second) == request_state::may_dial);
        CHECK(third.waits());
    }
}

TEST_CASE("contract: a caller with a permit that does not look during the pause dials after it [C26]") {
    pausing::fixture f{strict({.max_open = 1})};
    auto& first = f.submit("a");
    f.conns.pause(wait_for_resume);
    auto& second = f.ask("a");
    f.conns.resume();
    CHECK(f.look(first) == request_state::may_dial);
    CHECK(second.waits());
}

TEST_CASE("contract: a caller with a permit gives up in a pause as elsewhere [C26]") {
    pausing::fixture f{strict({.max_open = 1})};
    auto& late = f.submit("a", true, f.clock.now() + 1s);
    f.conns.pause(wait_for_resume);
    f.clock.advance(1s);
    CHECK(f.look(late) == request_state::timed_out);
    CHECK(f.conns.stats().dialing == 0);
    f.conns.resume();
    CHECK(f.acquire("b")->id() == 1);
}

TEST_CASE(
    "contract: a caller that was promised a permit closes the connection in the pause, and dials after it [C26]") {
    pausing::fixture f{strict({.max_open = 1})};
    f.put("a");
    auto& first = f.ask("b");
    CHECK(first.state() == request_state::promised);
    f.conns.pause(wait_for_resume);
    CHECK(is_waiting(f.look(first)));
    SUBCASE("itself") {
        CHECK(requests::state(f.conns).close_for(first));
        CHECK(is_waiting(f.look(first)));
        auto& second = f.ask("c");
        f.conns.resume();
        CHECK(second.waits());
    }
    SUBCASE("or another one does") { f.conns.upkeep(); }
    CHECK(f.net.closed() == ids{1});
    f.conns.resume();
    CHECK(f.look(first) == request_state::may_dial);
}

TEST_CASE("contract: a caller whose close is met by a pause waits, and dials after it [C26]") {
    pausing::fixture f{strict({.max_open = 1})};
    f.put("a");
    f.net[1].on_close = [&] { f.conns.pause(wait_for_resume); };
    decltype(f)::caller first{[&](const std::stop_token&) { return f.acquire("b"); }};
    while (!f.conns.is_paused() || f.conns.stats().closing + f.conns.stats().dialing != 0) std::this_thread::yield();
    CHECK(f.conns.stats().waiting == 1);
    CHECK(f.net.dials() == 1);
    f.conns.resume();
    CHECK(first.got()->id() == 2);
}

TEST_CASE("contract: a nudged caller is nudged again after a pause [C26]") {
    pausing::busy f{{.max_open = 1, .patience = 1s}};
    auto& first = f.ask("a");
    auto& second = f.ask("a");
    f.lent->give_back();
    CHECK(first.state() == request_state::nudged);
    CHECK(first.times == 1);
    f.conns.pause(wait_for_resume);
    SUBCASE("it has looked meanwhile") {
        CHECK(is_waiting(f.look(first)));
        f.conns.resume();
        CHECK(first.times == 2);
    }
    SUBCASE("it has not looked") { f.conns.resume(); }
    SUBCASE("nothing is left for it") {
        CHECK(is_waiting(f.look(first)));
        f.conns.clear();
        f.conns.resume();
        CHECK(f.look(first) == request_state::may_dial);
        return;
    }
    CHECK(second.times == 0);
    CHECK(f.look(first) == request_state::lent);
    CHECK(f.got(first)->id() == 1);
}

TEST_CASE("contract: many nudged callers are nudged again after a pause [C10, C26]") {
    constexpr std::size_t many = 300;
    pausing::fixture f{
        {.max_open = many, .max_open_per_key = many, .max_idle = many, .max_idle_per_key = many, .patience = 1s}};
    std::vector<pausing::fixture::lease> lent;
    for (std::size_t i = 0; i != many; ++i) lent.push_back(f.acquire("a"));
    for (std::size_t i = 0; i != many; ++i) f.ask("a");
    lent.clear();
    f.conns.pause(wait_for_resume);
    for (pausing::asker& each : f.askers) CHECK(is_waiting(f.look(each)));
    f.conns.resume();
    for (pausing::asker& each : f.askers) {
        CHECK(each.times == 2);
        CHECK(f.look(each) == request_state::lent);
    }
}

TEST_CASE("contract: a caller that waits for a blocked connection gets it after the pause [C5, C26]") {
    pausing::fixture f{strict({.max_open_per_key = 1})};
    f.put("a");
    f.net[1].blocked = true;
    auto& first = f.ask("a");
    f.conns.pause(wait_for_resume);
    f.net[1].blocked = false;
    f.conns.upkeep();
    f.conns.look_again();
    CHECK(is_waiting(f.look(first)));
    f.conns.resume();
    CHECK(first.state() == request_state::lent);
}

// These are under way.

TEST_CASE("contract: a dial that has begun is for its caller, which is lent nothing else before resume [C26]") {
    for (const auto& pause : {+pausing::refuses, +pausing::lets_wait}) {
        pausing::fixture f{strict({.max_open = 2})};
        auto& dialing = f.ask("a", false);
        CHECK(dialing.state() == request_state::dialing);
        pause(f.conns);
        f.put("a");
        CHECK(dialing.state() == request_state::dialing);
        CHECK(f.conns.stats().idle == 1);
        SUBCASE("its dial ends first") {
            f.opened(dialing);
            CHECK(f.got(dialing)->id() == 2);
        }
        SUBCASE("its dial fails") {
            requests::dial_failed(f.conns, dialing);
            CHECK(dialing.state() == request_state::failed);
        }
        SUBCASE("the pause ends first") {
            f.conns.resume();
            CHECK(dialing.state() == request_state::lent);
            CHECK(f.got(dialing)->id() == 1);
            f.opened(dialing);
            CHECK(f.conns.stats().idle == 2);
        }
    }
}

TEST_CASE("contract: a caller whose dial was outdated fails in a pause, or waits for its end [C24, C26]") {
    pausing::fixture f{strict({.max_open = 1})};
    const auto outdated = [&](const auto& pause) {
        return [&f, pause](const std::string&) {
            if (f.net.dials() == 0) {
                f.conns.invalidate();
                pause(f.conns);
            }
            return f.net.dial();
        };
    };
    SUBCASE("it fails") {
        CHECK_THROWS_AS((void)f.conns.acquire("a", outdated(pausing::refuses)), pool::pool_paused);
        f.conns.resume();
        CHECK(f.acquire("a")->id() == 2);
    }
    SUBCASE("it waits") {
        decltype(f)::caller first{
            [&](const std::stop_token&) { return f.conns.acquire("a", outdated(pausing::lets_wait)); }};
        while (f.conns.stats().waiting == 0) std::this_thread::yield();
        auto& second = f.ask("b");
        CHECK(f.net.closed() == ids{1});
        CHECK(f.conns.stats().dialing == 0);
        f.conns.resume();
        CHECK(first.got()->id() == 2);
        CHECK_FALSE(f.look(second) == request_state::able);  // after the first
    }
    CHECK(f.conns.stats().outdated_dials == 1);
}

TEST_CASE("contract: an outdated dial that does not block its caller keeps its place in a pause, too [C24, C26]") {
    for (const bool is_blocking : {true, false}) {
        pausing::fixture f{strict({.max_open = 1})};
        auto& first = f.ask("a", is_blocking);
        CHECK(first.state() == request_state::dialing);
        auto& second = f.ask("a", is_blocking);
        auto& fresh = requests::state(f.conns).make_entry_for(first);
        f.conns.invalidate();
        f.conns.pause(wait_for_resume);
        fresh.construct([&] { return f.net.dial(); });
        CHECK(requests::state(f.conns).dial_succeeded(first, fresh) == pool::core::dial_end::outdated);
        requests::state(f.conns).dial_outdated(first, fresh);
        CHECK(f.net.closed() == ids{1});
        CHECK(is_waiting(f.look(first)));
        CHECK(f.conns.stats().waiting == 2);
        f.conns.resume();
        CHECK(f.look(first) == request_state::may_dial);
        CHECK(second.waits());
    }
}

TEST_CASE("contract: invalidate fails those that wait for resume, if it is told to [C25, C26]") {
    pausing::busy f;
    auto& first = f.ask("a");
    auto& other = f.ask("b");
    f.conns.pause(wait_for_resume);
    SUBCASE("of one key") {
        f.conns.invalidate("a", {.fail_waiting = true});
        CHECK(other.waits());
    }
    SUBCASE("of all") {
        f.conns.invalidate({.fail_waiting = true});
        CHECK(other.state() == request_state::invalidated);
    }
    CHECK(first.state() == request_state::invalidated);
}

TEST_CASE("contract: a caller whose check fails in a pause fails, or waits for its end, and then dials [C20, C26]") {
    tended::fixture<tended::open_pool> f{{}, {.max_open = 1, .patience = 0ns}};
    f.put("a");
    SUBCASE("it fails") {
        f.far(1).on_check = [&] {
            f.conns->pause();
            return false;
        };
        CHECK_THROWS_AS((void)f.acquire(), pool::pool_paused);
        f.conns->resume();
        CHECK(f.acquire()->id() == 2);
        f.check_sums(2);
    }
    SUBCASE("it waits") {
        f.far(1).on_check = [&] {
            f.conns->pause(wait_for_resume);
            return false;
        };
        int id = 0;
        std::thread waits{[&] { id = f.acquire()->id(); }};
        while (f.stats().waiting == 0 || f.stats().closing + f.stats().dialing != 0) std::this_thread::yield();
        CHECK(f.dials.dials() == 1);
        f.conns->resume();
        waits.join();
        CHECK(id == 2);
        f.check_sums(1);
    }
    CHECK(f.dials.closed() == ids{1});
}

TEST_CASE("contract: a caller that wants a new connection waits for resume, too [C26]") {
    pausing::busy f;
    f.conns.pause(wait_for_resume);
    decltype(f)::caller first{
        f.conns, [&](const std::stop_token&) { return f.conns.acquire_fresh("a", f.net.dialer()); }};
    f.lent->give_back();
    f.conns.resume();
    CHECK(first.got()->id() == 2);
    CHECK(f.net.closed() == ids{1});
}

// Bounds.

TEST_CASE("contract: the bounds on what is idle hold in a pause, with callers that wait, too [C2, C26]") {
    for (const auto patience : {0s, 1s}) {
        for (const bool is_per_key : {true, false}) {
            pausing::fixture f{{.max_open = 4,
                .max_idle = is_per_key ? 4 : 1,
                .max_idle_per_key = is_per_key ? 1 : 4,
                .patience = patience}};
            std::vector<pausing::fixture::lease> lent;
            for (int i = 0; i < 4; ++i) lent.push_back(f.acquire("a"));
            auto& first = f.ask("a");
            f.ask("b");
            SUBCASE("paused before they come back") { f.conns.pause(wait_for_resume); }
            SUBCASE("paused after the first has come back, which nudges") {
                if (patience == 0s) return;
                lent.pop_back();
                CHECK(first.state() == request_state::nudged);
                f.conns.pause(wait_for_resume);
            }
            while (!lent.empty()) {
                lent.pop_back();
                CHECK(f.conns.stats().idle == 1);
            }
            f.conns.upkeep();
            CHECK(f.net.open() == 1);
            for (pausing::asker& each : f.askers) CHECK(is_waiting(f.look(each)));
            f.conns.resume();
            CHECK(f.look(first) == request_state::lent);
            CHECK(f.look(f.askers.back()) == request_state::may_dial);
        }
    }
}

TEST_CASE("contract: no connection is kept idle in a pause, if none may be [C2, C26]") {
    pausing::busy f{strict({.max_open = 1, .max_idle = 0})};
    auto& first = f.ask("a");
    f.conns.pause(wait_for_resume);
    f.lent->give_back();
    CHECK(f.conns.stats().idle == 0);
    CHECK(f.net.closed() == ids{1});
    f.conns.resume();
    CHECK(f.look(first) == request_state::may_dial);
}

TEST_CASE("contract: a connection that is too heavy to be idle evicts nothing in a pause [C3, C26]") {
    using weighed_pool = pool::basic_pool<std::string, fake::connection, pool::weighed<pool::bounded_open>, pool::never,
        std::mutex, pool::manual_clock>;
    fake::network net;
    weighed_pool conns{{strict({.max_open = 3, .max_open_per_key = 1}), 10}};
    auto heavy = conns.acquire("a", net.dialer());
    heavy->far().weight = 11;
    conns.put("b", net.dial());
    bounded_pools::caller<weighed_pool> waits{
        conns, [&](const std::stop_token&) { return conns.acquire("a", net.dialer()); }};
    conns.pause(wait_for_resume);
    heavy.give_back();
    CHECK(net.closed() == ids{1});
    CHECK(conns.stats().idle == 1);
    conns.resume();
    CHECK(waits.got()->id() == 3);
}

TEST_CASE("contract: new bounds of a paused pool take effect at its end [C26]") {
    pausing::busy f;
    auto& first = f.ask("b");
    f.conns.pause(wait_for_resume);
    f.conns.reconfigure(strict({.max_open = 2}));
    CHECK(is_waiting(f.look(first)));
    f.conns.resume();
    CHECK(f.look(first) == request_state::may_dial);
}

// The end, and other pauses.

TEST_CASE("contract: close ends the wait for resume [C11, C26]") {
    pausing::busy f;
    auto first = f.waits("a");
    auto& second = f.submit("b");
    f.conns.pause(wait_for_resume);
    auto third = f.waits("a");
    f.conns.close();
    CHECK_THROWS_AS((void)first.got(), pool::pool_closed);
    CHECK_THROWS_AS((void)third.got(), pool::pool_closed);
    CHECK(f.look(second) == request_state::closed);
    CHECK_FALSE(f.conns.is_paused());
    f.conns.resume();
    f.lent->give_back();
    CHECK(f.net.closed() == ids{1});
    CHECK(f.conns.drain(f.clock.now()) == 0);
}

TEST_CASE("contract: a closed pool lets nobody wait for resume [C11, C26]") {
    pausing::fixture f{strict({})};
    f.conns.close();
    f.conns.pause(wait_for_resume);
    CHECK_FALSE(f.conns.is_paused());
    CHECK_THROWS_AS((void)f.acquire("a"), pool::pool_closed);
}

TEST_CASE("contract: drain waits for what is lent in a paused pool, and not for those that wait [C26]") {
    pausing::busy f;
    f.ask("a");
    f.conns.pause(wait_for_resume);
    std::size_t left = 9;
    std::thread drains{[&] { left = f.conns.drain(pausing::fixture::never); }};
    f.lent->give_back();
    drains.join();
    CHECK(left == 0);
    CHECK(f.conns.stats().waiting == 1);
}

TEST_CASE("contract: pause() fails those that a pause with wait_for_resume lets wait [C26]") {
    pausing::busy f;
    auto& first = f.ask("a");
    f.conns.pause(wait_for_resume);
    auto& second = f.ask("a");
    f.conns.pause();
    CHECK(first.state() == request_state::paused);
    CHECK(second.state() == request_state::paused);
    CHECK_THROWS_AS((void)f.acquire("b"), pool::pool_paused);
    f.conns.resume();
    f.lent->give_back();
    CHECK(f.acquire("a")->id() == 1);
}

TEST_CASE("contract: a pause with wait_for_resume lets those wait that come after pause() [C26]") {
    pausing::busy f;
    auto& first = f.ask("a");
    f.conns.pause();
    CHECK(first.state() == request_state::paused);
    f.conns.pause(wait_for_resume);
    auto& second = f.ask("a");
    CHECK(second.waits());
    f.conns.pause(wait_for_resume);
    CHECK(second.waits());
    f.lent->give_back();
    f.conns.resume();
    CHECK(second.state() == request_state::lent);
}

TEST_CASE("contract: resume and pause in turn lose nobody [C26]") {
    pausing::busy f{{.max_open = 1, .patience = 1s}};
    auto& first = f.ask("a");
    auto& second = f.ask("b");
    for (int i = 0; i < 3; ++i) {
        f.conns.pause(wait_for_resume);
        f.conns.resume();
    }
    f.lent->give_back();
    for (int i = 0; i < 3; ++i) {
        f.conns.pause(wait_for_resume);
        (void)f.look(first);
        f.conns.resume();
    }
    CHECK(f.look(first) == request_state::lent);
    f.got(first).give_back();
    CHECK(second.state() == request_state::may_dial);
}
