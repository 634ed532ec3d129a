// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/core/platform.hpp>  // first: what it says of the compiler comes before what Asio says

#include <exception>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <boost/asio/compose.hpp>
#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include <pool/adapters/beast/connection.hpp>
#include <pool/adapters/beast/connection_key.hpp>
#include <pool/adapters/beast/kernel/channel.hpp>
#include <pool/adapters/beast/kernel/establish.hpp>
#include <pool/adapters/beast/options.hpp>
#include <pool/adapters/kernel/connect.hpp>
#include <pool/dial.hpp>

/// @file
/// How HTTP connections are opened.

namespace pool::beast {

/// Opens a connection, within the deadline and until the stop of its context. Tries each address of the host in turn.
/// Only the look-up of the name does not heed the limits. Throws `error`, whose code is `std::errc::timed_out` or
/// `std::errc::operation_canceled` for the limits, and `std::invalid_argument` for a key that cannot be dialled. Copies
/// share what was read of files. Thread-safe.
template <class Transport>
class basic_dial {
public:
    /// Connections are used as these options say. Throws `std::invalid_argument` for options that make no sense.
    explicit basic_dial(const options& how = {})
        : options_{how},
          shared_{std::make_shared<typename Transport::shared>()} {
        kernel::check(how);
    }

    /// Opens one.
    basic_connection<Transport> operator()(const connection_key& key, const dial_context& limits = {}) const {
        kernel::check(key);
        const auto made =
            std::make_shared<kernel::channel<Transport>>(std::make_shared<const connection_key>(key), options_);
        made->transport.prepare(key, *shared_);
        connect(*made, limits);
        std::exception_ptr nothing;
        made->run(limits, nothing, [&](auto handler) {
            boost::asio::async_compose<decltype(handler), void(std::exception_ptr)>(
                kernel::establishing<Transport>{made}, handler, made->transport.socket());
        });
        return basic_connection<Transport>{made};
    }

private:
    static void connect(kernel::channel<Transport>& made, const dial_context& limits) {
        const bool is_by_proxy = made.is_by_proxy();
        const connection_key& key = *made.key();
        try {
            made.take(adapters::kernel::connect_to_host(is_by_proxy ? made.proxy().host : key.host,
                is_by_proxy ? made.proxy().port : key.port_number(), limits));
        } catch (const std::system_error& e) {
            throw error{e.code(), {.during = step::connect, .key = made.key()}};
        } catch (const boost::system::system_error& e) {
            throw error{e.code(), {.during = step::connect, .key = made.key()}};
        } catch (const std::runtime_error& e) {
            throw error{boost::asio::error::make_error_code(boost::asio::error::host_not_found),
                {.during = step::resolve, .key = made.key()}, std::string(e.what()).substr(std::size("resolve: ") - 1)};
        }
    }

    options options_;
    std::shared_ptr<typename Transport::shared> shared_;
};

/// The same for a pool of one peer: it holds the key.
template <class Transport>
class basic_dial_to {
public:
    /// With these options.
    explicit basic_dial_to(connection_key key, const options& how = {}) : key_{std::move(key)}, dial_{how} {}

    /// Opens one.
    basic_connection<Transport> operator()(const dial_context& limits = {}) const { return dial_(key_, limits); }

private:
    connection_key key_;
    basic_dial<Transport> dial_;
};

}  // namespace pool::beast
