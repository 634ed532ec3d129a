// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include <pool/core/describe.hpp>
#include <pool/dial.hpp>
#include <pool/key.hpp>
#include <pool/testing/event_log.hpp>
#include <pool/testing/failure_plan.hpp>
#include <pool/testing/failure_point.hpp>
#include <pool/testing/fake_connection.hpp>
#include <pool/testing/held_locks.hpp>
#include <pool/testing/scheduler.hpp>

/// @file
/// Opens fake connections, and remembers all of them. To dial under a lock of the kit ends the program, or the run of an
/// exploration.

namespace pool::testing {

/// A dial for any key, with and without a context. Connections are numbered from 1. Copies share everything, so the test
/// keeps one, and a pool or a lazy connection has another. All members are thread-safe.
///
/// @code
/// fake_dialer dials;
/// dials.next(fails("refused"));
/// CHECK_THROWS((void)pool.acquire("a", dials));
/// { auto lent = pool.acquire("a", dials); }
/// dials[1].dead = true;
/// @endcode
class fake_dialer {
public:
    using action = std::function<void(const dial_context&)>;  ///< what a dial does before it opens a connection

    fake_dialer() = default;
    /// Adds lines to `log`, which must outlive the connections: "dials 1 for a", "fails to dial for a", "closes 1".
    explicit fake_dialer(event_log& log) { shared_->log = &log; }

    /// Opens a connection for `key`. Throws what the test has told it to throw.
    template <class Key>
    fake_connection operator()(const Key& key, const dial_context& context = {}) {
        return open(text(key), context);
    }
    /// The same, for the dial of a pool of one peer.
    fake_connection operator()(const dial_context& context = {}) { return open({}, context); }

    /// @name What dials do
    /// @{

    /// The next dial does this first, or, if that has something to do already, the one after it.
    void next(action what) {
        const disarmed unnoticed;
        const std::scoped_lock guard{shared_->mutex};
        int which = shared_->attempts + 1;
        while (shared_->script.contains(which)) ++which;
        shared_->script.emplace(which, std::move(what));
    }
    /// The n-th dial from now does this first, where 1 is the next.
    void nth(int n, action what) {
        kernel::require_counted_from_1(n, "fake_dialer::nth");
        const disarmed unnoticed;
        const std::scoped_lock guard{shared_->mutex};
        shared_->script.insert_or_assign(shared_->attempts + n, std::move(what));
    }
    /// From now on, each other dial does this first.
    void each(action what) {
        const std::scoped_lock guard{shared_->mutex};
        shared_->others = std::move(what);
    }
    /// Calls `prepare(far_end)` for each connection that is opened from now on, before it is anybody's. It may ask this
    /// dialer, which counts that connection already.
    void prepare(std::function<void(far_end&)> prepare) {
        const std::scoped_lock guard{shared_->mutex};
        shared_->prepare = std::move(prepare);
    }
    /// @}

    /// @name What they have done
    /// @{

    /// The far end of the connection with this number.
    far_end& operator[](int id) const {
        if (far_end* const found = end_of(id)) return *found;
        const kernel::unwatched own;
        const int count = dials();
        misused("there is no connection " + std::to_string(id) + "; " + std::to_string(count) +
                (count == 1 ? " was dialled" : " were dialled"));
    }
    /// How many times it was called.
    int attempts() const {
        const std::scoped_lock guard{shared_->mutex};
        return shared_->attempts;
    }
    /// How many connections it has opened.
    int dials() const {
        const std::scoped_lock guard{shared_->mutex};
        return static_cast<int>(shared_->ends.size());
    }
    /// How many of these are neither closed nor dead. O(dials).
    int open() const {
        const std::scoped_lock guard{shared_->mutex};
        int count = 0;
        for (const far_end& each : shared_->ends) count += each.is_open();
        return count;
    }
    /// Which connections were closed, in this order, since this was last asked.
    sequence<int> closed() {
        const std::scoped_lock guard{shared_->mutex};
        return std::exchange(shared_->closed, {});
    }
    /// @}

private:
    struct state {
        std::mutex mutex;  ///< guards all below; no action, no hook and no user's code runs under it
        std::deque<far_end> ends;
        sequence<int> closed;
        int attempts = 0;
        std::map<int, action> script;
        action others;
        std::function<void(far_end&)> prepare;
        event_log* log = nullptr;

        void note_close(const far_end& end) {
            const std::scoped_lock guard{mutex};
            closed.push_back(end.id);
            note("closes", end.id, {});
        }

        void note(const char* what, int id, const std::string& key) const {
            if (log == nullptr) return;
            std::string line = what;
            if (id != 0) line += ' ' + std::to_string(id);
            if (!key.empty()) line += " for " + key;
            log->add(std::move(line));
        }
    };

    template <class Key>
    static std::string text(const Key& key) {
        const disarmed unnoticed;
        if constexpr (std::same_as<Key, no_key>) return {};
        else if constexpr (std::convertible_to<const Key&, std::string_view>)
            return std::string{static_cast<std::string_view>(key)};
        else return core::describe(key);
    }

    far_end* end_of(int id) const {
        const std::scoped_lock guard{shared_->mutex};
        const auto at = static_cast<std::size_t>(id) - 1;
        return at < shared_->ends.size() ? &shared_->ends[at] : nullptr;
    }

    fake_connection open(const std::string& key, const dial_context& context) {
        if (is_under_lock()) {
            const disarmed unnoticed;
            misused("a connection" + (key.empty() ? key : " for " + key) + " is dialled under a lock");
        }
        at("dials");
        try {
            may_fail(point::dial);
            if (const action first = next_action()) first(context);
        } catch (...) {
            const disarmed unnoticed;
            const std::scoped_lock guard{shared_->mutex};
            shared_->note("fails to dial", 0, key);
            throw;
        }
        const disarmed unnoticed;
        std::unique_lock guard{shared_->mutex};
        const int id = static_cast<int>(shared_->ends.size()) + 1;
        far_end& far =
            shared_->ends.emplace_back(id, key, [on = shared_.get()](const far_end& end) { on->note_close(end); });
        if (const auto prepare = shared_->prepare) {
            guard.unlock();  // it may ask the dialer
            prepare(far);
            guard.lock();
        }
        shared_->note("dials", id, key);
        return fake_connection{std::shared_ptr<far_end>{shared_, &far}};
    }

    action next_action() {
        const disarmed unnoticed;
        const std::scoped_lock guard{shared_->mutex};
        const auto found = shared_->script.find(++shared_->attempts);
        if (found == shared_->script.end()) return shared_->others;
        return std::move(shared_->script.extract(found).mapped());
    }

    static std::shared_ptr<state> make() {
        const disarmed unnoticed;
        return std::make_shared<state>();
    }

    std::shared_ptr<state> shared_ = make();
};

}  // namespace pool::testing
