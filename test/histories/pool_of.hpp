// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <pool/basic_pool.hpp>

#include <histories/some_pool.hpp>

/// @file
/// The pool of one combination of policies.

namespace histories {

/// The policy with these settings, if it has bounds that are chosen at run time.
template <class Capacity>
Capacity capacity_of([[maybe_unused]] const settings& chosen) {
    if constexpr (std::is_empty_v<Capacity>) return {};
    else return {.max_idle = chosen.max_idle, .max_idle_per_key = chosen.max_idle_per_key};
}

/// Implements `some_pool`.
template <class Capacity, class Expiry, class Lock, class Conn>
class pool_of final : public some_pool {
    using pool_type = pool::basic_pool<std::string, Conn, Capacity, Expiry, Lock, clock>;
    using lease = typename pool_type::lease_type;

public:
    pool_of(const settings& chosen, const clock& now)
        : conns_{std::in_place, capacity_of<Capacity>(chosen), expiry(chosen),
              pool::pool_settings{.reuse = chosen.reuse,
                  .check_after = chosen.check_after,
                  .keep_alive_every = chosen.keep_alive_every,
                  .on_event = chosen.on_event},
              now} {}

    static idle_bounds bounds(const settings& chosen) {
        const Capacity capacity = capacity_of<Capacity>(chosen);
        idle_bounds all{capacity.max_idle(), {}};
        for (std::size_t of = 0; of != keys.size(); ++of) all.of[of] = capacity.max_idle_for(keys[of]);
        all.bounds_open = pool_type::bounds_open;
        if constexpr (pool::declares_weight_bound<Capacity>) {
            all.has_weight = true;
            all.weight = capacity.max_idle_weight();
        }
        return all;
    }
    static std::unique_ptr<some_pool> make(const settings& chosen, const clock& now) {
        return std::make_unique<pool_of>(chosen, now);
    }

    void end() override { conns_.reset(); }

    lent acquire(std::size_t of, const dial& by) override { return keep(conns_->acquire(keys[of], by)); }
    std::optional<lent> try_acquire(std::size_t of) override {
        lease got = conns_->try_acquire(keys[of]);
        if (!got) return std::nullopt;
        return keep(std::move(got));
    }
    std::optional<fake::connection> take(std::size_t of) override { return conns_->take(keys[of]); }
    void put(std::size_t of, fake::connection conn) override { conns_->put(keys[of], std::move(conn)); }
    void invoke(std::size_t of, const dial& by, const use& act) override { conns_->get(keys[of], by).invoke(act); }
    void stream(std::size_t of, const dial& by, const std::function<void()>& half_way, bool is_dropped,
        const std::function<void()>& at_end) override {
        auto rows = conns_->get(keys[of], by).open_stream([](Conn& conn) { return fake::stream{conn, 2}; });
        rows.next();
        half_way();
        if (is_dropped) return;
        rows.next();
        at_end();
    }

    pool::prewarmed prewarm(std::size_t of, std::size_t count, const dial& by) override {
        return conns_->prewarm(keys[of], count, by);
    }
    void min_idle(std::size_t of, std::size_t count, const dial& by) override { conns_->min_idle(keys[of], count, by); }

    void give_back(int id) override { find_out(id).give_back(); }
    void discard(int id) override { find_out(id).discard(); }
    fake::connection detach(int id) override { return find_out(id).detach(); }

    std::size_t expire() override {
        if constexpr (Expiry::can_expire) return conns_->expire();
        else return conns_->upkeep();
    }
    std::size_t upkeep() override { return conns_->upkeep(); }
    time_point next_expiry() const override {
        if constexpr (Expiry::can_expire) return conns_->next_expiry();
        else return time_point::max();
    }
    time_point next_upkeep() const override { return conns_->next_upkeep(); }
    std::size_t clear(std::size_t of) override { return conns_->clear(keys[of]); }
    std::size_t clear() override { return conns_->clear(); }
    std::size_t invalidate(std::size_t of) override { return conns_->invalidate(keys[of]); }
    std::size_t invalidate() override { return conns_->invalidate(); }
    void pause() override { conns_->pause(); }
    void resume() override { conns_->resume(); }
    bool is_paused() const override { return conns_->is_paused(); }
    std::size_t reconfigure(const settings& chosen) override {
        return conns_->reconfigure(capacity_of<Capacity>(chosen));
    }
    std::size_t reconfigure_expiry([[maybe_unused]] const settings& chosen) override {
        if constexpr (Expiry::can_expire) return conns_->reconfigure(expiry(chosen));
        else return 0;
    }
    std::size_t close() override { return conns_->close().size(); }
    pool::stats stats() const override { return conns_->stats(); }
    pool::key_stats stats(std::size_t of) const override { return conns_->stats(keys[of]); }

private:
    static Expiry expiry([[maybe_unused]] const settings& chosen) {
        if constexpr (std::is_same_v<Expiry, aging>)
            return aging{chosen.ttl, chosen.lifetime, pool::after_uses{chosen.max_uses}};
        else if constexpr (Expiry::can_expire) return chosen.ttl;
        else return {};
    }

    lent keep(lease got) {
        leases_.push_back(std::move(got));
        return {leases_.back()->id(), leases_.back().reused()};
    }

    lease find_out(int id) {
        const auto found =
            std::find_if(leases_.begin(), leases_.end(), [id](const lease& each) { return each->id() == id; });
        lease its = std::move(*found);
        leases_.erase(found);
        return its;
    }

    std::vector<lease> leases_;
    std::optional<pool_type> conns_;
};

/// A combination, and its name. The clock is the one that a test can set: the others keep real time.
template <class Capacity, class Expiry, class Lock, class Conn = fake::connection>
constexpr policies policies_of(const char* name) {
    using type = pool_of<Capacity, Expiry, Lock, Conn>;
    return {name, Expiry::can_expire, std::is_same_v<Expiry, aging>, pool::core::has_check<Conn>, &type::bounds,
        &type::make};
}

}  // namespace histories
