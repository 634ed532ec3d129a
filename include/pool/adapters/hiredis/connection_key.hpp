// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <charconv>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <pool/seeded_key.hpp>

/// @file
/// The key of a pool of Redis connections: everything that decides how a connection is opened.

namespace pool::hiredis {

/// As whom a connection authenticates.
struct login {
    std::string user{};      ///< if empty, the password is that of the user `default`
    std::string password{};  ///< if user and password are empty, a connection does not authenticate

    /// By all fields.
    friend bool operator==(const login&, const login&) = default;
};

/// Everything that decides what a connection is, so that all connections of one key are interchangeable. TLS is not among
/// it, because hiredis 0.14 has none. All speak RESP2: with RESP3, a push of the server could be taken for a reply.
struct connection_key {
    std::string host = "127.0.0.1";  ///< a name or an address; or, if it begins with `/`, the path of a Unix socket
    int port = 6379;                 ///< not used with a Unix socket
    login as{};                      ///< as whom it authenticates
    int database = 0;                ///< its database
    std::string client_name{};       ///< how CLIENT LIST shows it; empty is no name

    /// By all fields.
    friend bool operator==(const connection_key&, const connection_key&) = default;

    /// Reads `redis://user:password@host:port/database` or `unix://user:password@/path`. All but the scheme, and the path of
    /// a Unix socket, may be left out. `?db=1&client_name=billing` may follow. User and password may have
    /// percent-encoded characters. Throws `std::invalid_argument` with what is wrong, and never with the text itself,
    /// which may have a password in it.
    static connection_key from_url(std::string_view url);
};

namespace kernel {

/// What `from_url` throws.
[[noreturn]] inline void refuse_url(const std::string& problem) {
    throw std::invalid_argument{"pool: a URL of Redis: " + problem};
}

/// A number that is the whole of a text, from 0 to `most`.
inline int number_in_url(std::string_view text, int most, const char* what) {
    int value = -1;
    const auto end = text.data() + text.size();
    const auto [last, problem] = std::from_chars(text.data(), end, value);
    if (problem != std::errc{} || last != end || value < 0 || value > most)
        refuse_url(std::string("the ") + what + " is not a number from 0 to " + std::to_string(most));
    return value;
}

/// A text without its percent-encoding.
inline std::string decoded(std::string_view text) {
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
            refuse_url("a % without two hexadecimal digits");
        plain += static_cast<char>(byte);
        at += 2;
    }
    return plain;
}

/// Takes the text up to the last `mark` away from `rest`, and returns it. Without a mark, that is nothing.
inline std::string_view take_before_last(std::string_view& rest, char mark) {
    const auto at = rest.rfind(mark);
    if (at == rest.npos) return {};
    const auto before = rest.substr(0, at);
    rest.remove_prefix(at + 1);
    return before;
}

/// Reads what follows the question mark.
inline void read_parameters(std::string_view parameters, connection_key& key) {
    while (!parameters.empty()) {
        const auto each = parameters.substr(0, parameters.find('&'));
        parameters.remove_prefix(each.size() == parameters.size() ? each.size() : each.size() + 1);
        const auto equals = each.find('=');
        const auto name = each.substr(0, equals);
        const auto value = equals == each.npos ? std::string_view{} : each.substr(equals + 1);
        if (name == "db") key.database = number_in_url(value, 65535, "database");
        else if (name == "client_name") key.client_name = decoded(value);
        else refuse_url("the parameters are db=<number> and client_name=<text>");
    }
}

/// Reads `host:port`.
inline void read_address(std::string_view text, connection_key& key) {
    std::string_view port;
    if (text.starts_with('[')) {  // an address of IPv6
        const auto end = text.find(']');
        if (end == text.npos) refuse_url("a [ without its ]");
        key.host = text.substr(1, end - 1);
        port = text.substr(end + 1);
    } else {
        const auto colon = text.find(':');
        if (colon != 0 && !text.empty()) key.host = text.substr(0, colon);
        if (colon != text.npos) port = text.substr(colon);
    }
    if (key.host.empty()) refuse_url("the host is empty");
    if (port.empty()) return;
    if (port.front() != ':') refuse_url("something other than a port follows the host");
    key.port = number_in_url(port.substr(1), 65535, "port");
}

}  // namespace kernel

inline connection_key connection_key::from_url(std::string_view url) {
    const auto colon = url.find("://");
    const auto scheme = url.substr(0, colon);
    if (colon == url.npos || (scheme != "redis" && scheme != "unix"))
        kernel::refuse_url(scheme == "rediss" && colon != url.npos
                               ? "rediss:// is TLS, which hiredis 0.14 does not have"
                               : "it begins with neither redis:// nor unix://");
    auto rest = url.substr(colon + 3);
    connection_key key;

    const auto question = rest.find('?');
    const auto parameters = question == rest.npos ? std::string_view{} : rest.substr(question + 1);
    rest = rest.substr(0, question);
    auto address = rest.substr(0, rest.find('/'));
    const auto path = rest.substr(address.size());
    const bool authenticates = address.find('@') != address.npos;
    const auto userinfo = kernel::take_before_last(address, '@');
    if (authenticates) {
        const auto end = userinfo.find(':');
        // Some clients take it for a password, and others for a user, who is no secret.
        if (end == userinfo.npos)
            kernel::refuse_url("no colon before the @: write user:password@, or :password@ without a user");
        key.as = {
            .user = kernel::decoded(userinfo.substr(0, end)), .password = kernel::decoded(userinfo.substr(end + 1))};
        if (key.as.password.empty()) kernel::refuse_url("the password is empty");
    }

    if (scheme == "unix") {
        if (!address.empty() || path.empty())
            kernel::refuse_url("the path of a Unix socket does not begin with a slash");
        key.host = path;
    } else {
        kernel::read_address(address, key);
        if (path.size() > 1) key.database = kernel::number_in_url(path.substr(1), 65535, "database");
    }
    kernel::read_parameters(parameters, key);
    return key;
}

}  // namespace pool::hiredis

/// By all fields, with a secret seed. Messages show it without the password.
template <>
struct pool::key_traits<pool::hiredis::connection_key> : pool::seeded_key_traits<pool::hiredis::connection_key> {
    /// As a URL without the password.
    static std::string describe(const hiredis::connection_key& key) {
        const bool is_path = key.host.starts_with('/');
        std::string text = is_path ? "unix://" : "redis://";
        if (key.as != hiredis::login{}) text += (key.as.user.empty() ? "default" : key.as.user) + '@';
        if (key.host.find(':') == key.host.npos) text += key.host;
        else text += '[' + key.host + ']';
        if (!is_path) text += ':' + std::to_string(key.port);
        text += (is_path ? "?db=" : "/") + std::to_string(key.database);
        if (!key.client_name.empty()) text += (is_path ? "&client_name=" : "?client_name=") + key.client_name;
        return text;
    }
};
