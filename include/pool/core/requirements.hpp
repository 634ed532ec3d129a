// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <type_traits>

#include <pool/connection.hpp>
#include <pool/dial.hpp>
#include <pool/key.hpp>
#include <pool/policies/capacity.hpp>
#include <pool/policies/clock.hpp>
#include <pool/policies/expiry.hpp>
#include <pool/policies/lock.hpp>

/// @file
/// The requirements of a pool on its parameters. For each mistake the compiler prints one plain sentence. Nothing else
/// is instantiated after it.

namespace pool::core {

/// A key that is compared by value must own its text. Traits with a seed say themselves what is wrong with a key.
template <class Key>
inline constexpr key_fault fault_of = [] {
    if constexpr (std::is_base_of_v<told_apart_by_value<Key>, key_traits<Key>>) return fault_of_key<Key>();
    else if constexpr (requires { key_traits<Key>::fault(); }) return key_traits<Key>::fault();
    else return key_fault::none;
}();

/// Checks Key.
template <class Key>
consteval bool check_key() {
    constexpr key_fault fault = fault_of<Key>;
    static_assert(fault != key_fault::borrowed,
        "pool: a Key must own its characters, as std::string does: a reference, a pointer to characters or a view "
        "refers to what may be gone");
    static_assert(fault != key_fault::field_count,
        "pool: an aggregate Key is hashed field by field, and may have one to six fields");
    static_assert(fault != key_fault::base_class,
        "pool: an aggregate Key with a base class cannot be hashed field by field: it needs a std::hash, or a "
        "key_traits<Key>");
    static_assert(fault != key_fault::unhashable_field, "pool: a field of Key has no std::hash");
    static_assert(fault != key_fault::unseedable,
        "pool: a Key with a seeded hash may consist of text, integers, enums and aggregates of these: another Key "
        "needs a key_traits<Key> that calls pool::seeded_hash");
    static_assert(fault != key_fault::unhashable,
        "pool: Key needs a std::hash, or to be an aggregate of fields that have one, or a key_traits<Key>");
    if constexpr (fault != key_fault::none) {
        return false;
    } else {
        static_assert(hashable_key<Key>, "pool: a key_traits<Key> needs std::size_t hash(view)");
        static_assert(comparable_key<Key>, "pool: Key needs an operator==, or a key_traits<Key>");
        static_assert(std::copy_constructible<Key>, "pool: Key must be copyable");
        static_assert(!names_describe<Key> || describing_key<Key>,
            "pool: the describe of a key_traits<Key> must be static, and take a const Key& and return a std::string: "
            "otherwise the whole key would be shown");
        static_assert(
            viewable_key<Key>, "pool: Key must convert to the view of its key_traits<Key>, and be made from one");
        return hashable_key<Key> && comparable_key<Key> && std::copy_constructible<Key> && viewable_key<Key>;
    }
}

/// The names of the hooks. In a class that also inherits a function of that name from traits, the name is ambiguous,
/// whatever that function takes.
struct hook_names {
    static const bool healthy, reset, keep_alive;                    ///< not defined
    static const bool async_healthy, async_reset, async_keep_alive;  ///< not defined
};

/// Inherits the names of the hooks from both.
template <class Traits>
struct hook_probe : Traits, hook_names {};

/// The traits that have the hooks of a Conn: of a smart pointer, those of the connection that it points to.
template <class Conn>
struct hooks_of {
    using type = connection_traits<Conn>;
};
template <class Conn>
    requires std::derived_from<connection_traits<Conn>, pointer_connection_traits<Conn>>
struct hooks_of<Conn> : hooks_of<typename Conn::element_type> {};

/// Traits without hooks.
struct no_traits {};

/// The probe of a Conn. Traits that are `final` cannot be probed.
template <class Conn, class Traits = typename hooks_of<Conn>::type>
using probe_of = hook_probe<std::conditional_t<std::is_final_v<Traits>, no_traits, Traits>>;

/// Has no `healthy`, or one that the pool calls. A name that is not ambiguous in the probe is not in the traits.
template <class Conn>
concept right_healthy = health_checked<Conn> || requires { probe_of<Conn>::healthy; };
/// The same for `reset`.
template <class Conn>
concept right_reset = resettable<Conn> || requires { probe_of<Conn>::reset; };
/// The same for `keep_alive`.
template <class Conn>
concept right_keep_alive = kept_alive<Conn> || requires { probe_of<Conn>::keep_alive; };
/// The same for `async_healthy`.
template <class Conn>
concept right_async_healthy = async_health_checked<Conn> || requires { probe_of<Conn>::async_healthy; };
/// The same for `async_reset`.
template <class Conn>
concept right_async_reset = async_resettable<Conn> || requires { probe_of<Conn>::async_reset; };
/// The same for `async_keep_alive`.
template <class Conn>
concept right_async_keep_alive = async_kept_alive<Conn> || requires { probe_of<Conn>::async_keep_alive; };

/// Checks the asynchronous hooks.
template <class Conn>
consteval bool check_async_hooks() {
    static_assert(right_async_healthy<Conn>,
        "pool: async_healthy of a connection_traits<Conn> must be void async_healthy(Conn&, pool::hook_done)");
    static_assert(right_async_reset<Conn>,
        "pool: async_reset of a connection_traits<Conn> must be void async_reset(Conn&, pool::hook_done)");
    static_assert(right_async_keep_alive<Conn>,
        "pool: async_keep_alive of a connection_traits<Conn> must be void async_keep_alive(Conn&, pool::hook_done)");
    return right_async_healthy<Conn> && right_async_reset<Conn> && right_async_keep_alive<Conn>;
}

/// Has no `abandon`, or one that the pool calls.
template <class Conn>
inline constexpr bool right_abandon = [] {
    if constexpr (abandonable<Conn>) return true;
    else if constexpr (requires(Conn& c) { connection_traits<Conn>::abandon(c); }) return false;
    else if constexpr (!std::derived_from<connection_traits<Conn>, member_connection_traits<Conn>>) return true;
    else return !requires(Conn& c) { c.abandon(); };
}();
template <class Conn>
    requires std::derived_from<connection_traits<Conn>, pointer_connection_traits<Conn>>
inline constexpr bool right_abandon<Conn> = right_abandon<typename Conn::element_type>;  ///< that of the pointee

/// Checks the hooks. One that is not declared as it must be would never be called.
template <class Conn>
consteval bool check_hooks() {
    static_assert(right_healthy<Conn>, "pool: healthy of a connection_traits<Conn> must be bool healthy(Conn&)");
    static_assert(right_reset<Conn>, "pool: reset of a connection_traits<Conn> must be void reset(Conn&)");
    static_assert(
        right_keep_alive<Conn>, "pool: keep_alive of a connection_traits<Conn> must be void keep_alive(Conn&)");
    static_assert(right_abandon<Conn>,
        "pool: abandon of Conn, or of a connection_traits<Conn>, must return void and be noexcept: after a fork there is "
        "nobody to tell");
    constexpr bool are_right =
        right_healthy<Conn> && right_reset<Conn> && right_keep_alive<Conn> && right_abandon<Conn>;
    if constexpr (are_right) return check_async_hooks<Conn>();
    else return false;
}

/// Checks Conn.
template <class Conn>
consteval bool check_connection() {
    static_assert(closable<Conn>, "pool: Conn needs a member close(), or a connection_traits<Conn> with close(Conn&)");
    if constexpr (closable<Conn>) {
        static_assert(closed_reporting<Conn>,
            "pool: Conn needs a member bool closed() const noexcept, or a connection_traits<Conn> with "
            "closed(const Conn&)");
        if constexpr (closed_reporting<Conn>) {
            static_assert(unblocked_reporting<Conn>,
                "pool: Conn needs a member bool unblocked() const noexcept, or a connection_traits<Conn> with "
                "unblocked(const Conn&)");
        }
    }
    if constexpr (closable<Conn> && closed_reporting<Conn> && unblocked_reporting<Conn>) return check_hooks<Conn>();
    else return false;
}

/// Checks the policies.
template <class Key, class CapacityPolicy, class ExpiryPolicy, class LockPolicy, class ClockPolicy>
consteval bool check_policies() {
    static_assert(capacity_policy<CapacityPolicy, Key>,
        "pool: CapacityPolicy needs std::size_t max_idle() const noexcept and "
        "std::size_t max_idle_for(const Key&) const noexcept");
    constexpr bool bounds_are_whole = !declares_open_bounds<CapacityPolicy> ||
                                      open_capacity_policy<CapacityPolicy, Key> ||
                                      !capacity_policy<CapacityPolicy, Key>;
    static_assert(bounds_are_whole,
        "pool: a CapacityPolicy that declares bounds_open needs max_open(), max_open_for(const Key&), "
        "max_dials_for(const Key&) and max_waiting(), each std::size_t and const noexcept");
    static_assert(lock_policy<LockPolicy>, "pool: LockPolicy needs lock() and unlock(), and a default constructor");
    static_assert(clock_policy<ClockPolicy>,
        "pool: ClockPolicy needs now(), and must be steady: a wall clock can be set back");
    if constexpr (!clock_policy<ClockPolicy>) {
        return false;
    } else {
        static_assert(expiry_policy<ExpiryPolicy, typename ClockPolicy::time_point> || declares_age<ExpiryPolicy>,
            "pool: ExpiryPolicy needs a constant can_expire and, if that is true, "
            "a time_point expires_at(time_point) const noexcept");
        static_assert(expiry_policy<ExpiryPolicy, typename ClockPolicy::time_point> || !declares_age<ExpiryPolicy>,
            "pool: an ExpiryPolicy that declares what it asks needs a constant can_expire, "
            "a time_point expires_at(time_point, const connection_age<time_point>&) const noexcept and, if it asks for a "
            "draw, a std::uint32_t draw() noexcept");
        return capacity_policy<CapacityPolicy, Key> && bounds_are_whole && lock_policy<LockPolicy> &&
               expiry_policy<ExpiryPolicy, typename ClockPolicy::time_point>;
    }
}

/// Checks what a policy that bounds weights needs.
template <class Key, class Conn, class CapacityPolicy>
consteval bool check_weights() {
    if constexpr (declares_weight_bound<CapacityPolicy>) {
        static_assert(weight_capacity_policy<CapacityPolicy, Key>,
            "pool: a CapacityPolicy that declares bounds_weight needs std::size_t max_idle_weight() const noexcept");
        static_assert(weight_reporting<Conn>,
            "pool: with a CapacityPolicy that bounds the weight, Conn needs a member std::size_t weight() const noexcept, "
            "or a connection_traits<Conn> with weight(const Conn&)");
        return weight_capacity_policy<CapacityPolicy, Key> && weight_reporting<Conn>;
    } else {
        return true;
    }
}

/// Checks whether Conn can say what ExpiryPolicy asks.
template <class Conn, class ExpiryPolicy>
consteval bool check_deadline() {
    constexpr bool is_told = !asks_of<ExpiryPolicy>.deadline || expiry_reporting<Conn>;
    static_assert(is_told,
        "pool: this ExpiryPolicy asks a Conn for its own deadline: Conn needs a member std::chrono::nanoseconds "
        "expires() const noexcept, or a connection_traits<Conn> with expires(const Conn&)");
    return is_told;
}

/// Checks all parameters of a pool. Returns whether they are valid. If not, the pool need not be instantiated.
template <class Key, class Conn, class CapacityPolicy, class ExpiryPolicy, class LockPolicy, class ClockPolicy>
consteval bool check_parameters() {
    if constexpr (!check_key<Key>()) return false;
    else if constexpr (!check_connection<Conn>()) return false;
    else if constexpr (!check_policies<Key, CapacityPolicy, ExpiryPolicy, LockPolicy, ClockPolicy>()) return false;
    else if constexpr (!check_weights<Key, Conn, CapacityPolicy>()) return false;
    else return check_deadline<Conn, ExpiryPolicy>();
}

/// The base of a pool with a wrong parameter: takes any arguments, and can do nothing.
struct refused_pool {
    explicit refused_pool(auto&&...) noexcept {}  ///< accepts any arguments
};

/// A pool whose parameters are right.
template <class Pool>
concept accepted = !std::derived_from<Pool, refused_pool>;

/// Whether a call with these arguments leaves out the key, because the pool has none.
template <class Key, class... Args>
inline constexpr bool is_keyless = std::same_as<Key, no_key>;
template <class Key, class First, class... Args>
inline constexpr bool is_keyless<Key, First, Args...> =  ///< the first argument would be the key
    std::same_as<Key, no_key> && !std::same_as<std::remove_cvref_t<First>, no_key>;

/// Checks a dial. Returns whether it can be called.
template <class Dial, class Key, class Conn>
consteval bool check_dial() {
    constexpr bool needs_key = !std::same_as<Key, no_key>;
    static_assert(dial_function<Dial, Key, Conn> || !needs_key,
        "pool: dial must be callable as Conn(const Key&) or as Conn(const Key&, const dial_context&)");
    static_assert(dial_function<Dial, Key, Conn> || needs_key,
        "pool: the dial of a pool without keys must be callable as Conn() or as Conn(const dial_context&)");
    return dial_function<Dial, Key, Conn>;
}

/// Checks a pool whose caller limits its wait. Returns whether it may have to wait.
template <class State>
consteval bool check_limited_wait() {
    static_assert(State::bounds_open,
        "pool: acquire with a deadline or a stop_token needs a CapacityPolicy that bounds what is open, such as "
        "bounded_open: this pool never waits");
    return State::bounds_open;
}

/// Checks a pool whose callers may have to wait. Returns whether another thread could end the wait.
template <class State>
consteval bool check_wait() {
    constexpr bool can_end = !State::bounds_open || State::can_wait;
    static_assert(can_end,
        "pool: acquire and get may wait, and with this LockPolicy no thread could end the wait: use try_acquire or "
        "async_acquire");
    return can_end;
}

/// Checks a blocking call that lends an idle connection. Returns whether it can check the health of that.
template <class State>
consteval bool check_health_of() {
    using connection_type = typename State::connection_type;
    constexpr bool can_check = health_checked<connection_type> || !async_health_checked<connection_type>;
    static_assert(can_check,
        "pool: a blocking call cannot wait for async_healthy: lend by async_acquire or async_invoke, or give "
        "connection_traits<Conn> a healthy, too");
    return can_check;
}

/// Checks a call that may wait, and may lend an idle connection, unless it wants a fresh one.
template <class State, bool is_fresh = false>
consteval bool check_lending() {
    if constexpr (!check_wait<State>()) return false;
    else if constexpr (is_fresh) return true;
    else return check_health_of<State>();
}

}  // namespace pool::core
