// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/core/platform.hpp>  // first: what it says of the compiler comes before what Asio says

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <utility>

#include <boost/asio/ssl/context.hpp>
#include <boost/system/error_code.hpp>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include <pool/adapters/beast/connection_key.hpp>
#include <pool/adapters/beast/error.hpp>

/// @file
/// The contexts of TLS that the connections of a dial share. Private.

namespace pool::beast::kernel {

/// One context for each set of files that keys name. A context is made again if one of its files has changed;
/// connections that are open keep theirs. Thread-safe.
class ssl_contexts {
public:
    using context_pointer = std::shared_ptr<boost::asio::ssl::context>;

    /// That of a key. Throws `error` if a file cannot be used.
    context_pointer of(const connection_key& key) {
        const files named{key.certificate_authorities, key.client_certificate, key.client_key};
        const states are = states_of(named);
        const std::lock_guard guard{lock_};
        made& its = all_[named];
        if (its.context == nullptr || its.of != are) its = {make(key), are};
        return its.context;
    }

private:
    using files = std::array<std::string, 3>;
    /// When each was changed, and its size.
    using states = std::array<std::pair<std::filesystem::file_time_type, std::uintmax_t>, 3>;
    struct made {
        context_pointer context{};
        states of{};
    };

    static states states_of(const files& named) {
        states are{};
        for (std::size_t i = 0; i < named.size(); ++i) {
            if (named[i].empty()) continue;
            std::error_code ignored;
            are[i].first = std::filesystem::last_write_time(named[i], ignored);
            are[i].second = std::filesystem::file_size(named[i], ignored);
        }
        return are;
    }

    static context_pointer make(const connection_key& key) {
        namespace ssl = boost::asio::ssl;
        auto context = std::make_shared<ssl::context>(ssl::context::tls_client);
        SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
        boost::system::error_code failed;
        // OpenSSL and Asio do not always say that a file cannot be read.
        const auto find = [&](const std::string& file) {
            if (::faccessat(AT_FDCWD, file.c_str(), R_OK, AT_EACCESS) == 0) return true;
            failed.assign(errno, boost::system::system_category());
            return false;
        };
        const auto check = [&](const std::string& what) {
            if (failed)
                throw error{failed, {.during = step::handshake, .key = std::make_shared<connection_key>(key)}, what};
        };
        // Without it, OpenSSL asks for the password of a private key on the terminal.
        context->set_password_callback(
            [](std::size_t, ssl::context::password_purpose) { return std::string{}; }, failed);
        check("the context of TLS");
        if (key.certificate_authorities.empty()) context->set_default_verify_paths(failed);
        else if (find(key.certificate_authorities)) context->load_verify_file(key.certificate_authorities, failed);
        check("the certificate authorities");
        if (key.client_certificate.empty()) return context;
        if (find(key.client_certificate)) context->use_certificate_chain_file(key.client_certificate, failed);
        check("the client's certificate");
        const std::string& private_key = key.client_key.empty() ? key.client_certificate : key.client_key;
        // Fails also if it is that of another certificate.
        if (find(private_key)) context->use_private_key_file(private_key, ssl::context::pem, failed);
        check("the key of the client's certificate");
        return context;
    }

    std::mutex lock_;
    std::map<files, made> all_{};
};

}  // namespace pool::beast::kernel
