// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <exception>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pool/connection.hpp>

/// @file
/// Children of a process with many threads, and connections that notice what such a child does to them.
///
/// A child checks itself, and says by its exit code whether all was well. A deadlock ends it by SIGALRM.

namespace forks {

using namespace std::chrono_literals;

/// Whether this process is a child.
inline bool is_child = false;

/// What must be true in a child.
inline void expect(bool is_true, const char* what) {
    if (is_true) return;
    std::fprintf(stderr, "in the child of a fork: %s\n", what);
    ::_exit(1);
}
#define EXPECT(...) forks::expect((__VA_ARGS__), #__VA_ARGS__)

/// Forks. The child calls `act()` and ends. Returns its status.
template <class Act>
int in_child(const Act& act) {
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child < 0) throw std::system_error{errno, std::generic_category(), "fork"};
    if (child == 0) {
        is_child = true;
        ::alarm(60);
        try {
            act();
        } catch (const std::exception& error) {
            expect(false, error.what());
        }
        ::_exit(0);
    }
    int status = 0;
    while (::waitpid(child, &status, 0) == -1)
        if (errno != EINTR) throw std::system_error{errno, std::generic_category(), "waitpid"};
    return status;
}

/// A socket and its peer. Each process has a letter of its own, which it says when it uses the connection, and when it ends
/// it, as by the destructor. Its owner then looks at what the peer has heard.
class session {
public:
    session() {
        if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends_.data()) != 0)
            throw std::system_error{errno, std::generic_category(), "socketpair"};
    }
    session(session&& other) noexcept : ends_{std::exchange(other.ends_, {-1, -1})}, letter_{other.letter_} {}
    ~session() { close(); }

    void use() noexcept {
        const char said = letter();
        (void)::send(ends_[0], &said, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (said == letter_ && !peer_has_heard_only_its_owner()) ++misused;
    }
    void close() noexcept {
        if (ends_[0] != -1) use();
        abandon();
    }
    void abandon() noexcept {
        for (int& each : ends_)
            if (each != -1) ::close(std::exchange(each, -1));
    }
    bool closed() const noexcept { return ends_[0] == -1; }
    bool unblocked() const noexcept { return true; }

    /// Whether no other process has said a word, and the stream has not ended.
    bool peer_has_heard_only_its_owner() const noexcept {
        char said = 0;
        ssize_t count = 0;
        while ((count = ::recv(ends_[1], &said, 1, MSG_DONTWAIT)) == 1)
            if (said != letter_) return false;
        return count == -1 && (errno == EAGAIN || errno == EWOULDBLOCK);
    }
    int descriptor() const noexcept { return ends_[0]; }

    static inline std::atomic<int> misused = 0;  ///< connections that another process has used or ended

private:
    static char letter() noexcept { return is_child ? 'c' : 'p'; }

    std::array<int, 2> ends_{-1, -1};
    char letter_ = letter();  ///< of its owner
};
static_assert(pool::abandonable<session>);

inline bool is_open(int descriptor) { return ::fcntl(descriptor, F_GETFD) != -1; }

}  // namespace forks
