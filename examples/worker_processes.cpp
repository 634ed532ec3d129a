// SPDX-License-Identifier: BSL-1.0
#include <cerrno>
#include <chrono>
#include <csignal>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pool/adapters/handle.hpp>
#include <pool/pool.hpp>

/// @file
/// A pool of processes. Each is a worker that answers lines, and is started once for many questions. This program is its
/// own worker: with `--worker add` it adds the numbers of each line, and with `--worker multiply` it multiplies them.

namespace {

using namespace std::chrono_literals;

using descriptor = pool::handle<int, ::close>;

void check(int error, const char* what) {
    if (error != 0) throw std::system_error{error, std::generic_category(), what};
}

// [worker]
/// A child process, and the socket through which it is asked.
class worker {
public:
    worker(const char* program, const std::string& task) {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) check(errno, "socketpair");
        socket_ = ends[0];
        descriptor theirs{ends[1]};

        posix_spawn_file_actions_t actions;
        check(::posix_spawn_file_actions_init(&actions), "spawn");
        for (const int standard : {STDIN_FILENO, STDOUT_FILENO})
            ::posix_spawn_file_actions_adddup2(&actions, theirs, standard);
        const char* arguments[] = {program, "--worker", task.c_str(), nullptr};
        const int error = ::posix_spawn(&pid_, program, &actions, nullptr, const_cast<char**>(arguments), environ);
        ::posix_spawn_file_actions_destroy(&actions);
        check(error, "spawn");
        theirs.close();                      // or the end of the worker would not be the end of the stream
        if (read_line() != "ready") stop();  // it is dead, and the pool says so
    }

    /// Ends the process, if it has not ended, and waits for it. A process that has ended needs that, too.
    void close() {
        stop();
        ::waitpid(pid_, nullptr, 0);  // gives its number back to the system
        socket_.close();
    }

    /// Whether it has ended. It keeps its number until `close`, so no other process can get that.
    bool closed() const noexcept { return end().si_pid != 0; }
    bool unblocked() const noexcept { return true; }

    /// Why it has ended.
    std::string why_dead() const {
        const siginfo_t how = end();
        return (how.si_code == CLD_EXITED ? "it has ended with status " : "it was killed by signal ") +
               std::to_string(how.si_status);
    }

    pid_t pid() const noexcept { return pid_; }

    std::string ask(const std::string& question) {
        const std::string line = question + '\n';
        if (::send(socket_, line.data(), line.size(), MSG_NOSIGNAL) == -1) check(errno, "send");
        const std::string answer = read_line();
        if (answer.empty()) throw std::runtime_error{"the worker has ended in the middle of a question"};
        return answer;
    }

private:
    siginfo_t end() const noexcept {
        siginfo_t how{};
        ::waitid(P_PID, static_cast<id_t>(pid_), &how, WEXITED | WNOHANG | WNOWAIT);
        return how;
    }

    /// Kills it, and waits until it has ended. It may have ended before.
    void stop() noexcept {
        ::kill(pid_, SIGKILL);
        siginfo_t how;
        while (::waitid(P_PID, static_cast<id_t>(pid_), &how, WEXITED | WNOWAIT) == -1 && errno == EINTR) continue;
    }

    /// Empty if it has ended.
    std::string read_line() {
        std::string line;
        for (char next = 0; ::recv(socket_, &next, 1, 0) == 1; line += next)
            if (next == '\n') return line;
        return {};
    }

    descriptor socket_;
    pid_t pid_ = -1;
};
// [/worker]

/// The program of a worker.
int work(const std::string& task) {
    if (task != "add" && task != "multiply") return 2;
    std::cout << "ready" << std::endl;
    for (std::string line; std::getline(std::cin, line);) {
        if (line == "crash") return 3;
        std::istringstream numbers{line};
        long result = task == "add" ? 0 : 1;
        for (long number = 0; numbers >> number;) result = task == "add" ? result + number : result * number;
        std::cout << result << std::endl;
    }
    return 0;
}

/// Waits for the end of the process, so that the pool sees it in each run.
void kill_and_wait(pid_t pid) {
    ::kill(pid, SIGKILL);
    siginfo_t how;
    ::waitid(P_PID, static_cast<id_t>(pid), &how, WEXITED | WNOWAIT);
}

}  // namespace

int main(int count, char** arguments) {
    if (count == 3) return work(arguments[2]);

    // [use]
    const auto start = [&](const std::string& task) { return worker{arguments[0], task}; };
    pool::bounded_pool<std::string, worker> workers{
        {.max_open = 4, .acquire_timeout = 30s, .expiration = 60s, .name = "workers"}, start};

    auto add = workers.get("add");
    const auto ask = [](const char* question) { return [=](worker& w) { return w.ask(question); }; };
    std::cout << add.invoke(ask("1 2 3")) << ", " << add.invoke(ask("4 5")) << ", "
              << workers.invoke("multiply", ask("6 7")) << ", by " << workers.stats().dials << " workers\n";
    // [/use]

    kill_and_wait(workers.acquire("add")->pid());  // it is dead when it comes back
    std::cout << add.invoke(ask("1 1")) << ", by a new worker\n";

    const pid_t idle = add.invoke([](worker& w) { return w.pid(); });
    kill_and_wait(idle);  // it is dead while it is idle
    std::cout << add.invoke(ask("2 2")) << ", by another; " << workers.stats().found_closed << " found dead\n";

    for (const auto& [task, question] : {std::pair{"add", "crash"}, std::pair{"divide", "8 2"}}) {
        try {
            workers.invoke(task, ask(question));
        } catch (const std::runtime_error& error) {  // pool::dial_failed is one
            std::cout << error.what() << '\n';
        }
    }

    workers.close();
    siginfo_t left;
    const bool is_any_left = ::waitid(P_ALL, 0, &left, WEXITED | WNOHANG | WNOWAIT) == 0;
    std::cout << (is_any_left ? "a process is left\n" : "no process is left\n");
}
