// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <compare>
#include <cstddef>
#include <limits>
#include <stdexcept>

#include <pool/core/entry_store.hpp>
#include <pool/core/hashed_key.hpp>
#include <pool/key.hpp>
#include <pool/policies/capacity.hpp>
#include <pool/settings.hpp>

#include <support/store_times.hpp>

/// @file
/// A store whose keys and connections count what is done to them, and fail when a test wants it.

namespace stores {

/// Counts what is done to the keys and connections of one test, and says which of their functions fail.
struct ledger {
    int hashes = 0;
    int comparisons = 0;
    int keys = 0;       ///< alive
    int questions = 0;  ///< whether a connection is closed or unblocked
    bool hash_throws = false;
    bool comparison_throws = false;
    bool copy_throws = false;
    bool all_dead = false;
};

struct failure : std::runtime_error {
    using runtime_error::runtime_error;
};

struct watched_key {
    watched_key(int number, ledger& log) : value{number}, book{&log} { ++book->keys; }
    watched_key(const watched_key& other) : value{other.value}, book{other.book} {
        if (book->copy_throws) throw failure{"copy"};
        ++book->keys;
    }
    watched_key& operator=(const watched_key&) = delete;
    ~watched_key() { --book->keys; }

    int value;
    ledger* book;
};

/// Neither copied nor moved.
struct watched_connection {
    explicit watched_connection(ledger& log) : book{&log} {}
    watched_connection(const watched_connection&) = delete;
    watched_connection& operator=(const watched_connection&) = delete;

    void close() {}
    bool closed() const noexcept { return ++book->questions, book->all_dead; }
    bool unblocked() const noexcept { return ++book->questions, true; }

    ledger* book;
};

}  // namespace stores

template <>
struct pool::key_traits<stores::watched_key> {
    using view = const stores::watched_key&;

    static std::size_t hash(view key) {
        if (key.book->hash_throws) throw stores::failure{"hash"};
        ++key.book->hashes;
        return 0;  // all collide
    }
    static bool equal(view a, view b) {
        if (a.book->comparison_throws) throw stores::failure{"comparison"};
        ++a.book->comparisons;
        return a.value == b.value;
    }
};

namespace stores {

using hashed = pool::core::hashed_key<watched_key>;

/// A time that counts the comparisons of all its values.
struct counted_time {
    static inline int comparisons = 0;
    static constexpr counted_time max() { return {std::numeric_limits<int>::max()}; }

    std::chrono::nanoseconds time_since_epoch() const { return std::chrono::nanoseconds{tick}; }
    friend bool operator==(counted_time a, counted_time b) { return ++comparisons, a.tick == b.tick; }
    friend auto operator<=>(counted_time a, counted_time b) { return ++comparisons, a.tick <=> b.tick; }

    int tick = 0;
};

/// A store of these. A retired connection leaves in the same call, unless the test gives a list of its own.
template <class Time>
class watched_store : public pool::core::entry_store<watched_key, watched_connection, parts_of<Time>> {
    using base = pool::core::entry_store<watched_key, watched_connection, parts_of<Time>>;

public:
    using typename base::entries;
    using typename base::entry;

    explicit watched_store(ledger& book, pool::reuse_order reuse = pool::reuse_order::oldest_first)
        : base{{reuse}},
          book_{book} {}
    ~watched_store() { clear(); }

    /// A key of this store; it counts in the ledger.
    watched_key key(int value) { return {value, book_}; }

    /// A new connection, lent. `earliest` is announced as its expiry.
    entry& open(const watched_key& key, Time earliest = never<Time>()) {
        entry& fresh = this->make_entry(hashed{key}, earliest);
        fresh.construct([this] { return watched_connection{book_}; });
        this->mark_lent(fresh, {});
        return fresh;
    }
    entry& open(int value, Time earliest = never<Time>()) { return open(key(value), earliest); }

    /// Lends an idle connection.
    entry* find(int value) {
        entries retired;
        std::size_t most = pool::no_limit;
        return lend(hashed{key(value)}, {}, most, retired);
    }
    entry* lend(const hashed& wanted, typename base::time_point now, std::size_t& most, entries& retired) {
        auto* const of = base::find(wanted);
        return of != nullptr ? base::lend(*of, now, most, retired) : nullptr;
    }

    // These return how many connections they retired.
    std::size_t give_back(entry& e, std::size_t limit, Time due) {
        return retired_by([&](entries& retired) { base::give_back(e, {limit, limit}, due, {}, retired); });
    }
    std::size_t discard(entry& e) {
        return retired_by([&](entries& retired) { base::retire_uncounted(e, pool::retirement::taken, retired); });
    }
    std::size_t clear() {
        return retired_by([&](entries& retired) { base::clear(pool::retirement::cleared, pool::no_limit, retired); });
    }
    std::size_t clear(const hashed& wanted) {
        return retired_by([&](entries& retired) { base::clear(wanted, pool::no_limit, retired); });
    }
    std::size_t expire(Time now) {
        const auto not_idle = [](const entry&) { return Time::max(); };
        return retired_by([&](entries& retired) { base::expire(now, pool::no_limit, not_idle, retired); });
    }
    std::size_t trim(std::size_t total, const auto& per_key) {
        const auto in_all = [total] { return total; };
        this->begin_sweep();
        return retired_by([&](entries& retired) { base::sweep(in_all, per_key, no_visit, pool::no_limit, retired); });
    }

    /// Erases retired entries.
    void erase(entries& retired) {
        while (!retired.empty()) {
            entry& next = retired.front();
            retired.pop_front();
            next.destroy();
            this->erase_closed(next, {});
        }
    }

    /// Gives a connection back, without a bound.
    void keep(entry& e, Time due = never<Time>()) { give_back(e, pool::no_limit, due); }

    /// So many idle connections of key 0.
    void fill(int count, Time due = never<Time>()) {
        for (int i = 0; i != count; ++i) keep(open(0, due), due);
    }

private:
    std::size_t retired_by(const auto& step) {
        entries retired;
        step(retired);
        const std::size_t count = retired.size();
        erase(retired);
        return count;
    }

    ledger& book_;
};

}  // namespace stores
