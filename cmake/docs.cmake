# SPDX-License-Identifier: BSL-1.0

# Makes the manual as a site, and the reference in it: `cmake -P cmake/docs.cmake`, which is the target `docs`. It is a script,
# so that nothing looks for MkDocs before it is needed.
cmake_minimum_required(VERSION 3.22)
cmake_path(GET CMAKE_CURRENT_LIST_DIR PARENT_PATH root)
set(site "${root}/build/docs/site")

find_program(mkdocs mkdocs)
set(themes "")
if(mkdocs)
    execute_process(COMMAND "${mkdocs}" build --help OUTPUT_VARIABLE themes ERROR_QUIET)
endif()
# MkDocs empties the folder of the site, so it comes first.
if(themes MATCHES "[^a-z]material[^a-z]")
    message(STATUS "The manual: ${site}")
    set(doxyfile docs/site/Doxyfile)
    execute_process(
        COMMAND "${CMAKE_COMMAND}" -E env PYTHONDONTWRITEBYTECODE=1 "${mkdocs}" build --strict
        WORKING_DIRECTORY "${root}" COMMAND_ERROR_IS_FATAL ANY
    )
else()
    message(STATUS "No manual: it needs mkdocs, and its theme from mkdocs-material. The reference has the pages, too")
    set(doxyfile Doxyfile)
endif()

message(STATUS "The reference: ${site}/reference")
file(MAKE_DIRECTORY "${site}")
execute_process(COMMAND doxygen "${doxyfile}" WORKING_DIRECTORY "${root}" COMMAND_ERROR_IS_FATAL ANY)
