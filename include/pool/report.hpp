// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/core/platform.hpp>  // first: what it says of the compiler comes before what range-v3 says

#include <chrono>
#include <cstddef>
#include <ostream>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include <range/v3/range/primitives.hpp>
#include <range/v3/view/take.hpp>

#include <pool/core/describe.hpp>
#include <pool/core/pool_states.hpp>
#include <pool/histogram.hpp>
#include <pool/inspect.hpp>
#include <pool/policies/capacity.hpp>
#include <pool/print.hpp>
#include <pool/savings.hpp>

/// @file
/// A pool on one screen, for the person who operates it.
///
/// Include it yourself: `pool.hpp` does not, because it needs range-v3.

namespace pool {

/// How much a report has.
struct report_options {
    std::size_t keys = 5;    ///< of the busiest keys, and of those for which callers wait, at most so many
    std::size_t leases = 5;  ///< of the connections that are lent for too long, at most so many
    std::chrono::nanoseconds lent_for = std::chrono::seconds{30};  ///< what is too long
};

namespace core {

/// The bounds of a pool, added up over its shards.
class bounds_text {
public:
    /// Adds those of a state.
    template <class CapacityPolicy>
    void add(const CapacityPolicy& policy) noexcept {
        add(idle_, policy.max_idle());
        if constexpr (declares_open_bounds<CapacityPolicy>) {
            add(open_, policy.max_open());
            add(waiting_, policy.max_waiting());
        } else {
            open_ = waiting_ = no_limit;
        }
    }

    /// Prints those that there are.
    friend std::ostream& operator<<(std::ostream& out, const bounds_text& all) {
        const char* separator = " at most ";
        const auto print = [&](std::size_t bound, const char* what) {
            if (bound == no_limit) return;
            out << separator << bound << what;
            separator = ", ";
        };
        print(all.open_, " open");
        print(all.idle_, " idle");
        print(all.waiting_, " waiting");
        if (separator != std::string_view{", "}) out << " no bounds";
        return out;
    }

private:
    static void add(std::size_t& to, std::size_t bound) noexcept { to = core::sum_of_bounds(to, bound); }

    std::size_t open_ = 0;
    std::size_t idle_ = 0;
    std::size_t waiting_ = 0;
};

/// Prints the first elements of a range, each in a line, the first one behind `title`. Says how many are left out.
template <class Range>
void print_some(std::ostream& out, std::string_view title, const Range& all, std::size_t most) {
    const auto count = static_cast<std::size_t>(ranges::distance(all));
    std::string begin{title};
    for (const auto& each : all | ranges::views::take(static_cast<std::ptrdiff_t>(most))) {
        out << begin << each << '\n';
        begin.assign(title.size(), ' ');
    }
    if (count > most) out << begin << "and " << count - most << " more\n";
}

/// Prints how long things took, a line for each kind of which there was one.
inline void print_times(std::ostream& out, const histograms& times) {
    const auto print = [&out](const char* title, const histogram& all) {
        if (all.count() != 0) out << title << all << '\n';
    };
    print("waits: ", times.wait);
    print("uses: ", times.use);
    print("dials: ", times.dial);
    print("closes: ", times.close);
}

}  // namespace core

/// Prints the bounds of a pool, its figures, how long things took, what higher bounds would have saved, its busiest keys, who
/// waits and for how long, and which connections are lent for too long. The settings `histograms`, `ghosts` and
/// `trace_leases` have it know the times, the savings, and since when connections are lent. Each part is of a moment of its
/// own. Parts that are empty are left out. Thread-safe. O(n log n). Throws `std::bad_alloc`, and what Key's copy and `out`
/// throw.
template <class Pool>
void report(const Pool& conns, std::ostream& out, const report_options& options = {}) {
    core::bounds_text bounds;
    core::pool_access::for_each_state(
        conns, [&](auto& state) { state.ask_capacity([&](const auto& policy) { bounds.add(policy); }); });
    out << "pool \"" << conns.name() << "\":" << bounds << '\n' << "figures: " << conns.stats() << '\n';
    if (const auto times = conns.histograms()) core::print_times(out, *times);
    const pool::savings saved = conns.savings();
    if (saved.best() != nullptr || saved.best(true) != nullptr) out << "savings: " << saved << '\n';
    const auto all = pool::inspect(conns);
    core::print_some(out, "busiest: ", all | views::by_key, options.keys);
    core::print_some(out, "waiting: ", pool::waiting(conns), options.keys);
    core::print_some(out, "lent for too long: ", all | views::lent_longer_than(options.lent_for) | views::longest_lent_first,
        options.leases);
}

/// The same as a string.
template <class Pool>
std::string report(const Pool& conns, const report_options& options = {}) {
    std::ostringstream out;
    pool::report(conns, out, options);
    return std::move(out).str();
}

}  // namespace pool
