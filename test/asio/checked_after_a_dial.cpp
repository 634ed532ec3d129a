// SPDX-License-Identifier: BSL-1.0
#include <string>
#include <utility>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/system/error_code.hpp>
#include <doctest/doctest.h>

#include <pool/asio/async_acquire.hpp>
#include <pool/basic_pool.hpp>
#include <pool/connection.hpp>

// An asynchronous caller whose dial was outdated looks again, and may be lent an idle connection then.

namespace dialled_again {
namespace {

struct numbered {
    int number = 0;

    static void close() noexcept {}
    static bool closed() noexcept { return false; }
    static bool unblocked() noexcept { return true; }

    static inline int sick = 0;    ///< the number of the one that is not healthy
    static inline int checks = 0;  ///< how many were made
};

}  // namespace
}  // namespace dialled_again

template <>
struct pool::connection_traits<dialled_again::numbered> : pool::member_connection_traits<dialled_again::numbered> {
    static bool healthy(const dialled_again::numbered& c) {
        ++dialled_again::numbered::checks;
        return c.number != dialled_again::numbered::sick;
    }
};

namespace dialled_again {

TEST_CASE("async_acquire: after an outdated dial, an idle connection is lent only after its check [C20, C24]") {
    numbered::checks = 0;
    int lent = 0;
    SUBCASE("it is healthy") {
        numbered::sick = 0;
        lent = 42;
    }
    SUBCASE("it is not") {
        numbered::sick = 42;
        lent = 2;
    }
    boost::asio::io_context io;
    pool::basic_pool<std::string, numbered, pool::bounded_open> conns;
    int dials = 0;
    const auto dial = [&](const std::string&, auto handler) {
        if (++dials == 1) {
            conns.invalidate();
            conns.put("a", numbered{42});
        }
        handler(boost::system::error_code{}, numbered{dials});  // within its call
    };
    pool::asio::async_acquire(conns, "a", dial,
        boost::asio::bind_executor(io.get_executor(), [&](boost::system::error_code error, auto lease) {
            CHECK_FALSE(error);
            REQUIRE(lease);
            CHECK(lease->number == lent);
            CHECK(conns.stats().checking == 0);
        }));
    io.run();
    CHECK(numbered::checks == 1);
    CHECK(dials == (lent == 42 ? 1 : 2));
}

}  // namespace dialled_again
