# SPDX-License-Identifier: Apache-2.0
"""Two strongSwan daemons, one of them adopted: Child SAs come up on pcrypt, rekeys go on, and no packet is lost."""

import os
import pathlib
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from kernel_peer import all_come_back, espalier, lab, udp_socket  # noqa: E402
from proc_crypto import priorities  # noqa: E402

ADDRESSES = {"left": "192.0.2.1/24", "right": "192.0.2.2/24"}
NETWORKS = {"left": "10.1.0.0/16", "right": "10.2.0.0/16"}
INSIDE = {"left": "10.1.0.1", "right": "10.2.0.1"}
PLUGINS = ("random nonce openssl pem pkcs1 x509 pubkey hmac sha1 sha2 aes gcm kdf curve25519 kernel-netlink "
           "socket-default vici")


def other(site):
    return "right" if site == "left" else "left"


class Daemon:
    """charon-systemd of one site."""

    def __init__(self, network, site):
        self.network, self.site = network, site
        self.log, self.out = lab.FOLDER / f"{site}.charon", lab.FOLDER / f"{site}.out"
        self.uri = f"unix://{lab.FOLDER}/{site}.vici"
        settings = lab.FOLDER / f"{site}.strongswan.conf"
        settings.write_text(f"""charon-systemd {{
  load = {PLUGINS}
  install_routes = no
  plugins {{ vici {{ socket = {self.uri} }} }}
  filelog {{ log {{ path = {self.log}
 default = 1
 flush_line = yes }} }}
}}
""")
        self.settings = settings
        self.connections = lab.FOLDER / f"{site}.swanctl.conf"
        here, there = ADDRESSES[site].split("/")[0], ADDRESSES[other(site)].split("/")[0]
        self.connections.write_text(f"""connections {{ site {{
  version = 2
  local_addrs = {here}
  remote_addrs = {there}
  proposals = aes128gcm16-prfsha256-curve25519
  local {{ auth = psk
 id = {site} }}
  remote {{ auth = psk
 id = {other(site)} }}
  children {{ net {{
    local_ts = {NETWORKS[site]}
    remote_ts = {NETWORKS[other(site)]}
    esp_proposals = aes128gcm16
    replay_window = 128
  }} }}
}} }}
secrets {{ ike {{ secret = "for this test alone" }} }}
""")
        self.process = network.start(site, "env", f"STRONGSWAN_CONF={settings}", "charon-systemd", log=self.out)

    def swanctl(self, *words, check=True):
        return self.network.run(self.site, "env", f"STRONGSWAN_CONF={self.settings}", "swanctl", words[0], "--uri",
                                self.uri, *words[1:], check=check, timeout=120)

    def load(self):
        try:
            lab.wait_until(lambda: self.swanctl("--stats", check=False).returncode == 0, 30, "charon did not answer")
        except lab.LabError as error:
            said = [file.read_text() for file in (self.log, self.out) if file.exists()]
            raise lab.LabError(f"{error}: {said}, {self.swanctl('--stats', check=False).stderr}") from error
        self.swanctl("--load-all", "--file", self.connections)


class AdoptStrongSwan(unittest.TestCase):
    def setUp(self):
        subprocess.run(["modprobe", "-a", "esp4", "xfrm_user", "aesni_intel"], check=True)
        self.network = lab.Lab(ADDRESSES)
        self.addCleanup(self.network.__exit__)
        for site in lab.SITES:
            lab.ip("-n", site, "address", "add", f"{INSIDE[site]}/16", "dev", "lo")
            lab.ip("-n", site, "route", "add", NETWORKS[other(site)], "via",
                   ADDRESSES[other(site)].split("/")[0], "src", INSIDE[site])
        config = lab.FOLDER / "ike.toml"
        config.write_text('[gateway]\ndataplane = "kernel"\n[policy]\nbackends = ["pcrypt"]\nfallback = "software"\n')
        self.command, self.socket, self.log = espalier(), lab.FOLDER / "ike.sock", lab.FOLDER / "adopt.log"
        self.before = priorities()
        self.adopt = self.network.start("left", *self.command.command(
            "adopt", config, "--state", lab.FOLDER / "ike.state", "--socket", self.socket), log=self.log)
        lab.wait_until(lambda: "adopted; new ones" in self.log.read_text(), 60, "adopt did not start")

    def sas(self):
        return self.command.ask("status", "--socket", self.socket, site="left")["sas"]

    def homes(self):
        return {(sa["backend"], sa.get("driver", {}).get("status")) for sa in self.sas()}

    def carry(self, count):
        self.assertTrue(all_come_back(self.near, self.far, count), self.log.read_text())

    def test_child_sas_are_adopted_and_rekeyed_and_carry_all_packets(self):
        left, right = (Daemon(self.network, site) for site in lab.SITES)
        for daemon in (left, right):
            daemon.load()
        acquires = subprocess.Popen(self.network.within("left", "ip", "xfrm", "monitor", "acquire"),
                                    stdout=subprocess.PIPE, text=True)
        self.near, self.far = (udp_socket(site, INSIDE[site], 7000) for site in lab.SITES)
        self.addCleanup(self.near.close)
        self.addCleanup(self.far.close)
        left.swanctl("--initiate", "--child", "net")
        lab.wait_until(lambda: len(self.sas()) >= 2, 20, f"not adopted: {self.log.read_text()}")
        self.assertEqual(self.homes(), {("pcrypt", "inferred")}, self.log.read_text())
        self.carry(20)
        for who in (left, right, left):
            old = {sa["spi"] for sa in self.sas()}
            who.swanctl("--rekey", "--child", "net")
            lab.wait_until(lambda: len({sa["spi"] for sa in self.sas()} - old) >= 2, 30, "no rekey was adopted")
            self.carry(20)
        self.assertEqual(self.homes(), {("pcrypt", "inferred")}, self.log.read_text())
        self.assertEqual(lab.stop(self.adopt, 60), 0, self.log.read_text())
        self.carry(10)
        left.swanctl("--rekey", "--child", "net")
        time.sleep(2)
        self.carry(10)
        now = priorities()
        self.assertEqual({driver: now.get(driver) for driver in self.before}, self.before)
        acquires.terminate()
        self.assertEqual(acquires.communicate()[0], "")
        left.swanctl("--terminate", "--ike", "site")
        lab.wait_until(lambda: not self.network.run("left", "ip", "xfrm", "state").stdout.strip(), 20,
                       "a stray SA stayed")


if __name__ == "__main__":
    if not os.access("/usr/sbin/charon-systemd", os.X_OK):
        print("SKIP: strongSwan is missing: install charon-systemd and strongswan-swanctl")
        sys.exit(77)
    lab.run_tests()
