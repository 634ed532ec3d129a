# SPDX-License-Identifier: BSL-1.0

# Checks that COMPILER refuses SNIPPET, after COMMON, with the error it expects and in few words, and accepts its corrected
# form.
cmake_minimum_required(VERSION 3.25)

file(READ "${SNIPPET}" text)
if(NOT text MATCHES "// expect: ([^\n]+)")
    message(FATAL_ERROR "${SNIPPET} has no line `// expect: ...`")
endif()
string(STRIP "${CMAKE_MATCH_1}" expected)
if(NOT text MATCHES "POOL_MISUSE_FIXED")
    message(FATAL_ERROR "${SNIPPET} has no corrected form: #ifdef POOL_MISUSE_FIXED")
endif()

# The most bytes that a compiler may say about one mistake. A snippet may have a line `// clang says at most: N` of its own,
# with the reason.
set(most 4096)
if(COMPILER_ID MATCHES "Clang" AND text MATCHES "// clang says at most: ([0-9]+)")
    set(most "${CMAKE_MATCH_1}")
endif()

set(ENV{LC_ALL} C)
set(include_options ${INCLUDES})
list(TRANSFORM include_options PREPEND -I)
set(compile "${COMPILER}" -std=c++20 -fsyntax-only -fmessage-length=0 ${include_options} -include "${COMMON}" "${SNIPPET}")

execute_process(COMMAND ${compile} -DPOOL_MISUSE_FIXED RESULT_VARIABLE result ERROR_VARIABLE output)
if(NOT result EQUAL 0)
    message(FATAL_ERROR "the corrected form does not compile:\n${output}")
endif()

execute_process(COMMAND ${compile} RESULT_VARIABLE result ERROR_VARIABLE output)
if(result EQUAL 0)
    message(FATAL_ERROR "the misuse compiles; expected: ${expected}")
endif()
if(NOT output MATCHES "[^\n]*error: [^\n]*")
    message(FATAL_ERROR "the compiler failed without an error:\n${output}")
endif()
string(FIND "${CMAKE_MATCH_0}" "${expected}" at)
if(at EQUAL -1)
    message(FATAL_ERROR "expected in the first error: ${expected}\nthe first error: ${CMAKE_MATCH_0}\n${output}")
endif()

# The directories of the project do not count: the bound holds wherever the checkout is.
cmake_path(GET SNIPPET PARENT_PATH here)
foreach(directory IN LISTS INCLUDES ITEMS "${here}")
    string(REPLACE "${directory}/" "" output "${output}")
endforeach()
string(LENGTH "${output}" bytes)
if(bytes GREATER most)
    message(FATAL_ERROR "the compiler says ${bytes} bytes, and ${most} are the most:\n${output}")
endif()
message(STATUS "bytes: ${bytes}")
