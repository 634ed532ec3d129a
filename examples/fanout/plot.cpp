// SPDX-License-Identifier: BSL-1.0
#include <cerrno>
#include <chrono>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>

#include <fmt/format.h>
#include <stdlib.h>

#include "gnuplot.hpp"
#include "plot.hpp"

namespace fanout {

namespace {

namespace fs = std::filesystem;

/// Says what went wrong with a file, such as "cannot write the picture".
[[noreturn]] void fail(const char* what, const fs::path& file, int error) {
    throw std::runtime_error{
        fmt::format("cannot {} {}: {}", what, file.string(), std::generic_category().message(error))};
}

/// A new directory, which ends with this object.
class temporary_directory {
public:
    temporary_directory() {
        const char* chosen = std::getenv("TMPDIR");
        const fs::path place = chosen != nullptr ? chosen : "/tmp";
        std::string name = (place / "fanout-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) fail("make a temporary directory in", place, errno);
        path_ = name;
    }
    temporary_directory(const temporary_directory&) = delete;
    temporary_directory& operator=(const temporary_directory&) = delete;
    ~temporary_directory() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }

    const fs::path& path() const noexcept { return path_; }

private:
    fs::path path_;
};

void write(const char* what, const fs::path& file, const std::string& text) {
    errno = 0;
    std::ofstream out{file, std::ios::binary};
    out << text << std::flush;
    if (!out) fail(what, file, errno);
}

std::string read(const fs::path& file) {
    std::ostringstream text;
    if (std::ifstream in{file, std::ios::binary}; in.peek() != std::ifstream::traits_type::eof()) text << in.rdbuf();
    return text.str();
}

std::string table_of(const std::vector<slice>& slices) {
    std::string text = "# seconds\topen\tlent\tidle\twaiting\tdialled/s\tretired/s\tp50 ms\tp99 ms\n";
    for (const slice& each : slices)
        text += fmt::format("{:.4f}\t{:.2f}\t{:.2f}\t{:.2f}\t{:.2f}\t{:.1f}\t{:.1f}\t{:.4f}\t{:.4f}\n", each.at,
            each.open, each.lent, each.idle, each.waiting, each.dialled, each.retired, each.p50, each.p99);
    return text;
}

std::string table_of(const timeline& all) {
    std::string text = "# seconds\twhat\n";
    for (const timeline::mark& each : all.marks)
        text += fmt::format("{:.4f}\t{}\n", std::chrono::duration<double>(each.when - all.begin).count(), each.what);
    return text;
}

}  // namespace

void check_plot(const fs::path& file) {
    run_gnuplot({"--version"}, temporary_directory{}.path());

    std::error_code ignored;
    const bool existed = fs::exists(fs::symlink_status(file, ignored));  // a link is not ours to remove
    errno = 0;
    if (!std::ofstream{file, std::ios::app}) fail("write the picture", file, errno);
    if (!existed) fs::remove(file, ignored);
}

void plot(const timeline& all, const std::string& title, const fs::path& file) {
    const temporary_directory directory;
    const fs::path picture = directory.path() / "picture.svg";
    write("write the data", directory.path() / "slices.tsv", table_of(slices_of(all)));
    write("write the data", directory.path() / "marks.tsv", table_of(all));

    // After -c, arguments need no quoting. Without -d, a gnuplotrc of the user's could change the picture.
    const double length = std::chrono::duration<double>(all.end - all.begin).count();
    run_gnuplot({"-d", "-c", POOL_OVER_TIME_GP, directory.path().string(), picture.string(), title,
                    fmt::format("{:.4f}", length)},
        directory.path());
    const std::string drawn = read(picture);
    if (drawn.empty()) throw std::runtime_error{"gnuplot succeeded, but has drawn nothing"};
    write("write the picture", file, drawn);
}

}  // namespace fanout
