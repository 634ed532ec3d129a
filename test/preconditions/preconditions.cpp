// SPDX-License-Identifier: BSL-1.0
#ifdef NDEBUG
#undef NDEBUG  // the assertions are what this is about
#endif

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include <pool/basic_pool.hpp>
#include <pool/sharded_pool.hpp>

// Breaks the precondition that its argument names. The assertion has to stop it, with a sentence, which the test reads.

namespace {

/// A lock that says that nobody holds it, as if the pool had forgotten it.
struct forgotten_lock : std::mutex {};

}  // namespace

template <>
struct pool::lock_traits<forgotten_lock> {
    static bool held(const forgotten_lock&) noexcept { return false; }
};

namespace {

struct connection {
    void close() noexcept { is_closed = true; }
    bool closed() const noexcept { return is_closed; }
    bool unblocked() const noexcept { return true; }
    bool is_closed = false;
};

connection dial(const std::string&) { return {}; }

using idle_pool = pool::basic_pool<std::string, connection>;
using open_pool = pool::basic_pool<std::string, connection, pool::bounded_open>;

template <class Use>
void use_an_empty_lease(const Use& use) {
    idle_pool::lease_type empty;
    empty.give_back();  // as is allowed
    empty.discard();
    use(empty);
}

void dereference() {
    use_an_empty_lease([](auto& lease) { (*lease).close(); });
}
void use_a_member() {
    use_an_empty_lease([](auto& lease) { lease->close(); });
}
void ask_for_the_key() {
    use_an_empty_lease([](auto& lease) { std::puts(lease.key().c_str()); });
}
void ask_whether_reused() {
    use_an_empty_lease([](auto& lease) { std::puts(lease.reused() ? "yes" : "no"); });
}
void detach() {
    use_an_empty_lease([](auto& lease) { lease.detach(); });
}
void use_a_lease_given_back() {
    idle_pool conns;
    auto lease = conns.acquire("a", dial);
    lease.give_back();
    lease->close();
}
void use_a_lease_moved_from() {
    idle_pool conns;
    auto lease = conns.acquire("a", dial);
    const auto kept = std::move(lease);
    lease->close();
}

void call_through_a_lazy_connection_moved_from() {
    idle_pool conns;
    auto lazy = conns.get("a", dial);
    auto kept = std::move(lazy);
    lazy.invoke([](connection&) {});
}
void stream_through_a_lazy_connection_moved_from() {
    struct stream {
        bool done() noexcept { return true; }
    };
    idle_pool conns;
    auto lazy = conns.get("a", dial);
    auto kept = std::move(lazy);
    (void)lazy.open_stream([](connection&) { return stream{}; });
}

void destroy_a_request_that_waits() {
    open_pool conns{{.max_open = 1}};
    const auto lent = conns.acquire("a", dial);
    auto& state = *pool::core::pool_access::state(conns);
    using state_type = pool::core::pool_access::state_of<open_pool>;
    const std::string key = "b";
    pool::core::blocking_request<state_type> waits{{}, state_type::clock_time_point::max()};
    state.submit(waits, state_type::hashed{key});
}

void use_the_store_without_its_lock() {
    pool::basic_pool<std::string, connection, pool::unlimited, pool::never, forgotten_lock> conns;
    conns.put("a", connection{});
}
void use_a_shard_without_its_lock() {
    pool::sharded_pool<2, std::string, connection, pool::unlimited, pool::never, forgotten_lock> conns;
    (void)conns.stats();
}

struct precondition {
    std::string_view name;
    void (*broken)();
};
constexpr std::array preconditions{
    precondition{"dereference", dereference},
    precondition{"use_a_member", use_a_member},
    precondition{"ask_for_the_key", ask_for_the_key},
    precondition{"ask_whether_reused", ask_whether_reused},
    precondition{"detach", detach},
    precondition{"use_a_lease_given_back", use_a_lease_given_back},
    precondition{"use_a_lease_moved_from", use_a_lease_moved_from},
    precondition{"call_through_a_lazy_connection_moved_from", call_through_a_lazy_connection_moved_from},
    precondition{"stream_through_a_lazy_connection_moved_from", stream_through_a_lazy_connection_moved_from},
    precondition{"destroy_a_request_that_waits", destroy_a_request_that_waits},
    precondition{"use_the_store_without_its_lock", use_the_store_without_its_lock},
    precondition{"use_a_shard_without_its_lock", use_a_shard_without_its_lock},
};

/// The assertion has said its sentence. A test that is killed by a signal would count as failed.
extern "C" void aborted(int) { std::_Exit(EXIT_SUCCESS); }

}  // namespace

int main(int count, char** arguments) {
    std::signal(SIGABRT, aborted);
    for (const auto& [name, broken] : preconditions) {
        if (count != 2 || name != arguments[1]) continue;
        broken();
        std::puts("nothing stopped it");
        return EXIT_FAILURE;
    }
    std::puts("no such precondition");
    return EXIT_FAILURE;
}
