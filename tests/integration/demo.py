# SPDX-License-Identifier: Apache-2.0
"""scripts/demo itself: it passes, two of it run side by side, it ends at once when told to, and it
notices what it is there to notice."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "scripts"))
import lab  # noqa: E402

COMMAND = [str(TOP / "scripts/demo"), "--quick", "--build", os.environ["ESPALIER_BUILD"]]
CONFIG = TOP / "configs/appliances/site-to-site.toml"


def start(*arguments):
    return subprocess.Popen([*COMMAND, *arguments], text=True, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


class Demo(unittest.TestCase):
    def setUp(self):
        if why := lab.refusal():
            self.skipTest(why)

    def passes(self, demo):
        output, errors = demo.communicate(timeout=120)
        self.assertEqual((demo.returncode, errors), (0, ""), output)
        return output

    def test_two_of_it_run_side_by_side_and_both_show_the_table(self):
        for output in map(self.passes, [start(), start()]):
            for line in (r"ping over IPv4, left to 10\.2\.0\.1: 10 of 10 answered",
                         r"ping over IPv6, left to fd00:2::1: 10 of 10 answered",
                         r"tshark, given the keys, reads the ESP on the wire: .*\d+ icmp.*\d+ tcp",
                         r"TCP over IPv4, left to right, 1 s: \d+\.\d\d Gbit/s",
                         r"TCP over IPv6, left to right, 1 s: \d+\.\d\d Gbit/s",
                         r"nothing else but ARP and neighbour discovery crossed the wire",
                         r"left +left-right/out +aes256gcm16 +(aesni|openssl), \S+ +\d+ +\d+\.\d\d",
                         r"right +left-right/in +aes256gcm16 +(aesni|openssl), \S+ +\d+ +\d+\.\d\d",
                         r"not quickassist: device\.absent: "):
                self.assertTrue(re.search(line, output), f"no '{line}' in:\n{output}")

    def test_told_to_end_it_takes_everything_along(self):
        before = subprocess.run(["ip", "-o", "link"], capture_output=True, check=True).stdout
        demo = start()
        demo.stdout.readline()  # it has begun
        demo.send_signal(signal.SIGTERM)
        demo.communicate(timeout=10)
        self.assertNotEqual(demo.returncode, 0)
        deadline = time.monotonic() + 5
        while self.processes_of(demo) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual(self.processes_of(demo), [])
        after = subprocess.run(["ip", "-o", "link"], capture_output=True, check=True).stdout
        self.assertEqual(after, before)
        self.assertFalse(pathlib.Path("/run/netns/left").exists())

    @staticmethod
    def processes_of(demo):
        """What still runs in the demo's session of namespaces: found by its environment."""
        mark, found = f"{lab.OWNER}={demo.pid}".encode(), []
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append((process / "cmdline").read_text())
            except OSError:
                pass
        return found

    def test_without_a_backend_it_fails_with_the_gateways_sentence(self):
        with tempfile.TemporaryDirectory() as folder:
            config = pathlib.Path(folder) / "site.toml"
            text = CONFIG.read_text().replace('"quickassist", "aesni"', '"quickassist"')
            config.write_text(text.replace('fallback = "next"', 'fallback = "fail"'))
            demo = start("--config", str(config))
            errors = demo.communicate(timeout=60)[1]
        self.assertEqual(demo.returncode, 1)
        self.assertIn("No backend is left for SA 'left-right/out'", errors)


if __name__ == "__main__":
    unittest.main()
