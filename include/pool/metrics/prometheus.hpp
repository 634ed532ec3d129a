// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/core/platform.hpp>  // first: what it says of the compiler comes before what prometheus-cpp says

#include <algorithm>
#include <array>
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <prometheus/collectable.h>
#include <prometheus/labels.h>
#include <prometheus/metric_family.h>

#include <pool/core/pool_states.hpp>
#include <pool/metrics/kernel/families.hpp>
#include <pool/metrics/kernel/figures.hpp>
#include <pool/metrics/kernel/key_labels.hpp>
#include <pool/metrics/kernel/source.hpp>
#include <pool/metrics/kernel/utf8.hpp>
#include <pool/policies/lock.hpp>

/// @file
/// The figures of pools as metrics of prometheus-cpp, 1.0 or newer.
///
/// Include it yourself: `pool.hpp` does not, because it needs prometheus-cpp.

/// The figures of pools for monitoring systems.
namespace pool::metrics {

/// The metrics of pools. Register it with an exposer of prometheus-cpp, which then serves them. One object is enough
/// for all pools of a program, and should be all that there is for one exposer, so that each name comes once.
/// docs/metrics.md lists the metrics.
///
/// It refers to pools weakly. A pool that is destroyed leaves by itself, and neither has to outlive the other. But call
/// `remove` before anything ends that the policies of the pool, or the function that makes labels, refer to: a collection
/// that is under way may call them after the pool was destroyed. Lazy connections that outlive their pool do not keep it
/// here. If a pool is destroyed in the middle of a collection, then
/// the thread that collects frees its state.
///
/// Thread-safe. Collections, `add` and `remove` exclude each other. A collection takes the lock of a pool a few times,
/// for a step each, and nobody else waits for it. In the child of a fork, make a new one.
class prometheus_pools final : public ::prometheus::Collectable {
public:
    prometheus_pools() = default;
    prometheus_pools(const prometheus_pools&) = delete;
    prometheus_pools& operator=(const prometheus_pools&) = delete;
    ~prometheus_pools() override = default;

    /// Collects the figures of a pool from now on. Its name is the label `db_client_connection_pool_name`, so give each
    /// pool one. `labels` are further labels of all its series. Throws `std::invalid_argument` if another pool has the
    /// same name and the same labels, or if the name of a label is not valid, or used by the metrics themselves; and
    /// `std::bad_alloc`. A label with an empty value is left out.
    template <class Pool>
    void add(const Pool& conns, const ::prometheus::Labels& labels = {}) {
        check_lock<Pool>();
        insert(make_source(conns, labels_of(conns, labels), kernel::no_label{}, 0));
    }

    /// The same, and counts the connections by `label(key)`, a text. Keys with the same label are counted together. The
    /// first `most_labels` different labels that are met have series of their own, until `remove`. All others are counted
    /// together, as "other". So the number of series is bounded, whatever the keys are.
    ///
    /// `label` is called for each key in each collection, without the lock of the pool. It must not call this object.
    /// If it throws, the values of the pool's keys are left out that time.
    template <class Pool, class Label>
    void add(const Pool& conns, const ::prometheus::Labels& labels, Label label, std::size_t most_labels = 100) {
        check_lock<Pool>();
        constexpr bool makes_text = std::is_invocable_r_v<std::string, Label&, const typename Pool::key_type&>;
        static_assert(
            makes_text, "pool: the label of keys must be a function that takes a const Key& and returns a string");
        if constexpr (makes_text) insert(make_source(conns, labels_of(conns, labels), std::move(label), most_labels));
    }

    /// Collects nothing of a pool any more. When it returns, no collection asks the pool or its label function. Returns
    /// whether it was there. Do not call it from a label function.
    template <class Pool>
    bool remove(const Pool& conns) noexcept {
        const std::shared_ptr<const void> state = core::pool_access::states(conns).front();
        sources removed;
        const std::lock_guard guard{mutex_};
        for (auto next = sources_.begin(); next != sources_.end();) {
            const auto at = next++;
            if ((*at)->is_of(state)) removed.splice(removed.end(), sources_, at);
        }
        return !removed.empty();
    }

    /// What prometheus-cpp calls: the metrics of all pools now. One pool that cannot be collected does not keep the
    /// others from it: its values are left out this time, or those of its keys, and `pool_collect_errors_total` counts
    /// that. It is empty if there is not even memory for the names. O(n) in the pools, and in the connections of those
    /// whose keys become labels. Throws nothing.
    std::vector<::prometheus::MetricFamily> Collect() const override {
        sources ended;  // destroyed after the lock, as what is kept
        kernel::kept_states kept;
        try {
            kernel::families all;
            const std::lock_guard guard{mutex_};
            drop_ended(ended, kept);
            for (const auto& each : sources_) each->collect(all);
            return all.take();
        } catch (...) {
            return {};
        }
    }

private:
    using sources = std::list<std::unique_ptr<kernel::source>>;

    template <class Pool>
    static void check_lock() {
        static_assert(!std::is_same_v<typename Pool::lock_type, null_mutex>,
            "pool: metrics are collected by another thread, which needs a pool with a lock");
    }

    template <class State, std::size_t Shards, class Label>
    static std::unique_ptr<kernel::source> make_source(const core::pool_states<State, Shards>& conns,
        kernel::series_labels labels, Label label, std::size_t most_labels) {
        return std::make_unique<kernel::source_of<State, Shards, Label>>(
            conns, std::move(labels), std::move(label), most_labels);
    }

    /// The labels of all series of a pool.
    template <class Pool>
    static kernel::series_labels labels_of(const Pool& conns, const ::prometheus::Labels& labels) {
        kernel::series_labels all{{std::string{kernel::pool_label}, kernel::as_utf8(conns.name())}};
        for (const auto& [name, value] : labels) {
            check_name(name);
            if (!value.empty()) all.push_back({name, kernel::as_utf8(value)});  // empty is the same as absent
        }
        return all;
    }

    static void check_name(std::string_view name) {
        constexpr std::array used{kernel::pool_label, kernel::state_label, std::string_view{"key"},
            std::string_view{"le"}, std::string_view{"reason"}, std::string_view{"state"}};
        const auto may_begin = [](char c) { return ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') || c == '_'; };
        const auto may_follow = [&](char c) { return may_begin(c) || ('0' <= c && c <= '9'); };
        const bool is_valid = !name.empty() && may_begin(name[0]) && name.substr(0, 2) != "__" &&
                              std::all_of(name.begin(), name.end(), may_follow);
        if (!is_valid || std::find(used.begin(), used.end(), name) != used.end())
            throw std::invalid_argument{
                "prometheus_pools: \"" + std::string{name} + "\" cannot be the name of a label"};
    }

    void insert(std::unique_ptr<kernel::source> fresh) {
        sources added;
        added.push_back(std::move(fresh));
        sources ended;
        kernel::kept_states kept;
        const std::lock_guard guard{mutex_};
        drop_ended(ended, kept);
        for (const auto& each : sources_)
            if (each->labels() == added.front()->labels())
                throw std::invalid_argument{"prometheus_pools: another pool has the same name and labels"};
        sources_.splice(sources_.end(), added);
    }

    /// Keeps the pools alive that have not ended, and moves the others out. With the lock.
    void drop_ended(sources& ended, kernel::kept_states& kept) const {
        std::size_t count = 0;
        for (const auto& each : sources_) count += each->state_count();
        kept.reserve(count);
        for (auto next = sources_.begin(); next != sources_.end();) {
            const auto at = next++;
            if (!(*at)->keep(kept)) ended.splice(ended.end(), sources_, at);
        }
    }

    mutable std::mutex mutex_;  ///< guards the sources, and is held while they are asked
    mutable sources sources_;
};

}  // namespace pool::metrics
