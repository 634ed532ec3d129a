// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <limits>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

/// @file
/// W11, the compile cost of the library: the time and the memory that its includes take, and the size of the code of one
/// pool.

namespace {

namespace fs = std::filesystem;

/// Splits a list from CMake. Its parts are separated by colons, as in PATH.
std::vector<std::string> split(std::string_view list) {
    std::vector<std::string> all;
    for (const auto& each : std::views::split(list, ':')) all.emplace_back(each.begin(), each.end());
    return all;
}

/// The cost of a process and of those that it has started.
struct cost {
    double seconds = std::numeric_limits<double>::infinity();  ///< processor time
    double mebibytes = std::numeric_limits<double>::infinity();
};

double seconds(const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

cost run(std::vector<std::string> command) {
    const pid_t child = fork();
    if (child < 0) throw std::runtime_error{"cannot start a process"};
    if (child == 0) {
        std::vector<char*> arguments;
        for (std::string& each : command) arguments.push_back(each.data());
        arguments.push_back(nullptr);
        execvp(arguments.front(), arguments.data());
        _exit(127);
    }
    int status = 0;
    rusage used{};
    if (wait4(child, &status, 0, &used) != child || status != 0) throw std::runtime_error{command.front() + " failed"};
    return {seconds(used.ru_utime) + seconds(used.ru_stime), static_cast<double>(used.ru_maxrss) / 1024};
}

std::vector<std::string> command(const std::string& compiler, const std::string& unit) {
    std::vector<std::string> all{compiler, "-std=c++20", UNITS "/" + unit + ".cpp"};
    for (const std::string& each : split(INCLUDE_DIRECTORIES)) all.push_back("-I" + each);
    return all;
}

cost check_syntax(const std::string& compiler, const std::string& unit) {
    auto all = command(compiler, unit);
    all.push_back("-fsyntax-only");
    return run(all);
}

/// The size that `size` calls text: instructions, constants and the exception tables.
std::size_t text_size(const std::string& compiler, const std::string& unit) {
    const fs::path object = unit + ".o";
    auto all = command(compiler, unit);
    all.insert(all.end(), {"-O2", "-DNDEBUG", "-c", "-o", object.string()});
    run(all);
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> out{popen(("size " + object.string()).c_str(), "r"), pclose};
    std::size_t text = 0;
    if (out == nullptr || std::fscanf(out.get(), "%*[^\n] %zu", &text) != 1) throw std::runtime_error{"size failed"};
    fs::remove(object);
    return text;
}

void print_costs(const std::vector<std::string>& compilers, std::size_t repetitions) {
    constexpr std::array units{"pool", "report", "range", "multi_index"};
    std::vector<std::array<cost, units.size()>> best(compilers.size());
    for (std::size_t i = 0; i < repetitions; ++i) {
        for (std::size_t c = 0; c < best.size(); ++c) {
            for (std::size_t u = 0; u < units.size(); ++u) {
                const cost seen = check_syntax(compilers[c], units[u]);
                best[c][u].seconds = std::min(best[c][u].seconds, seen.seconds);
                best[c][u].mebibytes = std::min(best[c][u].mebibytes, seen.mebibytes);
            }
        }
    }
    fmt::print("\n| W11 | pool.hpp: s | MiB | with report.hpp: s | MiB | range-v3: s | MiB | Boost.MultiIndex: s | MiB "
               "| code of "
               "every operation: bytes |\n|---|---|---|---|---|---|---|---|---|---|\n");
    for (std::size_t c = 0; c < best.size(); ++c) {
        const std::string& compiler = compilers[c];
        fmt::print("| {} |", fs::path{compiler}.filename().string());
        for (const cost& each : best[c]) fmt::print(" {:.2f} | {:.0f} |", each.seconds, each.mebibytes);
        fmt::print(" {} |\n", text_size(compiler, "every_operation") - text_size(compiler, "pool"));
    }
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"Measures the compile cost of the library"};
    std::vector<std::string> compilers = split(COMPILERS);
    std::size_t repetitions = 5;
    app.add_option("--compilers", compilers)->capture_default_str();
    app.add_option("--repetitions", repetitions, "how often each is compiled; the best counts")
        ->capture_default_str()
        ->check(CLI::PositiveNumber);
    CLI11_PARSE(app, argc, argv);

    try {
        print_costs(compilers, repetitions);
    } catch (const std::exception& error) {
        std::cerr << "compile: " << error.what() << '\n';
        return 1;
    }
}
