// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <initializer_list>
#include <optional>
#include <set>
#include <stdexcept>
#include <utility>

#include <doctest/doctest.h>

#include <pool/basic_pool.hpp>
#include <pool/policies/capacity.hpp>

/// @file
/// Handles of C libraries, in each form in which a program may put them into a pool: what happens to them in a pool, and
/// that each is ended exactly once. The sanitizers see the same in the memory of the library.

namespace foreign {

/// Counts the handles of a library that are open. Each is opened once, and then ended once.
template <class Handle>
class ledger {
public:
    Handle opened(Handle fresh) {
        CHECK_MESSAGE(open_.insert(fresh).second, "a handle is opened twice");
        return fresh;
    }
    /// Returns false if it is not open. Then nobody may end it.
    bool ended(Handle old) {
        const bool was_open = open_.erase(old) == 1;
        CHECK_MESSAGE(was_open, "a handle is ended that is not open");
        return was_open;
    }
    std::size_t open() const noexcept { return open_.size(); }

private:
    std::set<Handle> open_;
};

/// What happens to the connections of one form, in one kind of pool.
///
/// `Library` has the `handles` of its ledger, and `open()`, `open_dead()` and `kill(handle)`. `Form` has the type
/// `connection`, which is made of a handle, `get(c)`, which returns the handle, and `close(c)`, with which a user ends a
/// connection before the pool does. A form that cannot tell which ones are dead has `is_never_dead`.
template <class Library, class Form, class Capacity>
class scenarios {
    using connection = typename Form::connection;
    using pool_type = pool::basic_pool<pool::no_key, connection, Capacity>;

    struct failure : std::runtime_error {
        using std::runtime_error::runtime_error;
    };

public:
    static void check() {
        struct named {
            const char* name;
            void (*run)();
        };
        for (const named& each : std::initializer_list<named>{
                 {"given back, lent again, and closed with the pool", reuse},
                 {"evicted, cleared and refused", leave},
                 {"discarded, and left by an exception", fail},
                 {"detached, taken and put", change_owner},
                 {"outlives the pool", outlive},
                 {"ended by its user", end_early},
                 {"dead while it is idle", die_idle},
                 {"dead when it comes back", die_lent},
                 {"dead from the beginning", never_live},
             }) {
            CAPTURE(each.name);
            each.run();
            CHECK(Library::handles.open() == 0);
        }
    }

private:
    static connection dial() { return connection(Library::open()); }

    static void reuse() {
        pool_type conns;
        const auto first = Form::get(*conns.acquire(dial));
        CHECK(Form::get(*conns.acquire(dial)) == first);
        CHECK(conns.get(dial).invoke([&](connection& c) { return Form::get(c) == first; }));
        CHECK(Library::handles.open() == 1);
    }

    static void leave() {
        Capacity one;
        one.max_idle = 1;
        pool_type conns{one};
        {
            const auto first = conns.acquire(dial);
            const auto second = conns.acquire(dial);
        }
        CHECK(Library::handles.open() == 1);
        conns.clear();
        CHECK(Library::handles.open() == 0);
        conns.close();
        conns.put(dial());
    }

    static void fail() {
        pool_type conns;
        auto lent = conns.acquire(dial);
        lent.discard();
        CHECK(Library::handles.open() == 0);
        CHECK_THROWS_AS(conns.get(dial).invoke([](connection&) { throw failure{"no answer"}; }), failure);
        CHECK(Library::handles.open() == 0);
        CHECK_THROWS_AS((void)conns.acquire([]() -> connection { throw failure{"no peer"}; }), failure);
    }

    static void change_owner() {
        pool_type conns;
        connection detached = conns.acquire(dial).detach();
        CHECK(Library::handles.open() == 1);
        conns.put(std::move(detached));
        std::optional<connection> taken = conns.take();
        REQUIRE(taken);
        Form::close(*taken);
        CHECK(Library::handles.open() == 0);
    }

    static void outlive() {
        std::optional<pool_type> conns{std::in_place};
        auto lent = conns->acquire(dial);
        conns.reset();
        CHECK(Library::handles.open() == 1);
    }

    static void end_early() {
        pool_type conns;
        Form::close(*conns.acquire(dial));
        CHECK(conns.stats().idle == 0);
        auto again = conns.acquire(dial);
        Form::close(*again);
        again.discard();
        connection closed = dial();
        Form::close(closed);
        conns.put(std::move(closed));
    }

    static void die_idle() {
        if constexpr (!requires { Form::is_never_dead; }) {
            pool_type conns;
            auto first = conns.acquire(dial);
            auto second = conns.acquire(dial);
            const auto doomed = Form::get(*first);
            const auto other = Form::get(*second);
            first.give_back();
            second.give_back();
            Library::kill(doomed);
            CHECK(Form::get(*conns.acquire(dial)) == other);
            CHECK(conns.stats().found_closed == 1);
            CHECK(Library::handles.open() == 1);
            Library::kill(other);
        }
    }

    static void die_lent() {
        if constexpr (!requires { Form::is_never_dead; }) {
            pool_type conns;
            auto lent = conns.acquire(dial);
            Library::kill(Form::get(*lent));
            lent.give_back();
            CHECK(Library::handles.open() == 0);
            connection dead = dial();
            Library::kill(Form::get(dead));
            conns.put(std::move(dead));
            CHECK(Library::handles.open() == 0);
            CHECK(conns.stats().refused == 2);
        }
    }

    static void never_live() {
        if constexpr (!requires { Form::is_never_dead; }) {
            pool_type conns;
            const auto dial_dead = [] { return connection(Library::open_dead()); };
            CHECK_THROWS_AS((void)conns.acquire(dial_dead), pool::dial_failed);
            CHECK(Library::handles.open() == 0);
            CHECK(conns.stats() == pool::stats{.misses = 1, .failed_dials = 1});
        }
    }
};

/// Each scenario, in a pool that bounds what is idle and in one that bounds what is open.
template <class Library, class Form>
void check() {
    scenarios<Library, Form, pool::bounded>::check();
    scenarios<Library, Form, pool::bounded_open>::check();
}

/// The forms that have the same functions whatever the handle: a smart pointer with a deleter, a `pool::handle`, and a
/// class that a program has written.
template <class Pointer>
struct in_unique_ptr {
    using connection = Pointer;
    static auto get(const connection& c) { return c.get(); }
    static void close(connection& c) { c.reset(); }
};
template <class Class>
struct in_class {
    using connection = Class;
    static auto get(const connection& c) { return c.get(); }
    static void close(connection& c) { c.close(); }
};

}  // namespace foreign
