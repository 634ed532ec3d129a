// SPDX-License-Identifier: BSL-1.0
#include <pool/pool.hpp>
#include <pool/report.hpp>
