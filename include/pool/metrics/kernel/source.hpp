// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <pool/connection_info.hpp>
#include <pool/core/pool_states.hpp>
#include <pool/metrics/kernel/families.hpp>
#include <pool/metrics/kernel/figures.hpp>
#include <pool/metrics/kernel/key_labels.hpp>

/// @file
/// One pool of which metrics are collected.

namespace pool::metrics::kernel {

/// The references that keep the states of pools alive while they are asked.
using kept_states = std::vector<std::shared_ptr<const void>>;

/// A pool that was added, whatever its type. Not thread-safe.
class source {
public:
    source(const source&) = delete;
    source& operator=(const source&) = delete;
    virtual ~source() = default;

    const series_labels& labels() const noexcept { return labels_; }  ///< of all its values

    /// How many states it has.
    virtual std::size_t state_count() const noexcept = 0;
    /// Whether this is the pool with that first state.
    virtual bool is_of(const std::shared_ptr<const void>& state) const noexcept = 0;
    /// Adds its states, for which there is room, to `kept`. Returns false if the pool has ended.
    virtual bool keep(kept_states& kept) noexcept = 0;

    /// Adds its values. It has to be kept. If the values of its keys cannot be had, all others are added. If those
    /// cannot, none are.
    void collect(families& all) noexcept {
        std::vector<sample> its;
        try {
            add_keys(its);
        } catch (...) {
            its.clear();
            ++errors_;
        }
        try {
            snapshot now;
            now.errors = errors_;
            take(now);
            std::vector<sample> figures_now = kernel::samples_of(now, labels_);
            its.reserve(its.size() + figures_now.size());
            for (sample& each : figures_now) its.push_back(std::move(each));
            all.append(std::move(its));
        } catch (...) {
            ++errors_;
        }
    }

protected:
    explicit source(series_labels labels) : labels_{std::move(labels)} {}

    /// Adds the values of its keys.
    virtual void add_keys(std::vector<sample>& to) = 0;
    /// Reads its figures and bounds.
    virtual void take(snapshot& now) const = 0;

private:
    const series_labels labels_;
    std::uint64_t errors_ = 0;  ///< collections that have failed
};

/// In the place of the labels of a pool whose keys become none.
struct no_keys {
    constexpr no_keys(no_label, std::size_t) noexcept {}  ///< takes what the labels would take
};

/// A pool with such states.
template <class State, std::size_t Shards, class Label>
class source_of final : public source {
    using key_type = typename State::key_type;
    static constexpr bool has_keys = !std::is_same_v<Label, no_label>;

public:
    /// It refers to the pool weakly.
    source_of(const core::pool_states<State, Shards>& conns, series_labels labels, Label label, std::size_t most_labels)
        : source{std::move(labels)},
          keys_{std::move(label), most_labels} {
        const auto& states = core::pool_access::states(conns);
        for (std::size_t i = 0; i != Shards; ++i) states_[i] = states[i];
    }

    std::size_t state_count() const noexcept override { return Shards; }

    bool is_of(const std::shared_ptr<const void>& state) const noexcept override {
        return !states_.front().owner_before(state) && !state.owner_before(states_.front());
    }

    bool keep(kept_states& kept) noexcept override {
        for (std::size_t i = 0; i != Shards; ++i) {
            auto state = states_[i].lock();
            if (state == nullptr) return false;
            now_[i] = state.get();
            kept.push_back(std::move(state));
        }
        return !now_.front()->has_ended();
    }

private:
    void add_keys([[maybe_unused]] std::vector<sample>& to) override {
        if constexpr (has_keys) {
            key_walk<key_type> walk;
            for (State* const each : now_) walk.look_at(*each);
            keys_.count(walk);
            const std::size_t family = kernel::by_key_family();
            keys_.for_each([&](std::string_view label, const state_counts& counts) {
                for (std::size_t i = 0; i != counts.size(); ++i) {
                    to.push_back(kernel::make_sample(family, by_key.type, labels(), static_cast<double>(counts[i])));
                    kernel::add_label(to.back(), "key", label);
                    kernel::add_label(to.back(), "state", to_string(static_cast<connection_state>(i)));
                }
            });
        }
    }

    void take(snapshot& now) const override {
        for (State* const each : now_) {
            now.stats += each->stats();
            if (const auto times = each->histograms()) {
                if (!now.times) now.times.emplace();
                *now.times += *times;
            }
            each->ask_capacity([&](const auto& policy) { now.add_bounds(policy); });
            std::size_t i = 0;
            while (const auto next = each->target(i++)) now.min_idle += next->count;
        }
    }

    std::array<std::weak_ptr<State>, Shards> states_;
    std::array<State*, Shards> now_{};  ///< valid while they are kept
    [[no_unique_address]] std::conditional_t<has_keys, key_labels<key_type, Label>, no_keys> keys_;
};

}  // namespace pool::metrics::kernel
