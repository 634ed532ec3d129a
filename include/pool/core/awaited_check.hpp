// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <memory>
#include <utility>

#include <pool/connection.hpp>
#include <pool/core/async_checks.hpp>
#include <pool/core/async_turn.hpp>
#include <pool/core/health.hpp>
#include <pool/core/request.hpp>

/// @file
/// The part of an asynchronous acquire that waits for an `async_healthy`.

namespace pool::core {

/// A check that `Operation` waits for. Its first turn begins it, and its end is another turn. If the operation gives up
/// meanwhile, the check goes on alone, and keeps the operation alive.
template <class State, class Operation>
class awaited_check : public State::check {
    using entry = typename State::entry;
    using connection_type = typename State::connection_type;

protected:
    /// Starts the check of a connection, which belongs to the check then. Returns whether another turn follows. If not,
    /// the operation has an outcome.
    bool start_check(entry& lent) noexcept {
        State& state = its_state();
        try {
            self().start_timer();
        } catch (...) {
            self().refuse_by_exception();
            state.give_back(lent);
            return false;
        }
        if (!state.begin_check(*this, self().deadline())) {
            self().refuse(request_state::closed);
            state.give_back(lent);
            return false;
        }
        // If the caller gave up before that, nothing has ended the check.
        if (const auto reason = self().reason_to_leave()) {
            const bool is_first = state.end_check(*this);
            if (is_first) self().refuse(*reason);
            state.give_back(lent);
            return !is_first;
        }
        alone_ = self().shared_from_this();
        core::start_hook([&] {
            connection_traits<connection_type>::async_healthy(lent.conn(), hook_done{&answered, &self(), &lent});
        });
        return true;
    }

    /// Ends the wait for a check that is running, and has another turn tell why. Returns whether one was running.
    bool give_up_check(request_state why) noexcept {
        if (!its_state().end_check(*this, why)) return false;
        its_state().tell(*this);
        return true;
    }

    /// The answer of a check.
    struct checked {
        entry* conn = nullptr;    ///< its connection, which belongs to the caller of `take_checked`
        bool is_healthy = false;  ///< its answer
    };

    /// The answer that the last turn has waited for; no connection, if there is none.
    checked take_checked() noexcept { return std::exchange(answer_, {}); }

private:
    bool over() noexcept final {
        return core::succeeds([&] { core::post_turn(self().shared_from_this()); });
    }

    Operation& self() noexcept { return static_cast<Operation&>(*this); }
    State& its_state() noexcept { return self().state(); }

    static void answered(void* operation, void* of, bool is_good) noexcept {
        auto& here = static_cast<awaited_check&>(*static_cast<Operation*>(operation));
        auto& lent = *static_cast<entry*>(of);
        if (here.its_state().is_forgotten(lent)) return;  // and so is the operation, which stays
        const auto alive = std::move(here.alone_);
        if (here.its_state().end_check(here)) {
            here.answer_ = {&lent, is_good && !connection_traits<connection_type>::closed(lent.conn())};
            here.its_state().tell(here);
        } else {
            core::end_unneeded_check(here.its_state(), lent, is_good);
        }
    }

    checked answer_;
    std::shared_ptr<Operation> alone_;  ///< the operation, until the answer
};

/// The part of an operation whose connections have no `async_healthy`: nothing.
template <class Operation>
struct no_awaited_check {};

/// Which of these two.
template <class State, class Operation>
struct check_part {
    using type = no_awaited_check<Operation>;
};
template <class State, class Operation>
    requires async_health_checked<typename State::connection_type>
struct check_part<State, Operation> {
    using type = awaited_check<State, Operation>;
};

}  // namespace pool::core
