# portunus::compiled: the library compiled once, in the build that uses it and with its flags, instead of in every
# source file that includes it. Included by the library's own build and by the installed package.
#
#   portunus_add_compiled(<include directory of the library>)

function(portunus_add_compiled include_dir)
    if(TARGET portunus_compiled)
        return()
    endif()
    file(GLOB parts CONFIGURE_DEPENDS ${include_dir}/portunus/src/*.hpp)
    set(sources "")
    foreach(part IN LISTS parts)
        cmake_path(GET part STEM name)
        set(source ${CMAKE_CURRENT_BINARY_DIR}/portunus-compiled/${name}.cpp)
        file(CONFIGURE OUTPUT ${source} CONTENT "#include <portunus/src/@name@.hpp>\n" @ONLY)
        list(APPEND sources ${source})
    endforeach()
    add_library(portunus_compiled STATIC EXCLUDE_FROM_ALL ${sources})
    add_library(portunus::compiled ALIAS portunus_compiled)
    target_link_libraries(portunus_compiled PUBLIC portunus::portunus)
    # Asio's own functions are compiled along; nothing of Boost has to be there but its headers.
    target_compile_definitions(
        portunus_compiled PUBLIC PORTUNUS_SEPARATE_COMPILATION BOOST_ASIO_SEPARATE_COMPILATION
    )
endfunction()
