// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>

#include <pool/connection_state.hpp>
#include <pool/core/describe.hpp>
#include <pool/core/duration_text.hpp>
#include <pool/retirement.hpp>

/// @file
/// The events that a pool tells its observer.

namespace pool {

/// The kind of an event. The first group happens to connections, the second to callers in the wait queue.
enum class event_kind : unsigned char {
    opened,       ///< a dial has opened a connection; `took` is how long it took
    put,          ///< a connection came in that no caller had: by `put`, or from a dial that nobody waited for
    dial_failed,  ///< a dial has failed; `took` is how long it took, and `error` its text
    lent,         ///< a caller got it; `reused` says whether it was idle before, and `took` is how long the caller waited
    given_back,   ///< the caller has given it back; `took` is how long the caller had it
    kept_alive,   ///< its keep-alive went well
    retired,      ///< it left the pool; `why` is the reason, and `took` is how long its caller had it, if one did
    closed,       ///< it was closed; `took` is how long that took, and `error` is the text if that has failed

    queued,       ///< a caller has to wait
    nudged,       ///< a waiting caller was told to look, because a connection of its key is idle
    timed_out,    ///< the deadline of a caller has passed; `took` is how long it waited
    cancelled,    ///< a caller has left; `took` is how long it waited
    turned_away,  ///< a caller was refused after `took`: too many wait, or the pool is closed, paused, or invalidated: see `error`
};

/// Its name, such as "dial failed".
constexpr std::string_view to_string(event_kind kind) noexcept {
    constexpr std::string_view names[]{"opened", "put", "dial failed", "lent", "given back", "kept alive", "retired",
        "closed", "queued", "nudged", "timed out", "cancelled", "turned away"};
    return names[static_cast<unsigned char>(kind)];
}
inline std::ostream& operator<<(std::ostream& out, event_kind kind) { return out << to_string(kind); }  ///< its name

/// The key of an event, of whatever type. It is valid during the call of the observer.
class event_key {
public:
    event_key() = default;  ///< of no event

    /// Refers to a key.
    template <class Key>
    explicit event_key(const Key& key) noexcept
        : key_{std::addressof(key)},
          type_{&type<Key>},
          text_{[](const void* of) { return core::describe(*static_cast<const Key*>(of)); }} {}

    /// As in messages of errors: see `key_traits`. Throws what that throws.
    std::string text() const { return text_ != nullptr ? text_(key_) : std::string{}; }

    /// The key itself; nullptr if it is not of this type.
    template <class Key>
    const Key* as() const noexcept {
        return type_ == &type<Key> ? static_cast<const Key*>(key_) : nullptr;
    }

private:
    /// Its address stands for the type, so that a program may be compiled without RTTI.
    template <class Key>
    static constexpr char type = 0;

    const void* key_ = nullptr;
    const char* type_ = nullptr;
    std::string (*text_)(const void*) = nullptr;
};

/// One thing that has happened. What it refers to is valid during the call of the observer: copy what you need longer.
struct event {
    event_kind kind{};                  ///< what has happened
    std::string_view pool = {};         ///< the name of the pool
    event_key key = {};                 ///< of the connection, or what the caller asked for
    std::uint64_t connection = 0;       ///< the number of the connection in its shard, so of its key; 0 if it is about none
    std::chrono::nanoseconds at{};      ///< when, on the clock of the pool, since its epoch
    std::chrono::nanoseconds took{};    ///< how long: see `event_kind`; else zero
    bool reused = false;                ///< `lent`: whether it was idle before
    retirement why{};                   ///< `retired`: the reason
    connection_state was{};             ///< `retired`: where the connection was
    std::string_view error = {};        ///< `dial_failed`, `turned_away`, and a `closed` that has failed: why, if there was memory
    bool failed = false;                ///< `closed`: whether that has failed
};

/// One line, such as: "db": connection 7 retired: idle for too long
inline std::ostream& operator<<(std::ostream& out, const event& e) {
    if (e.key.as<no_key>() == nullptr) out << e.key.text() << ": ";
    if (e.connection != 0) out << "connection " << e.connection << ' ';
    out << e.kind;
    if (e.kind == event_kind::retired) out << ": " << e.why;
    if (e.kind == event_kind::lent) out << (e.reused ? ", reused" : ", fresh");
    if (e.took != e.took.zero())
        out << (e.kind == event_kind::retired ? ", lent for " : " after ") << core::duration_text(e.took);
    if (e.failed) out << ", failed";
    if (!e.error.empty()) out << ": " << e.error;
    return out;
}

/// The same line as a string.
inline std::string to_string(const event& e) {
    return core::streamed(e);
}

/// The observer of a pool: called for each event, without the lock, by one thread at a time for each shard.
using event_observer = std::function<void(const event&)>;

}  // namespace pool
