// SPDX-License-Identifier: BSL-1.0
#include <memory>
#include <string>

#include <doctest/doctest.h>

#include <pool/pool.hpp>

#include <support/fake.hpp>

/// @file
/// This file and odr_b.cpp include the whole library and exchange a pool. So the test shows that they link, and that
/// both mean the same types.

namespace odr {

using exchanged_pool = pool::connection_pool<std::string, fake::connection, pool::manual_clock>;

std::unique_ptr<exchanged_pool> made_by_a() {
    return std::make_unique<exchanged_pool>(pool::connection_pool_options{.key_capacity = 1});
}

void given_back_by_b(exchanged_pool::lease_type lent);

}  // namespace odr

TEST_CASE("odr: one file lends a connection, another gives it back") {
    fake::network net;
    odr::exchanged_pool conns;
    odr::given_back_by_b(conns.acquire("a", net.dialer()));
    CHECK(conns.stats("a").idle == 1);
}
