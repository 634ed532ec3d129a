// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include <doctest/doctest.h>

/// @file
/// Certificates that a test makes for itself.

namespace http_test {

struct free_key {
    void operator()(EVP_PKEY* k) const noexcept { EVP_PKEY_free(k); }
};
struct free_certificate {
    void operator()(X509* c) const noexcept { X509_free(c); }
};
struct free_context {
    void operator()(SSL_CTX* c) const noexcept { SSL_CTX_free(c); }
};
using context_pointer = std::unique_ptr<SSL_CTX, free_context>;

/// A folder that is removed at the end.
class folder {
public:
    folder() {
        std::string name = (std::filesystem::temp_directory_path() / "pool-http-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    folder(const folder&) = delete;
    folder& operator=(const folder&) = delete;
    ~folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    std::string file(const std::string& name) const { return (path_ / name).string(); }

private:
    std::filesystem::path path_;
};

/// A certificate and its key.
struct identity {
    std::unique_ptr<EVP_PKEY, free_key> key{};
    std::unique_ptr<X509, free_certificate> certificate{};

    void write_certificate(const std::string& to) const {
        std::FILE* const file = std::fopen(to.c_str(), "w");
        REQUIRE(PEM_write_X509(file, certificate.get()) == 1);
        std::fclose(file);
    }
    void write_key(const std::string& to) const {
        std::FILE* const file = std::fopen(to.c_str(), "w");
        REQUIRE(PEM_write_PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
        std::fclose(file);
    }
};

/// Makes one, which is signed by `by`, or by itself. `names` is as in `DNS:localhost,IP:127.0.0.1`; none makes an
/// authority.
inline identity make_identity(const std::string& names, const identity* by = nullptr, long seconds_left = 3600) {
    static long number = 0;
    identity made{
        std::unique_ptr<EVP_PKEY, free_key>{EVP_EC_gen("P-256")}, std::unique_ptr<X509, free_certificate>{X509_new()}};
    X509* const c = made.certificate.get();
    X509_set_version(c, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(c), ++number);
    X509_gmtime_adj(X509_getm_notBefore(c), -86400);
    X509_gmtime_adj(X509_getm_notAfter(c), seconds_left);
    X509_set_pubkey(c, made.key.get());
    const std::string name = "pool test " + std::to_string(number);
    X509_NAME_add_entry_by_txt(
        X509_get_subject_name(c), "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509* const issuer = by != nullptr ? by->certificate.get() : c;
    X509_set_issuer_name(c, X509_get_subject_name(issuer));
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, c, nullptr, nullptr, 0);
    const auto add = [&](int what, const std::string& value) {
        X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str());
        REQUIRE(extension != nullptr);
        X509_add_ext(c, extension, -1);
        X509_EXTENSION_free(extension);
    };
    if (names.empty()) add(NID_basic_constraints, "critical,CA:TRUE");
    else add(NID_subject_alt_name, names);
    REQUIRE(X509_sign(c, by != nullptr ? by->key.get() : made.key.get(), EVP_sha256()) != 0);
    return made;
}

/// That of a server, which speaks `http/1.1` by ALPN.
inline context_pointer server_context(const identity& its) {
    context_pointer made{SSL_CTX_new(TLS_server_method())};
    REQUIRE(SSL_CTX_use_certificate(made.get(), its.certificate.get()) == 1);
    REQUIRE(SSL_CTX_use_PrivateKey(made.get(), its.key.get()) == 1);
    const auto select = [](SSL*, const unsigned char** out, unsigned char* size, const unsigned char* in,
                            unsigned length, void*) {
        static const unsigned char known[] = "\x08http/1.1";
        unsigned char* chosen = nullptr;
        const int how = SSL_select_next_proto(&chosen, size, known, sizeof known - 1, in, length);
        *out = chosen;
        return how == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
    };
    SSL_CTX_set_alpn_select_cb(made.get(), select, nullptr);
    return made;
}

/// Authorities, and what they have signed, as files.
struct authority {
    folder files{};
    identity root = make_identity("");
    identity local = make_identity("DNS:localhost,IP:127.0.0.1", &root);
    identity expired = make_identity("DNS:localhost", &root, -3600);
    identity other_name = make_identity("DNS:elsewhere", &root);
    identity client = make_identity("DNS:client", &root);
    std::string file = files.file("root.pem");
    std::string client_certificate = files.file("client.pem");
    std::string client_key = files.file("client.key");

    authority() {
        root.write_certificate(file);
        client.write_certificate(client_certificate);
        client.write_key(client_key);
    }
};

}  // namespace http_test
