// SPDX-License-Identifier: BSL-1.0
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include <boost/asio/bind_executor.hpp>
#include <doctest/doctest.h>

#include <pool/asio/async_acquire.hpp>
#include <pool/stats.hpp>

#include <support/allocations.hpp>
#include <support/asio_pool.hpp>
#include <support/posting_executor.hpp>

// Callers whose executor needs memory of its own, and there is none.

using namespace asio_pools;
using pool::asio::async_acquire;

namespace {

/// Allocates memory of its own for each function.
struct with_memory_of_its_own {
    template <class Inner, class F, class Allocator>
    void operator()(const Inner& inner, F&& f, const Allocator& memory) const {
        const auto eaten = std::make_unique<std::byte[]>(100);
        inner.post(std::forward<F>(f), memory);
    }
    [[maybe_unused]] friend bool operator==(const with_memory_of_its_own&, const with_memory_of_its_own&) = default;
};

/// A pool, and callers on an executor that does so.
struct hungry : fixture<> {
    explicit hungry(bounds capacity) : fixture{capacity} {}

    auto ask_hungry(const char* key) {
        auto all = std::make_shared<result>();
        async_acquire(*conns, key, dialer(), net::bind_executor(executor, [all](error_code error, lease got) {
            CHECK_FALSE(all->done);
            all->done = true;
            all->error = error;
            all->lease = std::move(got);
        }));
        return all;
    }

    posting_executor<with_memory_of_its_own> executor{loop.get_executor(), {}};
};

}  // namespace

TEST_CASE("asio: a caller that cannot be told for want of memory is told after the next step [C12]") {
    int failures = 0;
    for (std::uint64_t n = 1;; ++n) {
        CAPTURE(n);
        hungry f{strict({.max_open = 1})};
        auto lent = f.acquire("a");
        auto waits = f.ask_hungry("a");
        f.run();
        bool has_failed = false;
        {
            const allocations::failing nth{n};
            lent.give_back();
            has_failed = nth.happened();
        }
        failures += has_failed;
        f.run();
        CHECK(waits->done == !has_failed);
        CHECK(f.conns->stats().lent == 1);
        CHECK_FALSE(f.conns->try_acquire("a"));  // a step
        f.run();
        REQUIRE(waits->done);
        CHECK(waits->lease->id() == 1);
        if (!has_failed) break;
    }
    CHECK(failures > 0);
}

// It throws if it cannot even post. Otherwise its own handler gets the error.
TEST_CASE("asio: an acquire that cannot start for want of memory takes nothing, and leaves nothing [C12]") {
    const auto fail_everywhere = [](const auto& prepare) {
        int failures = 0;
        for (std::uint64_t n = 1;; ++n) {
            CAPTURE(n);
            hungry f{strict({.max_open = 1})};
            auto held = prepare(f);
            const pool::stats before = f.conns->stats();
            std::shared_ptr<hungry::result> asked;
            bool has_failed = false;
            {
                const allocations::failing nth{n};
                try {
                    asked = f.ask_hungry("a");
                } catch (const std::bad_alloc&) {
                    asked = nullptr;
                }
                has_failed = nth.happened();
            }
            if (!has_failed) {
                REQUIRE(asked != nullptr);
                held.discard();
                f.run();
                REQUIRE(asked->done);
                break;
            }
            ++failures;
            const pool::stats after = f.conns->stats();
            CHECK(after.idle == before.idle);
            CHECK(after.lent == before.lent);
            CHECK(after.dialing + after.waiting == 0);
            f.run();
            if (asked != nullptr) {
                REQUIRE(asked->done);
                CHECK(asked->error == boost::asio::error::no_memory);
                CHECK_FALSE(asked->lease);
            }
            held.give_back();
            CHECK(f.acquire("a")->id() > 0);
        }
        CHECK(failures > 0);
    };
    SUBCASE("while it would wait") {
        fail_everywhere([](hungry& f) { return f.acquire("a"); });
    }
    SUBCASE("while one is idle") {
        fail_everywhere([](hungry& f) {
            (void)f.acquire("a");
            return hungry::lease{};
        });
    }
    SUBCASE("while it may dial") {
        fail_everywhere([](hungry&) { return hungry::lease{}; });
    }
}
