# SPDX-License-Identifier: Apache-2.0
"""SIGHUP: a running gateway follows its configuration, and what did not change notices nothing."""

import os
import pathlib
import signal
import sys
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "scripts"))
import lab  # noqa: E402
from gateway import Espalier, Gateway  # noqa: E402

SITES = """
[site.left]
address = "192.0.2.1"
networks = ["10.1.0.0/24"]
tun = { name = "esp0", addresses = ["10.1.0.1/24"] }

[site.right]
address = "192.0.2.2"
networks = ["10.2.0.0/24"]
tun = { name = "esp0", addresses = ["10.2.0.1/24"] }

[site.north]
address = "192.0.2.3"
networks = ["10.3.0.0/24"]
"""
AS_BEFORE = "the gateway goes on as before"


def tunnel(name, first, second, transform="aes256gcm16", keys=None):
    return (f'\n[[tunnel]]\nname = "{name}"\nsites = ["{first}", "{second}"]\n'
            f'transform = "{transform}"\nkeys = {{ file = "{{site}}.{keys or name}.keys" }}\n')


OFFICE = tunnel("office", "left", "right")
BRANCH = tunnel("branch", "left", "north")


class Reload(unittest.TestCase):
    def setUp(self):
        self.network = lab.Lab({"left": "192.0.2.1/24", "right": "192.0.2.2/24"})
        self.addCleanup(self.network.__exit__)
        self.espalier = Espalier(os.environ["ESPALIER_BUILD"])
        self.config = lab.FOLDER / "site.toml"

    def write(self, *parts):
        self.config.write_text("".join(parts))

    def configure(self, *parts):
        """A good configuration, with new key files for all its tunnels."""
        self.write(*parts)
        for keys in lab.FOLDER.glob("*.keys"):
            keys.unlink()
        self.espalier.make_keys(self.config)

    def start(self, site):
        return Gateway(self.espalier, self.network, site, self.config).wait_until_ready()

    def reload(self, gateway, outcome="Reloaded "):
        """What the gateway says of it, from SIGHUP to the outcome."""
        before = len(gateway.log())
        gateway.process.send_signal(signal.SIGHUP)
        return lab.wait_until(lambda: outcome in gateway.log()[before:] and gateway.log()[before:],
                              10, f"SIGHUP was not answered with '{outcome}': {gateway.log()}")

    def refused(self, gateway, *words):
        """A reload that changes nothing, and says why."""
        before, routes = self.sas(gateway), self.routes(gateway.site)
        said = self.reload(gateway, AS_BEFORE)
        for word in words:
            self.assertIn(word, said)
        self.assertEqual((self.sas(gateway), self.routes(gateway.site)), (before, routes))

    def routes(self, site):
        return self.network.run(site, "ip", "route").stdout

    def ping(self, count=3):
        self.network.run("left", "ping", "-q", "-c", count, "-i", "0.05", "-W", "5", "10.2.0.1")

    @staticmethod
    def sas(gateway):
        """What tells one life of an SA from another."""
        return {sa["name"]: (sa["spi"], sa["transform"], sa["packets"]) for sa in gateway.sas()}

    def test_an_unchanged_tunnel_loses_nothing_while_others_come_and_go(self):
        self.configure(SITES, OFFICE, BRANCH)
        left = self.start("left")
        self.start("right")
        before = self.sas(left)
        self.assertEqual(sorted(before), ["branch/in", "branch/out", "office/in", "office/out"])
        pinger = self.network.start("left", "ping", "-i", "0.01", "-c", "300", "-W", "2",
                                    "10.2.0.1", log=lab.FOLDER / "ping.log")

        self.write(SITES, OFFICE)
        self.assertIn("0 tunnels added, 0 changed, 1 gone (branch); policy unchanged; 2 SAs run.", self.reload(left))
        self.assertEqual(sorted(self.sas(left)), ["office/in", "office/out"])
        self.assertNotIn("10.3.0.0/24", self.routes("left"))

        self.configure(SITES, OFFICE, BRANCH)
        self.assertIn("1 tunnel added (branch), 0 changed, 0 gone;", self.reload(left))
        self.assertNotEqual(self.sas(left)["branch/out"][0], before["branch/out"][0], "a new SPI")
        self.assertIn("10.3.0.0/24 dev esp0", self.routes("left"))
        self.assertTrue((lab.FOLDER / "left.office.keys").exists(),
                        "keys of an unchanged tunnel were claimed")

        self.assertIn("0 tunnels added, 0 changed, 0 gone", self.reload(left))
        self.assertIsNone(pinger.poll(), "the pings ended before the reloads")
        pinger.wait(30)
        self.assertIn("300 received", (lab.FOLDER / "ping.log").read_text())
        after = self.sas(left)
        for name in ("office/out", "office/in"):
            self.assertEqual(after[name][0], before[name][0])
            self.assertGreaterEqual(after[name][2], 300, "the counters went on")
        left.stop()

    def test_a_new_tunnel_carries_packets_and_takes_its_route_along_when_it_goes(self):
        others = BRANCH + tunnel("uplink", "right", "north")
        self.configure(SITES, others)
        gateways = [self.start(site) for site in lab.SITES]
        without = self.routes("left")
        self.configure(SITES, others, OFFICE)
        for gateway in gateways:
            self.reload(gateway)
        self.ping()
        self.write(SITES, others)
        for gateway in gateways:
            self.reload(gateway)
        self.assertEqual(self.routes("left"), without)
        self.assertEqual(sorted(self.sas(gateways[0])), ["branch/in", "branch/out"])

    def test_a_changed_tunnel_gets_new_sas_under_the_new_policy(self):
        self.configure(SITES, OFFICE)
        gateways = [self.start(site) for site in lab.SITES]
        self.configure('[policy]\nbackends = ["openssl"]\nfallback = "fail"\n', SITES,
                       tunnel("office", "left", "right", "aes128gcm16"))
        for gateway in gateways:
            self.assertIn("1 changed (office), 0 gone; policy changed", self.reload(gateway))
            for sa in gateway.sas():
                self.assertEqual((sa["transform"], sa["backend"]), ("aes128gcm16", "openssl"))
        self.ping()

    def test_new_key_files_under_a_new_name_replace_the_keys(self):
        self.configure(SITES, OFFICE)
        gateways = [self.start(site) for site in lab.SITES]
        before = self.sas(gateways[0])
        self.configure(SITES, tunnel("office", "left", "right", keys="autumn"))
        for gateway in gateways:
            self.assertIn("1 changed", self.reload(gateway))
        self.ping()
        self.assertNotEqual(self.sas(gateways[0])["office/out"][0], before["office/out"][0])

    def test_a_fresh_key_file_of_the_same_name_is_pointed_at(self):
        """The other end of a gateway that was killed: new keys for one tunnel, while others go on."""
        self.configure(SITES, OFFICE, BRANCH)
        left, right = self.start("left"), self.start("right")
        self.ping()
        right.process.kill()
        right.process.wait()
        self.configure(SITES, OFFICE, BRANCH)
        before = self.sas(left)
        said = self.reload(left, "left.office.keys' was left alone")
        self.assertIn("0 changed", said)
        self.assertEqual(self.sas(left), before)
        self.write(SITES, BRANCH)
        self.assertIn("1 gone", self.reload(left, "left.branch.keys' was left alone"))
        self.write(SITES, OFFICE, BRANCH)
        self.assertIn("1 tunnel added (office)", self.reload(left))
        right = self.start("right")
        self.ping()
        self.assertEqual([sa for sa in self.sas(left) if "branch" in str(sa)],
                         [sa for sa in before if "branch" in str(sa)])

    def test_a_peer_that_follows_later_is_still_heard(self):
        self.configure(SITES, OFFICE)
        left, right = [self.start(site) for site in lab.SITES]
        self.ping()
        self.configure(SITES, tunnel("office", "left", "right", keys="autumn"))
        self.assertIn("1 changed", self.reload(left))
        self.network.run("right", "ping", "-q", "-c", "1", "-W", "0.2", "10.1.0.1", check=False)
        drops = left.status()["drops"]
        self.assertEqual((drops["in_no_state"], drops["out_no_policy"]), (0, 0))
        self.assertIn("1 changed", self.reload(right))
        self.ping()

    def test_what_goes_makes_room_for_what_comes(self):
        full = ('[policy]\nbackends = ["quickassist", "openssl"]\nfallback = "fail"\n'
                '[backend.openssl]\nmax_sas = 2\n')
        self.configure(full, SITES, OFFICE)
        left = self.start("left")
        self.configure(full, SITES, BRANCH)
        self.assertIn("1 tunnel added (branch), 0 changed, 1 gone (office);", self.reload(left))
        self.assertEqual(sorted(self.sas(left)), ["branch/in", "branch/out"])
        self.configure(full, SITES, tunnel("branch", "left", "north", "aes128gcm16"))
        self.assertIn("0 tunnels added, 1 changed (branch), 0 gone;", self.reload(left))
        self.assertEqual({sa[1] for sa in self.sas(left).values()}, {"aes128gcm16"})
        self.configure(full, SITES, tunnel("branch", "left", "north", "aes128gcm16"), OFFICE)
        self.refused(left, "has 2 of the 2 SAs that the policy allows it")

    def test_two_tunnels_may_change_spis_with_each_other(self):
        def config(office, branch):
            return SITES + "".join(
                f'\n[[tunnel]]\nname = "{name}"\nsites = ["left", "{other}"]\n'
                f'transform = "null-sha256"\n[tunnel.keys.static]\nspi = [{spi}, {spi}]\n'
                f'forward = {{ integrity_key = "{key * 32}" }}\n'
                f'backward = {{ integrity_key = "{key[::-1] * 32}" }}\n'
                for name, other, spi, key in (("office", "right", office, "1a"),
                                              ("branch", "north", branch, "2b")))
        self.write(config(0x1000, 0x2000))
        left = self.start("left")
        self.write(config(0x2000, 0x1000))
        self.assertIn("2 changed", self.reload(left))
        self.assertEqual({name: sa[0] for name, sa in self.sas(left).items()},
                         {"office/out": 0x2000, "office/in": 0x2000,
                          "branch/out": 0x1000, "branch/in": 0x1000})

    def test_a_static_key_is_replaced_under_the_same_spi(self):
        def config(integrity):
            return SITES + ('\n[[tunnel]]\nname = "office"\nsites = ["left", "right"]\n'
                            'transform = "null-sha256"\n[tunnel.keys.static]\nspi = [0x1000, 0x2000]\n'
                            f'forward = {{ integrity_key = "{integrity * 32}" }}\n'
                            f'backward = {{ integrity_key = "{integrity[::-1] * 32}" }}\n')
        self.write(config("1a"))
        left, right = [self.start(site) for site in lab.SITES]
        self.ping()
        self.write(config("1a").replace("[tunnel.keys", "lifetime = { soft_packets = 9 }\n[tunnel.keys"))
        self.refused(left, "packets of before could be replayed")
        self.write(config("2b"))
        self.assertIn("1 changed", self.reload(left))
        self.network.run("left", "ping", "-q", "-c", "1", "-W", "1", "10.2.0.1", check=False)
        drops = right.status()["drops"]  # number 1 once more, and with a key that is not its own
        self.assertEqual(drops["in_replay"] + drops["in_bad_icv"], 1, drops)
        self.assertIn("1 changed", self.reload(right))
        self.assertIn("0 changed", self.reload(right))
        self.ping()

    def test_a_tunnel_whose_keys_have_served_waits_for_no_socket(self):
        self.configure(SITES, OFFICE)
        copy = (lab.FOLDER / "left.office.keys").read_bytes()
        left = self.start("left")
        for claim in (lab.FOLDER / "left.state").iterdir():
            claim.unlink()
        again = lab.FOLDER / "left.again.keys"
        again.write_bytes(copy)
        again.chmod(0o600)
        self.write(SITES, tunnel("office", "left", "right", keys="again"))
        said = self.reload(left)
        self.assertIn("Tunnel 'office' carries nothing until a reload with new keys", said)
        self.assertNotIn("waits for its SAs", said)

    def test_what_is_wrong_changes_nothing_and_is_said(self):
        self.configure(SITES, OFFICE)
        left = self.start("left")
        self.write(SITES, OFFICE, "x = 1\n", tunnel("second", "left", "nroth"))
        self.refused(left, f"{self.config}:21:1: error", "nroth", "did you mean 'north'")
        self.config.unlink()
        self.refused(left, str(self.config))
        self.write(SITES, OFFICE, BRANCH)
        self.refused(left, "here is no key file", "left.branch.keys")
        self.write(SITES, tunnel("office", "left", "right", "aes128gcm16"))
        self.refused(left, "left.office.keys' were used on")
        self.write("[gateway]\nworkers = 2\n", SITES.replace("esp0", "esp1"), OFFICE)
        self.refused(left, "the name of the TUN device, the number of workers",
                     "restart to apply it")
        self.write('[policy]\nbackends = ["openssl"]\nfallback = "fail"\n'
                   '[backend.openssl]\nenabled = false\n', SITES,
                   tunnel("office", "left", "right", "aes128gcm16"))
        self.refused(left, "the policy leaves its SAs openssl alone")
        self.write('[policy]\nbackends = ["quickassist"]\nfallback = "fail"\n', SITES,
                   tunnel("office", "left", "right", "aes128gcm16"))
        self.refused(left, "No backend is left for SA 'office/out'")
        self.write(SITES, OFFICE)
        self.reload(left)
        left.stop()

    def test_a_mistake_that_cannot_be_told_changes_nothing_either(self):
        self.configure(SITES, OFFICE)
        (lab.FOLDER / "left.log").symlink_to("/dev/full")
        left = self.start("left")
        self.write("nonsense = 1\n", SITES, OFFICE)
        left.process.send_signal(signal.SIGHUP)
        self.configure(SITES, OFFICE, BRANCH)
        lab.wait_until(lambda: left.process.send_signal(signal.SIGHUP) or len(left.sas()) == 4, 20,
                       "the gateway did not follow")
        self.assertIn("inet espalier-left", self.network.run("left", "nft", "list", "tables").stdout)


if __name__ == "__main__":
    lab.run_tests()
