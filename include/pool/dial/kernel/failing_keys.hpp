// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <exception>
#include <memory>
#include <utility>

#include <boost/multi_index/hashed_index.hpp>
#include <boost/multi_index/member.hpp>
#include <boost/multi_index/sequenced_index.hpp>
#include <boost/multi_index_container.hpp>

#include <pool/core/jitter.hpp>
#include <pool/core/saturating.hpp>
#include <pool/key.hpp>

/// @file
/// Which keys cannot be dialled at the moment, and when the next dial of each is due. Pure: it has no lock and no
/// clock.

namespace pool::core {

/// How long the delays after failed dials are.
struct delays {
    std::chrono::nanoseconds first;  ///< after the first failure; more than zero
    std::chrono::nanoseconds most;   ///< they grow no longer; at least as long as the first
    double factor;                   ///< by which they grow; at least 1

    /// The delay after this one.
    std::chrono::nanoseconds after(std::chrono::nanoseconds delay) const noexcept {
        using real = std::chrono::duration<double, std::nano>;
        return std::min(most, saturating_cast<std::chrono::nanoseconds>(real{delay} * factor));
    }
};

/// A key that can be copied and found again.
template <class Key>
concept lasting_key = hashable_key<Key> && comparable_key<Key> && std::copy_constructible<Key>;

/// A key with its type and its hash. It refers to the key.
template <class Key>
struct typed_key {
    const Key& key;
    std::size_t hash = key_traits<Key>::hash(key_view<Key>(key));  ///< throws what Key's hash throws

    /// Has one address for each type. It is not const, because a linker may merge equal constants.
    static inline char type{};
};

/// Errors that nobody needs any more. Their destructors are foreign code: keep this object until the lock is free.
class dropped_errors {
public:
    void add(std::exception_ptr&& error) noexcept { std::swap(errors_[count_++], error); }

private:
    std::array<std::exception_ptr, 3> errors_;  // no step drops more
    std::size_t count_ = 0;
};

/// The keys whose last dial failed. Each failure makes a delay. After the delay, one dial of the key is its probe. The
/// keys may be of several types.
///
/// A key that has not failed for twice the longest delay is forgotten: it is dialled as if it had never failed. `ask`
/// removes up to two forgotten keys, before a dial that may add one. So the keys that are forgotten, and still here,
/// become fewer with each dial.
///
/// All steps are O(1), but for keys of the same hash. Only the steps with a key throw: what Key's equality throws, and
/// `std::bad_alloc` where it says so. Then no key has changed.
template <class TimePoint>
class failing_keys {
    /// The record of a key. Only the hash is in an index.
    struct record {
        std::size_t hash;
        const void* type;                    ///< of the key
        std::shared_ptr<const void> key;     ///< a copy
        mutable std::exception_ptr error{};  ///< the last one that counted; null if the key does not fail any more
        mutable std::chrono::nanoseconds delay{};  ///< the last one, without jitter
        mutable TimePoint due{};                   ///< when its next probe may begin
        mutable TimePoint forgotten{};             ///< from when on it is as if it had never failed
        mutable bool is_probed = false;            ///< its probe is running; it is not removed before that has ended
    };

public:
    using probe = const record*;  ///< a running probe; null for any other dial

    /// Whether a dial may begin.
    struct answer {
        std::exception_ptr refusal;  ///< not now: the last error
        probe probing = nullptr;     ///< it is the probe of its key
    };

    failing_keys(delays lengths, jitter random) noexcept : lengths_{lengths}, random_{random} {}

    /// Asks whether a dial of this key may begin. `may_probe` is false for a caller whose dial would prove nothing:
    /// where another one would be the probe, it is refused.
    template <class Key>
    answer ask(const typed_key<Key>& key, TimePoint now, bool may_probe, dropped_errors& dropped) {
        remove_forgotten(now, dropped);
        const probe found = find(key);
        if (found == nullptr || !found->error) return {};
        if (found->is_probed) return {found->error};
        if (now >= found->forgotten) {
            remove(found, dropped);
            return {};
        }
        if (now < found->due || !may_probe) return {found->error};
        found->is_probed = true;
        return {nullptr, found};
    }

    /// A probe has failed.
    void probe_failed(probe of, TimePoint now, std::exception_ptr error, dropped_errors& dropped) noexcept {
        of->is_probed = false;
        fail(of, of->error ? lengths_.after(of->delay) : lengths_.first, now, std::move(error), dropped);
    }
    /// It has succeeded.
    void probe_succeeded(probe of, dropped_errors& dropped) noexcept { remove(of, dropped); }
    /// It has ended in a way that proves nothing. The next caller may probe.
    void probe_ended(probe of, dropped_errors& dropped) noexcept {
        of->is_probed = false;
        if (!of->error) remove(of, dropped);
    }

    /// A dial that was no probe has failed. If the key fails already, the dial began before that, and says nothing new.
    /// `copy` is of the key. May throw `std::bad_alloc`.
    template <class Key>
    void failed(const typed_key<Key>& key, const std::shared_ptr<const Key>& copy, TimePoint now,
        std::exception_ptr error, dropped_errors& dropped) {
        probe found = find(key);
        if (found != nullptr && found->error && (found->is_probed || now < found->forgotten)) return;
        if (found == nullptr)
            found = &*records_.push_back(record{.hash = key.hash, .type = &typed_key<Key>::type, .key = copy}).first;
        fail(found, lengths_.first, now, std::move(error), dropped);
    }
    /// It has succeeded, so the key does not fail any more.
    template <class Key>
    void succeeded(const typed_key<Key>& key, dropped_errors& dropped) {
        const probe found = find(key);
        if (found == nullptr) return;
        if (!found->is_probed) remove(found, dropped);
        else if (found->error) dropped.add(std::exchange(found->error, nullptr));
    }

    /// How many keys have an entry.
    std::size_t size() const noexcept { return records_.size(); }

    delays lengths() const noexcept { return lengths_; }  ///< those that it was made with
    jitter random() const noexcept { return random_; }    ///< what it draws next

private:
    // The first index has the order: a key moves to the end whenever it fails.
    using index = boost::multi_index_container<record,
        boost::multi_index::indexed_by<boost::multi_index::sequenced<>,
            boost::multi_index::hashed_non_unique<boost::multi_index::member<record, std::size_t, &record::hash>>>>;

    template <class Key>
    probe find(const typed_key<Key>& key) const {
        const auto [first, last] = records_.template get<1>().equal_range(key.hash);
        for (auto at = first; at != last; ++at) {
            if (at->type != &typed_key<Key>::type) continue;
            const Key& known = *static_cast<const Key*>(at->key.get());
            if (key_traits<Key>::equal(key_view<Key>(known), key_view<Key>(key.key))) return &*at;
        }
        return nullptr;
    }

    void fail(probe of, std::chrono::nanoseconds delay, TimePoint now, std::exception_ptr error,
        dropped_errors& dropped) noexcept {
        dropped.add(std::exchange(of->error, std::move(error)));
        of->delay = delay;
        of->due = saturating_add(now, random_.shorten(delay));
        of->forgotten = saturating_add(saturating_add(now, lengths_.most), lengths_.most);
        to_the_end(of);
    }

    void remove_forgotten(TimePoint now, dropped_errors& dropped) noexcept {
        for (int looks = 0; looks != 2 && !records_.empty(); ++looks) {
            const probe oldest = &records_.front();
            if (oldest->is_probed) to_the_end(oldest);  // it may take for ever, and others are behind it
            else if (now >= oldest->forgotten) remove(oldest, dropped);
            else return;
        }
    }

    void to_the_end(probe of) noexcept { records_.relocate(records_.end(), records_.iterator_to(*of)); }

    void remove(probe of, dropped_errors& dropped) noexcept {
        dropped.add(std::move(of->error));
        records_.erase(records_.iterator_to(*of));
    }

    index records_;
    delays lengths_;
    jitter random_;
};

}  // namespace pool::core
