# SPDX-License-Identifier: Apache-2.0
"""What `ctest -L law1` to `law9` run is what tests/laws.txt says, and the mutants that try these tests
still fit the source."""

import fnmatch
import json
import os
import pathlib
import subprocess
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ["ESPALIER_BUILD"])
FEWEST = 3  # tests a law


def listed():
    """The patterns of each law, read with other eyes than CMake's."""
    laws = {}
    for line in (TOP / "tests" / "laws.txt").read_text().splitlines():
        if line.startswith("law"):
            laws[line.split(":")[0]] = patterns = []
        elif line.startswith("  ") and not line.startswith("  not built: "):
            patterns.append(line.strip())
    return laws


def labelled():
    """The labels of each test, as ctest knows them."""
    told = subprocess.run(["ctest", "--test-dir", BUILD, "--show-only=json-v1"], check=True,
                          stdout=subprocess.PIPE).stdout
    return {
        test["name"]: {label for entry in test.get("properties", []) if entry["name"] == "LABELS"
                       for label in entry["value"]}
        for test in json.loads(told)["tests"]
    }


class Laws(unittest.TestCase):
    def setUp(self):
        self.tests = labelled()
        missing = [name for name in self.tests if name.endswith("_NOT_BUILT")]
        if missing:
            self.skipTest(f"not everything is built: {missing[0]}")

    def test_each_has_tests_and_each_pattern_names_one(self):
        laws = listed()
        self.assertEqual(list(laws), [f"law{n}" for n in range(1, 10)])
        for law, patterns in laws.items():
            for pattern in patterns:
                self.assertTrue(fnmatch.filter(self.tests, pattern),
                                f"{law}: {pattern} in tests/laws.txt names no test")
            names = [name for name, labels in self.tests.items() if law in labels]
            self.assertGreaterEqual(len(names), FEWEST, f"{law} has tests {names} alone")

    def test_each_test_has_the_labels_of_its_laws(self):
        for name, labels in self.tests.items():
            expected = {law for law, patterns in listed().items()
                        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)}
            self.assertEqual({label for label in labels if label.startswith("law")}, expected, name)

    def test_each_mutant_still_applies(self):
        checked = subprocess.run([TOP / "tests" / "mutants" / "run", "--check"],
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(checked.returncode, 0, checked.stdout)


if __name__ == "__main__":
    unittest.main()
