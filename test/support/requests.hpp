// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pool/basic_pool.hpp>

/// @file
/// The wait queue of a pool, from inside. A test submits requests without a caller that blocks, and so plays any number
/// of callers in one thread.

namespace requests {

/// The state of a pool.
template <class Pool>
using state_of = pool::core::pool_access::state_of<Pool>;

/// A request of a pool; a test derives its own.
template <class Pool>
using request = typename state_of<Pool>::request;

template <class Pool>
state_of<Pool>& state(const Pool& conns) {
    return *pool::core::pool_access::state(conns);
}

/// Puts a request in the queue, also if a connection is idle: it gets that then.
template <class Pool>
void submit(Pool& conns, request<Pool>& asking, pool::key_view<typename Pool::key_type> key) {
    state(conns).submit(asking, typename state_of<Pool>::hashed{key});
}

/// The caller of a request looks at it. Its dial begins, if the result is `may_dial`.
template <class Pool>
pool::core::request_state look(Pool& conns, request<Pool>& asking) {
    return state(conns).look(asking);
}

template <class Pool>
void cancel(Pool& conns, request<Pool>& asking) {
    state(conns).cancel(asking);
}

/// The dial of a request succeeds, with what `dial(key)` returns.
template <class Pool, class Dial>
void dial_succeeded(Pool& conns, request<Pool>& dialing, const Dial& dial) {
    auto& fresh = state(conns).make_entry_for(dialing);
    fresh.construct([&] { return dial(fresh.key()); });
    state(conns).dial_succeeded(dialing, fresh);
}

/// The dial of a request fails, without a text.
template <class Pool>
void dial_failed(Pool& conns, request<Pool>& dialing) {
    state(conns).end_failed_dial(state(conns).make_entry_for(dialing), false, nullptr);
    state(conns).dial_failed(dialing, nullptr);
}

/// The connection of a request that is lent.
template <class Pool>
typename Pool::lease_type lease_of(const Pool& conns, const request<Pool>& served) {
    return {state(conns), served.lent(), pool::call_site::current()};
}

}  // namespace requests
