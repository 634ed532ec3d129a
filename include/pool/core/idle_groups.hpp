// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>

#include <boost/intrusive/options.hpp>
#include <boost/intrusive/set.hpp>

#include <pool/core/key_group.hpp>

/// @file
/// The order of the keys by their oldest idle connection: where room is made for a caller of another key.

namespace pool::core {

/// The groups with an idle entry that no nudged request is to take, the one with the oldest idle entry in front.
///
/// A group is in this order under a lower bound of the age of its oldest idle entry. Lending an entry does nothing
/// here, and giving one back adds only a group that is not there. `oldest` corrects what it meets. So a pool in which
/// nobody waits hardly pays for it, and each correction was caused by a give-back.
template <class Group>
class idle_groups {
public:
    /// Adds a group that has got an idle entry, or one that is not to be taken any more. O(log n), if it is not there.
    void add(Group& of) noexcept {
        if (of.idle_group_hook::is_linked()) return;
        of.indexed_age = of.idle.front().age;
        groups_.insert(groups_.end(), of);
    }

    /// The same for a group whose new idle entry may be its oldest one. O(log n).
    void add_again(Group& of) noexcept {
        of.idle_group_hook::unlink();
        add(of);
    }

    /// The group with the oldest idle entry, but not `other_than`; nullptr if there is none, or if `most` corrections
    /// were not enough. Reduces `most` by the corrections. Each is O(log n).
    Group* oldest(const Group* other_than, std::size_t& most) noexcept {
        for (auto next = groups_.begin(); next != groups_.end() && most != 0;) {
            Group& of = *next;
            if (&of == other_than) {
                ++next;
            } else if (!of.has_spare()) {
                next = groups_.erase(next);
                --most;
            } else if (const std::uint64_t age = of.idle.front().age; age != of.indexed_age) {
                groups_.erase(next);
                of.indexed_age = age;
                groups_.insert(of);
                next = groups_.begin();
                --most;
            } else {
                return &of;
            }
        }
        return nullptr;
    }

private:
    struct by_age {
        using type = std::uint64_t;
        type operator()(const Group& of) const noexcept { return of.indexed_age; }
    };
    using groups = boost::intrusive::multiset<Group, boost::intrusive::base_hook<idle_group_hook>,
        boost::intrusive::key_of_value<by_age>, boost::intrusive::constant_time_size<false>>;

    groups groups_;
};

}  // namespace pool::core
