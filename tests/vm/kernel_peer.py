# SPDX-License-Identifier: Apache-2.0
"""Espalier at the site 'left', the Linux kernel's own ESP at 'right', and traffic between them.

The kernel is the judge: what Espalier sends it must accept, its counters and Espalier's must agree,
and what it refuses Espalier must refuse too."""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tomllib

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "scripts"))
import lab  # noqa: E402
from gateway import Espalier, Gateway  # noqa: E402
from netns import frame_socket, udp_socket  # noqa: E402
from pcap import read_pcap, write_pcap  # noqa: E402
from tunnels import (INSIDE_LEFT, LEFT, NETWORK_LEFT, PREFIX, address_lines, configuration,  # noqa: E402
                     outer_addresses)

UDP_ENCAP, UDP_ENCAP_ESPINUDP = 100, 2  # linux/udp.h
PORT = 7000  # of the traffic inside


def algorithms(transform, keys):
    """A transform and its keys in the words of `ip xfrm state`."""
    cipher_key = "0x" + keys["cipher_key"] + keys.get("salt", "") if "cipher_key" in keys else '""'
    kernel_name, bits = transform["kernel_name"], transform["icv_bytes"] * 8
    if pair := re.fullmatch(r"authenc\((hmac\(\w+\)),(.+)\)", kernel_name):
        return f"auth-trunc {pair[1]} 0x{keys['integrity_key']} {bits} enc {pair[2]} {cipher_key}"
    return f"aead {kernel_name} {cipher_key} {bits}"


@dataclasses.dataclass(frozen=True)
class State:
    """What the kernel says of an SA: packets that it took or sent, the highest sequence number, and
    how many it refused as too old, as replays, and for their ICV."""
    packets: int
    sequence: int
    too_old: int
    replays: int
    failed: int


def states(text):
    """`ip -s xfrm state` as {SPI: State}."""
    found = {}
    for entry in re.split(r"^(?=src )", text, flags=re.MULTILINE)[1:]:
        def number(pattern, base=10, text=entry):
            match = re.search(pattern, text)
            return int(match[1], base) if match else 0
        # One of the two stays zero: an SA has one direction.
        low = number(r"\bseq (0x\w+), oseq", 16) + number(r"\boseq (0x\w+)", 16)
        if "esn context" in entry:
            low = number(r"\bseq-hi 0x\w+, seq (0x\w+)", 16) + number(r"\boseq (0x\w+)", 16)
        high = number(r"\bseq-hi (0x\w+)", 16) + number(r"\boseq-hi (0x\w+)", 16)
        found[number(r"spi (0x\w+)", 16)] = State(
            number(r"(\d+)\(packets\)\s+add "), (high << 32) + low,
            number(r"stats:\s+replay-window (\d+)"), number(r"\breplay (\d+) failed"),
            number(r"\bfailed (\d+)"))
    return found


class Pair(lab.Closing):
    """The gateway and the kernel, with tunnels between them. Use as a context. Where it is said not to
    run, encrypt() has the gateway's part."""

    def __init__(self, tunnels, backend="aesni", outer=4, encapsulation="udp", workers=1,
                 offloads=True, runs=True, dataplane="userspace"):
        self.tunnels, self.backend = tunnels, backend
        self.outer, self.encapsulation = outer, encapsulation
        self.espalier = espalier()
        self.network = lab.Lab(outer_addresses(outer))
        self.sockets = []
        self.left, self.right = {}, {}  # of the traffic, by version and tunnel
        with self.closed_on_failure():
            config = lab.FOLDER / "left.toml"
            config.write_text(configuration(tunnels, backend, outer, encapsulation, workers,
                                            offloads, dataplane))
            self.espalier.ask("keygen", config, "--out", lab.FOLDER, "--site", "left")
            self.keys = {(sa["tunnel"], sa["direction"]): sa
                         for sa in tomllib.loads((lab.FOLDER / "left.keys").read_text())["sa"]}
            self.load_modules()
            self.configure_kernel()
            self.introduce_neighbours()
            self.config = config
            if dataplane == "kernel":
                self.configure_left()
            if runs:
                self.gateway = Gateway(self.espalier, self.network, "left", config)
                self.gateway.wait_until_ready(120)
            self.open_sockets(lab.SITES if runs else ("right",))

    def close(self):
        for opened in self.sockets:
            opened.close()
        self.network.__exit__()

    def load_modules(self):
        """Beforehand: the kernel waits a minute at most for the module of a cipher, and would then
        say that there is none."""
        names = {"authencesn", "echainiv", "seqiv"}  # which the kernel puts around the others
        for tunnel in self.tunnels:
            names |= set(re.findall(r"\w+", tunnel.transform["kernel_name"]))
        subprocess.run(["modprobe", "-a", "esp4", "esp6", "xfrm_user"], check=True)
        subprocess.run(["modprobe", "-q", "-a", *(f"crypto-{name}" for name in sorted(names))],
                       check=False)  # some are built in

    def configure_kernel(self):
        lines = address_lines(self.tunnels, self.outer)
        if any(tunnel.mode == "tunnel" for tunnel in self.tunnels):
            lines += [f"route add {network} dev wire" for network in NETWORK_LEFT.values()]
        for tunnel in self.tunnels:
            if tunnel.mode == "tunnel":
                lines += [f"address add {tunnel.inside(4)}/32 dev lo",
                          f"address add {tunnel.inside(6)}/128 dev lo nodad"]
            lines += [self.kernel_state(tunnel, direction) for direction in ("outbound", "inbound")]
            lines += self.kernel_policies(tunnel)
        lines += self.kernel_passes()
        batch = lab.FOLDER / "right.batch"
        batch.write_text("\n".join(lines) + "\n")
        self.network.run("right", "ip", "-batch", batch, timeout=300)
        if self.encapsulation == "udp":  # the kernel takes ESP from sockets that ask for it
            wildcard = udp_socket("right", "0.0.0.0" if self.outer == 4 else "::", 4500)
            wildcard.setsockopt(socket.IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP)
            self.sockets.append(wildcard)

    def configure_left(self):
        """What a gateway of the userspace dataplane does with its TUN device."""
        if all(tunnel.mode == "transport" for tunnel in self.tunnels):
            return
        for version, network in ((4, "10.2.0.0/16"), (6, "fd00:2::/48")):
            nodad = ["nodad"] if version == 6 else []
            address = INSIDE_LEFT[version]
            self.network.run("left", "ip", "address", "add", address, "dev", "lo", *nodad)
            self.network.run("left", "ip", "route", "add", network, "dev", "wire", "src", address)

    def ends(self, tunnel, direction):
        """Outer source and destination; the direction is seen from Espalier."""
        ends = (LEFT[self.outer], tunnel.outer(self.outer))
        return ends if direction == "outbound" else ends[::-1]

    def kernel_state(self, tunnel, direction):
        keys = self.keys[tunnel.name, direction]
        source, destination = self.ends(tunnel, direction)
        encap = "encap espinudp 4500 4500 0.0.0.0" if self.encapsulation == "udp" else ""
        sent = ""
        if direction == "outbound" and tunnel.kernel_received:
            sent = (f"replay-seq {tunnel.kernel_received & 0xffffffff:#x} "
                    f"replay-seq-hi {tunnel.kernel_received >> 32:#x}")
        if direction == "inbound" and tunnel.kernel_sent:
            sent = (f"replay-oseq {tunnel.kernel_sent & 0xffffffff:#x} "
                    f"replay-oseq-hi {tunnel.kernel_sent >> 32:#x}")
        flags = ["esn"] * tunnel.esn + ["af-unspec"] * (tunnel.mode == "tunnel")
        return (f"xfrm state add src {source} dst {destination} proto esp spi {keys['spi']:#x} "
                f"reqid {tunnel.index} mode {tunnel.mode} {algorithms(tunnel.transform, keys)} "
                f"{'flag ' if flags else ''}{' '.join(flags)} "
                f"replay-window {tunnel.window if tunnel.esn else min(tunnel.window, 32)} {sent} {encap}")

    def kernel_policies(self, tunnel):
        for version in tunnel.versions(self.outer):
            here, there = tunnel.network_left(version), tunnel.network(version)
            for direction, ends, networks in (("in", "outbound", (here, there)),
                                              ("out", "inbound", (there, here))):
                source, destination = self.ends(tunnel, ends)
                yield (f"xfrm policy add src {networks[0]} dst {networks[1]} dir {direction} "
                       f"priority 1000 tmpl src {source} dst {destination} proto esp "
                       f"reqid {tunnel.index} mode {tunnel.mode}")

    def kernel_passes(self):
        """ESP in UDP, as the kernel sees it before its socket does, goes as it is: also where its ends
        are those of the traffic."""
        everybody = f"{LEFT[self.outer]}/{PREFIX[self.outer]}"
        return [f"xfrm policy add src {everybody} dst {everybody} proto udp sport 4500 dport 4500 "
                f"dir {direction} priority 1" for direction in ("in", "out")]

    def introduce_neighbours(self):
        """Once a neighbour is found, what waited for that may be overtaken by what did not; and
        nothing but ESP shall be on the wire."""
        theirs = {"left": [tunnel.outer(self.outer) for tunnel in self.tunnels],
                  "right": [LEFT[self.outer]]}
        for site, other in zip(lab.SITES, reversed(lab.SITES)):
            link_address = self.link_address(other)
            batch = lab.FOLDER / f"{site}.neighbours"
            batch.write_text("".join(f"neigh add {address} lladdr {link_address} dev wire nud permanent\n"
                                     for address in theirs[site]))
            self.network.run(site, "ip", "-batch", batch)

    def link_address(self, site):
        return json.loads(self.network.run(site, "ip", "-j", "link", "show", "wire").stdout)[0]["address"]

    def open_sockets(self, sites):
        known = {}
        for tunnel in self.tunnels:
            for version in tunnel.versions(self.outer):
                for ends, site, address in ((self.left, "left", tunnel.inside_left(version)),
                                            (self.right, "right", tunnel.inside(version))):
                    if site not in sites:
                        continue
                    if address not in known:
                        known[address] = udp_socket(site, address, PORT)
                        self.sockets.append(known[address])
                    ends[version, tunnel.name] = known[address]
        for opened in self.sockets:
            opened.settimeout(30)  # an emulated machine on a busy host

    def exchange(self, sizes):
        """Datagrams of these sizes through every tunnel, both ways, in each version of IP that goes
        inside; each must arrive, whole, once, and from whom it was sent. Gives the number that went
        through a tunnel each way."""
        contents = [os.urandom(size) for size in sizes]
        for tunnel in self.tunnels:
            for version in tunnel.versions(self.outer):
                left, right = self.left[version, tunnel.name], self.right[version, tunnel.name]
                self.carry(tunnel, left, right, contents)
                self.carry(tunnel, right, left, contents)
        return len(tunnel.versions(self.outer)) * len(contents)

    def carry(self, tunnel, source, destination, contents):
        """A burst of datagrams from one socket to the other."""
        sender = source.getsockname()[:2]
        for content in contents:
            source.sendto(content, destination.getsockname()[:2])
        arrived = []
        with contextlib.suppress(TimeoutError):
            for _ in contents:
                content, address = destination.recvfrom(65536)
                arrived.append((content, address[:2]))
        # In any order: what is sent on one processor may overtake what was sent on the other.
        if sorted(arrived) != sorted((content, sender) for content in contents):
            what = [f"{len(content)} from {address[0]}{'' if content in contents else ', changed'}"
                    for content, address in arrived]
            raise AssertionError(
                f"{tunnel.name}: {[len(content) for content in contents]} bytes from {sender[0]} arrived "
                f"as {what}; dropped by us {self.our_drops()}, by the kernel {self.kernel_drops()}")

    def tcp(self, tunnel, version, sender):
        """A megabyte over TCP; whoever listens checks its checksums."""
        server, client = ("right", "left") if sender == "left" else ("left", "right")
        address = {"left": tunnel.inside_left(version), "right": tunnel.inside(version)}
        self.network.start(server, "iperf3", "-s", "-1", "-B", address[server])
        lab.wait_until(lambda: ":5201 " in self.network.run(server, "ss", "-Hltn").stdout, 10,
                       "iperf3 did not listen")
        self.network.run(client, "iperf3", "-c", address[server], "-B", address[client], "-n", "1M",
                         timeout=300)

    def encrypt(self, packets, *options):
        """What `espalier esp encrypt` makes of inner packets: frames for inject(), and its report."""
        inner, outer = lab.FOLDER / "inner.pcap", lab.FOLDER / "outer.pcap"
        write_pcap(inner, enumerate(packets))
        report = self.espalier.ask("esp", "encrypt", self.config, inner, outer, "--site", "left", "--keys",
                                   lab.FOLDER, "--state", lab.FOLDER / "left.state", *options)
        ether = bytes.fromhex((self.link_address("right") + self.link_address("left")).replace(":", ""))
        ether += (0x0800 if self.outer == 4 else 0x86dd).to_bytes(2)
        return [ether + packet for _, packet in read_pcap(outer)], report

    @contextlib.contextmanager
    def hold(self, sender):
        """Frames with ESP that the site sends meanwhile reach nobody: they are put into the list
        that this gives, for inject()."""
        receiver = "right" if sender == "left" else "left"
        self.network.run(receiver, "nft", "add table netdev hold; add chain netdev hold held "
                         "{ type filter hook ingress device wire priority 0; }; "
                         "add rule netdev hold held meta l4proto { udp, esp } drop")
        frames = []
        with frame_socket(sender, "wire") as tap:
            yield frames
            tap.settimeout(0.2)
            with contextlib.suppress(TimeoutError):
                while True:
                    frame, address = tap.recvfrom(65536)
                    if address[2] == socket.PACKET_OUTGOING and self.esp_offset(frame):
                        frames.append(self.without_checksum(frame))
        self.network.run(receiver, "nft", "delete table netdev hold")

    def esp_offset(self, frame):
        """Where the ESP header of a frame is; None where there is none."""
        version = {0x0800: 4, 0x86dd: 6}.get(int.from_bytes(frame[12:14]))
        if version is None:
            return None
        protocol, end = (frame[23], 34) if version == 4 else (frame[20], 54)
        if protocol == socket.IPPROTO_UDP and frame[end + 2:end + 4] == (4500).to_bytes(2):
            return end + 8
        return end if protocol == socket.IPPROTO_ESP else None

    def without_checksum(self, frame):
        """Of UDP over IPv4, where it is optional: a device would have filled it in later."""
        if self.encapsulation != "udp" or self.outer != 4:
            return frame
        return frame[:40] + bytes(2) + frame[42:]

    def inject(self, sender, frames):
        """Puts frames on the wire, as if the site had sent them."""
        with frame_socket(sender, "wire") as wire:
            for frame in frames:
                wire.send(frame)

    def kernel_states(self):
        """{(tunnel, direction seen from Espalier): State}."""
        found = states(self.network.run("right", "ip", "-s", "xfrm", "state").stdout)
        return {name: found[sa["spi"]] for name, sa in self.keys.items()}

    def our_states(self):
        """{(tunnel, direction): what `espalier sa list` says of it}."""
        return {(sa["name"].rpartition("/")[0], sa["direction"]): sa
                for sa in self.gateway.ask("sa", "list")["sas"]}

    def kernel_drops(self):
        """Counters of /proc/net/xfrm_stat that count anything."""
        text = self.network.run("right", "cat", "/proc/net/xfrm_stat").stdout
        counters = (line.split() for line in text.splitlines())
        return {name: int(count) for name, count in counters if int(count)}

    def our_drops(self):
        return {name: count for name, count in self.gateway.status()["drops"].items() if count}


def all_come_back(near, far, count):
    """So many datagrams from one socket to the other, and back: each must come. (`ping` is no judge of this: once
    it has an answer, it waits for the last ones no longer than its interval.)"""
    contents = [os.urandom(64) for _ in range(count)]
    for opened in (near, far):
        opened.settimeout(30)
    for content in contents:
        near.sendto(content, far.getsockname())
    back = []
    with contextlib.suppress(TimeoutError):
        for _ in contents:
            far.sendto(*far.recvfrom(65536))
        back = [near.recv(65536) for _ in contents]
    return sorted(back) == sorted(contents)


def espalier():
    """The command of the build under test."""
    return Espalier(os.environ["ESPALIER_BUILD"])
