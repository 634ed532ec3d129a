// SPDX-License-Identifier: BSL-1.0
#include <cerrno>
#include <fstream>
#include <stdexcept>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gnuplot.hpp"

namespace fanout {

namespace {

std::string text_of(int error) { return std::generic_category().message(error); }

/// The first line of a file that is more than space, or than the caret under a mistake.
std::string first_line(const std::filesystem::path& file) {
    std::ifstream in{file};
    for (std::string line; std::getline(in, line);)
        if (const auto begin = line.find_first_not_of(" \t^"); begin != std::string::npos) return line.substr(begin);
    return "it says nothing";
}

}  // namespace

void run_gnuplot(const std::vector<std::string>& arguments, const std::filesystem::path& directory) {
    const std::filesystem::path errors = directory / "errors.txt";
    std::string name = "gnuplot";
    std::vector<std::string> given = arguments;
    std::vector<char*> argv{name.data()};
    for (std::string& each : given) argv.push_back(each.data());
    argv.push_back(nullptr);

    posix_spawn_file_actions_t files;
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_addopen(&files, STDERR_FILENO, errors.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    pid_t child = 0;
    const int error = ::posix_spawnp(&child, name.c_str(), &files, nullptr, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&files);
    if (error == ENOENT) throw std::runtime_error{"--plot needs gnuplot, and there is none on the PATH"};
    if (error != 0) throw std::runtime_error{"--plot needs gnuplot, which cannot be started: " + text_of(error)};

    int status = 0;
    while (::waitpid(child, &status, 0) < 0)
        if (errno != EINTR) throw std::runtime_error{"cannot wait for gnuplot: " + text_of(errno)};
    if (WIFSIGNALED(status)) throw std::runtime_error{fmt::format("gnuplot was ended by signal {}", WTERMSIG(status))};
    if (status != 0)
        throw std::runtime_error{
            fmt::format("gnuplot failed with exit code {}: {}", WEXITSTATUS(status), first_line(errors))};
}

}  // namespace fanout
