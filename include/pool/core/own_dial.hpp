// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <memory>
#include <utility>

#include <pool/core/dial_with.hpp>
#include <pool/dial.hpp>

/// @file
/// The dial that a pool owns. Its type is erased, so it is not part of the pool's type.

namespace pool::core {

/// Shares a dial with all copies of this object. So a lazy connection may outlive the pool that it has its dial from.
/// Calls it as a context dial. Several threads may do so at once, if the dial allows that. Conn need not be movable.
template <class Key, class Conn>
class own_dial {
public:
    /// No dial: call only `operator bool`.
    own_dial() noexcept = default;

    /// Throws `std::bad_alloc`, and what the dial's move throws.
    template <dial_function<Key, Conn> Dial>
    explicit own_dial(Dial dial) : dial_{std::make_shared<erased<Dial>>(std::move(dial))} {}

    /// Whether there is a dial.
    explicit operator bool() const noexcept { return dial_ != nullptr; }

    /// Whether the dial gets to see its context.
    bool heeds_context() const noexcept { return dial_->heeds_context; }

    /// Calls the dial. Its exceptions pass through.
    Conn operator()(const Key& key, const dial_context& context) const { return dial_->open(key, context); }

private:
    struct any_dial {
        explicit any_dial(bool heeds) noexcept : heeds_context{heeds} {}
        virtual ~any_dial() = default;
        virtual Conn open(const Key& key, const dial_context& context) = 0;
        const bool heeds_context;
    };
    template <class Dial>
    struct erased final : any_dial {
        explicit erased(Dial&& given) : any_dial{core::heeds_context<Dial, Key>}, dial{std::move(given)} {}
        Conn open(const Key& key, const dial_context& context) override {
            return core::dial_with<Conn>(dial, key, context);
        }
        [[no_unique_address]] Dial dial;
    };

    std::shared_ptr<any_dial> dial_;
};

}  // namespace pool::core
