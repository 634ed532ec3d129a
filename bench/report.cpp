// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iostream>
#include <map>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

/// @file
/// Makes the tables of docs/benchmarks.md, and the data of its plots, from the output of the benchmarks.

namespace {

/// The figures of one pool in one row.
struct cell {
    double nanoseconds = 0;
    double instructions = 0;
    double allocations = 0;
};

/// Rows, each with a cell for each pool.
class table {
public:
    /// `name` is "row/pool".
    cell& at(const std::string& name) {
        const std::size_t slash = name.rfind('/');
        if (slash == std::string::npos) throw std::runtime_error{"no row and pool in the name \"" + name + '"'};
        return cells_[name.substr(0, slash)][name.substr(slash + 1)];
    }

    /// In the order of their names.
    std::vector<std::string> rows() const {
        std::vector<std::string> all;
        for (const auto& [row, cells] : cells_) all.push_back(row);
        return all;
    }

    const cell* find(const std::string& row, const std::string& pool) const {
        const auto& of_row = cells_.at(row);
        const auto found = of_row.find(pool);
        return found == of_row.end() ? nullptr : &found->second;
    }

private:
    std::map<std::string, std::map<std::string, cell>> cells_;
};

std::ifstream open(const std::filesystem::path& path) {
    std::ifstream in{path};
    if (!in) throw std::runtime_error{"cannot read " + path.string()};
    return in;
}

void read_times(table& all, const std::filesystem::path& path) {
    auto in = open(path);
    const auto all_runs = nlohmann::json::parse(in);
    for (const auto& each : all_runs.at("benchmarks")) {
        if (each.value("error_occurred", false)) throw std::runtime_error{each.at("error_message").get<std::string>()};
        if (each.value("aggregate_name", "") != "median") continue;
        // Google Benchmark adds its own settings to the name.
        const auto full = each.at("run_name").get<std::string>();
        const std::string name = full.substr(0, std::min(full.find("/min_time"), full.find("/iterations")));
        all.at(name).nanoseconds = 1e9 / each.at("items_per_second").get<double>();
    }
}

/// A dump of callgrind: its number, its name, and the instructions that it counts.
struct dump {
    int part = 0;
    std::string name;
    double instructions = 0;
};

/// The dumps that have a name, in the order in which they were written.
std::vector<dump> read_dumps(const std::filesystem::path& directory) {
    constexpr std::string_view part = "part: ";
    constexpr std::string_view trigger = "desc: Trigger: Client Request: ";
    constexpr std::string_view totals = "totals: ";
    std::vector<dump> all;
    for (const auto& file : std::filesystem::directory_iterator{directory}) {
        auto in = open(file.path());
        dump found;
        for (std::string line; std::getline(in, line);) {
            if (line.starts_with(part)) found.part = std::stoi(line.substr(part.size()));
            if (line.starts_with(trigger)) found.name = line.substr(trigger.size());
            if (line.starts_with(totals)) found.instructions = std::stod(line.substr(totals.size()));
        }
        if (!found.name.empty()) all.push_back(found);
    }
    std::ranges::sort(all, {}, &dump::part);
    return all;
}

/// Each dump is of 1,000 operations.
void read_instructions(table& all, const std::filesystem::path& directory) {
    for (const dump& each : read_dumps(directory)) all.at(each.name).instructions = each.instructions / 1000;
}

void read_allocations(table& all, const std::filesystem::path& path) {
    auto in = open(path);
    for (std::string line; std::getline(in, line);) {
        const std::size_t tab = line.find('\t');
        if (tab == std::string::npos) throw std::runtime_error{"not a row of allocations: " + line};
        all.at(line.substr(0, tab)).allocations = std::stod(line.substr(tab + 1));
    }
}

std::string ratio(const cell& ours, const cell* other) {
    return other == nullptr ? "" : fmt::format("{:.2f}", ours.nanoseconds / other->nanoseconds);
}

bool is_growth(const std::string& row) { return row.starts_with("growth "); }

/// The sentence that users quote.
void print_headline(const table& all) {
    const double lease = all.find("W1 one key", "pool")->nanoseconds;
    const double dial = all.find("open a TCP connection", "loopback")->nanoseconds;
    fmt::print("**{:.0f} million connections reused per second on one core: "
               "a lease and its give-back take {:.0f} ns, 1/{:.0f} of\n"
               "what it takes to open a TCP connection on loopback ({:.1f} us).**\n\n",
        1e3 / lease, lease, dial / lease, dial / 1e3);
}

/// The nanoseconds of each pool, and the ratios of ours to the others.
void print_times(const std::string& row, const cell& ours, std::initializer_list<const cell*> others) {
    fmt::print("| {} | {:.1f} |", row, ours.nanoseconds);
    for (const cell* each : others) fmt::print(" {:.1f} |", each->nanoseconds);
    for (const cell* each : others) fmt::print(" {} |", ratio(ours, each));
    fmt::print("\n");
}

/// Calls `print` for each row that is measured on all four: the pool, H, N and L.
template <class Print>
void each_row_of_one_thread(const table& all, const Print& print) {
    for (const auto& row : all.rows()) {
        const cell* ours = all.find(row, "pool");
        const cell* hand = all.find(row, "H");
        const cell* naive = all.find(row, "N");
        const cell* floor = all.find(row, "L");
        if (is_growth(row) || ours == nullptr || hand == nullptr || naive == nullptr || floor == nullptr) continue;
        print(row, *ours, *hand, *naive, *floor);
    }
}

void print_one_thread(const table& all) {
    fmt::print("| ns | pool | H | N | L | / H | / N | / L |\n|---|---|---|---|---|---|---|---|\n");
    each_row_of_one_thread(all, [](auto& row, auto& ours, auto& hand, auto& naive, auto& floor) {
        print_times(row, ours, {&hand, &naive, &floor});
    });
    fmt::print("\n| instructions, allocations | pool | H | N | pool | H | N |\n|---|---|---|---|---|---|---|\n");
    each_row_of_one_thread(all, [](auto& row, auto& ours, auto& hand, auto& naive, auto&) {
        fmt::print("| {} | {:.0f} | {:.0f} | {:.0f} | {:.2f} | {:.2f} | {:.2f} |\n", row, ours.instructions,
            hand.instructions, naive.instructions, ours.allocations, hand.allocations, naive.allocations);
    });
}

/// What a seed costs.
void print_seeded(const table& all) {
    fmt::print("\n| W13 | std::hash: ns | instructions | seeded: ns | instructions |\n|---|---|---|---|---|\n");
    for (const auto& row : all.rows()) {
        const cell* seeded = all.find(row, "seeded");
        if (seeded == nullptr) continue;
        const cell& unseeded = *all.find(row, "pool");
        fmt::print("| {} | {:.1f} | {:.0f} | {:.1f} | {:.0f} |\n", row, unseeded.nanoseconds, unseeded.instructions,
            seeded->nanoseconds, seeded->instructions);
    }
}

void print_dead(const table& all) {
    fmt::print("\n| ns per closed connection | pool | H | N | / H | / N |\n|---|---|---|---|---|---|\n");
    for (const auto& row : all.rows()) {
        if (!row.starts_with("W7")) continue;
        print_times(row, *all.find(row, "pool"), {all.find(row, "H"), all.find(row, "N")});
    }
}

/// The table is transposed: it compares ways to lock, and there are few rows.
void print_two_threads(const table& all) {
    constexpr std::array pools{"pool", "adaptive", "sharded", "sharded, adaptive", "H", "N"};
    for (const auto& row : all.rows()) {
        if (all.find(row, "adaptive") == nullptr) continue;
        fmt::print("\n| {} | ns | / pool | / H | / N |\n|---|---|---|---|---|\n", row);
        for (const char* pool : pools) {
            const cell& seen = *all.find(row, pool);
            fmt::print("| {} | {:.1f} | {} | {} | {} |\n", pool, seen.nanoseconds, ratio(seen, all.find(row, "pool")),
                ratio(seen, all.find(row, "H")), ratio(seen, all.find(row, "N")));
        }
    }
}

/// The instructions of each step of the wait queue. A dump is of one time that the step held the lock, and its name is
/// "step/number of those that wait". The longest counts.
void print_steps(const std::vector<dump>& dumps) {
    std::vector<std::pair<std::string, std::map<int, double>>> steps;
    for (const dump& each : dumps) {
        const std::size_t slash = each.name.rfind('/');
        const std::string step = each.name.substr(0, slash);
        if (steps.empty() || steps.back().first != step) steps.push_back({step, {}});
        double& longest = steps.back().second[std::stoi(each.name.substr(slash + 1))];
        longest = std::max(longest, each.instructions);
    }
    std::string header = "| W12: instructions under the lock |";
    std::string line = "|---|";
    for (const auto& [waiting, longest] : steps.at(0).second) {
        header += fmt::format(" {} wait |", waiting);
        line += "---|";
    }
    fmt::print("\n{}\n{}\n", header, line);
    for (const auto& [step, counts] : steps) {
        fmt::print("| {} |", step);
        for (const auto& [waiting, longest] : counts) fmt::print(" {:.0f} |", longest);
        fmt::print("\n");
    }
}

/// A line of W14: a pool with an optional part.
struct with_part {
    std::string pool;
    std::string part;
    std::array<double, 2> readings{};  ///< of the clock, in an operation that finds a connection, and in one that dials
    double bytes = 0;
};

std::vector<with_part> read_parts(const std::filesystem::path& path) {
    auto in = open(path);
    std::vector<with_part> all;
    for (std::string line; std::getline(in, line);) {
        std::istringstream fields{line};
        with_part found;
        std::getline(std::getline(fields, found.pool, '\t'), found.part, '\t');
        fields >> found.readings[0] >> found.readings[1] >> found.bytes;
        if (!fields) throw std::runtime_error{"not a line of W14: " + line};
        all.push_back(found);
    }
    return all;
}

/// A figure, and by how much it exceeds that of the pool without optional parts.
std::string excess(double figure, double without) {
    return fmt::format(" {:.0f} | {} |", figure, std::lround(figure) - std::lround(without));
}

/// A table for each pool. Its first line has no optional part. A dump is of 1,000 operations.
void print_parts(const std::vector<with_part>& all, const std::vector<dump>& dumps) {
    std::map<std::string, double> counts;
    for (const dump& each : dumps) counts[each.name] = each.instructions / 1000;
    const with_part* plain = nullptr;
    for (const with_part& each : all) {
        if (plain == nullptr || plain->pool != each.pool) {
            plain = &each;
            fmt::print(
                "\n| W14: {} | hit: instructions | more | clock | dial: instructions | more | clock | bytes | more "
                "|\n|---|---|---|---|---|---|---|---|---|\n",
                each.pool);
        }
        fmt::print("| {} |", each.part);
        constexpr std::array operations{"/hit", "/dial"};
        for (std::size_t i = 0; i < operations.size(); ++i) {
            const auto count = [&](const with_part& of) { return counts.at(of.pool + '/' + of.part + operations[i]); };
            fmt::print("{} {:.0f} |", excess(count(each), count(*plain)), each.readings[i]);
        }
        fmt::print("{}\n", excess(each.bytes, plain->bytes));
    }
}

/// Writes a file for each workload. A line has the size, and the nanoseconds of each pool.
void write_growth(const table& all, const std::filesystem::path& directory) {
    std::filesystem::create_directories(directory);
    std::map<std::string, std::ofstream> files;
    for (const auto& row : all.rows()) {
        if (!is_growth(row)) continue;
        const std::size_t space = row.find(' ');
        const std::size_t slash = row.find('/');
        const std::string workload = row.substr(space + 1, slash - space - 1);
        auto& out = files.try_emplace(workload, directory / (workload + ".tsv")).first->second;
        out << row.substr(slash + 1);
        for (const char* pool : {"pool", "H", "N", "L"}) out << '\t' << all.find(row, pool)->nanoseconds;
        out << '\n';
        if (!out) throw std::runtime_error{"cannot write to " + directory.string()};
    }
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"Makes tables from the output of the benchmarks"};
    std::filesystem::path times;
    std::filesystem::path instructions;
    std::filesystem::path allocations;
    std::filesystem::path growth;
    std::filesystem::path steps;
    app.add_option("--times", times, "the JSON of Google Benchmark");
    app.add_option("--instructions", instructions, "the directory with callgrind's dumps");
    app.add_option("--allocations", allocations, "a file of lines: a name, a tab and a number");
    app.add_option("--growth", growth, "the directory for the data of the plots");
    app.add_option("--steps", steps, "the directory with callgrind's dumps of the steps of the wait queue");
    std::filesystem::path parts;
    std::filesystem::path parts_instructions;
    auto* const lines = app.add_option("--parts", parts, "the file that `costs` prints");
    auto* const dumps =
        app.add_option("--parts-instructions", parts_instructions, "the directory with callgrind's dumps of it");
    lines->needs(dumps);
    dumps->needs(lines);
    app.require_option(1, 0);
    CLI11_PARSE(app, argc, argv);

    try {
        if (!times.empty()) {
            table all;
            read_times(all, times);
            if (!instructions.empty()) read_instructions(all, instructions);
            if (!allocations.empty()) read_allocations(all, allocations);
            print_headline(all);
            print_one_thread(all);
            print_two_threads(all);
            print_dead(all);
            print_seeded(all);
            if (!growth.empty()) write_growth(all, growth);
        }
        if (!parts.empty()) print_parts(read_parts(parts), read_dumps(parts_instructions));
        if (!steps.empty()) print_steps(read_dumps(steps));
    } catch (const std::exception& error) {
        std::cerr << "report: " << error.what() << '\n';
        return 1;
    }
}
