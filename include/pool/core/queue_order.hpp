// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <boost/intrusive/set.hpp>

#include <pool/core/key_queue.hpp>

/// @file
/// The order of the requests of all keys.

namespace pool::core {

/// Knows who is next over all keys. It keeps the zones of each key queue as long as they have to be, and has two orders
/// by age: the queues with able requests, by the oldest of these, and the promised requests. A key at a bound of its own
/// has no able request, so it is not looked at until something of that key changes. Not thread-safe.
template <class Entry>
class queue_order {
    using queue = key_queue<Entry>;
    using request_type = request<Entry>;

public:
    /// The oldest able request, but not of `other_than`; nullptr if there is none. O(1).
    request_type* oldest_able(const queue* other_than = nullptr) noexcept {
        auto first = able_.begin();
        if (first != able_.end() && &*first == other_than) ++first;
        return first != able_.end() ? &*first->first_able : nullptr;
    }

    request_type* oldest_promised() noexcept { return promised_.empty() ? nullptr : &*promised_.begin(); }     ///< O(1)
    request_type* youngest_promised() noexcept { return promised_.empty() ? nullptr : &*promised_.rbegin(); }  ///< O(1)
    std::size_t promised() const noexcept { return promised_.size(); }                                         ///< O(1)
    std::size_t nudged() const noexcept { return nudged_; }                                                    ///< O(1)

    /// The promised requests, the oldest first.
    auto begin() noexcept { return promised_.begin(); }
    auto end() noexcept { return promised_.end(); }  ///< the end of these

    /// Makes the zones of a queue as long as they have to be. No more requests are nudged than there are usable
    /// connections; it nudges none. Of the others, as many are not held as `room`: the number of connections of the key
    /// that may be opened. Returns whether that was done by `most` changes. O(log n) each.
    bool fit(queue& of, std::size_t usable, std::size_t room, std::size_t most) noexcept {
        for (; of.group->nudged > usable && most != 0; --most) {
            request_type& last = of.unnudge();
            --nudged_;
            if (last.state() == request_state::promised) promised_.insert(last);
        }
        const std::size_t unheld = of.group->nudged + std::min(room, of.waiting.size() - of.group->nudged);
        for (; of.unheld() < unheld && most != 0; --most) of.enable();
        for (; of.unheld() > unheld && most != 0; --most) {
            if (of.able == 0) promised_.erase(promised_.iterator_to(of.unpromise()));
            of.hold();
        }
        relist(of);
        return of.group->nudged <= usable && of.unheld() == unheld;
    }

    /// Nudges the oldest request of a queue that is not nudged. O(log n).
    request_type& nudge(queue& of) noexcept {
        request_type& next = of.nudge();
        ++nudged_;
        if (next.by_age_.is_linked()) promised_.erase(promised_.iterator_to(next));
        relist(of);
        return next;
    }

    /// Promises a permit to the oldest able request of a queue. O(log n).
    void promise(queue& of) noexcept {
        promised_.insert(of.promise());
        relist(of);
    }

    /// Takes a promise back, from the youngest promised request of a queue. O(log n).
    void unpromise(queue& of) noexcept {
        promised_.erase(promised_.iterator_to(of.unpromise()));
        relist(of);
    }

    /// Puts a request back that was waiting before, at its place by age. O(n) in the older ones of its key.
    void put_back(request_type& asking) noexcept {
        asking.queue().put_back(asking);
        nudged_ += asking.state() == request_state::nudged;
        if (asking.state() == request_state::promised) promised_.insert(asking);
        relist(asking.queue());
    }

    /// Removes a waiting request. O(log n).
    void erase(request_type& leaving) noexcept {
        nudged_ -= leaving.state() == request_state::nudged;
        if (leaving.state() == request_state::promised) promised_.erase(promised_.iterator_to(leaving));
        leaving.queue().erase(leaving);
        relist(leaving.queue());
    }

private:
    struct oldest_ticket {
        using type = std::uint64_t;
        type operator()(const queue& of) const noexcept { return of.listed_ticket; }
    };
    using queues = boost::intrusive::set<queue,
        boost::intrusive::member_hook<queue, boost::intrusive::set_member_hook<>, &queue::in_order>,
        boost::intrusive::key_of_value<oldest_ticket>, boost::intrusive::constant_time_size<false>>;

    /// Puts a queue where it belongs among those with able requests.
    void relist(queue& of) noexcept {
        const std::uint64_t ticket = of.able != 0 ? of.first_able->ticket() : 0;
        if (of.in_order.is_linked()) {
            if (of.able != 0 && of.listed_ticket == ticket) return;
            able_.erase(able_.iterator_to(of));
        }
        if (of.able == 0) return;
        of.listed_ticket = ticket;
        able_.insert(of);
    }

    queues able_;
    typename request_lists<Entry>::by_age promised_;
    std::size_t nudged_ = 0;
};

}  // namespace pool::core
