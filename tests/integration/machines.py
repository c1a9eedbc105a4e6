# SPDX-License-Identifier: Apache-2.0
"""tests/vm/run: what it gives back, and that it leaves nothing behind."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/vm"))
import machine  # noqa: E402

RUN = TOP / "tests/vm/run"


class Machines(unittest.TestCase):
    def setUp(self):
        if why := machine.refusal():
            self.skipTest(why)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def call(self, *arguments):
        """The runner; and what it left is nothing."""
        environment = os.environ | {"TMPDIR": self.folder}
        result = subprocess.run([RUN, *arguments], text=True, capture_output=True, check=False,
                                stdin=subprocess.DEVNULL, env=environment)
        self.assertEqual(os.listdir(self.folder), [])
        for process in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = process.read_bytes()
            except OSError:  # it has ended meanwhile
                continue
            self.assertNotIn(self.folder.encode(), words, "a machine still runs")
        return result

    def test_output_and_exit_status_are_those_of_the_command(self):
        result = self.call("--command", "uname -r; echo oops >&2; touch /gone; exit 3")
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertRegex(result.stdout, r"^6\.12\.\S+-amd64\r?\noops\r?\n$")
        self.assertFalse(pathlib.Path("/gone").exists())

    def test_a_machine_that_dies_is_told_from_a_job_that_fails(self):
        result = self.call("--command", "echo c > /proc/sysrq-trigger; sleep 60")
        self.assertEqual(result.returncode, machine.DIED)
        self.assertIn("sysrq", result.stderr, "the end of the console is shown")

    def test_the_time_limit_ends_a_machine(self):
        result = self.call("--limit", "3", "--command", "sleep 600")
        self.assertEqual(result.returncode, machine.TIMED_OUT)
        self.assertIn("within 3", result.stderr)

    def test_the_cases_are_listed(self):
        listed = self.call().stdout
        for case in (TOP / "tests/vm/cases").glob("*.py"):
            self.assertRegex(listed, rf"(?m)^{case.stem} +\S")

    def test_an_unknown_case_is_refused_with_the_ones_that_there_are(self):
        result = self.call("gest")
        self.assertEqual(result.returncode, 2)
        self.assertIn("guest", result.stderr)


if __name__ == "__main__":
    unittest.main()
