# SPDX-License-Identifier: Apache-2.0
"""What people are told is true: the pages in docs/, the README's outputs, and the command lines in the
headers of the appliance files."""

import functools
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "scripts"))
from gateway import Espalier  # noqa: E402

APPLIANCES = TOP / "configs/appliances"
CONFIGURATION = TOP / "docs/configuration.md"
COUNTERS = TOP / "docs/counters.md"
REASONS = TOP / "docs/reasons.md"
README = (TOP / "README.md").read_text()
SCHEMA = json.loads((TOP / "configs/schema/espalier.schema.json").read_text())
OUTPUT = json.loads((TOP / "configs/schema/output.schema.json").read_text())
# Heading in docs/configuration.md to the schema's way to that table.
TABLES = {
    "The file": (),
    "[gateway]": ("gateway",),
    "[plugins]": ("plugins",),
    "[backend.NAME]": ("backend", "*"),
    "[policy]": ("policy",),
    "[[rule]]": ("rule", "*"),
    "match": ("rule", "*", "match"),
    "[site.NAME]": ("site", "*"),
    "tun": ("site", "*", "tun"),
    "[[tunnel]]": ("tunnel", "*"),
    "outer": ("tunnel", "*", "outer"),
    "lifetime": ("tunnel", "*", "lifetime"),
    "nat": ("tunnel", "*", "nat"),
    "dummies": ("tunnel", "*", "dummies"),
    "keys": ("tunnel", "*", "keys"),
    "static": ("tunnel", "*", "keys", "static"),
    "forward, backward": ("tunnel", "*", "keys", "static", "forward"),
    "A key": ("tunnel", "*", "keys", "static", "forward", "cipher_key"),
}


def resolved(node):
    """The node behind references and alternatives, its own description kept."""
    while True:
        parts = [part for part in node.get("allOf", []) + node.get("anyOf", [])
                 if "$ref" in part or "properties" in part]
        if "$ref" in node:
            parts = [SCHEMA["definitions"][node["$ref"].rsplit("/", 1)[1]]]
        if not parts:
            return node
        kept = {name: value for name, value in node.items() if name == "description"}
        node = parts[0] | kept


def table_at(path):
    node = SCHEMA
    for step in path:
        if step == "*":
            node = node["items"] if "items" in node else node["additionalProperties"]
        else:
            node = node["properties"][step]
        node = resolved(node)
    return node


def tables_below(node, seen=()):
    """Every table of keys in the schema, as the set of its keys."""
    node = resolved(node)
    if "properties" in node:
        yield frozenset(node["properties"])
        for child in node["properties"].values():
            yield from tables_below(child)
    for more in ("items", "additionalProperties"):
        if isinstance(node.get(more), dict):
            yield from tables_below(node[more])


def rows(text):
    """The rows of the markdown tables in a text, without their headings."""
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def sections(file):
    """Heading to the text below it."""
    parts = re.split(r"^##+ (.*)$", file.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


@functools.cache
def commands(file):
    """The command lines in the header of a file, as lists of words."""
    found = []
    for line in file.read_text().splitlines():
        if match := re.match(r"#   ((?:espalier|\./make-peers) .*?)(?:   .*)?$", line):
            found.append(shlex.split(match[1]))
    return found


class Configuration(unittest.TestCase):
    """docs/configuration.md"""

    def test_has_every_table_of_the_schema(self):
        written = {frozenset(row[0].strip("`") for row in rows(text))
                   for heading, text in sections(CONFIGURATION).items() if heading in TABLES}
        self.assertEqual(written, set(tables_below(SCHEMA)))
        self.assertEqual([heading for heading in sections(CONFIGURATION) if rows(
            sections(CONFIGURATION)[heading])], list(TABLES))

    def test_has_the_keys_of_each_table_with_their_values_and_defaults(self):
        for heading, path in TABLES.items():
            table = table_at(path)
            written = {row[0].strip("`"): row[1:] for row in rows(sections(CONFIGURATION)[heading])}
            self.assertEqual(list(written), list(table["properties"]), heading)
            for key, (value, default, sentence) in written.items():
                with self.subTest(table=heading, key=key):
                    node = resolved(table["properties"][key])
                    self.assertEqual(default == "required", key in table.get("required", ()))
                    self.assertEqual(self.default_of(table["properties"][key], key), default
                                     if default not in ("required", "none") and
                                     re.match(r'[`\d]|true|false', default) and
                                     not default.startswith("`[") else None)
                    self.assertTrue(self.names(value, node), f"{value}: {node}")
                    self.assertGreater(len(sentence), 5)

    @staticmethod
    def default_of(node, key):
        """As the schema's description says it."""
        found = re.search(r'Default ("[^"]*"|true|false|\d+)', node.get("description", ""))
        return found and (f"`{found[1]}`" if found[1].startswith('"') else found[1])

    @staticmethod
    def names(value, node):
        """Whether the words for a value are those of its schema."""
        if "const" in node:
            return value == "`true`"
        if "enum" in node:
            return value.startswith("transform") or \
                value == ", ".join(f'`"{choice}"`' for choice in node["enum"])
        if node.get("type") == "integer":
            low, high = node["minimum"], node.get("maximum")
            return value == (f"{low} to {high}" if high else f"{low} or more")
        return {"boolean": value == "true or false", "object": value.startswith("table") or
                value == "key", "array": value.startswith("list of ")}.get(
                    node.get("type"), not value.startswith(("list", "table", "true")))

    def test_its_examples_are_one_good_configuration(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "site.toml"
            file.write_text("\n".join(re.findall(r"```toml\n(.*?)```", CONFIGURATION.read_text(), re.S)))
            said = Espalier(os.environ["ESPALIER_BUILD"]).call("check", file)
        self.assertEqual(said.returncode, 0, said.stdout)
        self.assertIn("2 sites, 1 tunnel: good", said.stdout)

    def test_the_readme_leads_to_every_page(self):
        for page in (TOP / "docs").glob("*.md"):
            self.assertIn(f"(docs/{page.name})", README)


class Counters(unittest.TestCase):
    """docs/counters.md"""

    def test_has_every_drop_with_the_kernels_name(self):
        source = (TOP / "framework/src/esp/drop.cpp").read_text()
        named = re.findall(r'^    \{"(\w+)", "(\w*)"\},$', source, re.MULTILINE)
        self.assertGreater(len(named), 20, "the list is no longer where it was")
        written = rows(sections(COUNTERS)["Packets that were dropped"])
        self.assertEqual([(row[0].strip("`"), row[1].strip("`")) for row in written], named)

    def test_names_of_the_kernel_are_the_kernels(self):
        kernel = pathlib.Path("/proc/net/xfrm_stat")
        if not kernel.exists():
            self.skipTest("this kernel has no /proc/net/xfrm_stat")
        known = {line.split()[0] for line in kernel.read_text().splitlines()}
        named = {row[1].strip("`") for row in rows(sections(COUNTERS)["Packets that were dropped"])}
        self.assertLessEqual(named - {""}, known)

    def test_has_every_counter_of_the_sockets(self):
        written = [row[0].strip("`") for row in rows(sections(COUNTERS)["At the sockets"])]
        self.assertEqual(written, OUTPUT["definitions"]["wire"]["required"])


class Reasons(unittest.TestCase):
    """docs/reasons.md"""

    def setUp(self):
        source = (TOP / "framework/src/select/decision_text.cpp").read_text()
        self.codes = dict(re.findall(r'case Reason::(\w+):\s+return "([\w.]+)";', source))
        self.written = {row[0].strip("`"): row[1:] for row in rows(REASONS.read_text())}

    def test_has_every_reason_in_the_order_of_the_enum(self):
        header = (TOP / "framework/include/espalier/decision.hpp").read_text()
        named = re.findall(r"^  (\w+),", re.search(r"enum class Reason[^{]*{(.*?)};", header, re.S)[1],
                           re.MULTILINE)
        self.assertGreater(len(named), 20, "the list is no longer where it was")
        self.assertEqual(list(self.written), [self.codes[name] for name in named])

    def test_each_says_when_it_appears_and_what_to_do(self):
        for code, cells in self.written.items():
            self.assertEqual(len(cells), 2, code)
            self.assertTrue(all(cells), code)

    def test_says_of_those_alone_that_nothing_gives_that_nothing_does(self):
        select = "".join(file.read_text() for file in (TOP / "framework/src/select").glob("*.cpp")
                         if file.name != "decision_text.cpp")
        unused = {code for name, code in self.codes.items() if not re.search(rf"Reason::{name}\b", select)}
        self.assertEqual({code for code, (when, _) in self.written.items()
                          if "no backend of this version says so" in when}, unused)

    def test_the_help_of_explain_leads_there(self):
        self.assertIn("docs/reasons.md", Espalier(os.environ["ESPALIER_BUILD"]).call("explain", "--help").stdout)


class Headers(unittest.TestCase):
    """The command lines in the headers of configs/appliances."""

    def setUp(self):
        self.espalier = Espalier(os.environ["ESPALIER_BUILD"])

    def test_each_names_options_that_there_are(self):
        seen = 0
        for file in APPLIANCES.glob("*.toml"):
            for words in commands(file):
                with self.subTest(file=file.name, words=words):
                    program, verb = (words[0], words[1]) if words[0] == "espalier" else (words[0], "")
                    help_of = self.espalier.call(verb, "--help").stdout if verb else subprocess.run(
                        [APPLIANCES / "make-peers", "--help"], text=True, capture_output=True,
                        check=True).stdout
                    for option in (word for word in words if word.startswith("--")):
                        self.assertIn(f"{option} ", help_of, f"{program} {verb}")
                    for named in (word for word in words if word.endswith(".toml")):
                        self.assertTrue((APPLIANCES / named).exists() or "peers/" in named, named)
                    seen += 1
        self.assertGreater(seen, 8)

    def test_run_finds_the_keys_that_keygen_made(self):
        for file in APPLIANCES.glob("*.toml"):
            made = [words[words.index("--out") + 1] for words in commands(file) if "--out" in words]
            for words in commands(file):
                if made and words[:2] == ["espalier", "run"]:
                    self.assertIn("--keys", words, file.name)
                    self.assertEqual(words[words.index("--keys") + 1], made[0], file.name)


class Readme(unittest.TestCase):
    """Outputs that the README shows are those of the files that are here."""

    def setUp(self):
        self.espalier = Espalier(os.environ["ESPALIER_BUILD"])

    def shown(self, command):
        """What the README shows below a command, without its indentation."""
        match = re.search(rf"^    \$ {re.escape(command)}\n((?:(?:    .*)?\n)+?)(?=\S)", README, re.MULTILINE)
        self.assertIsNotNone(match, f"README.md no longer shows: {command}")
        shown = re.sub(r"^    ", "", match[1], flags=re.MULTILINE)
        return shown.split("\n$ ")[0].rstrip("\n") + "\n"

    def test_what_check_says_of_two_slips(self):
        text = (APPLIANCES / "site-to-site.toml").read_text()
        for right, wrong in (("aes256gcm16", "aes256gmc16"), ("replay_window", "replay_windw")):
            self.assertIn(right, text)
            text = text.replace(right, wrong)
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "site.toml").write_text(text)
            said = self.espalier.call("check", "site.toml", cwd=folder).stdout
        self.assertEqual(said, self.shown("espalier check site.toml"))

    def test_what_plan_says_of_the_appliance(self):
        words = ("plan", "configs/appliances/site-to-site.toml", "--site", "left")
        said = self.espalier.call(*words, cwd=TOP)
        if "aesni " not in said.stdout:
            self.skipTest("the README's machine has AES-NI")
        self.assertEqual(said.stderr + said.stdout, self.shown("espalier " + " ".join(words)))

    def test_the_tour_plans_for_the_machine_of_an_inventory(self):
        with tempfile.TemporaryDirectory() as folder:
            mine = pathlib.Path(folder) / "mine.json"
            for verb in ("probe", "plan"):
                line = re.search(rf"^    \$ espalier ({verb} .*mine\.json)", README, re.MULTILINE)[1]
                words = [str(mine) if word == mine.name else word for word in shlex.split(line)]
                said = self.espalier.call(*words, cwd=TOP)
                self.assertEqual(said.returncode, 0, said.stderr)

    def test_what_explain_and_the_demo_say_of_each_backend(self):
        words = ("plan", APPLIANCES / "site-to-site.toml", "--site", "left")
        explained = self.espalier.call(*words, "--verbose").stdout
        if "aesni cpu (" not in explained:
            self.skipTest("the README's machine has AES-NI")
        self.assertTrue(explained.startswith(self.shown("espalier explain left-right/out")), explained)
        decision = self.espalier.ask(*words)["decisions"][0]
        others = [f"{one['backend']}: {one['reason']}: {one['sentence']}"
                  for at, one in enumerate(decision["candidates"]) if at != decision["chosen"]]
        self.assertEqual(re.findall(r"^ +not (.*)$", self.shown("./bootstrap.sh demo"), re.MULTILINE),
                         4 * others)


if __name__ == "__main__":
    unittest.main()
