// SPDX-License-Identifier: BSL-1.0
#include <memory>
#include <utility>

#include <openssl/ssl.h>

#include <doctest/doctest.h>

#include <pool/adapters/handle.hpp>

#include "forms.hpp"

/// @file
/// Sessions of OpenSSL.

namespace foreign_openssl {

struct library {
    static inline foreign::ledger<SSL*> handles;

    static SSL* open() {
        static const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context{
            SSL_CTX_new(TLS_client_method()), SSL_CTX_free};
        return handles.opened(SSL_new(context.get()));
    }
    static SSL* open_dead() {
        SSL* const ssl = open();
        kill(ssl);
        return ssl;
    }
    static void kill(SSL* ssl) { SSL_set_shutdown(ssl, SSL_RECEIVED_SHUTDOWN); }
};

void end(SSL* ssl) noexcept {
    if (library::handles.ended(ssl)) SSL_free(ssl);
}

struct ender {
    void operator()(SSL* ssl) const noexcept { end(ssl); }
};

struct checks {
    static bool closed(SSL* ssl) noexcept { return SSL_get_shutdown(ssl) != 0; }
};

struct raw {
    using connection = SSL*;
    static SSL* get(SSL* ssl) { return ssl; }
    static void close(SSL*& ssl) { end(std::exchange(ssl, nullptr)); }
};
/// Without any traits: only a null pointer is dead.
struct pointer : foreign::in_unique_ptr<std::unique_ptr<SSL, ender>> {
    static constexpr bool is_never_dead = true;
};
using handle = foreign::in_class<pool::handle<SSL*, end, checks>>;

}  // namespace foreign_openssl

template <>
struct pool::connection_traits<SSL*> {
    static void close(SSL* ssl) { foreign_openssl::end(ssl); }
    static bool closed(SSL* ssl) noexcept { return ssl == nullptr || SSL_get_shutdown(ssl) != 0; }
    static bool unblocked(SSL*) noexcept { return true; }
};

TEST_CASE_TEMPLATE("openssl: each SSL is freed once, dead or not", Form, foreign_openssl::raw, foreign_openssl::pointer,
    foreign_openssl::handle) {
    foreign::check<foreign_openssl::library, Form>();
}
