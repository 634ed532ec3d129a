// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstdint>
#include <ostream>
#include <string>
#include <utility>

#include <pool/core/describe.hpp>
#include <pool/core/duration_text.hpp>
#include <pool/histogram.hpp>
#include <pool/stats.hpp>

/// @file
/// The figures of a pool as text.

namespace pool {

namespace core {

/// Prints figures with their names, in one line. Leaves out those that are zero.
class figure_line {
public:
    explicit figure_line(std::ostream& out) : out_{out} {}  ///< to this stream

    /// A number.
    figure_line& add(const char* name, std::uint64_t value) {
        if (value != 0) begin() << name << ' ' << value;
        return *this;
    }
    /// A time.
    figure_line& add(const char* name, std::chrono::nanoseconds value) {
        if (value != value.zero()) begin() << name << ' ' << core::duration_text(value);
        return *this;
    }
    /// The end of the line. Says so if all were zero.
    void end() {
        if (!has_begun_) out_ << "nothing";
    }

private:
    std::ostream& begin() {
        if (std::exchange(has_begun_, true)) out_ << ", ";
        return out_;
    }

    std::ostream& out_;
    bool has_begun_ = false;
};

}  // namespace core

/// One line: what the pool holds, then what it has done. Figures that are zero are left out.
inline std::ostream& operator<<(std::ostream& out, const stats& s) {
    core::figure_line line{out};
    line.add("idle", s.idle).add("lent", s.lent).add("checking", s.checking).add("dialing", s.dialing);
    line.add("closing", s.closing).add("waiting", s.waiting).add("keys", s.keys).add("idle weight", s.idle_weight);
    line.add("hits", s.hits).add("misses", s.misses).add("dials", s.dials).add("failed dials", s.failed_dials);
    line.add("outdated dials", s.outdated_dials).add("skipped blocked", s.skipped_blocked).add("puts", s.puts);
    line.add("refused", s.refused).add("evicted", s.evicted).add("expired", s.expired).add("cleared", s.cleared);
    line.add("invalidated", s.invalidated).add("found closed", s.found_closed).add("found unhealthy", s.found_unhealthy);
    line.add("failed keep-alives", s.failed_keep_alives).add("kept alive", s.kept_alive).add("discarded", s.discarded);
    line.add("detached", s.detached).add("failed resets", s.failed_resets).add("failed closes", s.failed_closes);
    line.add("lost events", s.lost_events).add("failed events", s.failed_events);
    line.add("overtaken", s.overtaken).add("timed out", s.timed_out).add("cancelled", s.cancelled);
    line.add("queue full", s.queue_full).add("total wait", s.total_wait).add("longest wait", s.longest_wait);
    line.end();
    return out;
}

/// One line: what the pool holds for the key. Figures that are zero are left out.
inline std::ostream& operator<<(std::ostream& out, const key_stats& s) {
    core::figure_line line{out};
    line.add("idle", s.idle).add("lent", s.lent).add("dialing", s.dialing).add("waiting", s.waiting);
    line.end();
    return out;
}

/// One line: how many durations were counted, their mean, and the quantiles 50, 90, 99 and 99.9 %.
inline std::ostream& operator<<(std::ostream& out, const histogram& times) {
    if (times.count() == 0) return out << "none";
    out << times.count() << ", mean " << core::duration_text(times.mean());
    const char* separator = ", 50/90/99/99.9 % within ";
    for (const double share : {0.5, 0.9, 0.99, 0.999}) {
        out << separator << core::duration_text(times.quantile(share));
        separator = " / ";
    }
    return out;
}

/// The same line as a string.
inline std::string to_string(const stats& s) {
    return core::streamed(s);
}
/// The same for durations.
inline std::string to_string(const histogram& times) { return core::streamed(times); }
/// The same for a key.
inline std::string to_string(const key_stats& s) {
    return core::streamed(s);
}

}  // namespace pool
