// SPDX-License-Identifier: BSL-1.0
#include <vector>

#include <doctest/doctest.h>

#include <clients/nginx_load.hpp>
#include <clients/server.hpp>

// The same users as of a nginx itself, and the same answers, by HAProxy.

namespace nginx {

/// A nginx, with a HAProxy before each of its ports.
struct proxied {
    server web{};
    clients::server plain{"haproxy", web.url()};
    clients::server secret{"haproxy", web.tls_url()};

    std::vector<connection_key> keys() const { return {web.key(plain.url()), web.key(secret.url())}; }
};

TEST_CASE("nginx_proxies: by HAProxy, nothing of what a user leaves behind reaches the next one") {
    const proxied behind;
    check_misdeeds(behind.keys());
}

TEST_CASE("nginx_proxies: by HAProxy, each response is that of its own request, nobody fails, and nothing leaks") {
    const proxied behind;
    check_load("nginx by HAProxy", behind.web, behind.keys(), is_full_tier() ? 1'000'000 : 10'000);
}

}  // namespace nginx
