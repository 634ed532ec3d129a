// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <filesystem>
#include <string>

#include "timeline.hpp"

/// @file
/// The picture of a timeline. gnuplot draws it, as pool_over_time.gp says.

namespace fanout {

/// Throws `std::runtime_error` if there is no gnuplot, or if the file cannot be written. So one hears of it before the
/// load has run. A file that exists stays as it is.
void check_plot(const std::filesystem::path& file);

/// Writes the picture, an SVG. Throws `std::runtime_error` if gnuplot fails, or if the file cannot be written.
void plot(const timeline& all, const std::string& title, const std::filesystem::path& file);

}  // namespace fanout
