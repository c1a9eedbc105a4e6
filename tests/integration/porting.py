# SPDX-License-Identifier: Apache-2.0
"""sdk/PORTING.md, done to the letter by somebody who knows nothing else.

Every file that it shows is written, every command of its console blocks run, in its order, against an
installed prefix; each command's output must be what is printed under it, where '...' stands for anything.
ESPALIER_UPDATE_GOLDEN=1 writes what was seen in the place of what is printed."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ["ESPALIER_BUILD"])
GUIDE = TOP / "sdk/PORTING.md"
UPDATE = os.environ.get("ESPALIER_UPDATE_GOLDEN")

FILE = re.compile(r"`(?P<path>[\w/.]+)`[^`\n]*:\n\n```(?:cmake|text|cpp)\n(?P<text>.*?)^```$",
                  re.DOTALL | re.MULTILINE)
CONSOLE = re.compile(r"^```console\n(?P<console>.*?)^```$", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"^\$ (?P<command>.*)\n(?P<output>(?:(?!\$ ).*\n)*)", re.MULTILINE)
REQUIREMENTS = re.compile(r"(?<=comes from\.\n\n).*\Z", re.DOTALL)
# What differs from run to run, and is therefore '...' in the guide.
VARYING = re.compile(r"in \d+\.\d s|OpenSSL 3\.\S+ .*|Linux \d.*|\d+ ops were in flight when.*")


def as_pattern(printed):
    """The printed output as a regular expression."""
    return ".*".join(map(re.escape, printed.split("...")))


def table(requirements):
    rows = ["| Requirement | Why | What happens otherwise | Cases |", "| --- | --- | --- | --- |"]
    for item in requirements:
        cases = ", ".join(item["cases"])
        rows.append(f"| **{item['id']}** {item['sentence']} | {item['rationale']} | {item['broken']} "
                    f"| {cases} |")
    return "\n".join(rows) + "\n"


class Porting(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="espalier-porting-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.text = GUIDE.read_text()

    def run_command(self, command):
        prefix = self.folder / "prefix"
        environment = os.environ | {"PREFIX": str(prefix),
                                    "PATH": f"{prefix / 'bin'}:{os.environ['PATH']}"}
        done = subprocess.run(["bash", "-c", command], cwd=self.folder, env=environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300,
                              check=False)
        self.assertEqual(done.returncode, 0, f"$ {command}\n{done.stdout}")
        return done.stdout

    def write(self, path, text):
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def follow(self, console):
        """Runs the commands of a console block; returns the block as it was seen."""
        seen = ""
        for step in COMMAND.finditer(console):
            output = self.run_command(step["command"])
            seen += f"$ {step['command']}\n{VARYING.sub('...', output)}"
            if not UPDATE:
                self.assertRegex(output, re.compile(f"\\A{as_pattern(step['output'])}\\Z", re.DOTALL),
                                 f"$ {step['command']}")
        return seen

    def test_done_to_the_letter_it_gives_a_backend_that_passes(self):
        self.run_command(f"cmake --install {BUILD} --prefix $PREFIX > /dev/null")
        steps = sorted([*FILE.finditer(self.text), *CONSOLE.finditer(self.text)],
                       key=lambda step: step.start())
        self.assertGreater(len(steps), 8, "the guide's files and commands were not found")
        updated, end = "", 0
        for step in steps:
            if step.re is FILE:
                self.write(step["path"], step["text"])
                continue
            updated += self.text[end:step.start("console")] + self.follow(step["console"])
            end = step.end("console")
        if UPDATE:
            GUIDE.write_text(updated + self.text[end:])

    def test_the_requirements_are_those_that_the_command_lists(self):
        listed = json.loads(subprocess.run(
            [BUILD / "bin/espalier", "conform", "--requirements", "--json"], text=True, check=True,
            capture_output=True).stdout)["requirements"]
        if UPDATE:
            GUIDE.write_text(REQUIREMENTS.sub(lambda _: table(listed), self.text))
        printed = REQUIREMENTS.search(GUIDE.read_text())
        self.assertIsNotNone(printed, "the guide has no list of requirements")
        self.assertEqual(printed[0], table(listed),
                         "ESPALIER_UPDATE_GOLDEN=1 writes the table of sdk/PORTING.md anew")


if __name__ == "__main__":
    unittest.main()
