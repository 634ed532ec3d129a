// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <pool/event.hpp>
#include <pool/stats.hpp>

/// @file
/// Keeps account of the events of a pool: the life of each connection, and the figures that the events add up to.

/// An observer of a pool without shards. It is for one thread.
class event_ledger {
public:
    /// Takes an event into account. The first one that cannot come at this place is the fault.
    void operator()(const pool::event& e) {
        ++count_;
        switch (e.kind) {
        case pool::event_kind::queued:
        case pool::event_kind::nudged:
        case pool::event_kind::timed_out:
        case pool::event_kind::cancelled:
        case pool::event_kind::turned_away: return add_caller(e);
        default: break;
        }
        expect(e.connection != 0, e, "a connection");
        if (lives_.size() <= e.connection) lives_.resize(2 * e.connection + 1);
        life& its = lives_[e.connection];
        const life was = std::exchange(its, after(its, e));
        --in_[static_cast<unsigned char>(was)];
        ++in_[static_cast<unsigned char>(its)];
        expect(its != life::impossible, e, name(was));
        add(e);
    }

    std::size_t count() const { return count_; }           ///< of all events
    const std::string& fault() const { return fault_; }    ///< empty if there is none
    std::size_t idle() const { return in(life::idle); }    ///< connections that are idle by their events
    std::size_t lent() const { return in(life::lent); }    ///< those that a caller has
    std::size_t closing() const { return in(life::left); } ///< those that are not closed yet

    /// What is wrong with figures, which should be the sums of the events; empty if nothing is.
    std::string difference(const pool::stats& s) const {
        if (!fault_.empty()) return fault_;
        std::string all;
        const auto compare = [&](const char* figure, std::uint64_t seen, std::uint64_t told) {
            if (seen == told) return;
            all += std::string{all.empty() ? "" : ", "} + figure + " is " + std::to_string(seen) + ", told " +
                   std::to_string(told);
        };
        compare("hits", s.hits, sums_.hits);
        compare("dials", s.dials, sums_.dials);
        compare("failed_dials", s.failed_dials, sums_.failed_dials);
        compare("outdated_dials", s.outdated_dials, sums_.outdated_dials);
        compare("puts", s.puts, sums_.puts);
        compare("refused", s.refused, sums_.refused);
        compare("evicted", s.evicted, sums_.evicted);
        compare("expired", s.expired, sums_.expired);
        compare("cleared", s.cleared, sums_.cleared);
        compare("invalidated", s.invalidated, sums_.invalidated);
        compare("found_closed", s.found_closed, sums_.found_closed);
        compare("found_unhealthy", s.found_unhealthy, sums_.found_unhealthy);
        compare("failed_keep_alives", s.failed_keep_alives, sums_.failed_keep_alives);
        compare("kept_alive", s.kept_alive, sums_.kept_alive);
        compare("discarded", s.discarded, sums_.discarded);
        compare("detached", s.detached, sums_.detached);
        compare("failed_resets", s.failed_resets, sums_.failed_resets);
        compare("failed_closes", s.failed_closes, sums_.failed_closes);
        compare("timed_out", s.timed_out, sums_.timed_out);
        compare("cancelled", s.cancelled, sums_.cancelled);
        compare("queue_full", s.queue_full, sums_.queue_full);
        compare("idle + checking", s.idle + s.checking, idle());
        compare("lent - checking", s.lent - s.checking, lent());
        compare("closing", s.closing, closing());
        compare("lost_events", s.lost_events, 0);
        compare("failed_events", s.failed_events, 0);
        return all;
    }

private:
    enum class life : unsigned char {
        none,        ///< nothing was told of it
        opened,      ///< its dial has succeeded
        idle,        ///< it came in, and has not left
        lent,        ///< a caller has it
        failed,      ///< its dial has failed
        left,        ///< it has left the pool, and is to be closed
        over,        ///< closed, or its caller's
        impossible,  ///< its last event could not come then
    };
    static const char* name(life of) {
        constexpr const char* names[]{"a new one", "one that was opened", "an idle one", "a lent one", "a failed one",
            "one that has left", "one that is over", "a wrong one"};
        return names[static_cast<unsigned char>(of)];
    }

    static life after(life was, const pool::event& e) {
        using kind = pool::event_kind;
        switch (e.kind) {
        case kind::opened: return was == life::none ? life::opened : life::impossible;
        case kind::put: return was == life::none || was == life::opened ? life::idle : life::impossible;
        case kind::dial_failed: return was == life::none ? life::failed : life::impossible;
        case kind::lent: return was == (e.reused ? life::idle : life::opened) ? life::lent : life::impossible;
        case kind::given_back: return was == life::lent ? life::idle : life::impossible;
        case kind::kept_alive: return was == life::idle ? life::idle : life::impossible;
        case kind::retired: return after_retirement(was, e);
        case kind::closed: return was == life::left || was == life::failed ? life::over : life::impossible;
        default: return life::impossible;
        }
    }

    static life after_retirement(life was, const pool::event& e) {
        using state = pool::connection_state;
        const bool is_known = was == life::idle || was == life::lent || was == life::opened;
        if (!is_known || (e.was == state::dialling) != (was == life::opened)) return life::impossible;
        const bool is_callers = e.why == pool::retirement::detached || e.why == pool::retirement::taken;
        return is_callers ? life::over : life::left;
    }

    void add_caller(const pool::event& e) {
        expect(e.connection == 0, e, "a caller");
        sums_.timed_out += e.kind == pool::event_kind::timed_out;
        sums_.cancelled += e.kind == pool::event_kind::cancelled;
        sums_.queue_full += e.kind == pool::event_kind::turned_away && e.error == "the wait queue is full";
    }

    void add(const pool::event& e) {
        using kind = pool::event_kind;
        switch (e.kind) {
        case kind::opened: ++sums_.dials; break;
        case kind::put:
        case kind::given_back: ++sums_.puts; break;
        case kind::dial_failed: ++sums_.failed_dials; break;
        case kind::lent: sums_.hits += e.reused; break;
        case kind::kept_alive: ++sums_.kept_alive; break;
        case kind::closed: sums_.failed_closes += e.failed; break;
        case kind::retired: add_retirement(e); break;
        default: break;
        }
    }

    void add_retirement(const pool::event& e) {
        using why = pool::retirement;
        const bool was_idle = e.was == pool::connection_state::idle, was_lent = e.was == pool::connection_state::lent;
        switch (e.why) {
        case why::evicted_for_key:
        case why::evicted_for_pool: ++sums_.evicted; break;
        case why::expired:
        case why::expired_idle:
        case why::expired_lifetime:
        case why::expired_uses:
        case why::expired_own: ++sums_.expired; break;
        case why::dead: ++(was_idle ? sums_.found_closed : sums_.refused); break;
        case why::unhealthy: ++sums_.found_unhealthy; break;
        case why::keep_alive_failed: ++sums_.failed_keep_alives; break;
        case why::reset_failed: ++sums_.failed_resets; break;
        case why::cleared: ++sums_.cleared; break;
        case why::invalidated: ++(was_idle || was_lent ? sums_.invalidated : sums_.outdated_dials); break;
        case why::refused: ++sums_.refused; break;
        case why::discarded: ++sums_.discarded; break;
        case why::detached: ++sums_.detached; break;
        case why::taken: break;
        case why::none: expect(false, e, "no reason"); break;
        case why::pool_closed:
            sums_.cleared += was_idle;
            sums_.refused += was_lent;
            break;
        }
    }

    std::size_t in(life wanted) const { return in_[static_cast<unsigned char>(wanted)]; }

    void expect(bool holds, const pool::event& e, const std::string& of) {
        if (!holds && fault_.empty()) fault_ = "an event of " + of + ": " + pool::to_string(e);
    }

    std::vector<life> lives_;         ///< by the number of the connection
    std::array<std::size_t, 8> in_{};  ///< how many are in each life; meaningless for `none`
    pool::stats sums_;
    std::string fault_;
    std::size_t count_ = 0;
};
