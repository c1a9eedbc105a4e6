# SPDX-License-Identifier: Apache-2.0
"""Every transform that a backend takes, against the kernel: a case a backend."""

import unittest

import kernel_peer
from tunnels import every_tunnel, transforms_of

# Every remainder of the block sizes, and one that nearly fills the tunnel.
SIZES = (*range(1, 18), 1300)
GCM = {f"aes{key}gcm{icv}" for key in (128, 192, 256) for icv in (8, 12, 16)}
CBC = {f"aes{key}-sha{hash}" for key in (128, 192, 256) for hash in (1, 256, 384, 512)}


def carried_and_counted(test, pair, sent):
    """So many packets went through each tunnel, each way: both ends say so, and dropped nothing."""
    ours, kernel = pair.our_states(), pair.kernel_states()
    test.assertEqual(len(kernel), 2 * len(pair.tunnels))
    for name, state in kernel.items():
        with test.subTest(tunnel=name[0], direction=name[1]):
            test.assertEqual(state, kernel_peer.State(
                packets=sent, sequence=sent, too_old=0, replays=0, failed=0))
            test.assertEqual((ours[name]["packets"], ours[name]["sequence"]), (sent, sent))
            test.assertEqual(ours[name]["backend"], pair.backend)
    test.assertEqual(pair.kernel_drops(), {})
    test.assertEqual(pair.our_drops(), {})


class EveryTransform:
    """To be mixed into a TestCase that sets `backend` and `known`, the transforms that it must at
    least have."""

    def judge(self: unittest.TestCase, outer, encapsulation):
        taken = transforms_of(kernel_peer.espalier(), self.backend)
        self.assertLessEqual(self.known, {transform["name"] for transform in taken})
        with kernel_peer.Pair(every_tunnel(taken), self.backend, outer, encapsulation) as pair:
            carried_and_counted(self, pair, pair.exchange(SIZES))
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
