// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <boost/multi_index/hashed_index.hpp>
#include <boost/multi_index/identity.hpp>
#include <boost/multi_index_container.hpp>

/// @file
/// Keys that are chosen to slow a hash table down, as somebody can who knows this library but no secret. And random ones
/// to compare them with.

namespace chosen_keys {

/// The number that makes 1 of an odd number, modulo 2^64. Each of Newton's steps doubles the bits that are right, which
/// are three at first.
constexpr std::uint64_t inverse(std::uint64_t odd) {
    std::uint64_t found = odd;
    for (int i = 0; i < 5; ++i) found *= 2 - odd * found;
    return found;
}

/// The product of the bucket counts that a hashed index of Boost.MultiIndex has while it grows to `n` elements: of the
/// last ones, as many as leave room for `n` multiples.
inline std::uint64_t product_of_bucket_counts(std::size_t n) {
    using boost::multi_index::hashed_non_unique, boost::multi_index::identity, boost::multi_index::indexed_by;
    boost::multi_index_container<std::size_t, indexed_by<hashed_non_unique<identity<std::size_t>>>> table;
    std::vector<std::uint64_t> counts{table.bucket_count()};
    for (std::size_t i = 0; i < n; ++i) {
        table.insert(i);
        if (table.bucket_count() != counts.back()) counts.push_back(table.bucket_count());
    }
    const std::uint64_t most = std::numeric_limits<std::uint64_t>::max() / n;
    std::uint64_t product = 1;
    for (; !counts.empty() && product <= most / counts.back(); counts.pop_back()) product *= counts.back();
    return product;
}

/// Integers whose std::hash, which is the integer itself, shares a bucket in a table of up to `n` elements.
inline std::vector<std::uint64_t> integers_of_one_bucket(std::size_t n) {
    const std::uint64_t product = product_of_bucket_counts(n);
    std::vector<std::uint64_t> all;
    for (std::size_t i = 1; i <= n; ++i) all.push_back(i * product);
    return all;
}

/// Integers that a `sharded_pool` with std::hash puts into its first shard: the golden ratio, by which it multiplies a
/// hash, makes them small again.
inline std::vector<std::uint64_t> integers_of_one_shard(std::size_t n) {
    std::vector<std::uint64_t> all;
    for (std::size_t i = 1; i <= n; ++i) all.push_back(i * inverse(0x9e37'79b9'7f4a'7c15));
    return all;
}

inline std::vector<std::uint64_t> random_integers(std::size_t n) {
    std::mt19937_64 random{1};
    std::vector<std::uint64_t> all;
    for (std::size_t i = 0; i < n; ++i) all.push_back(random());
    return all;
}

/// Two words as text of 16 characters.
inline std::string text_of(std::uint64_t first, std::uint64_t second) {
    const std::uint64_t words[]{first, second};
    std::string all(sizeof words, '\0');
    std::memcpy(all.data(), words, sizeof words);
    return all;
}

/// Texts of 16 characters with the same std::hash, if that is the one of libstdc++ on 64 bits: MurmurHash64A with a fixed
/// seed. It multiplies each word, folds and multiplies it again, and adds it to the state by an exclusive or. All that can
/// be undone. So for any first word there is a second one that leads to the same state.
inline std::vector<std::string> texts_of_one_hash(std::size_t n) {
    constexpr std::uint64_t factor = 0xc6a4'a793'5bd1'e995;
    constexpr std::uint64_t seed = 0xc70f'6907;
    constexpr auto fold = [](std::uint64_t word) { return word ^ word >> 47; };  // undoes itself
    constexpr auto mix = [fold](std::uint64_t word) { return fold(word * factor) * factor; };
    constexpr auto unmix = [fold](std::uint64_t word) { return fold(word * inverse(factor)) * inverse(factor); };

    std::vector<std::string> all;
    for (std::uint64_t first = 1; first <= n; ++first) {
        const std::uint64_t state = (seed ^ 16 * factor ^ mix(first)) * factor;
        all.push_back(text_of(first, unmix(state)));  // makes the state zero
    }
    return all;
}

/// Whether they do have the same std::hash here.
inline bool have_one_hash(const std::vector<std::string>& all) {
    for (const std::string& each : all)
        if (std::hash<std::string>{}(each) != std::hash<std::string>{}(all.front())) return false;
    return true;
}

inline std::vector<std::string> random_texts(std::size_t n) {
    std::mt19937_64 random{1};
    std::vector<std::string> all;
    for (std::size_t i = 0; i < n; ++i) {
        const std::uint64_t first = random();
        all.push_back(text_of(first, random()));
    }
    return all;
}

}  // namespace chosen_keys
