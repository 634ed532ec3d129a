// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <mutex>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <pool/testing/failure_plan.hpp>
#include <pool/testing/kernel/schedule.hpp>

/// @file
/// The events of a test, in order, so that the test can compare all of them.

namespace pool::testing {

/// A vector that a failed assertion prints.
template <class T>
struct sequence : std::vector<T> {
    using std::vector<T>::vector;
    sequence(std::vector<T> all) : std::vector<T>{std::move(all)} {}  ///< takes the elements

    /// Prints `{first, second}`, if `T` can be printed.
    friend std::ostream& operator<<(std::ostream& out, const sequence& all)
        requires kernel::printable<T>
    {
        out << '{';
        const char* separator = "";
        for (const T& each : all) out << std::exchange(separator, ", ") << each;
        return out << '}';
    }
};

/// Keeps events in the order in which they were added. `Event` needs `==` to be compared, and `<<` to be printed. All
/// members are thread-safe.
///
/// @code
/// CHECK(log.take() == std::vector<std::string>{"dials 1 for a", "closes 1"});
/// @endcode
template <class Event>
class basic_event_log {
public:
    basic_event_log() = default;
    basic_event_log(const basic_event_log&) = delete;
    basic_event_log& operator=(const basic_event_log&) = delete;

    /// Adds an event at the end.
    void add(Event event) {
        const disarmed unnoticed;
        const std::scoped_lock guard{mutex_};
        events_.push_back(std::move(event));
    }

    /// The events since the last `take()`. The log is empty then.
    sequence<Event> take() {
        const std::scoped_lock guard{mutex_};
        return std::exchange(events_, {});
    }

    /// A copy of the events since the last `take()`.
    sequence<Event> events() const {
        const disarmed unnoticed;
        const std::scoped_lock guard{mutex_};
        return events_;
    }

    /// How many events there are since the last `take()`.
    std::size_t size() const {
        const std::scoped_lock guard{mutex_};
        return events_.size();
    }

    /// Prints the events since the last `take()`.
    friend std::ostream& operator<<(std::ostream& out, const basic_event_log& log)
        requires kernel::printable<Event>
    {
        return out << log.events();
    }

private:
    mutable std::mutex mutex_;  ///< guards `events_`
    sequence<Event> events_;
};

/// A log of lines of text.
using event_log = basic_event_log<std::string>;

}  // namespace pool::testing
