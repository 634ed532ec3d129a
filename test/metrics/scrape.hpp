// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <prometheus/labels.h>
#include <prometheus/metric_family.h>

#include <pool/metrics/prometheus.hpp>

/// @file
/// What a collection has found, to be asked by names and labels.

namespace metrics {

/// One collection.
class scrape {
public:
    explicit scrape(const prometheus::Collectable& of) : scrape{of.Collect()} {}
    explicit scrape(std::vector<prometheus::MetricFamily>&& families) : families_{std::move(families)} {}

    /// The value of the series that has exactly these labels; none if there is no such series.
    std::optional<double> find(const std::string& name, const prometheus::Labels& labels) const {
        std::optional<double> found;
        for (const auto& family : families_) {
            if (family.name != name) continue;
            for (const auto& metric : family.metric)
                if (labels_of(metric) == labels) found = value_of(family, metric);
        }
        return found;
    }

    /// The same for a pool that has only its name.
    std::optional<double> of(const std::string& pool, const std::string& name, prometheus::Labels labels = {}) const {
        labels.emplace("db_client_connection_pool_name", pool);
        return find(name, labels);
    }

    /// The histogram of a pool that has only its name; an empty one if there is none.
    prometheus::ClientMetric::Histogram times(const std::string& pool, const std::string& name) const {
        const prometheus::Labels labels{{"db_client_connection_pool_name", pool}};
        for (const auto& family : families_) {
            if (family.name != name || family.type != prometheus::MetricType::Histogram) continue;
            for (const auto& metric : family.metric)
                if (labels_of(metric) == labels) return metric.histogram;
        }
        return {};
    }

    /// How many series a metric has.
    std::size_t count(const std::string& name) const {
        std::size_t all = 0;
        for (const auto& family : families_)
            if (family.name == name) all += family.metric.size();
        return all;
    }

    /// How many series there are with this label.
    std::size_t count_with(const std::string& label, const std::string& value) const {
        std::size_t all = 0;
        for (const auto& family : families_) {
            for (const auto& metric : family.metric) {
                const auto labels = labels_of(metric);
                const auto found = labels.find(label);
                all += found != labels.end() && found->second == value;
            }
        }
        return all;
    }

    /// All different values of a label of a metric.
    std::set<std::string> values(const std::string& name, const std::string& label) const {
        std::set<std::string> all;
        for (const auto& family : families_) {
            if (family.name != name) continue;
            for (const auto& metric : family.metric)
                for (const auto& each : metric.label)
                    if (each.name == label) all.insert(each.value);
        }
        return all;
    }

    bool empty() const { return families_.empty(); }
    const std::vector<prometheus::MetricFamily>& families() const { return families_; }

private:
    static prometheus::Labels labels_of(const prometheus::ClientMetric& metric) {
        prometheus::Labels labels;
        for (const auto& each : metric.label) labels.emplace(each.name, each.value);
        return labels;
    }

    static double value_of(const prometheus::MetricFamily& family, const prometheus::ClientMetric& metric) {
        const bool is_counter = family.type == prometheus::MetricType::Counter;
        return is_counter ? metric.counter.value : metric.gauge.value;
    }

    std::vector<prometheus::MetricFamily> families_;
};

}  // namespace metrics
