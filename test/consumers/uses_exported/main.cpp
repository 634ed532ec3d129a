// SPDX-License-Identifier: BSL-1.0
#include <dialler.hpp>

int main() {
    dialler::connections connections{{.capacity = 4}};
    { const auto first = connections.acquire("peer", dialler::dial); }
    const auto second = connections.acquire("peer", dialler::dial);
    return second.reused() ? 0 : 1;
}
