# SPDX-License-Identifier: BSL-1.0

# Checks the vcpkg port in PORT_DIR without vcpkg. Its manifest must be JSON and name VERSION. Its portfile must run.
# The functions below replace those of vcpkg, and do only what the port needs. The port installs into
# CURRENT_PACKAGES_DIR.
cmake_minimum_required(VERSION 3.25)

file(READ "${PORT_DIR}/vcpkg.json" manifest)
string(JSON PORT GET "${manifest}" name)
string(JSON found GET "${manifest}" version)
if(NOT PORT STREQUAL "pool" OR NOT found STREQUAL VERSION)
    message(FATAL_ERROR "vcpkg.json is for ${PORT} ${found}, not for pool ${VERSION}")
endif()

function(must_exist path)
    if(NOT EXISTS "${path}")
        message(FATAL_ERROR "the port needs ${path}, which does not exist")
    endif()
endfunction()

function(vcpkg_cmake_configure)
    cmake_parse_arguments(PARSE_ARGV 0 arg "" "SOURCE_PATH" "OPTIONS")
    execute_process(
        COMMAND
            "${CMAKE_COMMAND}" -S "${arg_SOURCE_PATH}" -B "${CURRENT_PACKAGES_DIR}.build" ${CONFIGURE}
            "-DCMAKE_INSTALL_PREFIX=${CURRENT_PACKAGES_DIR}" ${arg_OPTIONS}
        COMMAND_ERROR_IS_FATAL ANY
    )
endfunction()

function(vcpkg_cmake_install)
    execute_process(COMMAND "${CMAKE_COMMAND}" --install "${CURRENT_PACKAGES_DIR}.build" COMMAND_ERROR_IS_FATAL ANY)
endfunction()

function(vcpkg_cmake_config_fixup)
    cmake_parse_arguments(PARSE_ARGV 0 arg "" "CONFIG_PATH" "")
    must_exist("${CURRENT_PACKAGES_DIR}/${arg_CONFIG_PATH}/${PORT}Config.cmake")
endfunction()

function(vcpkg_fixup_pkgconfig)
    must_exist("${CURRENT_PACKAGES_DIR}/share/pkgconfig/${PORT}.pc")
endfunction()

function(vcpkg_install_copyright)
    cmake_parse_arguments(PARSE_ARGV 0 arg "" "" "FILE_LIST")
    must_exist("${arg_FILE_LIST}")
endfunction()

file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}")
include("${PORT_DIR}/portfile.cmake")
must_exist("${CURRENT_PACKAGES_DIR}/include/pool/pool.hpp")
must_exist("${CURRENT_PACKAGES_DIR}/share/${PORT}/usage")
