// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <utility>
#include <vector>

#include <support/ids.hpp>

/// @file
/// Fake connections. A test opens them through a `network`, which remembers all of them. Through a `line` it decides
/// what a connection answers. A connection ends the program if it is misused: closed twice, closed after its peer has
/// gone, used after it was moved from, or destroyed without a close.

namespace fake {

/// The far end of one connection. It exists before and after the connection. Thread-safe.
struct line {
    int id = 0;
    std::atomic<bool> dead{false};      ///< the peer has gone: `closed()` is true, and nobody may close it
    std::atomic<bool> blocked{false};   ///< the connection is still ending a cancelled call
    std::atomic<bool> reusable{false};  ///< the connection may be used after a failure
    std::atomic<bool> stuck{false};     ///< moving a `fragile_connection` throws
    std::atomic<int> closes{0};
    std::function<void()> on_close = [] {};  ///< may throw; set it before the line is shared
};

[[noreturn]] inline void misuse(int id, const char* what) {
    std::fprintf(stderr, "connection %d: %s\n", id, what);
    std::abort();
}

class network;

/// Move-only.
class connection {
public:
    connection(network& home, std::shared_ptr<line> far) : home_{&home}, line_{std::move(far)} {}
    connection(connection&& other) noexcept = default;
    connection& operator=(connection&& other) noexcept {
        if (this != &other) {
            abandon();
            home_ = other.home_;
            line_ = std::move(other.line_);
        }
        return *this;
    }
    ~connection() { abandon(); }

    inline void close();

    bool closed() const noexcept { return there().dead || there().closes > 0; }
    bool unblocked() const noexcept { return !there().blocked; }
    bool reusable() const noexcept { return there().reusable; }

    int id() const noexcept { return there().id; }
    line& far() const noexcept { return there(); }

private:
    line& there() const noexcept {
        if (!line_) misuse(0, "used after a move");
        return *line_;
    }

    void abandon() noexcept {
        if (line_ && line_->closes == 0 && !line_->dead) misuse(line_->id, "lost without a close");
    }

    network* home_;
    std::shared_ptr<line> line_;
};

/// Opens connections, numbered from 1, and remembers them. Thread-safe.
class network {
public:
    connection dial() {
        const std::scoped_lock guard{mutex_};
        lines_.push_back(std::make_shared<line>());
        lines_.back()->id = static_cast<int>(lines_.size());
        if (prepare_) prepare_(*lines_.back());
        return {*this, lines_.back()};
    }

    /// A dial function for any key.
    auto dialer() {
        return [this](const auto&) { return dial(); };
    }

    /// Calls `prepare(line)` for each connection that is dialled from now on.
    void prepare(std::function<void(line&)> prepare) {
        const std::scoped_lock guard{mutex_};
        prepare_ = std::move(prepare);
    }

    line& operator[](int id) {
        const std::scoped_lock guard{mutex_};
        return *lines_.at(static_cast<std::size_t>(id - 1));
    }

    int dials() const {
        const std::scoped_lock guard{mutex_};
        return static_cast<int>(lines_.size());
    }

    /// Which connections were closed, in that order, since this was last asked.
    ids closed() {
        const std::scoped_lock guard{mutex_};
        return std::exchange(closed_, {});
    }

    /// How many connections are open: dialled, and neither closed nor dead.
    int open() const {
        const std::scoped_lock guard{mutex_};
        int count = 0;
        for (const auto& each : lines_) count += each->closes == 0 && !each->dead;
        return count;
    }

private:
    friend connection;

    void on_close(int id) {
        const std::scoped_lock guard{mutex_};
        closed_.push_back(id);
    }

    mutable std::mutex mutex_;  ///< guards all below
    std::deque<std::shared_ptr<line>> lines_;
    ids closed_;
    std::function<void(line&)> prepare_;
};

inline void connection::close() {
    line& far = there();
    if (far.dead) misuse(far.id, "closed after its death");
    if (++far.closes > 1) misuse(far.id, "closed twice");
    home_->on_close(far.id);
    far.on_close();
}

/// Closes a connection that the caller owns, and ignores a failure.
inline void hang_up(connection conn) {
    try {
        conn.close();
    } catch (const std::runtime_error&) {
    }
}

/// A connection whose move can throw.
class fragile_connection : public connection {
public:
    explicit fragile_connection(connection&& from) noexcept : connection{std::move(from)} {}
    fragile_connection(fragile_connection&& other) : connection{movable(other)} {}

private:
    static connection&& movable(connection& other) {
        if (other.far().stuck) throw std::runtime_error{"stuck"};
        return std::move(other);
    }
};

/// A call of several messages. Destroying it before its end cancels the call, which blocks its connection.
class stream {
public:
    stream(connection& over, int messages) : over_{&over.far()}, left_{messages} {}
    stream(stream&& other) noexcept : over_{other.over_}, left_{std::exchange(other.left_, 0)} {}
    ~stream() {
        if (left_ > 0) over_->blocked = true;
    }

    /// Takes the next message. Returns how many are left.
    int next() { return --left_; }
    bool done() const noexcept { return left_ == 0; }

private:
    line* over_;
    int left_;
};

}  // namespace fake
