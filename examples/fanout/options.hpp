// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

/// @file
/// The command line.

namespace fanout {

struct options {
    std::size_t servers = 8;
    std::uint64_t requests = 200'000;
    std::size_t threads = 8;
    double keys_skew = 1;
    double cancel = 0.02;
    int capacity = 32;
    int key_capacity = 8;
    std::chrono::nanoseconds expiration = std::chrono::milliseconds{100};
    std::uint64_t seed = 1;
    std::vector<std::string> connect;
    bool serve = false;
    bool json = false;
    std::string plot;  ///< the file of the picture; empty for none
    std::chrono::nanoseconds plot_time = std::chrono::seconds{6};
};

/// The options, or the exit code when there is nothing left to do: 0 after --help, 2 after a bad value.
std::variant<options, int> parse_options(int argc, const char* const* argv);

/// Splits "host:port" or "[host]:port" into host and port. Throws `std::invalid_argument`.
std::pair<std::string, std::string> split_address(const std::string& text);

}  // namespace fanout
