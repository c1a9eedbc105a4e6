# SPDX-License-Identifier: Apache-2.0
"""Transport mode against the Linux kernel: both ways, IPv4 and IPv6, in UDP and raw, ESN."""

import pathlib
import socket
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import kernel_loss  # noqa: E402
import kernel_peer  # noqa: E402
import kernel_replay  # noqa: E402
from judges import IN_TRANSPORT_MODE  # noqa: E402
from kernel_peer import PORT, lab  # noqa: E402
from netns import raw_udp_socket  # noqa: E402
from transform_cases import SIZES, carried_and_counted  # noqa: E402
from tunnels import LEFT, every_tunnel, transforms_of  # noqa: E402

# The kernel (6.12) drops ESP in UDP over IPv6 that has less than 40 bytes, and counts it nowhere: it
# compares what is behind the IPv6 header with the length of that header and UDP's. An ICV of 8 bytes
# and a datagram of 1 or 2 make 36.
SIZES_IN_UDP6 = SIZES[2:]


def checksum_is_right(source, destination, datagram):
    """Of UDP (RFC 768, RFC 8200 8.1), between these addresses."""
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    pseudo = b"".join(socket.inet_pton(family, address) for address in (source, destination))
    text = pseudo + len(datagram).to_bytes(4) + socket.IPPROTO_UDP.to_bytes(4) + datagram
    text += bytes(len(text) % 2)
    total = sum(int.from_bytes(text[at:at + 2]) for at in range(0, len(text), 2))
    return total > 0 and total % 0xffff == 0 and datagram[6:8] != bytes(2)


class KernelTransport(unittest.TestCase):
    def judge(self, outer, encapsulation, backend):
        taken = [transform for transform in transforms_of(kernel_peer.espalier(), backend)
                 if transform["name"] in IN_TRANSPORT_MODE]
        # 3DES is not for the aesni of every CPU.
        self.assertGreaterEqual(len(taken), len(IN_TRANSPORT_MODE) - (backend == "aesni"))
        tunnels = every_tunnel(taken, mode="transport")
        sizes = SIZES_IN_UDP6 if (outer, encapsulation) == (6, "udp") else SIZES
        with kernel_peer.Pair(tunnels, backend, outer, encapsulation) as pair:
            with raw_udp_socket("right", tunnels[0].inside(outer)) as raw:
                carried_and_counted(self, pair, pair.exchange(sizes))
                self.checksums_are_right(raw, tunnels[0].inside(outer), len(sizes))
            self.ping(pair, tunnels[0])
            end = outer, tunnels[0].name
            # Longer than the wire takes: the kernel sends its ESP in fragments.
            pair.carry(tunnels[0], pair.right[end], pair.left[end], [bytes(3000)])
            for sender in lab.SITES:
                pair.tcp(tunnels[0], outer, sender)
            self.assertEqual((pair.our_drops(), pair.kernel_drops()), ({}, {}))

    def checksums_are_right(self, raw, address, sent):
        """The kernel itself does not look at them where ESP came in UDP."""
        seen = 0
        while seen < sent:
            datagram, sender = raw.recvfrom(65536)
            if ":" not in address:
                datagram = datagram[4 * (datagram[0] & 15):]  # behind the IP header
            if int.from_bytes(datagram[2:4]) != PORT:
                continue  # ESP in UDP itself
            self.assertIn(sender[0], LEFT.values())
            self.assertTrue(checksum_is_right(sender[0], address, datagram), datagram[:8].hex())
            seen += 1

    def ping(self, pair, tunnel):
        ends = {"left": tunnel.inside(pair.outer), "right": tunnel.inside_left(pair.outer)}
        for site, target in ends.items():
            source = ends["left" if site == "right" else "right"]
            pair.network.run(site, "ping", "-q", "-c", "1", "-W", "30", "-I", source, target)

    def test_in_udp_over_ipv4(self):
        self.judge(4, "udp", "aesni")

    def test_in_udp_over_ipv6(self):
        self.judge(6, "udp", "openssl")

    def test_raw_over_ipv4(self):
        self.judge(4, "none", "openssl")

    def test_raw_over_ipv6(self):
        self.judge(6, "none", "aesni")


class TransportReplay(kernel_replay.KernelReplay):
    mode = "transport"


class TransportLoss(kernel_loss.KernelLoss):
    mode, encapsulation = "transport", "none"


if __name__ == "__main__":
    lab.run_tests()
