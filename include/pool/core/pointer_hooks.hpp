// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <utility>

#include <pool/hook_done.hpp>

/// @file
/// The hooks of a smart pointer to a connection.

namespace pool::core {

/// The hooks that `Traits`, the traits of what a pointer points to, have. They are not called with a null pointer, which
/// is dead.
template <class Pointer, class Traits>
struct pointer_hooks {
    /// Calls `healthy` of the pointee.
    static bool healthy(Pointer& p)
        requires requires {
            { Traits::healthy(*p) } -> std::same_as<bool>;
        }
    {
        return Traits::healthy(*p);
    }

    /// Calls `reset` of the pointee.
    static void reset(Pointer& p)
        requires requires {
            { Traits::reset(*p) } -> std::same_as<void>;
        }
    {
        Traits::reset(*p);
    }

    /// Calls `keep_alive` of the pointee.
    static void keep_alive(Pointer& p)
        requires requires {
            { Traits::keep_alive(*p) } -> std::same_as<void>;
        }
    {
        Traits::keep_alive(*p);
    }

    /// Calls `async_healthy` of the pointee.
    static void async_healthy(Pointer& p, hook_done done)
        requires requires {
            { Traits::async_healthy(*p, std::move(done)) } -> std::same_as<void>;
        }
    {
        Traits::async_healthy(*p, std::move(done));
    }

    /// Calls `async_reset` of the pointee.
    static void async_reset(Pointer& p, hook_done done)
        requires requires {
            { Traits::async_reset(*p, std::move(done)) } -> std::same_as<void>;
        }
    {
        Traits::async_reset(*p, std::move(done));
    }

    /// Calls `async_keep_alive` of the pointee.
    static void async_keep_alive(Pointer& p, hook_done done)
        requires requires {
            { Traits::async_keep_alive(*p, std::move(done)) } -> std::same_as<void>;
        }
    {
        Traits::async_keep_alive(*p, std::move(done));
    }
};

}  // namespace pool::core
