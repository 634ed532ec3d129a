// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <pool/key.hpp>
#include <pool/policies/capacity.hpp>

/// @file
/// L, the floor: no pool of this kind can be cheaper.

namespace baselines {

/// Hashes the key, reads the clock and locks as a pool does. It has one connection and lends that for every key.
template <class Conn, class ExpiryPolicy, class LockPolicy, class ClockPolicy>
class floor {
public:
    class lease {
    public:
        explicit lease(floor& home) noexcept : home_{&home} {}
        lease(lease&& other) noexcept : home_{std::exchange(other.home_, nullptr)} {}
        lease& operator=(lease&&) = delete;
        ~lease() {
            if (home_ != nullptr) home_->step();
        }
        explicit operator bool() const noexcept { return true; }
        Conn& operator*() const noexcept { return *home_->conn_; }

    private:
        floor* home_;
    };

    explicit floor(pool::bounded, ExpiryPolicy = {}, ClockPolicy clock = {}) : clock_{std::move(clock)} {}

    lease try_acquire(std::string_view key) {
        hash_ = pool::key_traits<std::string>::hash(key);
        step();
        return lease{*this};
    }
    std::optional<Conn> take(std::string_view key) {
        hash_ = pool::key_traits<std::string>::hash(key);
        step();
        return std::move(conn_);
    }
    void put(std::string_view key, Conn&& conn) {
        hash_ = pool::key_traits<std::string>::hash(key);
        step();
        conn_.emplace(std::move(conn));
    }

private:
    void step() noexcept {
        if constexpr (ExpiryPolicy::can_expire) now_ = clock_.now();
        const std::lock_guard guard{lock_};
    }

    [[no_unique_address]] const ClockPolicy clock_;
    [[no_unique_address]] LockPolicy lock_;
    std::optional<Conn> conn_;
    std::size_t volatile hash_ = 0;
    typename ClockPolicy::time_point now_{};
};

}  // namespace baselines
