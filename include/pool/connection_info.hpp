// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>

#include <pool/call_site.hpp>
#include <pool/connection_state.hpp>
#include <pool/core/describe.hpp>
#include <pool/core/duration_text.hpp>

/// @file
/// What `inspect` tells of a connection, and of a key.

namespace pool {

namespace core {

/// The key at the begin of a line; nothing if the pool has no keys.
template <class Key>
std::ostream& print_key(std::ostream& out, const Key& key) {
    if constexpr (!std::same_as<Key, no_key>) out << core::describe(key) << ": ";
    return out;
}

}  // namespace core

/// One connection, as far as it is known. A pool with the setting `trace_leases` knows all of it. Any other knows `age` and `uses`
/// if its expiry policy asks for them, `idle_for` if its connections have a health check, and the rest not.
template <class Key>
struct connection_info {
    Key key;                                           ///< what it was opened for
    connection_state state{};                          ///< where it is
    std::optional<std::chrono::nanoseconds> age = {};       ///< since the end of its dial, or since it was put
    std::optional<std::chrono::nanoseconds> idle_for = {};  ///< since it was given back, if it is idle
    std::optional<std::chrono::nanoseconds> lent_for = {};  ///< since a caller has got it, if one has it
    std::optional<std::uint64_t> uses = {};                 ///< how often it was used and given back
    std::optional<bool> reused = {};                        ///< whether it was idle before, if a caller has it
    std::optional<call_site> where = {};                    ///< of the call that lent it, if a caller has it
};

/// One line, such as: "db": lent for 35 s by report.cpp:120, open for 2.1 h, used 17 times
template <class Key>
std::ostream& operator<<(std::ostream& out, const connection_info<Key>& c) {
    core::print_key(out, c.key) << c.state;
    if (c.idle_for) out << " for " << core::duration_text(*c.idle_for);
    if (c.lent_for) out << " for " << core::duration_text(*c.lent_for);
    if (c.where) out << " by " << c.where->file_name() << ':' << c.where->line();
    if (c.age) out << ", open for " << core::duration_text(*c.age);
    if (c.uses) out << ", used " << *c.uses << (*c.uses == 1 ? " time" : " times");
    return out;
}

/// The connections of one key.
template <class Key>
struct key_count {
    Key key;                   ///< theirs
    std::size_t dialling = 0;  ///< how many are being opened
    std::size_t idle = 0;      ///< how many the pool has
    std::size_t lent = 0;      ///< how many callers have
    std::size_t closing = 0;   ///< how many are being closed

    std::size_t open() const noexcept { return idle + lent + closing; }  ///< how many connections there are
};

/// One line, such as: "db": 3 idle, 2 lent, 1 dialling
template <class Key>
std::ostream& operator<<(std::ostream& out, const key_count<Key>& c) {
    core::print_key(out, c.key) << c.idle << " idle, " << c.lent << " lent";
    if (c.dialling != 0) out << ", " << c.dialling << " dialling";
    if (c.closing != 0) out << ", " << c.closing << " closing";
    return out;
}

/// The callers that wait for a connection of one key.
template <class Key>
struct waiting_count {
    Key key;                             ///< what they wait for
    std::size_t callers = 0;             ///< how many
    std::chrono::nanoseconds longest{};  ///< how long the first of them has waited
};

/// One line, such as: "db": 3 wait, the first for 1.2 s
template <class Key>
std::ostream& operator<<(std::ostream& out, const waiting_count<Key>& w) {
    core::print_key(out, w.key) << w.callers << (w.callers == 1 ? " waits" : " wait, the first");
    return out << " for " << core::duration_text(w.longest);
}

/// The same line as a string.
template <class Key>
std::string to_string(const connection_info<Key>& c) {
    return core::streamed(c);
}
/// The same for a key.
template <class Key>
std::string to_string(const key_count<Key>& c) {
    return core::streamed(c);
}
/// The same for those that wait.
template <class Key>
std::string to_string(const waiting_count<Key>& w) {
    return core::streamed(w);
}

}  // namespace pool
