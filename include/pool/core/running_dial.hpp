// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <stop_token>

#include <boost/intrusive/list.hpp>

#include <pool/core/platform.hpp>

/// @file
/// A dial that can be told to stop.

namespace pool::core {

/// A dial that gets a context, from its begin to its end. Do not move or destroy it meanwhile.
template <class Entry>
struct running_dial : boost::intrusive::list_base_hook<> {
    Entry* fresh = nullptr;                   ///< what it opens
    std::stop_source stop{std::nostopstate};  ///< of its context
    bool is_interrupted = false;              ///< an `invalidate` has told it to stop
    bool is_unneeded = false;                 ///< its caller has left
};

}  // namespace pool::core
