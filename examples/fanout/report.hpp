// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <optional>
#include <string_view>

#include <pool/stats.hpp>

#include "options.hpp"
#include "outage.hpp"
#include "phase.hpp"

/// @file
/// The output at the end.

namespace fanout {

/// Prints the table, or the JSON object, to standard output. The last part is there with --plot.
void print_report(const options& chosen, const phase_result& unpooled, const phase_result& pooled,
    const pool::stats& stats, const std::optional<outage_result>& outage);

/// Prints to standard error what went wrong in a phase. Prints nothing if nothing did.
void print_failures(std::string_view title, const options& chosen, const phase_result& result);

/// The same for the load of --plot. Failures while a server was away are not wrong.
void print_failures(const outage_result& result);

}  // namespace fanout
