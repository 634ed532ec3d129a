// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <memory>
#include <stop_token>
#include <string>

#include <doctest/doctest.h>

#include <pool/core/dial_with.hpp>
#include <pool/dial.hpp>

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

using conn = std::unique_ptr<std::string>;

conn connect(const std::string& key) { return std::make_unique<std::string>("to " + key); }

/// Can be called with a context and without one.
struct either {
    conn operator()(const std::string&) const { return std::make_unique<std::string>("plain"); }
    conn operator()(const std::string&, const pool::dial_context&) const {
        return std::make_unique<std::string>("context");
    }
};

struct address {
    std::string host;
    conn open() const { return connect(host); }
};

struct immovable {
    explicit immovable(int number) : id{number} {}
    immovable(const immovable&) = delete;
    immovable& operator=(const immovable&) = delete;

    int id;
};

struct refused {
    int code;
};

}  // namespace

TEST_CASE("dial_context: by default there is no limit") {
    const pool::dial_context none;
    CHECK(none.deadline == steady_clock::time_point::max());
    CHECK(!none.stop.stop_possible());
}

TEST_CASE("dial_with: a plain dial gets the key") {
    CHECK(*pool::core::dial_with<conn>(connect, std::string{"a"}, {}) == "to a");
}

TEST_CASE("dial_with: the key is not copied") {
    const std::string key = "a";
    const std::string* seen = nullptr;
    const auto dial = [&](const std::string& wanted) { return seen = &wanted, connect(wanted); };
    pool::core::dial_with<conn>(dial, key, {});
    CHECK(seen == &key);
}

TEST_CASE("dial_with: a dial that takes a context gets the deadline and the stop token of the call") {
    std::stop_source caller;
    const pool::dial_context limits{.deadline = steady_clock::time_point{5s}, .stop = caller.get_token()};
    const auto dial = [&](const std::string& key, const pool::dial_context& seen) {
        CHECK(seen.deadline == steady_clock::time_point{5s});
        CHECK(!seen.stop.stop_requested());
        caller.request_stop();
        CHECK(seen.stop.stop_requested());
        return connect(key);
    };
    CHECK(*pool::core::dial_with<conn>(dial, std::string{"a"}, limits) == "to a");
}

TEST_CASE("dial_with: a dial that is both kinds gets the context") {
    const either dial;
    CHECK(*pool::core::dial_with<conn>(dial, std::string{"a"}, {}) == "context");
}

TEST_CASE("dial_with: a dial may change itself") {
    auto dial = [calls = 0](const std::string&) mutable { return std::make_unique<std::string>(++calls, '*'); };
    pool::core::dial_with<conn>(dial, std::string{"a"}, {});
    CHECK(*pool::core::dial_with<conn>(dial, std::string{"a"}, {}) == "**");
}

TEST_CASE("dial_with: a member of the key can be the dial") {
    const auto dial = &address::open;
    CHECK(*pool::core::dial_with<conn>(dial, address{"a"}, {}) == "to a");
}

TEST_CASE("dial_with: a dial may return what converts to a connection") {
    const auto dial = [](const std::string& key) { return connect(key); };
    const auto shared = pool::core::dial_with<std::shared_ptr<std::string>>(dial, std::string{"a"}, {});
    CHECK(*shared == "to a");
}

TEST_CASE("dial_with: a connection that cannot move is made in place") {
    const auto dial = [](int key) { return immovable{key}; };
    const auto made = pool::core::dial_with<immovable>(dial, 7, {});
    CHECK(made.id == 7);
}

TEST_CASE("dial_with: an exception of a dial passes through unchanged") {
    const auto plain = [](const std::string&) -> conn { throw refused{111}; };
    const auto with_context = [](const std::string&, const pool::dial_context&) -> conn { throw refused{112}; };
    const auto code = [](const auto& dial) {
        try {
            pool::core::dial_with<conn>(dial, std::string{"a"}, {});
            return 0;
        } catch (const refused& error) {
            return error.code;
        }
    };
    CHECK(code(plain) == 111);
    CHECK(code(with_context) == 112);
}
