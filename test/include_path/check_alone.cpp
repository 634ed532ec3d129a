// SPDX-License-Identifier: BSL-1.0
#include <pool/core/include_path.hpp>
