// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <array>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

#include <stdlib.h>

/// @file
/// A server of a test's own, which `scripts/server.sh` starts.

namespace clients {

/// A server with its data in a temporary directory. It is ended, and its data removed, at the end.
class server {
public:
    /// Starts a server of that kind, with its options.
    explicit server(const std::string& kind, const std::string& options = "") : kind_{kind}, options_{options} {
        std::array<char, 32> path{"/tmp/pool-clients.XXXXXX"};
        if (::mkdtemp(path.data()) == nullptr) throw std::runtime_error{"no temporary directory"};
        parent_ = path.data();
        std::filesystem::permissions(parent_, std::filesystem::perms{0755});  // a server may run as another user
        start();
    }
    server(const server&) = delete;
    server& operator=(const server&) = delete;
    ~server() {
        (void)run("remove " + directory());
        std::filesystem::remove_all(parent_);
    }

    /// Where it is. It stays the same.
    const std::string& url() const noexcept { return url_; }
    /// Where its data, and its socket, are.
    std::string directory() const { return parent_ + "/server"; }

    /// Starts it again.
    void start() {
        url_ = run("start " + kind_ + ' ' + directory() + ' ' + options_);
        if (url_.empty()) throw std::runtime_error{"cannot start a server: " + kind_};
    }
    /// Ends it, by this signal.
    void stop(const std::string& signal = "INT") { (void)run("stop " + directory() + ' ' + signal); }

private:
    /// Returns the first line that it prints.
    static std::string run(const std::string& action) {
        const std::string command = POOL_SOURCE_DIR "/scripts/server.sh " + action;
        const std::unique_ptr<std::FILE, int (*)(std::FILE*)> out{::popen(command.c_str(), "re"), ::pclose};
        std::array<char, 256> line{};
        if (out == nullptr || std::fgets(line.data(), static_cast<int>(line.size()), out.get()) == nullptr) return {};
        std::string text = line.data();
        while (!text.empty() && text.back() == '\n') text.pop_back();
        return text;
    }

    std::string kind_;
    std::string options_;
    std::string parent_;
    std::string url_;
};

}  // namespace clients
