# SPDX-License-Identifier: Apache-2.0
"""Law 3 at the gateway's edge: what its tunnels protect neither leaves nor arrives in the clear,
whether the gateway runs, was killed, or starts again; and what else the kernel's rules must let be.

Beside the laboratory's two sites there are 'host', behind left, and a default route from left to
right, by which everything would leave in the clear if it could."""

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "scripts"))
import lab  # noqa: E402
from gateway import Espalier, Gateway  # noqa: E402

SITES = """
[site.left]
address = "192.0.2.1"
networks = ["10.1.0.0/24", "fd00:1::/64"]
tun = {{ name = "{tun}" }}

[site.right]
address = "192.0.2.2"
networks = [{right}]
tun = {{ name = "{tun}" }}
"""
TUNNEL = """
[[tunnel]]
name = "office"
sites = ["left", "right"]
transform = "aes256gcm16"
keys = {keys}
"""
FILE_KEYS = '{ file = "{site}.keys" }'
SOCKET_KEYS = "{ socket = true }"
RIGHT = '"10.2.0.0/24", "fd00:2::/64"'
# Whatever is in the clear: neither ESP, nor the answer where no gateway takes it, nor address
# resolution.
CLEAR = "not (arp or udp port 4500 or icmp[0] = 3 or (icmp6 and (ip6[40] >= 133 and ip6[40] <= 136)) or ip6[6] = 0)"
HEARS = """
import socket
with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as server:
    server.bind(("::", 5000))
    print("listens", flush=True)
    while True:
        print("heard", server.recvfrom(2000)[0].decode(), flush=True)
"""
SAYS = """
import socket, sys
with socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.sendto(sys.argv[2].encode(), (sys.argv[1], 5000))
"""
# Runs a command as if the kernel had no nftables: a socket for NETLINK_NETFILTER is refused.
WITHOUT_NFTABLES = """
import ctypes, os, struct, sys
LOAD, EQUAL, RETURN, ALLOW, REFUSE = 0x20, 0x15, 0x06, 0x7fff0000, 0x50000 | 93
steps = ((LOAD, 0, 0, 0), (EQUAL, 0, 5, 41), (LOAD, 0, 0, 16), (EQUAL, 0, 3, 16),
         (LOAD, 0, 0, 32), (EQUAL, 0, 1, 12), (RETURN, 0, 0, REFUSE), (RETURN, 0, 0, ALLOW))
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, program, 0, 0):
    sys.exit(os.strerror(ctypes.get_errno()))
os.execv(sys.argv[1], sys.argv[1:])
"""


def ip(*words):
    lab.ip(*map(str, words))


class FailClosed(unittest.TestCase):
    def setUp(self):
        self.network = lab.Lab({"left": "192.0.2.1/24", "right": "192.0.2.2/24"})
        self.addCleanup(self.network.__exit__)
        self.espalier = Espalier(os.environ["ESPALIER_BUILD"])
        self.config = lab.FOLDER / "site.toml"
        self.make_host("left", "host", "10.1.0", "fd00:1:")
        self.make_host("right", "far", "10.2.0", "fd00:2:")
        for number, site in enumerate(lab.SITES, 1):
            for net in ("2001:db8::", "fe80::"):  # no packet is forwarded without a link-local one
                ip("-n", site, "address", "add", f"{net}{number}/64", "dev", "wire", "nodad")
        ip("-n", "left", "route", "add", "default", "via", "192.0.2.2")
        ip("-n", "left", "-6", "route", "add", "default", "via", "2001:db8::2")

    def make_host(self, site, host, net4, net6):
        """A host behind a site, which has the first address of the network itself."""
        ip("netns", "add", host)
        self.addCleanup(ip, "netns", "delete", host)
        ip("-n", site, "link", "add", host, "type", "veth", "peer", "name", "eth", "netns", host)
        for where, device, number in ((site, host, 1), (host, "eth", 5)):
            self.network.run(where, "sysctl", "-qw", f"net.ipv6.conf.{device}.accept_dad=0",
                             f"net.ipv6.conf.{device}.router_solicitations=0")
            ip("-n", where, "address", "add", f"{net4}.{number}/24", "dev", device)
            ip("-n", where, "address", "add", f"{net6}:{number}/64", "dev", device, "nodad")
            ip("-n", where, "link", "set", device, "up")
        ip("-n", host, "link", "set", "lo", "up")
        ip("-n", host, "route", "add", "default", "via", f"{net4}.1")
        ip("-n", host, "-6", "route", "add", "default", "via", f"{net6}:1")
        self.network.run(site, "sysctl", "-qw", "net.ipv4.ip_forward=1",
                         "net.ipv6.conf.all.forwarding=1", "net.ipv4.conf.all.rp_filter=0")

    def configure(self, keys=FILE_KEYS, right=RIGHT, extra="", tun="esp0", file=None):
        file = file or self.config
        file.write_text(extra + SITES.format(right=right, tun=tun) + TUNNEL.format(keys=keys))
        for old in lab.FOLDER.glob("*.keys*"):
            old.unlink()
        if keys == FILE_KEYS:
            self.espalier.make_keys(file)

    def gateway(self, site="left"):
        gateway = Gateway(self.espalier, self.network, site, self.config)
        answered = lambda: self.espalier.call("status", "--socket", gateway.socket).returncode == 0  # noqa: E731
        lab.wait_until(lambda: gateway.process.poll() is not None or answered(), 20,
                       f"{site} was not ready")
        self.assertIsNone(gateway.process.poll(), gateway.log())
        return gateway

    def hand_over(self, gateway, sa):
        """An SA over the control socket, with keys that are made of its SPI."""
        request = {"sa": {"transform": "aes256gcm16"} | sa,
                   "keys": {"cipher": f"{sa['spi']:064x}", "salt": f"{sa['spi']:08x}"}}
        return subprocess.run(
            self.espalier.command("sa", "add", "-", "--socket", gateway.socket), text=True,
            input=json.dumps(request), capture_output=True, check=False, timeout=30)

    def kill(self, gateway):
        gateway.process.send_signal(signal.SIGKILL)
        gateway.process.wait(10)

    def tables(self, site="left"):
        return re.findall(r"table inet (\S+)", self.network.run(site, "nft", "list", "tables").stdout)

    def rules(self, site="left"):
        return self.network.run(site, "nft", "list", "ruleset").stdout

    def elements(self, name, table="espalier-left"):
        listed = json.loads(self.network.run("left", "nft", "-j", "list", "set", "inet", table, name)
                            .stdout)["nftables"][1]["set"].get("elem", [])
        return sorted(f"{e['prefix']['addr']}/{e['prefix']['len']}" if "prefix" in e else e
                      for e in listed)

    def ping(self, where, target, count=3, check=False, source=(), wait=1):
        """How many answers came, the last of them within `wait` seconds."""
        said = self.network.run(where, "ping", "-q", "-c", count, "-i", "0.02", "-W", wait, *source,
                                target, check=check).stdout
        answers = re.search(r"(\d+) received", said)
        return int(answers.group(1)) if answers else 0

    @contextlib.contextmanager
    def nothing_in_the_clear(self, clear=CLEAR):
        """A capture on left's wire around what is done within."""
        file = lab.FOLDER / "clear.pcapng"
        capture = self.network.capture("left", file, clear)
        yield
        seen = self.network.captured(capture)
        frames = subprocess.run(["tshark", "-n", "-r", str(file)], text=True, capture_output=True,
                                check=False).stdout
        self.assertEqual(seen, 0, f"left the gateway or came in the clear:\n{frames}")

    def from_everywhere(self):
        """What the host and the gateway itself have to say to the other side."""
        for target in ("10.2.0.5", "fd00:2::5"):
            for where, source in (("host", ()), ("left", ()), ("left", ("-I", "wire")),
                                  ("left", ("-I", "10.1.0.1" if "." in target else "fd00:1::1"))):
                with self.subTest(where=where, target=target, source=source):
                    self.assertEqual(self.ping(where, target, 2, source=source), 0)


class WhatIsKilled(FailClosed):
    def test_under_traffic_leaks_nothing(self):
        self.configure()
        left, _ = self.gateway("left"), self.gateway("right")
        for where in ("host", "left"):
            for target in ("10.2.0.5", "fd00:2::5"):
                source = ("-I", "10.1.0.1" if "." in target else "fd00:1::1") if where == "left" else ()
                self.assertEqual(self.ping(where, target, source=source), 3, "through the tunnel")
        with self.nothing_in_the_clear():
            pings = [self.network.start(where, "ping", "-q", "-i", "0.005", target)
                     for where in ("host", "left") for target in ("10.2.0.5", "fd00:2::5")]
            lab.wait_until(lambda: left.sas()[1]["packets"] > 100, 10, "there was no traffic")
            self.kill(left)
            self.from_everywhere()
            for ping in pings:
                self.assertIsNone(ping.poll(), "there was no traffic when it was killed")
                lab.stop(ping)

    def test_only_the_rules_stand_between(self):
        """That the tests above and below would see a leak."""
        self.configure()
        left = self.gateway("left")
        self.kill(left)
        self.network.run("left", "nft", "delete", "table", "inet", "espalier-left")
        ip("-n", "right", "route", "add", "10.1.0.0/24", "via", "192.0.2.1")
        ip("-n", "right", "-6", "route", "add", "fd00:1::/64", "via", "2001:db8::1")
        for where in ("host", "left"):
            for target in ("10.2.0.5", "fd00:2::5"):
                self.assertEqual(self.ping(where, target), 3)


class WhatIsInjected(FailClosed):
    """From the peer's side, in the clear, as nobody but a forger or a mistaken router would."""

    OWN = ("10.1.0.1", "10.1.0.5", "fd00:1::1", "fd00:1::5")

    def setUp(self):
        super().setUp()
        self.configure()
        ip("-n", "right", "route", "add", "10.1.0.0/24", "via", "192.0.2.1")
        ip("-n", "right", "-6", "route", "add", "fd00:1::/64", "via", "2001:db8::1")
        self.logs = [self.listener(where) for where in ("left", "host")]

    def listener(self, where):
        log = lab.FOLDER / f"{where}.heard"
        self.network.start(where, sys.executable, "-c", HEARS, log=log)
        lab.wait_until(lambda: "listens" in log.read_text(), 10, f"{where} does not listen")
        return log

    def heard(self, word, targets=OWN):
        for target in targets:
            self.network.run("far", sys.executable, "-c", SAYS, target, f"{word}-{target}")
        self.network.run("host", sys.executable, "-c", SAYS, "10.1.0.5", f"{word}-end")
        lab.wait_until(lambda: f"{word}-end" in self.logs[1].read_text(), 5, "the host is deaf")
        text = "".join(log.read_text() for log in self.logs)
        return sorted(set(re.findall(rf"heard {word}-(\S*[.:]\S*)", text)))

    def test_reaches_no_socket_while_the_gateway_runs_nor_when_it_was_killed(self):
        self.assertEqual(len(self.heard("before")), 4, "without a gateway it would be heard")
        left = self.gateway("left")
        for target in self.OWN:
            self.assertEqual(self.ping("far", target, 1), 0)
        self.assertEqual(self.heard("running"), [])
        self.kill(left)
        self.assertEqual(self.heard("killed"), [])
        self.configure()
        self.gateway("left")
        self.assertEqual(self.heard("again"), [])

    def test_reaches_no_socket_by_way_of_nat(self):
        """The gateway rewrites the destination, as for a service that it offers to the outside."""
        outside = ("192.0.2.11", "192.0.2.15", "2001:db8::11", "2001:db8::15")
        rules = "add table inet nat\n" \
                "add chain inet nat inward { type nat hook prerouting priority dstnat; }\n"
        for target, own in zip(outside, self.OWN, strict=True):
            six = ":" in target
            ip("-n", "left", "address", "add", f"{target}/{64 if six else 24}", "dev", "wire",
               *(("nodad",) if six else ()))
            family = "ip6" if six else "ip"
            rules += f"add rule inet nat inward {family} daddr {target} dnat {family} to {own}\n"
        file = lab.FOLDER / "nat.nft"
        file.write_text(rules)
        self.network.run("left", "nft", "-f", file)
        self.assertEqual(len(self.heard("before", outside)), 4, "without a gateway it would be heard")
        left = self.gateway("left")
        self.assertEqual(self.heard("running", outside), [])
        self.kill(left)
        self.assertEqual(self.heard("killed", outside), [])
        self.configure()
        self.gateway("left").stop()
        self.assertEqual(len(self.heard("stopped", outside)), 4)


class WhoComesAndGoes(FailClosed):
    def test_the_next_run_takes_over_without_a_moment_between(self):
        self.configure()
        self.kill(self.gateway())
        with self.nothing_in_the_clear():
            flood = [self.network.start("host", "ping", "-q", "-f", target)
                     for target in ("10.2.0.5", "fd00:2::5")]
            for right in ('"10.2.0.0/16", "fd00:2::/64", "10.7.0.0/24"', RIGHT):
                self.configure(right=right)
                left = self.gateway()
                self.assertEqual("10.7.0.0/24" in self.elements("remote4"), "10.7" in right)
                self.kill(left)
            self.assertTrue(all(ping.poll() is None for ping in flood))
            for ping in flood:
                lab.stop(ping)
        self.assertEqual(self.tables(), ["espalier-left"])

    def test_a_clean_stop_opens(self):
        self.configure()
        left = self.gateway()
        self.assertEqual(self.tables(), ["espalier-left"])
        left.stop()
        self.assertEqual(self.rules(), "")
        self.configure()
        self.kill(self.gateway())
        self.configure()
        self.gateway().stop()
        self.assertEqual(self.rules(), "", "also of what was taken over")

    def test_a_clean_stop_stays_closed_where_it_should(self):
        self.configure(extra='[gateway]\non_stop = "closed"\n')
        left = self.gateway()
        left.stop()
        self.assertIn("'nft delete table inet espalier-left' opens them", left.log())
        with self.nothing_in_the_clear():
            self.from_everywhere()

    def failed_start(self):
        return Gateway(self.espalier, self.network, "left", self.config).process.wait(20)

    def test_a_start_that_fails_leaves_what_it_found(self):
        self.configure()
        ip("-n", "left", "route", "add", "10.2.0.0/24", "dev", "wire")
        self.assertEqual(self.failed_start(), 1)
        self.assertEqual(self.rules(), "")
        ip("-n", "left", "route", "delete", "10.2.0.0/24", "dev", "wire")
        self.kill(self.gateway())
        self.configure(right='"10.8.0.0/24"')
        ip("-n", "left", "route", "add", "10.8.0.0/24", "dev", "wire")
        self.assertEqual(self.failed_start(), 1)
        self.assertEqual(self.elements("remote4"), ["10.2.0.0/24"])

    def test_two_gateways_keep_out_of_each_others_way(self):
        self.configure()
        left, other = self.gateway(), lab.FOLDER / "other.toml"
        text = SITES.format(right='"10.9.0.0/24"', tun="esp1") + TUNNEL.format(keys=SOCKET_KEYS)
        text = text.replace('"192.0.2.1"', '"192.0.2.1"\nport = 4600')
        other.write_text(text)
        run = ("run", other, "--site", "left", "--state", lab.FOLDER / "o.state", "--socket",
               lab.FOLDER / "o.sock")
        refused = self.espalier.call(*run, site="left")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("Another gateway of site 'left' runs in this network namespace", refused.stderr)
        self.assertEqual(self.elements("remote4"), ["10.2.0.0/24"])
        other.write_text(text.replace("[site.left]", "[site.annex]").replace('"left"', '"annex"'))
        annex = self.network.start("left", *self.espalier.command(
            *["annex" if word == "left" else word for word in run]))
        lab.wait_until(lambda: len(self.tables()) == 2, 20, "the second gateway did not start")
        self.assertEqual(self.elements("remote4", "espalier-annex"), ["10.9.0.0/24"])
        left.process.terminate()
        left.process.wait(20)
        self.assertEqual(self.tables(), ["espalier-annex"])
        self.assertEqual(lab.stop(annex), 0)
        self.assertEqual(self.rules(), "")

    def test_rules_that_somebody_flushed_come_back(self):
        self.configure()
        left = self.gateway()
        self.network.run("left", "nft", "flush", "ruleset")
        lab.wait_until(lambda: self.tables() == ["espalier-left"], 5, "they did not come back")
        self.assertEqual(self.elements("remote6"), ["fd00:2::/64"])
        lab.wait_until(lambda: "Somebody changed the nftables table inet espalier-left" in left.log(),
                       5, "it was not said")


class WhatIsProtected(FailClosed):
    def reload(self, gateway):
        before = gateway.log().count("Reloaded ")
        gateway.process.send_signal(signal.SIGHUP)
        lab.wait_until(lambda: gateway.log().count("Reloaded ") > before, 10, gateway.log())

    def routes(self):
        return self.network.run("left", "ip", "route", "show", "dev", "esp0").stdout.split("\n")

    def test_follows_a_reload_without_a_moment_between(self):
        self.configure(SOCKET_KEYS)
        left = self.gateway()
        with self.nothing_in_the_clear():
            flood = self.network.start("host", "ping", "-q", "-f", "10.2.0.5")
            for right in ('"10.2.0.0/16", "10.7.0.0/24"', '"10.2.0.0/24", "fd00:9::/64"', RIGHT):
                self.configure(SOCKET_KEYS, right)
                self.reload(left)
                here = self.elements("remote4") + self.elements("remote6")
                self.assertEqual(here, re.findall(r'"(\S+)"', right))
            lab.stop(flood)
        self.assertEqual(left.process.poll(), None)

    def add(self, gateway, name, remote, spi, direction="outbound"):
        ends = [{"source": "10.1.0.0/24", "destination": remote}]
        if direction == "inbound":
            ends = [{"source": remote, "destination": "10.1.0.0/24"}]
        return self.hand_over(gateway, {"name": name, "direction": direction, "spi": spi,
                                        "local": "192.0.2.1", "peer": "192.0.2.2",
                                        "selectors": ends})

    def test_holds_the_networks_of_sas_for_as_long_as_they_live(self):
        self.configure(SOCKET_KEYS)
        left = self.gateway()
        for name, remote, spi, direction in (
                ("a", "10.5.1.0/24", 0x1000, "outbound"), ("b", "10.5.1.0/24", 0x1001, "inbound"),
                ("c", "10.5.0.0/16", 0x1002, "outbound"), ("d", "10.2.0.7/32", 0x1003, "outbound"),
                ("e", "10.6.0.7/32", 0x1004, "outbound"), ("f", "10.6.0.8/32", 0x1005, "outbound")):
            added = self.add(left, name, remote, spi, direction)
            self.assertEqual(added.returncode, 0, added.stderr)
        self.assertEqual(self.elements("remote4"), ["10.2.0.0/24", "10.5.0.0/16"])
        self.assertIn("10.5.0.0/16", " ".join(self.routes()))
        left.ask("sa", "delete", "c")
        left.ask("sa", "delete", "a")
        self.assertEqual(self.elements("remote4"), ["10.2.0.0/24", "10.5.1.0/24"])
        self.assertIn("10.5.1.0/24", " ".join(self.routes()))
        self.assertEqual(self.elements("hosts4"), ["10.6.0.7", "10.6.0.8"])
        left.ask("sa", "delete", "f")
        self.assertEqual(self.elements("hosts4"), ["10.6.0.7"])
        self.kill(left)
        with self.nothing_in_the_clear():
            self.assertEqual(self.ping("host", "10.5.1.9", 2), 0)
            self.assertEqual(self.ping("host", "10.6.0.7", 2), 0)
        self.configure(SOCKET_KEYS)
        left = self.gateway()
        self.assertEqual(self.elements("remote4"), ["10.2.0.0/24"], "its SAs went with the process")
        self.assertEqual(self.add(left, "b", "10.5.1.0/24", 0x1001, "inbound").returncode, 0)
        left.ask("sa", "delete", "b")
        self.assertEqual(self.elements("remote4"), ["10.2.0.0/24"])
        self.assertNotIn("10.5", " ".join(self.routes()))

    def test_refuses_an_sa_to_where_another_route_leads(self):
        self.configure(SOCKET_KEYS)
        left = self.gateway()
        ip("-n", "left", "route", "add", "10.6.0.0/24", "dev", "wire")
        refused = self.add(left, "a", "10.6.0.0/24", 0x1000)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("another route to it exists", refused.stderr)
        self.assertEqual(self.elements("remote4"), ["10.2.0.0/24"])
        self.assertEqual(left.sas(), [])

    def test_spares_the_tunnel_its_neighbours_and_the_own_network(self):
        """Where the peer's networks hold everything else around."""
        self.configure(right='"10.0.0.0/8", "192.0.0.0/16", "fd00::/16", "2001:db8::/32"')
        self.gateway("left"), self.gateway("right")
        self.assertEqual(self.elements("own4"), ["10.1.0.0/24"])
        self.assertEqual(self.ping("host", "10.1.0.1"), 3)
        self.assertEqual(self.ping("left", "fd00:1::5"), 3)
        self.assertEqual(self.ping("host", "10.2.0.5"), 3, "through the tunnel")
        self.assertEqual(self.ping("host", "fd00:2::5"), 3, "through the tunnel")
        self.network.run("right", "ip", "neigh", "flush", "dev", "wire")
        self.ping("right", "2001:db8::1", 1)
        self.assertIn("lladdr", self.network.run("right", "ip", "neigh", "show", "2001:db8::1").stdout)


class WithoutNftables(FailClosed):
    def run_without(self):
        return self.network.within("left", sys.executable, "-c", WITHOUT_NFTABLES,
                                   *self.espalier.command("run", self.config, "--site", "left", "--keys",
                                                          lab.FOLDER, "--state", lab.FOLDER / "state",
                                                          "--socket", lab.FOLDER / "left.sock"))

    def test_run_refuses_with_a_sentence(self):
        self.configure()
        refused = subprocess.run(self.run_without(), text=True, capture_output=True, check=False,
                                 timeout=30)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("espalier: The kernel refuses nftables rules: Protocol not supported. They need "
                      "root or CAP_NET_ADMIN, and the kernel module nf_tables ('modprobe nf_tables'). "
                      "To run without them, so that packets can leave in the clear when Espalier does "
                      "not run, set 'kernel_rules = \"optional\"' in [gateway].", refused.stderr)
        self.assertTrue((lab.FOLDER / "left.keys").exists(), "the keys must not be used up")

    def test_run_goes_on_with_a_warning_where_they_are_optional(self):
        self.configure(extra='[gateway]\nkernel_rules = "optional"\n')
        log = lab.FOLDER / "left.log"
        with open(log, "w", encoding="utf-8") as output:
            process = subprocess.Popen(self.run_without(), stderr=output, stdout=output)
        self.addCleanup(lab.stop, process)
        lab.wait_until(lambda: "Site 'left' runs" in log.read_text(), 20, log.read_text())
        self.assertIn("warning: Packets can leave and arrive in the clear whenever Espalier does not "
                      "run. The kernel refuses nftables rules", log.read_text())
        self.assertEqual(lab.stop(process), 0)


if __name__ == "__main__":
    lab.run_tests()
