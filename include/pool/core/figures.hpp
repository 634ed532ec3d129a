// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include <pool/connection_state.hpp>
#include <pool/core/close_end.hpp>
#include <pool/core/figure_of.hpp>
#include <pool/core/ghost_rules.hpp>
#include <pool/core/notes.hpp>
#include <pool/core/what.hpp>
#include <pool/retirement.hpp>
#include <pool/stats.hpp>

/// @file
/// The figures of a store, and its notes.

namespace pool::core {

/// Counts what happens to the entries of a store, and takes notes of it, if that is asked for. Both are done in one
/// place, so the figures are the sums of the events. Without notes, no function costs more than a branch for them.
template <class Entry>
class figures {
public:
    using notes_type = core::notes<Entry>;  ///< the notes that are taken

    figures(const figures&) = delete;
    figures& operator=(const figures&) = delete;

    notes_type* notes() const noexcept { return notes_; }         ///< nullptr if none are taken
    const pool::stats& stats() const noexcept { return stats_; }  ///< of all keys

    void count_lookup_in_vain() noexcept { ++stats_.misses; }  ///< a look-up ended without a connection of the store

    /// A dial has opened a connection.
    void count_dial(const Entry& fresh) noexcept {
        ++stats_.dials;
        if (notes_ != nullptr) [[unlikely]]
            notes_->dialled(fresh);
    }

    /// A look-up has found nothing, or its caller takes nothing that is idle, and begins to dial.
    void count_missed(const Entry& fresh, bool wants_fresh) const noexcept {
        if (notes_ != nullptr) [[unlikely]]
            notes_->missed(fresh, wants_fresh);
    }

    /// A caller gets an entry that was dialled for it, after it has waited for so long. `caller` says how it came.
    void lend_fresh(const Entry& fresh, std::chrono::nanoseconds waited = {}, const comer& caller = {}) noexcept {
        if (notes_ != nullptr) [[unlikely]]
            notes_->lent_fresh(fresh, waited, caller);
    }

    /// A dial threw, or returned a dead connection, which is closed now.
    void count_failed_dial(const Entry& fresh, const kept_error& why, const std::optional<close_end>& end = {}) noexcept {
        ++stats_.failed_dials;
        if (notes_ != nullptr) [[unlikely]]
            notes_->dial_failed(fresh, why);
        if (end) count_close(fresh, *end);
    }

protected:
    explicit figures(notes_type* taken) noexcept : notes_{taken} {}  ///< all zero
    ~figures() = default;

    /// A caller gets an idle entry that need not be checked.
    void count_hit(const Entry& e) noexcept {
        ++stats_.hits;
        if (notes_ != nullptr) [[unlikely]]
            notes_->lent_unchecked(e);
    }

    /// An idle entry is checked for a caller.
    void count_check(const Entry& e) noexcept {
        ++stats_.checking;
        if (notes_ != nullptr) [[unlikely]]
            notes_->is_checked(e);
    }

    /// Counts that this caller gets it, whether or not it was checked.
    void count_checked_hit(const Entry& e) noexcept {
        --stats_.checking;
        ++stats_.hits;
        if (notes_ != nullptr) [[unlikely]]
            notes_->lent_checked(e);
    }

    /// An entry comes in, and is not kept.
    void count_put_in_vain(const Entry& e) noexcept {
        ++stats_.puts;
        if (notes_ != nullptr) [[unlikely]]
            notes_->came_in(e, e.is_unused());
    }

    /// An entry leaves the pool, from where it `was` for callers.
    [[gnu::always_inline]] void count_retirement(const Entry& e, retirement why, connection_state was) noexcept {
        if (const auto figure = core::figure_of(why, was)) ++(stats_.*figure);
        if (notes_ != nullptr) [[unlikely]]
            notes_->retired(e, why, was);
    }

    /// The connection of an entry was closed.
    void count_close(const Entry& e, const close_end& end) noexcept {
        stats_.failed_closes += end.failed;
        if (notes_ != nullptr) [[unlikely]]
            notes_->closed(e, end);
    }

    notes_type* const notes_;
    pool::stats stats_;
};

}  // namespace pool::core
