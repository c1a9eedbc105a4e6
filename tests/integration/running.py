# SPDX-License-Identifier: Apache-2.0
"""`espalier run` from its start to its end, and the verbs that talk to it."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "scripts"))
import lab  # noqa: E402
from gateway import Espalier, Gateway  # noqa: E402

CONFIG = """
[site.left]
address = "192.0.2.1"
networks = ["10.1.0.0/24", "fd00:1::/64"]
tun = {{ name = "esp0", addresses = ["10.1.0.1/24", "fd00:1::1/64"], mtu = 1380 }}

[site.right]
address = "192.0.2.2"
networks = ["10.2.0.0/24", "fd00:2::/64"]
tun = {{ name = "esp0", addresses = ["10.2.0.1/24", "fd00:2::1/64"], mtu = 1380 }}

[[tunnel]]
name = "office"
sites = ["left", "right"]
transform = "aes256gcm16"
encapsulation = "{encapsulation}"
keys = {keys}
"""
FILE_KEYS = '{ file = "{site}.keys" }'
SOCKET_KEYS = "{ socket = true }"


class LabTest(unittest.TestCase):
    def setUp(self):
        self.network = lab.Lab({"left": "192.0.2.1/24", "right": "192.0.2.2/24"})
        self.addCleanup(self.network.__exit__)
        self.espalier = Espalier(os.environ["ESPALIER_BUILD"])

    def configure(self, keys=FILE_KEYS, encapsulation="udp", workers=1, extra=""):
        self.config = lab.FOLDER / "site.toml"
        self.config.write_text(f"[gateway]\nworkers = {workers}\n" + extra
                               + CONFIG.format(keys=keys, encapsulation=encapsulation))
        if keys == FILE_KEYS:
            self.espalier.make_keys(self.config)

    def gateway(self, site="left"):
        return Gateway(self.espalier, self.network, site, self.config)

    def network_state(self, site="left"):
        return "".join(self.network.run(site, *words).stdout for words in (
            ("ip", "-br", "link"), ("ip", "-br", "address"), ("ip", "route"),
            ("ip", "-6", "route"), ("ss", "-Hlun")))

    def ping(self, count=3):
        for target in ("10.2.0.1", "fd00:2::1"):
            self.network.run("left", "ping", "-q", "-c", count, "-i", "0.05", "-W", "5", target)


class Running(LabTest):
    def started(self, **options):
        self.configure(**options)
        gateways = [self.gateway(site) for site in lab.SITES]
        for gateway in gateways:
            gateway.wait_until_ready()
        return gateways

    def test_udp_carries_packets_and_the_end_shows_a_table(self):
        left, right = self.started()
        self.ping()
        before = {sa["name"]: sa for sa in left.sas()}
        self.assertGreaterEqual(before["office/out"]["packets"], 6)
        self.assertEqual(before["office/out"]["packets"], before["office/in"]["packets"])
        left.stop()
        self.assertRegex(left.log(), r"office/out +0x\w+ +aes256gcm16 +192\.0\.2\.2:4500 +\w+")
        self.assertIn("No packet was dropped", left.log())
        right.stop()

    def test_raw_esp_carries_packets(self):
        self.started(encapsulation="none")
        self.ping()

    def test_several_workers_carry_packets(self):
        self.started(workers=3)
        self.ping()

    def test_a_clean_stop_leaves_nothing_behind(self):
        self.configure()
        before = self.network_state()
        for end in (signal.SIGTERM, signal.SIGINT):
            gateway = self.gateway().wait_until_ready()
            self.assertNotEqual(self.network_state(), before)
            gateway.process.send_signal(end)
            self.assertEqual(gateway.process.wait(20), 0, gateway.log())
            self.assertEqual(self.network_state(), before)
            self.assertFalse(gateway.socket.exists())
            for keys in lab.FOLDER.glob("*.keys*"):
                keys.unlink()
            self.espalier.make_keys(self.config)

    def test_status_explain_and_list_agree(self):
        self.configure()
        gateway = self.gateway().wait_until_ready()
        status = gateway.status()
        self.assertEqual(status["site"], "left")
        self.assertEqual(status["sas"], gateway.ask("sa", "list")["sas"])
        for sa in status["sas"]:
            decision = gateway.ask("explain", sa["name"])
            chosen = decision["candidates"][decision["chosen"]]
            self.assertEqual((chosen["backend"], chosen["device"]), (sa["backend"], sa["device"]))
        text = self.espalier.call("status", "--socket", gateway.socket).stdout
        self.assertIn("\noffice/out ", text)
        self.assertIn(f"pid {gateway.status()['pid']}", text)

    def test_the_control_socket_is_its_owners_alone(self):
        self.configure()
        gateway = self.gateway().wait_until_ready()
        self.assertEqual(os.stat(gateway.socket).st_mode & 0o777, 0o600)

    def test_a_killed_gateway_is_succeeded(self):
        self.configure()
        before = self.network_state()
        gateway = self.gateway().wait_until_ready()
        gateway.process.kill()
        gateway.process.wait()
        self.assertEqual(self.network_state(), before, "the TUN device and its routes are gone")
        self.assertTrue(gateway.socket.exists(), "what a killed process cannot remove")
        for keys in lab.FOLDER.glob("*.keys*"):
            keys.unlink()
        self.espalier.make_keys(self.config)
        self.gateway().wait_until_ready().stop()


class Control(LabTest):
    """SAs that come over the control socket, as an IKE program would bring them."""
    KEYS = {"cipher": "00112233445566778899aabbccddeeff" * 2, "salt": "01020304"}

    def setUp(self):
        super().setUp()
        self.configure(keys=SOCKET_KEYS)
        self.gateways = {site: self.gateway(site) for site in lab.SITES}
        for gateway in self.gateways.values():
            lab.wait_until(gateway.socket.exists, 20, "a gateway was not ready")

    def sa(self, site, direction, spi, name=None):
        local, peer = (("192.0.2.1", "192.0.2.2") if site == "left" else ("192.0.2.2", "192.0.2.1"))
        here, there = ("1", "2") if site == "left" else ("2", "1")
        nets = [(f"10.{here}.0.0/24", f"10.{there}.0.0/24"),
                (f"fd00:{here}::/64", f"fd00:{there}::/64")]
        if direction == "inbound":
            nets = [(destination, source) for source, destination in nets]
        return {"name": name or f"office/{direction}", "direction": direction, "spi": spi,
                "transform": "aes256gcm16", "local": local, "peer": peer,
                "selectors": [{"source": s, "destination": d} for s, d in nets]}

    def ask(self, site, *words, content=None, code=0):
        gateway = self.gateways[site]
        result = subprocess.run(
            self.espalier.command("sa", *words, "--socket", gateway.socket), text=True,
            input=None if content is None else json.dumps(content), capture_output=True,
            stdin=subprocess.DEVNULL if content is None else None, check=False, timeout=60)
        self.assertEqual(result.returncode, code, result.stderr)
        return result.stdout if code == 0 else result.stderr

    def add_both_ways(self):
        for site, out, back in (("left", 0x1000, 0x2000), ("right", 0x2000, 0x1000)):
            for direction, spi in (("outbound", out), ("inbound", back)):
                self.ask(site, "add", "-", content={"sa": self.sa(site, direction, spi),
                                                    "keys": self.keys_of(spi)})

    def keys_of(self, spi):
        return self.KEYS | {"salt": f"{spi:08x}"}

    def test_added_sas_carry_packets(self):
        self.add_both_ways()
        self.ping()

    def test_a_rekey_loses_no_packet(self):
        self.add_both_ways()
        self.ping()
        for spi, sender, receiver in ((0x1001, "left", "right"), (0x2001, "right", "left")):
            content = {"sa": {"spi": spi}, "keys": self.keys_of(spi)}
            self.ask(receiver, "rekey", "office/inbound", "-", content=content)
            self.ask(sender, "rekey", "office/outbound", "-", content=content)
        self.ping()
        spis = {sa["name"]: sa["spi"] for sa in self.gateways["left"].sas()}
        self.assertEqual(spis, {"office/outbound": 0x1001, "office/inbound": 0x2001})

    def test_a_deleted_sa_is_gone(self):
        self.add_both_ways()
        self.ask("left", "delete", "office/outbound")
        self.assertEqual([sa["name"] for sa in self.gateways["left"].sas()], ["office/inbound"])
        self.assertIn("office/outbound", self.ask("left", "delete", "office/outbound", code=1))

    def test_what_is_wrong_is_said_in_a_sentence(self):
        good = {"sa": self.sa("left", "inbound", 0x1000), "keys": self.KEYS}
        for change, words in (
                ({"sa": good["sa"] | {"spi": 255}}, "255"),
                ({"sa": good["sa"] | {"transform": "des-md5"}}, "des"),
                ({"sa": good["sa"] | {"transfrom": "x"}}, "did you mean 'transform'?"),
                ({"keys": self.KEYS | {"cipher": "00"}}, "is 1 bytes long; aes256gcm16 takes 32"),
                ({"keys": self.KEYS | {"cipher": "secret"}}, "'cipher'")):
            said = self.ask("left", "add", "-", content=good | change, code=1)
            self.assertIn(words, said)
            self.assertNotIn("secret", said)
        self.ask("left", "add", "-", content=good)
        second = good | {"sa": good["sa"] | {"name": "other"}}
        self.assertIn("0x1000", self.ask("left", "add", "-", content=second, code=1).lower(),
                      "a duplicate SPI")

    def test_noise_on_the_socket_does_no_harm(self):
        for noise in (b"\n", b"\0" * 100 + b"\n", b"{" * 70000, b"GET / HTTP/1.1\r\n\r\n", b"\xff\n"):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(self.gateways["left"].socket))
                client.sendall(noise)
                client.shutdown(socket.SHUT_WR)
                with contextlib.suppress(ConnectionResetError):  # it did not read all of it
                    while client.recv(65536):
                        pass
        self.assertEqual(self.gateways["left"].status()["sas"], [])


class Refusals(LabTest):
    """Starts that the system refuses half-way: nothing is left behind, and no key is used up. The
    sentences of others are in messages.py."""

    def refused(self, *words):
        before = self.network_state()
        result = self.espalier.call(
            "run", self.config, "--site", "left", "--keys", lab.FOLDER, "--state",
            lab.FOLDER / "state", "--socket", lab.FOLDER / "refused.sock", site="left")
        self.assertEqual(result.returncode, 1, result.stderr)
        for word in words:
            self.assertIn(word, result.stderr)
        self.assertEqual(self.network_state(), before)
        self.assertFalse((lab.FOLDER / "refused.sock").exists())
        self.assertTrue((lab.FOLDER / "left.keys").exists(), "the keys must not be used up")

    def test_an_interface_name_that_is_taken(self):
        self.configure()
        self.network.run("left", "ip", "tuntap", "add", "esp0", "mode", "tun")
        self.refused("There is a network interface 'esp0' already", "ip link delete esp0")

    def test_a_route_that_exists(self):
        self.configure()
        self.network.run("left", "ip", "route", "add", "10.2.0.0/24", "dev", "wire")
        self.refused("Cannot route 10.2.0.0/24", "another route to it exists")

    def test_raw_esp_at_an_address_that_is_not_there(self):
        self.configure(encapsulation="none")
        self.network.run("left", "ip", "address", "flush", "dev", "wire")
        self.refused("ESP cannot be received at 192.0.2.1")


if __name__ == "__main__":
    lab.run_tests()
