// SPDX-License-Identifier: BSL-1.0
// expect: pool: a timer needs a pool whose clock keeps real time
#include <chrono>
#include <mutex>

#include <boost/asio/io_context.hpp>

#include <pool/asio.hpp>

#include "parts.hpp"

#ifdef POOL_MISUSE_FIXED
using clock_type = std::chrono::steady_clock;
#else
using clock_type = pool::manual_clock;
#endif

boost::asio::io_context context;
pool::basic_pool<int, session, pool::unlimited, pool::after_idle, std::mutex, clock_type> sessions;
pool::asio::reaper<decltype(sessions)> sweeper{context.get_executor(), sessions};
