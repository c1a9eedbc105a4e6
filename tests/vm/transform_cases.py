# SPDX-License-Identifier: Apache-2.0
"""Every transform that a backend takes, against the kernel: a case a backend."""

import unittest

import kernel_peer
from tunnels import every_tunnel, transforms_of

# Every remainder of the block sizes, and one that nearly fills the tunnel.
SIZES = (*range(1, 18), 1300)
GCM = {f"aes{key}gcm{icv}" for key in (128, 192, 256) for icv in (8, 12, 16)}
CBC = {f"aes{key}-sha{hash}" for key in (128, 192, 256) for hash in (1, 256, 384, 512)}


class EveryTransform:
    """To be mixed into a TestCase that sets `backend` and `known`, the transforms that it must at
    least have."""

    def judge(self: unittest.TestCase, outer, encapsulation):
        taken = transforms_of(kernel_peer.espalier(), self.backend)
        self.assertLessEqual(self.known, {transform["name"] for transform in taken})
        tunnels = every_tunnel(taken)
        with kernel_peer.Pair(tunnels, self.backend, outer, encapsulation) as pair:
            sent = pair.exchange(SIZES)
            ours, kernel = pair.our_states(), pair.kernel_states()
            self.assertEqual(len(kernel), 2 * len(tunnels))
            for name, state in kernel.items():
                with self.subTest(tunnel=name[0], direction=name[1]):
                    self.assertEqual(state, kernel_peer.State(
                        packets=sent, sequence=sent, too_old=0, replays=0, failed=0))
                    self.assertEqual((ours[name]["packets"], ours[name]["sequence"]), (sent, sent))
                    self.assertEqual(ours[name]["backend"], self.backend)
            self.assertEqual(pair.kernel_drops(), {})
            self.assertEqual(pair.our_drops(), {})
        print(f"{len(taken)} transforms of {self.backend}, with ESN and without, over IPv{outer}, "
              f"encapsulation {encapsulation}: {', '.join(entry['name'] for entry in taken)}")

    def test_in_udp_over_ipv4(self):
        self.judge(4, "udp")

    def test_in_udp_over_ipv6(self):
        self.judge(6, "udp")

    def test_raw_over_ipv4(self):
        self.judge(4, "none")

    def test_raw_over_ipv6(self):
        self.judge(6, "none")
