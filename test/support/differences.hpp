// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sstream>
#include <string>
#include <utility>

#include <pool/stats.hpp>

#include <support/ids.hpp>

/// @file
/// How what a pool shows differs from what a model expects, in words.

namespace differences {

/// Names the figures that differ: "idle is 2, not 1".
class listing {
public:
    void add(const char* name, const auto& seen, const auto& expected) {
        if (seen == expected) return;
        text_ << std::exchange(separator_, ", ") << name << " is " << seen << ", not " << expected;
    }
    std::string text() const { return text_.str(); }

private:
    std::ostringstream text_;
    const char* separator_ = "";
};

inline std::string of(const pool::stats& seen, const pool::stats& expected) {
    listing all;
    all.add("hits", seen.hits, expected.hits);
    all.add("misses", seen.misses, expected.misses);
    all.add("dials", seen.dials, expected.dials);
    all.add("failed_dials", seen.failed_dials, expected.failed_dials);
    all.add("skipped_blocked", seen.skipped_blocked, expected.skipped_blocked);
    all.add("puts", seen.puts, expected.puts);
    all.add("refused", seen.refused, expected.refused);
    all.add("evicted", seen.evicted, expected.evicted);
    all.add("expired", seen.expired, expected.expired);
    all.add("cleared", seen.cleared, expected.cleared);
    all.add("found_closed", seen.found_closed, expected.found_closed);
    all.add("found_unhealthy", seen.found_unhealthy, expected.found_unhealthy);
    all.add("failed_keep_alives", seen.failed_keep_alives, expected.failed_keep_alives);
    all.add("kept_alive", seen.kept_alive, expected.kept_alive);
    all.add("discarded", seen.discarded, expected.discarded);
    all.add("detached", seen.detached, expected.detached);
    all.add("failed_resets", seen.failed_resets, expected.failed_resets);
    all.add("failed_closes", seen.failed_closes, expected.failed_closes);
    all.add("lost_events", seen.lost_events, expected.lost_events);
    all.add("failed_events", seen.failed_events, expected.failed_events);
    all.add("idle", seen.idle, expected.idle);
    all.add("lent", seen.lent, expected.lent);
    all.add("checking", seen.checking, expected.checking);
    all.add("closing", seen.closing, expected.closing);
    all.add("keys", seen.keys, expected.keys);
    all.add("idle_weight", seen.idle_weight, expected.idle_weight);
    all.add("dialing", seen.dialing, expected.dialing);
    all.add("waiting", seen.waiting, expected.waiting);
    all.add("overtaken", seen.overtaken, expected.overtaken);
    all.add("timed_out", seen.timed_out, expected.timed_out);
    all.add("cancelled", seen.cancelled, expected.cancelled);
    all.add("queue_full", seen.queue_full, expected.queue_full);
    all.add("total_wait", seen.total_wait.count(), expected.total_wait.count());
    all.add("longest_wait", seen.longest_wait.count(), expected.longest_wait.count());
    return all.text();
}

inline std::string of(const pool::key_stats& seen, const pool::key_stats& expected) {
    listing all;
    all.add("idle", seen.idle, expected.idle);
    all.add("lent", seen.lent, expected.lent);
    all.add("dialing", seen.dialing, expected.dialing);
    all.add("waiting", seen.waiting, expected.waiting);
    return all.text();
}

inline std::string of(const fake::ids& seen, const fake::ids& expected) {
    listing all;
    all.add("it", seen, expected);
    return all.text();
}

}  // namespace differences
