# SPDX-License-Identifier: Apache-2.0
"""A thousand SAs, or as many as one likes: put into the kernel by a gateway and by 'ip -batch', and adopted; what each takes is printed."""

import collections
import ipaddress
import os
import pathlib
import re
import sys
import time
import tomllib
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from adopt_ip_xfrm import FOLDER, Adopt, ip, run  # noqa: E402
from kernel_peer import Gateway, algorithms, espalier, lab  # noqa: E402
from tunnels import every_transform  # noqa: E402

TUNNELS = int(os.environ.get("ESPALIER_MANY_TUNNELS", "500"))  # of two SAs each
TRANSFORM = "aes128gcm16"
HERE, NETWORK = "192.0.2.1", "10.0.0.0/16"
SITE = f"""[gateway]
dataplane = "kernel"
[policy]
backends = ["kernel"]
fallback = "fail"
[site.left]
address = "{HERE}"
networks = ["{NETWORK}"]
"""
PEER = """[site.p{number}]
address = "{address}"
networks = ["{network}"]
[[tunnel]]
name = "t{number}"
sites = ["left", "p{number}"]
transform = "{transform}"
encapsulation = "none"
esn = false
replay_window = 32
keys = {{ file = "{{site}}.keys" }}
"""


def outside(number):
    return str(ipaddress.ip_address("198.18.0.0") + number)


def inside(number):
    return f"{ipaddress.ip_address('10.64.0.0') + number}/32"


def timed(work):
    """What it gives, and how many seconds it took."""
    start = time.monotonic()
    given = work()
    return given, time.monotonic() - start


class ManyInstalled(unittest.TestCase):
    def setUp(self):
        self.command = espalier()
        self.network = lab.Lab({"left": f"{HERE}/24", "right": "192.0.2.2/24"})
        self.addCleanup(self.network.__exit__)
        self.transform = every_transform(self.command)[TRANSFORM]

    def ip(self, *words):
        return self.network.run("left", "ip", *words, timeout=600).stdout

    def batch(self, lines):
        file = lab.FOLDER / "many.batch"
        file.write_text("\n".join(lines) + "\n")
        return file

    def count(self):
        """Of SAs and of policies."""
        policies = re.findall(r"(?:IN|OUT|FWD)\s+(\d+)", self.ip("xfrm", "policy", "count"))
        return int(self.ip("xfrm", "state", "count").split()[-1]), sum(map(int, policies))

    def gateway(self, tunnels):
        """From the start of the process until every SA has its place, and gives all with `status`."""
        config = lab.FOLDER / "left.toml"
        config.write_text(SITE + "".join(
            PEER.format(number=number, address=outside(number), network=inside(number), transform=TRANSFORM)
            for number in range(1, tunnels + 1)))
        for file in lab.FOLDER.glob("*.keys"):
            file.unlink()
        self.command.ask("keygen", config, "--out", lab.FOLDER, "--site", "left")
        keys = tomllib.loads((lab.FOLDER / "left.keys").read_text())["sa"]
        started, seconds = timed(lambda: Gateway(self.command, self.network, "left", config).wait_until_ready(600))
        return started, keys, seconds

    def lines(self, keys):
        """The same SAs and policies in the words of `ip -batch`."""
        for sa in keys:
            number = int(sa["tunnel"][1:])
            ends = [HERE, outside(number)]
            nets = [NETWORK, inside(number)]
            ways = ["out"]
            if sa["direction"] == "inbound":
                ends, nets, ways = ends[::-1], nets[::-1], ["in", "fwd"]
            yield (f"xfrm state add src {ends[0]} dst {ends[1]} proto esp spi {sa['spi']:#x} reqid {number} "
                   f"mode tunnel replay-window {32 if ways[0] == 'in' else 0} {algorithms(self.transform, sa)} "
                   "flag af-unspec")
            for way in ways:
                yield (f"xfrm policy add src {nets[0]} dst {nets[1]} dir {way} priority 1000 tmpl src {ends[0]} "
                       f"dst {ends[1]} proto esp reqid {number} mode tunnel")

    def test_a_gateway_installs_them_and_leaves_none(self):
        self.gateway(1)[0].stop()  # loads what is needed
        few, _, begin = self.gateway(1)
        few.stop()
        many, keys, whole = self.gateway(TUNNELS)
        self.assertEqual((len(keys), self.count()), (2 * TUNNELS, (2 * TUNNELS, 3 * TUNNELS)))
        _, stop = timed(many.stop)
        self.assertEqual(self.count(), (0, 0))
        batch = self.batch(self.lines(keys))
        _, by_ip = timed(lambda: self.ip("-batch", batch))
        self.assertEqual(self.count(), (2 * TUNNELS, 3 * TUNNELS))
        print(f"\n{len(keys)} SAs and their policies: 'ip -batch' {by_ip:.2f} s; a gateway {whole - begin:.2f} s, "
              f"{(whole - begin) / by_ip:.2f} of that, after {begin:.2f} s to begin; {stop:.2f} s to stop")


class ManyAdopted(unittest.TestCase):
    """In the namespace of the machine itself: the kernel's crypto drivers are chosen there alone."""

    def setUp(self):
        run("modprobe", "aesni_intel")
        run("ip", "link", "add", "many", "type", "dummy")
        self.addCleanup(run, "ip", "link", "delete", "many")
        self.addCleanup(ip, "xfrm state flush")
        run("ip", "address", "add", f"{HERE}/24", "dev", "many")
        run("ip", "link", "set", "many", "up")
        run("ip", "route", "add", "198.18.0.0/15", "dev", "many")

    def test_all_that_are_there(self):
        FOLDER.mkdir(exist_ok=True)
        lines = [f"xfrm state add src {ends[0]} dst {ends[1]} proto esp spi {0x10000 + 2 * number + way:#x} "
                 f"reqid {number} mode tunnel replay-window 32 aead rfc4106(gcm(aes)) 0x{number:038x}{way:02x} 128"
                 for number in range(1, TUNNELS + 1)
                 for way, ends in enumerate(((HERE, outside(number)), (outside(number), HERE)))]
        batch = FOLDER / "many.batch"
        batch.write_text("\n".join(lines) + "\n")
        run("ip", "-batch", batch)
        before = int(ip("xfrm state count").split()[-1])
        for backend in ("kernel", "pcrypt"):
            with self.subTest(backend):
                adopt, seconds = timed(lambda wanted=backend: Adopt(wanted))
                self.addCleanup(lambda: adopt.process.poll() is None and adopt.kill())
                homes = collections.Counter(sa["backend"] for sa in adopt.sas().values())
                self.assertEqual(homes, {backend: before})
                print(f"\n{before} SAs that are there: {seconds:.2f} s until {backend} has them")
                adopt.stop()
        self.assertEqual(int(ip("xfrm state count").split()[-1]), before)


if __name__ == "__main__":
    lab.run_tests()
