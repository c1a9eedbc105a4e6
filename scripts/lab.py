# SPDX-License-Identifier: Apache-2.0
"""A laboratory for gateways: network namespaces 'left' and 'right', joined by a veth pair.

All of it lives in namespaces of its own (network, mounts, processes; for an ordinary user also
users) with a fresh tmpfs on /run. When the first process in there ends, however it ends, the kernel
removes the rest: nothing stays behind, and any number of laboratories run side by side."""

import contextlib
import ctypes
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest

SITES = ("left", "right")
INSIDE = "ESPALIER_LAB"
OWNER = "ESPALIER_LAB_OWNER"  # in the environment of all that runs inside: who made the laboratory
FOLDER = pathlib.Path("/run/espalier-lab")  # on the laboratory's own tmpfs: keys never meet a disk
PR_SET_PDEATHSIG = 1


class LabError(Exception):
    """What a person should be told, in one sentence."""


class Closing:
    """What has a close() to be called at the end of a `with`, or when it cannot be set up."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @contextlib.contextmanager
    def closed_on_failure(self):
        try:
            yield
        except BaseException:
            self.close()
            raise


def refusal():
    """Why this user cannot have a laboratory on this machine, or None."""
    if os.geteuid() != 0:
        if subprocess.run(["unshare", "-Urnm", "true"], capture_output=True, check=False).returncode:
            return ("this machine does not allow unprivileged user namespaces, which network "
                    "namespaces without root need: run it as root")
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "/dev/net/tun is missing or not open to this user: load the module tun, or run as root"
    return None


def enter():
    """Runs this program again inside a laboratory, and exits with its exit code; inside, returns."""
    if os.environ.pop(INSIDE, None) and os.getpid() == 1:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"], check=True)
        pathlib.Path("/run/netns").mkdir()
        FOLDER.mkdir(mode=0o700)
        return
    if why := refusal():
        raise LabError(why)
    users = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    unshare = ["unshare", *users, "--net", "--mount", "--pid", "--fork", "--kill-child",
               sys.executable, *sys.orig_argv[1:]]
    environment = os.environ | {INSIDE: "yes", OWNER: str(os.getpid())}
    with subprocess.Popen(unshare, env=environment, preexec_fn=die_with_parent) as lab:
        # unshare itself ignores these; killed, it takes everything inside along.
        signal.signal(signal.SIGTERM, lambda *_: lab.kill())
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # inside hears Ctrl-C too, and ends by itself
        sys.exit(lab.wait() & 0xff)


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def run_tests():
    """unittest.main() inside a laboratory; exits with 77, which ctest takes as a skip, where there
    can be none."""
    if os.environ.get(INSIDE) is None and (why := refusal()):
        print(f"SKIP: {why}")
        sys.exit(77)
    enter()
    unittest.main()


class Lab:
    """The two namespaces. Use as a context: at its end every process started here is stopped."""

    def __init__(self, addresses):
        """`addresses`: site to its outer address with prefix length."""
        self.processes = contextlib.ExitStack()
        for site in SITES:
            ip("netns", "add", site)
        ip("-n", "left", "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", "right")
        for site in SITES:
            # No address of its own and no offload: what is on the wire is what was sent.
            self.run(site, "sysctl", "-qw", "net.ipv6.conf.wire.accept_dad=0",
                     "net.ipv6.conf.wire.router_solicitations=0", "net.ipv6.conf.wire.addr_gen_mode=1")
            self.run(site, "ethtool", "-K", "wire", "tx-udp-segmentation", "off", "gso", "off",
                     "tso", "off", "gro", "off")
            nodad = ["nodad"] if ":" in addresses[site] else []
            ip("-n", site, "address", "add", addresses[site], "dev", "wire", *nodad)
            ip("-n", site, "link", "set", "lo", "up")
            ip("-n", site, "link", "set", "wire", "up")
        for site in SITES:  # the kernel says so a moment later
            wait_until(lambda: " UP " in self.run(site, "ip", "-br", "link", "show", "wire").stdout, 5,
                       f"the wire of {site} did not come up")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.processes.close()
        for site in SITES:
            ip("netns", "delete", site)
        for entry in FOLDER.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    @staticmethod
    def within(site, *command):
        return ["nsenter", f"--net=/run/netns/{site}", *map(str, command)]

    def run(self, site, *command, check=True, timeout=60):
        result = subprocess.run(self.within(site, *command), text=True, capture_output=True,
                                stdin=subprocess.DEVNULL, check=False, timeout=timeout)
        if check and result.returncode:
            raise LabError(f"{' '.join(map(str, command))} in {site} failed: "
                           f"{(result.stderr or result.stdout).strip()}")
        return result

    def start(self, site, *command, log="/dev/null"):
        """A process in the background, stopped with SIGTERM at the end at the latest."""
        with open(log, "w", encoding="utf-8") as output:
            process = subprocess.Popen(self.within(site, *command), stdin=subprocess.DEVNULL,
                                       stdout=output, stderr=subprocess.STDOUT)
        self.processes.callback(stop, process)
        return process

    def capture(self, site, file, expression="", packets=None):
        """dumpcap on the wire, running when this returns; see captured()."""
        limit = ["-c", packets] if packets else []
        process = subprocess.Popen(
            self.within(site, "dumpcap", "-q", "-i", "wire", "-f", expression, "-w", file, *limit),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.processes.callback(stop, process)
        said = ""
        for line in process.stderr:
            said += line
            if line.startswith("File:"):
                return process
        raise LabError(f"dumpcap in {site} did not start: {said.strip()}")

    @staticmethod
    def captured(process):
        """Ends a capture; gives the number of packets that it saw."""
        time.sleep(0.5)  # the kernel hands packets over in blocks, about every 0.1 s
        stop(process)
        with process.stderr as said:
            counted = re.search(r"Packets captured: (\d+)", said.read())
        if not counted:
            raise LabError("dumpcap did not say how many packets it captured")
        return int(counted[1])


def ip(*arguments):
    result = subprocess.run(["ip", *arguments], text=True, capture_output=True, check=False)
    if result.returncode:
        raise LabError(f"ip {' '.join(arguments)} failed: {result.stderr.strip()}")


def stop(process, limit=10):
    """SIGTERM, and SIGKILL for what does not listen. Gives the exit code."""
    if process.poll() is None:
        process.terminate()
    try:
        return process.wait(limit)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def wait_until(condition, limit, what):
    deadline = time.monotonic() + limit
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise LabError(f"{what} within {limit} s")
        time.sleep(0.05)
    return answer
