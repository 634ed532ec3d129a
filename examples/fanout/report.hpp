// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <string_view>

#include <pool/stats.hpp>

#include "options.hpp"
#include "phase.hpp"

/// @file
/// The output at the end.

namespace fanout {

/// Prints the table, or the JSON object, to standard output.
void print_report(
    const options& chosen, const phase_result& unpooled, const phase_result& pooled, const pool::stats& stats);

/// Prints to standard error what went wrong in a phase. Prints nothing if nothing did.
void print_failures(std::string_view title, const options& chosen, const phase_result& result);

}  // namespace fanout
