// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>

/// @file
/// Runs something in a child process, which may end in any way: by an assertion, a fake connection that was misused, or
/// a report of a sanitizer.

/// How a child process has ended.
struct child_end {
    enum class kind {
        well,   ///< by itself
        badly,  ///< by a signal, or with a report
        late,   ///< it took too long
    };
    kind how = kind::well;
    std::string said;  ///< on its standard output and its standard error
};

/// Calls `act()` in a child process. This process must have no other threads.
child_end in_child(const std::function<void()>& act);

/// From now on this child process has so much time. Then it is killed, unless this was called again.
void child_has(std::chrono::seconds time);

/// Memory that a child process shares with this one. It is zero at first.
class shared_memory {
public:
    explicit shared_memory(std::size_t bytes);
    shared_memory(const shared_memory&) = delete;
    shared_memory& operator=(const shared_memory&) = delete;
    ~shared_memory();

    void* data() const { return data_; }

private:
    void* data_;
    std::size_t bytes_;
};
