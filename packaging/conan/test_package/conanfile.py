# SPDX-License-Identifier: BSL-1.0
# Builds and runs the consumer of tests/consumers/find_package against the package:
#     conan create . --test-folder=packaging/conan/test_package --build=missing -s compiler.cppstd=20
from pathlib import Path

from conan import ConanFile
from conan.tools.build import can_run
from conan.tools.cmake import CMake, cmake_layout


class PortunusConsumer(ConanFile):
    settings = "os", "compiler", "build_type", "arch"
    generators = "CMakeDeps", "CMakeToolchain"

    def requirements(self):
        self.requires(self.tested_reference_str)

    def layout(self):
        cmake_layout(self)

    def build(self):
        cmake = CMake(self)
        cmake.configure(build_script_folder="../../../tests/consumers/find_package")
        cmake.build()

    def test(self):
        if can_run(self):
            self.run(str(Path(self.cpp.build.bindir, "consumer")), env="conanrun")
