# An overlay port: it packages the tree that it stands in.
set(VCPKG_BUILD_TYPE release) # there is nothing but headers

get_filename_component(SOURCE_PATH "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

vcpkg_cmake_configure(
    SOURCE_PATH "${SOURCE_PATH}"
    OPTIONS
        -DPORTUNUS_INSTALL=ON
        -DPORTUNUS_BUILD_TESTS=OFF
        -DPORTUNUS_BUILD_EXAMPLES=OFF
        -DPORTUNUS_BUILD_BENCHMARKS=OFF
)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH share/cmake/portunus)
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
