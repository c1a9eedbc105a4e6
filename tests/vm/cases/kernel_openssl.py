# SPDX-License-Identifier: Apache-2.0
"""Every transform of the backend openssl, against the Linux kernel: both ways, IPv4 and IPv6, ESN."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import kernel_peer  # noqa: E402
import transform_cases  # noqa: E402
from kernel_peer import lab  # noqa: E402
from tunnels import every_transform, transforms_of  # noqa: E402


class Openssl(transform_cases.EveryTransform, unittest.TestCase):
    backend = "openssl"
    known = transform_cases.GCM | transform_cases.CBC

    def test_it_takes_every_transform_that_there_is(self):
        espalier = kernel_peer.espalier()
        self.assertEqual(transforms_of(espalier, self.backend),
                         list(every_transform(espalier).values()))


if __name__ == "__main__":
    lab.run_tests()
