// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/testing/actions.hpp>
#include <pool/testing/async_tended_connection.hpp>
#include <pool/testing/event_log.hpp>
#include <pool/testing/explore.hpp>
#include <pool/testing/failure_plan.hpp>
#include <pool/testing/failure_point.hpp>
#include <pool/testing/failures.hpp>
#include <pool/testing/fake_connection.hpp>
#include <pool/testing/fake_dialer.hpp>
#include <pool/testing/fallible.hpp>
#include <pool/testing/gate.hpp>
#include <pool/testing/held_locks.hpp>
#include <pool/testing/probe_lock.hpp>
#include <pool/testing/scheduled_clock.hpp>
#include <pool/testing/scheduled_lock.hpp>
#include <pool/testing/scheduled_stop_callback.hpp>
#include <pool/testing/tended_connection.hpp>

/// @file
/// The include for tests: explorations, fakes and failures.
