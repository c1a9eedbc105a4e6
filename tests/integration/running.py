# SPDX-License-Identifier: Apache-2.0
"""`espalier run` from its start to its end, on one-time keys. Its sentences when something is wrong
are in messages.py, what comes over its socket in control.py."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "scripts"))
import lab  # noqa: E402
import output  # noqa: E402
from gateway import Espalier, Gateway  # noqa: E402

CONFIG = """
[site.left]
address = "192.0.2.1"
networks = ["10.1.0.0/24", "fd00:1::/64"]
tun = { name = "esp0", addresses = ["10.1.0.1/24", "fd00:1::1/64"], mtu = 1380 }

[site.right]
address = "192.0.2.2"
networks = ["10.2.0.0/24", "fd00:2::/64"]
tun = { name = "esp0", addresses = ["10.2.0.1/24", "fd00:2::1/64"], mtu = 1380 }

[[tunnel]]
name = "office"
sites = ["left", "right"]
transform = "aes256gcm16"
encapsulation = "ENCAPSULATION"
keys = { file = "{site}.keys" }
"""


class LabTest(unittest.TestCase):
    def setUp(self):
        self.network = lab.Lab({"left": "192.0.2.1/24", "right": "192.0.2.2/24"})
        self.addCleanup(self.network.__exit__)
        self.espalier = Espalier(os.environ["ESPALIER_BUILD"])

    def configure(self, encapsulation="udp", workers=1):
        self.config = lab.FOLDER / "site.toml"
        self.config.write_text(f"[gateway]\nworkers = {workers}\n"
                               + CONFIG.replace("ENCAPSULATION", encapsulation))
        self.espalier.make_keys(self.config)

    def gateway(self, site="left"):
        return Gateway(self.espalier, self.network, site, self.config)

    def network_state(self, site="left"):
        return "".join(self.network.run(site, *words).stdout for words in (
            ("ip", "-br", "link"), ("ip", "-br", "address"), ("ip", "route"),
            ("ip", "-6", "route"), ("ss", "-Hlun"), ("nft", "list", "ruleset")))

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

    def test_the_closing_table_comes_as_json_too(self):
        self.configure()
        arguments = ("--keys", lab.FOLDER, "--state", lab.FOLDER / "state", "--socket",
                     lab.FOLDER / "left.sock")
        closing = subprocess.Popen(
            self.espalier.command("run", self.config, "--site", "left", *arguments, "--json",
                                  site="left"),
            text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        lab.wait_until(lambda: self.espalier.call("status", "--socket", arguments[-1])
                       .returncode == 0, 20, "the gateway was not ready")
        stopped = self.espalier.ask("stop", "--socket", arguments[-1])
        self.assertEqual(output.check(self, "stop", stopped), {"stopped": closing.pid})
        self.assertIsNotNone(closing.poll(), "stop waits for the end")
        said = closing.communicate(timeout=20)[0]
        self.assertEqual(closing.returncode, 0)
        output.check(self, "run", json.loads(said), loose={"drops"})

    def test_a_card_that_is_pulled_out_and_put_back_is_told(self):
        self.configure()
        folders = [str(self.espalier.program.parents[1] / name) for name in ("plugins", "sdk/example")]
        self.config.write_text(self.config.read_text() + f'''
[plugins]
folders = {json.dumps(folders)}

[backend.example.options]
unplug_at = 20
back_after_ms = 3000

[policy]
backends = ["example", "openssl"]
''')
        gateways = [self.gateway(site).wait_until_ready() for site in lab.SITES]
        left = gateways[0]

        def events():
            said = self.espalier.call("events", "--json", "--socket", left.socket).stdout
            return {event["kind"]: event["text"] for event in map(json.loads, said.splitlines())}

        def homes():
            return {sa["backend"] for sa in left.sas()}

        self.assertEqual(homes(), {"example"})
        self.ping(count=20)
        lab.wait_until(lambda: homes() == {"openssl"}, 20, "the SAs did not move")
        lost = events()["device.lost"]
        self.assertRegex(lost, r"^Device card\d of backend example is lost: ")
        self.assertNotIn("operations in a row", lost)
        self.assertEqual(left.ask("status")["drops"].get("device_failed", 0), 0)
        self.assertIn("openssl", events()["sa.moved"])
        lab.wait_until(lambda: "device.back" in events(), 30, "the card was not told to be back")
        self.assertIn("of backend example is back", events()["device.back"])
        self.assertEqual(homes(), {"openssl"}, "it says that they stay")
        self.ping()

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
        status = output.check(self, "status", gateway.status(),
                              loose={"drops", "xfrm_stat"})
        self.assertEqual(status["site"], "left")
        listed = output.check(self, "sa list", gateway.ask("sa", "list"))
        self.assertEqual(status["sas"], listed["sas"])
        for sa in status["sas"]:
            decision = output.check(self, "explain", gateway.ask("explain", sa["name"]))
            chosen = decision["candidates"][decision["chosen"]]
            self.assertEqual((chosen["backend"], chosen["device"]), (sa["backend"], sa["device"]))
        text = self.espalier.call("status", "--socket", gateway.socket).stdout
        self.assertIn("\noffice/out ", text)
        self.assertIn(f"pid {gateway.status()['pid']}", text)
        drops = output.check(self, "status --drops", gateway.ask("status", "--drops"),
                             loose={"drops", "xfrm_stat"})
        self.assertEqual(drops["drops"], status["drops"])
        self.assertEqual(self.espalier.call("status", "--drops", "--socket", gateway.socket).stdout,
                         "No packet was dropped.\n")

    def test_the_control_socket_is_its_owners_alone(self):
        self.configure()
        gateway = self.gateway().wait_until_ready()
        self.assertEqual(os.stat(gateway.socket).st_mode & 0o777, 0o600)


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
