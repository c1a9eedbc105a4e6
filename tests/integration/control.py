# SPDX-License-Identifier: Apache-2.0
"""The control socket, as an IKE program uses it: SAs added, rekeyed and deleted on two running
gateways, under traffic; what is refused; and what is left after a gateway was killed."""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "scripts"))
import lab  # noqa: E402
import output  # noqa: E402
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


class ControlLab(unittest.TestCase):
    SITES = lab.SITES  # where a gateway runs

    def setUp(self):
        self.network = lab.Lab({"left": "192.0.2.1/24", "right": "192.0.2.2/24"})
        self.addCleanup(self.network.__exit__)
        self.espalier = Espalier(os.environ["ESPALIER_BUILD"])
        self.config = lab.FOLDER / "site.toml"
        self.config.write_text(CONFIG)
        self.gateways = {site: self.start(site) for site in self.SITES}

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


class Control(ControlLab):
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

    def test_a_dead_gateways_socket_does_not_hide_the_one_that_runs(self):
        folder = pathlib.Path("/run/espalier")
        folder.mkdir()
        for site, gateway in self.gateways.items():
            (folder / f"{site}.sock").symlink_to(gateway.socket)
        both = self.espalier.call("status")
        self.assertEqual(both.returncode, 2)
        self.assertIn("Several gateways run here", both.stderr)
        self.gateways["left"].process.send_signal(signal.SIGKILL)
        lab.stop(self.gateways["left"].process)
        self.assertEqual(self.espalier.ask("status")["site"], "right")


class Requests(ControlLab):
    """What is asked of one gateway, without traffic."""
    SITES = ("left",)
    SA = {"name": "office/in", "direction": "inbound", "spi": 0x1000, "transform": "aes256gcm16",
          "peer": "192.0.2.2", "selectors": [{"source": "10.2.0.0/24", "destination": "10.1.0.0/24"}]}
    KEYS = {"cipher": "00112233445566778899aabbccddeeff" * 2, "salt": "01020304"}
    OTHER_KEYS = KEYS | {"salt": "0a0b0c0d"}

    def setUp(self):
        super().setUp()
        self.left = self.gateways["left"]

    def sa(self, *words, content=""):
        return subprocess.run(
            self.espalier.command("sa", *words, "--socket", self.left.socket), text=True,
            input=content, capture_output=True, check=False, timeout=60)

    def test_what_is_wrong_is_said_in_a_sentence(self):
        good = {"sa": self.SA, "keys": self.KEYS}
        outbound = self.SA | {"name": "office/out", "direction": "outbound", "selectors": [
            {"source": "10.1.0.0/24", "destination": "10.2.0.0/24"}]}

        def refused(request, words, code=1):
            said = self.sa("add", "-", content=request)
            self.assertEqual(said.returncode, code, said.stdout)
            self.assertIn(words, said.stderr)
            self.assertNotIn("secret", said.stderr)

        for change, words in (
                ({"sa": self.SA | {"spi": 255}}, "from 256 to 4294967295"),
                ({"sa": self.SA | {"transform": "des-md5"}}, "des"),
                ({"sa": self.SA | {"transfrom": "x"}}, "did you mean 'transform'?"),
                ({"sa": self.SA | {"local": "192.0.2.7"}}, "this gateway's is 192.0.2.1:4500"),
                ({"sa": self.SA | {"encapsulation": "none"}}, "this gateway carries ESP in UDP"),
                ({"sa": self.SA | {"interface": "eth7"}}, "leaves by the interface eth7"),
                ({"keys": self.KEYS | {"cipher": "00"}}, "is 1 byte long; aes256gcm16 takes 32"),
                ({"keys": self.KEYS | {"cipher": "secret"}}, "'cipher'"),
                ({"keys": self.KEYS | {"chipher": "secret"}}, "may hold")):
            refused(json.dumps(good | change), words)
        refused('{"sa": {', "stdin:1:9: this is not JSON", code=2)
        refused('{"sa": {', "'espalier sa add --help' shows an example", code=2)
        of_rekey = self.sa("rekey", "office/in", "-", content="{oops}")
        self.assertIn("'espalier sa rekey --help' shows an example", of_rekey.stderr)
        refused('{\n  "sa": {},\n  "keys": {"cipher": "secret"},\n  oops\n}', "stdin:4:3: ",
                code=2)
        for text in ("", "[]", "not json", "{" + "x" * 70000):
            refused(text, "'-'", code=2)
        self.assertEqual(self.left.sas(), [], "nothing was added")
        self.assertEqual(self.sa("add", "-", content=json.dumps(good, indent=2)).returncode, 0)
        refused(json.dumps(good | {"keys": self.OTHER_KEYS}), "an SA named 'office/in' already")
        again = {"sa": self.SA | {"name": "other"}, "keys": self.OTHER_KEYS}
        refused(json.dumps(again), "is that of inbound SA 'office/in' already")
        self.assertEqual(self.sa("add", "-", content=json.dumps(
            {"sa": outbound, "keys": self.OTHER_KEYS})).returncode, 0, "another direction")
        again = {"sa": outbound | {"name": "other"}, "keys": self.KEYS | {"salt": "ffffffff"}}
        refused(json.dumps(again), "is that of outbound SA 'office/out' to the same peer")

    def test_a_transform_to_be_avoided_is_told(self):
        old = {"sa": self.SA | {"transform": "3des-md5"},
               "keys": {"cipher": "01" * 8 + "23" * 8 + "45" * 8, "integrity": "67" * 16}}
        warning = "warning: 3des-md5: 3DES SHOULD NOT and HMAC-MD5 MUST NOT be used (RFC 8221)"
        said = self.sa("add", "-", content=json.dumps(old))
        self.assertEqual(said.returncode, 0, said.stderr)
        self.assertIn(warning, said.stderr)
        said = self.sa("add", "-", content=json.dumps(
            {"sa": self.SA | {"name": "new/in", "spi": 0x1001}, "keys": self.KEYS}))
        self.assertEqual((said.returncode, said.stderr), (0, ""))

    def test_people_are_told_what_was_done(self):
        self.sa("add", "-", content=json.dumps({"sa": self.SA, "keys": self.KEYS}))
        self.assertEqual(self.sa("delete", "office/in").stdout, "office/in: deleted\n")
        said = subprocess.run(self.espalier.command("stop", "--socket", self.left.socket), text=True,
                              capture_output=True, check=True, timeout=60)
        self.assertEqual(said.stdout, f"The gateway, process {self.left.process.pid}, has stopped.\n")

    def answer_to(self, line):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self.left.socket))
            client.settimeout(20)
            lines = client.makefile("rw", encoding="utf-8")
            lines.write(line + "\n")
            lines.flush()
            return json.loads(lines.readline())

    def test_the_documented_requests_are_answered_as_documented(self):
        requests = replies = 0
        for line in (TOP / "docs/control-socket.md").read_text().splitlines():
            if line.startswith("    > "):
                requests += 1
                reply = self.answer_to(line[6:])
            elif line.startswith("    < "):
                replies += 1
                told = json.loads(re.sub(r"(?<=[\[{])\.\.\.(?=[\]}])", "", line[6:]))
                self.assertEqual((reply["ok"], list(reply)), (told["ok"], list(told)), line)
                if not told["ok"]:
                    self.assertEqual(reply["error"]["code"], told["error"]["code"])
        self.assertEqual(requests, replies)
        self.assertGreater(requests, 10)
        lab.wait_until(lambda: self.left.process.poll() is not None, 20, "it did not stop")

    def test_an_sa_of_a_tunnel_has_from_it_what_its_request_does_not_say(self):
        request = {"sa": {"name": "peer/out", "spi": 0x1000}, "keys": self.KEYS}
        said = self.sa("add", "-", content=json.dumps(request))
        self.assertEqual(said.returncode, 0, said.stderr)
        (sa,) = self.left.sas()
        self.assertEqual((sa["name"], sa["peer"], sa["spi"]), ("peer/out", "192.0.2.2:4500", 0x1000))

    def test_every_verb_of_sa_answers_in_json(self):
        def ask(*words, content=""):
            result = self.sa(*words, "--json", content=content)
            self.assertEqual(result.returncode, 0, result.stderr)
            return output.check(self, f"sa {words[0]}", json.loads(result.stdout))

        ask("add", "-", content=json.dumps({"sa": self.SA, "keys": self.KEYS}))
        ask("rekey", "office/in", "-",
            content=json.dumps({"sa": {"spi": 0x1001}, "keys": self.OTHER_KEYS}))
        self.assertEqual([sa["spi"] for sa in ask("list")["sas"]], [0x1001])
        old = {"sa": self.SA | {"name": "old/in", "spi": 0x1002, "transform": "null-sha256"},
               "keys": {"integrity": "67" * 32}}
        self.assertIn("not encrypted", ask("add", "-", content=json.dumps(old))["warning"])
        self.assertEqual(ask("delete", "office/in"), {"deleted": "office/in"})

    def test_noise_on_the_socket_does_no_harm(self):
        for noise in (b"\n", b"\0" * 100 + b"\n", b"{" * 70000, b"GET / HTTP/1.1\r\n\r\n", b"\xff\n"):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(self.left.socket))
                client.sendall(noise)
                client.shutdown(socket.SHUT_WR)
                with contextlib.suppress(ConnectionResetError):  # it did not read all of it
                    while client.recv(65536):
                        pass
        self.assertEqual(self.left.status()["sas"], [])


if __name__ == "__main__":
    lab.run_tests()
