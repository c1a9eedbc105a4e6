# SPDX-License-Identifier: Apache-2.0
"""The files in configs/appliances for user space do what they are for: `check`, `plan` and `run` agree
that they are good, at each site that they start on."""

import os
import pathlib
import sys
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "scripts"))
import lab  # noqa: E402
from gateway import Espalier, Gateway  # noqa: E402

FILES = TOP / "configs/appliances"


class Appliances(unittest.TestCase):
    def starts(self, name, site, address, sas):
        network = lab.Lab({"left": address + "/24", "right": address.rsplit(".", 1)[0] + ".200/24"})
        self.addCleanup(network.__exit__)
        espalier = Espalier(os.environ["ESPALIER_BUILD"])
        espalier.make_keys(FILES / name)
        for verb in ("check", "plan"):
            result = espalier.call(verb, FILES / name, "--site", site)
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        gateway = Gateway(espalier, network, "left", FILES / name, as_site=site).wait_until_ready()
        self.assertEqual(len(gateway.sas()), sas, gateway.log())
        gateway.stop()

    def test_site_to_site_starts(self):
        self.starts("site-to-site.toml", "left", "192.0.2.1", 2)

    def test_host_to_host_starts(self):
        self.starts("host-to-host.toml", "web", "192.0.2.1", 2)

    def test_remote_access_starts(self):
        tunnels = sum(file.read_text().count("[[tunnel]]") for file in (FILES / "peers").glob("*.toml"))
        self.assertGreater(tunnels, 0)
        self.starts("remote-access.toml", "hub", "192.0.2.1", 2 * tunnels)

    def test_test_bench_starts(self):
        self.starts("test-bench.toml", "dut", "198.51.100.1", 4)

    def test_none_is_left_out(self):
        tested = {"site-to-site.toml", "host-to-host.toml", "remote-access.toml", "test-bench.toml"}
        self.assertEqual({file.name for file in FILES.glob("*.toml")
                          if 'dataplane = "kernel"' not in file.read_text()}, tested)


if __name__ == "__main__":
    lab.run_tests()
