// SPDX-License-Identifier: BSL-1.0
#include <pool/testing/failing_allocation.hpp>

// In each test program, allocations can fail.
