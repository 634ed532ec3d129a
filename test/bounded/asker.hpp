// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <string>

#include <pool/basic_pool.hpp>

#include <bounded/model.hpp>
#include <support/chance.hpp>
#include <support/fake.hpp>
#include <support/requests.hpp>

/// @file
/// A caller without a thread.

namespace bounded_models {

using pool_type =
    pool::basic_pool<std::string, fake::connection, bounds, pool::after_idle, pool::null_mutex, pool::manual_clock>;
using state_type = requests::state_of<pool_type>;
using entry_type = state_type::entry;

/// A caller's request in the pool, and in the model.
struct asker final : requests::request<pool_type> {
    asker(int its_number, bool blocked_by_dial, time_point deadline, chance* luck)
        : request{blocked_by_dial, deadline},
          number{its_number},
          refusals{blocked_by_dial ? nullptr : luck} {}

    bool notified() noexcept override {
        ++attempts;
        is_pending = refusals != nullptr && refusals->one_in(10);
        deliveries += !is_pending;
        return !is_pending;
    }
    bool is_stop_requested() const noexcept override { return is_stopped; }

    int number;
    chance* refusals;         ///< when it has no memory to be notified; nullptr is never
    bool is_pending = false;  ///< a notification could not be delivered
    int deliveries = 0;
    int attempts = 0;      ///< to deliver one
    int old_attempts = 0;  ///< before the operation
    bool is_stopped = false;
    model_request* expected = nullptr;
};

}  // namespace bounded_models
