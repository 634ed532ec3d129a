// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include <pool/core/entry_store.hpp>
#include <pool/policies/capacity.hpp>
#include <pool/settings.hpp>
#include <pool/stats.hpp>

#include <support/fake.hpp>
#include <support/ids.hpp>
#include <support/store_times.hpp>

/// @file
/// A store of fake connections, for the tests of a store alone.

namespace stores {

/// A store, with the least of a pool around it: this dials, counts misses, and closes what the store retires. Connections are numbered
/// from 1, in the order in which they were opened.
template <class Time, class Parts = parts_of<Time>>
class tended_store {
    using store_type = pool::core::entry_store<std::string, fake::connection, Parts>;
    using entries = typename store_type::entries;
    using hashed = typename store_type::hashed;

public:
    using entry = typename store_type::entry;

    explicit tended_store(pool::bounded limits = {}, pool::reuse_order reuse = pool::reuse_order::oldest_first)
        : store_{{reuse}},
          bounds_{limits.max_idle, limits.max_idle_per_key} {}
    ~tended_store() { clear(); }

    void bounds(pool::bounded limits) { bounds_ = {limits.max_idle, limits.max_idle_per_key}; }

    /// A new connection, lent. `earliest` is announced as its expiry.
    entry& open(std::string_view key, Time earliest = never<Time>()) {
        entry& fresh = store_.make_entry(hashed{key}, earliest);
        fresh.construct([this] { return net.dial(); });
        store_.mark_lent(fresh, {});
        return fresh;
    }

    /// An idle connection; nullptr if there is none.
    entry* lend(std::string_view key, Time now = {}) {
        entry* found = nullptr;
        std::size_t most = pool::no_limit;
        retired = closed_after([&](entries& leaving) {
            if (auto* const of = store_.find(hashed{key})) found = store_.lend(*of, now, most, leaving);
        });
        if (found == nullptr) store_.count_lookup_in_vain();
        return found;
    }

    /// Takes out an idle connection and closes it. Returns its number, or 0 if there is none.
    int take(std::string_view key, Time now = {}) {
        entry* found = lend(key, now);
        return found != nullptr ? remove(*found).front() : 0;
    }

    // These return the connections that they retired.
    fake::ids give_back(entry& e, Time due = never<Time>(), Time now = {}) {
        return closed_after([&](entries& leaving) { store_.give_back(e, bounds_, due, now, leaving); });
    }
    fake::ids put(std::string_view key, Time due = never<Time>(), Time now = {}) {
        return give_back(open(key, due), due, now);
    }
    fake::ids refuse(entry& e) {
        return closed_after([&](entries& leaving) { store_.refuse(e, pool::retirement::refused, leaving); });
    }
    fake::ids remove(entry& e) {
        return closed_after([&](entries& leaving) { store_.retire_uncounted(e, pool::retirement::taken, leaving); });
    }
    fake::ids clear(std::size_t most = pool::no_limit) {
        return closed_after([&](entries& leaving) { store_.clear(pool::retirement::cleared, most, leaving); });
    }
    fake::ids clear(std::string_view key, std::size_t most = pool::no_limit) {
        return closed_after([&](entries& leaving) { store_.clear(hashed{key}, most, leaving); });
    }
    fake::ids expire(Time now) {
        CHECK(sweep(now, pool::no_limit));
        return retired;
    }
    template <class PerKey>
    fake::ids trim(std::size_t total, const PerKey& per_key) {
        const auto in_all = [total] { return total; };
        store_.begin_sweep();
        return closed_after([&](entries& leaving) { store_.sweep(in_all, per_key, no_visit, pool::no_limit, leaving); });
    }

    /// Retires what is due, `most` at most. Returns whether that was all.
    bool sweep(Time now, std::size_t most) {
        bool all = false;
        retired = closed_after([&](entries& leaving) { all = store_.expire(now, most, bound, leaving); });
        return all;
    }

    auto next_expiry(std::size_t most = pool::no_limit) { return store_.next_expiry(most, bound); }

    const pool::stats& stats() const { return store_.stats(); }
    pool::key_stats stats(std::string_view key) const { return store_.stats(hashed{key}); }

    fake::network net;
    fake::ids retired;  ///< by the last look-up or sweep

    /// Before this time, an entry that is not idle does not expire when it is given back.
    std::function<Time(const entry&)> bound = [](const entry&) { return never<Time>(); };

private:
    fake::ids closed_after(const auto& step) {
        entries leaving;
        step(leaving);
        fake::ids all;
        while (!leaving.empty()) {
            entry& next = leaving.front();
            leaving.pop_front();
            all.push_back(next.conn().id());
            next.conn().close();
            next.destroy();
            store_.erase_closed(next, {});
        }
        return all;
    }

    store_type store_;
    typename store_type::idle_bounds bounds_;
};

}  // namespace stores
