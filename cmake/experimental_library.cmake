# SPDX-License-Identifier: BSL-1.0

# libc++ before 20 has std::stop_token and std::jthread only with a flag. Sets `pool_experimental_library` to that flag, or to
# nothing where it is not needed or does not help. It looks at CMAKE_CXX_FLAGS: a -stdlib=libc++ that is set elsewhere, such as
# by target_compile_options, is not seen, and the headers then say what is missing.
#
# The installed package has this file, too, because its users have compilers of their own.
function(pool_find_experimental_library)
    set(pool_experimental_library "" PARENT_SCOPE)
    if(NOT CMAKE_CXX_COMPILER_ID MATCHES Clang OR CMAKE_CXX_COMPILER_FRONTEND_VARIANT STREQUAL "MSVC")
        return()
    endif()

    set(directory "${CMAKE_CURRENT_BINARY_DIR}/CMakeFiles/pool_experimental_library")
    file(
        WRITE "${directory}/stop_token.cpp"
        [[
#include <version>
#if defined(_LIBCPP_VERSION) && !defined(__cpp_lib_jthread)
#error
#endif
]]
    )
    # Compiled, not linked: the library of the flag is not needed, and not everywhere there.
    set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
    foreach(flag "" -fexperimental-library)
        # Each time it is asked again: a compiler's flags may have changed.
        try_compile(
            pool_stop_token_is_there "${directory}" "${directory}/stop_token.cpp"
            COMPILE_DEFINITIONS ${flag}
            CXX_STANDARD 20
            CXX_STANDARD_REQUIRED ON
        )
        if(pool_stop_token_is_there)
            set(pool_experimental_library "${flag}" PARENT_SCOPE)
            return()
        endif()
    endforeach()
endfunction()
pool_find_experimental_library()
