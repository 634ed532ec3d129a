// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <ostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

#include <pool/seeded_key.hpp>

/// @file
/// The key of a pool of HTTP connections: everything that decides how a connection is opened.

namespace pool::beast {

/// Everything that decides what a connection is, so that all connections of one key are interchangeable. The fields of
/// TLS count only if the scheme is `https`; give them to other keys only if those are to be different.
///
/// Files are named by their paths. A dial reads them again if they have changed since.
struct connection_key {
    std::string scheme = "http";     ///< `http` or `https`, in lower case
    std::string host = "127.0.0.1";  ///< a name in lower case or an address; IPv6 without brackets
    int port = 0;                    ///< 0 is that of the scheme; `from_url` writes it out
    /// The name that is sent to the server by SNI, and that its certificate must have. If empty, the host.
    std::string server_name{};
    std::string alpn = "http/1.1";          ///< the protocol that is offered by ALPN; if empty, none
    std::string proxy{};                    ///< `http://user:password@host:port`; if empty, there is none
    std::string certificate_authorities{};  ///< a PEM file of those to trust; if empty, those of the system
    std::string client_certificate{};       ///< a PEM file with the chain of the client's certificate; if empty, none
    std::string client_key{};               ///< a PEM file with its key; if empty, it is in the file of the certificate
    bool verify = true;                     ///< false takes any certificate, and so any server

    /// By all fields.
    friend bool operator==(const connection_key&, const connection_key&) = default;

    /// Reads `https://host:port`. The port may be left out, and a slash may follow. Throws `std::invalid_argument` with
    /// what is wrong, and never with the text itself, which may have a password in it.
    static connection_key from_url(std::string_view url);

    /// The port, also if it is that of the scheme.
    int port_number() const noexcept { return port != 0 ? port : scheme == "https" ? 443 : 80; }
    /// The host and the port, as a header `Host` has them: without the port, if it is that of the scheme.
    std::string authority() const;
    /// The scheme, the host and the port: `https://host:443`.
    std::string url() const;
    /// The name for SNI and for the verification.
    std::string verified_name() const;

    /// Prints what messages show of it, which has no secret in it.
    friend std::ostream& operator<<(std::ostream& out, const connection_key& key);
};

namespace kernel {

/// The parts of a URL that names a server.
struct server_url {
    std::string scheme{};
    std::string user_info{};
    bool has_user_info = false;
    std::string host{};
    int port = 0;  ///< 0, if it says none
};

/// Refuses a URL, and says why.
[[noreturn]] inline void refuse_url(const char* what, const std::string& problem) {
    throw std::invalid_argument{std::string("pool: ") + what + ": " + problem};
}

/// The host as a URL has it.
inline std::string in_brackets(const std::string& host) {
    return host.find(':') == host.npos ? host : '[' + host + ']';
}

/// In lower case, as the names of schemes and hosts are compared.
inline std::string lower(std::string_view text) {
    std::string all{text};
    for (char& c : all)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return all;
}

/// Whether a host has only characters that a name or an address may have. Others could end the line of a header.
inline bool is_host(std::string_view text) noexcept {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
               c == '_' || c == ':';
    });
}

/// The number of a port.
inline int port_in_url(std::string_view text, const char* what) {
    int value = 0;
    const auto end = text.data() + text.size();
    const auto [last, problem] = std::from_chars(text.data(), end, value);
    if (problem != std::errc{} || last != end || value < 1 || value > 65535)
        refuse_url(what, "the port is not a number from 1 to 65535");
    return value;
}

/// Reads `scheme://user:password@host:port/`.
inline server_url read_url(std::string_view url, const char* what) {
    server_url read;
    const auto colon = url.find("://");
    if (colon == url.npos) refuse_url(what, "it has no scheme: it begins with http:// or https://");
    read.scheme = lower(url.substr(0, colon));
    if (read.scheme != "http" && read.scheme != "https") refuse_url(what, "the scheme is neither http nor https");
    auto rest = url.substr(colon + 3);
    if (const auto end = rest.find_first_of("/?#"); end != rest.npos) {
        if (rest.substr(end) != "/") refuse_url(what, "something follows the server: the target is that of a request");
        rest = rest.substr(0, end);
    }
    if (const auto at = rest.rfind('@'); at != rest.npos) {
        read.has_user_info = true;
        read.user_info = rest.substr(0, at);
        rest = rest.substr(at + 1);
    }
    const bool is_v6 = rest.starts_with('[');
    const auto end = is_v6 ? rest.find(']') : rest.find(':');
    if (is_v6 && end == rest.npos) refuse_url(what, "a [ without its ]");
    read.host = lower(is_v6 ? rest.substr(1, end - 1) : rest.substr(0, end));
    if (read.host.empty()) refuse_url(what, "the host is empty");
    if (!is_host(read.host) || (is_v6 != (read.host.find(':') != std::string::npos)))
        refuse_url(what, "the host has a character that is not of a name or an address");
    rest = end == rest.npos ? std::string_view{} : rest.substr(is_v6 ? end + 1 : end);
    if (rest.empty()) return read;
    if (rest.front() != ':') refuse_url(what, "something other than a port follows the host");
    read.port = port_in_url(rest.substr(1), what);
    return read;
}

/// A text without its percent-encoding.
inline std::string decoded(std::string_view text, const char* what) {
    std::string plain;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] != '%') {
            plain += text[at];
            continue;
        }
        unsigned char byte = 0;
        const auto digits = text.substr(at + 1, 2);
        const auto end = digits.data() + digits.size();
        const auto [last, problem] = std::from_chars(digits.data(), end, byte, 16);
        if (digits.size() != 2 || problem != std::errc{} || last != end)
            refuse_url(what, "a % without two hexadecimal digits");
        plain += static_cast<char>(byte);
        at += 2;
    }
    return plain;
}

/// As RFC 4648 has it.
inline std::string base64(std::string_view bytes) {
    constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        unsigned group = 0;
        for (std::size_t i = at; i < at + 3; ++i)
            group = group << 8 | (i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0U);
        for (std::size_t i = 0; i < 4; ++i) text += at + i > bytes.size() ? '=' : digits[group >> (18 - 6 * i) & 63];
    }
    return text;
}

/// A proxy, as a dial needs it.
struct proxy_address {
    std::string host{};           ///< empty, if there is none
    int port = 0;                 ///< a number
    std::string authorization{};  ///< the value of `Proxy-Authorization`; empty, if there is none
};

/// Reads the proxy of a key. Throws `std::invalid_argument`.
inline proxy_address proxy_of(const connection_key& key) {
    constexpr const char* what = "the proxy of a connection_key";
    proxy_address read;
    if (key.proxy.empty()) return read;
    const server_url url = read_url(key.proxy, what);
    if (url.scheme != "http") refuse_url(what, "a connection to a proxy has no TLS: it begins with http://");
    read.host = url.host;
    read.port = url.port != 0 ? url.port : 80;
    if (!url.has_user_info) return read;
    const auto colon = url.user_info.find(':');
    if (colon == url.user_info.npos) refuse_url(what, "no colon before the @: write user:password@");
    const std::string user = decoded(std::string_view{url.user_info}.substr(0, colon), what);
    if (user.find(':') != user.npos) refuse_url(what, "a user with a colon");
    read.authorization =
        "Basic " + base64(user + ':' + decoded(std::string_view{url.user_info}.substr(colon + 1), what));
    return read;
}

/// Throws `std::invalid_argument` if no connection can be opened for a key that was not read from a URL.
inline void check(const connection_key& key) {
    constexpr const char* what = "a connection_key";
    if (key.scheme != "http" && key.scheme != "https") refuse_url(what, "the scheme is neither http nor https");
    if (!is_host(key.host))
        refuse_url(what, "the host is empty, or has a character that is not of a name or an address");
    if (!key.server_name.empty() && (!is_host(key.server_name) || key.verified_name().empty()))
        refuse_url(what, "the server_name is not a name or an address");
    if (key.port < 0 || key.port > 65535) refuse_url(what, "the port is not a number from 0 to 65535");
    if (key.alpn.size() > 255) refuse_url(what, "the protocol of ALPN has more than 255 characters");
}

}  // namespace kernel

inline connection_key connection_key::from_url(std::string_view url) {
    constexpr const char* what = "a URL of HTTP";
    const kernel::server_url read = kernel::read_url(url, what);
    if (read.has_user_info)
        kernel::refuse_url(what, "a user before the @: a request has it, in its header Authorization");
    connection_key key;
    key.scheme = read.scheme;
    key.host = read.host;
    key.port = read.port;
    key.port = key.port_number();
    return key;
}

inline std::string connection_key::authority() const {
    const bool is_usual = port_number() == (scheme == "https" ? 443 : 80);
    return kernel::in_brackets(host) + (is_usual ? std::string{} : ':' + std::to_string(port_number()));
}

inline std::string connection_key::url() const {
    return scheme + "://" + kernel::in_brackets(host) + ':' + std::to_string(port_number());
}

inline std::string connection_key::verified_name() const {
    std::string name = server_name.empty() ? host : server_name;
    if (name.ends_with('.')) name.pop_back();  // of a name that is complete; certificates have none
    return name;
}

}  // namespace pool::beast

/// By all fields, with a secret seed. Messages show it without secrets.
template <>
struct pool::key_traits<pool::beast::connection_key> {
    using view = const pool::beast::connection_key&;  ///< a reference

    /// The hash of all fields.
    static std::size_t hash(view key) {
        // A field that is added does not compile here before it has a name.
        const auto& [scheme, host, port, name, alpn, proxy, authorities, certificate, private_key, verify] = key;
        return pool::seeded_hash(scheme, host, port, name, alpn, proxy, authorities, certificate, private_key, verify);
    }
    /// Whether all fields are equal.
    static bool equal(view a, view b) noexcept { return a == b; }
    /// The URL, and what differs from the usual. The user and the password of a proxy are left out.
    static std::string describe(view key) {
        std::string text = key.url();
        if (!key.proxy.empty()) {
            const auto at = key.proxy.rfind('@');
            text += " via " + (at == key.proxy.npos ? key.proxy : "http://" + key.proxy.substr(at + 1));
        }
        if (!key.server_name.empty()) text += " as " + key.server_name;
        if (key.alpn != "http/1.1") text += key.alpn.empty() ? " without ALPN" : " by " + key.alpn;
        if (!key.certificate_authorities.empty()) text += " trusting " + key.certificate_authorities;
        if (!key.client_certificate.empty()) text += " with " + key.client_certificate;
        if (!key.client_key.empty()) text += " and " + key.client_key;
        if (!key.verify) text += " unverified";
        return text;
    }
};

namespace pool::beast {

/// As messages show it.
inline std::ostream& operator<<(std::ostream& out, const connection_key& key) {
    return out << key_traits<connection_key>::describe(key);
}

}  // namespace pool::beast
