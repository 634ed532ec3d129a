// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/core/platform.hpp>  // first: what it says of the compiler comes before what Asio says

#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/ssl/stream_base.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <pool/adapters/beast/connection_key.hpp>
#include <pool/adapters/beast/kernel/ssl_contexts.hpp>
#include <pool/adapters/kernel/socket.hpp>

/// @file
/// What HTTP connections read and write, with TLS or without.

namespace pool::beast {

/// A connection of TCP, with TLS if the scheme of its key is `https`. It is a stream itself, which functions of Asio
/// and Beast take.
class ssl_transport {
    using error_code = boost::system::error_code;
    using tcp_socket = boost::asio::ip::tcp::socket;

public:
    using stream_type = ssl_transport;                   ///< what functions of Beast take
    using executor_type = boost::asio::any_io_executor;  ///< of its operations
    using shared = kernel::ssl_contexts;                 ///< what all connections of a dial share

    /// Not connected yet.
    explicit ssl_transport(const executor_type& executor) : socket_{executor} {}

    tcp_socket& socket() noexcept { return socket_; }                         ///< the socket
    const tcp_socket& socket() const noexcept { return socket_; }             ///< the same
    stream_type& stream() noexcept { return *this; }                          ///< itself
    executor_type get_executor() noexcept { return socket_.get_executor(); }  ///< of the socket
    /// The connection of OpenSSL; a null pointer, if there is no TLS.
    SSL* ssl() noexcept { return tls_ ? tls_->native_handle() : nullptr; }

    /// Before it is connected. Throws `error` if a file of the key cannot be used.
    void prepare(const connection_key& key, shared& contexts) {
        if (key.scheme != "https") return;
        context_ = contexts.of(key);
        tls_.emplace(socket_, *context_);
        SSL* const its = ssl();
        const std::string name = key.verified_name();
        error_code is_name;
        (void)boost::asio::ip::make_address(name, is_name);
        bool is_set = true;
        if (key.verify) {
            SSL_set_verify(its, SSL_VERIFY_PEER, nullptr);
            // RFC 9110, 4.3.4: the subject does not count.
            SSL_set_hostflags(its, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
            is_set = is_name ? SSL_set1_host(its, name.c_str()) == 1
                             : X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(its), name.c_str()) == 1;
        } else {
            SSL_set_verify(its, SSL_VERIFY_NONE, nullptr);
        }
        if (is_name) is_set = is_set && SSL_set_tlsext_host_name(its, name.data()) == 1;  // SNI has no addresses
        if (!key.alpn.empty()) {
            const std::string list = static_cast<char>(key.alpn.size()) + key.alpn;
            const auto* const bytes = reinterpret_cast<const unsigned char*>(list.data());
            is_set = is_set && SSL_set_alpn_protos(its, bytes, static_cast<unsigned>(list.size())) == 0;
        }
        if (!is_set) throw std::invalid_argument{"pool: " + key.url() + ": OpenSSL refuses the name of the server"};
    }

    bool needs_handshake() const noexcept { return tls_.has_value(); }  ///< if it has TLS
    /// Begins with TLS.
    template <class Handler>
    void async_handshake(Handler&& handler) {
        tls_->async_handshake(boost::asio::ssl::stream_base::client, std::forward<Handler>(handler));
    }
    /// Why OpenSSL has not accepted the certificate of the server; empty, if it has.
    std::string words() const {
        if (!tls_) return {};
        SSL* const its = const_cast<ssl_stream&>(*tls_).native_handle();
        if (SSL_get_verify_mode(its) == SSL_VERIFY_NONE) return {};
        const long result = SSL_get_verify_result(its);
        return result == X509_V_OK ? std::string{} : X509_verify_cert_error_string(result);
    }

    /// Whether nothing has arrived that nobody has asked for, the end of the connection included. What TLS says by
    /// itself does not count, such as tickets for later sessions. Does not wait.
    bool is_quiet() noexcept {
        if (!tls_) return !adapters::kernel::has_input(socket_.native_handle());
        error_code state;
        char byte = 0;
        const waits_never guard{socket_};
        tls_->read_some(boost::asio::buffer(&byte, 1), state);
        return state == boost::asio::error::would_block || state == boost::asio::error::try_again;
    }

    /// Sends a close_notify, if that can be done without waiting.
    void say_goodbye() noexcept {
        if (!tls_) return;
        error_code ignored;
        const waits_never guard{socket_};
        tls_->shutdown(ignored);
    }

    /// Reads what there is, and waits if there is nothing.
    template <class Buffers>
    std::size_t read_some(const Buffers& into, error_code& failed) {
        return tls_ ? tls_->read_some(into, failed) : socket_.read_some(into, failed);
    }
    /// The same. Throws a `boost::system::system_error`.
    template <class Buffers>
    std::size_t read_some(const Buffers& into) {
        error_code failed;
        const std::size_t got = read_some(into, failed);
        if (failed) throw boost::system::system_error{failed, "read_some"};
        return got;
    }
    /// Writes as much as can be written.
    template <class Buffers>
    std::size_t write_some(const Buffers& from, error_code& failed) {
        return tls_ ? tls_->write_some(from, failed) : socket_.write_some(from, failed);
    }
    /// The same. Throws a `boost::system::system_error`.
    template <class Buffers>
    std::size_t write_some(const Buffers& from) {
        error_code failed;
        const std::size_t sent = write_some(from, failed);
        if (failed) throw boost::system::system_error{failed, "write_some"};
        return sent;
    }
    /// Reads without waiting. Completes with `void(error_code, std::size_t)`.
    template <class Buffers, class Token>
    auto async_read_some(const Buffers& into, Token&& token) {
        return boost::asio::async_initiate<Token, void(error_code, std::size_t)>(start_read{this}, token, into);
    }
    /// Writes without waiting. Completes with `void(error_code, std::size_t)`.
    template <class Buffers, class Token>
    auto async_write_some(const Buffers& from, Token&& token) {
        return boost::asio::async_initiate<Token, void(error_code, std::size_t)>(start_write{this}, token, from);
    }

private:
    using ssl_stream = boost::asio::ssl::stream<tcp_socket&>;

    /// A call of the socket returns instead of waiting.
    class waits_never {
    public:
        explicit waits_never(tcp_socket& of) noexcept : of_{of} { of_.non_blocking(true, ignored_); }
        waits_never(const waits_never&) = delete;
        waits_never& operator=(const waits_never&) = delete;
        ~waits_never() { of_.non_blocking(false, ignored_); }

    private:
        tcp_socket& of_;
        error_code ignored_{};
    };

    struct start_read {
        ssl_transport* of;
        template <class Handler, class Buffers>
        void operator()(Handler&& handler, const Buffers& into) const {
            if (of->tls_) of->tls_->async_read_some(into, std::forward<Handler>(handler));
            else of->socket_.async_read_some(into, std::forward<Handler>(handler));
        }
    };
    struct start_write {
        ssl_transport* of;
        template <class Handler, class Buffers>
        void operator()(Handler&& handler, const Buffers& from) const {
            if (of->tls_) of->tls_->async_write_some(from, std::forward<Handler>(handler));
            else of->socket_.async_write_some(from, std::forward<Handler>(handler));
        }
    };

    kernel::ssl_contexts::context_pointer context_{};
    tcp_socket socket_;
    std::optional<ssl_stream> tls_{};
};

}  // namespace pool::beast
