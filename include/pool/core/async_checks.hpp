// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cassert>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <boost/intrusive/list.hpp>

#include <pool/core/guarded_parts.hpp>
#include <pool/core/request.hpp>
#include <pool/policies/clock.hpp>

/// @file
/// The health checks that asynchronous callers wait for. A caller may give up during its check, which then goes on
/// alone.

namespace pool::core {

/// The state of a pool whose Conn has `async_healthy`: an `idle_limit` or an `open_limit`, and its checks. Thread-safe,
/// if LockPolicy is a lock.
template <class Limit>
class async_checks : public Limit {
public:
    using Limit::Limit;
    using typename Limit::clock_time_point;

    /// The wait of one caller for a check. It ends once: with the answer, or because the caller gives up, or because the
    /// pool is closed. Whoever ends it tells the caller. Do not destroy it while it is running.
    class check {
    public:
        check(const check&) = delete;
        check& operator=(const check&) = delete;

    protected:
        check() = default;
        ~check() { assert(!place_.is_linked() && "pool: the wait for a check was destroyed before its end"); }

        /// The outcome for its caller, if it has ended without an answer.
        std::optional<request_state> outcome() const noexcept { return outcome_; }

    private:
        friend async_checks;

        /// Tells the caller to look, without the lock. Returns false if there is no memory for that.
        virtual bool over() noexcept = 0;

        boost::intrusive::list_member_hook<> place_;  ///< among those that are running, or those that were not told
        clock_time_point deadline_{};
        std::optional<request_state> outcome_;
        bool is_running_ = false;
    };

    /// Begins to wait, until `deadline`, unless the pool is closed. Returns whether it did.
    bool begin_check(check& begun, clock_time_point deadline) noexcept {
        const std::lock_guard guard{lock_};
        if (this->is_closed()) return false;
        begun.deadline_ = deadline;
        begun.is_running_ = true;
        running_.push_back(begun);
        return true;
    }

    /// Ends it, if it is running: with the answer, or with an outcome. Returns whether it was. Then call `tell`.
    bool end_check(check& ended, std::optional<request_state> outcome = {}) noexcept {
        const std::lock_guard guard{lock_};
        if (!std::exchange(ended.is_running_, false)) return false;
        ended.outcome_ = outcome;
        running_.erase(running_.iterator_to(ended));
        return true;
    }

    /// Tells the caller that it has ended. It may be destroyed then.
    void tell(check& ended) noexcept {
        if (ended.over()) return;
        const std::lock_guard guard{lock_};
        untold_.push_back(ended);
    }

    /// Does all that is due. If no clock wakes the callers, those leave that are late.
    std::size_t upkeep() {
        end_checks(request_state::timed_out, [this](const check& each) {
            return !keeps_real_time<typename Limit::clock_type> && this->is_past(each.deadline_);
        });
        return Limit::upkeep();
    }

    /// From now on the pool keeps no connection, and nobody waits for a check. Closes the idle connections.
    void close_all(std::vector<std::exception_ptr>* errors) noexcept {
        {
            const std::lock_guard guard{lock_};
            this->service_ = service::closed;  // from now on, none begins
        }
        end_checks(request_state::closed, [](const check&) { return true; });
        Limit::close_all(errors);
    }

    /// In the child of a fork: also forgets the checks.
    void abandon() noexcept {
        std::construct_at(std::addressof(running_));
        std::construct_at(std::addressof(untold_));
        Limit::abandon();
    }

private:
    ~async_checks() override = default;

    using Limit::lock_;
    using checks = boost::intrusive::list<check,
        boost::intrusive::member_hook<check, boost::intrusive::list_member_hook<>, &check::place_>,
        boost::intrusive::constant_time_size<false>>;

    /// Ends those for which `ends(check)` is true, and tells their callers, and those that were not told before.
    template <class Ends>
    void end_checks(request_state outcome, const Ends& ends) noexcept {
        checks ended;
        {
            const std::lock_guard guard{lock_};
            ended.splice(ended.end(), untold_);
            for (auto next = running_.begin(); next != running_.end();) {
                check& each = *next++;
                if (!ends(each)) continue;
                each.is_running_ = false;
                each.outcome_ = outcome;
                running_.erase(running_.iterator_to(each));
                ended.push_back(each);
            }
        }
        while (!ended.empty()) {
            check& next = ended.front();
            ended.pop_front();
            tell(next);
        }
    }

    checks running_;
    checks untold_;  ///< those whose callers could not be told: the next `upkeep` or `close_all` tries again
};

}  // namespace pool::core
