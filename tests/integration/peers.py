# SPDX-License-Identifier: Apache-2.0
"""Espalier against implementations that are not ours: scapy as the peer, tshark as the reader.

A gateway runs at the site 'left'. The other end of the wire is scapy, which opens what the gateway
sends and answers in kind; the left kernel's own ping and TCP stack are the application."""

import os
import pathlib
import sys
import threading
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "scripts"))
import lab  # noqa: E402
import wire  # noqa: E402
from gateway import Espalier, Gateway  # noqa: E402
from netns import udp_socket  # noqa: E402

CONFIG = """
[site.left]
address = "{left}"
networks = ["10.1.0.0/24", "fd00:1::/64"]
tun = {{ name = "esp0", addresses = ["10.1.0.1/24", "fd00:1::1/64"] }}

[site.right]
address = "{right}"
networks = ["10.2.0.0/24", "fd00:2::/64"]
tun = {{ name = "esp0", addresses = ["10.2.0.1/24", "fd00:2::1/64"] }}

[[tunnel]]
name = "peer"
sites = ["left", "right"]
transform = "{transform}"
esn = {esn}
keys = {{ file = "{{site}}.keys" }}
"""


class ScapyPeer:
    """The site 'right': the two SAs in scapy's terms, over a real UDP socket."""

    def __init__(self, sas, esn, outer):
        self.outer, self.esn = outer, esn
        self.sending, self.receiving = (wire.scapy_association(sa, esn) for sa in sas)
        self.socket = udp_socket("right", outer["right"], 4500)

    def seal(self, inner, sequence=None):
        return wire.scapy_seal(self.sending, inner, sequence, self.esn)

    def open(self, packet):
        return wire.scapy_open(self.receiving, packet, self.esn)

    def send(self, packet):
        self.socket.sendto(packet, (self.outer["left"], 4500))

    def receive(self):
        return self.socket.recv(65536)


class Peers(unittest.TestCase):
    OUTER = {"left": "192.0.2.1", "right": "192.0.2.2"}
    OUTER6 = {"left": "2001:db8::1", "right": "2001:db8::2"}

    def start(self, transform="aes256gcm16", esn=True, outer=None):
        outer = outer or self.OUTER
        length = 64 if ":" in outer["left"] else 24
        self.network = lab.Lab({site: f"{address}/{length}" for site, address in outer.items()})
        self.addCleanup(self.network.__exit__)
        espalier = Espalier(os.environ["ESPALIER_BUILD"])
        config = lab.FOLDER / "peer.toml"
        config.write_text(CONFIG.format(**outer, transform=transform, esn=str(esn).lower()))
        espalier.make_keys(config)
        keys = {site: lab.FOLDER / f"{site}.keys" for site in lab.SITES}
        self.sas = (wire.outbound_sas(keys["right"], outer["right"], outer["left"])
                    + wire.outbound_sas(keys["left"], outer["left"], outer["right"]))
        self.gateway = Gateway(espalier, self.network, "left", config).wait_until_ready()
        if wire.scapy_cipher(transform):
            self.peer = ScapyPeer(self.sas, esn, outer)
            self.addCleanup(self.peer.socket.close)

    def exchange(self):
        """Ping from left to a host that only scapy plays, over IPv4 and IPv6."""
        from scapy.layers import inet, inet6
        answered = []

        def play_the_host():
            for _ in range(2):
                inner = self.peer.open(self.peer.receive())
                if isinstance(inner, inet6.IPv6):
                    request = inner[inet6.ICMPv6EchoRequest]
                    reply = (inet6.IPv6(src=inner.dst, dst=inner.src)
                             / inet6.ICMPv6EchoReply(id=request.id, seq=request.seq, data=request.data))
                else:
                    request = inner[inet.ICMP]
                    reply = (inet.IP(src=inner.dst, dst=inner.src)
                             / inet.ICMP(type="echo-reply", id=request.id, seq=request.seq)
                             / bytes(request.payload))
                answered.append(inner.dst)
                self.peer.send(self.peer.seal(reply))

        host = threading.Thread(target=play_the_host)
        host.start()
        for target in ("10.2.0.77", "fd00:2::77"):
            self.network.run("left", "ping", "-q", "-c", "1", "-W", "5", "-s", "101", target)
        host.join()
        self.assertEqual(answered, ["10.2.0.77", "fd00:2::77"])

    def drops(self):
        return {name: count for name, count in self.gateway.status()["drops"].items() if count}

    def echo_request(self, source="10.2.0.5", destination="10.1.0.1"):
        from scapy.layers.inet import ICMP, IP
        return IP(src=source, dst=destination) / ICMP(id=1, seq=1) / b"from scapy"

    def test_aes_256_gcm_with_esn(self):
        self.start("aes256gcm16")
        self.exchange()

    def test_aes_128_gcm_with_32_bit_numbers(self):
        self.start("aes128gcm16", esn=False)
        self.exchange()

    # Without ESN: scapy 2.5 leaves the high bits out of ESP's HMAC.
    def test_aes_cbc_with_sha1(self):
        self.start("aes128-sha1", esn=False)
        self.exchange()

    def test_aes_cbc_with_sha256(self):
        self.start("aes256-sha256", esn=False)
        self.exchange()

    def test_aes_cbc_with_sha384(self):
        self.start("aes256-sha384", esn=False)
        self.exchange()

    def test_aes_cbc_with_sha512(self):
        self.start("aes192-sha512", esn=False)
        self.exchange()

    def test_ipv6_outside(self):
        self.start(outer=self.OUTER6)
        self.exchange()

    def test_a_replayed_packet_is_answered_once(self):
        self.start()
        packet = self.peer.seal(self.echo_request())
        self.peer.send(packet)
        self.assertEqual(self.peer.open(self.peer.receive()).dst, "10.2.0.5")
        self.peer.send(packet)
        self.peer.send(self.peer.seal(self.echo_request(source="10.2.0.6")))
        self.assertEqual(self.peer.open(self.peer.receive()).dst, "10.2.0.6",
                         "the replay must not be answered before the packet after it")
        self.assertEqual(sum(self.drops().values()), 1, self.drops())

    def test_a_packet_that_was_changed_on_its_way_is_dropped(self):
        self.start()
        packet = bytearray(self.peer.seal(self.echo_request()))
        packet[-1] ^= 1
        self.peer.send(bytes(packet))
        self.peer.send(self.peer.seal(self.echo_request(source="10.2.0.6"), sequence=2))
        self.assertEqual(self.peer.open(self.peer.receive()).dst, "10.2.0.6")
        self.assertEqual(sum(self.drops().values()), 1, self.drops())

    def test_an_inner_packet_outside_of_the_selectors_is_dropped(self):
        self.start()
        self.peer.send(self.peer.seal(self.echo_request(source="172.16.0.1")))
        self.peer.send(self.peer.seal(self.echo_request(source="10.2.0.6")))
        self.assertEqual(self.peer.open(self.peer.receive()).dst, "10.2.0.6")
        self.assertEqual(sum(self.drops().values()), 1, self.drops())

    def read_by_tshark(self, transform):
        """Pings that nobody answers; tshark decrypts them and verifies every ICV."""
        self.start(transform, esn=False)
        file = lab.FOLDER / "peer.pcapng"
        capture = self.network.capture("left", file, "udp port 4500")
        for target in ("10.2.0.77", "fd00:2::77"):
            self.network.run("left", "ping", "-c", "3", "-i", "0.02", "-W", "0.1", target, check=False)
        self.network.captured(capture)
        frames = wire.dissect(file, self.sas, "esp.icv_good", "esp.icv_bad")
        self.assertEqual(wire.count_kinds(frames), {"icmp": 3, "icmpv6": 3})
        self.assertEqual({frame[1:] for frame in frames}, {("1", "0")}, "every ICV is right")

    def test_tshark_reads_and_verifies_aes_gcm(self):
        self.read_by_tshark("aes256gcm16")

    def test_tshark_reads_and_verifies_aes_gcm_with_a_short_icv(self):
        self.read_by_tshark("aes192gcm12")

    def test_tshark_reads_and_verifies_aes_cbc_with_sha512(self):
        self.read_by_tshark("aes256-sha512")


if __name__ == "__main__":
    lab.run_tests()
