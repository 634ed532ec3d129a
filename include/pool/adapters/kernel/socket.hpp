// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>
#include <stop_token>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <pool/core/platform.hpp>
#include <pool/core/saturating.hpp>
#include <pool/dial.hpp>

/// @file
/// Waits for the sockets of client libraries. POSIX only.

namespace pool::adapters::kernel {

/// Whether a socket has something to read, or has reached its end, or has failed. On an idle connection nothing may
/// arrive, so then its peer has gone, or is out of step. A negative socket has failed. Does not block.
inline bool has_input(int socket) noexcept {
    if (socket < 0) return true;
    for (;;) {
        pollfd state{.fd = socket, .events = POLLIN, .revents = 0};
        const int ready = ::poll(&state, 1, 0);
        if (ready >= 0 || errno != EINTR) return ready != 0;
    }
}

/// The limit of something that begins now, and may take so long.
inline dial_context within(std::chrono::nanoseconds time) noexcept {
    return {.deadline = core::saturating_add(std::chrono::steady_clock::now(), time)};
}

/// Waits for sockets until a deadline, or until a stop is requested, which ends a wait at once. Not thread-safe.
class limited_wait {
public:
    /// Throws `std::system_error` if it cannot make a pipe; it needs one only for a token that may be stopped.
    explicit limited_wait(const dial_context& limits) : limits_{limits} {
        if (limits_.stop.stop_possible()) wake_up_.emplace(limits_.stop);
    }
    limited_wait(const limited_wait&) = delete;
    limited_wait& operator=(const limited_wait&) = delete;

    /// Returns when the socket is ready for one of `events`, or has failed, which the next call on it reports. Throws a
    /// `std::system_error`: `std::errc::timed_out` at the deadline, `std::errc::operation_canceled` on a stop request.
    void for_events(int socket, short events) const {
        for (;;) {
            if (limits_.stop.stop_requested()) fail(ECANCELED);
            const auto now = std::chrono::steady_clock::now();
            if (limits_.deadline <= now) fail(ETIMEDOUT);
            const auto left = limits_.deadline - now;
            pollfd states[2] = {
                {.fd = socket, .events = events, .revents = 0}, {.fd = -1, .events = POLLIN, .revents = 0}};
            if (wake_up_) states[1].fd = wake_up_->readable();
            const int ready = ::poll(states, 2, milliseconds(left));
            if (ready < 0 && errno != EINTR) fail(errno);
            if (ready > 0 && states[0].revents != 0) return;
        }
    }

private:
    /// A pipe that is readable once a stop is requested.
    class wake_up {
    public:
        explicit wake_up(const std::stop_token& stop) : ends_{}, wakes_{stop, writer{ends_.fd[1]}} {}
        int readable() const noexcept { return ends_.fd[0]; }

    private:
        struct pipe_ends {
            pipe_ends() {
#ifdef __linux__
                if (::pipe2(fd, O_CLOEXEC | O_NONBLOCK) != 0) fail(errno);
#else
                if (::pipe(fd) != 0) fail(errno);
                for (const int each : fd) {
                    ::fcntl(each, F_SETFD, FD_CLOEXEC);
                    ::fcntl(each, F_SETFL, O_NONBLOCK);
                }
#endif
            }
            pipe_ends(const pipe_ends&) = delete;
            pipe_ends& operator=(const pipe_ends&) = delete;
            ~pipe_ends() {
                for (const int each : fd) ::close(each);
            }
            int fd[2]{-1, -1};
        };
        struct writer {
            int to;
            void operator()() const noexcept { (void)!::write(to, "", 1); }
        };

        pipe_ends ends_;
        std::stop_callback<writer> wakes_;
    };

    static int milliseconds(std::chrono::steady_clock::duration left) noexcept {
        const auto most = std::chrono::hours{1};  // poll takes an int
        return static_cast<int>(
            std::chrono::ceil<std::chrono::milliseconds>(std::min<decltype(left)>(left, most)).count());
    }
    [[noreturn]] static void fail(int error) {
        throw std::system_error{error, std::generic_category(), "wait for a socket"};
    }

    dial_context limits_;
    std::optional<wake_up> wake_up_;
};

/// Reads what is left, until the peer has closed its end, or the limits are reached. Throws as `limited_wait`.
inline void wait_for_end(int socket, const dial_context& limits) {
    const limited_wait wait{limits};
    for (;;) {
        wait.for_events(socket, POLLIN);
        char left[1024];
        const auto count = ::recv(socket, left, sizeof left, MSG_DONTWAIT);
        const bool may_read_again = count > 0 || (count < 0 && (errno == EINTR || errno == EAGAIN));
        if (!may_read_again) return;
    }
}

}  // namespace pool::adapters::kernel
