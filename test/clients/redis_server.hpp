// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <pool/adapters/hiredis.hpp>

#include <clients/server.hpp>

/// @file
/// A Redis server of a test, and what the server says about its clients.

namespace redis_test {

namespace hiredis = pool::hiredis;

/// A Redis of its own. The options are those of redis-server.
class server : public clients::server {
public:
    explicit server(std::string options = {}) : clients::server{"redis", std::move(options)} {}

    hiredis::connection_key key() const { return hiredis::connection_key::from_url(url()); }
};

inline std::string text_of(const hiredis::reply& r) {
    return r->str == nullptr ? std::string{} : std::string{r->str, r->len};
}

/// A field of a line of CLIENT INFO or CLIENT LIST.
inline std::string field(std::string_view line, std::string_view name) {
    const std::string begin = ' ' + std::string{name} + '=';
    const auto at = line.find(begin);
    if (at == line.npos) return "none";
    const auto value = line.substr(at + begin.size());
    return std::string{value.substr(0, value.find_first_of(" \n"))};
}

/// How many connections the server has, but for this one.
inline int count_others(hiredis::connection& admin) {
    const std::string all = text_of(admin.command("CLIENT LIST"));
    int lines = 0;
    for (const char each : all) lines += each == '\n';
    return lines - 1;
}

}  // namespace redis_test
