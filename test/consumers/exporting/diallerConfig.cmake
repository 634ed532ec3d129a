# SPDX-License-Identifier: BSL-1.0
include(CMakeFindDependencyMacro)
find_dependency(pool 0.1)

include("${CMAKE_CURRENT_LIST_DIR}/diallerTargets.cmake")
