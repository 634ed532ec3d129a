// SPDX-License-Identifier: BSL-1.0
#include <cstddef>
#include <cstdint>
#include <string>

#include <fmt/format.h>
#include <valgrind/callgrind.h>

#include <support/allocations.hpp>
#include <table.hpp>

/// @file
/// What an operation costs that no clock shows: run by callgrind, it leaves a dump of the instructions of 1,000 operations
/// for each row, and prints the allocations of one.

namespace {

struct counted {
    static constexpr int operations = 1'000;

    template <class Workload>
    void operator()(const std::string& name, std::size_t n) const {
        Workload work{n};
        for (int i = 0; i < operations; ++i) work();  // what is only done at first

        const std::uint64_t before = allocations::count();
        CALLGRIND_START_INSTRUMENTATION;
        CALLGRIND_ZERO_STATS;
        for (int i = 0; i < operations; ++i) work();
        CALLGRIND_DUMP_STATS_AT(name.c_str());
        CALLGRIND_STOP_INSTRUMENTATION;
        fmt::print("{}\t{}\n", name, static_cast<double>(allocations::count() - before) / operations);
    }
};

}  // namespace

int main() {
    counted count;
    bench::each_row(count);
}
