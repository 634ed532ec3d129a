// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <string_view>

#include <pool/stats.hpp>

#include "options.hpp"
#include "phase.hpp"

/// @file
/// What is printed at the end.

namespace fanout {

/// To standard output: the table, or the JSON object.
void print_report(
    const options& chosen, const phase_result& unpooled, const phase_result& pooled, const pool::stats& stats);

/// To standard error: what went wrong in a phase, if anything did.
void print_failures(std::string_view title, const options& chosen, const phase_result& result);

}  // namespace fanout
