// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>

#include <doctest/doctest.h>

#include <pool/dial/kernel/failing_keys.hpp>
#include <pool/core/jitter.hpp>
#include <pool/core/what.hpp>
#include <pool/policies/clock.hpp>

// Dials of one key that overlap, in orders that calls of a dial cannot easily have.

namespace {

using namespace std::chrono_literals;
using time_point = pool::manual_clock::time_point;
using keys = pool::core::failing_keys<time_point>;
using pool::core::typed_key;

/// The failing keys of a wrapper whose delays are 10, 20, 40 and 50 ns.
struct table {
    /// Whether a dial may begin: "dial", "probe", or the error.
    std::string ask(int key, bool may_probe = true) {
        pool::core::dropped_errors dropped;
        const auto answer = all.ask(typed_key<int>{key}, now, may_probe, dropped);
        if (answer.refusal) return pool::core::what(answer.refusal);
        if (answer.probing == nullptr) return "dial";
        probe = answer.probing;
        return "probe";
    }
    void failed(int key, const char* text) {
        pool::core::dropped_errors dropped;
        all.failed(typed_key<int>{key}, std::make_shared<const int>(key), now, error(text), dropped);
    }
    void succeeded(int key) {
        pool::core::dropped_errors dropped;
        all.succeeded(typed_key<int>{key}, dropped);
    }
    void probe_failed(const char* text) {
        pool::core::dropped_errors dropped;
        all.probe_failed(probe, now, error(text), dropped);
    }
    void probe_succeeded() {
        pool::core::dropped_errors dropped;
        all.probe_succeeded(probe, dropped);
    }
    void probe_ended() {
        pool::core::dropped_errors dropped;
        all.probe_ended(probe, dropped);
    }
    /// The probe of a key whose first dial has failed.
    void begin_probe(int key) {
        failed(key, "first");
        now += 10ns;
        REQUIRE(ask(key) == "probe");
    }

    static std::exception_ptr error(const char* text) { return std::make_exception_ptr(std::runtime_error{text}); }

    keys all{{.first = 10ns, .most = 50ns, .factor = 2}, pool::core::jitter{0, 0}};
    time_point now{};
    keys::probe probe = nullptr;
};

/// Has no hash but one.
struct colliding {
    int number;
    bool operator==(const colliding&) const = default;
};

}  // namespace

template <>
struct std::hash<colliding> {
    std::size_t operator()(const colliding&) const noexcept { return 7; }
};

TEST_CASE("failing_keys: a success while the probe runs lets everybody dial") {
    table t;
    t.begin_probe(1);
    CHECK(t.ask(1) == "first");
    t.succeeded(1);
    CHECK(t.ask(1) == "dial");
    t.probe_succeeded();
    CHECK(t.ask(1) == "dial");
    CHECK(t.all.size() == 0);
}

TEST_CASE("failing_keys: a probe that fails after another dial has succeeded begins with the first delay") {
    table t;
    t.begin_probe(1);
    t.succeeded(1);
    t.probe_failed("down again");
    t.now += 9ns;
    CHECK(t.ask(1) == "down again");
    t.now += 1ns;
    CHECK(t.ask(1) == "probe");
}

TEST_CASE("failing_keys: a probe that proves nothing after another dial has succeeded leaves nothing") {
    table t;
    t.begin_probe(1);
    t.succeeded(1);
    t.probe_ended();
    CHECK(t.all.size() == 0);
    CHECK(t.ask(1) == "dial");
}

TEST_CASE("failing_keys: a key that fails again while its probe runs has no second probe") {
    table t;
    t.begin_probe(1);
    t.succeeded(1);
    t.failed(1, "again");
    t.now += 1s;
    CHECK(t.ask(1) == "again");
    t.probe_ended();
    t.now += 1s;
    CHECK(t.ask(1) == "dial");  // it was forgotten
}

TEST_CASE("failing_keys: a dial that was under way, and fails while the probe runs, changes nothing") {
    table t;
    t.begin_probe(1);
    t.now += 1s;
    t.failed(1, "late");
    CHECK(t.ask(1) == "first");
    t.probe_failed("probe");
    t.now += 20ns;
    CHECK(t.ask(1) == "probe");
}

TEST_CASE("failing_keys: a probe that proves nothing leaves the next one due") {
    table t;
    t.begin_probe(1);
    t.probe_ended();
    CHECK(t.ask(1, false) == "first");
    CHECK(t.ask(1) == "probe");
    t.probe_failed("second");
    t.now += 19ns;
    CHECK(t.ask(1) == "second");
    t.now += 1ns;
    CHECK(t.ask(1) == "probe");
}

TEST_CASE("failing_keys: keys of one hash, or of one value and two types, are told apart") {
    keys all{{.first = 10ns, .most = 50ns, .factor = 2}, pool::core::jitter{0, 0}};
    pool::core::dropped_errors dropped;
    const auto fail = [&](const auto& key) {
        all.failed(pool::core::typed_key<std::remove_cvref_t<decltype(key)>>{key},
            std::make_shared<const std::remove_cvref_t<decltype(key)>>(key), {}, table::error("down"), dropped);
    };
    const auto fails = [&](const auto& key) {
        pool::core::dropped_errors none;
        const pool::core::typed_key<std::remove_cvref_t<decltype(key)>> typed{key};
        return all.ask(typed, {}, true, none).refusal != nullptr;
    };
    fail(colliding{1});
    CHECK(fails(colliding{1}));
    CHECK(!fails(colliding{2}));
    fail(7);
    CHECK(fails(7));
    CHECK(!fails(7L));
    CHECK(all.size() == 2);
}

TEST_CASE("failing_keys: a probe that hangs is not forgotten, and does not keep others from being removed") {
    table t;
    t.begin_probe(0);
    for (int key = 1; key != 10; ++key) t.failed(key, "down");
    t.now += 1s;
    for (int i = 0; i != 10; ++i) CHECK(t.ask(100) == "dial");
    CHECK(t.all.size() == 1);
    CHECK(t.ask(0) == "first");
    t.probe_failed("at last");
    CHECK(t.ask(0) == "at last");
    t.now += 20ns;
    CHECK(t.ask(0) == "probe");
}

TEST_CASE("failing_keys: no dial pays for more than two keys that are forgotten") {
    table t;
    for (int key = 0; key != 10; ++key) t.failed(key, "down");
    t.now += 1s;
    CHECK(t.ask(100) == "dial");
    CHECK(t.all.size() == 8);
    CHECK(t.ask(9) == "dial");  // which is removed for itself
    CHECK(t.all.size() == 5);
}

TEST_CASE("failing_keys: a key is forgotten by the time of its last failure, also if nobody has removed it yet") {
    table t;
    for (int key = 0; key != 10; ++key) t.failed(key, "down");
    t.now += 99ns;
    CHECK(t.ask(9, false) == "down");
    t.now += 1ns;
    t.failed(9, "new");  // a dial that has begun before
    CHECK(t.all.size() == 10);
    t.now += 9ns;
    CHECK(t.ask(9) == "new");
    t.now += 1ns;
    CHECK(t.ask(9) == "probe");
}

TEST_CASE("jitter: the smallest share of a long time, and all of it") {
    pool::core::jitter none{0, 1};
    CHECK(none.shorten(std::chrono::nanoseconds::max()) == std::chrono::nanoseconds::max());
    pool::core::jitter all{1, 1};
    for (int i = 0; i != 1000; ++i) {
        const auto left = all.shorten(std::chrono::nanoseconds::max());
        CHECK(left > 0ns);
        CHECK(all.shorten(1ns) == 1ns);
    }
}
