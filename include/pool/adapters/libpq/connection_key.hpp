// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/core/platform.hpp>  // first: what it says of the compiler comes before what libpq says

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <libpq-fe.h>

#include <pool/adapters/libpq/error.hpp>
#include <pool/key.hpp>
#include <pool/seeded_key.hpp>

/// @file
/// The identity of a connection of libpq.

namespace pool::libpq {

namespace kernel {

struct free_options {
    void operator()(PQconninfoOption* o) const noexcept { PQconninfoFree(o); }
};
using parameters = std::unique_ptr<PQconninfoOption, free_options>;

/// A text in which each quotation is left out.
inline std::string without_quotes(std::string_view text) {
    std::string kept;
    for (auto at = text.find('"'); at != text.npos; at = text.find('"')) {
        kept.append(text.substr(0, at)).append("\"...\"");
        const auto end = text.find('"', at + 1);
        text.remove_prefix(end == text.npos ? text.size() : end + 1);
    }
    return kept.append(text);
}

}  // namespace kernel

/// Decides which server, which database, as who, and how: all parameters of a connection string of libpq, whatever they are.
/// Two keys are equal if libpq reads the same parameters from their strings. Their order, and the form of the string, do not
/// count. What libpq takes from elsewhere does not either: the environment, a password file, a service file.
///
/// In messages, a password is shown as stars.
class connection_key {
public:
    /// From a connection string: "host=db dbname=orders" or "postgresql://db/orders". Throws `std::invalid_argument` with
    /// what libpq says of a string that it cannot read, but for the part that it quotes, which may be a password; and
    /// `std::bad_alloc`. O(n log n).
    explicit(false) connection_key(const std::string& text) {
        char* message = nullptr;
        const kernel::parameters all{PQconninfoParse(text.c_str(), &message)};
        const std::unique_ptr<char, void (*)(void*)> owned{message, PQfreemem};
        if (all == nullptr) {
            if (message == nullptr) throw std::bad_alloc{};
            throw std::invalid_argument{
                "pool: not a connection string of libpq: " + kernel::without_quotes(kernel::text_of(message))};
        }
        std::vector<const PQconninfoOption*> given;
        for (const PQconninfoOption* each = all.get(); each->keyword != nullptr; ++each)
            if (each->val != nullptr) given.push_back(each);  // an empty value keeps libpq from taking another one
        std::sort(given.begin(), given.end(),
            [](const auto* a, const auto* b) { return std::string_view{a->keyword} < b->keyword; });
        for (const PQconninfoOption* each : given) {
            add(conninfo_, each->keyword, each->val);
            add(description_, each->keyword, each->dispchar[0] == '*' ? "***" : each->val);
        }
    }
    explicit(false) connection_key(const char* text) : connection_key{std::string{text}} {}  ///< the same

    /// All parameters, sorted by their names, as a connection string.
    const std::string& conninfo() const noexcept { return conninfo_; }
    /// The same, with stars for a password.
    const std::string& description() const noexcept { return description_; }

    friend bool operator==(
        const connection_key&, const connection_key&) = default;  ///< whether all parameters are equal

private:
    static void add(std::string& to, std::string_view name, std::string_view value) {
        if (!to.empty()) to += ' ';
        to.append(name).append("='");
        for (const char c : value) {
            if (c == '\'' || c == '\\') to += '\\';
            to += c;
        }
        to += '\'';
    }

    std::string conninfo_;
    std::string description_;
};

}  // namespace pool::libpq

/// Hashed with a seed; messages show its parameters, and stars for a password.
template <>
struct pool::key_traits<pool::libpq::connection_key> {
    using view = const pool::libpq::connection_key&;  ///< a reference
    /// The hash of all parameters.
    static std::size_t hash(view key) { return pool::seeded_hash(key.conninfo()); }
    /// Whether all parameters are equal.
    static bool equal(view a, view b) noexcept { return a == b; }
    /// For messages.
    static std::string describe(view key) { return key.description(); }
};
