// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <pool/histogram.hpp>
#include <pool/policies/capacity.hpp>
#include <pool/stats.hpp>

/// @file
/// The table of what is exported of a pool: names, texts, and where each value comes from. It knows no exporter.

namespace pool::metrics::kernel {

/// The facts about a pool at one moment.
struct snapshot {
    pool::stats stats{};              ///< its figures
    std::optional<histograms> times{};  ///< how long things took; none if the pool does not count that
    std::uint64_t errors = 0;         ///< collections of it that have failed
    std::size_t min_idle = 0;         ///< the idle connections that it keeps up, of all keys
    std::size_t max_idle = 0;         ///< the bound of its policy, for all keys; `no_limit` if there is none
    std::size_t max_idle_weight = 0;  ///< the same
    std::size_t max_open = 0;         ///< the same
    std::size_t max_waiting = 0;      ///< the same
    bool bounds_open = false;         ///< whether callers may wait
    bool bounds_weight = false;       ///< whether its idle connections are weighed

    /// Adds the bounds of a state of the pool.
    template <class CapacityPolicy>
    void add_bounds(const CapacityPolicy& policy) noexcept {
        add(max_idle, policy.max_idle());
        if constexpr (declares_weight_bound<CapacityPolicy>) {
            bounds_weight = true;
            add(max_idle_weight, policy.max_idle_weight());
        }
        if constexpr (declares_open_bounds<CapacityPolicy>) {
            bounds_open = true;
            add(max_open, policy.max_open());
            add(max_waiting, policy.max_waiting());
        }
    }

private:
    static void add(std::size_t& to, std::size_t bound) noexcept { to = core::sum_of_bounds(to, bound); }
};

/// How a value changes.
enum class kind : unsigned char {
    counter,    ///< it only grows
    gauge,      ///< it goes up and down
    histogram,  ///< it has buckets, which only grow
};

/// Reads the durations of a histogram; nullptr if this pool has none.
using durations = const histogram* (*)(const snapshot&);

/// One value of a pool. Those of one name follow each other, and have different `label_value`s.
struct figure {
    using value = std::optional<double> (*)(const snapshot&);  ///< reads it; nothing if this pool has no such value

    std::string_view name;              ///< of the metric
    std::string_view help;              ///< what it is
    kind type;                          ///< how it changes
    value of;                           ///< its value
    std::string_view label = {};        ///< what tells the values of one name apart
    std::string_view label_value = {};  ///< which of them this is
    durations times = nullptr;          ///< instead of a value: the durations of a histogram
};

/// A histogram in seconds.
constexpr figure make_histogram(std::string_view name, std::string_view help, durations times) noexcept {
    return {name, help, kind::histogram, nullptr, {}, {}, times};
}

/// Durations that are counted with the setting `histograms`.
template <histogram histograms::*Which>
const histogram* counted(const snapshot& s) noexcept {
    return s.times ? &((*s.times).*Which) : nullptr;
}

/// The same, only in a pool with a wait queue.
template <histogram histograms::*Which>
const histogram* counted_waiting(const snapshot& s) noexcept {
    return s.bounds_open ? counted<Which>(s) : nullptr;
}

/// A figure that each pool has.
template <auto Member>
std::optional<double> count(const snapshot& s) noexcept {
    return static_cast<double>(s.stats.*Member);
}

/// A figure that only a pool with a wait queue has.
template <auto Member>
std::optional<double> waiting(const snapshot& s) noexcept {
    return s.bounds_open ? count<Member>(s) : std::nullopt;
}

/// A time in seconds that only a pool with a wait queue has.
template <auto Member>
std::optional<double> seconds(const snapshot& s) noexcept {
    if (!s.bounds_open) return std::nullopt;
    return std::chrono::duration<double>{s.stats.*Member}.count();
}

/// A bound; nothing where there is none.
template <auto Member, bool snapshot::*exists>
std::optional<double> bound(const snapshot& s) noexcept {
    if (!(s.*exists) || s.*Member == no_limit) return std::nullopt;
    return static_cast<double>(s.*Member);
}

inline constexpr std::string_view pool_label = "db_client_connection_pool_name";  ///< the name of the pool
inline constexpr std::string_view state_label = "db_client_connection_state";     ///< of a connection: idle or used

/// All figures. The first ones have the names of OpenTelemetry's semantic conventions for database clients, as
/// Prometheus spells them.
inline constexpr std::array figures{
    figure{"db_client_connection_count", "Open connections that are idle, or used by callers and hooks.", kind::gauge,
        &count<&stats::idle>, state_label, "idle"},
    figure{"db_client_connection_count", "", kind::gauge, &count<&stats::lent>, state_label, "used"},
    figure{"db_client_connection_idle_max", "Most idle connections that the pool keeps.", kind::gauge,
        [](const snapshot& s) -> std::optional<double> {
            if (s.max_idle == no_limit) return std::nullopt;
            return static_cast<double>(s.max_idle);
        }},
    figure{"db_client_connection_idle_min", "Idle connections that the pool keeps up, by min_idle.", kind::gauge,
        [](const snapshot& s) -> std::optional<double> {
            if (s.min_idle == 0) return std::nullopt;
            return static_cast<double>(s.min_idle);
        }},
    figure{"db_client_connection_max", "Most connections that the pool opens.", kind::gauge,
        &bound<&snapshot::max_open, &snapshot::bounds_open>},
    figure{"db_client_connection_pending_requests", "Callers that wait for a connection.", kind::gauge,
        &waiting<&stats::waiting>},
    figure{"db_client_connection_timeouts_total", "Callers that left the wait queue because their deadline passed.",
        kind::counter, &waiting<&stats::timed_out>},
    make_histogram("db_client_connection_create_time_seconds", "How long each dial took that opened a connection.",
        &counted<&histograms::dial>),
    make_histogram("db_client_connection_wait_time_seconds",
        "How long each caller that got a connection waited for it in the queue.", &counted_waiting<&histograms::wait>),
    make_histogram("db_client_connection_use_time_seconds", "How long each use of a connection lasted.",
        &counted<&histograms::use>),

    figure{"pool_hits_total", "Look-ups that found an idle connection.", kind::counter, &count<&stats::hits>},
    figure{"pool_misses_total", "Look-ups that found none.", kind::counter, &count<&stats::misses>},
    figure{"pool_skipped_blocked_total", "Blocked connections that look-ups skipped.", kind::counter,
        &count<&stats::skipped_blocked>},
    figure{"pool_dials_total", "Dials that opened a connection.", kind::counter, &count<&stats::dials>},
    figure{"pool_failed_dials_total", "Dials that failed, or returned a dead connection.", kind::counter,
        &count<&stats::failed_dials>},
    figure{"pool_outdated_dials_total", "Dials whose connection was closed, because of an invalidate meanwhile.",
        kind::counter, &count<&stats::outdated_dials>},
    figure{"pool_puts_total", "Connections that were given back or put, kept or not.", kind::counter,
        &count<&stats::puts>},
    figure{"pool_retired_total", "Connections that the pool has closed, or is about to close, by the reason.",
        kind::counter, &count<&stats::cleared>, "reason", "cleared"},
    figure{"pool_retired_total", "", kind::counter, &count<&stats::discarded>, "reason", "discarded"},
    figure{"pool_retired_total", "", kind::counter, &count<&stats::evicted>, "reason", "evicted"},
    figure{"pool_retired_total", "", kind::counter, &count<&stats::expired>, "reason", "expired"},
    figure{"pool_retired_total", "", kind::counter, &count<&stats::failed_keep_alives>, "reason", "failed_keep_alive"},
    figure{"pool_retired_total", "", kind::counter, &count<&stats::failed_resets>, "reason", "failed_reset"},
    figure{"pool_retired_total", "", kind::counter, &count<&stats::found_closed>, "reason", "found_closed"},
    figure{"pool_retired_total", "", kind::counter, &count<&stats::found_unhealthy>, "reason", "found_unhealthy"},
    figure{"pool_retired_total", "", kind::counter, &count<&stats::invalidated>, "reason", "invalidated"},
    figure{"pool_retired_total", "", kind::counter, &count<&stats::refused>, "reason", "refused"},
    figure{"pool_detached_total", "Connections that callers have kept for themselves.", kind::counter,
        &count<&stats::detached>},
    make_histogram("pool_close_time_seconds", "How long each close took.", &counted<&histograms::close>),
    figure{"pool_failed_closes_total", "Closes that threw.", kind::counter, &count<&stats::failed_closes>},
    figure{"pool_lost_events_total", "Events that the observer of the pool was not told.", kind::counter,
        &count<&stats::lost_events>},
    figure{"pool_failed_events_total", "Calls of the observer of the pool that threw.", kind::counter,
        &count<&stats::failed_events>},
    figure{"pool_kept_alive_total", "Keep-alives of idle connections that went well.", kind::counter,
        &count<&stats::kept_alive>},
    figure{"pool_checking", "Used connections that are being checked, or kept alive.", kind::gauge,
        &count<&stats::checking>},
    figure{"pool_closing", "Connections that are being closed, or about to be.", kind::gauge, &count<&stats::closing>},
    figure{"pool_keys", "Keys that have a connection, idle or used.", kind::gauge, &count<&stats::keys>},
    figure{"pool_idle_weight", "What the idle connections weigh together.", kind::gauge,
        [](const snapshot& s) { return s.bounds_weight ? count<&stats::idle_weight>(s) : std::nullopt; }},
    figure{"pool_idle_weight_max", "Most that the idle connections may weigh together.", kind::gauge,
        &bound<&snapshot::max_idle_weight, &snapshot::bounds_weight>},

    figure{"pool_dialing", "Dials that are under way.", kind::gauge, &waiting<&stats::dialing>},
    figure{"pool_waiting_max", "Most callers that may wait.", kind::gauge,
        &bound<&snapshot::max_waiting, &snapshot::bounds_open>},
    figure{"pool_cancelled_total", "Callers that left the wait queue because they were cancelled.", kind::counter,
        &waiting<&stats::cancelled>},
    figure{"pool_queue_full_total", "Callers that were refused because too many were waiting.", kind::counter,
        &waiting<&stats::queue_full>},
    figure{"pool_overtaken_total", "Connections that went past a caller who had waited longer.", kind::counter,
        &waiting<&stats::overtaken>},
    figure{"pool_wait_seconds_total", "Time that callers have waited, until they were served or gave up.",
        kind::counter, &seconds<&stats::total_wait>},
    figure{"pool_longest_wait_seconds", "The longest of these times since the pool was made.", kind::gauge,
        &seconds<&stats::longest_wait>},

    figure{"pool_collect_errors_total", "Collections of this pool that have failed, wholly or in part.", kind::counter,
        [](const snapshot& s) -> std::optional<double> { return static_cast<double>(s.errors); }},
};

/// The connections of a key, or of several whose label is the same. It is in no row of the table, because each pool has
/// labels of its own.
inline constexpr figure by_key{"pool_key_connections", "Connections of a key, by their state.", kind::gauge, nullptr};

}  // namespace pool::metrics::kernel
