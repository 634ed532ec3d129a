// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <utility>

#include <pool/call_site.hpp>

/// @file
/// The notes that a pool takes of its connections if it traces its leases.

namespace pool::core {

/// The notes of one connection, besides its entry. Times are those of the pool's clock, since its epoch.
struct trace {
    using time = std::optional<std::chrono::nanoseconds>;  ///< none before it has happened

    time opened;             ///< when its dial ended, or it was put
    time idle_since;         ///< while it is idle, or was not used since
    time lent_since;         ///< while a caller has it
    std::uint64_t uses = 0;  ///< how often a caller has given it back
    bool reused = false;     ///< whether it was idle before it was lent
    call_site where{};       ///< of the call that lent it
};

/// The traces of all entries of a store, by their addresses. A store has it only if the pool traces. Not thread-safe.
class traces {
public:
    using clock = std::function<std::chrono::nanoseconds()>;  ///< says the time

    explicit traces(clock now) : now_{std::move(now)} {}  ///< of no entry

    /// An entry is made. Strong guarantee.
    void begin(const void* entry) { all_.try_emplace(entry); }

    /// Its connection is open.
    void opened(const void* entry) noexcept {
        if (trace* const its = find(entry)) its->opened = now_();
    }

    /// A caller gets its connection.
    void lent(const void* entry, bool reused, const call_site& where) noexcept {
        trace* const its = find(entry);
        if (its == nullptr) return;
        its->idle_since.reset();
        its->lent_since = now_();
        its->reused = reused;
        its->where = where;
    }

    /// The caller has given it back.
    void returned(const void* entry) noexcept {
        trace* const its = find(entry);
        if (its == nullptr || !its->lent_since) return;
        ++its->uses;
        its->lent_since.reset();
    }

    /// Its connection is idle. If it is unused, it is as old as when it was idle before.
    void idle(const void* entry, bool is_unused) noexcept {
        returned(entry);
        trace* const its = find(entry);
        if (its != nullptr && !(is_unused && its->idle_since)) its->idle_since = now_();
    }

    /// Makes room for so many entries.
    void reserve(std::size_t count) { all_.reserve(count); }

    /// There is no such entry any more.
    void end(const void* entry) noexcept { all_.erase(entry); }

    /// The trace of an entry; an empty one if there is none.
    const trace& of(const void* entry) const noexcept {
        static const trace nothing;
        const auto found = all_.find(entry);
        return found != all_.end() ? found->second : nothing;
    }

private:
    trace* find(const void* entry) noexcept {
        const auto found = all_.find(entry);
        return found != all_.end() ? &found->second : nullptr;
    }

    clock now_;
    std::unordered_map<const void*, trace> all_;
};

/// The traces of a store, if it has any: no function costs more than a branch without them.
struct traced_by {
    traces* to = nullptr;

    /// An entry is made. If there is no memory, calls `undo()`.
    template <class Undo>
    void begin(const void* entry, const Undo& undo) const {
        if (to == nullptr) [[likely]]
            return;
        try {
            to->begin(entry);
        } catch (...) {
            undo();
            throw;
        }
    }
    void opened(const void* entry) const noexcept {
        if (to != nullptr) [[unlikely]]
            to->opened(entry);
    }
    void idle(const void* entry, bool is_unused) const noexcept {
        if (to != nullptr) [[unlikely]]
            to->idle(entry, is_unused);
    }
    void end(const void* entry) const noexcept {
        if (to != nullptr) [[unlikely]]
            to->end(entry);
    }
};

}  // namespace pool::core
