// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <pool/stats.hpp>

/// @file
/// A pool over time: what a thread that looks at it every few milliseconds has seen, and how long its callers waited.

namespace fanout {

struct timeline {
    using clock = std::chrono::steady_clock;

    struct sample {
        clock::time_point when;
        pool::stats seen;
    };
    struct wait {
        clock::time_point when;  ///< the call ended then, with a connection
        clock::duration length;
    };
    struct mark {
        clock::time_point when;
        std::string what;  ///< has happened
    };

    clock::time_point begin, end;
    std::vector<sample> samples;
    std::vector<wait> waits;
    std::vector<mark> marks;
};

/// Takes samples in a thread of its own, from construction to destruction. The samples must not be read before.
class sampler {
public:
    sampler(std::vector<timeline::sample>& samples, std::function<pool::stats()> look);

private:
    std::jthread thread_;
};

/// A short part of a timeline. The first four are means over it.
struct slice {
    double at;  ///< its middle, in seconds since the begin
    double open, lent, idle, waiting;
    double dialled, retired;  ///< connections per second
    double p50, p99;          ///< of the waits, in milliseconds; not a number if there were none
};

/// All slices that have a sample. They are equally long.
std::vector<slice> slices_of(const timeline& all);

}  // namespace fanout
