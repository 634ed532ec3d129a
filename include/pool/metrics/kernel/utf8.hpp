// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <pool/core/platform.hpp>

/// @file
/// Text that is certainly UTF-8. Prometheus rejects a whole scrape because of one label that is not.

namespace pool::metrics::kernel {

/// The length of the character that begins `text`; 0 if these bytes are none (Unicode, table 3-7).
constexpr std::size_t character_length(std::string_view text) noexcept {
    const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
    const auto is_between = [](unsigned value, unsigned least, unsigned most) {
        return least <= value && value <= most;
    };
    const auto goes_on = [&](std::size_t i) { return is_between(byte(i), 0x80, 0xbf); };
    const unsigned first = byte(0);
    if (first < 0x80) return 1;
    if (is_between(first, 0xc2, 0xdf)) return goes_on(1) ? 2 : 0;
    if (is_between(first, 0xe0, 0xef)) {
        const unsigned least = first == 0xe0 ? 0xa0 : 0x80;
        const unsigned most = first == 0xed ? 0x9f : 0xbf;
        return is_between(byte(1), least, most) && goes_on(2) ? 3 : 0;
    }
    if (is_between(first, 0xf0, 0xf4)) {
        const unsigned least = first == 0xf0 ? 0x90 : 0x80;
        const unsigned most = first == 0xf4 ? 0x8f : 0xbf;
        return is_between(byte(1), least, most) && goes_on(2) && goes_on(3) ? 4 : 0;
    }
    return 0;
}

/// The same text, with the replacement character for each byte that belongs to no character.
inline std::string as_utf8(std::string_view text) {
    std::string valid;
    valid.reserve(text.size());
    while (!text.empty()) {
        const std::size_t length = kernel::character_length(text);
        valid += length != 0 ? text.substr(0, length) : std::string_view{"\xef\xbf\xbd"};
        text.remove_prefix(length != 0 ? length : 1);
    }
    return valid;
}

}  // namespace pool::metrics::kernel
