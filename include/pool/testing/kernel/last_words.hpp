// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <csignal>
#include <cstddef>
#include <cstdio>
#include <mutex>

#if defined(__unix__)
#include <array>
#include <memory>
#include <signal.h>
#include <unistd.h>
#endif

/// @file
/// What an exploration prints when the program ends in it.

namespace pool::testing::kernel {

#if defined(__unix__)

/// While one exists, a signal that is about to end the program, such as that of a failed `assert`, first prints
/// something. Then it goes the way that it would have gone. Several may exist, in several threads.
class last_words {
public:
    /// `print()` prints where the calling thread is. It is the same for all.
    explicit last_words(void (*print)()) {
        set_stack();
        const std::lock_guard guard{mutex()};
        printer() = print;
        if (count()++ != 0) return;
        for (std::size_t i = 0; i != signals.size(); ++i) {
            struct sigaction ours = {};
            ours.sa_handler = &speak;
            ours.sa_flags = SA_NODEFER | SA_ONSTACK;
            sigaction(signals[i], &ours, &before()[i]);
        }
    }
    last_words(const last_words&) = delete;
    last_words& operator=(const last_words&) = delete;
    ~last_words() {
        {
            const std::lock_guard guard{mutex()};
            if (--count() == 0)
                for (std::size_t i = 0; i != signals.size(); ++i) restore(i);
        }
        if (stack_ == nullptr) return;
        stack_t none = {};
        none.ss_flags = SS_DISABLE;
        sigaltstack(&none, nullptr);
    }

private:
    static constexpr std::array<int, 5> signals{SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    static constexpr std::size_t stack_size = 64 * 1024;

    /// The stack of a thread may be what is exhausted.
    void set_stack() {
        stack_t known = {};
        if (sigaltstack(nullptr, &known) != 0 || (known.ss_flags & SS_DISABLE) == 0) return;
        stack_ = std::make_unique<std::byte[]>(stack_size);
        stack_t own = {};
        own.ss_sp = stack_.get();
        own.ss_size = stack_size;
        sigaltstack(&own, nullptr);
    }

    static void restore(std::size_t i) noexcept { sigaction(signals[i], &before()[i], nullptr); }

    static void speak(int signal) {
        for (std::size_t i = 0; i != signals.size(); ++i) restore(i);
        alarm(10);  // the text needs memory: if its heap is what is broken, this ends the program
        printer()();
        if (signal == SIGSEGV || signal == SIGBUS)
            std::fputs(
                "If its stack is exhausted: it has 256 KB, and with uses_threads what a real thread has.\n", stderr);
        alarm(0);
        if (signal == SIGABRT) raise(signal);  // the others come again
    }

    static std::mutex& mutex() noexcept {
        static std::mutex one;
        return one;
    }
    static auto printer() noexcept -> void (*&)() {
        static void (*one)() = nullptr;
        return one;
    }
    static std::size_t& count() noexcept {
        static std::size_t one = 0;
        return one;
    }
    static std::array<struct sigaction, signals.size()>& before() noexcept {
        static std::array<struct sigaction, signals.size()> all{};
        return all;
    }

    std::unique_ptr<std::byte[]> stack_;
};

#else

class last_words {
public:
    explicit last_words(void (*)()) noexcept {}
};

#endif

}  // namespace pool::testing::kernel
