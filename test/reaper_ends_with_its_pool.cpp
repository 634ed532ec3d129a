// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

#include <doctest/doctest.h>

#include <pool/bounded_pool.hpp>
#include <pool/connection_pool.hpp>
#include <pool/reaper.hpp>
#include <pool/sharded_pool.hpp>

// The last owner of a pool may be one of its connections. The reaper's thread then ends the pool, and itself.

namespace reaper_ends_with_its_pool_cases {

using namespace std::chrono_literals;

namespace {

/// A manual clock that tells when its last copy is gone. The pool's state has one to its end.
class mortal_clock : public pool::manual_clock {
public:
    mortal_clock(pool::manual_clock time, std::promise<void> gone)
        : pool::manual_clock{std::move(time)},
          life_{std::make_shared<life>(std::move(gone))} {}

    friend void sleep_until(const mortal_clock& clock, time_point until, const std::stop_token& stop) {
        clock.sleep_until(until, stop);
    }

private:
    struct life {
        explicit life(std::promise<void> gone) : is_gone{std::move(gone)} {}
        ~life() { is_gone.set_value(); }

        std::promise<void> is_gone;
    };
    std::shared_ptr<life> life_;
};

/// A manual clock that tells when somebody begins to sleep by it.
class watched_clock : public pool::manual_clock {
public:
    void wait_for_sleeper() { begun_->get_future().wait(); }

    friend void sleep_until(const watched_clock& clock, time_point until, const std::stop_token& stop) {
        clock.begun_->set_value();
        clock.sleep_until(until, stop);
    }

private:
    std::shared_ptr<std::promise<void>> begun_ = std::make_shared<std::promise<void>>();
};

}  // namespace

}  // namespace reaper_ends_with_its_pool_cases

template <>
inline constexpr bool pool::keeps_real_time<reaper_ends_with_its_pool_cases::mortal_clock> = false;

template <>
inline constexpr bool pool::keeps_real_time<reaper_ends_with_its_pool_cases::watched_clock> = false;

namespace reaper_ends_with_its_pool_cases {

namespace {

/// When a connection lets go of what it owns.
enum class release { by_close, by_destruction };

/// What a test sees of the connections.
struct witness {
    int closed = 0;
    int destroyed = 0;
    std::thread::id closed_by;
};

/// A connection that may own something. The test reads the witness when the pool is gone.
class owning_connection {
public:
    owning_connection(witness& seen, release when, std::shared_ptr<void> owned)
        : seen_{&seen},
          when_{when},
          owned_{std::move(owned)} {}
    owning_connection(owning_connection&& other) noexcept
        : seen_{std::exchange(other.seen_, nullptr)},
          when_{other.when_},
          owned_{std::move(other.owned_)} {}
    ~owning_connection() {
        if (seen_ == nullptr) return;
        ++seen_->destroyed;
        owned_.reset();
    }

    void close() {
        is_closed_ = true;
        ++seen_->closed;
        seen_->closed_by = std::this_thread::get_id();
        if (when_ == release::by_close) owned_.reset();
    }
    bool closed() const noexcept { return is_closed_; }
    bool unblocked() const noexcept { return true; }

private:
    witness* seen_;
    release when_;
    bool is_closed_ = false;
    std::shared_ptr<void> owned_;
};

/// The pools that a reaper sweeps, each with its reaper.
struct ready_made {
    explicit ready_made(mortal_clock clock) : conns{{.expiration = 10s}, std::move(clock)} {}
    pool::connection_pool<std::string, owning_connection, mortal_clock> conns;
};
struct with_a_reaper {
    explicit with_a_reaper(mortal_clock clock) : conns{{}, 10s, {}, std::move(clock)} {}
    pool::basic_pool<std::string, owning_connection, pool::unlimited, pool::after_idle, std::mutex, mortal_clock> conns;
    pool::reaper<decltype(conns)> sweeper{conns};
};
struct bounded_open {
    explicit bounded_open(mortal_clock clock) : conns{{.max_open = 8}, 10s, {}, std::move(clock)} {}
    pool::basic_pool<std::string, owning_connection, pool::bounded_open, pool::after_idle, std::mutex, mortal_clock>
        conns;
    pool::reaper<decltype(conns)> sweeper{conns};
};
struct sharded {
    explicit sharded(mortal_clock clock) : conns{{}, 10s, {}, std::move(clock)} {}
    pool::sharded_pool<2, std::string, owning_connection, pool::unlimited, pool::after_idle, std::mutex, mortal_clock>
        conns;
    pool::reaper<decltype(conns)> sweeper{conns};
};

}  // namespace

TEST_CASE_TEMPLATE("reaper: a pool may end in a close, or in a Conn's destructor, on the reaper's thread", Owner,
    ready_made, with_a_reaper, bounded_open, sharded) {
    for (const release when : {release::by_close, release::by_destruction}) {
        witness seen;
        pool::manual_clock time;
        std::promise<void> gone;
        auto ended = gone.get_future();
        auto owner = std::make_shared<Owner>(mortal_clock{time, std::move(gone)});

        owner->conns.put("a", {seen, when, nullptr});
        owner->conns.put("b", {seen, when, owner});
        owner->conns.put("c", {seen, when, nullptr});
        owner.reset();  // the connection of b owns the pool now
        time.advance(10s);
        ended.wait();

        CHECK(seen.closed == 3);
        CHECK(seen.destroyed == 3);
        CHECK(seen.closed_by != std::this_thread::get_id());
    }
}

TEST_CASE_TEMPLATE("reaper: a pool may end so with connections that are not due", Owner, ready_made, with_a_reaper,
    bounded_open, sharded) {
    for (const release when : {release::by_close, release::by_destruction}) {
        witness seen;
        pool::manual_clock time;
        std::promise<void> gone;
        auto ended = gone.get_future();
        auto owner = std::make_shared<Owner>(mortal_clock{time, std::move(gone)});

        owner->conns.put("a", {seen, when, owner});
        time.advance(9s);
        owner->conns.put("b", {seen, when, nullptr});
        owner.reset();
        time.advance(1s);  // b is not due, but its pool is gone
        ended.wait();

        CHECK(seen.closed == 2);
        CHECK(seen.destroyed == 2);
    }
}

TEST_CASE_TEMPLATE(
    "reaper: a pool may end in a close while its expiry policy is replaced, whether it has a thread or not", Pool,
    pool::connection_pool<std::string, owning_connection, watched_clock>,
    pool::bounded_pool<std::string, owning_connection, watched_clock>) {
    for (const pool::after_idle before : {pool::after_idle{0s}, pool::after_idle{1h}}) {
        watched_clock time;
        std::shared_ptr<Pool> owner;
        if constexpr (Pool::bounds_open)
            owner = std::make_shared<Pool>(pool::bounded_pool_options{.expiration = before}, time);
        else owner = std::make_shared<Pool>(pool::connection_pool_options{.expiration = before}, time);
        if (Pool::bounds_open || before.ttl() != 0s) time.wait_for_sleeper();

        witness seen;
        owner->put("a", {seen, release::by_close, owner});
        Pool& conns = *owner;
        owner.reset();
        const pool::any_of none{pool::after_idle{-1s}, pool::after_lifetime{10s}, pool::after_uses{}};
        CHECK(conns.reconfigure(none) == 1);
        CHECK(seen.closed == 1);
    }
}

}  // namespace reaper_ends_with_its_pool_cases
