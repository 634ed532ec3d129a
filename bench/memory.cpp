// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <mutex>

#include <fmt/format.h>

#include <memory.hpp>
#include <table.hpp>

/// @file
/// W8, the memory of an idle entry, measured with a million entries of a hundred thousand keys.

namespace {

template <class Pool>
double bytes_per_entry() {
    constexpr std::size_t keys = 100'000;
    return bench::bytes_per_entry([] { return bench::make<Pool>({}); }, keys);
}

template <class ExpiryPolicy>
void print_row(const char* row) {
    using clock = std::chrono::steady_clock;
    using ours = bench::our_pool<ExpiryPolicy, std::mutex, clock>;
    using hand_written = baselines::hand_written<bench::connection, ExpiryPolicy, std::mutex, clock>;
    using naive = baselines::naive<bench::connection, ExpiryPolicy, std::mutex, clock>;
    fmt::print("| {} | {:.0f} | {:.0f} | {:.0f} |\n", row, bytes_per_entry<ours>(), bytes_per_entry<hand_written>(),
        bytes_per_entry<naive>());
}

}  // namespace

int main() {
    fmt::print("\n| W8: bytes per idle entry | pool | H | N |\n|---|---|---|---|\n");
    print_row<pool::never>("never");
    print_row<pool::after_idle>("after_idle");
}
