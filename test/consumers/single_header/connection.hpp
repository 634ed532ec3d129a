// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "pool.hpp"

struct connection {
    void close() { closed_ = true; }
    bool closed() const noexcept { return closed_; }
    bool unblocked() const noexcept { return true; }

    bool closed_ = false;
};
