// SPDX-License-Identifier: BSL-1.0
#include "pool.hpp"
#include "pool_asio.hpp"

#ifdef CONDITION
constexpr int expected = 1;
#else
constexpr int expected = 2;
#endif

static_assert(size(shared{}) == 8 && sometimes == expected && twice(sometimes) == 2 * expected);

int main() {}
