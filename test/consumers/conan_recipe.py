# SPDX-License-Identifier: BSL-1.0
"""Checks the Conan recipe without Conan: python3 conan_recipe.py <checkout> <version>

It checks that both recipes are Python, that the recipe reads the version from CMakeLists.txt, and that the files exist
that the recipe names. It does not check what Conan does with the recipe.
"""

import os
import sys
import types

sys.dont_write_bytecode = True
checkout, version = sys.argv[1:]


class ConanFile:
    pass


def module(name, **members):
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(members)


def load(recipe, path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def unused(*arguments, **options):
    raise AssertionError("the check must not call this function")


module("conan", ConanFile=ConanFile)
module("conan.tools")
module("conan.tools.build", check_min_cppstd=unused, can_run=unused)
module("conan.tools.cmake", CMake=unused, cmake_layout=unused)
module("conan.tools.files", copy=unused, load=load)
module("conan.tools.layout", basic_layout=unused)


def recipe(path):
    defined = {}
    exec(compile(load(None, path), path, "exec"), defined)
    return next(each for each in defined.values() if isinstance(each, type) and ConanFile in each.__bases__)


package = recipe(os.path.join(checkout, "conanfile.py"))()
package.recipe_folder = checkout
package.set_version()
assert package.name == "pool" and package.version == version, package.version
for each in package.exports_sources:
    assert os.path.exists(os.path.join(checkout, each.replace("/*", ""))), each
recipe(os.path.join(checkout, package.test_package_folder, "conanfile.py"))
