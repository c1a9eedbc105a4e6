# SPDX-License-Identifier: Apache-2.0
"""The system calls of running gateways, seen by strace: input and output, in batches, and nothing
else while packets flow; sleep while none do."""

import collections
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "scripts"))
import lab  # noqa: E402
from gateway import Espalier, Gateway  # noqa: E402

CONFIG = TOP / "configs/appliances/site-to-site.toml"
TARGET = "10.2.0.1"
CARRYING = {"read", "write", "readv", "writev", "recvmmsg", "sendmmsg"}
WAITING = {"poll", "ppoll", "epoll_wait", "restart_syscall"}
MARKING = {"setsockopt"}  # DF is set on a socket, when it changes


def calls(trace):
    """How often each system call stands in an strace of one thread."""
    return collections.Counter(re.findall(r"^(?:\[pid +\d+\] )?(\w+)\(", trace, re.MULTILINE))


class Calls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # The laboratory's own processes by their numbers there.
        subprocess.run(["mount", "-t", "proc", "proc", "/proc"], check=True)

    def setUp(self):
        self.network = lab.Lab({"left": "192.0.2.1/24", "right": "192.0.2.2/24"})
        self.addCleanup(self.network.__exit__)
        espalier = Espalier(os.environ["ESPALIER_BUILD"])
        espalier.make_keys(CONFIG)
        self.gateways = [Gateway(espalier, self.network, site, CONFIG).wait_until_ready()
                         for site in lab.SITES]

    @staticmethod
    def worker(gateway):
        """The thread that carries packets: the only one beside the first."""
        def threads():
            return sorted(int(task.name)
                          for task in pathlib.Path(f"/proc/{gateway.process.pid}/task").iterdir())
        lab.wait_until(lambda: len(threads()) == 2, 5, "there was no worker")
        return threads()[1]

    def trace(self, thread):
        """strace of one thread until the process that this gives is ended."""
        file = lab.FOLDER / f"{thread}.strace"
        process = self.network.start("left", "strace", "-qq", "-p", thread, "-o", file,
                                     log=lab.FOLDER / "strace.log")
        lab.wait_until(lambda: process.poll() is not None or self.traced(thread), 5,
                       "strace did not attach")
        if process.poll() is not None:
            self.skipTest("strace is not allowed here: "
                          + (lab.FOLDER / "strace.log").read_text().strip())
        return process, file

    @staticmethod
    def traced(thread):
        status = pathlib.Path(f"/proc/{thread}/status").read_text()
        return "TracerPid:\t0\n" not in status

    def packets(self, gateway):
        return sum(sa["packets"] for sa in gateway.sas())

    def bulk(self, *amount):
        server = self.network.start("right", "iperf3", "-s", "-1", "-B", TARGET)
        lab.wait_until(lambda: ":5201" in self.network.run("right", "ss", "-Hltn").stdout, 5,
                       "iperf3 did not listen")
        self.network.run("left", "iperf3", "-c", TARGET, *amount)
        lab.stop(server)

    def test_under_load_there_is_input_and_output_alone_in_batches(self):
        for gateway in self.gateways:
            process, file = self.trace(self.worker(gateway))
            before = self.packets(gateway)
            self.bulk("-n", "100M")
            moved = 2 * (self.packets(gateway) - before)  # each came in and went out
            process.send_signal(signal.SIGINT)
            process.wait(10)
            made = calls(file.read_text())
            self.assertLessEqual(set(made), CARRYING | WAITING | MARKING, made)
            carrying = sum(made[name] for name in CARRYING)
            self.assertGreater(moved, 100_000, "100 MB are as many packets both ways")
            print(f"{gateway.site}: {moved} packets in {carrying} calls, "
                  f"{moved / carrying:.1f} a call; {dict(made)}")
            self.assertGreater(moved / carrying, 4, made)  # 1.5 is what a gateway must have

    def test_an_idle_worker_sleeps(self):
        """In one call, which does not end: the kernel wakes it."""
        gateway = self.gateways[0]
        thread = self.worker(gateway)
        before = self.packets(gateway)
        time.sleep(1)  # of nothing
        process, file = self.trace(thread)
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        process.wait(10)
        self.assertEqual(self.packets(gateway), before)
        made = calls(file.read_text())
        self.assertLessEqual(sum(made.values()), 1, made)


if __name__ == "__main__":
    lab.run_tests()
