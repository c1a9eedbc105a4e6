# SPDX-License-Identifier: Apache-2.0
"""What `cmake --install` leaves, used the way a stranger would: by find_package() and pkg-config."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[1]
BUILD = pathlib.Path(os.environ["ESPALIER_BUILD"])
CXX = os.environ.get("CXX", "c++")
CXX_COMPILERS = [name for name in ("g++", "clang++-19") if shutil.which(name)]
STANDARD_HEADER = re.compile(r"<[a-z_]+>|<(std\w+|time|signal|sys/\w+|netinet/\w+)\.h>")


class Install(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="espalier-install-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.prefix = self.folder / "prefix"
        self.run_ok("cmake", "--install", BUILD, "--prefix", self.prefix)

    def run_ok(self, *command, **environment):
        result = subprocess.run([str(word) for word in command], cwd=self.folder, text=True,
                                env=os.environ | environment, capture_output=True, check=False)
        self.assertEqual(result.returncode, 0, f"{command}\n{result.stdout}\n{result.stderr}")
        return result.stdout

    def find(self, pattern):
        found = sorted(self.prefix.glob(pattern))
        self.assertTrue(found, f"nothing installed as {pattern}")
        return found

    def library_folder(self):
        return self.find("lib/**/libespalier.so")[0].parent

    def test_every_part_is_in_its_place(self):
        for pattern in ("include/espalier/decision.hpp", "include/espalier/abi.h",
                        "lib/**/libespalier.so.0", "lib/**/espalier/plugins/openssl.so",
                        "lib/**/espalier/plugins/aesni.so", "lib/**/espalier/plugins/fault.so",
                        *(f"lib/**/espalier/plugins/{name}.so"
                          for name in ("kernel_crypto", "padlock", "pcrypt", "quickassist")),
                        "libexec/espalier/espalier-probe",
                        "bin/espalier", "share/espalier/appliances/site-to-site.toml",
                        "share/espalier/sdk/mock/mock_backend.hpp",
                        "share/espalier/sdk/example/backend.cpp",
                        "share/espalier/sdk/example/c/backend.c",
                        "share/espalier/sdk/PORTING.md", "share/doc/espalier/LICENSE",
                        "share/doc/espalier/docs/counters.md"):
            self.find(pattern)

    def build_example(self, folder, name, *settings):
        """Copies an example out of the prefix and builds the copy against the prefix alone."""
        source = self.folder / name
        shutil.copytree(self.prefix / "share/espalier/sdk/example" / folder, source)
        build = source / "build"
        self.run_ok("cmake", "-S", source, "-B", build, "-G", "Ninja",
                    f"-DCMAKE_PREFIX_PATH={self.prefix}", *settings)
        self.run_ok("cmake", "--build", build)
        return build

    def probed(self, plugins):
        found = json.loads(self.run_ok(self.prefix / "bin/espalier", "probe", "--json", "--plugins",
                                       plugins))
        return {backend["name"]: backend for backend in found["backends"]}

    def test_the_example_needs_nothing_but_what_is_installed(self):
        for compiler in CXX_COMPILERS:
            with self.subTest(compiler):
                build = self.build_example(
                    "", compiler, f"-DCMAKE_CXX_COMPILER={compiler}",
                    "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror")
                example = self.probed(build)["example"]
                self.assertFalse(example.get("rejected"), example)
                self.assertEqual(example["devices"][0]["name"], "card0")

    def test_a_plugin_in_c_needs_no_cxx_compiler(self):
        for compiler in ("gcc", "clang-19"):
            if not shutil.which(compiler):
                continue
            with self.subTest(compiler):
                build = self.build_example(
                    "c", compiler, f"-DCMAKE_C_COMPILER={compiler}",
                    "-DCMAKE_CXX_COMPILER=/nonexistent",
                    "-DCMAKE_C_FLAGS=-pedantic -Wall -Wextra -Wconversion -Wshadow -Werror")
                commands = (build / "build.ninja").read_text()
                self.assertIn("-std=c11", commands)
                example = self.probed(build)["example-c"]
                self.assertFalse(example.get("rejected"), example)
                self.assertEqual(example["devices"][0]["name"], "cpu")

    def test_a_manifest_with_a_slip_is_refused_by_cmake(self):
        source = self.folder / "slip"
        shutil.copytree(self.prefix / "share/espalier/sdk/example/c", source)
        for manifest, words in (("name=A\nvendor=v\nversion=1\n", "name=A"),
                                ("vendor=v\nversion=1\n", "name="),
                                ("name=a\nvendor v\nversion=1\n", "vendor v")):
            (source / "manifest").write_text(manifest)
            result = subprocess.run(["cmake", "-S", source, "-B", source / "build",
                                     f"-DCMAKE_PREFIX_PATH={self.prefix}"], text=True,
                                    capture_output=True, check=False)
            self.assertNotEqual(result.returncode, 0, manifest)
            self.assertIn(words, result.stderr)

    def test_find_package_builds_a_program_a_plugin_and_tests_with_doubles(self):
        build = self.folder / "build"
        self.run_ok("cmake", "-S", HERE / "consumer", "-B", build, "-G", "Ninja",
                    f"-DCMAKE_PREFIX_PATH={self.prefix}", f"-DCMAKE_CXX_COMPILER={CXX}")
        self.run_ok("cmake", "--build", build)
        self.assertTrue((build / "abacus.so").exists())
        chosen = self.run_ok(build / "choose", build, "aes256gcm16")
        self.assertIn("espalier 0.", chosen)
        self.assertRegex(chosen, r"(?s)abacus.*beads.*chosen")
        self.assertIn("[  PASSED  ] 4 tests.", self.run_ok(build / "doubles"), "the mock kit")

    def test_the_backend_of_the_readme_builds_and_is_found(self):
        readme = (TOP / "README.md").read_text()
        cmake, = re.findall(r"^```cmake\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE)
        source, = re.findall(r"^```cpp\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE)
        plugin = self.folder / "mycard"
        plugin.mkdir()
        (plugin / "mycard.cpp").write_text(source)
        (plugin / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.25)\nproject(mycard LANGUAGES CXX)\n"
            f"find_package(espalier CONFIG REQUIRED)\n{cmake}")
        self.run_ok("cmake", "-S", plugin, "-B", plugin / "build", "-G", "Ninja",
                    f"-DCMAKE_PREFIX_PATH={self.prefix}", f"-DCMAKE_CXX_COMPILER={CXX}",
                    "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Wpedantic -Werror")
        self.run_ok("cmake", "--build", plugin / "build")
        (plugin / "build").chmod(0o755)
        found = json.loads(self.run_ok(self.prefix / "bin/espalier", "probe", "--plugins",
                                       plugin / "build", "--json"))
        mycard, = (one for one in found["backends"] if one["name"] == "mycard")
        self.assertEqual(mycard.get("rejected", ""), "")
        self.assertEqual([device["name"] for device in mycard["devices"]], ["card0"])

    def test_pkg_config_builds_the_same_program(self):
        search = str(self.library_folder() / "pkgconfig")
        flags = self.run_ok("pkg-config", "--cflags", "--libs", "espalier",
                            PKG_CONFIG_PATH=search).split()
        self.run_ok(CXX, "-std=c++23", HERE / "consumer/choose.cpp", "-o", "choose", *flags,
                    "-Wl,-rpath," + self.run_ok("pkg-config", "--variable=libdir", "espalier",
                                                PKG_CONFIG_PATH=search).strip())
        wrong = subprocess.run([self.folder / "choose", "/nonexistent", "aes257gcm16"], text=True,
                               capture_output=True, check=False)
        self.assertEqual(wrong.returncode, 1)
        self.assertIn("aes256gcm16", wrong.stderr, "the nearest known name")

    def test_public_headers_need_nothing_but_the_standard_library(self):
        for header in self.find("include/espalier/*.h*"):
            for include in re.findall(r'#include\s+([<"][^>"]+[>"])', header.read_text()):
                self.assertTrue(include.startswith("<espalier/") or STANDARD_HEADER.fullmatch(include),
                                f"{header.name} includes {include}")

    def test_each_public_header_stands_alone(self):
        for header in self.find("include/espalier/*.hpp"):
            self.run_ok(CXX, "-std=c++23", "-fsyntax-only", "-x", "c++", "-Wall", "-Wextra",
                        "-Wno-pragma-once-outside-header", f"-I{self.prefix}/include", header)

    def test_the_abi_header_is_c11_and_the_sdk_cxx17(self):
        include = f"-I{self.prefix}/include"
        self.run_ok("cc", "-std=c11", "-pedantic", "-Werror", "-fsyntax-only", "-x", "c", include,
                    self.prefix / "include/espalier/abi.h")
        self.run_ok(CXX, "-std=c++17", "-fsyntax-only", include, HERE / "consumer/abacus.cpp")

    def test_the_library_exports_nothing_but_espalier(self):
        library = self.find("lib/**/libespalier.so")[0]
        symbols = self.run_ok("nm", "-DC", "--defined-only", library).splitlines()
        foreign = [line for line in symbols if "espalier::" not in line]
        self.assertGreater(len(symbols), 20)
        self.assertEqual(foreign, [])


if __name__ == "__main__":
    unittest.main()
