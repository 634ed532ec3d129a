// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "options.hpp"
#include "workload.hpp"

/// @file
/// One pass over the workload. Client threads send its requests, and the time and the outcome of each are noted.

namespace fanout {

/// The work comes in this many bursts, with a rest between two. The rests are not part of the elapsed time. A short
/// rest is long enough for some servers to close idle connections. Every second rest is twice as long, so that the
/// pool's connections expire, too.
inline constexpr std::uint64_t bursts = 10;
inline constexpr std::chrono::milliseconds short_rest{60};

enum class outcome : std::size_t { answered, cancelled, wrong, failed };

/// Counters that all client threads of a phase share.
struct tally {
    std::atomic<std::uint64_t> started{0};
    std::atomic<std::uint64_t> dialled{0};
    std::atomic<std::uint64_t> failed_dials{0};
    std::atomic<std::uint64_t> retried{0};
    std::stop_source give_up{};  ///< requested after `hopeless` failed dials
};

struct phase_result {
    std::array<std::uint64_t, 4> outcomes{};
    std::uint64_t requests = 0;  ///< fewer than asked for if the phase gave up
    std::uint64_t dialled = 0, failed_dials = 0, retried = 0;
    std::string first_error;
    std::chrono::duration<double> elapsed{0};
    std::chrono::duration<double, std::micro> p50{0}, p99{0}, p999{0};  ///< of the answered requests

    std::uint64_t count(outcome kind) const { return outcomes[static_cast<std::size_t>(kind)]; }
    bool succeeded() const { return count(outcome::wrong) + count(outcome::failed) == 0; }
};

/// Calls `send` once for each request, from many threads. A request for which it throws has failed.
phase_result run_phase(std::string_view title, const options& chosen, const workload& work, tally& counts,
    const std::function<outcome(const request&)>& send);

}  // namespace fanout
