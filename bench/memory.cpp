// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <mutex>
#include <new>
#include <string>

#include <malloc.h>

#include <fmt/format.h>

#include <table.hpp>

/// @file
/// W8, the memory of an idle entry, measured with a million entries of a hundred thousand keys. It counts the bytes
/// that malloc has handed out, and the eight bytes that malloc itself needs for each block.

namespace {

std::size_t in_use = 0;

constexpr std::size_t keys = 100'000;
constexpr std::size_t per_key = 10;

template <class Pool>
double bytes_per_entry() {
    const auto names = bench::keys(keys);
    const std::size_t before = in_use;
    auto conns = bench::make<Pool>({});
    for (std::size_t i = 0; i < per_key; ++i) {
        for (const std::string& each : names) conns.put(each, bench::connection{1});
    }
    return static_cast<double>(in_use - before) / (keys * per_key);
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

// They are not inlined: otherwise g++ 12 warns that new and delete do not match.
[[gnu::noinline]] void* operator new(std::size_t size) {
    void* got = std::malloc(size);
    if (got == nullptr) throw std::bad_alloc{};
    in_use += malloc_usable_size(got) + 8;
    return got;
}
[[gnu::noinline]] void operator delete(void* p) noexcept {
    if (p != nullptr) in_use -= malloc_usable_size(p) + 8;
    std::free(p);
}
void operator delete(void* p, std::size_t) noexcept { operator delete(p); }

int main() {
    fmt::print("\n| W8: bytes per idle entry | pool | H | N |\n|---|---|---|---|\n");
    print_row<pool::never>("never");
    print_row<pool::after_idle>("after_idle");
}
