# SPDX-License-Identifier: BSL-1.0

# Compiles each of HEADERS alone with COMPILER and FLAGS. The first error has to contain SAYS, and the compiler may print 4 kB
# at most, so that the sentence is on the screen.
cmake_minimum_required(VERSION 3.25)

set(ENV{LC_ALL} C)
foreach(header IN LISTS HEADERS)
    file(WRITE "${SOURCE}" "#include <${header}>\n")
    execute_process(
        COMMAND "${COMPILER}" ${FLAGS} -fsyntax-only -fmessage-length=0 "${SOURCE}"
        RESULT_VARIABLE result
        ERROR_VARIABLE output
    )
    if(result EQUAL 0 OR NOT output MATCHES "[^\n]*error: [^\n]*")
        message(FATAL_ERROR "<${header}>: expected an error\n${output}")
    endif()
    string(FIND "${CMAKE_MATCH_0}" "pool: ${SAYS}" at)
    if(at EQUAL -1)
        message(FATAL_ERROR "<${header}>: expected in the first error: ${SAYS}\n${output}")
    endif()
    string(LENGTH "${output}" size)
    if(size GREATER 4096)
        message(FATAL_ERROR "<${header}>: the compiler prints ${size} bytes\n${output}")
    endif()
endforeach()
