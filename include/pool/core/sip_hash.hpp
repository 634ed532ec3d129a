// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <pool/core/platform.hpp>

/// @file
/// SipHash, a hash with a secret seed: Aumasson and Bernstein, SipHash: a fast short-input PRF (INDOCRYPT 2012). Who does
/// not know the seed cannot find keys whose hashes collide.

namespace pool::core {

/// The secret of a hash: 128 bits.
struct hash_seed {
    std::uint64_t low;
    std::uint64_t high;
};

/// SipHash-c-d of a sequence of words: `Rounds` is the paper's c, and `FinalRounds` its d. The rounds, their rotations
/// and the constants are those of sections 2.1 to 2.4.
template <int Rounds, int FinalRounds>
class sip_hash {
public:
    /// The constants are the text "somepseudorandomlygeneratedbytes" (section 2.1).
    explicit sip_hash(hash_seed seed) noexcept
        : v0_{seed.low ^ 0x736f'6d65'7073'6575},
          v1_{seed.high ^ 0x646f'7261'6e64'6f6d},
          v2_{seed.low ^ 0x6c79'6765'6e65'7261},
          v3_{seed.high ^ 0x7465'6462'7974'6573} {}

    /// Adds eight bytes.
    void add(std::uint64_t word) noexcept {
        mix(word);
        length_ += sizeof word;
    }

    /// Adds any bytes, and zeros up to a whole word.
    void add(const void* bytes, std::size_t count) noexcept {
        const std::uint64_t rest = add_whole_words(bytes, count);
        if (count % sizeof rest != 0) add(rest);
    }

    /// The hash of what was added.
    std::uint64_t finish() noexcept { return finish(0, 0); }

    /// The hash of these bytes alone.
    static std::uint64_t of(hash_seed seed, const void* bytes, std::size_t count) noexcept {
        sip_hash hash{seed};
        const std::uint64_t rest = hash.add_whole_words(bytes, count);
        return hash.finish(rest, count % sizeof rest);
    }

private:
    /// Returns the bytes behind the last whole word, as a word. On a big-endian machine, the bytes of a whole word are
    /// in another order than in the paper. Such a hash is as good.
    std::uint64_t add_whole_words(const void* bytes, std::size_t count) noexcept {
        const char* at = static_cast<const char*>(bytes);
        std::uint64_t word = 0;
        for (; count >= sizeof word; at += sizeof word, count -= sizeof word) {
            std::memcpy(&word, at, sizeof word);
            add(word);
        }
        word = 0;
        for (; count != 0; --count) word = word << 8 | static_cast<unsigned char>(at[count - 1]);
        return word;
    }

    /// The last word has the up to seven bytes that are left, and in its highest byte the length of all (section 2.2).
    std::uint64_t finish(std::uint64_t rest, std::size_t count) noexcept {
        mix(rest | (length_ + count) << 56);
        v2_ ^= 0xff;
        for (int i = 0; i < FinalRounds; ++i) round();
        return v0_ ^ v1_ ^ v2_ ^ v3_;
    }

    void mix(std::uint64_t word) noexcept {
        v3_ ^= word;
        for (int i = 0; i < Rounds; ++i) round();
        v0_ ^= word;
    }

    void round() noexcept {
        v0_ += v1_;
        v2_ += v3_;
        v1_ = std::rotl(v1_, 13) ^ v0_;
        v3_ = std::rotl(v3_, 16) ^ v2_;
        v0_ = std::rotl(v0_, 32);
        v2_ += v1_;
        v0_ += v3_;
        v1_ = std::rotl(v1_, 17) ^ v2_;
        v3_ = std::rotl(v3_, 21) ^ v0_;
        v2_ = std::rotl(v2_, 32);
    }

    std::uint64_t v0_;
    std::uint64_t v1_;
    std::uint64_t v2_;
    std::uint64_t v3_;
    std::uint64_t length_ = 0;
};

}  // namespace pool::core
