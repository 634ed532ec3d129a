// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/core/platform.hpp>  // first: what it says of the compiler comes before what Asio says

#include <algorithm>
#include <string>
#include <string_view>

#include <boost/beast/http/field.hpp>

#include <pool/adapters/beast/kernel/keep_alive.hpp>

/// @file
/// Refuses requests that must not be sent: Beast sends anything. Private.

namespace pool::beast::kernel {

/// Whether a text has only visible characters, and at least one.
inline bool is_visible(std::string_view text) noexcept {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](unsigned char c) { return c > 0x20 && c != 0x7f; });
}

/// Whether a text is a token of RFC 9110, 5.6.2.
inline bool is_token(std::string_view text) noexcept {
    return is_visible(text) && text.find_first_of("\"(),/:;<=>?@[\\]{}") == text.npos;
}

/// Why a request must not be sent: a server could read it as another one, or as several, and the answer of a second would reach
/// the next user. Null if it may. O(n) in its header.
template <class Request>
const char* what_is_wrong(const Request& request) {
    using boost::beast::http::field;
    if (!is_token(view_of(request.method_string()))) return "its method is not a token";
    if (!is_visible(view_of(request.target()))) return "its target is empty, or has a space or a control character";
    for (const auto& each : request) {
        if (!is_token(view_of(each.name_string()))) return "the name of a header is not a token";
        const std::string_view value = view_of(each.value());
        if (value.find_first_of(std::string_view{"\r\n\0", 3}) != value.npos) return "a header has the end of a line";
    }
    if (request.count(field::host) > 1) return "it has more than one Host";
    if (request.count(field::content_length) > 1) return "it has more than one Content-Length";
    const auto size = request.payload_size();
    if (!size && request.version() < 11) return "its body has no length, which HTTP/1.0 needs";
    if (size && request.has_content_length() && view_of(request.at(field::content_length)) != std::to_string(*size))
        return "its Content-Length is not that of its body";
    return nullptr;
}

}  // namespace pool::beast::kernel
