// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <map>
#include <mutex>
#include <string>

#include <pool/pool.hpp>
#include <pool/sharded_pool.hpp>

/// @file
/// The code of docs/policies.md. Each region is quoted there.

namespace {

using namespace std::chrono_literals;

struct session {
    bool open = true;

    void close() { open = false; }
    bool closed() const noexcept { return !open; }
    bool unblocked() const noexcept { return true; }
};

session dial(const std::string&) { return {}; }

// [capacity]
struct per_tenant {
    std::size_t total = pool::no_limit;
    std::size_t others = 1;  // for tenants that are not listed
    std::map<std::string, std::size_t> tenants = {};

    std::size_t max_idle() const noexcept { return total; }
    std::size_t max_idle_for(const std::string& tenant) const noexcept {
        const auto found = tenants.find(tenant);
        return found == tenants.end() ? others : found->second;
    }
};

using tenant_sessions = pool::basic_pool<std::string, session, per_tenant>;
// [/capacity]

// [open]
struct one_for_each {
    static constexpr bool bounds_open = true;

    std::size_t max_idle() const noexcept { return pool::no_limit; }
    std::size_t max_idle_for(const std::string&) const noexcept { return 1; }
    std::size_t max_open() const noexcept { return 32; }
    std::size_t max_open_for(const std::string&) const noexcept { return 1; }
    std::size_t max_dials_for(const std::string&) const noexcept { return 1; }
    std::size_t max_waiting() const noexcept { return 100; }
};

using exclusive_sessions = pool::basic_pool<std::string, session, one_for_each>;
// [/open]

// [expiry]
struct on_the_hour {
    static constexpr bool can_expire = true;

    template <class TimePoint>
    TimePoint expires_at(TimePoint since) const noexcept {
        return TimePoint{std::chrono::floor<std::chrono::hours>(since.time_since_epoch()) + 1h};
    }
};
// [/expiry]

// [age]
struct until_worn_out {
    static constexpr bool can_expire = true;
    static constexpr pool::age_facts asks{.uses = true};

    template <class TimePoint>
    TimePoint expires_at(TimePoint since, const pool::connection_age<TimePoint>& age) const noexcept {
        return age.uses < 1'000 ? pool::after_idle{5min}.expires_at(since) : since;
    }
};
// [/age]

// [lock]
class counting_mutex {
public:
    void lock() {
        mutex_.lock();
        ++acquired_;
    }
    void unlock() { mutex_.unlock(); }

private:
    std::mutex mutex_;
    std::size_t acquired_ = 0;
};
// [/lock]

// [clock]
struct simulated_time {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<simulated_time>;
    static constexpr bool is_steady = true;

    const duration* elapsed;

    time_point now() const noexcept { return time_point{*elapsed}; }
};
// [/clock]

using hourly_sessions =
    pool::basic_pool<std::string, session, pool::bounded, on_the_hour, counting_mutex, simulated_time>;

// [testing]
bool expires_after_thirty_seconds() {
    pool::manual_clock clock;  // copies share one time: this one is moved, and the pool's follows
    pool::basic_pool<std::string, session, pool::bounded, pool::after_idle, std::mutex, pool::manual_clock> sessions{
        pool::bounded{.max_idle_per_key = 1}, 30s, {.name = "test"}, clock};
    sessions.put("db", session{});

    clock.advance(29s);
    const bool kept = sessions.expire() == 0;
    clock.advance(1s);
    return kept && sessions.expire() == 1;
}
// [/testing]

// [sharded]
using many_keys = pool::sharded_pool<8, std::string, session, pool::bounded, pool::never, pool::adaptive_mutex>;
// [/sharded]

}  // namespace

// [seeded]
struct peer {
    std::string host;
    int port;

    bool operator==(const peer&) const = default;
};
template <>
struct pool::key_traits<peer> : pool::seeded_key_traits<peer> {};

using peer_sessions = pool::connection_pool<peer, session>;                           // a key of your own
using user_sessions = pool::connection_pool<pool::seeded_key<std::string>, session>;  // any other key
// [/seeded]

static_assert(pool::expiry_policy<until_worn_out, std::chrono::steady_clock::time_point>);

int main() {
    tenant_sessions paid{per_tenant{.total = 8, .tenants = {{"acme", 3}}}};
    paid.put("acme", session{});

    exclusive_sessions exclusive;
    { auto lent = exclusive.acquire("db", dial); }

    std::chrono::nanoseconds elapsed = 59min;
    hourly_sessions hourly{pool::bounded{}, on_the_hour{}, {}, simulated_time{&elapsed}};
    hourly.put("db", session{});
    elapsed += 1min;

    many_keys sharded{pool::bounded{.max_idle = 10'000}};
    sharded.put("db", session{});

    peer_sessions peers;
    peers.put({"db", 5432}, session{});
    user_sessions users;
    { auto lent = users.acquire("ada", dial); }

    const bool right = paid.stats("acme").idle == 1 && exclusive.stats().idle == 1 && hourly.expire() == 1 &&
                       sharded.stats().idle == 1 && peers.stats({"db", 5432}).idle == 1 &&
                       users.stats("ada").idle == 1 && expires_after_thirty_seconds();
    return right ? 0 : 1;
}
