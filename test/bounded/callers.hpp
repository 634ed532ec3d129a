// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include <bounded/checked_pool.hpp>

/// @file
/// What callers do who may wait, one operation each.

namespace bounded_models {

/// A checked pool with callers.
class callers : protected checked_pool {
protected:
    using checked_pool::checked_pool;

    ~callers() = default;

    /// A caller for which this holds, or nullptr.
    template <class Which>
    asker* any_asker(const Which& which) {
        std::vector<asker*> all;
        for (const auto& each : askers_)
            if (each->is_submitted() && which(*each)) all.push_back(each.get());
        return all.empty() ? nullptr : all[below(all.size())];
    }
    asker* any_asker() {
        return any_asker([](const asker&) { return true; });
    }

    void submit(std::size_t of, time_point deadline) {
        const bool blocked_by_dial = one_in(2);
        auto own = std::make_unique<asker>(blocked_by_dial, deadline, &luck_);
        asker& asking = *own;
        askers_.push_back(std::move(own));
        play([&] { asking.expected = &model_->submit(of, blocked_by_dial, deadline); },
            [&] { state_->submit(asking, hashed(of)); });
    }

    void look(asker& caller) {
        if (caller.is_pending) return;  // its turn is still to come
        request_state expected{};
        play([&] { expected = model_->look(*caller.expected); },
            [&] { check(state_->look(caller) == expected, "what a caller sees"); });
    }

    void close_for(asker& caller) {
        bool closes = false;
        play([&] { closes = model_->close_for(*caller.expected); },
            [&] { check(state_->close_for(caller) == closes, "whether it closes one"); });
    }

    void cancel(asker& caller) {
        play([&] { model_->cancel(*caller.expected); }, [&] { state_->cancel(caller); });
    }

    void end_dial(asker& caller) {
        if (one_in(4)) {
            play([&] { model_->dial_failed(*caller.expected); },
                [&] { state_->dial_failed(caller, nullptr, pool::core::count_dial::yes); });
        } else {
            auto fresh = net_.dial();
            const int id = fresh.id();
            play([&] { model_->dial_succeeded(*caller.expected, id); },
                [&] {
                    state_->dial_succeeded(
                        caller, state_->dialled(caller, [&](const auto&) { return std::move(fresh); }));
                });
        }
    }

    /// The request is over, and its caller takes what it has got.
    void leave(const asker& caller) {
        if (caller.state() == request_state::lent) leases_.emplace_back(*state_, caller.lent());
        ++look_ups_;
        model_->forget(*caller.expected);
        std::erase_if(askers_, [&](const auto& each) { return each.get() == &caller; });
    }
};

}  // namespace bounded_models
