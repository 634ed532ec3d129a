// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/core/platform.hpp>  // first: what it says of the compiler comes before what libpq says

#include <algorithm>
#include <charconv>
#include <chrono>
#include <new>
#include <string_view>
#include <system_error>
#include <utility>

#include <libpq-fe.h>
#include <poll.h>

#include <pool/adapters/kernel/socket.hpp>
#include <pool/adapters/libpq/connection.hpp>
#include <pool/adapters/libpq/connection_key.hpp>
#include <pool/adapters/libpq/error.hpp>
#include <pool/dial.hpp>

/// @file
/// How connections of libpq are opened.

namespace pool::libpq {

/// Opens a connection, within the deadline and until the stop of its context; and within the `connect_timeout` of the key,
/// which libpq leaves to its callers here. Only the look-up of a host name does not heed them: give `hostaddr`, if that
/// matters. Throws `error` with what the server or libpq says, and a `std::system_error` that names the key for the limits.
class dial {
public:
    /// Cleans as these options say. Throws `std::invalid_argument` if `reset_timeout` is not positive.
    explicit dial(const libpq::options& how = {}) : options_{how} { kernel::check(how); }

    /// Opens one.
    connection operator()(const connection_key& key, const dial_context& context = {}) const {
        connection opened{PQconnectStart(key.conninfo().c_str()), options_};
        if (opened.get() == nullptr) throw std::bad_alloc{};
        dial_context limits = context;
        limits.deadline = std::min(limits.deadline, own_deadline(opened));
        try {
            connect(opened, limits);
        } catch (const std::system_error& e) {
            throw std::system_error{e.code(), key_traits<connection_key>::describe(key) + ": not connected"};
        }
        if (opened.closed()) throw error{opened.why_dead(), {}};
        return opened;
    }

private:
    /// Until libpq is done, well or not.
    static void connect(const connection& opened, const dial_context& limits) {
        const adapters::kernel::limited_wait wait{limits};
        auto state = PGRES_POLLING_WRITING;
        while (PQstatus(opened) != CONNECTION_BAD && state != PGRES_POLLING_OK && state != PGRES_POLLING_FAILED) {
            wait.for_events(PQsocket(opened), state == PGRES_POLLING_READING ? POLLIN : POLLOUT);
            state = PQconnectPoll(opened);
        }
    }

    /// By the parameter `connect_timeout`, whose unit is seconds, and whose zero is none.
    static std::chrono::steady_clock::time_point own_deadline(const connection& of) {
        constexpr auto none = std::chrono::steady_clock::time_point::max();
        const kernel::parameters all{PQconninfo(of)};
        for (const PQconninfoOption* each = all.get(); each != nullptr && each->keyword != nullptr; ++each) {
            if (std::string_view{each->keyword} != "connect_timeout" || each->val == nullptr) continue;
            const std::string_view text = each->val;
            int seconds = 0;
            std::from_chars(text.data(), text.data() + text.size(), seconds);
            return seconds <= 0 ? none : std::chrono::steady_clock::now() + std::chrono::seconds{seconds};
        }
        return none;
    }

    libpq::options options_;
};

/// The same for a pool of one peer: it holds the key.
class dial_to {
public:
    /// With these options.
    explicit dial_to(connection_key key, const libpq::options& how = {}) : key_{std::move(key)}, dial_{how} {}

    connection operator()(const dial_context& context = {}) const { return dial_(key_, context); }  ///< opens one

private:
    connection_key key_;
    libpq::dial dial_;
};

}  // namespace pool::libpq
