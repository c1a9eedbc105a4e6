# SPDX-License-Identifier: Apache-2.0
"""The plugin ABI as compilers lay it out, against what was promised when its version was stepped.

tests/data/abi/MAJOR.MINOR.txt is a dump of all that sdk/include/espalier/abi.h and extensions.h define: each member of
each struct, each enumerator, each macro. It is made from the debug information of a compiler, so that
nothing can be left out. ESPALIER_UPDATE_GOLDEN=1 writes the file of a version that has none yet; one
that is there is a promise, and is never written again. MAJOR.MINOR.exports.txt is what a plugin that is
made with espalier_add_plugin() defines for others, in C and C++, by each compiler.
"""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = SOURCE / "sdk/include"
HEADER = INCLUDE / "espalier/abi.h"
HEADERS = [HEADER, INCLUDE / "espalier/extensions.h"]
GOLDEN = SOURCE / "tests/data/abi"
LAYOUT = SOURCE / "tests/unit/sdk/abi_layout.h"
COMPILERS = [name for name in ("gcc", "clang-19") if shutil.which(name)]


def run(*command, text=None):
    return subprocess.run([str(word) for word in command], input=text, text=True, check=True,
                          capture_output=True).stdout


class DebugInfo:
    """The entries of `readelf --debug-dump=info`, by offset."""

    def __init__(self, compiler, folder):
        unit = folder / f"{compiler}.o"
        run(compiler, "-std=c11", "-gdwarf-4", "-O0", "-fno-eliminate-unused-debug-types",
            *(["-fstandalone-debug"] if compiler.startswith("clang") else []), f"-I{INCLUDE}", "-c",
            "-x", "c", "-", "-o", unit, text="#include <espalier/extensions.h>\n")
        self.entries, path = {}, []
        for line in run("readelf", "--wide", "--debug-dump=info", unit).splitlines():
            if head := re.match(r" <(\w+)><(\w+)>: Abbrev Number: \d+ \(DW_TAG_(\w+)\)", line):
                entry = {"tag": head[3], "children": []}
                self.entries[int(head[2], 16)] = entry
                del path[int(head[1], 16):]
                if path:
                    path[-1]["children"].append(entry)
                path.append(entry)
            elif value := re.match(r"    <\w+>   DW_AT_(\w+)\s*: (.*)", line):
                # Before the value itself stands its form: (data1), (strp) (offset: 0x8fd):
                entry[value[1]] = re.sub(r"^(\([^)]*\):? *)+", "", value[2]).strip()

    def of(self, tag):
        return [entry for entry in self.entries.values() if entry["tag"] == tag]

    def to(self, entry):
        reference = entry.get("type")
        return self.entries[int(re.search(r"<(\w+)>", reference)[1], 16)] if reference else None

    def name(self, entry):
        """A type as in C, short: what it points to, and for functions what they take and give."""
        if entry is None:
            return "void"
        tag, target = entry["tag"], self.to(entry)
        if tag == "pointer_type":
            if target is not None and target["tag"] == "subroutine_type":
                taken = [self.name(self.to(each)) for each in target["children"]
                         if each["tag"] == "formal_parameter"]
                return f"{self.name(self.to(target))} (*)({', '.join(taken)})"
            return self.name(target) + "*"
        if tag == "const_type":
            return "const " + self.name(target) if "*" not in self.name(target) \
                else self.name(target) + " const"
        if tag == "array_type":
            return f"{self.name(target)}[{self.count(entry)}]"
        return entry["name"]

    @staticmethod
    def count(array):
        bound = array["children"][0]
        return int(bound["count"], 0) if "count" in bound else int(bound["upper_bound"], 0) + 1

    def size(self, entry):
        while "byte_size" not in entry:
            if entry["tag"] == "array_type":
                return self.size(self.to(entry)) * self.count(entry)
            if entry["tag"] == "pointer_type":
                return 8
            entry = self.to(entry)
        return int(entry["byte_size"], 0)


def alignments(compiler, folder, names):
    """Of types, as the compiler says: debug information leaves them out."""
    lines = "".join(f'  printf("%zu\\n", _Alignof({name}));\n' for name in names)
    run(compiler, "-std=c11", f"-I{INCLUDE}", "-x", "c", "-", "-o", folder / "alignments",
        text=f"#include <espalier/extensions.h>\n#include <stdio.h>\nint main(void) {{\n{lines}}}\n")
    return dict(zip(names, run(folder / "alignments").split(), strict=True))


def macros(compiler):
    defined = run(compiler, "-std=c11", "-dM", "-E", f"-I{INCLUDE}", "-x", "c", HEADERS[-1])
    return sorted(line.removeprefix("#define ") for line in defined.splitlines()
                  if re.match(r"#define ESPALIER_(?!\w+_H\b)", line))


def dump(compiler, folder):
    info = DebugInfo(compiler, folder)
    structs = {entry["name"]: entry for entry in info.of("structure_type")
               if entry.get("name", "").startswith("espalier_")}
    align = alignments(compiler, folder, list(structs))
    lines = []
    for name, entry in structs.items():
        lines.append(f"struct {name} size {info.size(entry)} align {align[name]}")
        for member in entry["children"]:
            kind = info.to(member)
            lines.append(f"  {member['data_member_location']} {info.size(kind)} {member['name']}: "
                         f"{info.name(kind)}")
    for entry in info.of("enumerator"):
        lines.append(f"enum {entry['name']} = {int(entry['const_value'], 0)}")
    for entry in info.of("typedef"):
        if entry["name"].startswith("espalier_") and entry["name"] not in structs:
            lines.append(f"type {entry['name']} = {info.name(info.to(entry))}")
    return lines + [f"macro {line}" for line in macros(compiler)]


def without_comments():
    text = "".join(header.read_text() for header in HEADERS)
    return re.sub(r"/\*.*?\*/", "", text, flags=re.S)


def members_by_reading():
    """Struct and member names, found in the text of the header."""
    found = []
    for name, body in re.findall(r"typedef struct (\w+) \{(.*?)\} \w+;", without_comments(), re.S):
        for declaration in filter(None, (part.strip() for part in body.split(";"))):
            if pointer := re.search(r"\(\*(\w+)\)\s*\(", declaration):
                found.append((name, pointer[1]))
                continue
            for part in declaration.split(","):
                found.append((name, re.search(r"(\w+)\s*(\[\w+\])?$", part.strip())[1]))
    return found


def members_of(lines):
    found, struct = [], ""
    for line in lines:
        if line.startswith("struct "):
            struct = line.split()[1]
        elif line.startswith("  "):
            found.append((struct, line.split()[2].rstrip(":")))
    return found


def named(lines):
    """What a dump promises, by name: "espalier_pool.kind", "struct espalier_pool", "enum ESPALIER_OK"."""
    found, struct = {}, ""
    for line in lines:
        if line.startswith("  "):
            offset, size, rest = line.split(maxsplit=2)
            member, kind = rest.split(": ", 1)
            found[f"{struct}.{member}"] = (int(offset), int(size), kind)
        elif line.startswith("struct "):
            struct, size, align = re.match(r"struct (\w+) size (\d+) align (\d+)", line).groups()
            found[f"struct {struct}"] = (int(size), int(align))
        elif line.startswith(("enum ", "type ")):
            name, value = line.split(" = ", 1)
            found[name] = value
    return found


FROZEN = "espalier_op"


def broken_by(earlier, later):
    """What of an earlier dump a later one of the same major breaks: a sentence each."""
    before, now, words = named(earlier), named(later), []
    for name, was in before.items():
        if name not in now:
            words.append(f"{name} is not there any more")
        elif name.startswith("struct ") and name != f"struct {FROZEN}":
            if now[name][0] < was[0] or now[name][1] != was[1]:
                words.append(f"{name} was (size, alignment) {was} and is {now[name]}")
        elif now[name] != was:
            words.append(f"{name} was {was} and is {now[name]}")
    for name, what in now.items():
        struct = name.split(".")[0]
        old = before.get(f"struct {struct}")
        if "." in name and name not in before and old and (what[0] < old[0] or struct == FROZEN):
            words.append(f"{name} is not appended to its struct: it is at {what[0]} of {old[0]}")
    return words


def version():
    text = HEADER.read_text()
    return tuple(int(re.search(rf"ESPALIER_ABI_{part} (\d+)u", text)[1]) for part in ("MAJOR", "MINOR"))


def golden(major, minor, what=""):
    return GOLDEN / f"{major}.{minor}{what}.txt"


PROJECT = """cmake_minimum_required(VERSION 3.25)
project(abi LANGUAGES C CXX)
add_library(sdk INTERFACE)
add_library(espalier::sdk ALIAS sdk)
target_include_directories(sdk INTERFACE {sdk}/include)
include({cmake}/EspalierPlugin.cmake)
espalier_add_plugin(in_c SOURCES plugin.c MANIFEST manifest)
espalier_add_plugin(in_cxx SOURCES plugin.cpp MANIFEST manifest)
"""
PLUGIN = """#include <espalier/abi.h>
#ifdef __cplusplus
#include <espalier/plugin.hpp>
struct Mine : espalier::sdk::Backend {
  Mine(const espalier_host*, std::string_view) {}
  espalier::sdk::Result<std::vector<espalier_device_info>> enumerate() override;
  espalier::sdk::Result<std::vector<espalier_capability>> caps(uint64_t) override;
};
espalier::sdk::Result<std::vector<espalier_device_info>> Mine::enumerate() { return std::vector<espalier_device_info>(); }
espalier::sdk::Result<std::vector<espalier_capability>> Mine::caps(uint64_t) { return std::vector<espalier_capability>(); }
ESPALIER_PLUGIN_ENTRY(Mine)
#else
static espalier_status negotiate(const espalier_host *host, const char *options,
                                 const espalier_backend **backend, espalier_message *message) {
  (void)host, (void)options, (void)backend, (void)message;
  return ESPALIER_UNSUPPORTED;
}
__attribute__((visibility("default"))) const espalier_plugin_entry espalier_plugin = {
    ESPALIER_ABI_MAGIC, ESPALIER_ABI_MAJOR, ESPALIER_ABI_MINOR, negotiate};
#endif
__attribute__((visibility("default"))) int espalier_second = 1;
#ifdef __cplusplus
extern "C"
#endif
__attribute__((visibility("default"))) int helper(void) { return 2; }
"""


def exports(folder, compilers, cmake=SOURCE / "sdk/cmake"):
    """What plugins that try to export more than they should define for others, by name."""
    folder.mkdir()
    (folder / "CMakeLists.txt").write_text(PROJECT.format(sdk=SOURCE / "sdk", cmake=cmake))
    (folder / "manifest").write_text("name=mine\nvendor=V\nversion=1\ncpu=\n")
    (folder / "plugin.c").write_text(PLUGIN)
    (folder / "plugin.cpp").write_text(PLUGIN)
    run("cmake", "-G", "Ninja", "-S", folder, "-B", folder / "build",
        *(f"-DCMAKE_{language}_COMPILER={name}" for language, name in zip(("C", "CXX"), compilers)))
    run("cmake", "--build", folder / "build")
    found = {}
    for plugin in ("in_c", "in_cxx"):
        symbols = run("readelf", "--wide", "--dyn-syms", folder / f"build/{plugin}.so").splitlines()
        rows = [line.split() for line in symbols if re.match(r" *\d+: ", line)]
        found[plugin] = sorted(f"{row[3].lower()} {row[7]} size {row[2]}" for row in rows
                               if len(row) > 7 and row[6] != "UND" and row[4] != "LOCAL")
    return found


class Abi(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        if not COMPILERS:
            self.skipTest("no C compiler on this machine")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="espalier-abi-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def test_it_is_what_was_promised_with_its_version(self):
        major, minor = version()
        lines = dump(COMPILERS[0], self.folder)
        file = golden(major, minor)
        if not file.exists() and os.environ.get("ESPALIER_UPDATE_GOLDEN"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("\n".join(lines) + "\n")
        self.assertTrue(file.exists(), f"plugin ABI {major}.{minor} has no dump yet: look at the change,"
                        f" then let ESPALIER_UPDATE_GOLDEN=1 write {file.relative_to(SOURCE)}")
        self.assertEqual(file.read_text().splitlines(), lines, f"sdk/include/espalier/abi.h has changed "
                         f"and still calls itself {major}.{minor}: plugins that were built before would "
                         "be misread. Append members only and step ESPALIER_ABI_MINOR, or step "
                         "ESPALIER_ABI_MAJOR")

    def test_a_plugin_exports_what_was_promised_with_the_version(self):
        file = golden(*version(), ".exports")
        told = (f"what espalier_add_plugin() lets a plugin export is not {file.relative_to(SOURCE)}: step the "
                "ABI's version, or keep to it (sdk/cmake/plugin.map)")
        pairs = [pair for pair in (("gcc", "g++"), ("clang-19", "clang++-19")) if shutil.which(pair[1])]
        self.assertTrue(pairs)
        for pair in pairs:
            found = exports(self.folder / pair[0], pair)
            if not file.exists() and os.environ.get("ESPALIER_UPDATE_GOLDEN"):
                file.write_text("\n".join(found["in_c"]) + "\n")
            for plugin, symbols in found.items():
                self.assertEqual(file.read_text().splitlines(), symbols, f"{pair} {plugin}: {told}")

    def test_a_change_of_what_plugins_export_is_noticed(self):
        promised = golden(*version(), ".exports").read_text().splitlines()
        for name, old, new in (("more", "global: espalier_plugin;", "global: espalier_plugin; helper;"),
                               ("less", "global: espalier_plugin;", "global: helper;")):
            cmake = self.folder / f"cmake-{name}"
            shutil.copytree(SOURCE / "sdk/cmake", cmake)
            script = cmake / "plugin.map"
            self.assertIn(old, script.read_text())
            script.write_text(script.read_text().replace(old, new))
            for plugin, symbols in exports(self.folder / name, ("gcc", "g++"), cmake).items():
                self.assertNotEqual(promised, symbols, (name, plugin))

    def test_all_compilers_agree(self):
        dumps = [dump(compiler, self.folder) for compiler in COMPILERS]
        for other in dumps[1:]:
            self.assertEqual(sorted(dumps[0]), sorted(other))

    def test_a_minor_only_appends(self):
        major, minor = version()
        later = dump(COMPILERS[0], self.folder)
        for earlier in range(minor):
            promised = golden(major, earlier).read_text().splitlines()
            self.assertEqual(broken_by(promised, later), [], f"promised with {major}.{earlier}")

    def test_what_a_minor_must_not_do_is_told(self):
        """With changes to the dump of today, since no minor has been stepped so far."""
        today = dump(COMPILERS[0], self.folder)

        def changed(*edits):
            text = "\n".join(today)
            for old, new in edits:
                self.assertIn(old, text)
                text = text.replace(old, new, 1)
            return broken_by(today, text.splitlines())

        pool, name = "struct espalier_pool size 64 align 8", "  32 32 name: char[32]\nstruct espalier_health"
        capacity, health = "  16 8 capacity: uint64_t\n", "struct espalier_health size 136 align 4\n"
        self.assertEqual(broken_by(today, today), [])
        self.assertEqual(changed((pool, pool.replace("64", "72")),
                                 (name, name.replace("\n", "\n  64 4 kept: uint32_t\n"))), [],
                         "appending is what a minor may do")
        for told, edits in {
                "espalier_pool.name is not there": [(name, "struct espalier_health")],
                "espalier_pool.name was": [(name, name.replace("32", "40", 1))],
                "espalier_pool.use was": [("  12 4 use: uint32_t", "  12 4 use: int32_t")],
                "espalier_pool.capacity is not there": [(capacity, ""), (health, health + capacity)],
                "espalier_pool.new is not appended": [(name, "  28 4 new: uint32_t\n" + name)],
                "struct espalier_pool was": [(pool, pool.replace("64", "56"))],
                "struct espalier_op was": [("struct espalier_op size 64", "struct espalier_op size 128")],
                "ESPALIER_LOST was": [("enum ESPALIER_LOST = 4", "enum ESPALIER_LOST = 7")],
                "espalier_status was": [("type espalier_status = int32_t", "type espalier_status = int64_t")],
        }.items():
            found = changed(*edits)
            self.assertTrue([words for words in found if told in words], (told, found))

    def test_nothing_of_the_header_is_left_out(self):
        lines = dump(COMPILERS[0], self.folder)
        read = members_by_reading()
        self.assertGreater(len(read), 100, "the header was not understood")
        self.assertEqual(sorted(read), sorted(members_of(lines)))
        text = "\n".join(lines)
        for name in set(re.findall(r"\b(?:espalier|ESPALIER)_\w+", without_comments())):
            if name not in ("ESPALIER_ABI_H", "ESPALIER_EXTENSIONS_H"):
                self.assertRegex(text, rf"\b{name}\b")

    def test_every_compiler_is_asked_for_every_member(self):
        """abi_layout.h is what compilers other than these, and C++, are held to."""
        asserted = set(re.findall(r"AT\((\w+), (\w+), \d+\)", LAYOUT.read_text()))
        for struct, member in members_of(dump(COMPILERS[0], self.folder)):
            if member not in ("struct_size", "reserved"):
                self.assertTrue((struct, member) in asserted,
                                f"{struct}.{member} is not in tests/unit/sdk/abi_layout.h")


if __name__ == "__main__":
    unittest.main()
