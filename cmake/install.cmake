# SPDX-License-Identifier: BSL-1.0
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

# Headers only: the package is the same on every architecture.
set(package_dir "${CMAKE_INSTALL_DATADIR}/cmake/basic_pool")

write_basic_package_version_file(basic_pool-config-version.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)

install(TARGETS pool EXPORT basic_pool FILE_SET HEADERS)
install(EXPORT basic_pool NAMESPACE pool:: FILE basic_pool-targets.cmake DESTINATION "${package_dir}")
install(
    FILES cmake/basic_pool-config.cmake "${CMAKE_CURRENT_BINARY_DIR}/basic_pool-config-version.cmake"
    DESTINATION "${package_dir}"
)
