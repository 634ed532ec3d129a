# SPDX-License-Identifier: BSL-1.0
include(CMakeFindDependencyMacro)
find_dependency(Boost 1.74)
find_dependency(Threads)

include("${CMAKE_CURRENT_LIST_DIR}/poolTargets.cmake")

include("${CMAKE_CURRENT_LIST_DIR}/experimental_library.cmake")
if(pool_experimental_library)
    target_compile_options(pool::pool INTERFACE "${pool_experimental_library}")
endif()
