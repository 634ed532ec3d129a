// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <type_traits>
#include <utility>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/system/error_code.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <valgrind/callgrind.h>

#include <pool/asio.hpp>
#include <pool/dial/backing_off.hpp>
#include <pool/dial/timed.hpp>
#include <pool/pool.hpp>

#include <memory.hpp>
#include <workloads.hpp>

/// @file
/// W14, the cost of each optional part of a pool. Run by callgrind, this program writes two dumps for each pool and
/// part: of 1,000 acquires that find a connection, and of 1,000 that dial one. It prints a line for each: the pool, the
/// part, how often an operation of either kind reads the clock, and the bytes of an idle entry.

namespace {

using namespace std::chrono_literals;

/// A text that can be an argument of a template.
struct text {
    template <std::size_t N>
    consteval explicit(false) text(const char (&from)[N]) {
        std::ranges::copy(from, characters);
    }

    char characters[64]{};
};

/// A line of the table: its name, and the optional parts that its connections declare, or its callers use. The others are
/// a policy, a setting or a dial. Each line has types of its own, because the name is a part of them: the compiler inlines
/// a function of one caller more readily than one that several lines share.
struct parts {
    text name;
    bool healthy = false;
    bool async_healthy = false;
    bool reset = false;
    bool keep_alive = false;
    bool weight = false;
    bool expires = false;
    bool kept = false;  ///< the callers keep their leases, because the pool discards all others
};

/// With these parts.
template <parts Has>
struct connection : bench::connection {
    using bench::connection::connection;

    std::size_t weight() const noexcept
        requires(Has.weight)
    {
        return 1;
    }

    std::chrono::nanoseconds expires() const noexcept
        requires(Has.expires)
    {
        return 1h;
    }
};

// A base for each part: a pool refuses traits with a hook that it cannot call. The hooks do nothing, and the compiler
// inlines them, so the figures are the pool's own.
template <bool is_there>
struct with_healthy {};
template <>
struct with_healthy<true> {
    static bool healthy(bench::connection&) { return true; }
};
template <bool is_there>
struct with_async_healthy {};
template <>
struct with_async_healthy<true> {
    static void async_healthy(bench::connection&, pool::hook_done done) { done(true); }
};
template <bool is_there>
struct with_reset {};
template <>
struct with_reset<true> {
    static void reset(bench::connection&) {}
};
template <bool is_there>
struct with_keep_alive {};
template <>
struct with_keep_alive<true> {
    static void keep_alive(bench::connection&) {}
};

}  // namespace

template <parts Has>
struct pool::connection_traits<connection<Has>> : member_connection_traits<connection<Has>>,
                                                  with_healthy<Has.healthy>,
                                                  with_async_healthy<Has.async_healthy>,
                                                  with_reset<Has.reset>,
                                                  with_keep_alive<Has.keep_alive> {};

namespace {

/// A clock that counts its readings. It takes as many instructions as the system's, and is a microsecond later at each
/// reading: what a duration has counted takes more instructions for some durations than for others.
struct counting_clock {
    using time_point = std::chrono::steady_clock::time_point;
    using duration = time_point::duration;
    using rep = duration::rep;
    using period = duration::period;
    static constexpr bool is_steady = true;

    static time_point now() noexcept {
        (void)std::chrono::steady_clock::now();
        return time_point{std::chrono::microseconds{++readings}};
    }

    static inline std::uint64_t readings = 0;
};

/// A dial that opens a connection at once. It is not inlined, as no real dial is.
template <parts Has>
struct opens {
    [[gnu::noinline]] connection<Has> operator()(const std::string&, const pool::dial_context&) const {
        return connection<Has>{1};
    }
};

/// The same for asynchronous callers.
template <parts Has>
struct async_opens {
    template <class Handler>
    void operator()(const std::string& key, Handler handler) const {
        handler(boost::system::error_code{}, opens<Has>{}(key, {}));
    }
};

/// Callers that block.
struct blocking {
    template <class Pool, class Dial>
    auto acquire(Pool& conns, const std::string& key, const Dial& dial) {
        return conns.acquire(key, dial);
    }
};

/// Callers that do not.
class asynchronous {
public:
    template <class Pool, class Dial>
    auto acquire(Pool& conns, const std::string& key, const Dial& dial) {
        typename Pool::lease_type got;
        pool::asio::async_acquire(conns, key, dial,
            boost::asio::bind_executor(
                context_, [&](boost::system::error_code, typename Pool::lease_type lent) { got = std::move(lent); }));
        context_.run();
        context_.restart();
        bench::expect(bool{got});
        return got;
    }

private:
    boost::asio::io_context context_{1};
};

/// Makes the dumps and the lines of one pool.
template <class Bounds, class Callers>
class costs {
public:
    /// Of the pool with this name. The memory is that of `keys` keys.
    costs(std::string pool, std::size_t keys) : pool_{std::move(pool)}, keys_{keys} {}

    /// With these parts.
    template <parts Has, class ExpiryPolicy, class Dial>
    void measure(const ExpiryPolicy& expiry, const pool::pool_settings& settings, const Dial& dial) {
        using capacity = std::conditional_t<Has.weight, pool::weighed<Bounds>, Bounds>;
        using pool_type =
            pool::basic_pool<std::string, connection<Has>, capacity, ExpiryPolicy, std::mutex, counting_clock>;
        const auto make = [&] {
            if constexpr (Has.weight) return pool_type{capacity{{}, 1'000'000'000}, expiry, settings};
            else return pool_type{capacity{}, expiry, settings};
        };
        const std::string name = pool_ + '/' + Has.name.characters;
        const std::string key = bench::key(0);

        auto used = make();
        used.put(key, connection<Has>{1});
        const double read_by_hit = count(name + "/hit", [&] {
            auto lent = callers_.acquire(used, key, dial);
            if constexpr (Has.kept) lent.keep();
        });
        bench::expect(used.stats().hits == 2 * operations && used.stats().idle == 1);

        auto empty = make();
        const double read_by_dial = count(name + "/dial", [&] { callers_.acquire(empty, key, dial).discard(); });
        bench::expect(empty.stats().dials == 2 * operations && empty.stats().idle == 0);

        fmt::print("{}\t{}\t{:.0f}\t{:.0f}\t{:.0f}\n", pool_, Has.name.characters, read_by_hit, read_by_dial,
            bench::bytes_per_entry<connection<Has>>(make, keys_));
    }

    /// The same, with a dial that opens a connection at once.
    template <parts Has, class ExpiryPolicy = pool::never>
    void measure(const ExpiryPolicy& expiry = {}, const pool::pool_settings& settings = {}) {
        if constexpr (std::is_same_v<Callers, asynchronous>) measure<Has>(expiry, settings, async_opens<Has>{});
        else measure<Has>(expiry, settings, opens<Has>{});
    }

private:
    static constexpr std::uint64_t operations = 1'000;

    /// Has callgrind count the instructions of the operation. Returns how often it reads the clock.
    template <class Operation>
    static double count(const std::string& name, const Operation& operation) {
        for (std::uint64_t i = 0; i < operations; ++i) operation();  // warms up
        const std::uint64_t before = counting_clock::readings;
        CALLGRIND_START_INSTRUMENTATION;
        CALLGRIND_ZERO_STATS;
        for (std::uint64_t i = 0; i < operations; ++i) operation();
        CALLGRIND_DUMP_STATS_AT(name.c_str());
        CALLGRIND_STOP_INSTRUMENTATION;
        return static_cast<double>(counting_clock::readings - before) / operations;
    }

    std::string pool_;
    std::size_t keys_;
    Callers callers_;
};

/// A dial that spares a server that is down, and has a limit.
template <parts Has>
auto careful() {
    return pool::backing_off{pool::timed{3s, opens<Has>{}, counting_clock{}}, {.seed = 1}, counting_clock{}};
}

/// An observer that does nearly nothing.
void adds(const pool::event& e) {
    static std::uint64_t sum = 0;
    sum += e.connection;
}

template <class Bounds>
void measure_blocking(const std::string& name, std::size_t keys) {
    using pool::after_idle, pool::after_lifetime, pool::after_uses, pool::any_of, pool::at_own_deadline, pool::never;
    const after_idle idle{1h};
    const after_lifetime lifetime{1h, 0.1, 1};
    const after_uses uses{1'000'000};
    constexpr parts careful_dial{.name = "a dial with backing_off and timed"};
    constexpr parts all{.name = "all of these, healthy asked each time",
        .healthy = true,
        .reset = true,
        .keep_alive = true,
        .weight = true,
        .expires = true,
        .kept = true};

    costs<Bounds, blocking> of{name, keys};
    of.template measure<parts{.name = "no optional part"}>();
    of.template measure<parts{.name = "healthy, asked each time", .healthy = true}>();
    of.template measure<parts{.name = "healthy, check_after not reached", .healthy = true}>(
        never{}, {.check_after = 1h});
    of.template measure<parts{.name = "reset", .reset = true}>();
    of.template measure<parts{.name = "keep_alive, not due", .keep_alive = true}>(never{}, {.keep_alive_every = 1h});
    of.template measure<parts{.name = "weighed", .weight = true}>();
    of.template measure<parts{.name = "discard_unless_kept, and keep", .kept = true}>(
        never{}, {.discard_unless_kept = true});
    of.template measure<parts{.name = "trace_leases"}>(never{}, {.trace_leases = true});
    of.template measure<parts{.name = "histograms"}>(never{}, {.histograms = true});
    of.template measure<parts{.name = "on_event, an observer that adds"}>(never{}, {.on_event = adds});
    of.template measure<parts{.name = "after_idle"}>(idle);
    of.template measure<parts{.name = "after_lifetime, with jitter"}>(lifetime);
    of.template measure<parts{.name = "after_uses"}>(uses);
    of.template measure<parts{.name = "any_of these three"}>(any_of{idle, lifetime, uses});
    of.template measure<parts{.name = "at_own_deadline", .expires = true}>(at_own_deadline{});
    of.template measure<careful_dial>(never{}, {}, careful<careful_dial>());
    of.template measure<all>(any_of{idle, lifetime, uses, at_own_deadline{}},
        {.keep_alive_every = 1h, .discard_unless_kept = true}, careful<all>());
}

template <class Bounds>
void measure_asynchronous(const std::string& name, std::size_t keys) {
    costs<Bounds, asynchronous> of{name, keys};
    of.template measure<parts{.name = "async_acquire"}>();
    of.template measure<parts{.name = "async_healthy, asked each time", .async_healthy = true}>();
    of.template measure<parts{.name = "async_healthy, check_after not reached", .async_healthy = true}>(
        pool::never{}, {.check_after = 1h});
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"Measures what each optional part of a pool costs"};
    std::size_t keys = 100'000;
    app.add_option("--keys", keys, "the keys of the pools whose memory is measured, with ten connections each")
        ->capture_default_str()
        ->check(CLI::PositiveNumber);
    CLI11_PARSE(app, argc, argv);

    measure_blocking<pool::bounded>("bounded", keys);
    measure_blocking<pool::bounded_open>("bounded_open", keys);
    measure_asynchronous<pool::bounded>("bounded, asynchronous", keys);
    measure_asynchronous<pool::bounded_open>("bounded_open, asynchronous", keys);
}
