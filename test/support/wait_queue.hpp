// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <pool/core/admission.hpp>
#include <pool/core/entry_store.hpp>
#include <pool/core/moment.hpp>
#include <pool/policies/capacity.hpp>
#include <pool/policies/clock.hpp>

#include <support/fake.hpp>
#include <support/ids.hpp>
#include <support/strict.hpp>

/// @file
/// The wait queue alone, with a store and a clock, and without a lock or a thread.

namespace wait_queues {

using clock = pool::manual_clock;
using parts = pool::core::entry_parts<clock::time_point, pool::core::entry_facts{.can_wait = true}>;
using store = pool::core::entry_store<std::string, fake::connection, parts>;
using admission = pool::core::admission<store>;
using bounds = pool::bounded_open;
using moment = pool::core::moment<bounds, clock, store::entries>;
using pool::core::request_state;

/// Each function below is a step, or several: it ends when the queue has served. The test says when notifications are
/// delivered, and when retired connections are closed.
struct fixture {
    static constexpr auto never = clock::time_point::max();

    /// A request that counts its notifications.
    struct caller final : admission::request {
        caller(bool dials_on_own_thread, clock::time_point deadline) : request{dials_on_own_thread, deadline} {}
        bool notified() noexcept override { return ++times, has_memory; }
        bool is_stop_requested() const noexcept override { return is_stopped; }
        int times = 0;
        bool has_memory = true;
        bool is_stopped = false;
    };

    explicit fixture(bounds chosen) : capacity{chosen} {}
    ~fixture() {
        step([&](moment&) { queue.close(); });
        deliver();
        clear();
        close_retired();
        for (int id = 1; id <= far.dials(); ++id) far[id].closes = 1;  // those still lent, as if they were closed
    }

    /// A request whose caller has not looked yet. One that dials on its caller's thread can take no other connection
    /// meanwhile.
    caller& submit(const char* key, bool dials_on_own_thread = true, clock::time_point deadline = never) {
        callers.push_back(std::make_unique<caller>(dials_on_own_thread, deadline));
        caller& fresh = *callers.back();
        const store::hashed hashed{key};
        bool is_admitted = false;
        step([&](moment& now) { is_admitted = queue.submit(fresh, hashed, idle.find(hashed), now); });
        while (!is_admitted) step([&](moment& now) { is_admitted = queue.admit(fresh, now); });
        return fresh;
    }

    /// A request whose caller has looked: so it waits, or dials, or has got something.
    caller& enqueue(const char* key, bool dials_on_own_thread = true, clock::time_point deadline = never) {
        caller& fresh = submit(key, dials_on_own_thread, deadline);
        look(fresh);
        return fresh;
    }

    request_state look(caller& asking) {
        request_state seen{};
        step([&](moment& now) { seen = queue.look(asking, now); });
        return seen;
    }

    void cancel(caller& asking) {
        step([&](moment& now) { queue.cancel(asking, request_state::cancelled, now); });
    }

    /// An idle connection for a caller that does not wait; nullptr if there is none for it.
    store::entry* lend(const char* key) {
        store::entry* found = nullptr;
        step([&](moment& now) {
            if (auto* const of = idle.find(store::hashed{key})) found = queue.lend(*of, now);
        });
        return found;
    }

    /// A new connection, lent.
    store::entry& lent(const char* key) {
        store::entry& fresh = idle.make_entry(store::hashed{key}, {}, queue.group_of(store::hashed{key}));
        fresh.construct([this] { return far.dial(); });
        idle.mark_lent(fresh, {});
        return fresh;
    }

    /// A new connection, idle.
    void put(const char* key) { give_back(lent(key)); }

    void give_back(store::entry& e) {
        step([&](moment& now) { queue.give_back(e, pool::core::no_time{}, now); });
    }

    /// The dial of a request succeeds. Returns whether its request took the connection.
    bool dial_succeeded(caller& dialing) {
        store::entry& fresh = lent(dialing.key().c_str());
        bool needed = false;
        step([&](moment& now) {
            needed = queue.dial_succeeded(dialing, fresh, now);
            if (!needed) queue.give_back(fresh, pool::core::no_time{}, now);
        });
        return needed;
    }

    void dial_failed(caller& dialing, const char* text = nullptr, request_state outcome = request_state::failed) {
        const auto error = text != nullptr ? std::make_shared<const std::string>(text) : nullptr;
        step([&](moment& now) { queue.dial_failed(dialing, outcome, error, now); });
    }

    void clear() {
        step([&](moment& now) { idle.clear(pool::retirement::cleared, pool::no_limit, now.retired); });
    }

    void reconfigure(bounds changed) {
        step([&](moment&) {
            capacity = changed;
            queue.bounds_changed();
        });
    }

    void serve() {
        step([](moment&) {});
    }

    /// Delivers the notifications of the steps before.
    void deliver() {
        auto undelivered = queue.take_notifications().deliver();
        queue.notify_again(undelivered);
    }

    /// The connections that the test has to close.
    fake::ids closing() {
        fake::ids all;
        for (store::entry& each : retired) all.push_back(each.conn().id());
        return all;
    }

    void close_retired() {
        while (!retired.empty()) close_oldest();
    }

    /// Closes the connection that was retired first.
    void close_oldest() {
        store::entry& next = retired.front();
        retired.pop_front();
        next.conn().close();
        next.destroy();
        step([&](moment&) { idle.erase_closed(next, {}); });
    }

    /// The caller of a promised request begins to close the connection that was retired first.
    store::entry& begin_close(caller& asking) {
        store::entry& next = retired.front();
        retired.pop_front();
        step([&](moment& now) { queue.begin_close(asking, now); });
        return next;
    }

    /// It has closed it.
    void end_close(caller& asking, store::entry& gone) {
        gone.conn().close();
        gone.destroy();
        step([&](moment& now) {
            idle.erase_closed(gone, {});
            queue.end_close(asking, now);
        });
    }

    /// Changes something, and serves. A step that has used up its batch goes on with another one, as in a pool.
    template <class Act>
    void step(const Act& act) {
        const std::size_t before = retired.size();
        moment now{capacity, time, retired};
        act(now);
        auto each = retired.rbegin();
        for (std::size_t left = retired.size(); left > before; --left, ++each) queue.changed(each->of(), now);
        queue.serve(now);
        while (now.is_over()) {
            now.budget = moment::batch;
            queue.serve(now);
        }
    }

    bounds capacity;
    clock time;
    fake::network far;
    store idle;
    store::entries retired;
    admission queue{idle};
    std::vector<std::unique_ptr<caller>> callers;
};

}  // namespace wait_queues
