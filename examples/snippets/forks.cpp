// SPDX-License-Identifier: BSL-1.0
#include <cerrno>
#include <cstdlib>
#include <iostream>
#include <string>
#include <system_error>
#include <utility>

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pool/pool.hpp>

/// @file
/// A process that forks, and goes on in the child with a pool of its own.

namespace {

// [conn]
/// A connection whose end is a message to its peer.
class database {
public:
    explicit database(int descriptor) : descriptor_{descriptor} {}
    database(database&& other) noexcept : descriptor_{std::exchange(other.descriptor_, -1)} {}
    ~database() { close(); }

    void close() noexcept {
        if (descriptor_ == -1) return;
        send("quit");
        abandon();
    }
    bool closed() const noexcept { return descriptor_ == -1; }
    bool unblocked() const noexcept { return true; }

    /// In the child of a fork: without a word to the peer, which still serves the parent.
    void abandon() noexcept {
        if (descriptor_ != -1) ::close(std::exchange(descriptor_, -1));
    }

    void send(const std::string& text) noexcept { (void)::send(descriptor_, text.data(), text.size(), MSG_NOSIGNAL); }

private:
    int descriptor_;
};
// [/conn]

int peer_of_the_first = -1;

database dial(const std::string&) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) throw std::system_error{errno, std::generic_category()};
    if (peer_of_the_first == -1) peer_of_the_first = ends[1];
    else ::close(ends[1]);
    return database{ends[0]};
}

using connections = pool::connection_pool<std::string, database>;

// [fork]
int in_a_worker(connections& conns) {
    const pid_t worker = ::fork();
    if (worker == 0) {
        conns.abandon();  // first of all, and once for each pool
        const bool was_empty = conns.stats() == pool::stats{};
        conns.invoke("db:5432", [](database& db) { db.send("hello from the worker"); });  // on a connection of its own
        conns.close();
        ::_exit(was_empty ? EXIT_SUCCESS : EXIT_FAILURE);  // not exit: that would destroy what belongs to the parent
    }
    int status = 0;
    ::waitpid(worker, &status, 0);
    return status;
}
// [/fork]

}  // namespace

int main() {
    connections conns{{}, dial};
    conns.acquire("db:5432")->send("hello");
    const int status = in_a_worker(conns);
    char said[64];
    const auto length = ::recv(peer_of_the_first, said, sizeof said, MSG_DONTWAIT);
    const bool is_undisturbed = std::string(said, length > 0 ? static_cast<std::size_t>(length) : 0) == "hello" &&
                                ::recv(peer_of_the_first, said, sizeof said, MSG_DONTWAIT) == -1 && errno == EAGAIN;
    std::cout << (status == 0 ? "the worker went well; " : "the worker failed; ")
              << (is_undisturbed ? "the parent's server heard nothing of it\n" : "the parent's server was disturbed\n");
    return status == 0 && is_undisturbed ? EXIT_SUCCESS : EXIT_FAILURE;
}
