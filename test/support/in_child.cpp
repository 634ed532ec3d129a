// SPDX-License-Identifier: BSL-1.0
#include <support/in_child.hpp>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <system_error>

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

[[noreturn]] void throw_errno(const char* what) { throw std::system_error{errno, std::generic_category(), what}; }

[[noreturn]] void be_child(const std::function<void()>& act, const std::array<int, 2>& pipe) {
    dup2(pipe[1], STDOUT_FILENO);
    dup2(pipe[1], STDERR_FILENO);
    close(pipe[0]);
    close(pipe[1]);
    for (const int each : {SIGABRT, SIGALRM, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTERM}) std::signal(each, SIG_DFL);
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    try {
        act();
    } catch (const std::exception& error) {
        std::cerr << "an exception has escaped: " << error.what() << std::endl;
        std::_Exit(EXIT_FAILURE);
    }
    std::exit(EXIT_SUCCESS);  // so a sanitizer looks for leaks
}

std::string read_all(int from) {
    std::string all;
    std::array<char, 4096> some;
    for (;;) {
        const ssize_t count = read(from, some.data(), some.size());
        if (count > 0) all.append(some.data(), static_cast<std::size_t>(count));
        else if (count == 0 || errno != EINTR) return all;
    }
}

}  // namespace

void child_has(std::chrono::seconds time) { alarm(static_cast<unsigned>(time.count())); }

child_end in_child(const std::function<void()>& act) {
    std::cout.flush();
    std::fflush(nullptr);  // or the child would write it again
    std::array<int, 2> pipe{};
    if (::pipe(pipe.data()) != 0) throw_errno("pipe");
    const pid_t child = fork();
    if (child < 0) throw_errno("fork");
    if (child == 0) be_child(act, pipe);
    close(pipe[1]);
    child_end end{.how = child_end::kind::badly, .said = read_all(pipe[0])};
    close(pipe[0]);
    int status = 0;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) throw_errno("waitpid");
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS) end.how = child_end::kind::well;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) end.how = child_end::kind::late;
    return end;
}

shared_memory::shared_memory(std::size_t bytes)
    : data_{mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)},
      bytes_{bytes} {
    if (data_ == MAP_FAILED) throw_errno("mmap");
}

shared_memory::~shared_memory() { munmap(data_, bytes_); }
