// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <memory>

#include <boost/version.hpp>

#include <pool/core/platform.hpp>

// Depends on the program's Boost: cancellation slots exist since Boost 1.77.
#if BOOST_VERSION >= 107700
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/cancellation_type.hpp>
#endif

/// @file
/// The cancellation slot of a handler.

namespace pool::core {

#if BOOST_VERSION >= 107700
/// From now on, a cancel of the handler is one of the operation, as long as that exists. It is not thread-safe, as no use
/// of a cancellation slot is: cancel on the handler's executor.
template <class Handler, class Operation>
void cancel_by_slot(const Handler& handler, std::weak_ptr<Operation> operation) {
    auto slot = boost::asio::get_associated_cancellation_slot(handler);
    if (!slot.is_connected()) return;
    slot.assign([operation](boost::asio::cancellation_type type) {
        if (type == boost::asio::cancellation_type::none) return;
        if (const auto alive = operation.lock()) alive->cancelled();
    });
}

/// Ends that.
template <class Handler>
void clear_slot(const Handler& handler) noexcept {
    boost::asio::get_associated_cancellation_slot(handler).clear();
}
#else
/// There are no slots.
template <class Handler, class Operation>
void cancel_by_slot(const Handler&, const std::weak_ptr<Operation>&) noexcept {}

/// There are no slots.
template <class Handler>
void clear_slot(const Handler&) noexcept {}
#endif

}  // namespace pool::core
