// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <functional>
#include <list>
#include <mutex>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_set>
#include <utility>
#include <vector>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <support/loopback_listener.hpp>

/// @file
/// A network that misbehaves: a proxy between the clients and a server of a test. POSIX and Linux only.

namespace support {

/// What happens to one connection.
struct fault {
    /// The kinds.
    enum class kind {
        none,      ///< all is passed on
        delay,     ///< of what comes after so many bytes, once
        truncate,  ///< the direction ends with a FIN, and what comes after that is lost. The other one goes on
        reset,     ///< both ends get an RST
        stall,     ///< nothing is passed on any more, in neither direction
    };
    kind what = kind::none;
    bool to_server = false;  ///< the direction in which it happens, and in which bytes count
    std::size_t after = 0;   ///< so many bytes of that direction are passed on before
    std::chrono::nanoseconds delay{
        0};                 ///< of a delay; any other fault happens so long after that, while bytes are passed on
    std::size_t slice = 0;  ///< no more bytes are passed on at once, in both directions; zero is no limit
    std::chrono::nanoseconds pause{0};  ///< between two slices
};

/// How many connections of a hundred have what. The sizes and the times are such that each order of magnitude is as likely.
struct fault_mix {
    unsigned cut = 10;                                      ///< are truncated, reset or stalled
    unsigned delayed = 20;                                  ///< have one delay
    unsigned sliced = 30;                                   ///< have slices, whatever else happens to them
    std::size_t most_bytes = 20'000;                        ///< before a fault
    std::chrono::nanoseconds longest_delay{1'000'000'000};  ///< the shortest is 1 us
};

/// The fault of the connection with that number: always the same one for a seed.
inline fault random_fault(unsigned seed, std::size_t number, const fault_mix& mix) {
    std::seed_seq both{seed, static_cast<unsigned>(number)};
    std::mt19937_64 random{both};
    const auto below = [&](unsigned end) { return static_cast<unsigned>(random() % end); };
    const auto up_to = [&](double most) {
        return std::exp(std::uniform_real_distribution<>{0, std::log(most)}(random));  // from 1
    };
    const auto nanoseconds_up_to = [&](std::chrono::nanoseconds most) {
        return std::chrono::nanoseconds{static_cast<long long>(1e3 * up_to(static_cast<double>(most.count()) / 1e3))};
    };
    using kind = fault::kind;
    fault chosen;
    chosen.to_server = below(2) == 0;
    chosen.after = static_cast<std::size_t>(up_to(static_cast<double>(mix.most_bytes))) - 1;
    const unsigned percent = below(100);
    if (percent < mix.cut) {
        constexpr kind cuts[] = {kind::truncate, kind::reset, kind::stall};
        chosen.what = cuts[below(3)];
        // In between two requests, too.
        if (below(2) == 0) chosen.delay = nanoseconds_up_to(std::chrono::milliseconds{10});
    } else if (percent < mix.cut + mix.delayed) {
        chosen.what = kind::delay;
        chosen.delay = nanoseconds_up_to(mix.longest_delay);
    }
    if (below(100) < mix.sliced) {
        chosen.slice = static_cast<std::size_t>(up_to(4096));
        chosen.pause = nanoseconds_up_to(std::chrono::microseconds{200});
    }
    return chosen;
}

/// Passes on what its clients and a server on loopback say to each other, in a thread of its own. All members may be called
/// from any thread.
class fault_proxy {
public:
    /// Gives the fault of a connection, by its number from zero. Called in the thread of the proxy.
    using plan = std::function<fault(std::size_t)>;

    /// What it does, and how it counts.
    struct options {
        /// A stalled connection is reset after that; never if it is zero.
        std::chrono::nanoseconds stall_ends{0};
        /// A connection counts as open as soon as its client has sent so many bytes, at least one. PostgreSQL is asked to cancel a
        /// command on a connection of its own, with 16.
        std::size_t counts_from = 1;
    };

    /// What has happened.
    struct counts {
        std::size_t connections = 0;  ///< were accepted
        std::size_t sliced = 0;       ///< of these, those with slices
        std::size_t delayed = 0;
        std::size_t truncated = 0;
        std::size_t reset = 0;
        std::size_t stalled = 0;
        std::size_t open = 0;         ///< are open now, with the stalled ones
        std::size_t most_in_use = 0;  ///< at once: their clients have neither ended nor lost them

        /// How many connections their peers have lost.
        std::size_t cut() const { return truncated + reset + stalled; }
    };

    /// For the server that listens on this port.
    fault_proxy(int server_port, plan faults, options how)
        : server_port_{server_port},
          plan_{std::move(faults)},
          options_{how},
          wake_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)},
          thread_{[this] { run(); }} {}
    /// With the faults of a seed.
    fault_proxy(int server_port, unsigned seed, const fault_mix& mix, options how)
        : fault_proxy{server_port, [=](std::size_t number) { return random_fault(seed, number, mix); }, how} {}
    fault_proxy(const fault_proxy&) = delete;
    fault_proxy& operator=(const fault_proxy&) = delete;
    /// Resets all that is open.
    ~fault_proxy() {
        is_ending_ = true;
        wake();
        thread_.join();
        ::close(wake_);
    }

    int port() const { return listener_.port(); }  ///< where its clients dial

    /// From now on all connections are stalled, also new ones. Nothing is passed on of what is sent after this.
    void stall() {
        is_silent_ = true;
        wake();
    }

    /// From now on nothing happens to any connection. Those to which a cut has happened are reset before this returns.
    void heal() {
        is_silent_ = false;
        is_healed_ = true;
        is_healing_ = true;
        wake();
        is_healing_.wait(true);
    }

    /// What has happened so far.
    counts count() const {
        const std::lock_guard guard{mutex_};
        return counts_;
    }

    /// Whether a connection was cut whose client has this port. It says so before the client can notice.
    bool was_cut(int client_port) const {
        const std::lock_guard guard{mutex_};
        return cut_ports_.contains(client_port);
    }

private:
    using clock = std::chrono::steady_clock;
    static constexpr clock::time_point never = clock::time_point::max();

    /// One direction of a connection.
    struct stream {
        int from = -1;
        int to = -1;
        std::string pending;        // what was read, and is not passed on yet
        std::size_t passed = 0;     // bytes
        clock::time_point due{};    // no byte is passed on before
        bool has_ended = false;     // its source has ended
        bool is_cut = false;        // what still comes is lost
        bool has_told_end = false;  // its destination knows

        bool reads() const { return !has_ended && pending.size() < 65'536; }
        bool is_done() const { return has_told_end && has_ended; }
    };

    struct link {
        fault plan;
        int client_port = 0;
        std::size_t sent_by_client = 0;
        bool has_happened = false;  // the fault, or it never will
        bool is_stalled = false;
        bool is_closed = false;
        clock::time_point happens_at = never;  // the fault; then the end of a stall
        stream to_server{};
        stream to_client{};

        stream& of_fault() { return plan.to_server ? to_server : to_client; }
    };

    void wake() const { (void)!::write(wake_, "\1\0\0\0\0\0\0\0", 8); }

    static void reset(int socket) {
        const linger at_once{1, 0};
        ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        ::close(socket);
    }

    void close(link& l, bool is_reset) {
        for (const int socket : {l.to_server.from, l.to_server.to}) is_reset ? reset(socket) : void(::close(socket));
        l.is_closed = true;
    }

    /// Before the client can notice.
    void note(const link& l, std::size_t counts::*what) {
        const std::lock_guard guard{mutex_};
        ++(counts_.*what);
        if (what != &counts::delayed) cut_ports_.insert(l.client_port);
    }

    void happen(link& l, clock::time_point now) {
        l.has_happened = true;
        l.happens_at = never;
        stream& s = l.of_fault();
        switch (l.plan.what) {
        case fault::kind::none:
            return;
        case fault::kind::delay:
            note(l, &counts::delayed);
            s.due = now + l.plan.delay;
            return;
        case fault::kind::truncate:
            note(l, &counts::truncated);
            s.pending.clear();
            s.is_cut = s.has_told_end = true;
            ::shutdown(s.to, SHUT_WR);
            return;
        case fault::kind::reset:
            note(l, &counts::reset);
            return close(l, true);
        case fault::kind::stall:
            note(l, &counts::stalled);
            l.is_stalled = true;
            if (options_.stall_ends != options_.stall_ends.zero()) l.happens_at = now + options_.stall_ends;
        }
    }

    /// Lets the fault happen if its time has come.
    void look_at_fault(link& l, clock::time_point now) {
        if (l.is_closed) return;
        if (is_silent_ && !l.is_stalled) {
            note(l, &counts::stalled);
            l.is_stalled = true;
            l.happens_at = never;
        }
        if (is_healed_ && !is_silent_) {
            if (l.is_stalled || l.of_fault().is_cut) return close(l, true);
            l.has_happened = true;
            l.happens_at = never;
            l.to_server.due = l.to_client.due = {};
        }
        if (l.is_stalled) {
            if (now >= l.happens_at) close(l, true);
            return;
        }
        if (l.has_happened || l.of_fault().passed < l.plan.after) return;
        if (l.happens_at == never) l.happens_at = l.plan.what == fault::kind::delay ? now : now + l.plan.delay;
        if (now >= l.happens_at) happen(l, now);
    }

    /// Whether bytes are passed on until the fault, and no further.
    static bool stops_at_fault(const link& l) {
        return !l.has_happened && (l.plan.what == fault::kind::delay || l.plan.delay == l.plan.delay.zero());
    }

    void receive(link& l, stream& s) {
        char bytes[16'384];
        while (s.reads()) {
            const ssize_t size = ::recv(s.from, bytes, sizeof bytes, MSG_DONTWAIT);
            if (size > 0) {
                if (!s.is_cut) s.pending.append(bytes, static_cast<std::size_t>(size));
                if (&s == &l.to_server) l.sent_by_client += static_cast<std::size_t>(size);
            } else if (size == 0) {
                s.has_ended = true;
            } else {
                if (errno != EAGAIN && errno != EINTR) close(l, true);
                return;
            }
        }
    }

    void pass_on(link& l, stream& s, clock::time_point now) {
        while (!l.is_closed && !l.is_stalled && !s.pending.empty() && now >= s.due) {
            std::size_t size = s.pending.size();
            if (l.plan.slice != 0 && !is_healed_) size = std::min(size, l.plan.slice);
            if (&s == &l.of_fault() && stops_at_fault(l)) size = std::min(size, l.plan.after - s.passed);
            const ssize_t sent = ::send(s.to, s.pending.data(), size, MSG_DONTWAIT | MSG_NOSIGNAL);
            if (sent < 0) {
                if (errno != EAGAIN && errno != EINTR) close(l, true);
                return;
            }
            s.pending.erase(0, static_cast<std::size_t>(sent));
            s.passed += static_cast<std::size_t>(sent);
            if (l.plan.slice != 0 && !is_healed_) s.due = std::max(s.due, now + l.plan.pause);
            look_at_fault(l, now);
        }
        if (!l.is_closed && !l.is_stalled && s.has_ended && s.pending.empty() && !s.has_told_end) {
            ::shutdown(s.to, SHUT_WR);
            s.has_told_end = true;
        }
    }

    void accept_all(clock::time_point now) {
        for (;;) {
            sockaddr_in address{};
            socklen_t size = sizeof address;
            auto* const generic = reinterpret_cast<sockaddr*>(&address);
            pollfd ready{.fd = listener_.fd(), .events = POLLIN, .revents = 0};
            if (::poll(&ready, 1, 0) != 1) return;
            const int client = ::accept4(listener_.fd(), generic, &size, SOCK_CLOEXEC);
            if (client == -1) return;
            const int port = ntohs(address.sin_port);
            const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
            address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            address.sin_port = htons(static_cast<in_port_t>(server_port_));
            if (::connect(server, generic, sizeof address) != 0) {  // at once, on loopback
                ::close(server);
                reset(client);
                continue;
            }
            const int on = 1;
            for (const int each : {client, server}) ::setsockopt(each, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            link& made = links_.emplace_back();
            made.plan = plan_(accepted_++);
            made.client_port = port;
            made.to_server.from = made.to_client.to = client;
            made.to_server.to = made.to_client.from = server;
            {
                const std::lock_guard guard{mutex_};
                ++counts_.connections;
                counts_.sliced += made.plan.slice != 0;
            }
            look_at_fault(made, now);
        }
    }

    void count_open() {
        std::size_t in_use = 0;
        for (const link& each : links_)
            in_use += !each.is_stalled && !each.to_server.has_ended && each.sent_by_client >= options_.counts_from;
        const std::lock_guard guard{mutex_};
        counts_.open = links_.size();
        counts_.most_in_use = std::max(counts_.most_in_use, in_use);
    }

    /// Waits until something is to be done.
    void wait() {
        std::vector<pollfd> all{{wake_, POLLIN, 0}, {listener_.fd(), POLLIN, 0}};
        const auto now = clock::now();
        auto next = never;
        for (const link& l : links_) {
            next = std::min(next, l.happens_at);
            if (l.is_stalled) continue;
            const auto add = [&](const stream& in, const stream& out) {
                short events = in.reads() ? POLLIN : 0;
                if (!out.pending.empty()) {
                    if (out.due <= now) events |= POLLOUT;
                    else next = std::min(next, out.due);
                }
                if (events != 0) all.push_back({out.to, events, 0});
            };
            add(l.to_server, l.to_client);
            add(l.to_client, l.to_server);
        }
        timespec limit{};
        const auto left = std::max(next - now, clock::duration{0});
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
        limit.tv_sec = seconds.count();
        limit.tv_nsec = std::chrono::nanoseconds{left - seconds}.count();
        ::ppoll(all.data(), all.size(), next == never ? nullptr : &limit, nullptr);
    }

    void run() {
        while (!is_ending_) {
            wait();
            char woken[8];
            (void)!::read(wake_, woken, sizeof woken);
            const bool is_healing = is_healing_;
            // From the oldest to the newest: a client that has ended one connection before it dials another one is seen to have
            // ended the first, before anything of the second is read.
            for (link& l : links_) {
                for (stream* const s : {&l.to_server, &l.to_client})
                    if (!l.is_closed && !l.is_stalled) receive(l, *s);
            }
            const auto now = clock::now();
            for (link& l : links_) {
                look_at_fault(l, now);
                for (stream* const s : {&l.to_server, &l.to_client}) pass_on(l, *s, now);
                if (!l.is_closed && l.to_server.is_done() && l.to_client.is_done()) close(l, false);
            }
            links_.remove_if([](const link& l) { return l.is_closed; });
            accept_all(now);
            links_.remove_if([](const link& l) { return l.is_closed; });
            count_open();
            if (is_healing) {
                is_healing_ = false;
                is_healing_.notify_all();
            }
        }
        for (link& l : links_) close(l, true);
        links_.clear();
        count_open();
    }

    loopback_listener listener_{128};
    const int server_port_;
    const plan plan_;
    const options options_;
    const int wake_;
    std::atomic<bool> is_ending_{false};
    std::atomic<bool> is_silent_{false};
    std::atomic<bool> is_healed_{false};
    std::atomic<bool> is_healing_{false};  // until the connections of before are reset
    mutable std::mutex mutex_;             // guards the next two
    counts counts_;
    std::unordered_set<int> cut_ports_;
    std::list<link> links_;     // of the thread
    std::size_t accepted_ = 0;  // the same
    std::thread thread_;        // last: it uses all the others
};

/// The port of a client's socket.
inline int local_port(int socket) {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
    return ntohs(address.sin_port);
}

}  // namespace support
