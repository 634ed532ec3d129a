// SPDX-License-Identifier: BSL-1.0
#include <chrono>
#include <exception>
#include <iostream>
#include <string>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <pool/adapters/libpq_asio.hpp>
#include <pool/asio.hpp>
#include <pool/pool.hpp>

/// @file
/// The code of docs/postgres.md with Boost.Asio. It needs a server, whose URL is its argument.

using namespace std::chrono_literals;

namespace {

// [asio]
namespace pq = pool::libpq;
using database = pool::basic_pool<pool::no_key, pq::async_connection, pool::bounded_open>;

boost::asio::awaitable<std::string> square(database& db, pq::async_dial_to dial, std::string number) {
    const auto use = [&](pq::async_connection& c) -> boost::asio::awaitable<std::string> {
        auto query = c.async_execute("select $1::int * $1::int", {number.c_str()}, boost::asio::use_awaitable);
        const pq::result row = co_await std::move(query);  // or an error of the server is thrown
        co_return PQgetvalue(row.get(), 0, 0);
    };
    co_return co_await pool::asio::async_invoke(db, dial, 5s, use, boost::asio::use_awaitable);
}
// [/asio]

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    boost::asio::io_context context;
    database db{{.max_open = 4}};
    int sum = 0;
    for (const char* number : {"1", "2", "3"})
        boost::asio::co_spawn(context, square(db, pq::async_dial_to{argv[1]}, number),
            [&](std::exception_ptr error, const std::string& got) {
                if (error == nullptr) sum += std::stoi(got);
            });
    context.run();
    std::cout << sum << ", " << db.stats().idle << " idle\n";
    return sum == 14 && db.stats().lent == 0 ? 0 : 1;
}
