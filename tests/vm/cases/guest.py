# SPDX-License-Identifier: Apache-2.0
"""The guest itself: its kernel, its modules, and that it changes nothing on the host."""

import os
import pathlib
import subprocess
import unittest


class Guest(unittest.TestCase):
    def test_the_kernel_is_debians_6_12(self):
        self.assertRegex(os.uname().release, r"^6\.12\.\d+\+deb12-amd64$")

    def test_the_kernel_loads_modules_by_itself(self):
        subprocess.run(["ip", "xfrm", "state"], check=True)
        self.assertIn("xfrm_user ", pathlib.Path("/proc/modules").read_text())
        self.assertTrue(pathlib.Path("/proc/net/xfrm_stat").exists())

    def test_the_hosts_root_can_be_written_in_memory_alone(self):
        types = {line.split()[1]: line.split()[2:4]
                 for line in pathlib.Path("/proc/mounts").read_text().splitlines()}
        self.assertEqual(types["/"][0], "overlay")
        file = pathlib.Path("/etc/written-by-the-guest")
        file.write_text("here")
        self.assertEqual(file.read_text(), "here")

    def test_the_build_under_test_runs_and_finds_its_plugins(self):
        result = subprocess.run(["/espalier/bin/espalier", "probe"], text=True, capture_output=True,
                                check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("openssl", result.stdout)
        self.assertNotIn("rejected", result.stdout)


if __name__ == "__main__":
    unittest.main()
