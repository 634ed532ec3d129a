# SPDX-License-Identifier: BSL-1.0

# Compiles SOURCE into PROGRAM with COMPILER, and runs it. PKG_CONFIG gives the flags for the package that is installed
# at PREFIX.
cmake_minimum_required(VERSION 3.25)

if(NOT PKG_CONFIG)
    message(FATAL_ERROR "neither pkg-config nor pkgconf was found when the tests were configured")
endif()
set(ENV{PKG_CONFIG_PATH} "${PREFIX}/share/pkgconfig")
execute_process(
    COMMAND "${PKG_CONFIG}" --modversion pool
    OUTPUT_VARIABLE found
    OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY
)
if(NOT found STREQUAL VERSION)
    message(FATAL_ERROR "pkg-config says version ${found}, not ${VERSION}")
endif()
execute_process(COMMAND "${PKG_CONFIG}" --cflags --libs pool OUTPUT_VARIABLE flags COMMAND_ERROR_IS_FATAL ANY)
separate_arguments(flags UNIX_COMMAND "${flags}")

execute_process(
    COMMAND "${COMPILER}" -std=c++20 "${SOURCE}" -o "${PROGRAM}" ${flags} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY
)
execute_process(COMMAND "${PROGRAM}" COMMAND_ERROR_IS_FATAL ANY)
