// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>
#include <boost/multi_index/hashed_index.hpp>
#include <boost/multi_index/identity.hpp>
#include <boost/multi_index_container.hpp>

#include <pool/core/key.hpp>
#include <pool/core/recycling_allocator.hpp>
#include <pool/core/stats.hpp>

/// @file
/// Who gets what in a pool that bounds what is open. It is pure, like the store whose connections it hands out: no lock,
/// no clock, no thread, no dial. Whoever calls it provides the exclusion, dials for those who may, and closes what retires.

namespace pool {

/// Where a caller stands who asked for a connection.
enum class standing : unsigned char {
    waiting,    ///< in the queue
    dialing,    ///< holds a permit, and dials
    lent,       ///< has a connection
    failed,     ///< its dial has failed
    closed,     ///< the pool is closed
    crowded,    ///< as many were waiting as may
    withdrawn,  ///< has lost interest
};

/// What the last dial of a key said that failed, if any did: text, as the exception itself is its caller's alone.
using dial_error = std::shared_ptr<const std::string>;

/// The queue of those who wait, and the permits of those who dial.
///
/// An open connection is idle, lent, being dialled or being closed, and each of these holds a permit. A permit is free
/// when its connection has been closed, not before, so that the peers, too, never see more than the bound.
///
/// The requests of all keys are one queue, by age. A connection goes to the oldest request of its key, also to one whose
/// own dial is still under way; a permit goes to the oldest of all that may use it: one that may not, because its key is
/// at a bound of its own, is passed over. Not thread-safe.
template <class Store>
class admission {
    using entry = typename Store::entry;
    using entries = typename Store::entries;
    using lookup = typename Store::lookup;
    using key_type = typename entry::key_type;
    using ticket = std::uint64_t;
    using hook = boost::intrusive::list_member_hook<>;

    struct line;

public:
    /// A caller's place in the queue, and what it has got. It stays where it is until it has got something and no dial of
    /// its own is under way.
    class request {
    public:
        request(const request&) = delete;
        request& operator=(const request&) = delete;

        pool::standing standing() const noexcept { return standing_; }        ///< where it stands
        entry& lent() const noexcept { return *lent_; }                       ///< if it is `lent`
        lookup wanted() const noexcept { return home_->wanted(); }            ///< while it waits or dials
        const key_type& key() const noexcept { return home_->key(); }         ///< while it waits or dials
        const dial_error& last_error() const noexcept { return last_error_; }  ///< of its key, if it is `withdrawn`

    protected:
        /// Of a caller who is `blocked` while it dials, and could not use a connection that comes back meanwhile.
        explicit request(bool blocked) noexcept : blocked_{blocked} {}
        ~request() = default;

    private:
        friend admission;

        /// It stands elsewhere. Called inside the step for a blocked caller, whom that can only wake; after it for others,
        /// who then have to `look`, and are told no more before they do.
        virtual void told() noexcept = 0;

        const bool blocked_;
        bool is_told_ = false;
        bool may_begin_ = false;  ///< has a permit, and has not begun to dial
        pool::standing standing_ = pool::standing::waiting;
        line* home_ = nullptr;
        entry* lent_ = nullptr;
        dial_error last_error_;
        ticket ticket_ = 0;
        hook place_;   ///< among the requests of its key
        hook notice_;  ///< among those to be told
    };

private:
    template <hook request::*Hook>
    using requests = boost::intrusive::list<request, boost::intrusive::member_hook<request, hook, Hook>>;

public:
    /// Those who have to be told when a step is over.
    class notices {
    public:
        /// Tells them. A request may be gone after that.
        void deliver() noexcept {
            while (!list_.empty()) {
                request& first = list_.front();
                list_.pop_front();
                first.told();
            }
        }

    private:
        friend admission;

        requests<&request::notice_> list_;
    };

    /// For the connections of `store`, which has to outlive it.
    explicit admission(Store& store) noexcept : store_{store} {}

    admission(const admission&) = delete;
    admission& operator=(const admission&) = delete;

    std::size_t waiting() const noexcept { return waiting_; }  ///< requests that wait, without a dial of their own
    std::size_t dialing() const noexcept { return dialing_; }  ///< dials under way
    std::uint64_t misses() const noexcept { return misses_; }  ///< requests settled otherwise than by an idle connection
    bool empty() const noexcept { return lines_.empty(); }     ///< nobody waits, and no dial is under way

    /// Requests for a key that wait.
    std::size_t waiting(const lookup& wanted) const {
        const line* const home = find(wanted);
        return home != nullptr ? home->waiting.list.size() : 0;
    }

    /// Dials of a key under way.
    std::size_t dialing(const lookup& wanted) const {
        const line* const home = find(wanted);
        return home != nullptr ? home->dialing : 0;
    }

    /// Whether somebody would take a connection of this key.
    bool is_wanted(const lookup& wanted) const {
        line* const home = find(wanted);
        return home != nullptr && oldest(*home) != nullptr;
    }

    /// Connections that are open, and those being dialled.
    std::size_t open() const noexcept {
        return store_.stats().idle + store_.stats().lent + store_.stats().closing + dialing_;
    }

    /// The same for the key of an entry, but for what is being closed.
    std::size_t open(const entry& known) const {
        const key_stats held = store_.stats(known);
        return held.idle + held.lent + dialing(known.wanted());
    }

    /// Puts a request at the end of the queue. Strong guarantee.
    void enqueue(request& asking, const lookup& wanted) {
        line* home = find(wanted);
        if (home == nullptr) home = &unconst(*lines_.emplace(store_, wanted).first);
        asking.home_ = home;
        asking.ticket_ = next_ticket_++;
        join(asking);
    }

    /// Lends an idle connection to a request that is not in the queue.
    void answer(request& asking, entry& found) noexcept {
        asking.lent_ = &found;
        settle(asking, standing::lent);
    }

    /// Refuses a request that is not in the queue.
    void answer(request& asking, standing outcome) noexcept {
        ++misses_;
        settle(asking, outcome);
    }

    /// Where a request stands that has been told. Who is `dialing` then has to begin.
    pool::standing look(request& asking) noexcept {
        asking.is_told_ = false;
        asking.may_begin_ = false;
        return asking.standing_;
    }

    /// Takes a request out, unless it is settled or blocked by its dial. A dial of another goes on without it.
    void withdraw(request& asking, standing outcome = standing::withdrawn) noexcept {
        const bool dials = asking.standing_ == standing::dialing && !asking.blocked_;
        if (asking.standing_ != standing::waiting && !dials) return;
        line& home = *asking.home_;
        ++misses_;
        asking.last_error_ = home.last_error;
        leave(asking);
        settle(asking, outcome);
        forget(home);
    }

    /// The pool is closed: all that wait are told, the oldest first.
    void refuse_all() noexcept {
        while (!by_age_.empty()) withdraw(by_age_.begin()->list.front(), standing::closed);
    }

    /// Gives what is free to those who wait. What has to be closed for it goes to `retired`: call it again when that is
    /// done, and after anything else that freed a connection or a permit. O(1) while nothing is free, else O(log n) for
    /// each key that is waited for.
    template <class Policy, class Time>
    void serve(const Policy& policy, Time now, entries& retired) noexcept {
        std::size_t reserved = 0;  // permits that come free soon, and are for a request that is older
        for (auto next = by_age_.begin(); next != by_age_.end();) {
            const bool is_full = open() >= policy.max_open();
            if (is_full && store_.stats().idle == 0) return;
            const ticket age = age_of{}(*next);
            line& home = next->home;
            if (entry* const found = store_.template lend<true>(home.wanted(), now, retired)) {
                const std::size_t before = dialing_;
                hand_over(next->list.front(), *found);
                forget(home);
                if (dialing_ < before) {  // it had a permit, which somebody older may be glad of
                    reserved = 0;
                    next = by_age_.begin();
                    continue;
                }
            } else if (!next->dials && !is_full && room_for(home, home.waiting.list.size(), policy) != 0) {
                grant(home);
            } else if (!next->dials && is_full && home.waiting.list.size() > home.spare) {
                reserved += room_for(home, home.waiting.list.size() - home.spare, policy);
                const std::size_t excess = open() - policy.max_open();
                while (store_.stats().closing < reserved + excess && store_.make_room(home.wanted(), retired)) {
                }
            }
            next = by_age_.upper_bound(age);
        }
    }

    /// A dial is over, and `fresh`, its connection, is in the store, as lent. If its own request still needs one, it goes to
    /// the oldest of its key, and this returns true. Otherwise it is the caller's, to give back.
    bool dialled(request& dialing, entry& fresh) noexcept {
        const bool needed = dialing.standing_ == standing::dialing;
        if (needed) {
            if (!dialing.blocked_) leave(dialing);
            dialing.standing_ = standing::waiting;
            join(dialing);
            ++misses_;
            hand_over(*oldest(*dialing.home_), fresh);
        }
        end_dial(dialing);
        return needed;
    }

    /// A dial is over, and there is no connection: its own request fails, if it is not settled yet.
    void dial_failed(request& dialing, standing outcome, dial_error error) noexcept {
        line& home = *dialing.home_;
        if (error) home.last_error = std::move(error);
        if (dialing.standing_ == standing::dialing) {
            ++misses_;
            if (!dialing.blocked_) leave(dialing);
            settle(dialing, outcome);
        }
        end_dial(dialing);
    }

    /// Those who have to be told after this step.
    notices take_notices() noexcept {
        notices taken;
        taken.list_.swap(notices_.list_);
        return taken;
    }

private:
    /// Requests of one key, the oldest in front. Those that are not empty are in order of their oldest.
    struct queue : boost::intrusive::set_base_hook<> {
        queue(line& key, bool with_dials) noexcept : home{key}, dials{with_dials} {}

        line& home;
        const bool dials;  ///< whether each has a dial under way
        requests<&request::place_> list;
    };
    struct age_of {
        using type = ticket;
        ticket operator()(const queue& of) const noexcept { return of.list.front().ticket_; }
    };

    /// One key that somebody waits or dials for.
    struct line {
        line(Store& store, const lookup& wanted) : kept{store, wanted} {}

        const key_type& key() const noexcept { return kept.key(); }
        lookup wanted() const noexcept { return kept.wanted(); }

        const typename Store::kept_key kept;
        std::size_t dialing = 0;      ///< dials under way
        std::size_t spare = 0;        ///< those of them that their own caller does not need any more
        queue waiting{*this, false};  ///< without a dial of their own
        queue dialers{*this, true};   ///< with one, and not blocked by it
        dial_error last_error;        ///< since anybody waits or dials
    };

    struct line_hash {
        std::size_t operator()(const line& home) const noexcept { return home.wanted().hash; }
        std::size_t operator()(const lookup& wanted) const noexcept { return wanted.hash; }
    };
    struct line_equal {
        bool operator()(const line& a, const line& b) const noexcept { return &a == &b || (*this)(a.wanted(), b); }
        bool operator()(const lookup& wanted, const line& home) const noexcept {
            return wanted.hash == home.wanted().hash && key_traits<key_type>::equal(wanted.key, home.wanted().key);
        }
        bool operator()(const line& home, const lookup& wanted) const noexcept { return (*this)(wanted, home); }
    };

    using lines = boost::multi_index_container<
        line,
        boost::multi_index::indexed_by<
            boost::multi_index::hashed_unique<boost::multi_index::identity<line>, line_hash, line_equal>>,
        recycling_allocator<line>>;

    /// The container protects what it finds lines by: the key, which never changes.
    static line& unconst(const line& home) noexcept { return const_cast<line&>(home); }

    line* find(const lookup& wanted) const noexcept {
        if (lines_.empty()) return nullptr;
        const auto found = lines_.find(wanted, line_hash{}, line_equal{});
        return found == lines_.end() ? nullptr : &unconst(*found);
    }

    /// How many of the `needed` connections of a key may be opened, as far as its own bounds go.
    template <class Policy>
    std::size_t room_for(const line& home, std::size_t needed, const Policy& policy) const noexcept {
        const auto left = [](std::size_t bound, std::size_t used) { return bound > used ? bound - used : 0; };
        const key_stats held = store_.stats(home.wanted());
        return std::min({
            needed,
            left(policy.max_dialing_for(home.key()), home.dialing),
            left(policy.max_open_for(home.key()), held.idle + held.lent + home.dialing),
        });
    }

    queue& queue_of(request& asking) noexcept {
        return asking.standing_ == standing::dialing ? asking.home_->dialers : asking.home_->waiting;
    }

    /// To its place by age.
    void join(request& asking) noexcept {
        queue& of = queue_of(asking);
        auto before = of.list.end();
        while (before != of.list.begin() && asking.ticket_ < std::prev(before)->ticket_) --before;
        if (before == of.list.begin() && !of.list.empty()) by_age_.erase(by_age_.iterator_to(of));
        of.list.insert(before, asking);
        if (&of.list.front() == &asking) by_age_.insert(of);
        waiting_ += !of.dials;
    }

    void leave(request& asking) noexcept {
        queue& of = queue_of(asking);
        const bool was_oldest = &of.list.front() == &asking;
        if (was_oldest) by_age_.erase(by_age_.iterator_to(of));
        of.list.erase(of.list.iterator_to(asking));
        if (was_oldest && !of.list.empty()) by_age_.insert(of);
        if (!of.dials) {
            --waiting_;
        } else if (std::exchange(asking.may_begin_, false)) {
            --of.home.dialing;  // which it has not begun
            --dialing_;
        } else {
            ++of.home.spare;
        }
    }

    void tell(request& asking) noexcept {
        if (asking.blocked_) {
            asking.told();
        } else if (!std::exchange(asking.is_told_, true)) {
            notices_.list_.push_back(asking);
        }
    }

    void settle(request& asking, standing outcome) noexcept {
        asking.standing_ = outcome;
        tell(asking);
    }

    void hand_over(request& taker, entry& lent) noexcept {
        leave(taker);
        taker.lent_ = &lent;
        settle(taker, standing::lent);
    }

    /// Who takes the next connection of a key.
    static request* oldest(line& home) noexcept {
        auto& waiting = home.waiting.list;
        auto& dialers = home.dialers.list;
        if (waiting.empty() || dialers.empty()) {
            auto& any = waiting.empty() ? dialers : waiting;
            return any.empty() ? nullptr : &any.front();
        }
        return waiting.front().ticket_ < dialers.front().ticket_ ? &waiting.front() : &dialers.front();
    }

    void grant(line& home) noexcept {
        request& dialing = home.waiting.list.front();
        leave(dialing);
        dialing.standing_ = standing::dialing;
        ++home.dialing;
        ++dialing_;
        if (!dialing.blocked_) {
            dialing.may_begin_ = true;
            join(dialing);
        }
        tell(dialing);
    }

    void end_dial(request& dialing) noexcept {
        line& home = *dialing.home_;
        --home.dialing;
        --dialing_;
        home.spare -= !dialing.blocked_;
        forget(home);
    }

    /// No trace of a key that nobody waits or dials for.
    void forget(line& home) noexcept {
        if (home.dialing == 0 && home.waiting.list.empty()) lines_.erase(lines_.iterator_to(home));
    }

    Store& store_;
    spare_blocks spare_lines_;
    lines lines_{typename lines::ctor_args_list{}, recycling_allocator<line>{spare_lines_}};
    boost::intrusive::set<queue, boost::intrusive::key_of_value<age_of>, boost::intrusive::constant_time_size<false>>
        by_age_;
    notices notices_;
    std::size_t waiting_ = 0;
    std::size_t dialing_ = 0;
    std::uint64_t misses_ = 0;
    ticket next_ticket_ = 0;
};

}  // namespace pool
