// SPDX-License-Identifier: BSL-1.0
#include <concepts>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/adapters/handle.hpp>
#include <pool/plain.hpp>

#include <support/abandoning.hpp>

// C27 abandon(): how a connection is abandoned, and hooks that end afterwards.

namespace abandoning {

namespace {

struct library_session {
    int number = 0;
};
std::vector<int> ended;
void end(library_session* s) { ended.push_back(s->number); }

std::vector<int> abandoned;
struct checks {
    static void abandon(library_session* s) noexcept { abandoned.push_back(s->number); }
};

/// A connection that traits adapt.
struct foreign_session {
    int* abandons;
};

struct ender {
    void operator()(library_session* s) const { end(s); }
};

}  // namespace

}  // namespace abandoning

template <>
struct pool::connection_traits<abandoning::foreign_session> {
    static void close(abandoning::foreign_session&) { FAIL("it is closed"); }
    static bool closed(const abandoning::foreign_session&) noexcept { return false; }
    static bool unblocked(const abandoning::foreign_session&) noexcept { return true; }
    static void abandon(abandoning::foreign_session& c) noexcept { ++*c.abandons; }
};

template <>
struct pool::connection_traits<abandoning::library_session> {
    static void abandon(abandoning::library_session& s) noexcept { abandoning::abandoned.push_back(s.number); }
};

namespace abandoning {

TEST_CASE("abandon: traits say how [C27]") {
    leaks_on_purpose leaks;
    int abandons = 0;
    pool::basic_pool<int, foreign_session> conns;
    conns.put(1, foreign_session{&abandons});
    conns.abandon();
    CHECK(abandons == 1);
}

TEST_CASE_TEMPLATE("abandon: a pointer answers as what it points to [C27]", Pointer, std::unique_ptr<session>,
    std::shared_ptr<session>) {
    static_assert(pool::abandonable<Pointer>);
    leaks_on_purpose leaks;
    ledger all;
    Pointer conn{new session{all}};
    if constexpr (std::copyable<Pointer>) {
        Pointer mine = conn;
        pool::basic_pool<int, Pointer> conns;
        conns.put(1, std::move(mine));
        conns.abandon();
        CHECK(conn->number() == 0);
    } else {
        pool::basic_pool<int, Pointer> conns;
        conns.put(1, std::move(conn));
        conns.abandon();
    }
    CHECK(all.abandoned == numbers{1});
    CHECK(all.spoken.empty());
}

TEST_CASE("abandon: of a null pointer there is nothing to abandon [C27]") {
    std::unique_ptr<session> none;
    pool::connection_traits<std::unique_ptr<session>>::abandon(none);
    static_assert(!pool::abandonable<std::unique_ptr<mute_session>>);
    static_assert(!pool::abandonable<std::shared_ptr<mute_session>>);
}

TEST_CASE("abandon: a pointer with a deleter answers as its target, and the deleter is not called [C27]") {
    leaks_on_purpose leaks;
    abandoned.clear();
    library_session s{.number = 7};
    {
        pool::basic_pool<int, std::unique_ptr<library_session, ender>> conns;
        conns.put(1, std::unique_ptr<library_session, ender>{&s});
        conns.abandon();
    }
    CHECK(std::exchange(abandoned, {}) == numbers{7});
    CHECK(ended.empty());
}

TEST_CASE("abandon: a handle is abandoned by its checks, and not ended afterwards [C27]") {
    using handle = pool::handle<library_session*, end, checks>;
    static_assert(pool::abandonable<handle>);
    static_assert(!pool::abandonable<pool::handle<library_session*, end>>);
    leaks_on_purpose leaks;
    library_session one{.number = 1}, two{.number = 2};
    pool::basic_pool<int, handle> conns;
    conns.put(1, handle{&one});
    conns.put(2, handle{&two});
    auto lent = conns.try_acquire(2);
    conns.abandon();
    CHECK(sorted(std::exchange(abandoned, {})) == numbers{1, 2});
    CHECK_FALSE(*lent);
    CHECK_FALSE(lent.detach());
    handle none;
    none.abandon();
    CHECK(abandoned.empty());
    CHECK(ended.empty());
}

TEST_CASE("abandon: a Conn that cannot do it is only forgotten [C27]") {
    leaks_on_purpose leaks;
    ledger all;
    {
        pool::basic_pool<int, mute_session> conns;
        conns.put(1, mute_session{all});
        conns.abandon();
        CHECK(conns.stats() == pool::stats{});
    }
    pool::basic_pool<int, pool::plain<std::string>> texts;
    texts.put(1, std::string(100, 'x'));
    texts.abandon();
    CHECK_FALSE(texts.try_acquire(1));
    CHECK(all.abandoned.empty());
    CHECK(all.spoken.empty());
}

// Hooks.

namespace {

/// Its operations end when the test says so.
struct slow_session : session {
    using session::session;

    static inline std::vector<pool::hook_done> resets, keep_alives;
};

}  // namespace

}  // namespace abandoning

template <>
struct pool::connection_traits<abandoning::slow_session> : pool::member_connection_traits<abandoning::slow_session> {
    static void async_reset(abandoning::slow_session&, pool::hook_done done) { abandoning::slow_session::resets.push_back(std::move(done)); }
    static void async_keep_alive(abandoning::slow_session&, pool::hook_done done) {
        abandoning::slow_session::keep_alives.push_back(std::move(done));
    }
};

namespace abandoning {

namespace {

/// The ways in which a hook ends.
const std::pair<const char*, void (*)(pool::hook_done)> ends[] = {
    {"yes", [](pool::hook_done done) { done(true); }},
    {"no", [](pool::hook_done done) { done(false); }},
    {"dropped", [](pool::hook_done) {}},
};

pool::hook_done take_only(std::vector<pool::hook_done>& from) {
    REQUIRE(from.size() == 1);
    pool::hook_done only = std::move(from.front());
    from.clear();
    return only;
}

}  // namespace

TEST_CASE_TEMPLATE("abandon: the end of a reset of before does nothing [C27]", Pool,
    idle_sessions<slow_session, std::mutex>, open_sessions<slow_session, std::mutex>, shard_sessions<slow_session, std::mutex>) {
    for (const auto& each : ends) {
        for (const bool pool_ends : {false, true}) {
            CAPTURE(each.first);
            fixture<Pool> f;
            f.lend().give_back();
            f.conns->abandon();
            if (pool_ends) f.conns.reset();
            each.second(take_only(slow_session::resets));
            if (!pool_ends) CHECK(f.figures() == pool::stats{});
            CHECK(f.all.spoken.empty());
        }
    }
}

TEST_CASE_TEMPLATE("abandon: the end of a keep-alive of before does nothing [C27]", Pool,
    idle_sessions<slow_session, std::mutex>, open_sessions<slow_session, std::mutex>, shard_sessions<slow_session, std::mutex>) {
    for (const auto& each : ends) {
        for (const bool pool_ends : {false, true}) {
            CAPTURE(each.first);
            fixture<Pool> f{{.keep_alive_every = 1s}};
            f.put();
            f.clock.advance(1s);
            f.conns->upkeep();
            CHECK(f.figures().checking == 1);
            f.conns->abandon();
            CHECK(f.figures() == pool::stats{});
            if (pool_ends) f.conns.reset();
            each.second(take_only(slow_session::keep_alives));
            if (!pool_ends) CHECK(f.figures() == pool::stats{});
            CHECK(f.all.abandoned == numbers{1});
            CHECK(f.all.spoken.empty());
        }
    }
}

}  // namespace abandoning
