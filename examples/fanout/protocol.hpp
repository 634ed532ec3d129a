// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <boost/endian/arithmetic.hpp>

/// @file
/// The messages between client and server: a request and a reply, each of fixed size. The reply depends only on the
/// request's id, so a client can check every byte of it.

namespace fanout {

struct request_frame {
    boost::endian::little_uint64_t id;
    boost::endian::little_uint32_t delay_us;  ///< how long the server works on it
};
static_assert(sizeof(request_frame) == 12);

using reply_frame = std::array<boost::endian::little_uint64_t, 16>;
static_assert(sizeof(reply_frame) == 128);

/// The finaliser of splitmix64 (Steele, Lea, Flood 2014): neighbouring numbers give unrelated results.
constexpr std::uint64_t mix(std::uint64_t x) noexcept {
    x += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

inline reply_frame reply_to(std::uint64_t id) noexcept {
    reply_frame reply;
    for (std::size_t word = 0; word < reply.size(); ++word) reply[word] = mix(id + word);
    return reply;
}

}  // namespace fanout
