# How our own programs (tests, examples, benchmarks, fuzz targets) are compiled. Nothing in here reaches a user of the
# library: the options hang on a target of their own, which is never exported.
#
#   portunus_program(<name> [HEADER_ONLY] <source>...)
#                  a program that uses the library, with our warnings and sanitizers; the library is compiled once for
#                  all of them, unless the program asks for headers only

include_guard(GLOBAL)

add_library(portunus_warnings INTERFACE)
target_compile_options(
    portunus_warnings
    INTERFACE -Wall -Wextra -Wconversion -Wshadow -pedantic $<$<BOOL:${PORTUNUS_WARNINGS_AS_ERRORS}>:-Werror>
)

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Two warnings of g++ 12 that are wrong about code which is not ours, where it was inlined into ours.
    #
    # It cannot see which alternative of a variant is the live one and warns about the others: in variant2, the storage
    # of boost::system::result; with the sanitizers' checks in between also in std::function and std::regex (GCC bug
    # 105562). -Wuninitialized stays, and so does what clang says about the same code.
    target_compile_options(portunus_warnings INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-maybe-uninitialized>)
    # Asio's coroutine frames have an operator new and an operator delete of their own. With -O2 g++ 12 inlines the one
    # down to aligned_alloc and not the other, and then takes the pair for a mismatch. A real one does not get through:
    # AddressSanitizer looks for it at run time.
    target_compile_options(portunus_warnings INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-mismatched-new-delete>)
endif()

add_library(portunus_own INTERFACE)
# As a target of this very build the library is no system header: the warnings hold for its headers too.
target_link_libraries(portunus_own INTERFACE portunus::portunus portunus_warnings)

# What Boost has marked as going away must not be used: newer versions do not have it any more. Users decide for
# themselves.
target_compile_definitions(portunus_own INTERFACE BOOST_ASIO_NO_DEPRECATED)

# The standard library's own checks (subscripts, empty containers) wherever assertions are on.
target_compile_definitions(portunus_own INTERFACE $<$<NOT:$<CONFIG:Release,MinSizeRel>>:_GLIBCXX_ASSERTIONS>)

if(PORTUNUS_SANITIZE)
    target_compile_options(
        portunus_own INTERFACE -fsanitize=${PORTUNUS_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer
    )
    target_link_options(portunus_own INTERFACE -fsanitize=${PORTUNUS_SANITIZE})
endif()

set(CMAKE_CXX_EXTENSIONS OFF)
# Programs that want the file of compile commands (editors, clang-tidy) find it in the build tree.
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# ccache, when it is there. The sloppiness is what its manual asks for with precompiled headers: without it every file
# that uses one counts as not cacheable.
find_program(PORTUNUS_CCACHE ccache)
mark_as_advanced(PORTUNUS_CCACHE)
if(PORTUNUS_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_CXX_COMPILER_LAUNCHER
        ${CMAKE_COMMAND} -E env
        CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
        ${PORTUNUS_CCACHE}
    )
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        # ccache sees which precompiled header went in only when the preprocessor leaves a note of it.
        target_compile_options(portunus_own INTERFACE -fpch-preprocess)
    elseif(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
        # Otherwise clang refuses a cached precompiled header for the time that is written in it.
        target_compile_options(portunus_own INTERFACE "SHELL:-Xclang -fno-pch-timestamp")
    endif()
endif()

# The system's own Python, not a version manager's shim that happens to be first on the PATH.
if(NOT Python3_EXECUTABLE AND EXISTS /usr/bin/python3)
    set(Python3_EXECUTABLE /usr/bin/python3)
endif()

# The compiled form of the library in this build tree, with what our programs are compiled with. The precompiled header
# is for whoever has no other.
target_link_libraries(portunus_compiled PRIVATE portunus_own)
set_target_properties(portunus_compiled PROPERTIES CXX_EXTENSIONS OFF)
target_precompile_headers(portunus_compiled PRIVATE ${PROJECT_SOURCE_DIR}/tests/support/precompiled_asio.hpp)

function(portunus_program name)
    cmake_parse_arguments(PARSE_ARGV 1 program "HEADER_ONLY" "" "")
    add_executable(${name} ${program_UNPARSED_ARGUMENTS})
    target_link_libraries(${name} PRIVATE portunus_own)
    if(NOT program_HEADER_ONLY)
        target_link_libraries(${name} PRIVATE portunus::compiled)
    endif()
endfunction()
