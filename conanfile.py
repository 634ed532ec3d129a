# SPDX-License-Identifier: BSL-1.0
"""Conan 2 recipe for a checkout: `conan create . -s compiler.cppstd=20`.

A recipe for a server would download a release in a `source()` of its own instead of exporting the checkout, and would say
where the project is, with `url` and `homepage`.
"""

import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.files import copy, load
from conan.tools.layout import basic_layout

required_conan_version = ">=2.0"


class PoolConan(ConanFile):
    name = "pool"
    description = "A keyed, policy-based connection pool for C++20"
    license = "BSL-1.0"
    topics = ("connection-pool", "header-only", "cpp20")
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    # Only headers of Boost are used, so there is no need to build its libraries.
    default_options = {"boost/*:header_only": True}
    exports_sources = "CMakeLists.txt", "LICENSE", "include/*"
    no_copy_source = True
    # One of the projects of our own tests, which find_package uses alike.
    test_package_folder = "test/consumers/find_package"

    def set_version(self):
        project = load(self, os.path.join(self.recipe_folder, "CMakeLists.txt"))
        self.version = re.search(r"^\s*VERSION (\d+\.\d+\.\d+)$", project, re.MULTILINE).group(1)

    def layout(self):
        basic_layout(self)

    def requirements(self):
        self.requires("boost/[>=1.74]", transitive_headers=True)

    def validate(self):
        check_min_cppstd(self, 20)

    def package_id(self):
        self.info.clear()

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        copy(self, "*.hpp", os.path.join(self.source_folder, "include"), os.path.join(self.package_folder, "include"))

    def package_info(self):
        self.cpp_info.bindirs = []
        self.cpp_info.libdirs = []
        self.cpp_info.requires = ["boost::headers"]
        self.cpp_info.set_property("cmake_file_name", "pool")
        self.cpp_info.set_property("cmake_target_name", "pool::pool")
        self.cpp_info.set_property("pkg_config_name", "pool")
        if self.settings.os in ("Linux", "FreeBSD"):
            self.cpp_info.system_libs = ["pthread"]
