// SPDX-License-Identifier: BSL-1.0
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <pool/pool.hpp>

#include <support/fake.hpp>

/// @file
/// The counterpart of odr_a.cpp.

namespace odr {

using exchanged_pool = pool::connection_pool<std::string, fake::connection, pool::manual_clock>;

std::unique_ptr<exchanged_pool> made_by_a();

void given_back_by_b(exchanged_pool::lease_type lent) { lent.give_back(); }

}  // namespace odr

TEST_CASE("odr: one file makes a pool, another uses and destroys it") {
    fake::network net;
    auto conns = odr::made_by_a();
    CHECK(conns->get("a", net.dialer()).invoke(&fake::connection::id) == 1);
    conns.reset();
    CHECK(net.closed() == std::vector{1});
}
