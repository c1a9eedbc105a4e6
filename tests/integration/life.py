# SPDX-License-Identifier: Apache-2.0
"""What changes while two gateways carry packets: lifetimes that end, a path that narrows, a NAT
that moves a peer; what their outer headers show; and packets that only they know of."""

import json
import pathlib
import re
import signal
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "scripts"))
import lab  # noqa: E402
import output  # noqa: E402
import running  # noqa: E402


class Life(running.LabTest):
    def start(self, *options):
        self.config = lab.FOLDER / "site.toml"
        self.plain = running.CONFIG.replace("ENCAPSULATION", "udp")
        self.config.write_text(self.plain + "\n".join(options) + "\n")
        self.espalier.make_keys(self.config)
        gateways = [self.gateway(site) for site in lab.SITES]
        for gateway in gateways:
            gateway.wait_until_ready()
        return gateways

    def ping(self, *options, site="left", target="10.2.0.1", count=3):
        result = self.network.run(site, "ping", "-c", count, "-i", "0.05", "-W", "1", *options,
                                  target, check=False)
        received = re.search(r"(\d+) received", result.stdout)
        return int(received.group(1)) if received else 0, result.stdout + result.stderr

    def events(self, gateway):
        lines = self.espalier.call("events", "--socket", gateway.socket, "--json").stdout
        return [output.check(self, "events", json.loads(line)) for line in lines.splitlines()]

    def wait_for_event(self, gateway, kind, limit=10):
        def seen():
            return [event for event in self.events(gateway) if event["kind"] == kind]
        lab.wait_until(seen, limit, f"there was no event {kind}")
        return seen()[0]

    def wire(self, file, *fields, filter="udp.port == 4500"):
        """The fields of the captured packets that the filter lets through."""
        words = [word for field in fields for word in ("-e", field)]
        lines = self.network.run("left", "tshark", "-n", "-r", file, "-Y", filter, "-T", "fields",
                                 *words).stdout
        return [line.split("\t") for line in lines.splitlines()]

    def capture(self, packets, act, site="right"):
        file = lab.FOLDER / "wire.pcap"
        capture = self.network.capture(site, file, "udp", packets=packets)
        act()
        self.network.captured(capture)
        return file

    # ---- lifetimes ------------------------------------------------------------------------------

    def test_a_lifetime_is_told_and_then_kept(self):
        left, _ = self.start("lifetime = { soft_packets = 5, hard_packets = 10 }")
        follower = self.network.start("left", *self.espalier.command(
            "events", "--follow", "--json", "--socket", left.socket), log=lab.FOLDER / "events.log")
        self.assertEqual(self.ping(count=8)[0], 8)
        event = self.wait_for_event(left, "sa.soft_lifetime")
        self.assertIn(event["sa"], ("office/out", "office/in"))
        self.assertIn("is to be rekeyed", event["text"])
        received, _ = self.ping(count=20)
        self.assertEqual(received, 2, "8 and 2 are the 10 of the hard limit")
        self.wait_for_event(left, "sa.hard_lifetime")
        (out,) = [sa for sa in left.sas() if sa["name"] == "office/out"]
        self.assertTrue(out["expired"])
        self.assertEqual(out["packets"], 10)
        told = self.espalier.call("explain", "office/out", "--socket", left.socket).stdout
        self.assertIn("It has EXPIRED", told)
        table = self.espalier.call("status", "--socket", left.socket).stdout
        self.assertRegex(table, r"(?m)^office/out \(EXPIRED\) ")
        lab.wait_until(lambda: "hard_lifetime" in (lab.FOLDER / "events.log").read_text(), 10,
                       "the follower was told nothing")
        left.stop()
        self.assertEqual(follower.wait(10), 0, "a gateway that ends is no error to a follower")

    def test_time_ends_too(self):
        left, _ = self.start("lifetime = { soft_seconds = 1, hard_seconds = 3 }")
        self.assertEqual(self.ping(count=1)[0], 1)
        self.wait_for_event(left, "sa.soft_lifetime")
        self.wait_for_event(left, "sa.hard_lifetime")
        lab.wait_until(lambda: self.ping(count=1)[0] == 0, 10, "it went on after its hour")

    # ---- a peer that is gone --------------------------------------------------------------------

    def test_a_peer_that_is_gone_and_comes_back_is_told(self):
        left, right = self.start()
        self.network.run("right", "ip", "link", "set", "wire", "down")
        self.ping(count=1)
        event = self.wait_for_event(left, "peer.silent", limit=60)
        self.assertIn("192.0.2.2", event["text"])
        self.network.run("right", "ip", "link", "set", "wire", "up")
        lab.wait_until(lambda: self.ping(count=1)[0], 20, "the peer did not come back")
        self.wait_for_event(left, "peer.heard")

    def test_a_peer_that_sends_packets_of_no_sa_here_is_told(self):
        left, right = self.start()
        self.espalier.ask("sa", "delete", "office/in", "--socket", right.socket)
        self.network.run("left", "ping", "-c", "30", "-i", "0.1", "-W", "1", "10.2.0.1", check=False)
        event = self.wait_for_event(right, "peer.unknown_spi")
        self.assertRegex(event["text"], r"^The peer 192\.0\.2\.1 sends packets with SPI 0x[0-9a-f]{8}, "
                         "which is of no SA here")
        self.assertIn("warning: " + event["text"], right.log())
        self.assertGreaterEqual(right.status()["drops"]["in_no_state"], 20)

    def test_the_closing_table_counts_what_status_counts(self):
        left, right = self.start()
        right.stop()
        self.ping(count=3)  # the right host answers that nobody listens there
        lab.wait_until(lambda: left.status()["wire"]["receive_errors"], 10,
                       "what came back was not counted")
        left.stop()
        self.assertRegex(left.log(), r"(?m)^wire: receive_errors +\d")

    # ---- path MTU -------------------------------------------------------------------------------

    def test_a_sender_learns_what_the_path_takes(self):
        left, _ = self.start()
        for site in lab.SITES:
            self.network.run(site, "ip", "link", "set", "wire", "mtu", "1300")
        self.assertEqual(self.ping("-s", "1300", "-M", "do")[0], 0)
        event = self.wait_for_event(left, "path.mtu")
        self.assertIn("192.0.2.2 takes packets of 1300 bytes", event["text"])
        _, said = self.ping("-s", "1300", "-M", "do")
        told = re.search(r"mtu ?= ?(\d+)|mtu=(\d+)", said)
        self.assertIsNotNone(told, said)
        mtu = int(told.group(1) or told.group(2))
        self.assertEqual(self.ping("-s", mtu - 28, "-M", "do")[0], 3, "what it was told does not fit")
        self.assertEqual(self.ping("-s", "1300", "-M", "dont")[0], 3,
                         "without DF the packets may be fragmented")
        self.ping("-s", "1200", target="fd00:2::1")  # the answer may be what finds the way back
        self.assertEqual(self.ping("-s", "1200", target="fd00:2::1")[0], 3,
                         "IPv6 packets up to 1280 bytes are carried on any path")

    # ---- outer headers --------------------------------------------------------------------------

    def test_dscp_ecn_and_df_are_those_of_the_inner_packet(self):
        self.start()
        file = self.capture(4, lambda: self.ping("-Q", "0xba", "-M", "do", count=2))
        for dscp, ecn, df in self.wire(file, "ip.dsfield.dscp", "ip.dsfield.ecn", "ip.flags.df"):
            self.assertEqual((dscp, ecn), ("46", "2"))
        file = self.capture(4, lambda: self.ping("-M", "dont", count=2))
        flags = {df for source, df in self.wire(file, "ip.src", "ip.flags.df")
                 if source == "192.0.2.1"}
        self.assertLessEqual(flags, {"0", "False"})

    def test_the_outer_header_can_be_fixed(self):
        self.start('outer = { dscp = 10, ecn = false, dont_fragment = "set" }')
        file = self.capture(4, lambda: self.ping("-Q", "0xba", "-M", "dont", count=2))
        for dscp, ecn, df in self.wire(file, "ip.dsfield.dscp", "ip.dsfield.ecn", "ip.flags.df"):
            self.assertEqual((dscp, ecn), ("10", "0"))
            self.assertIn(df, ("1", "True"))

    # ---- a NAT ----------------------------------------------------------------------------------

    def test_a_peer_behind_a_nat_is_followed(self):
        _, right = self.start("nat = { follow_peer = true }")
        rules = lab.FOLDER / "nat.nft"  # on the way from left, another port than it is known to have
        rules.write_text("table ip nat {\n"
                         " chain out {\n  type filter hook postrouting priority 300;\n"
                         "  udp sport 4500 udp sport set 31337;\n }\n"
                         " chain in {\n  type filter hook prerouting priority -400;\n"
                         "  udp dport 4500 drop;\n  udp dport 31337 udp dport set 4500;\n }\n}\n")
        self.network.run("left", "nft", "-f", rules)
        self.ping(count=1)
        event = self.wait_for_event(right, "sa.peer_moved")
        self.assertIn("192.0.2.1:31337", event["text"])
        file = self.capture(4, lambda: self.assertEqual(self.ping(count=2)[0], 2))
        ports = {(source, there) for source, there in
                 self.wire(file, "udp.srcport", "udp.dstport", filter="udp")}
        self.assertEqual(ports, {("31337", "4500"), ("4500", "31337")})
        self.assertEqual({sa["peer"] for sa in right.sas()}, {"192.0.2.1:31337"})
        for number, sa in enumerate(right.sas()):
            request = {"sa": {"spi": 5000 + number},
                       "keys": {"cipher": f"{number + 1:064x}", "salt": "01020304"}}
            said = subprocess.run(
                self.espalier.command("sa", "rekey", sa["name"], "-", "--socket", right.socket),
                text=True, input=json.dumps(request), capture_output=True, check=False, timeout=30)
            self.assertEqual(said.returncode, 0, said.stderr)
        self.assertEqual({(sa["spi"], sa["peer"]) for sa in right.sas()},
                         {(5000, "192.0.2.1:31337"), (5001, "192.0.2.1:31337")})
        file = self.capture(1, lambda: self.ping(site="right", target="10.1.0.1", count=1))
        self.assertEqual(self.wire(file, "udp.dstport", filter="udp"), [["31337"]])

    def test_keepalives_are_sent_when_nothing_else_is(self):
        _, right = self.start("nat = { keepalive = 1 }")
        lab.wait_until(lambda: right.status()["wire"]["keepalives"] >= 2, 15, "no keepalive came")
        self.assertEqual(self.ping()[0], 3)

    # ---- traffic flow confidentiality -----------------------------------------------------------

    def test_dummies_come_at_their_rate_and_nobody_sees_them(self):
        left, right = self.start("dummies = { interval = 20, bytes = 700 }")
        lab.wait_until(lambda: right.status()["drops"]["in_dummy"] >= 50, 15, "no dummies came")
        self.assertEqual(self.ping()[0], 3)
        self.assertEqual([sa["errors"] for sa in right.sas()], [0, 0])
        file = self.capture(4, lambda: None)
        lengths = {int(length) for (length,) in self.wire(file, "udp.length")}
        self.assertGreaterEqual(min(lengths), 700)
        self.config.write_text(self.plain)
        for gateway in (left, right):
            gateway.process.send_signal(signal.SIGHUP)

        def quiet():
            before = right.status()["drops"]["in_dummy"]
            time.sleep(0.3)
            return right.status()["drops"]["in_dummy"] == before
        lab.wait_until(quiet, 10, "a reload without them did not end the dummies")
        self.assertEqual(self.ping()[0], 3, "the SAs went on")


if __name__ == "__main__":
    lab.run_tests()
