// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include <pool/adapters/hiredis.hpp>

/// @file
/// A Redis server of a test, and what the server says about its clients.

namespace redis_test {

namespace hiredis = pool::hiredis;

/// A server of its own, which ends with it. The options are those of redis-server.
class server {
public:
    explicit server(std::string options = {}) : options_{std::move(options)} {
        char name[] = "/tmp/pool_redis_XXXXXX";
        if (::mkdtemp(name) == nullptr) throw std::runtime_error{"no directory for a server"};
        directory_ = name;
        start();
    }
    server(const server&) = delete;
    server& operator=(const server&) = delete;
    ~server() {
        try {
            run("remove " + directory_);
        } catch (const std::exception& e) {
            std::fprintf(stderr, "%s\n", e.what());
        }
    }

    /// On the same port as before.
    void start() { url_ = run("start redis " + directory_ + ' ' + options_); }
    void stop() { run("stop " + directory_); }

    hiredis::connection_key key() const { return hiredis::connection_key::from_url(url_); }
    const std::string& directory() const { return directory_; }

private:
    /// Returns what the script prints, without the end of its line.
    static std::string run(const std::string& arguments) {
        std::FILE* const pipe = ::popen(("bash " POOL_SERVER_SCRIPT " " + arguments).c_str(), "re");
        if (pipe == nullptr) throw std::runtime_error{"scripts/server.sh cannot be started"};
        std::string printed;
        for (std::array<char, 256> part; std::fgets(part.data(), part.size(), pipe) != nullptr;) printed += part.data();
        if (::pclose(pipe) != 0) throw std::runtime_error{"scripts/server.sh " + arguments + " has failed"};
        return printed.substr(0, printed.find('\n'));
    }

    std::string options_;
    std::string directory_;
    std::string url_;
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
