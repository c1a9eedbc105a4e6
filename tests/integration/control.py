# SPDX-License-Identifier: Apache-2.0
"""What an IKE program would do: SAs added, rekeyed and deleted over the control socket of two running
gateways, under traffic. And what is left after a gateway was killed."""

import json
import os
import pathlib
import re
import signal
import sys
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "scripts"))
import lab  # noqa: E402
from gateway import Espalier, Gateway  # noqa: E402

CONFIG = """\
[site.left]
address = "192.0.2.1"
networks = ["10.1.0.0/24"]
tun = { name = "esp0", addresses = ["10.1.0.1/24"] }

[site.right]
address = "192.0.2.2"
networks = ["10.2.0.0/24"]
tun = { name = "esp0", addresses = ["10.2.0.1/24"] }

[[tunnel]]
name = "peer"
sites = ["left", "right"]
transform = "aes256gcm16"
keys = { socket = true }
"""
OUTER = {"left": "192.0.2.1:4500", "right": "192.0.2.2:4500"}
INNER = {"left": "10.1.0.0/24", "right": "10.2.0.0/24"}
OTHER = {"left": "right", "right": "left"}


def sa_file(site, direction, spi):
    """The request for one SA. Keys follow from the SPI, so that both ends have the same."""
    sender = site if direction == "outbound" else OTHER[site]
    request = {
        "sa": {"name": direction, "direction": direction, "spi": spi, "transform": "aes256gcm16",
               "local": OUTER[site], "peer": OUTER[OTHER[site]],
               "selectors": [{"source": INNER[sender], "destination": INNER[OTHER[sender]]}]},
        "keys": {"cipher": f"{spi:064x}", "salt": f"{spi:08x}"},
    }
    file = lab.FOLDER / f"{site}-{direction}-{spi}.json"
    file.write_text(json.dumps(request))
    file.chmod(0o600)
    return file


class Control(unittest.TestCase):
    def setUp(self):
        self.network = lab.Lab({"left": "192.0.2.1/24", "right": "192.0.2.2/24"})
        self.addCleanup(self.network.__exit__)
        self.espalier = Espalier(os.environ["ESPALIER_BUILD"])
        self.config = lab.FOLDER / "site.toml"
        self.config.write_text(CONFIG)
        self.gateways = {site: self.start(site) for site in lab.SITES}

    def start(self, site):
        gateway = Gateway(self.espalier, self.network, site, self.config)
        lab.wait_until(lambda: gateway.process.poll() is not None or self.status(gateway) is not None,
                       20, f"{site} did not answer")
        self.assertIsNone(gateway.process.poll(), gateway.log())
        return gateway

    @staticmethod
    def status(gateway):
        try:
            return gateway.status()
        except lab.LabError:
            return None

    def add_all(self, spi):
        for site, gateway in self.gateways.items():
            outbound = site == "left"
            for direction in ("outbound", "inbound"):
                number = spi if outbound == (direction == "outbound") else spi + 1
                gateway.ask("sa", "add", sa_file(site, direction, number))

    def ping(self, count=5):
        result = self.network.run("left", "ping", "-i", "0.02", "-c", count, "-W", "1", "10.2.0.1",
                                  check=False)
        received = re.search(r"(\d+) received", result.stdout)
        return int(received.group(1)) if received else 0  # none at all: there is no route

    def sas(self, site):
        return {sa["name"]: sa for sa in self.gateways[site].sas()}

    def test_sas_come_and_go(self):
        self.assertEqual(self.ping(2), 0, "there is no SA yet")
        self.add_all(0x1000)
        self.assertEqual(self.ping(), 5)
        self.assertEqual(sorted(self.sas("left")), ["inbound", "outbound"])
        self.gateways["left"].ask("sa", "delete", "outbound")
        self.assertEqual(self.ping(2), 0, "a deleted SA carried traffic, or it left in the clear")
        self.assertEqual(sorted(self.sas("left")), ["inbound"])

    def test_a_rekey_under_traffic_loses_nothing(self):
        self.add_all(0x1000)
        pinger = self.network.start("left", "ping", "-i", "0.01", "-c", "200", "-W", "1", "10.2.0.1",
                                    log=lab.FOLDER / "ping.log")
        for spi in (0x2000, 0x3000, 0x4000):
            # As an IKE program does it: the receivers first, then the senders.
            for direction in ("inbound", "outbound"):
                for site, gateway in self.gateways.items():
                    number = spi if (site == "left") == (direction == "outbound") else spi + 1
                    gateway.ask("sa", "rekey", direction, sa_file(site, direction, number),
                                "--grace-ms", "300")
        pinger.wait(30)
        log = (lab.FOLDER / "ping.log").read_text()
        self.assertIn("200 received", log)
        self.assertEqual(self.sas("left")["outbound"]["spi"], 0x4000)

    def test_the_same_spi_or_name_again_is_refused_with_a_sentence(self):
        self.add_all(0x1000)
        for request, word in ((sa_file("left", "outbound", 0x1000), "already"),
                              (sa_file("left", "inbound", 0x00ff), "SPI")):
            result = self.espalier.call("sa", "add", request, "--socket", self.gateways["left"].socket,
                                        site="left")
            self.assertEqual(result.returncode, 1)
            self.assertIn(word, result.stderr)

    def test_a_counter_mode_key_serves_one_sa(self):
        self.add_all(0x1000)
        left = self.gateways["left"]
        again = sa_file("left", "outbound", 0x1000)
        left.ask("sa", "delete", "outbound")
        result = self.espalier.call("sa", "add", again, "--socket", left.socket, site="left")
        self.assertEqual(result.returncode, 1)
        self.assertIn("give it fresh ones", result.stderr)
        self.assertEqual(self.ping(2), 0, "numbers began anew under an old key")

    def test_no_key_is_shown_anywhere(self):
        self.add_all(0xabcdef01)
        said = json.dumps(self.gateways["left"].status()) + self.gateways["left"].log()
        self.assertNotIn(f"{0xabcdef01:064x}", said)

    def test_a_killed_gateway_leaves_no_way_in_the_clear_and_can_be_started_again(self):
        self.add_all(0x1000)
        self.assertEqual(self.ping(), 5)
        self.gateways["left"].process.send_signal(signal.SIGKILL)
        lab.stop(self.gateways["left"].process)
        links = self.network.run("left", "ip", "-o", "link", "show", "type", "tun").stdout
        self.assertEqual(links.strip(), "", "the TUN device, and its routes, go with the process")
        self.assertEqual(self.ping(2), 0)
        self.gateways["left"] = self.start("left")  # over the dead one's socket
        self.gateways["right"].ask("sa", "delete", "inbound")
        self.gateways["right"].ask("sa", "delete", "outbound")
        self.add_all(0x5000)
        self.assertEqual(self.ping(), 5)


if __name__ == "__main__":
    lab.run_tests()
