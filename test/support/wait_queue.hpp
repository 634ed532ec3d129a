// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <pool/core/admission.hpp>
#include <pool/core/entry_store.hpp>
#include <pool/policies/capacity.hpp>

#include <support/fake.hpp>
#include <support/ids.hpp>

/// @file
/// The wait queue alone, with a store, and without a lock, a clock or a thread.

namespace wait_queues {

using clock = pool::manual_clock;
using store = pool::core::entry_store<std::string, fake::connection, pool::core::no_time, clock::time_point>;
using admission = pool::core::admission<store>;
using bounds = pool::bounded_open;
using moment = pool::core::moment<bounds, clock, store::entries>;

/// The queue serves whenever something changes. The test says when notifications are delivered, and when retired
/// connections are closed.
struct fixture {
    /// A request that counts its notifications.
    struct caller final : admission::request {
        explicit caller(bool dials_on_own_thread) : request{dials_on_own_thread} {}
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

    /// A new request. One that dials on its caller's thread can take no other connection meanwhile.
    caller& enqueue(const char* key, bool dials_on_own_thread = true) {
        callers.push_back(std::make_unique<caller>(dials_on_own_thread));
        queue.enqueue(*callers.back(), store::hashed{key});
        serve();
        return *callers.back();
    }

    void serve() { queue.serve(capacity, pool::core::no_time{}, retired); }

    /// A new connection, lent.
    store::entry& lent(const char* key) {
        store::entry& fresh = idle.make_entry(store::hashed{key}, {});
        fresh.construct([this] { return far.dial(); });
        idle.mark_lent(fresh);
        return fresh;
    }

    /// A new connection, idle.
    void put(const char* key) { give_back(lent(key)); }

    void give_back(store::entry& e) {
        idle.give_back(e, {pool::no_limit, pool::no_limit}, {}, {}, retired);
        serve();
    }

    /// The dial of a request succeeds. Returns whether a request took the connection.
    bool dial_succeeded(caller& dialing) {
        store::entry& fresh = lent(dialing.key().c_str());
        const bool needed = queue.dial_succeeded(dialing, fresh);
        if (!needed) give_back(fresh);
        return needed;
    }

    /// The connections that the test has to close.
    fake::ids closing() {
        fake::ids all;
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

}  // namespace wait_queues
