# SPDX-License-Identifier: Apache-2.0
"""SAs in the table of a network card, which has room for 33: the kernel's simulated one."""

import json
import pathlib
import re
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from kernel_peer import espalier  # noqa: E402

NEEDS_MODULE = "netdevsim"  # see tests/vm/run
ROOM = 33  # of netdevsim, for both directions
FOLDER = pathlib.Path("/run/nic-offload")
OFFICE = "192.0.2.1"


def run(*words, check=True):
    return subprocess.run([str(word) for word in words], text=True, capture_output=True, check=check)


def ip(words):
    return run("ip", *words.split()).stdout


class Card:
    """A netdevsim with one port, which has an address."""

    def __init__(self, number, address):
        self.number = number
        pathlib.Path("/sys/bus/netdevsim/new_device").write_text(f"{number} 1")
        folder = pathlib.Path(f"/sys/bus/netdevsim/devices/netdevsim{number}/net")
        deadline = time.monotonic() + 20
        while not (folder.exists() and list(folder.iterdir())) and time.monotonic() < deadline:
            time.sleep(0.1)
        self.interface = next(folder.iterdir()).name
        ip(f"address add {address} dev {self.interface}")
        ip(f"link set {self.interface} up")

    def table(self):
        """What the hardware says that it holds."""
        file = f"/sys/kernel/debug/netdevsim/netdevsim{self.number}/ports/0/ipsec"
        return int(re.search(r"SA count=(\d+)", pathlib.Path(file).read_text())[1])

    def remove(self):
        pathlib.Path("/sys/bus/netdevsim/del_device").write_text(str(self.number))


def tunnel(number, transform="aes128gcm16", esn=False):
    return f"""
[site.branch{number}]
address = "192.0.2.{100 + number}"
networks = ["10.{number}.0.0/16"]

[[tunnel]]
name = "t{number}"
sites = ["office", "branch{number}"]
transform = "{transform}"
encapsulation = "none"
esn = {str(esn).lower()}
replay_window = 32
keys = {{ file = "{{site}}.keys" }}
"""


class Gateway:
    """`espalier run` of the office."""

    def __init__(self, tunnels, policy='backends = ["nic_offload"]\nfallback = "software"',
                 site=""):
        self.command = espalier()
        config = FOLDER / "office.toml"
        config.write_text(f"""[gateway]
site = "office"
dataplane = "kernel"
[policy]
{policy}
[site.office]
address = "{OFFICE}"
networks = ["10.200.0.0/16"]
{site}
{"".join(tunnels)}""")
        for file in FOLDER.glob("*.keys"):
            file.unlink()
        self.command.ask("keygen", config, "--out", FOLDER)
        self.socket = FOLDER / "office.sock"
        self.log = FOLDER / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                self.command.command("run", config, "--keys", FOLDER, "--state", FOLDER / "state",
                                     "--socket", self.socket), stdout=log, stderr=log)
        deadline = time.monotonic() + 120
        while "runs in the kernel" not in self.log.read_text():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"it did not start: {self.log.read_text()}")
            time.sleep(0.2)

    def ask(self, *words):
        return self.command.ask(*words, "--socket", self.socket)

    def sas(self):
        return {sa["name"]: sa for sa in self.ask("status")["sas"]}

    def reason(self, sa, backend="nic_offload"):
        """Why that backend does not hold it."""
        found = [other for other in self.sas()[sa]["others"] if other["backend"] == backend]
        return found[0]["reason"], found[0]["sentence"]

    def add(self, name, spi):
        """What IKE would do: an SA of a tunnel, with fresh keys."""
        request = {"sa": {"name": name, "spi": spi},
                   "keys": {"cipher": f"{spi:032x}", "salt": f"{spi:08x}"}}
        file = FOLDER / "request.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(request))
        return self.ask("sa", "add", file)

    def stop(self):
        self.process.terminate()
        self.process.wait(60)
        if self.process.returncode != 0:
            raise AssertionError(self.log.read_text())


class NicOffload(unittest.TestCase):
    def setUp(self):
        run("modprobe", "-a", "psample", "ptp_mock", "netdevsim", "esp4_offload")
        run("mount", "-t", "debugfs", "debugfs", "/sys/kernel/debug", check=False)
        FOLDER.mkdir(mode=0o700, exist_ok=True)
        self.card = Card(1, f"{OFFICE}/24")
        self.addCleanup(self.card.remove)

    def start(self, *arguments, **named):
        gateway = Gateway(*arguments, **named)
        self.addCleanup(lambda: gateway.process.poll() is None and gateway.process.kill())
        return gateway

    def held(self, gateway):
        return sorted(name for name, sa in gateway.sas().items() if sa["backend"] == "nic_offload")

    def test_a_full_table_sends_the_rest_elsewhere_and_says_so(self):
        foreign = "xfrm state add src 198.51.100.1 dst 198.51.100.2 proto esp spi 0x77 mode tunnel " \
                  "enc cbc(aes) 0x00112233445566778899aabbccddeeff auth hmac(sha1) 0x0011223344"
        ip(foreign)
        gateway = self.start([tunnel(number) for number in range(1, 21)])
        sas = gateway.sas()
        self.assertEqual(len(sas), 40)
        held = self.held(gateway)
        self.assertEqual((len(held), self.card.table()), (ROOM, ROOM))
        for name, sa in sas.items():
            if name in held:
                self.assertEqual(sa["device"], self.card.interface)
                continue
            self.assertEqual((sa["backend"], sa["device"]), ("kernel", "software"))
            self.assertEqual(gateway.reason(name), ("capacity.sas", "its pool table is full: 33 of 33 SAs"))
        # The kernel's own words, beside the hardware's.
        kernel = ip("xfrm state list proto esp")
        self.assertEqual(kernel.count("src "), 2 * 41)  # with the line of its selector
        self.assertEqual(kernel.count(f"dev {self.card.interface}"), ROOM)
        policies = ip("xfrm policy list")
        self.assertEqual([policies.count(f"dir {way} ") for way in ("out", "in", "fwd")], [20, 20, 20])

        gateway.ask("sa", "delete", held[0])
        self.assertEqual(self.card.table(), ROOM - 1)
        gateway.add(held[0], 0x5000)
        self.assertEqual(gateway.sas()[held[0]]["backend"], "nic_offload")
        self.assertEqual(self.card.table(), ROOM)

        gateway.stop()
        self.assertEqual(self.card.table(), 0)
        self.assertEqual(ip("xfrm policy list"), "")
        left = ip("xfrm state list proto esp")
        self.assertEqual((left.count("src "), "spi 0x00000077" in left), (2, True))
        ip("xfrm state delete src 198.51.100.1 dst 198.51.100.2 proto esp spi 0x77")

    def test_a_table_that_others_have_filled_refuses_in_the_kernels_words(self):
        for number in range(ROOM):
            run("ip", "xfrm", "state", "add", "src", OFFICE, "dst", "192.0.2.99", "proto", "esp",
                "spi", 0x9000 + number, "mode", "tunnel", "aead", "rfc4106(gcm(aes))",
                "0x" + f"{number:040x}", 128, "offload", "dev", self.card.interface, "dir", "out")
        self.assertEqual(self.card.table(), ROOM)
        gateway = self.start([tunnel(1)])
        for name in ("t1/in", "t1/out"):
            self.assertEqual(gateway.sas()[name]["backend"], "kernel")
            reason, sentence = gateway.reason(name)
            self.assertEqual(reason, "capacity.sas")
            self.assertIn("No space for SA in", sentence)
        gateway.stop()
        ip("xfrm state flush")

    def test_what_the_card_cannot_is_known_before_it_is_asked(self):
        gateway = self.start([tunnel(1, "3des-sha1"), tunnel(2, esn=True), tunnel(3)])
        self.assertEqual(self.held(gateway), ["t3/in", "t3/out"])
        self.assertEqual(gateway.reason("t1/out")[0], "unsupported.transform")
        self.assertEqual(gateway.reason("t2/in")[0], "unsupported.esn")
        gateway.stop()

    def test_a_card_that_the_packets_do_not_pass_takes_none(self):
        other = Card(2, "203.0.113.1/24")
        self.addCleanup(other.remove)
        ip(f"route add 192.0.2.102/32 dev {other.interface} src {OFFICE}")
        gateway = self.start([tunnel(1), tunnel(2)])
        where = {name: sa["device"] for name, sa in gateway.sas().items()}
        self.assertEqual(where, {"t1/in": self.card.interface, "t1/out": self.card.interface,
                                 "t2/in": other.interface, "t2/out": other.interface})
        self.assertEqual((self.card.table(), other.table()), (2, 2))
        self.assertEqual({o["reason"] for o in gateway.sas()["t1/out"]["others"]
                          if o["device"] == other.interface}, {"device.not_on_path"})
        gateway.stop()

    def test_an_interface_that_is_named_and_not_on_the_path_is_told(self):
        for named, how in (("lo", "which is not on the path"), ("eth9", "which is not there")):
            gateway = self.start([tunnel(1), tunnel(2)], site=f'interface = "{named}"')
            warning = f"names the interface {named}, {how}; packets to 192.0.2.101 leave by " \
                      f"{self.card.interface} "
            self.assertEqual(gateway.log.read_text().count(warning), 1, gateway.log.read_text())
            self.assertEqual(gateway.log.read_text().count("names the interface"), 1, "told once")
            self.assertEqual(len(self.held(gateway)), 4, "they are where the packets go")
            gateway.stop()

    def test_what_an_interface_loses_as_it_goes_down_is_told(self):
        gateway = self.start([tunnel(1)])
        ip(f"link set {self.card.interface} down")
        deadline = time.monotonic() + 30
        while any(sa["backend"] != "none" for sa in gateway.sas().values()):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.5)
        # Nothing leaves in the clear meanwhile.
        self.assertIn("dir out", ip("xfrm policy list"))
        self.assertIn("has SA 't1/out' no more", gateway.log.read_text())
        gateway.stop()
        self.assertEqual(ip("xfrm policy list"), "")


if __name__ == "__main__":
    unittest.main()
