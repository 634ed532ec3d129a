// SPDX-License-Identifier: BSL-1.0
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <string_view>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <pool/metrics/kernel/figures.hpp>

// The pages, the dashboard and the alerts name the metrics that there are.

namespace metric_pages {

using pool::metrics::kernel::by_key;
using pool::metrics::kernel::figure;
using pool::metrics::kernel::figures;
using pool::metrics::kernel::kind;
using pool::metrics::kernel::snapshot;

std::string file(const std::string& name) {
    std::ifstream in{POOL_SOURCE_DIR "/" + name};
    REQUIRE(in);
    return {std::istreambuf_iterator<char>{in}, {}};
}

std::set<std::string> exported() {
    std::set<std::string> names{std::string{by_key.name}};
    for (const figure& each : figures) names.insert(std::string{each.name});
    return names;
}

/// All matches of the first group of a pattern.
std::set<std::string> found(const std::string& text, const char* pattern) {
    std::set<std::string> all;
    const std::regex each{pattern};
    for (auto at = std::sregex_iterator{text.begin(), text.end(), each}; at != std::sregex_iterator{}; ++at)
        all.insert((*at)[1]);
    return all;
}

/// The metrics that a text names.
std::set<std::string> named_in(const std::string& text) {
    // A query asks for the buckets of a histogram.
    std::set<std::string> all = found(text, "\\b((?:pool|db_client_connection)_[a-z_]+?)(?:_bucket)?\\b");
    for (const auto label : {pool::metrics::kernel::pool_label, pool::metrics::kernel::state_label})
        all.erase(std::string{label});
    return all;
}

void check_exported(const std::set<std::string>& names) {
    const std::set<std::string> all = exported();
    CHECK_FALSE(names.empty());
    for (const std::string& each : names) {
        INFO(each);
        CHECK(all.contains(each));
    }
}

/// Which pools have a metric.
std::string_view has_it(const figure& of) {
    snapshot all;
    if (of.times != nullptr) {
        all.times.emplace();
        if (of.times(all) != nullptr) return "pools with `histograms`";
        return "pools with `histograms` that bound what is open";
    }
    all.min_idle = 1;
    if (of.of(all)) return "every pool";
    all.bounds_open = true;
    if (of.of(all)) return "pools that bound what is open";
    return "pools that bound weights";
}

std::string_view name_of(kind type) {
    if (type == kind::histogram) return "histogram";
    return type == kind::counter ? "counter" : "gauge";
}

/// The table of the page, as the library has it.
std::string table() {
    std::ostringstream rows;
    for (std::size_t i = 0; i != figures.size();) {
        const figure& first = figures[i];
        rows << "| `" << first.name << "` | " << name_of(first.type) << " | ";
        if (!first.label.empty()) rows << '`' << first.label << "`: ";
        const char* separator = "";
        for (; i != figures.size() && figures[i].name == first.name; ++i, separator = ", ")
            rows << separator << figures[i].label_value;
        rows << " | " << first.help << " | " << has_it(first) << " |\n";
    }
    rows << "| `" << by_key.name << "` | gauge | `key`; `state`: dialling, idle, lent, closing | " << by_key.help
         << " | pools that were added with a function |\n";
    return rows.str();
}

TEST_CASE("metrics: the table of the page is that of the library") {
    const std::string page = file("docs/metrics.md");
    const std::string expected = table();
    const bool is_there =
        page.find("| --- | --- | --- | --- | --- |\n" + expected + "<!-- metrics: end -->") != page.npos;
    INFO("the table should be:\n", expected);
    CHECK(is_there);
}

TEST_CASE("metrics: the dashboard asks for metrics that are exported") {
    const auto dashboard = nlohmann::json::parse(file("docs/dashboard.json"));
    std::string queries;
    for (const auto& panel : dashboard.at("panels"))
        for (const auto& target : panel.at("targets")) queries += target.at("expr").get<std::string>() + '\n';
    for (const auto& variable : dashboard.at("templating").at("list"))
        queries += variable.at("query").get<std::string>() + '\n';
    check_exported(named_in(queries));
    CHECK(named_in(queries) == exported());  // and for each of them
}

TEST_CASE("metrics: the alerts are about metrics that are exported, and the page on operating has a row for each") {
    const std::string alerts = file("docs/alerts.yaml");
    check_exported(named_in(alerts));
    const std::set<std::string> names = found(alerts, "- alert: ([A-Za-z]+)");
    CHECK_FALSE(names.empty());
    CHECK(names == found(file("docs/operating.md"), "\n\\| `(Pool[A-Za-z]+)` \\|"));
    CHECK(names == found(file("test/metrics/alerts_test.yaml"), "alertname: ([A-Za-z]+)"));
}

}  // namespace metric_pages
