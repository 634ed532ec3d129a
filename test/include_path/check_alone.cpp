// SPDX-License-Identifier: BSL-1.0
#include <pool/connection_pool.hpp>
