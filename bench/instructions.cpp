// SPDX-License-Identifier: BSL-1.0
#include <cstddef>
#include <cstdint>
#include <string>

#include <fmt/format.h>
#include <valgrind/callgrind.h>

#include <support/allocations.hpp>
#include <table.hpp>

/// @file
/// Costs of an operation that a clock does not show. Run by callgrind, this program writes a dump for each row, which
/// counts the instructions of 1,000 operations. It prints the allocations of one operation.

namespace {

struct counted {
    static constexpr int operations = 1'000;

    template <class Workload>
    void operator()(const std::string& name, std::size_t n) const {
        Workload work{n};
        for (int i = 0; i < operations; ++i) work();  // warms up: some work is only done the first time

        const allocations::counter made;
        CALLGRIND_START_INSTRUMENTATION;
        CALLGRIND_ZERO_STATS;
        for (int i = 0; i < operations; ++i) work();
        CALLGRIND_DUMP_STATS_AT(name.c_str());
        CALLGRIND_STOP_INSTRUMENTATION;
        fmt::print("{}\t{}\n", name, static_cast<double>(made.count()) / operations);
    }
};

}  // namespace

int main() {
    counted count;
    bench::each_row(count);
}
