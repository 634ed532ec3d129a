// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <pool/adapters/beast/connection_key.hpp>

/// @file
/// The errors of HTTP connections, and whether a request may be repeated.

namespace pool::beast {

/// The step that a connection was in.
enum class step : unsigned char {
    resolve,      ///< it looked up the name of the server, or of the proxy
    connect,      ///< it connected to the server, or to the proxy
    proxy,        ///< it asked the proxy for a tunnel
    handshake,    ///< it began with TLS
    write,        ///< it sent a request, or was about to
    read_header,  ///< it waited for a response, or read its header
    read_body,    ///< it read the body of a response
};

/// It in words, such as "read the header".
constexpr std::string_view to_string(step during) noexcept {
    constexpr std::string_view names[]{
        "resolve", "connect", "proxy", "handshake", "write the request", "read the header", "read the body"};
    return names[static_cast<unsigned char>(during)];
}

/// An error of a connection, of a dial or of an exchange. Its `code` is that of the system, of Beast or of TLS:
/// `std::errc::timed_out` at a deadline, `std::errc::operation_canceled` on a stop request or after a cancellation.
class error : public std::system_error {
public:
    /// The facts that are known of the request.
    struct facts {
        step during = step::write;                    ///< what was being done
        std::shared_ptr<const connection_key> key{};  ///< for which key; never null in an error of the library
        bool may_have_arrived = false;                ///< whether anything of the request was sent
        bool has_answer = false;                      ///< whether any byte of the response was read
        bool is_idempotent = false;                   ///< whether its method is, by RFC 9110, 9.2.2
        bool is_reused = false;                       ///< whether the connection has had a response before
        /// Whether it was not sent because its caller is wrong: it is no valid request, or an earlier one of the same call has
        /// used the connection up.
        bool is_refused = false;
    };

    /// With more words about it, if there are any.
    error(std::error_code why, const facts& known, const std::string& words = {})
        : std::system_error{why, text_of(known, words)},
          known_{known} {}

    step during() const noexcept { return known_.during; }                      ///< what was being done
    const connection_key& key() const noexcept { return *known_.key; }          ///< for which key
    bool may_have_arrived() const noexcept { return known_.may_have_arrived; }  ///< as in `facts`
    bool has_answer() const noexcept { return known_.has_answer; }              ///< as in `facts`
    bool is_idempotent() const noexcept { return known_.is_idempotent; }        ///< as in `facts`
    bool is_reused() const noexcept { return known_.is_reused; }                ///< as in `facts`
    bool is_refused() const noexcept { return known_.is_refused; }              ///< as in `facts`

private:
    static std::string text_of(const facts& known, const std::string& words) {
        std::string text = "http: ";
        if (known.key != nullptr) text += key_traits<connection_key>::describe(*known.key) + ": ";
        text += to_string(known.during);
        if (!words.empty()) text += ": " + words;
        return text;
    }

    facts known_;
};

/// Whether a request may be made again, because the server has done nothing for it, or because doing it twice is as
/// doing it once: nothing of it was sent; or its method is idempotent, and a connection that had been used before has
/// failed before the first byte of the response. False at a deadline, after a cancellation, and for a request that was refused. For
/// `pool::retry_stale{not_executed}`. It speaks of one request: after several ones in one call, all of them are made
/// again.
inline bool not_executed(const std::exception& e) noexcept {
    const auto* const known = dynamic_cast<const error*>(&e);
    if (known == nullptr || known->is_refused() || known->code() == std::errc::timed_out ||
        known->code() == std::errc::operation_canceled)
        return false;
    if (known->during() < step::write) return true;  // a dial: there was no request yet
    if (!known->may_have_arrived()) return true;
    return !known->has_answer() && known->is_idempotent() && known->is_reused();
}

}  // namespace pool::beast
