// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <string>

#include <pool/basic_pool.hpp>
#include <pool/connection.hpp>
#include <pool/testing/tended_connection.hpp>

#include <bounded/model.hpp>
#include <support/chance.hpp>
#include <support/fake.hpp>
#include <support/requests.hpp>

/// @file
/// A caller without a thread.

namespace bounded_models {

/// A connection that is checked, and neither reset nor kept alive.
struct checked_connection : pool::testing::tended_connection {
    using tended_connection::tended_connection;
};

template <class Conn>
using pool_with = pool::basic_pool<std::string, Conn, bounds, pool::after_idle, pool::null_mutex, pool::manual_clock>;

/// A caller's request in the pool, and in the model.
template <class Conn>
struct asker final : requests::request<pool_with<Conn>> {
    asker(int its_number, bool blocked_by_dial, time_point deadline, chance* luck)
        : requests::request<pool_with<Conn>>{blocked_by_dial, deadline},
          number{its_number},
          is_blocked_by_dial{blocked_by_dial},
          refusals{blocked_by_dial ? nullptr : luck} {}

    bool notified() noexcept override {
        ++attempts;
        is_pending = refusals != nullptr && refusals->one_in(10);
        deliveries += !is_pending;
        return !is_pending;
    }
    bool is_stop_requested() const noexcept override { return is_stopped; }

    using state_type = requests::state_of<pool_with<Conn>>;

    int number;
    bool is_blocked_by_dial;
    int unhealthy = 0;        ///< connections that its caller was lent
    chance* refusals;         ///< when it has no memory to be notified; nullptr is never
    bool is_pending = false;  ///< a notification could not be delivered
    int deliveries = 0;
    int attempts = 0;      ///< to deliver one
    int old_attempts = 0;  ///< before the operation
    bool is_stopped = false;
    model_request* expected = nullptr;
    typename state_type::entry* fresh = nullptr;  ///< what it dials, until that has ended
    typename state_type::running_dial running;
};

}  // namespace bounded_models

/// Its health.
template <>
struct pool::connection_traits<bounded_models::checked_connection>
    : pool::member_connection_traits<bounded_models::checked_connection> {
    static bool healthy(bounded_models::checked_connection& c) { return c.check(); }
};
