// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <optional>
#include <stop_token>
#include <utility>

#include <pool/testing/exploration.hpp>
#include <pool/testing/kernel/sanitizers.hpp>

/// @file
/// The stop callback of an exploration.

namespace pool::testing {

/// As `std::stop_callback`, in an exploration. The standard's compares the ids of threads: it would take all logical
/// threads for one, and its destructor would not wait for a callback that another one runs.
template <class F>
class scheduled_stop_callback {
public:
    /// Calls `f()` when a stop is requested; at once, if one has been.
    template <class Callable>
    scheduled_stop_callback(std::stop_token stop, Callable&& f)
        : f_(std::forward<Callable>(f)),
          registered_{std::in_place, std::move(stop), call{*this}} {}
    scheduled_stop_callback(const scheduled_stop_callback&) = delete;
    scheduled_stop_callback& operator=(const scheduled_stop_callback&) = delete;

    /// Waits until the callback has returned, if another thread runs it.
    ~scheduled_stop_callback() {
        if (exploration* const all = exploration::running()) all->end(is_running_, caller_);
        if (is_gone_ != nullptr) *is_gone_ = true;
        const kernel::unwatched own;  // the standard's callback takes all logical threads for one
        registered_.reset();
    }

private:
    struct call {
        scheduled_stop_callback& self;
        void operator()() const {
            exploration* const all = exploration::running();
            if (all == nullptr) return self.f_();
            bool is_gone = false;
            self.is_gone_ = &is_gone;
            all->begin_callback(self.is_running_, self.caller_);
            self.f_();
            if (is_gone) return;
            self.is_gone_ = nullptr;
            all->end_callback(self.is_running_);
        }
    };

    F f_;
    bool is_running_ = false;
    int caller_ = -1;
    bool* is_gone_ = nullptr;  ///< a callback may end itself
    std::optional<std::stop_callback<call>> registered_;
};

inline void exploration::begin_callback(bool& is_running, int& caller) {
    const kernel::unwatched own;
    is_running = true;
    caller = self_->number;
}

inline void exploration::end_callback(bool& is_running) {
    const kernel::unwatched own;
    kernel::release(&is_running);
    is_running = false;
}

inline void exploration::end(const bool& is_running, const int& caller) {
    at("ends its stop callback");
    const kernel::unwatched own;
    if (is_running && caller != self_->number) {
        const kernel::step step{"waits for its stop callback"};
        go_on({step, &is_running, &caller});
        record(self_->number, step);
    }
    kernel::acquire(const_cast<bool*>(&is_running));
}

}  // namespace pool::testing
