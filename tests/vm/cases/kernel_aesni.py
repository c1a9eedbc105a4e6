# SPDX-License-Identifier: Apache-2.0
"""Every transform of the backend aesni, against the Linux kernel: both ways, IPv4 and IPv6, ESN."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import transform_cases  # noqa: E402
from kernel_peer import lab  # noqa: E402


class Aesni(transform_cases.EveryTransform, unittest.TestCase):
    backend = "aesni"
    known = transform_cases.GCM | transform_cases.CBC


if __name__ == "__main__":
    lab.run_tests()
