# The package that `find_package(portunus)` finds. It holds nothing that depends on the machine, so it lives under
# share/ and its version file does not ask for the width of a pointer.

include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(portunus_package_dir ${CMAKE_INSTALL_DATADIR}/cmake/portunus)

install(TARGETS portunus EXPORT portunus-targets FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT portunus-targets NAMESPACE portunus:: DESTINATION ${portunus_package_dir})

configure_package_config_file(
    ${CMAKE_CURRENT_LIST_DIR}/portunus-config.cmake.in ${PROJECT_BINARY_DIR}/portunus-config.cmake
    INSTALL_DESTINATION ${portunus_package_dir}
    PATH_VARS CMAKE_INSTALL_INCLUDEDIR
    NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO
)
# While the major version is 0, a new minor version may break the interface.
write_basic_package_version_file(
    ${PROJECT_BINARY_DIR}/portunus-config-version.cmake
    COMPATIBILITY SameMinorVersion
    ARCH_INDEPENDENT
)
install(
    FILES ${PROJECT_BINARY_DIR}/portunus-config.cmake ${PROJECT_BINARY_DIR}/portunus-config-version.cmake
    DESTINATION ${portunus_package_dir}
)
install(
    FILES ${CMAKE_CURRENT_LIST_DIR}/compiled.cmake
    DESTINATION ${portunus_package_dir}
    RENAME portunus-compiled.cmake
)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/licenses/portunus)
