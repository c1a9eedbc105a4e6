# SPDX-License-Identifier: Apache-2.0
"""Every transform against the Linux kernel: traffic both ways, with ESN and without."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import kernel_peer  # noqa: E402
from kernel_peer import lab  # noqa: E402

# Every remainder of the block sizes, and one that nearly fills the tunnel.
SIZES = (*range(1, 18), 1300)


class KernelTransforms(unittest.TestCase):
    def judge(self, backend, outer, encapsulation):
        tunnels = kernel_peer.every_tunnel(kernel_peer.transforms(backend))
        print(len(tunnels), [t.name for t in tunnels])
        with kernel_peer.Pair(tunnels, backend, outer, encapsulation) as pair:
            sent = pair.exchange(SIZES)
            kernel, ours = pair.kernel_states(), pair.our_states()
            for name, state in kernel.items():
                with self.subTest(tunnel=name[0], direction=name[1]):
                    self.assertEqual(state, kernel_peer.State(sent, sent, 0, 0, 0))
                    self.assertEqual((ours[name]["packets"], ours[name]["sequence"]), (sent, sent))
            self.assertEqual(pair.kernel_drops(), {})
            print(pair.our_drops())

    def test_aesni_udp(self):
        self.judge("aesni", 4, "udp")


if __name__ == "__main__":
    lab.run_tests()
