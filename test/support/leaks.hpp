// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// Memory that is lost on purpose.

#if defined(__unix__)
extern "C" {
[[gnu::weak]] void __lsan_disable();
[[gnu::weak]] void __lsan_enable();
}
#endif

/// What this thread allocates while one exists may leak: `abandon` of a pool destroys nothing.
class leaks_on_purpose {
public:
    leaks_on_purpose() {
#if defined(__unix__)
        if (__lsan_disable != nullptr) __lsan_disable();
#endif
    }
    leaks_on_purpose(const leaks_on_purpose&) = delete;
    leaks_on_purpose& operator=(const leaks_on_purpose&) = delete;
    ~leaks_on_purpose() {
#if defined(__unix__)
        if (__lsan_enable != nullptr) __lsan_enable();
#endif
    }
};
