// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

/// @file
/// Runs gnuplot.

namespace fanout {

/// Runs gnuplot, which writes its errors to a file in `directory`. Throws `std::runtime_error` if there is no gnuplot,
/// or if it fails. The message has the first line of its errors.
void run_gnuplot(const std::vector<std::string>& arguments, const std::filesystem::path& directory);

}  // namespace fanout
