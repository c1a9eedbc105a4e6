# SPDX-License-Identifier: Apache-2.0
"""The two commands, as far as they can be tested without a machine of one's own: what
bootstrap.sh says and installs, and how tests are counted."""

import os
import pathlib
import subprocess
import tempfile
import textwrap
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]


def run(command, pass_fds=(), **environment):
    return subprocess.run(command, cwd=TOP, env=os.environ | environment, text=True, pass_fds=pass_fds,
                          stdin=subprocess.DEVNULL, capture_output=True, check=False)


class Bootstrap(unittest.TestCase):
    """bootstrap.sh with a PATH whose apt-get, sudo and dpkg-query only write down the call."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.calls = self.folder / "calls"
        self.calls.touch()
        self.program("apt-get", f'echo "apt-get $*" >> {self.calls}')
        self.program("sudo", 'echo "sudo: $*" >> %s; exec "$@"' % self.calls)
        self.os_release('ID=debian\nVERSION_ID="12"\n')
        self.installed(all_but=())

    def program(self, name, body):
        file = self.folder / name
        file.write_text(f"#!/bin/bash\n{body}\n")
        file.chmod(0o755)

    def os_release(self, text):
        (self.folder / "os-release").write_text(text)

    def installed(self, all_but):
        missing = "|".join(all_but) or "none"
        self.program("dpkg-query", f'case ${{@: -1}} in {missing}) exit 1;; *) echo installed;; esac')

    def shell(self, command):
        """A command in a bash that has read scripts/common.sh."""
        return run(["bash", "-euc", f"set -o pipefail; source scripts/common.sh; {command}"],
                   PATH=f"{self.folder}:{os.environ['PATH']}",
                   OS_RELEASE=str(self.folder / "os-release"))

    def test_another_distribution_is_told_in_one_line_what_it_needs(self):
        self.os_release('ID=fedora\nVERSION_ID="41"\n')
        result = run(["./bootstrap.sh", "test"], OS_RELEASE=str(self.folder / "os-release"),
                     PATH=f"{self.folder}:{os.environ['PATH']}")
        self.assertEqual(result.returncode, 1)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        for word in ("fedora 41", "Debian 12", "g++ 12", "CMake 3.25", "scripts/packages.txt"):
            self.assertIn(word, result.stderr)
        self.assertEqual(self.calls.read_text(), "", "nothing may be installed there")

    def test_a_system_without_a_name_is_told_the_same(self):
        result = run(["./bootstrap.sh", "demo"], OS_RELEASE="/dev/null",
                     PATH=f"{self.folder}:{os.environ['PATH']}")
        self.assertEqual(result.returncode, 1)
        self.assertTrue(result.stderr.startswith("espalier: this is an unknown system, and"),
                        result.stderr)

    def test_a_complete_machine_is_left_alone(self):
        result = self.shell("require_debian_12; mapfile -t p < <(package_list); install_packages ${p[@]}")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))
        self.assertEqual(self.calls.read_text(), "", "a second run needs neither apt-get nor network")

    def test_only_what_is_missing_is_installed(self):
        self.installed(all_but=("cmake", "tshark"))
        result = self.shell("mapfile -t p < <(package_list); install_packages ${p[@]}")
        self.assertEqual(result.returncode, 0, result.stderr)
        calls = [call for call in self.calls.read_text().splitlines() if "apt-get" == call.split()[0]]
        self.assertEqual(len(calls), 1, calls)
        self.assertTrue(calls[0].endswith("install --no-install-recommends cmake tshark"), calls[0])

    def test_package_lists_are_updated_only_when_installing_failed(self):
        self.installed(all_but=("cmake",))
        self.program("apt-get", f'echo "apt-get $*" >> {self.calls}\n'
                     f'[[ "$*" == *update* ]] && touch {self.folder}/updated\n'
                     f'[[ -e {self.folder}/updated ]]')
        result = self.shell("install_packages cmake")
        self.assertEqual(result.returncode, 0, result.stderr)
        verbs = [word for call in self.calls.read_text().splitlines() if call.startswith("apt-get")
                 for word in call.split() if word in ("install", "update")]
        self.assertEqual(verbs, ["install", "update", "install"])

    def test_an_ordinary_user_is_asked_for_root_for_apt_get_alone(self):
        if os.geteuid() != 0:
            self.skipTest("starts as root, so as to become an ordinary user")
        self.installed(all_but=("cmake",))
        self.folder.chmod(0o755)
        self.calls.chmod(0o666)
        command = "source scripts/common.sh; install_packages cmake"
        result = run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                      "bash", "-euc", command], PATH=f"{self.folder}:{os.environ['PATH']}")
        self.assertEqual(result.returncode, 0, result.stderr)
        calls = self.calls.read_text().splitlines()
        self.assertTrue(calls[0].startswith("sudo: env DEBIAN_FRONTEND=noninteractive apt-get"), calls)

    def test_without_root_and_sudo_it_says_what_root_must_do(self):
        if os.geteuid() != 0:
            self.skipTest("starts as root, so as to become an ordinary user")
        self.installed(all_but=("cmake",))
        self.folder.chmod(0o755)
        (self.folder / "sudo").unlink()
        for tool in ("bash", "awk", "env"):
            (self.folder / tool).symlink_to(f"/usr/bin/{tool}")
        result = run(["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                      "/bin/bash", "-euc", "source scripts/common.sh; install_packages cmake"],
                     PATH=str(self.folder))
        self.assertEqual(result.returncode, 1)
        self.assertIn("root must install these packages once: "
                      "apt-get install --no-install-recommends cmake\n", result.stderr)

    def test_who_cannot_build_there_is_told_so_in_one_sentence(self):
        if os.geteuid() != 0:
            self.skipTest("starts as root, so as to become an ordinary user")
        self.folder.chmod(0o755)
        (self.folder / "build/release").mkdir(parents=True)
        common = TOP / "scripts/common.sh"
        with open(common, "rb") as script:  # whose folders may be closed to an ordinary user
            result = run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "bash",
                          "-c", f"source /dev/fd/{script.fileno()}; cd {self.folder}; "
                          "build release all; echo went on"], pass_fds=(script.fileno(),))
        self.assertEqual((result.returncode, result.stdout), (1, ""), result.stderr)
        self.assertEqual(result.stderr, f"espalier: nobody cannot build in {self.folder}, since "
                         "build/release belongs to root: be that user, or make a clone of your own. "
                         "A demo that is built already needs no more than scripts/demo --build "
                         "build/release\n")

    def test_every_package_says_what_needs_it(self):
        for line in (TOP / "scripts/packages.txt").read_text().splitlines():
            if line and not line.startswith("#"):
                self.assertGreaterEqual(len(line.split(None, 1)), 2, line)

    def test_an_unknown_command_is_bad_usage(self):
        result = run(["./bootstrap.sh", "demonstrate"])
        self.assertEqual(result.returncode, 2)
        self.assertIn("espalier: there is no command 'demonstrate'", result.stderr)
        self.assertIn("usage: ./bootstrap.sh", result.stderr)


class Tally(unittest.TestCase):
    """scripts/tally over what ctest writes."""

    def tally(self, cases, judge_skips=False):
        with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
            file.write(f"<testsuite>{cases}</testsuite>")
            file.flush()
            return run(["scripts/tally", file.name], ESPALIER_JUDGE_SKIPS="1" if judge_skips else "0")

    PASSED = '<testcase name="a" status="run"><system-out/></testcase>'
    FAILED = '<testcase name="b" status="fail"><failure message=""/><system-out/></testcase>'
    SKIPPED = textwrap.dedent("""\
        <testcase name="c.D" status="notrun"><skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/>
        <system-out>[ RUN      ] c.D
        /x/c_test.cpp:12: Skipped
        needs a CPU
        with VAES

        [  SKIPPED ] c.D (0 ms)</system-out></testcase>""")
    NOT_RUN = '<testcase name="e" status="notrun"><skipped message="Unable to find executable"/></testcase>'

    def last(self, result):
        return result.stdout.splitlines()[-1]

    def test_the_last_line_is_the_total_alone(self):
        result = self.tally(self.PASSED)
        self.assertEqual((self.last(result), result.returncode), ("1 passed, 0 failed, 0 skipped", 0))

    def test_a_failure_fails_and_is_named(self):
        result = self.tally(self.PASSED + self.FAILED)
        self.assertEqual((self.last(result), result.returncode), ("1 passed, 1 failed, 0 skipped", 1))
        self.assertIn("FAILED   b", result.stdout)

    def test_a_skip_prints_its_reason(self):
        result = self.tally(self.PASSED + self.SKIPPED)
        self.assertEqual((self.last(result), result.returncode), ("1 passed, 0 failed, 1 skipped", 0))
        self.assertIn("skipped  c.D: needs a CPU with VAES", result.stdout)

    def test_a_skip_that_is_not_on_the_list_is_a_failure(self):
        result = self.tally(self.PASSED + self.SKIPPED, judge_skips=True)
        self.assertEqual((self.last(result), result.returncode), ("1 passed, 1 failed, 0 skipped", 1))
        self.assertIn("not on tests/allowed_skips.txt", result.stdout)

    def test_a_program_that_was_not_built_is_a_failure(self):
        result = self.tally(self.PASSED + self.NOT_RUN)
        self.assertEqual((self.last(result), result.returncode), ("1 passed, 1 failed, 0 skipped", 1))

    def test_no_tests_and_no_results_are_failures(self):
        self.assertEqual(self.tally("").returncode, 1)
        result = run(["scripts/tally", "/nonexistent/tests.xml"])
        self.assertEqual((self.last(result), result.returncode), ("0 passed, 1 failed, 0 skipped", 1))

    def test_the_list_of_allowed_skips_gives_a_reason_for_each(self):
        for line in (TOP / "tests/allowed_skips.txt").read_text().splitlines():
            if line and not line.startswith("#"):
                pattern, _, why = line.partition(": ")
                self.assertTrue(pattern and why, line)


if __name__ == "__main__":
    unittest.main()
