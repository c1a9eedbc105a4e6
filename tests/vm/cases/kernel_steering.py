# SPDX-License-Identifier: Apache-2.0
"""A gateway of the kernel's dataplane steers its SAs to pcrypt and to drivers by name, and leaves all as it was."""

import collections
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import kernel_peer  # noqa: E402
from kernel_peer import Gateway, lab  # noqa: E402
from proc_crypto import first, priorities, registered, users  # noqa: E402
from transform_cases import SIZES, carried_and_counted  # noqa: E402
from tunnels import every_transform, every_tunnel  # noqa: E402

JOURNAL = lab.FOLDER / "left.state/kernel-changes.json"


def spread():
    """{driver: SAs that have it} of pcrypt's."""
    return {driver: users(driver) for driver in registered() if driver.startswith("pcrypt(")}


class KernelSteering(unittest.TestCase):
    def setUp(self):
        self.tunnels = self.tunnels_of("aes128gcm16", "aes256-sha256")

    def tunnels_of(self, *names):
        """Two of each transform: with ESN, and without."""
        known = every_transform(kernel_peer.espalier())
        return every_tunnel([known[name] for name in names], esn=(True, False))

    def drivers(self, pair):
        return [sa.get("driver") for sa in pair.gateway.status()["sas"]]

    def all_is_as_before(self, before):
        lab.wait_until(lambda: not spread(), 10, f"instances of pcrypt stayed: {spread()}")
        now = priorities()
        self.assertEqual({driver: now.get(driver) for driver in before}, before)
        self.assertFalse(JOURNAL.exists())

    def test_sas_are_spread_over_cpus_and_say_so(self):
        with kernel_peer.Pair(self.tunnels, "pcrypt", dataplane="kernel", runs=False) as pair:
            before = priorities()
            pair.gateway = Gateway(pair.espalier, pair.network, "left", pair.config).wait_until_ready(120)
            pair.open_sockets(["left"])
            for driver in self.drivers(pair):
                self.assertEqual(driver["status"], "inferred")
                self.assertIn(driver["name"], spread())
            self.assertEqual(sum(spread().values()), 2 * len(self.tunnels))
            carried_and_counted(self, pair, pair.exchange(SIZES))
            told = pair.espalier.call("explain", f"{self.tunnels[0].name}/out", "--socket", pair.gateway.socket)
            self.assertIn("It has the kernel's crypto driver pcrypt(", told.stdout)
            pair.gateway.stop()
            self.all_is_as_before(before)

    def test_each_sa_goes_to_the_first_driver_that_does_it_and_has_room(self):
        subprocess.run(["modprobe", "-a", "aesni_intel", "virtio_crypto"], check=True)
        card = "virtio_crypto_aes_cbc"
        aesni = first("rfc4106(gcm(aes))")
        tunnels = self.tunnels_of("aes128gcm16", "aes256-sha256", "3des-sha1")
        with kernel_peer.Pair(tunnels, "pcrypt", dataplane="kernel", runs=False) as pair:
            before = priorities()
            text = pair.config.read_text()
            order = 'backends = ["pcrypt"]'
            self.assertIn(order, text)
            pair.config.write_text(text.replace(order, 'backends = ["pcrypt", "kernel_crypto", "kernel"]') + f"""
[backend.pcrypt]
max_sas = 3
[backend.kernel_crypto]
options = {{ drivers = ["{aesni}", "{card}"] }}
""")
            pair.gateway = Gateway(pair.espalier, pair.network, "left", pair.config).wait_until_ready(120)
            pair.open_sockets(["left"])
            homes = collections.Counter((sa["backend"], sa["device"]) for sa in pair.gateway.sas())
            self.assertEqual(homes, {("pcrypt", "cpus"): 3, ("kernel_crypto", aesni): 1,
                                     ("kernel_crypto", card): 4, ("kernel", "software"): 4})
            on_card = [driver for driver in registered()
                       if driver.startswith("echainiv(") and f",{card})" in driver]
            self.assertEqual(sum(users(driver) for driver in on_card), 4, on_card)
            for sa in pair.gateway.sas():
                steered = sa["backend"] != "kernel"
                self.assertEqual(sa.get("driver", {}).get("status"), "inferred" if steered else None)
            pair.exchange(SIZES)
            pair.gateway.stop()
            self.all_is_as_before(before)

    def test_after_a_kill_the_next_run_puts_the_kernel_back(self):
        with kernel_peer.Pair(self.tunnels, "pcrypt", dataplane="kernel", runs=False) as pair:
            before = priorities()
            pair.gateway = Gateway(pair.espalier, pair.network, "left", pair.config).wait_until_ready(120)
            pair.gateway.process.kill()
            pair.gateway.process.wait()
            self.assertTrue(JOURNAL.exists())
            for file in lab.FOLDER.glob("*.keys"):
                file.unlink()
            pair.espalier.ask("keygen", pair.config, "--out", lab.FOLDER, "--site", "left")
            again = Gateway(pair.espalier, pair.network, "left", pair.config).wait_until_ready(120)
            self.assertEqual({driver["status"] for driver in (sa["driver"] for sa in again.status()["sas"])},
                             {"inferred"})
            again.stop()
            self.all_is_as_before(before)


if __name__ == "__main__":
    lab.run_tests()
