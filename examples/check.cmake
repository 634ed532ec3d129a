# SPDX-License-Identifier: BSL-1.0

# Runs the command after `--` and checks how it ends:
#   succeeds  exit code 0, and something on the standard output, which matches PRINTS if that is given, and is the
#             text of the file OUTPUT if that is given
#   json      likewise, and the standard output is one JSON object
#   usage     exit code 2, nothing on the standard output and one line on the standard error
#   survives  it ends by itself, well or not, and says something
cmake_minimum_required(VERSION 3.25)

set(command)
set(found FALSE)
math(EXPR last "${CMAKE_ARGC} - 1")
foreach(i RANGE ${last})
    if(found)
        list(APPEND command "${CMAKE_ARGV${i}}")
    elseif("${CMAKE_ARGV${i}}" STREQUAL "--")
        set(found TRUE)
    endif()
endforeach()

execute_process(COMMAND ${command} RESULT_VARIABLE result OUTPUT_VARIABLE out ERROR_VARIABLE err)
set(report "exit: ${result}\nstandard output:\n${out}\nstandard error:\n${err}")
message("${report}")

if(CHECK STREQUAL "succeeds" OR CHECK STREQUAL "json")
    if(NOT result EQUAL 0 OR out STREQUAL "")
        message(FATAL_ERROR "expected an exit code of 0 and some output")
    endif()
endif()
if(NOT out MATCHES "${PRINTS}")
    message(FATAL_ERROR "expected on the standard output: ${PRINTS}")
endif()
if(OUTPUT)
    file(READ "${OUTPUT}" expected)
    if(NOT out STREQUAL expected)
        message(FATAL_ERROR "expected on the standard output, as ${OUTPUT} has it:\n${expected}")
    endif()
endif()
if(CHECK STREQUAL "json")
    string(JSON type ERROR_VARIABLE error TYPE "${out}")
    if(NOT type STREQUAL "OBJECT")
        message(FATAL_ERROR "expected a JSON object: ${error}")
    endif()
elseif(CHECK STREQUAL "usage")
    if(NOT result EQUAL 2 OR NOT out STREQUAL "" OR NOT err MATCHES "^[^\n]+\n$")
        message(FATAL_ERROR "expected an exit code of 2 and one line on the standard error")
    endif()
elseif(CHECK STREQUAL "survives")
    # After a signal, `result` is its description.
    if(NOT result MATCHES "^[0-9]+$" OR "${out}${err}" STREQUAL "")
        message(FATAL_ERROR "expected it to end by itself, with some output")
    endif()
endif()
