# SPDX-License-Identifier: BSL-1.0

# Compiles SOURCE with COMPILER and FLAGS, every warning an error, and checks what the compiler says:
#   silence  nothing
#   message  what SAYS contains, but it goes on
#   error    what SAYS contains, in its first error
cmake_minimum_required(VERSION 3.25)

set(ENV{LC_ALL} C)
execute_process(
    COMMAND
        "${COMPILER}" -std=c++20 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -fmessage-length=0 ${FLAGS} "${SOURCE}"
    RESULT_VARIABLE result
    ERROR_VARIABLE output
)
message("exit: ${result}\n${output}")

if(EXPECT STREQUAL "error")
    if(result EQUAL 0 OR NOT output MATCHES "[^\n]*error: [^\n]*")
        message(FATAL_ERROR "expected an error")
    endif()
    set(output "${CMAKE_MATCH_0}")
elseif(NOT result EQUAL 0)
    message(FATAL_ERROR "expected that it compiles")
elseif(EXPECT STREQUAL "silence" AND NOT output STREQUAL "")
    message(FATAL_ERROR "expected that the compiler says nothing")
endif()

string(FIND "${output}" "${SAYS}" at)
if(at EQUAL -1)
    message(FATAL_ERROR "expected: ${SAYS}")
endif()
