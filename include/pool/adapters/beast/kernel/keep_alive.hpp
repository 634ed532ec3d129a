// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <charconv>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>

#include <boost/beast/http/field.hpp>
#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/http/verb.hpp>

#include <pool/core/platform.hpp>

/// @file
/// Reads what the header of a response says of its connection. Private.

namespace pool::beast::kernel {

/// Of Beast, whose views differ between the versions of Boost.
template <class View>
std::string_view view_of(const View& text) noexcept {
    return {text.data(), text.size()};
}

/// What the headers `Keep-Alive` of a response say.
struct keep_alive_limits {
    std::optional<std::chrono::seconds> timeout{};  ///< how long an idle connection is kept
    std::optional<std::uint64_t> max{};             ///< how many more requests it takes

    friend bool operator==(const keep_alive_limits&, const keep_alive_limits&) = default;
};

/// Whether two texts are equal but for upper and lower case.
inline bool is_same_word(std::string_view a, std::string_view b) noexcept {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    if (a.size() != b.size()) return false;
    for (std::string_view::size_type i = 0; i < a.size(); ++i)
        if (lower(a[i]) != lower(b[i])) return false;
    return true;
}

/// Without spaces, tabs and quotes at its ends.
inline std::string_view trimmed(std::string_view text) noexcept {
    constexpr const char* around = " \t\"";
    const auto first = text.find_first_not_of(around);
    if (first == text.npos) return {};
    return text.substr(first, text.find_last_not_of(around) - first + 1);
}

/// Reads `timeout=5, max=100`. What it does not know, or cannot read, it leaves out. Of several ones the smallest
/// counts.
inline void read_keep_alive(std::string_view text, keep_alive_limits& limits) noexcept {
    while (!text.empty()) {
        const auto each = text.substr(0, text.find(','));
        text.remove_prefix(each.size() == text.size() ? each.size() : each.size() + 1);
        const auto equals = each.find('=');
        if (equals == each.npos) continue;
        const auto name = trimmed(each.substr(0, equals));
        const auto digits = trimmed(each.substr(equals + 1));
        std::uint32_t value = 0;
        const auto end = digits.data() + digits.size();
        const auto [last, problem] = std::from_chars(digits.data(), end, value);
        if (problem != std::errc{} || last != end) continue;
        if (is_same_word(name, "timeout") && (!limits.timeout || limits.timeout->count() > value))
            limits.timeout = std::chrono::seconds{value};
        if (is_same_word(name, "max") && (!limits.max || *limits.max > value)) limits.max = value;
    }
}

/// Of all headers `Keep-Alive`.
template <class Fields>
keep_alive_limits keep_alive_of(const Fields& header) noexcept {
    keep_alive_limits limits;
    const auto all = header.equal_range(boost::beast::http::field::keep_alive);
    for (auto each = all.first; each != all.second; ++each) read_keep_alive(view_of(each->value()), limits);
    return limits;
}

/// Whether any of the headers `Connection` says so: Beast asks only the first.
template <class Fields>
bool says_close(const Fields& header) {
    const auto all = header.equal_range(boost::beast::http::field::connection);
    for (auto each = all.first; each != all.second; ++each)
        if (boost::beast::http::token_list{each->value()}.exists("close")) return true;
    return false;
}

/// By RFC 9110, 9.2.2.
inline bool is_idempotent(boost::beast::http::verb method) noexcept {
    using boost::beast::http::verb;
    return method == verb::get || method == verb::head || method == verb::put || method == verb::delete_ ||
           method == verb::options || method == verb::trace;
}

}  // namespace pool::beast::kernel
