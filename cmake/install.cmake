# SPDX-License-Identifier: BSL-1.0
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

# The package has only headers, so it is the same on every architecture.
set(package_dir "${CMAKE_INSTALL_DATADIR}/cmake/pool")
set(pkgconfig_dir "${CMAKE_INSTALL_DATADIR}/pkgconfig")

install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/pool" TYPE INCLUDE FILES_MATCHING PATTERN "*.hpp")

install(TARGETS pool EXPORT poolTargets INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(EXPORT poolTargets NAMESPACE pool:: DESTINATION "${package_dir}")
write_basic_package_version_file(
    "${PROJECT_BINARY_DIR}/poolConfigVersion.cmake" COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT
)
install(
    FILES "${PROJECT_SOURCE_DIR}/cmake/poolConfig.cmake" "${PROJECT_SOURCE_DIR}/cmake/experimental_library.cmake"
          "${PROJECT_BINARY_DIR}/poolConfigVersion.cmake"
    DESTINATION "${package_dir}"
)

# GNUInstallDirs allows absolute directories. Such a directory does not move with the prefix.
cmake_path(ABSOLUTE_PATH pkgconfig_dir BASE_DIRECTORY "${CMAKE_INSTALL_PREFIX}" OUTPUT_VARIABLE pc_dir)
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX BASE_DIRECTORY "${pc_dir}" OUTPUT_VARIABLE pc_to_prefix)
set(pc_includedir "\${prefix}")
cmake_path(APPEND pc_includedir "${CMAKE_INSTALL_INCLUDEDIR}")
configure_file("${PROJECT_SOURCE_DIR}/cmake/pool.pc.in" "${PROJECT_BINARY_DIR}/pool.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/pool.pc" DESTINATION "${pkgconfig_dir}")
