# SPDX-License-Identifier: BSL-1.0
import re
from pathlib import Path

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.build import check_min_cppstd
from conan.tools.files import copy


class PortunusConan(ConanFile):
    name = "portunus"
    description = "Header-only C++20 coroutine networking for programs that live among devices"
    license = "BSL-1.0"
    topics = ("networking", "coroutines", "asio", "header-only")
    package_type = "header-library"
    settings = "os", "compiler", "build_type", "arch"
    exports_sources = "include/*", "LICENSE"
    no_copy_source = True
    # The headers of Boost are all that is needed; whoever needs its libraries as well says so in a profile.
    default_options = {"boost/*:header_only": True}

    def set_version(self):
        # The header is where the version is written.
        header = Path(self.recipe_folder, "include", "portunus", "version.hpp").read_text(encoding="utf-8")
        self.version = ".".join(
            re.search(rf"^#define PORTUNUS_VERSION_{part} (\d+)$", header, re.MULTILINE).group(1)
            for part in ("MAJOR", "MINOR", "PATCH")
        )

    def requirements(self):
        self.requires("boost/[>=1.81.0 <2]", transitive_headers=True)

    def validate(self):
        if self.settings.os != "Linux":
            raise ConanInvalidConfiguration("Portunus stands on Linux's sockets")
        check_min_cppstd(self, 20)

    def package_id(self):
        self.info.clear()

    def package(self):
        copy(self, "LICENSE", self.source_folder, str(Path(self.package_folder, "licenses")))
        for files in ("*.hpp", "*.ipp"):
            copy(self, files, str(Path(self.source_folder, "include")), str(Path(self.package_folder, "include")))

    def package_info(self):
        self.cpp_info.bindirs = []
        self.cpp_info.libdirs = []
        self.cpp_info.requires = ["boost::headers"]
        self.cpp_info.system_libs = ["pthread"]
        self.cpp_info.set_property("cmake_file_name", "portunus")
        self.cpp_info.set_property("cmake_target_name", "portunus::portunus")
