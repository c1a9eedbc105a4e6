# SPDX-License-Identifier: Apache-2.0
"""The command lines in the headers of the appliance files, as a newcomer types them."""

import os
import pathlib
import shutil
import sys
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "scripts"))
import lab  # noqa: E402
from documents import APPLIANCES, commands  # noqa: E402
from gateway import Espalier  # noqa: E402


class ApplianceHeaders(unittest.TestCase):
    def setUp(self):
        self.network = lab.Lab({"left": "192.0.2.1/24", "right": "192.0.2.2/24"})
        self.addCleanup(self.network.__exit__)
        self.espalier = Espalier(os.environ["ESPALIER_BUILD"])
        self.folder = lab.FOLDER / "appliances"
        shutil.copytree(APPLIANCES, self.folder)

    def follow_the_header(self, name):
        """Gateways as the header of the file has them: the first at 192.0.2.1, the second at .2."""
        file = self.folder / name
        text = file.read_text()
        self.assertIn('"/var/lib/espalier/{site}"', text)
        file.write_text(text.replace("/var/lib/espalier", str(lab.FOLDER / "state")))
        keygen, *runs = commands(APPLIANCES / name)
        self.assertEqual([words[1] for words in (keygen, *runs)], ["keygen", "run", "run"])
        made = self.espalier.call(*keygen[1:], cwd=self.folder)
        self.assertEqual(made.returncode, 0, made.stderr)
        for place, words in zip(lab.SITES, runs):
            self.network.start(place, "env", "-C", self.folder, *self.espalier.command(*words[1:]))
            socket = f"/run/espalier/{words[words.index('--site') + 1]}.sock"
            lab.wait_until(lambda: self.espalier.call("status", "--socket", socket, site=place)
                           .returncode == 0, 20, f"no answer of: {' '.join(words)}")

    def test_site_to_site(self):
        self.follow_the_header("site-to-site.toml")
        self.network.run("left", "ping", "-c1", "-W5", "-I", "10.1.0.1", "10.2.0.1")

    def test_host_to_host(self):
        self.follow_the_header("host-to-host.toml")
        self.network.run("left", "ping", "-c1", "-W5", "192.0.2.2")


if __name__ == "__main__":
    lab.run_tests()
