# SPDX-License-Identifier: BSL-1.0
"""Checks the Conan recipe without Conan: python3 conan_recipe.py <checkout> <version>

Both recipes are Python, the version is read from CMakeLists.txt as it should be, and the files that the recipe names are
there. What Conan makes of it is not checked.
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
    raise AssertionError("this check runs nothing that needs it")


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
