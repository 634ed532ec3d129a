// SPDX-License-Identifier: BSL-1.0
#include <cerrno>
#include <memory>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <pool/adapters/handle.hpp>
#include <pool/basic_pool.hpp>

// Handles: who owns one, and who ends it.

namespace handles {
namespace {

/// The target of a handle of a C library.
struct session {
    bool is_dead = false;
    bool is_blocked = false;
    bool is_reusable = false;
    int ends = 0;
};
void end(session* s) { ++s->ends; }

struct checks {
    static bool closed(const session* s) noexcept { return s->is_dead; }
    static bool unblocked(const session* s) noexcept { return !s->is_blocked; }
    static bool reusable(const session* s) noexcept { return s->is_reusable; }
    static const char* why_dead(const session*) { return "it has said good-bye"; }
};

using unchecked = pool::handle<session*, end>;
using checked = pool::handle<session*, end, checks>;

std::vector<int> ended;
int end_number(int number) {
    ended.push_back(number);
    errno = EIO;
    return number == 5 ? -1 : number;
}
using number = pool::handle<int, end_number>;

struct zero_is_none {
    static constexpr unsigned none = 0;
};
void end_unsigned(unsigned) {}

void end_or_throw(session* s) {
    ++s->ends;
    throw std::runtime_error{"no answer"};
}

}  // namespace
}  // namespace handles

using namespace handles;

TEST_CASE("handle: it has the size of what it owns, is moved without throwing, and is not copied") {
    static_assert(sizeof(unchecked) == sizeof(session*));
    static_assert(sizeof(number) == sizeof(int));
    static_assert(std::is_nothrow_move_constructible_v<checked>);
    static_assert(std::is_nothrow_move_assignable_v<checked>);
    static_assert(!std::is_copy_constructible_v<checked>);
    static_assert(!std::is_copy_assignable_v<checked>);
    static_assert(pool::poolable<unchecked>);
    static_assert(pool::poolable<checked>);
    static_assert(pool::poolable<std::unique_ptr<checked>>);
    static_assert(std::is_same_v<checked::value_type, session*>);
    static_assert(std::is_same_v<checked::checks_type, checks>);
}

TEST_CASE("handle: it ends what it owns, once") {
    session s;
    SUBCASE("by its destructor") { const unchecked c{&s}; }
    SUBCASE("by close") {
        unchecked c{&s};
        c.close();
        CHECK(s.ends == 1);
        c.close();
    }
    SUBCASE("by an assignment") {
        session other;
        unchecked c{&s};
        c = unchecked{&other};
        CHECK(s.ends == 1);
        CHECK(other.ends == 0);
    }
    SUBCASE("after a move") {
        unchecked c{&s};
        {
            const unchecked moved{std::move(c)};
            CHECK(s.ends == 0);
        }
        CHECK(s.ends == 1);
    }
    SUBCASE("after a move to itself") {
        unchecked c{&s};
        unchecked& same = c;
        c = std::move(same);
        CHECK(s.ends == 0);
        CHECK(c.get() == &s);
    }
    CHECK(s.ends == 1);
}

TEST_CASE("handle: release leaves the handle to the caller") {
    session s;
    {
        unchecked c{&s};
        CHECK(c.release() == &s);
        CHECK_FALSE(c);
        CHECK(c.release() == nullptr);
    }
    CHECK(s.ends == 0);
}

TEST_CASE("handle: one without a handle ends nothing, is dead, and released") {
    using traits = pool::connection_traits<checked>;
    checked none;
    CHECK_FALSE(none);
    CHECK(none.get() == nullptr);
    none.close();
    CHECK(traits::closed(none));
    CHECK(traits::released(none));
    CHECK(traits::unblocked(none));
    CHECK_FALSE(traits::reusable(none));
    CHECK(traits::why_dead(none) == "no handle");
}

TEST_CASE("handle: the value of none is null, -1, or what the checks say") {
    CHECK(unchecked{}.get() == nullptr);
    CHECK(number{}.get() == -1);
    CHECK(number{0});
    using from_one = pool::handle<unsigned, end_unsigned, zero_is_none>;
    CHECK(from_one{}.get() == 0);
    CHECK_FALSE(from_one{0});
    CHECK(pool::handle<unsigned, end_unsigned>{0U});
}

TEST_CASE("handle: functions of its library take it") {
    session s;
    checked c{&s};
    const auto ask = [](const session* it) { return it->ends; };
    CHECK(ask(c) == 0);
    CHECK(c == &s);
}

TEST_CASE("handle: its checks answer for it") {
    using traits = pool::connection_traits<checked>;
    session s;
    const checked c{&s};
    CHECK_FALSE(traits::closed(c));
    CHECK_FALSE(traits::released(c));
    CHECK(traits::unblocked(c));
    CHECK_FALSE(traits::reusable(c));
    s.is_dead = s.is_blocked = s.is_reusable = true;
    CHECK(traits::closed(c));
    CHECK_FALSE(traits::released(c));
    CHECK_FALSE(traits::unblocked(c));
    CHECK(traits::reusable(c));
    CHECK(traits::why_dead(c) == "it has said good-bye");
}

TEST_CASE("handle: without checks it is never dead, and does not say more than it knows") {
    session s;
    const unchecked c{&s};
    s.is_dead = s.is_blocked = true;
    CHECK_FALSE(pool::connection_traits<unchecked>::closed(c));
    CHECK(pool::connection_traits<unchecked>::unblocked(c));
    static_assert(!pool::reusable_reporting<unchecked>);
    static_assert(pool::reusable_reporting<checked>);
    static_assert(!pool::death_explaining<unchecked>);
    static_assert(pool::death_explaining<checked>);
    static_assert(pool::released_reporting<unchecked>);
}

TEST_CASE("handle: a close that returns -1 has failed, with errno, and is not repeated") {
    ended.clear();
    number works{4};
    works.close();
    number fails{5};
    try {
        fails.close();
        FAIL("it succeeds");
    } catch (const std::system_error& error) {
        CHECK(error.code() == std::errc::io_error);
    }
    CHECK_FALSE(fails);
    CHECK(ended == std::vector{4, 5});
}

TEST_CASE("handle: a close that throws is not repeated") {
    session s;
    {
        pool::handle<session*, end_or_throw> c{&s};
        CHECK_THROWS_AS(c.close(), std::runtime_error);
        CHECK_FALSE(c);
    }
    CHECK(s.ends == 1);
}

TEST_CASE("handle: in a pool, it is ended once, and the error of its close is counted [C13]") {
    ended.clear();
    {
        pool::basic_pool<int, number, pool::bounded> conns{{.max_idle = 2}};
        for (const int n : {5, 6, 7}) conns.put(1, number{n});
        CHECK(ended == std::vector{5});
        CHECK(conns.stats().failed_closes == 1);
        CHECK(conns.take(1)->get() == 6);  // and is ended by its destructor
        CHECK(conns.acquire(1, [](int) { return 8; }).detach().release() == 7);
        CHECK(conns.acquire(2, [](int) { return 8; }).key() == 2);
    }
    CHECK(ended == std::vector{5, 6, 8});
}

TEST_CASE("handle: in a pool, a dial that returns no handle has failed, with what the checks say [C19]") {
    session s{.is_dead = true};
    pool::basic_pool<int, checked> conns{{}, {}, {.name = "db"}};
    CHECK_THROWS_WITH_AS((void)conns.acquire(1, [](int) { return checked{}; }),
        "pool \"db\": no connection for key 1: the dial has returned a dead one: no handle", pool::dial_failed);
    CHECK_THROWS_WITH_AS((void)conns.acquire(1, [&](int) { return &s; }),
        "pool \"db\": no connection for key 1: the dial has returned a dead one: it has said good-bye",
        pool::dial_failed);
    CHECK(s.ends == 1);
    CHECK(conns.stats() == pool::stats{.misses = 2, .failed_dials = 2});
}
