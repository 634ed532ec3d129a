// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/core/platform.hpp>  // first: what it says of the compiler comes before what hiredis says

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdarg>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <initializer_list>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <pool/adapters/hiredis/connection_key.hpp>
#include <pool/adapters/hiredis/reply.hpp>
#include <pool/adapters/kernel/connect.hpp>
#include <pool/connection.hpp>

/// @file
/// Connections of hiredis, 0.14 or newer, which reach their next user as they were dialled. Include it yourself, and link
/// hiredis: `pool.hpp` does not. POSIX only.

namespace pool::hiredis {

/// How far a connection is cleaned when it is given back.
enum class reset {
    /// Everything that a user can leave behind is undone, in one round trip. The server needs RESET: Redis 6.2 or newer.
    all,
    /// Only what shows without a round trip is looked at: errors, commands that were not sent, and replies that were not
    /// read. For users who leave nothing behind. After an exception, the connection is closed.
    check_only,
};

/// How connections are dialled and reset.
struct options {
    reset how = reset::all;                         ///< what is done when a connection is given back
    std::chrono::milliseconds reset_timeout{5000};  ///< the limit of a reset, and of a keep-alive
    /// How long a close waits until the server has closed its end, so that the server never counts more connections than
    /// the pool. Zero does not wait.
    std::chrono::milliseconds close_timeout{1000};
    /// How long a user waits for the server, for each read and write; zero is for ever. A user may change it by
    /// `redisSetTimeout`. Each give-back puts it back.
    std::chrono::milliseconds command_timeout{0};
};

/// Owns a `redisContext`. The functions of hiredis take it. Those of 0.14 write without MSG_NOSIGNAL, so a program that
/// calls them must ignore SIGPIPE; `command` needs no such care. Move-only. Not thread-safe, as the context itself.
class connection {
public:
    connection() noexcept = default;              ///< without a context
    connection(connection&&) noexcept = default;  ///< leaves the other without a context
    /// Closes its own context first.
    connection& operator=(connection&& other) noexcept {
        connection old{std::move(other)};
        std::swap(context_, old.context_);
        std::swap(functions_, old.functions_);
        std::swap(flags_, old.flags_);
        std::swap(is_used_, old.is_used_);
        std::swap(replies_, old.replies_);
        std::swap(setup_, old.setup_);
        std::swap(with_, old.with_);
        return *this;
    }
    ~connection() { close(); }

    /// The context. Its user may send by it.
    redisContext* get() noexcept {
        is_used_ = true;
        return context_.get();
    }
    explicit(false) operator redisContext*() noexcept { return get(); }  ///< so that C functions take it

    /// Sends one command, as `redisCommand` does: `command("SET %s %b", name, bytes, size)`. Waits for its reply. Throws an
    /// `error` if the server answers with one, or if the connection fails, or if a command or a reply of somebody else is in
    /// the way. Throws `std::invalid_argument` for a wrong format.
    reply command(const char* format, ...) {
        std::va_list arguments;
        va_start(arguments, format);
        char* text = nullptr;
        const int length = redisvFormatCommand(&text, format, arguments);
        va_end(arguments);
        if (length == -1) throw std::bad_alloc{};
        if (length < 0) throw std::invalid_argument{"pool: the format of a command of Redis"};
        const std::unique_ptr<char, kernel::command_deleter> owned{text};
        return call({text, static_cast<std::size_t>(length)});
    }

    /// The same for words that may have any bytes: `command({"SET", name, value})`.
    reply command(std::initializer_list<std::string_view> words) {
        std::string text;
        kernel::append_command(text, words);
        return call(text);
    }

    /// Ends the connection, and waits until the server has, but at most `close_timeout`. Frees the context.
    void close() noexcept {
        if (context_ == nullptr) return;
        if (with_.close_timeout > with_.close_timeout.zero() && ::shutdown(context_->fd, SHUT_WR) == 0) {
            try {
                adapters::kernel::wait_for_end(context_->fd, adapters::kernel::within(with_.close_timeout));
            } catch (const std::exception&) {  // the server takes too long
            }
        }
        context_.reset();
    }
    /// Whether there is no context, or it has failed.
    bool closed() const noexcept { return context_ == nullptr || context_->err != 0; }
    bool released() const noexcept { return context_ == nullptr; }  ///< whether there is no context
    bool unblocked() const noexcept { return true; }                ///< always
    /// After an exception of its user: whether a reset can tell if it may be lent again.
    bool reusable() const noexcept { return with_.how == reset::all && is_in_step(); }
    /// In the child of a fork: closes the descriptor. The memory is left as it is, because a call may have been in it.
    void abandon() noexcept {
        if (context_ != nullptr) ::close(context_.release()->fd);
    }
    /// The error of the context.
    std::string why_dead() const { return context_ == nullptr ? "no connection" : context_->errstr; }

    /// Whether nothing has arrived that no command has asked for, and the server has not closed it. Asks only the system.
    bool healthy() const noexcept { return is_in_step() && !adapters::kernel::has_input(context_->fd); }

    /// Makes it as it was dialled, or throws an `error`, or a `std::system_error` at the limit.
    void clean() {
        if (!healthy()) throw broken("replies, or commands, or an error are left over");
        put_back_options();
        if (with_.how == reset::all) exchange(setup_, replies_, adapters::kernel::within(with_.reset_timeout));
        is_used_ = false;
    }

    /// Asks the server for an answer, or throws as `clean` does.
    void keep_alive() {
        if (!healthy()) throw broken("it has failed, or is out of step");
        exchange({}, 0, adapters::kernel::within(with_.reset_timeout));
    }

private:
    friend struct dial;

    connection(adapters::kernel::owned_socket socket, const connection_key& key, const options& with)
        : context_{redisConnectFd(socket.get())},
          with_{with} {
        if (context_ == nullptr) throw std::bad_alloc{};
        socket.release();
        flags_ = context_->flags;
        functions_ = context_->reader->fn;
        int on = 1;
        ::setsockopt(context_->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // in vain for a Unix socket
        if (!key.host.starts_with('/')) redisEnableKeepAlive(context_.get());
        put_back_options();

        const auto add = [this](std::initializer_list<std::string_view> words) {
            kernel::append_command(setup_, words);
            ++replies_;
        };
        if (with.how == reset::all) add({"RESET"});
        if (!key.as.user.empty()) add({"AUTH", key.as.user, key.as.password});
        else if (!key.as.password.empty()) add({"AUTH", key.as.password});
        if (key.database != 0) add({"SELECT", std::to_string(key.database)});
        if (!key.client_name.empty()) add({"CLIENT", "SETNAME", key.client_name});
    }

    /// hiredis knows of no error, has sent and parsed all that it has, and is as it was dialled.
    bool is_in_step() const noexcept {
        if (closed() || context_->flags != flags_ || sdslen(context_->obuf) != 0) return false;
        const redisReader& from = *context_->reader;
        return from.err == 0 && from.ridx == -1 && from.pos == from.len;
    }

    void put_back_options() noexcept {
        context_->reader->fn = functions_;
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(with_.command_timeout);
        timeval limit{};
        limit.tv_sec = seconds.count();
        limit.tv_usec = std::chrono::microseconds{with_.command_timeout - seconds}.count();
        redisSetTimeout(context_.get(), limit);
        const int flags = ::fcntl(context_->fd, F_GETFL);
        if ((flags & O_NONBLOCK) != 0) ::fcntl(context_->fd, F_SETFL, flags & ~O_NONBLOCK);
    }

    static error broken(const std::string& why, error::origin from = error::origin::connection) {
        return error{"redis: " + why, from};
    }

    /// Sends the commands and a PING, in one round trip, and checks each reply.
    void exchange(std::string_view commands, std::size_t replies, const dial_context& limits) {
        // A reply to an earlier PING cannot have the same text, so one that is left over is noticed.
        const std::string nonce = "pool:" + std::to_string(std::chrono::steady_clock::now().time_since_epoch().count());
        std::string text{commands};
        kernel::append_command(text, {"PING", nonce});

        const adapters::kernel::limited_wait wait{limits};
        std::string_view unsent = text;
        for (std::size_t got = 0; got <= replies;) {
            if (!unsent.empty()) {
                const ssize_t sent = ::send(context_->fd, unsent.data(), unsent.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
                if (sent >= 0) unsent.remove_prefix(static_cast<std::size_t>(sent));
                else if (errno != EAGAIN && errno != EINTR) unsent = {};  // what the server has said before can be read
            }
            wait.for_events(context_->fd, unsent.empty() ? POLLIN : POLLIN | POLLOUT);
            receive();
            void* next = nullptr;
            while (got <= replies && redisReaderGetReply(context_->reader, &next) == REDIS_OK && next != nullptr)
                check(*reply{static_cast<redisReply*>(next)}, got++, replies, nonce);
            if (context_->reader->err != 0) throw broken(context_->reader->errstr);
        }
        if (!healthy()) throw broken("there are more replies than commands");
    }

    /// Gives what has arrived to the reader.
    void receive() {
        char arrived[4096];
        const ssize_t size = ::recv(context_->fd, arrived, sizeof arrived, MSG_DONTWAIT);
        if (size == 0) throw broken("the server has closed the connection");
        if (size > 0) redisReaderFeed(context_->reader, arrived, static_cast<std::size_t>(size));
        else if (errno != EAGAIN && errno != EINTR) throw broken(std::generic_category().message(errno));
    }

    /// The reply to command `index` of an exchange must be the right one.
    void check(const redisReply& r, std::size_t index, std::size_t replies, const std::string& nonce) const {
        const std::string_view said = kernel::text_of(r);
        // The server quotes the arguments of a command that it does not know: of AUTH, a password.
        if (r.type == REDIS_REPLY_ERROR)
            throw broken(std::string(said.substr(0, said.find(", with args"))), error::origin::reply);
        const bool is_reset = index == 0 && replies > 0 && with_.how == reset::all;
        // AUTH, SELECT and CLIENT SETNAME answer with OK.
        const bool is_right = index == replies ? said == nonce : is_reset ? said == "RESET" : said == "OK";
        if (!is_right) throw broken("a reply is left over: the connection is out of step");
    }

    /// Sends one command, and waits for its reply.
    reply call(std::string_view text) {
        const auto unsent = is_used_ ? error::origin::connection : error::origin::unsent;
        if (context_ == nullptr) throw broken("no connection", unsent);
        if (context_->err != 0) throw broken(context_->errstr, unsent);
        if (!is_in_step()) throw broken("commands or replies are left over", unsent);
        if (adapters::kernel::has_input(context_->fd)) {
            char next = 0;
            const bool has_ended = ::recv(context_->fd, &next, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
            fail(has_ended ? "the server has closed the connection"
                           : "a reply has arrived that no command has asked for");
            throw broken(context_->errstr, unsent);
        }
        // A command that is sent in part is never executed, because it is the only one.
        while (!text.empty()) {
            const ssize_t sent = ::send(context_->fd, text.data(), text.size(), MSG_NOSIGNAL);
            if (sent >= 0) {
                text.remove_prefix(static_cast<std::size_t>(sent));
            } else if (errno != EINTR) {
                fail(errno == EAGAIN ? "the server takes no command" : std::generic_category().message(errno));
                throw broken(context_->errstr, unsent);
            }
        }
        is_used_ = true;
        for (void* next = nullptr;;) {
            if (redisGetReplyFromReader(context_.get(), &next) != REDIS_OK) throw broken(context_->errstr);
            if (next == nullptr && redisBufferRead(context_.get()) == REDIS_OK) continue;
            if (next == nullptr && errno == EAGAIN && context_->err == REDIS_ERR_IO)
                fail("no reply within the timeout");
            reply got{static_cast<redisReply*>(next)};
            if (got == nullptr) throw broken(context_->errstr);
            if (got->type != REDIS_REPLY_ERROR) return got;
            throw broken(std::string(kernel::text_of(*got)), error::origin::reply);
        }
    }

    /// The connection has failed, as hiredis says it.
    void fail(const std::string& why) noexcept {
        context_->err = REDIS_ERR_OTHER;
        std::snprintf(context_->errstr, sizeof context_->errstr, "%s", why.c_str());
    }

    std::unique_ptr<redisContext, kernel::context_deleter> context_;
    int flags_ = 0;
    redisReplyObjectFunctions* functions_ = nullptr;  // what makes replies; a user may have replaced it
    bool is_used_ = false;                            // since it was lent, the server may have got something
    std::size_t replies_ = 0;                         // of `setup_`
    std::string setup_;                               // the commands that make it what its key says
    options with_;
};

/// Dials: `bounded_pool<connection_key, connection> conns{{.max_open = 16}, dial{}}`. Throws an `error` with the words of
/// the server, such as WRONGPASS, or a `std::system_error` at the deadline and on a stop request. Both name the key. Tries
/// each address of the host in turn. Resolving the name is not limited.
struct dial {
    options with{};  ///< for each connection

    /// Connects, and makes the connection what the key says.
    connection operator()(const connection_key& key, const dial_context& limits = {}) const {
        const std::string to = key_traits<connection_key>::describe(key) + ": ";
        if (with.reset_timeout <= with.reset_timeout.zero())
            throw std::invalid_argument{to + "the reset_timeout is not positive"};
        if (key.host.find("://") != key.host.npos)
            throw std::invalid_argument{"pool: the host of a key is a URL: connection_key::from_url reads it"};
        try {
            const bool is_path = key.host.starts_with('/');
            connection made{is_path ? adapters::kernel::connect_to_path(key.host, limits)
                                    : adapters::kernel::connect_to_host(key.host, key.port, limits),
                key, with};
            made.with_.close_timeout = {};  // a dial that fails keeps to its own limits
            made.exchange(made.setup_, made.replies_, limits);
            made.with_.close_timeout = with.close_timeout;
            return made;
        } catch (const std::system_error& e) {
            if (e.code() == std::errc::timed_out || e.code() == std::errc::operation_canceled)
                throw std::system_error{e.code(), to + "not connected"};
            throw error{to + e.what(), error::origin::unsent};
        } catch (const error& e) {
            const std::string_view said = e.what();
            const bool has_no_reset = said.find("ERR unknown command") != said.npos && said.find("RESET") != said.npos;
            throw error{to + e.what() + (has_no_reset ? "; reset::all needs Redis 6.2" : ""), error::origin::unsent};
        } catch (const std::runtime_error& e) {
            throw error{to + e.what(), error::origin::unsent};
        }
    }
};

/// Dials one peer, for a pool without keys: `bounded_pool<no_key, connection> redis{{}, dial_to{key}}`.
struct dial_to {
    connection_key key;  ///< the peer
    options with{};      ///< for each connection

    /// As `dial`.
    connection operator()(const dial_context& limits = {}) const { return dial{with}(key, limits); }
};

}  // namespace pool::hiredis

/// Checks, resets and keeps alive.
template <>
struct pool::connection_traits<pool::hiredis::connection> : pool::member_connection_traits<pool::hiredis::connection> {
    /// Asks only the system, which takes less than a microsecond.
    static bool healthy(hiredis::connection& c) noexcept { return c.healthy(); }
    static void reset(hiredis::connection& c) { c.clean(); }            ///< in one round trip
    static void keep_alive(hiredis::connection& c) { c.keep_alive(); }  ///< by a PING
};
