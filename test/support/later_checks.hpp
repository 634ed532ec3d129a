// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <utility>

#include <pool/asio.hpp>

#include <support/asking_fixture.hpp>
#include <support/later_hooks.hpp>

/// @file
/// Asynchronous callers of pools whose hooks are asynchronous. The test turns the event loop, and ends the checks.

namespace later {

template <class Pool>
struct check_fixture : asking_fixture<later_fixture, Pool> {
    /// The checks of all connections end when the test says so.
    template <class... Args>
    explicit check_fixture(Args&&... args) : asking_fixture<later_fixture, Pool>{std::forward<Args>(args)...} {
        this->dials.prepare([this](far_end& far) { far.on_async_check = this->begun.later(); });
    }

    /// The oldest check ends.
    void answer(bool is_healthy) {
        this->begun.take()(is_healthy);
        this->run();
    }
};

}  // namespace later
