# SPDX-License-Identifier: Apache-2.0
"""Routes into the TUN device that lead to the peers themselves, too: everything through a peer, and
transport mode between two hosts. The tunnels' own packets must not take them, and the machine's own
routes, its rules and what a dead gateway left must stay in order.

The network is that of fail_closed.py; left has a default route to right in the clear."""

import hashlib
import json
import pathlib
import socket
import sys
import threading
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "scripts"))
import lab  # noqa: E402
import wire  # noqa: E402
from fail_closed import CLEAR, FailClosed, ip  # noqa: E402
from netns import inside, udp_socket  # noqa: E402

# From port 4500 the rule for IKE would lead the tunnel's packets right without a mark.
EVERYTHING = """
[site.left]
address = "192.0.2.1"
port = 4600
networks = ["10.1.0.0/24", "fd00:1::/64"]

[site.right]
address = "198.51.100.1"
networks = ["0.0.0.0/0", "::/0"]

[[tunnel]]
name = "all"
sites = ["left", "right"]
transform = "aes256gcm16"
keys = { file = "{site}.keys" }
"""
HOSTS = """
[site.left]
address = "{left}"
{networks_left}

[site.right]
address = "{right}"
{networks_right}

[[tunnel]]
name = "hosts"
sites = ["left", "right"]
transform = "aes256gcm16"
mode = "transport"
encapsulation = "{encapsulation}"
esn = false
keys = {keys}
"""
ROAMING = """
[site.left]
address = "192.0.2.1"
networks = ["10.1.0.0/24"]

[site.right]
address = "192.0.2.2"
networks = ["10.2.0.0/24", "198.51.100.0/24"]

[[tunnel]]
name = "roaming"
sites = ["left", "right"]
transform = "aes256gcm16"
nat = { follow_peer = true }
keys = { file = "{site}.keys" }
"""
# What right sends from its port 4500 comes from another address, and what goes there comes to it.
NAT = """
table ip nat
delete table ip nat
table ip nat {
  chain out {
    type filter hook postrouting priority 300;
    udp sport 4500 ip saddr set %(address)s
  }
  chain in {
    type filter hook prerouting priority -400;
    ip daddr 192.0.2.2 udp dport 4500 drop
    ip daddr %(address)s udp dport 4500 ip daddr set 192.0.2.2
  }
}
"""
BY_FILE, BY_SOCKET = '{ file = "{site}.keys" }', "{ socket = true }"
OUTER4 = {"left": "192.0.2.1", "right": "192.0.2.2"}
OUTER6 = {"left": "2001:db8::1", "right": "2001:db8::2"}
CLEAR_RAW = CLEAR.replace("udp port 4500", "esp")
BEHIND = ("10.2.0.5", "fd00:2::5")


class Routing(FailClosed):
    def setUp(self):
        super().setUp()
        ip("-n", "right", "address", "add", "198.51.100.1/32", "dev", "lo")  # a router away

    def write(self, text):
        self.config.write_text(text)
        for old in lab.FOLDER.glob("*.keys*"):
            old.unlink()
        if "file = " in text:
            self.espalier.make_keys(self.config)

    def state(self, site="left"):
        """What a gateway may change in a site's routing."""
        words = ("rule", "route show table all", "address", "link")
        return {f"{version} {word}": self.network.run(site, "ip", version, *word.split()).stdout
                for word in words for version in ("-4", "-6")}

    def rule_count(self, site="left"):
        return sum(len(self.network.run(site, "ip", version, "rule").stdout.splitlines())
                   for version in ("-4", "-6"))

    def reaches(self, where, target, source=()):
        # One by one: once ping has had an answer it waits for the others for two round trips only.
        answers = sum(self.ping(where, target, 1, source=source, wait=20) for _ in range(3))
        self.assertEqual(answers, 3, f"{where} to {target}: {self.carried()}")

    def carried(self):
        """For whoever looks for the packets that are missing."""
        return {site: self.espalier.call("status", "--socket", lab.FOLDER / f"{site}.sock").stdout
                for site in lab.SITES}

    def way(self, target, *words):
        """The device by which left sends to `target`."""
        said = self.network.run("left", "ip", "-j", "route", "get", target, *words).stdout
        return json.loads(said)[0]["dev"]

    def mark(self):
        rules = json.loads(self.network.run("left", "ip", "-j", "rule").stdout)
        return next(rule["fwmark"] for rule in rules if "fwmark" in rule)

    def add(self, gateway, name, peer, ends, spi, direction="outbound", mode="tunnel", local=None):
        ends = dict(zip(("source", "destination"), ends if direction == "outbound" else ends[::-1]))
        added = self.hand_over(gateway, {"name": name, "direction": direction, "spi": spi,
                                         "local": local or OUTER4[gateway.site], "peer": peer,
                                         "mode": mode, "selectors": [ends]})
        self.assertEqual(added.returncode, 0, added.stderr)


class TunDevice(Routing):
    """What somebody does to the TUN device of a running gateway."""

    def test_its_routes_and_addresses_come_back_when_it_was_set_down(self):
        self.configure()
        text = self.config.read_text()
        for number, site in enumerate(lab.SITES, 1):
            text = text.replace('tun = { name = "esp0" }',
                                f'tun = {{ name = "esp0", addresses = ["10.{number}.0.9/32", '
                                f'"fd00:{number}::9/128"] }}', 1)
        self.write(text)
        left, right = self.gateway("left"), self.gateway("right")
        before = self.state()
        self.network.run("left", "ip", "link", "set", "esp0", "down")
        lab.wait_until(lambda: "has set the TUN device 'esp0' down" in left.log(), 20,
                       "nothing was said of a TUN device that is down")
        self.assertNotEqual(self.state(), before)
        self.network.run("left", "ip", "link", "set", "esp0", "up")
        lab.wait_until(lambda: "is there again" in left.log(), 20, "nothing was put back")
        after = self.state()
        for table in before:
            if "link" not in table:
                self.assertEqual(sorted(after[table].splitlines()), sorted(before[table].splitlines()))
        self.reaches("left", "10.2.0.9")
        self.assertEqual(left.log().count("is there again"), 1)
        self.assertRegex(left.log(), r"'esp0' had lost [1-9]\d* (address|route)")
        self.assertNotRegex(left.log(), r"\b0 (addresses|routes)")
        left.stop()
        right.stop()


class Everything(Routing):
    """A site whose peer is the way to everywhere: 0.0.0.0/0 and ::/0."""

    def start(self):
        self.write(EVERYTHING)
        return self.gateway("left"), self.gateway("right")

    def test_goes_through_the_tunnel_but_for_the_tunnel_itself(self):
        left, _ = self.start()
        with self.nothing_in_the_clear():
            for where in ("host", "left"):
                for target in BEHIND:
                    source = ("-I", "10.1.0.1" if "." in target else "fd00:1::1") if where == "left" else ()
                    self.reaches(where, target, source)
        sas = {sa["name"]: sa["packets"] for sa in left.sas()}
        self.assertEqual(sas["all/out"], 12, "each packet once, and none of the tunnel's own")
        self.assertEqual(sas["all/in"], 12)

    def test_leaves_the_machines_own_routes_and_ike_alone(self):
        self.start()
        for target in (*BEHIND, "198.51.100.1"):
            self.assertEqual(self.way(target), "esp0", target)
        self.assertEqual(self.way("198.51.100.1", "mark", self.mark()), "wire")
        for target in ("192.0.2.9", "2001:db8::9"):
            self.assertEqual(self.way(target), "wire", "there is a route to its network")
        self.assertEqual(self.way("10.1.0.9"), "host")
        with udp_socket("left", "192.0.2.1", 500) as here, \
                udp_socket("right", "198.51.100.1", 500) as there:
            here.sendto(b"as an IKE daemon would", ("198.51.100.1", 500))
            self.assertEqual(there.recv(100), b"as an IKE daemon would")

    def test_is_undone_by_a_clean_stop(self):
        before = self.state()
        left, _ = self.start()
        self.assertNotEqual(self.state(), before)
        left.stop()
        self.assertEqual(self.state(), before)

    def test_stays_closed_after_a_kill_and_is_taken_over(self):
        before = self.state()
        left, right = self.start()
        rules = self.rule_count()
        for _ in range(2):
            self.kill(left)
            with self.nothing_in_the_clear():
                self.from_everywhere()
            self.assertEqual(self.way("192.0.2.9"), "wire")
            right.stop()
            left, right = self.start()
            self.assertEqual(self.rule_count(), rules, "stale rules are taken over")
            self.reaches("host", "10.2.0.5")
        left.stop()
        self.assertEqual(self.state(), before)

    def test_says_what_strict_reverse_path_filtering_needs(self):
        self.network.run("left", "sysctl", "-qw", "net.ipv4.conf.wire.rp_filter=1")
        left, _ = self.start()
        self.assertIn("'sysctl -w net.ipv4.conf.wire.rp_filter=2'", left.log())
        self.assertEqual(self.ping("host", "10.2.0.5", 2), 0, "strict, and so deaf")
        self.network.run("left", "sysctl", "-qw", "net.ipv4.conf.wire.rp_filter=2")
        self.reaches("host", "10.2.0.5")


class BetweenHosts(Routing):
    """Transport mode between the sites' own addresses."""

    def configure_hosts(self, outer, encapsulation="udp", keys=BY_FILE):
        self.write(HOSTS.format(
            **outer, encapsulation=encapsulation, keys=keys,
            **{f"networks_{site}": f'networks = ["{outer[site]}"]' for site in outer}))

    def talk(self, outer):
        """300 kB over TCP to right, and their digest back."""
        family = socket.AF_INET6 if ":" in outer["right"] else socket.AF_INET
        data = bytes(range(256)) * 1200
        with inside("right"):
            server = socket.create_server((outer["right"], 5001), family=family)

        def answer():
            with server, server.accept()[0] as one:
                one.settimeout(20)
                got = b""
                while len(got) < len(data):
                    got += one.recv(65536)
                one.sendall(hashlib.sha256(got).digest())

        server.settimeout(20)
        thread = threading.Thread(target=answer)
        thread.start()
        with inside("left"):
            client = socket.socket(family)
        with client:
            client.settimeout(20)
            client.connect((outer["right"], 5001))
            client.sendall(data)
            self.assertEqual(client.recv(32), hashlib.sha256(data).digest())
        thread.join()

    def check(self, outer, encapsulation):
        self.configure_hosts(outer, encapsulation)
        sas = [sa for here, there in (("left", "right"), ("right", "left")) for sa in
               wire.outbound_sas(lab.FOLDER / f"{here}.keys", outer[here], outer[there])]
        before = self.state()
        left, _ = self.gateway("left"), self.gateway("right")
        file = lab.FOLDER / "all.pcapng"
        capture = self.network.capture("left", file)
        with self.nothing_in_the_clear(CLEAR if encapsulation == "udp" else CLEAR_RAW):
            self.reaches("left", outer["right"])
            self.reaches("right", outer["left"])
            self.talk(outer)
        self.network.captured(capture)
        icmp = "icmpv6" if ":" in outer["left"] else "icmp"
        seen = [protocols.partition(":esp")[2].split(":")[1]
                for protocols, *_ in wire.dissect(file, sas) if ":esp:" in protocols]
        self.assertGreaterEqual(seen.count(icmp), 12, "right inside of ESP, without another IP header")
        self.assertGreater(seen.count("tcp"), 100)
        left.stop()
        self.assertEqual(self.state(), before)

    def test_carries_ping_and_tcp_in_udp_over_ipv4(self):
        self.check(OUTER4, "udp")

    def test_carries_ping_and_tcp_in_udp_over_ipv6(self):
        self.check(OUTER6, "udp")

    def test_carries_ping_and_tcp_in_raw_esp_over_ipv4(self):
        self.check(OUTER4, "none")

    def test_carries_ping_and_tcp_in_raw_esp_over_ipv6(self):
        self.check(OUTER6, "none")

    def check_fragments(self, outer, encapsulation):
        """On right's way back packets of more than 600 bytes are cut, below its gateway."""
        self.configure_hosts(outer, encapsulation)
        self.gateway("left"), self.gateway("right")
        length = 128 if ":" in outer["left"] else 32
        self.network.run("right", "ip", "route", "add", f"{outer['left']}/{length}", "dev", "wire", "mtu",
                         "lock", "600" if length == 32 else "1280")
        later = "ip[6:2] & 0x1fff != 0" if length == 32 else "ip6[6] = 44 and ip6[42:2] & 0xfff8 != 0"
        capture = self.network.capture("left", lab.FOLDER / "cut.pcapng", later)
        size = "1220"  # in IPv6 no more than what any path carries
        self.ping("left", outer["right"], 1, source=("-s", size))  # the answer may find out the MTU
        self.assertEqual(self.ping("left", outer["right"], source=("-M", "dont", "-s", size), wait=20), 3)
        self.assertGreaterEqual(self.network.captured(capture), 3, "nothing was cut")

    def test_takes_fragments_of_udp_over_ipv4(self):
        self.check_fragments(OUTER4, "udp")

    def test_takes_fragments_of_udp_over_ipv6(self):
        self.check_fragments(OUTER6, "udp")

    def test_takes_fragments_of_raw_esp_over_ipv4(self):
        self.check_fragments(OUTER4, "none")

    def test_finds_its_neighbour_again(self):
        self.configure_hosts(OUTER6)
        self.gateway("left"), self.gateway("right")
        for site in lab.SITES:
            self.network.run(site, "ip", "neigh", "flush", "dev", "wire")
        self.reaches("left", OUTER6["right"])


class OverTheSocket(Routing):
    """SAs of which the configuration says nothing."""

    def test_come_and_go_with_their_routes(self):
        self.configure(BY_SOCKET)
        gateways = left, right = self.gateway("left"), self.gateway("right")
        before = self.state()
        hosts = ("192.0.2.1/32", "192.0.2.2/32")
        for gateway, peer, forth, back in ((left, "192.0.2.2", "outbound", "inbound"),
                                           (right, "192.0.2.1", "inbound", "outbound")):
            ends = ("10.1.0.0/24", "0.0.0.0/0"), hosts
            ends = ends if gateway is left else [pair[::-1] for pair in ends]
            self.add(gateway, "all-forth", peer, ends[0], 0x1000, forth)
            self.add(gateway, "all-back", peer, ends[0], 0x1001, back)
            self.add(gateway, "host-forth", peer, ends[1], 0x1002, forth, "transport")
            self.add(gateway, "host-back", peer, ends[1], 0x1003, back, "transport")
        with self.nothing_in_the_clear():
            self.reaches("host", "10.2.0.5")
            self.reaches("left", "192.0.2.2")
        carried = {sa["name"]: sa["packets"] for sa in left.sas()}
        self.assertEqual(carried, {"all-forth": 3, "all-back": 3, "host-forth": 3, "host-back": 3})
        for name in ("host-forth", "all-forth", "all-back"):
            left.ask("sa", "delete", name)
        self.assertEqual(self.way("192.0.2.2"), "esp0", "an SA to there is left")
        left.ask("sa", "delete", "host-back")
        self.assertEqual(self.state(), before)
        self.assertEqual([gateway.process.poll() for gateway in gateways], [None, None])

    def test_move_a_configured_network_that_holds_their_peer(self):
        self.configure(BY_SOCKET, right='"10.0.0.0/8", "198.51.0.0/16"')
        left = self.gateway("left")
        self.assertEqual(self.rule_count(), 5, "nothing of it is a peer's")
        self.add(left, "a", "198.51.100.1", ("10.1.0.0/24", "198.51.0.0/16"), 0x1000)
        self.assertEqual(self.way("198.51.100.1"), "esp0")
        self.assertEqual(self.way("198.51.100.1", "mark", self.mark()), "wire")
        self.assertEqual(self.way("10.9.0.1"), "esp0")

    def test_reach_a_peer_inside_of_a_network_that_is_protected(self):
        """198.51.100.1 is right's end, and its network is behind right."""
        self.configure(BY_SOCKET)
        left = self.gateway("left")
        self.config.write_text(self.config.read_text().replace('"192.0.2.2"', '"198.51.100.1"'))
        right = self.gateway("right")
        for gateway, ends, way in ((left, ("192.0.2.1", "198.51.100.1"), ("outbound", "inbound")),
                                   (right, ("198.51.100.1", "192.0.2.1"), ("inbound", "outbound"))):
            nets = [("10.1.0.0/24", net) for net in ("10.2.0.0/24", "198.51.100.0/24")]
            for number, pair in enumerate(nets):
                pair = pair if gateway is left else pair[::-1]
                for back, direction in enumerate(way):
                    self.add(gateway, f"{number}-{direction}", ends[1], pair,
                             0x1000 + 2 * number + back, direction, local=ends[0])
        with self.nothing_in_the_clear():
            self.reaches("host", "10.2.0.5")
            self.reaches("host", "198.51.100.1")
            self.reaches("far", "10.1.0.5")
        self.assertEqual({sa["name"]: sa["packets"] for sa in left.sas()},
                         {"0-outbound": 6, "0-inbound": 6, "1-outbound": 3, "1-inbound": 3})


class Roaming(Routing):
    """A peer that moves into a network that is protected, and on."""

    def move_right_to(self, address):
        ip("-n", "right", "address", "replace", f"{address}/32", "dev", "lo")
        rules = lab.FOLDER / "nat.nft"
        rules.write_text(NAT % {"address": address})
        self.network.run("right", "nft", "-f", rules)
        self.ping("far", "10.1.0.5", 1, wait=5)  # so that left hears from there
        lab.wait_until(lambda: {sa["peer"] for sa in self.left.sas()} == {f"{address}:4500"}, 10,
                       "left did not follow")

    def test_is_followed_past_the_tun_device(self):
        before = self.state()
        self.write(ROAMING)
        self.left, _ = self.gateway("left"), self.gateway("right")
        self.reaches("host", "10.2.0.5")
        self.assertEqual(self.rule_count(), 5, "no route is apart")
        self.network.run("left", "nft", "add table inet watch; add chain inet watch out { type filter "
                         "hook output priority 0; }; add rule inet watch out oifname esp0 udp sport "
                         "4500 counter")
        for address in ("198.51.100.7", "10.2.0.9", "203.0.113.7", "198.51.100.8"):
            with self.subTest(address=address), self.nothing_in_the_clear():
                self.move_right_to(address)
                for where, target in (("host", "10.2.0.5"), ("host", "198.51.100.1"),
                                      ("far", "10.1.0.5")):
                    self.reaches(where, target)
        self.assertEqual(self.way("198.51.100.8"), "esp0")
        self.assertEqual(self.way("198.51.100.8", "mark", self.mark()), "wire")
        self.assertIn("packets 0 ", self.network.run("left", "nft", "list table inet watch").stdout,
                      "packets of the tunnel itself were led into it")
        self.left.stop()
        self.assertEqual(self.state(), before)


if __name__ == "__main__":
    lab.run_tests()
