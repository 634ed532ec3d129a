// SPDX-License-Identifier: BSL-1.0
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <pool/core/admission.hpp>
#include <pool/core/entry_store.hpp>
#include <pool/policies/capacity.hpp>

#include <support/fake.hpp>

// The queue alone, with a store: who gets what, without a lock, a clock or a thread. What a pool makes of it is in
// bounded.cpp, and at random in bounded_model.cpp.

namespace {

using store = pool::core::entry_store<std::string, fake::connection>;
using admission = pool::core::admission<store>;
using pool::core::request_state;
using bounds = pool::bounded_open;
using ids = std::vector<int>;

struct fixture {
    struct caller final : admission::request {
        explicit caller(bool blocked) : request{blocked} {}
        void notified() noexcept override { ++times; }
        int times = 0;
    };

    explicit fixture(bounds chosen) : capacity{chosen} {}
    ~fixture() {
        queue.refuse_all();
        queue.take_notifications().deliver();
        idle.clear(pool::no_limit, retired);
        close_retired();
        for (int id = 1; id <= far.dials(); ++id) far[id].dead = true;  // those still lent
    }

    /// Waits in the queue.
    caller& enqueue(const char* key, bool blocked = true) {
        callers.push_back(std::make_unique<caller>(blocked));
        queue.enqueue(*callers.back(), store::hashed{key});
        serve();
        return *callers.back();
    }

    void serve() { queue.serve(capacity, pool::core::no_time{}, retired); }

    store::entry& lent(const char* key) {
        store::entry& fresh = idle.make_entry(store::hashed{key}, {});
        fresh.construct([this] { return far.dial(); });
        idle.mark_lent(fresh);
        return fresh;
    }

    void put(const char* key) { give_back(lent(key)); }

    void give_back(store::entry& e) {
        idle.give_back(e, {pool::no_limit, pool::no_limit}, {}, {}, retired);
        serve();
    }

    /// The dial of a caller is over. Returns whether the connection was needed for it.
    bool opened(caller& dialing) {
        store::entry& fresh = lent(dialing.key().c_str());
        const bool needed = queue.dial_succeeded(dialing, fresh);
        if (!needed) give_back(fresh);
        return needed;
    }

    ids closing() {
        ids all;
        for (store::entry& each : retired) all.push_back(each.conn().id());
        return all;
    }

    void close_retired() { close(retired); }

    void close(store::entries& leaving) {
        for (store::entry& each : leaving) {
            each.conn().close();
            each.destroy();
        }
        idle.erase_closed(leaving, 0);
    }

    bounds capacity;
    fake::network far;
    store idle;
    store::entries retired;
    admission queue{idle};
    std::vector<std::unique_ptr<caller>> callers;
};

}  // namespace

TEST_CASE("admission: a permit that is free is given at once") {
    fixture f{bounds{.max_open = 1}};
    auto& first = f.enqueue("a");
    CHECK(first.state() == request_state::dialing);
    CHECK(first.times == 1);
    CHECK(first.key() == "a");
    auto& second = f.enqueue("a");
    CHECK(second.state() == request_state::waiting);
    CHECK(f.queue.waiting() == 1);
    CHECK(f.queue.dialing() == 1);
    CHECK(f.opened(first));
    CHECK(first.state() == request_state::lent);
    CHECK(f.queue.dialing() == 0);
    CHECK(f.queue.open_count() == 1);
}

TEST_CASE("admission: one that is passed over keeps its place") {
    fixture f{bounds{.max_open = 3, .max_open_per_key = 1}};
    auto& a = f.lent("a");
    auto& b = f.lent("b");
    auto& first = f.enqueue("a");
    auto& second = f.enqueue("b");
    auto& third = f.enqueue("c");
    CHECK(first.state() == request_state::waiting);
    CHECK(third.state() == request_state::dialing);
    f.give_back(b);
    CHECK(first.state() == request_state::waiting);
    CHECK(second.state() == request_state::lent);
    f.give_back(a);
    CHECK(first.state() == request_state::lent);
}

TEST_CASE("admission: room is made once for each that needs it, by those idle longest of another key") {
    fixture f{bounds{.max_open = 3}};
    f.put("a");
    f.put("b");
    f.put("c");
    auto& first = f.enqueue("b");
    CHECK(first.state() == request_state::lent);
    auto& second = f.enqueue("d");
    auto& third = f.enqueue("d");
    CHECK(f.closing() == ids{1, 3});
    f.serve();
    CHECK(f.closing() == ids{1, 3});
    CHECK(second.state() == request_state::waiting);
    f.close_retired();
    f.serve();
    CHECK(second.state() == request_state::dialing);
    CHECK(third.state() == request_state::dialing);
}

TEST_CASE("admission: the one idle connection of a key goes to an older caller of another, as room") {
    fixture f{bounds{.max_open = 1}};
    auto& lent = f.lent("a");
    auto& older = f.enqueue("b");
    auto& younger = f.enqueue("a");
    f.give_back(lent);
    CHECK(f.closing() == ids{1});
    f.close_retired();
    f.serve();
    CHECK(older.state() == request_state::dialing);
    CHECK(younger.state() == request_state::waiting);
}

TEST_CASE("admission: who is not blocked by its dial may be served before that is over") {
    fixture f{bounds{.max_open = 2}};
    auto& lent = f.lent("a");
    auto& first = f.enqueue("a", false);
    CHECK(first.times == 0);
    f.queue.take_notifications().deliver();
    CHECK(first.times == 1);
    CHECK(f.queue.poll(first) == request_state::dialing);
    f.give_back(lent);
    CHECK(first.state() == request_state::lent);
    CHECK_FALSE(f.queue.is_wanted(store::hashed{"a"}));

    auto& second = f.enqueue("a");
    CHECK(second.state() == request_state::waiting);  // the dial that is not needed is for it
    CHECK(f.queue.dialing() == 1);
    SUBCASE("and its connection then goes to the next") {
        CHECK_FALSE(f.opened(first));
        CHECK(second.state() == request_state::lent);
    }
    SUBCASE("or to an older caller of another key, as room") {
        f.queue.cancel(second);
        auto& older = f.enqueue("b");
        auto& younger = f.enqueue("a");
        CHECK(older.state() == request_state::waiting);
        CHECK_FALSE(f.opened(first));
        CHECK(f.closing() == ids{2});
        f.close_retired();
        f.serve();
        CHECK(older.state() == request_state::dialing);
        CHECK(younger.state() == request_state::waiting);
        f.queue.dial_failed(older, request_state::failed, nullptr);
    }
    SUBCASE("or it fails, and the next dials itself") {
        f.queue.dial_failed(first, request_state::failed, std::make_shared<const std::string>("no answer"));
        CHECK(first.state() == request_state::lent);
        f.serve();
        CHECK(second.state() == request_state::dialing);
        f.queue.dial_failed(second, request_state::failed, nullptr);
        CHECK(second.state() == request_state::failed);
    }
    CHECK(f.queue.dialing() == 0);
    f.queue.take_notifications().deliver();
}

TEST_CASE("admission: who is told is told no more before it has looked") {
    fixture f{bounds{.max_open = 1}};
    auto& first = f.enqueue("a", false);
    f.queue.cancel(first);
    f.queue.take_notifications().deliver();
    CHECK(first.times == 1);
    CHECK(f.queue.dialing() == 0);
    CHECK(f.queue.empty());
    CHECK(f.queue.poll(first) == request_state::cancelled);
    f.queue.take_notifications().deliver();
    CHECK(first.times == 1);
}

TEST_CASE("admission: a permit that has not been used is free when its caller is served or leaves") {
    fixture f{bounds{.max_open = 2, .max_open_per_key = 1}};
    auto& lent = f.lent("b");
    auto& first = f.enqueue("a", false);
    CHECK(first.state() == request_state::dialing);
    auto& second = f.enqueue("c");
    CHECK(second.state() == request_state::waiting);
    SUBCASE("leaves") { f.queue.cancel(first); }
    SUBCASE("is served, which an older one hears of") {
        // The bound of the key has grown: it is lent one that has come from elsewhere.
        f.capacity.max_open_per_key = 2;
        auto& third = f.enqueue("a", false);
        CHECK(third.state() == request_state::waiting);
        f.queue.cancel(third);
        f.put("a");
        CHECK(first.state() == request_state::lent);
    }
    f.serve();
    CHECK(f.queue.dialing() == (second.state() == request_state::dialing ? 1 : 0));
    f.give_back(lent);
    f.close_retired();
    f.serve();
    CHECK(second.state() == request_state::dialing);
    f.queue.dial_failed(second, request_state::failed, nullptr);
    f.queue.take_notifications().deliver();
}

TEST_CASE("admission: a spare dial does not keep a permit that is free from those who wait") {
    fixture f{bounds{.max_open = 3}};
    auto& first = f.enqueue("a", false);
    f.queue.take_notifications().deliver();
    f.queue.poll(first);
    f.queue.cancel(first);
    auto& second = f.enqueue("a");
    CHECK(second.state() == request_state::dialing);
    CHECK(f.queue.dialing() == 2);
    CHECK_FALSE(f.opened(first));
    CHECK(f.opened(second));
    f.queue.take_notifications().deliver();
}

TEST_CASE("admission: what is being closed beyond the bound makes no room") {
    fixture f{bounds{.max_open = 1}};
    f.put("a");
    store::entries refused;
    f.idle.refuse(f.lent("c"), refused);
    auto& waits = f.enqueue("b");
    CHECK(waits.state() == request_state::waiting);
    CHECK(f.closing() == ids{1});
    f.close(refused);
}

TEST_CASE("admission: a connection that is dialled goes to the oldest of its key that can take it") {
    fixture f{bounds{}};
    SUBCASE("neither is blocked") {
        auto& first = f.enqueue("a", false);
        auto& second = f.enqueue("a", false);
        CHECK(f.opened(second));
        CHECK(first.state() == request_state::lent);
        CHECK(second.state() == request_state::waiting);
        CHECK_FALSE(f.opened(first));
        CHECK(second.state() == request_state::lent);
    }
    SUBCASE("the older is blocked by its dial") {
        auto& first = f.enqueue("a");
        auto& second = f.enqueue("a");
        CHECK(f.opened(second));
        CHECK(second.state() == request_state::lent);
        CHECK(f.opened(first));
        CHECK(first.state() == request_state::lent);
    }
    f.queue.take_notifications().deliver();
}

TEST_CASE("admission: a connection nobody wants any more is not taken") {
    fixture f{bounds{}};
    auto& first = f.enqueue("a", false);
    f.queue.take_notifications().deliver();
    f.queue.poll(first);
    f.queue.cancel(first);
    CHECK_FALSE(f.opened(first));
    CHECK(f.queue.empty());
    f.queue.take_notifications().deliver();
}

TEST_CASE("admission: the dials of a key have a bound of their own") {
    fixture f{bounds{.max_dials_per_key = 1}};
    auto& first = f.enqueue("a");
    auto& second = f.enqueue("a");
    auto& other = f.enqueue("b");
    CHECK(second.state() == request_state::waiting);
    CHECK(other.state() == request_state::dialing);
    CHECK(f.opened(first));
    f.serve();
    CHECK(second.state() == request_state::dialing);
    f.queue.dial_failed(second, request_state::failed, nullptr);
    f.queue.dial_failed(other, request_state::failed, nullptr);
}

TEST_CASE("admission: who leaves is told the last error of its key, and leaves no trace [C17]") {
    fixture f{bounds{.max_open_per_key = 2}};
    f.lent("a");
    auto& first = f.enqueue("a");
    auto& second = f.enqueue("a");
    f.queue.dial_failed(first, request_state::failed, std::make_shared<const std::string>("no answer"));
    CHECK(f.queue.waiting(store::hashed{"a"}) == 1);
    f.queue.cancel(second);
    CHECK(second.state() == request_state::cancelled);
    REQUIRE(second.last_error());
    CHECK(*second.last_error() == "no answer");
    CHECK(f.queue.empty());
    CHECK(f.idle.stats().misses == 2);
}

TEST_CASE("admission: at the end all are refused, the oldest first") {
    fixture f{bounds{.max_open = 2}};
    auto& dials = f.enqueue("a");
    auto& also = f.enqueue("b", false);
    auto& waits = f.enqueue("c");
    f.queue.refuse_all();
    CHECK(dials.state() == request_state::dialing);  // in its own thread, which has still to come back
    CHECK(also.state() == request_state::closed);
    CHECK(waits.state() == request_state::closed);
    f.queue.take_notifications().deliver();
    CHECK(f.queue.poll(also) == request_state::closed);
    f.queue.dial_failed(dials, request_state::closed, nullptr);
    CHECK(f.queue.empty());
}
