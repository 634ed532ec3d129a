// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <array>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <utility>

#include <unistd.h>

/// @file
/// A server of a test's own, which `scripts/server.sh` starts.

namespace clients {

/// A server with its data in a temporary directory. It is ended, and its data removed, at the end.
class server {
public:
    /// Starts a server of that kind, with its options.
    explicit server(std::string kind, std::string options = {}) : kind_{std::move(kind)}, options_{std::move(options)} {
        std::array path = std::to_array("/tmp/pool-clients.XXXXXX");
        if (::mkdtemp(path.data()) == nullptr) throw std::runtime_error{"no directory for a server"};
        parent_ = path.data();
        std::filesystem::permissions(parent_, std::filesystem::perms{0755});  // a server may run as another user
        start();
    }
    server(const server&) = delete;
    server& operator=(const server&) = delete;
    ~server() {
        try {
            run("remove " + directory());
            std::filesystem::remove_all(parent_);
        } catch (const std::exception& e) {
            std::fprintf(stderr, "%s\n", e.what());
        }
    }

    const std::string& url() const noexcept { return url_; }          ///< where it is, which stays the same
    const std::string& tls_url() const noexcept { return tls_url_; }  ///< where nginx is by TLS
    std::string directory() const { return parent_ + "/server"; }     ///< where its data are, and its socket
    int port() const { return port_of(url_); }                        ///< of the URL

    /// The port of a URL: the number after its last colon.
    static int port_of(const std::string& url) { return std::stoi(url.substr(url.rfind(':') + 1)); }

    /// Starts it again, on the same port.
    void start() {
        const std::string printed = run("start " + kind_ + ' ' + directory() + ' ' + options_);
        const auto end = printed.find('\n');
        url_ = printed.substr(0, end);
        if (end != printed.npos) tls_url_ = printed.substr(end + 1, printed.find('\n', end + 1) - end - 1);
    }
    void stop() { run("stop " + directory()); }  ///< ends it, and waits for that

private:
    /// Returns what the script prints. If this process is killed, the server ends, too.
    static std::string run(const std::string& arguments) {
        const std::string owner = "POOL_SERVER_OWNER=" + std::to_string(::getpid()) + ' ';
        std::FILE* const pipe = ::popen((owner + POOL_SERVER_SCRIPT " " + arguments).c_str(), "re");
        if (pipe == nullptr) throw std::runtime_error{"scripts/server.sh cannot be started"};
        std::string printed;
        for (std::array<char, 256> part; std::fgets(part.data(), part.size(), pipe) != nullptr;) printed += part.data();
        if (::pclose(pipe) != 0) throw std::runtime_error{"scripts/server.sh " + arguments + " has failed"};
        return printed;
    }

    std::string kind_;
    std::string options_;
    std::string parent_;
    std::string url_;
    std::string tls_url_;
};

}  // namespace clients
