// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <pool/hook_done.hpp>
#include <pool/testing/failure_plan.hpp>
#include <pool/testing/failure_point.hpp>
#include <pool/testing/held_locks.hpp>
#include <pool/testing/scheduler.hpp>

/// @file
/// A connection to nowhere. A `fake_dialer` opens it. The test holds its far end, and decides there what it answers and
/// how it ends.
///
/// A connection that is misused ends the program, or the run of an exploration, and says which connection it is and
/// what has happened to it before: it is closed twice, used after its close, used while it is blocked, used after it
/// was moved from, destroyed without a close; closed, used or destroyed under a lock of the kit; or used, closed, moved
/// or destroyed during a use or a close, by another thread or from within that call; or during a hook.

namespace pool::testing {

/// The far end of one connection. It lives as long as its dialer and the connections of that. All members are
/// thread-safe, but the functions.
class far_end {
public:
    /// The dialer makes it. `tell_closed` is called with each close.
    far_end(int number, std::string its_key, std::function<void(const far_end&)> tell_closed)
        : id{number},
          key{std::move(its_key)},
          tell_closed_{std::move(tell_closed)} {}
    far_end(const far_end&) = delete;
    far_end& operator=(const far_end&) = delete;

    const int id;           ///< 1 for the first of a dialer
    const std::string key;  ///< as text; empty if it was opened without a key

    std::atomic<bool> dead{false};      ///< the peer has gone: `closed()` is true
    std::atomic<bool> blocked{false};   ///< the connection is still ending a cancelled call
    std::atomic<bool> reusable{false};  ///< the connection may be used after a failure
    std::atomic<bool> stuck{false};     ///< moving a `fragile_connection` throws
    std::atomic<std::size_t> weight{0};  ///< for a capacity policy that bounds it
    std::atomic<int> closes{0};         ///< how many times it was closed: never more than once
    std::atomic<int> uses{0};           ///< how many times it was used

    /// Called by its close, after which it is closed. It may throw, block, and call the pool: see `fails`, `hangs` and
    /// `takes`. Set it before the connection is shared between threads.
    std::function<void()> on_close;
    std::function<void()> on_use;  ///< called by each use, in the same way

    /// Called by the hooks of a `tended_connection`, in the same way. Without `on_check`, a connection is healthy.
    std::function<bool()> on_check;
    std::function<void()> on_reset;       ///< by a reset
    std::function<void()> on_keep_alive;  ///< by a keep-alive

    /// Called by the hooks of an `async_tended_connection`: they call `done`, or drop it, now or later. Without one, a hook
    /// ends well at once.
    std::function<void(hook_done done)> on_async_check;
    std::function<void(hook_done done)> on_async_reset;       ///< by a reset
    std::function<void(hook_done done)> on_async_keep_alive;  ///< by a keep-alive

    /// The peer goes at this time.
    template <class Clock>
    void die_at(const Clock& clock, typename Clock::time_point when) {
        const disarmed unnoticed;
        set(has_gone_, [clock, when] { return clock.now() >= when; });
    }

    /// The peer goes during a use: the `count`-th from now, where 1 is the next. That use throws.
    void die_at_use(int count) {
        kernel::require_counted_from_1(count, "die_at_use");
        last_use_ = uses + count;
    }

    /// It is blocked until this time.
    template <class Clock>
    void block_until(const Clock& clock, typename Clock::time_point when) {
        const disarmed unnoticed;
        set(is_busy_, [clock, when] { return clock.now() < when; });
    }

    /// Whether the peer has gone.
    bool is_dead() const { return dead || ask(has_gone_); }
    /// Whether it takes no call now.
    bool is_blocked() const { return blocked || ask(is_busy_); }
    /// Whether it is neither closed nor dead.
    bool is_open() const { return closes == 0 && !is_dead(); }

    /// Adds a line of the test's own to the history.
    void note(std::string what) {
        const disarmed unnoticed;
        const std::scoped_lock guard{mutex_};
        if (!history_.empty() && history_.back().what == what) ++history_.back().times;
        else history_.push_back({std::move(what)});
    }

    /// The events of its life, as text.
    std::string history() const {
        const disarmed unnoticed;
        const std::scoped_lock guard{mutex_};
        std::string all = key.empty() ? "opened" : "dialled for " + key;
        for (const auto& [what, times] : history_) {
            all += ", " + what;
            if (times > 1) all += ' ' + std::to_string(times) + " times";
        }
        if (dead) all += ", its peer has gone";
        if (blocked) all += ", it is blocked";
        return all;
    }

private:
    friend class fake_connection;
    friend class tended_connection;
    friend class async_tended_connection;

    /// What is done with a connection.
    struct action {
        const char* step;   ///< for the text of a schedule
        const char* what;   ///< for a report
        const char* state;  ///< what the connection is doing then
    };
    static constexpr action closing{"closes a connection", "closed", "it is being closed"};
    static constexpr action moving{"moves a connection", "moved", "it is being moved"};
    static constexpr action ending{"destroys a connection", "destroyed", "it is being destroyed"};

    /// While it lives, something is done with the connection, and nothing else may begin. Its atomics are relaxed: they
    /// should not hide a race of the code under test from the thread sanitizer.
    class call {
    public:
        call(const far_end& far, const action& begun) : far_{far} {
            const char* running = nullptr;
            if (!far.state_.compare_exchange_strong(running, begun.state, std::memory_order_relaxed))
                far.clash(begun, running);
            far.caller_.store(this_thread(), std::memory_order_relaxed);
        }
        /// It goes on without its thread.
        void leave_thread() const noexcept { far_.caller_.store(nullptr, std::memory_order_relaxed); }
        call(const call&) = delete;
        call& operator=(const call&) = delete;
        ~call() {
            far_.caller_.store(nullptr, std::memory_order_relaxed);
            far_.state_.store(nullptr, std::memory_order_relaxed);
        }

    private:
        const far_end& far_;
    };

    static const void* this_thread() noexcept {
        const scheduler* const running = scheduler::running();
        return running != nullptr ? running->calling_thread() : &held_by_this_thread();
    }

    [[noreturn]] void clash(const action& begun, const char* state) const {
        const disarmed unnoticed;
        const void* const caller = caller_.load(std::memory_order_relaxed);
        const char* const where = caller == nullptr         ? ", before that has ended"
                                  : caller == this_thread() ? ", from within that call"
                                                            : ", by two threads at once";
        at(begun.step);  // so the schedule has it
        misused((begun.what + std::string{" while "} + state + where).c_str());
    }

    using condition = std::function<bool()>;
    struct happening {
        std::string what;
        int times = 1;  ///< one after the other
    };

    [[noreturn]] void misused(const char* what) const {
        const kernel::unwatched own;
        testing::misused("connection " + std::to_string(id) + ": " + what + "\n  its history: " + history());
    }

    void close() {
        if (is_under_lock()) misused("closed under a lock");
        const call here{*this, closing};
        at(closing.step);
        if (++closes > 1) misused("closed twice");
        {
            const disarmed unnoticed;
            note("closed");
            tell_closed_(*this);
        }
        may_fail(point::close);
        if (on_close) on_close();
    }

    /// `step` is what an exploration prints, and `what` is for the history.
    template <class Text>
    void use(const char* step, const Text& what) {
        if (is_under_lock()) misused("used under a lock");
        const call here{*this, {step, "used", "it is in use"}};
        at(step);
        if (closes > 0) misused("used after its close");
        if (is_blocked()) misused("used while it is blocked");
        {
            const disarmed unnoticed;
            note(what);
        }
        if (++uses == last_use_) dead = true;
        if (is_dead()) {
            const disarmed unnoticed;
            throw std::runtime_error{"the peer of connection " + std::to_string(id) + " has gone"};
        }
        if (on_use) on_use();
    }

    bool check() {
        return tend(
            {"checks a connection", "checked", "it is being checked"}, [this] { return !on_check || on_check(); });
    }
    void reset_session() {
        (void)tend({"resets a connection", "reset", "it is being reset"}, [this] {
            if (on_reset) on_reset();
            return true;
        });
    }
    void keep_alive() {
        (void)tend({"keeps a connection alive", "kept alive", "it is being kept alive"}, [this] {
            if (on_keep_alive) on_keep_alive();
            return true;
        });
    }

    /// Something that a pool does with a connection that it has.
    template <class Act>
    bool tend(const action& what, const Act& act) {
        require_no_lock(what);
        const call here{*this, what};
        begin_to_tend(what);
        return act();
    }

    void require_no_lock(const action& what) const {
        if (is_under_lock()) misused((what.what + std::string{" under a lock"}).c_str());
    }

    /// The begin of that, when nothing else is done with the connection.
    void begin_to_tend(const action& what) {
        at(what.step);
        if (closes > 0) misused((what.what + std::string{" after its close"}).c_str());
        {
            const disarmed unnoticed;
            note(what.what);
        }
        may_fail(point::hook);
        if (is_dead()) {
            const disarmed unnoticed;
            throw std::runtime_error{"the peer of connection " + std::to_string(id) + " has gone"};
        }
    }

    void set(condition& which, condition what) {
        const std::scoped_lock guard{mutex_};
        which = std::move(what);
    }
    bool ask(const condition& which) const {
        const std::scoped_lock guard{mutex_};
        return which && which();
    }

    mutable std::atomic<const char*> state_{nullptr};   ///< during a call
    mutable std::atomic<const void*> caller_{nullptr};  ///< the thread of that call
    std::atomic<int> last_use_{0};
    const std::function<void(const far_end&)> tell_closed_;
    mutable std::mutex mutex_;  ///< guards all below; the clock of a condition is read under it
    condition has_gone_;
    condition is_busy_;
    std::vector<happening> history_;
};

/// Move-only. As with a real one, different threads may use it one after the other.
class fake_connection {
public:
    /// The near end of `far`. Dialers call it.
    explicit fake_connection(std::shared_ptr<far_end> far) noexcept : far_{std::move(far)} {}
    /// `other` must not be used any more.
    fake_connection(fake_connection&& other) noexcept : far_{other.far_}, is_here_{other.leave()} {}
    /// The connection that this one has been must be closed.
    fake_connection& operator=(fake_connection&& other) noexcept {
        if (this != &other) {
            abandon();
            far_ = other.far_;
            is_here_ = other.leave();
        }
        return *this;
    }
    ~fake_connection() { abandon(); }

    void close() { far().close(); }                                          ///< throws what `far().on_close` throws
    bool closed() const noexcept { return step(), !far().is_open(); }        ///< closed, or its peer has gone
    bool released() const noexcept { return far().closes > 0; }              ///< closed
    bool unblocked() const noexcept { return step(), !far().is_blocked(); }  ///< what the test has said
    std::size_t weight() const noexcept { return far().weight; }             ///< what the test has said
    bool reusable() const noexcept { return far().reusable; }                ///< what the test has said

    /// A call over it. `what` is for the history, and for the text of a schedule, so it must outlive an exploration.
    /// Throws what `far().on_use` throws, and a `std::runtime_error` if the peer has gone.
    void use(const char* what = "used") { far().use(what, what); }
    /// The same, with a text that need not live on. It is for the history alone.
    void use(const std::string& what) { far().use("uses a connection", what); }

    /// 1 for the first of a dialer.
    int id() const noexcept { return far().id; }

    /// The far end, which the test holds.
    far_end& far() const noexcept {
        if (!is_here_) far_->misused("used after it was moved from");
        return *far_;
    }

private:
    /// Returns whether there was a connection here.
    bool leave() noexcept {
        if (!is_here_) return false;
        const far_end::call here{*far_, far_end::moving};
        is_here_ = false;
        return true;
    }

    void abandon() noexcept {
        if (!is_here_) return;
        if (is_under_lock()) far_->misused("destroyed under a lock");
        const far_end::call here{*far_, far_end::ending};
        if (far_->closes == 0) far_->misused("lost without a close");
    }

    std::shared_ptr<far_end> far_;  ///< not null. What was moved from keeps it, too: a report names the connection
    bool is_here_ = true;
};

/// A connection whose move can throw: it is a failure point.
class fragile_connection : public fake_connection {
public:
    /// The same connection. This move does not throw.
    explicit fragile_connection(fake_connection&& from) noexcept : fake_connection{std::move(from)} {}
    /// If it throws, as it does while its far end is stuck, `other` still has the connection.
    fragile_connection(fragile_connection&& other) : fake_connection{movable(other)} {}

private:
    static fake_connection&& movable(fake_connection& other) {
        may_fail(point::move);
        if (other.far().stuck) {
            const disarmed unnoticed;
            throw std::runtime_error{"stuck"};
        }
        return std::move(other);
    }
};

}  // namespace pool::testing
