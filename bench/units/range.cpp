// SPDX-License-Identifier: BSL-1.0
// What inspect.hpp and report.hpp take of range-v3.
#include <range/v3/range/concepts.hpp>
#include <range/v3/range/primitives.hpp>
#include <range/v3/view/filter.hpp>
#include <range/v3/view/interface.hpp>
#include <range/v3/view/take.hpp>
#include <range/v3/view/view.hpp>
