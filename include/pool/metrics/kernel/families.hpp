// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/core/platform.hpp>  // first: what it says of the compiler comes before what prometheus-cpp says

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <prometheus/client_metric.h>
#include <prometheus/metric_family.h>

#include <pool/metrics/kernel/figures.hpp>

/// @file
/// The figures of pools in the form of prometheus-cpp.

namespace pool::metrics::kernel {

using series_labels = std::vector<::prometheus::ClientMetric::Label>;  ///< of one series

/// A value of one pool, and which family it is of.
struct sample {
    std::size_t family;                 ///< its place
    ::prometheus::ClientMetric metric;  ///< its labels and its value
};

/// One family for each name in the table, and one for the keys.
class families {
public:
    /// Families without values. Throws `std::bad_alloc`.
    families() {
        all_.reserve(figures.size() + 1);
        for (const figure& each : figures)
            if (all_.empty() || all_.back().name != each.name) add(each);
        add(by_key);
    }

    /// Adds the values of one pool, all of them or, if it throws `std::bad_alloc`, none.
    void append(std::vector<sample>&& its) {
        std::vector<std::size_t> sizes(all_.size());
        for (const sample& each : its) ++sizes[each.family];
        for (std::size_t i = 0; i != all_.size(); ++i) {
            auto& metrics = all_[i].metric;
            const std::size_t needed = metrics.size() + sizes[i];
            if (needed > metrics.capacity()) metrics.reserve(std::max(needed, 2 * metrics.capacity()));
        }
        for (sample& each : its) all_[each.family].metric.push_back(std::move(each.metric));
    }

    /// The families that have values.
    std::vector<::prometheus::MetricFamily> take() {
        all_.erase(
            std::remove_if(all_.begin(), all_.end(), [](const auto& each) { return each.metric.empty(); }), all_.end());
        return std::move(all_);
    }

private:
    void add(const figure& first) {
        all_.push_back({std::string{first.name}, std::string{first.help}, type_of(first.type), {}});
    }

    static ::prometheus::MetricType type_of(kind type) noexcept {
        switch (type) {
        case kind::counter:
            return ::prometheus::MetricType::Counter;
        case kind::histogram:
            return ::prometheus::MetricType::Histogram;
        default:
            return ::prometheus::MetricType::Gauge;
        }
    }

    std::vector<::prometheus::MetricFamily> all_;
};

/// A value, with the labels of its pool.
inline sample make_sample(std::size_t family, kind type, const series_labels& labels, double value) {
    sample made{family, {}};
    made.metric.label.reserve(labels.size() + 2);
    made.metric.label = labels;
    if (type == kind::counter) made.metric.counter.value = value;
    else made.metric.gauge.value = value;
    return made;
}

/// Adds a label to a value.
inline void add_label(sample& to, std::string_view name, std::string_view value) {
    to.metric.label.push_back({std::string{name}, std::string{value}});
}

/// A histogram in seconds, with the labels of its pool. Its buckets end at each doubling from 2^13 ns (8.2 us) to 2^37 ns
/// (137 s), which are some of the bounds of `times`.
inline sample make_sample(std::size_t family, const series_labels& labels, const histogram& times) {
    constexpr int first = 13, last = 37;
    const auto seconds = [](std::chrono::nanoseconds time) { return std::chrono::duration<double>{time}.count(); };
    sample made{family, {}};
    made.metric.label = labels;
    auto& to = made.metric.histogram;
    to.sample_count = times.count();
    to.sample_sum = seconds(times.sum());
    to.bucket.reserve(last - first + 1);
    std::uint64_t below = 0;
    std::size_t next = 0;
    for (int octave = first; octave <= last; ++octave) {
        const std::chrono::nanoseconds bound{std::int64_t{1} << octave};
        for (; histogram::end_of(next) <= bound; ++next) below += times.count_in(next);
        to.bucket.push_back({below, seconds(bound)});
    }
    return made;
}

/// The values of a pool, in the order of the table. Throws `std::bad_alloc`.
inline std::vector<sample> samples_of(const snapshot& now, const series_labels& labels) {
    std::vector<sample> all;
    all.reserve(figures.size());
    std::size_t family = 0;
    for (std::size_t i = 0; i != figures.size(); ++i) {
        const figure& each = figures[i];
        if (i != 0 && figures[i - 1].name != each.name) ++family;
        if (each.times != nullptr) {
            if (const histogram* const times = each.times(now))
                all.push_back(kernel::make_sample(family, labels, *times));
            continue;
        }
        const auto value = each.of(now);
        if (!value) continue;
        all.push_back(kernel::make_sample(family, each.type, labels, *value));
        if (!each.label.empty()) kernel::add_label(all.back(), each.label, each.label_value);
    }
    return all;
}

/// The place of the family of the keys: the last.
inline std::size_t by_key_family() noexcept {
    std::size_t names = 1;
    for (std::size_t i = 1; i != figures.size(); ++i) names += figures[i - 1].name != figures[i].name;
    return names;
}

}  // namespace pool::metrics::kernel
