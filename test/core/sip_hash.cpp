// SPDX-License-Identifier: BSL-1.0
#include <bit>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <set>
#include <string>

#include <doctest/doctest.h>

#include <pool/core/sip_hash.hpp>

using pool::core::hash_seed;
using pool::core::sip_hash;

namespace {

/// The key of the paper's example, which all published values have: the bytes 0 to 15.
constexpr hash_seed published{0x0706'0504'0302'0100, 0x0f0e'0d0c'0b0a'0908};

/// The message of so many bytes: 0, 1, 2 and so on.
std::string message(std::size_t length) {
    std::string all(length, '\0');
    std::iota(all.begin(), all.end(), '\0');
    return all;
}

template <int Rounds, int FinalRounds>
std::uint64_t hash_of(std::size_t length, hash_seed seed = published) {
    const std::string all = message(length);
    return sip_hash<Rounds, FinalRounds>::of(seed, all.data(), all.size());
}

}  // namespace

TEST_CASE("sip_hash: SipHash-2-4 has the values that were published") {
    if (std::endian::native != std::endian::little) return;
    CHECK(hash_of<2, 4>(15) == 0xa129'ca61'49be'45e5);  // the paper's appendix A
    // vectors_sip64 of the reference implementation
    CHECK(hash_of<2, 4>(0) == 0x726f'db47'dd0e'0e31);
    CHECK(hash_of<2, 4>(1) == 0x74f8'39c5'93dc'67fd);
    CHECK(hash_of<2, 4>(7) == 0xab02'00f5'8b01'd137);
    CHECK(hash_of<2, 4>(8) == 0x93f5'f579'9a93'2462);
    CHECK(hash_of<2, 4>(16) == 0x3f2a'cc7f'57c2'9bdb);
    CHECK(hash_of<2, 4>(63) == 0x958a'324c'eb06'4572);
}

TEST_CASE("sip_hash: SipHash-1-3 has the values that other libraries compute") {
    if (std::endian::native != std::endian::little) return;
    // openssl mac -macopt c-rounds:1 -macopt d-rounds:3 SIPHASH prints the bytes of these, the lowest first.
    CHECK(hash_of<1, 3>(0) == 0xabac'0158'050f'c4dc);
    CHECK(hash_of<1, 3>(1) == 0xc9f4'9bf3'7d57'ca93);
    CHECK(hash_of<1, 3>(7) == 0xd392'7d98'9bb1'1140);
    CHECK(hash_of<1, 3>(8) == 0x3690'9511'8d29'9a8e);
    CHECK(hash_of<1, 3>(15) == 0xd320'd86d'2a51'9956);
    CHECK(hash_of<1, 3>(16) == 0xcc4f'dd1a'7d90'8b66);
    CHECK(hash_of<1, 3>(63) == 0x9d19'9062'b7bb'b3a8);
}

TEST_CASE("sip_hash: words that are added one by one hash as their bytes do") {
    const std::string bytes = message(24);
    sip_hash<1, 3> words{published};
    for (std::size_t i = 0; i < bytes.size(); i += 8) words.add(bytes.data() + i, 8);
    CHECK(words.finish() == hash_of<1, 3>(24));
}

TEST_CASE("sip_hash: bytes are filled up to a whole word") {
    sip_hash<1, 3> filled{published};
    filled.add("abc", 3);
    CHECK(filled.finish() == sip_hash<1, 3>::of(published, "abc\0\0\0\0\0", 8));
}

TEST_CASE("sip_hash: each bit of the seed makes a difference") {
    std::set<std::uint64_t> all{hash_of<1, 3>(8)};
    for (int bit = 0; bit < 64; ++bit) {
        all.insert(hash_of<1, 3>(8, {published.low ^ std::uint64_t{1} << bit, published.high}));
        all.insert(hash_of<1, 3>(8, {published.low, published.high ^ std::uint64_t{1} << bit}));
    }
    CHECK(all.size() == 129);
}
