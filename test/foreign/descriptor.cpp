// SPDX-License-Identifier: BSL-1.0
#include <cstddef>
#include <map>
#include <memory>
#include <utility>

#include <poll.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include <pool/adapters/handle.hpp>

#include "forms.hpp"

/// @file
/// File descriptors: the reading ends of pipes.

namespace foreign_descriptor {

bool is_hung_up(int fd) noexcept {
    pollfd state{.fd = fd, .events = POLLIN, .revents = 0};
    return ::poll(&state, 1, 0) == 1 && (state.revents & POLLHUP) != 0;
}

struct library {
    static inline foreign::ledger<int> handles;
    static inline std::map<int, int> writing_ends;

    static int open() {
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        writing_ends[ends[0]] = ends[1];
        return handles.opened(ends[0]);
    }
    static int open_dead() {
        const int fd = open();
        kill(fd);
        return fd;
    }
    static void kill(int fd) {
        if (const auto other = writing_ends.extract(fd)) ::close(other.mapped());
    }
};

int end(int fd) noexcept {
    if (!library::handles.ended(fd)) return -1;
    library::kill(fd);
    return ::close(fd);
}

struct checks {
    static bool closed(int fd) noexcept { return is_hung_up(fd); }
};

/// A descriptor as the pointer of a `std::unique_ptr`.
class fd_pointer {
public:
    fd_pointer(std::nullptr_t = nullptr) noexcept {}
    fd_pointer(int fd) noexcept : fd_{fd} {}
    operator int() const noexcept { return fd_; }
    explicit operator bool() const noexcept { return fd_ != -1; }
    friend bool operator==(fd_pointer one, fd_pointer other) noexcept { return one.fd_ == other.fd_; }
    friend bool operator==(fd_pointer one, std::nullptr_t) noexcept { return one.fd_ == -1; }

private:
    int fd_ = -1;
};
struct reading_end;
struct ender {
    using pointer = fd_pointer;
    void operator()(fd_pointer fd) const noexcept { end(fd); }
};
using unique_fd = std::unique_ptr<reading_end, ender>;

struct raw {
    using connection = int;
    static int get(int fd) { return fd; }
    static void close(int& fd) { end(std::exchange(fd, -1)); }
};
struct pointer {
    using connection = unique_fd;
    static int get(const unique_fd& fd) { return fd.get(); }
    static void close(unique_fd& fd) { fd.reset(); }
};
using handle = foreign::in_class<pool::handle<int, end, checks>>;

}  // namespace foreign_descriptor

/// An integer has no value that stands for none in every program, so `released` names it.
template <>
struct pool::connection_traits<int> {
    static void close(int fd) { foreign_descriptor::end(fd); }
    static bool closed(int fd) noexcept { return fd == -1 || foreign_descriptor::is_hung_up(fd); }
    static bool released(int fd) noexcept { return fd == -1; }
    static bool unblocked(int) noexcept { return true; }
};

/// In full, because nothing can be said about what it points to.
template <>
struct pool::connection_traits<foreign_descriptor::unique_fd> {
    static void close(foreign_descriptor::unique_fd& fd) { fd.reset(); }
    static bool closed(const foreign_descriptor::unique_fd& fd) noexcept {
        return !fd || foreign_descriptor::is_hung_up(fd.get());
    }
    static bool unblocked(const foreign_descriptor::unique_fd&) noexcept { return true; }
};

TEST_CASE_TEMPLATE("descriptor: each file descriptor is closed once, dead or not", Form, foreign_descriptor::raw,
    foreign_descriptor::pointer, foreign_descriptor::handle) {
    foreign::check<foreign_descriptor::library, Form>();
}
