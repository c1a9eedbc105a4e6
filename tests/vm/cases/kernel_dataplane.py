# SPDX-License-Identifier: Apache-2.0
"""A gateway of the kernel's dataplane, against SAs of `ip xfrm`: every transform, both ways."""

import pathlib
import signal
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import kernel_peer  # noqa: E402
from kernel_peer import Gateway, lab  # noqa: E402
from transform_cases import SIZES, carried_and_counted  # noqa: E402
from tunnels import every_transform, every_tunnel  # noqa: E402


class KernelDataplane(unittest.TestCase):
    def pair(self, outer=4, encapsulation="none", mode="tunnel", names=None, esn=(True, False)):
        known = every_transform(kernel_peer.espalier())
        wanted = [known[name] for name in names or known]
        return kernel_peer.Pair(every_tunnel(wanted, esn=esn, mode=mode), "kernel", outer, encapsulation,
                                dataplane="kernel")

    def left(self, pair, *words):
        return pair.network.run("left", "ip", "xfrm", *words).stdout

    def fresh_keys(self, pair):
        for file in lab.FOLDER.glob("*.keys"):
            file.unlink()
        pair.espalier.ask("keygen", lab.FOLDER / "left.toml", "--out", lab.FOLDER, "--site", "left")

    def judge(self, **options):
        with self.pair(**options) as pair:
            carried_and_counted(self, pair, pair.exchange(SIZES))
            pair.gateway.stop()
            self.assertEqual((self.left(pair, "state"), self.left(pair, "policy")), ("", ""))

    def test_every_transform_raw_over_ipv4(self):
        self.judge(esn=(False,))

    def test_in_udp_over_ipv4(self):
        self.judge(encapsulation="udp", names=["aes128gcm16", "aes256-sha256", "3des-sha1"])

    def test_raw_over_ipv6(self):
        self.judge(outer=6, names=["aes128gcm16", "aes256-sha256", "3des-sha1"])

    def test_in_udp_over_ipv6(self):
        self.judge(outer=6, encapsulation="udp", names=["aes256gcm16", "aes128-sha1"])

    def test_transport_mode_in_udp_and_raw(self):
        for encapsulation in ("udp", "none"):
            with self.subTest(encapsulation):
                self.judge(encapsulation=encapsulation, mode="transport", names=["aes256gcm16", "aes128-sha1"])

    def test_after_a_kill_the_policies_stay_until_the_next_run_takes_them_over(self):
        with self.pair(names=["aes128gcm16"]) as pair:
            pair.gateway.process.kill()
            pair.gateway.process.wait()
            before = self.left(pair, "policy")
            self.assertIn("dir out", before)
            config = lab.FOLDER / "left.toml"
            refused = pair.espalier.call("run", config, "--site", "left", "--keys", lab.FOLDER, "--state",
                                         lab.FOLDER / "left.state", site="left")
            self.assertEqual(refused.returncode, 1, refused.stderr)  # its keys served one run
            self.assertEqual(self.left(pair, "policy"), before)
            self.fresh_keys(pair)
            again = Gateway(pair.espalier, pair.network, "left", config).wait_until_ready(60)
            self.assertIn("An earlier run has left 4 SAs and 12 policies", again.log())
            after = self.left(pair, "policy")
            self.assertEqual(after.count("dir "), before.count("dir "))
            self.assertNotEqual(after, before)
            self.assertEqual(self.left(pair, "state").count("reqid "), 4)
            again.stop()
            self.assertEqual((self.left(pair, "state"), self.left(pair, "policy")), ("", ""))

    def test_takes_the_place_of_a_killed_gateway_of_user_space(self):
        known = every_transform(kernel_peer.espalier())
        with kernel_peer.Pair(every_tunnel([known["aes128gcm16"]], esn=(True,)), "openssl") as pair:
            def tables():
                return pair.network.run("left", "nft", "list", "tables").stdout
            text = pair.config.read_text()
            pair.config.write_text(text.replace('"userspace"', '"kernel"').replace('"openssl"', '"kernel"'))
            self.fresh_keys(pair)
            at_once = pair.espalier.call("run", pair.config, "--site", "left", "--keys", lab.FOLDER, "--state",
                                         lab.FOLDER / "left.state", "--socket", lab.FOLDER / "second.sock", site="left")
            self.assertEqual(at_once.returncode, 1)
            self.assertIn("Another gateway of site 'left' runs", at_once.stderr)
            pair.gateway.process.kill()
            pair.gateway.process.wait()
            self.assertIn("inet espalier", tables())
            again = Gateway(pair.espalier, pair.network, "left", pair.config).wait_until_ready(60)
            self.assertEqual(tables(), "", again.log())
            self.assertIn("dir out", self.left(pair, "policy"))
            again.stop()

    def test_a_reload_leaves_what_has_not_changed_alone(self):
        with self.pair(names=["aes128gcm16", "aes256-sha256"]) as pair:
            whole = pair.config.read_text()
            kept, gone = pair.tunnels[0], pair.tunnels[-1]
            pair.carry(kept, pair.left[4, kept.name], pair.right[4, kept.name], [b"before"])
            pair.config.write_text(whole[:whole.rindex("[site.")])
            self.reload(pair, f"0 changed, 1 gone ({gone.name}); policy unchanged; {2 * len(pair.tunnels) - 2} SAs run")
            self.assertNotIn(gone.network(4), self.left(pair, "policy"))
            self.assertNotIn(f"{pair.keys[gone.name, 'outbound']['spi']:#x}", self.left(pair, "state"))
            pair.carry(kept, pair.left[4, kept.name], pair.right[4, kept.name], [b"after"])
            self.assertEqual(pair.our_states()[kept.name, "outbound"]["packets"], 2)
            pair.config.write_text(whole)
            self.fresh_keys(pair)
            self.reload(pair, f"1 tunnel added ({gone.name}), 0 changed, 0 gone; policy unchanged; {2 * len(pair.tunnels)} SAs")
            self.assertIn(gone.network(4), self.left(pair, "policy"))
            pair.config.write_text(whole + "nonsense = 1\n")
            self.reload(pair, "Nothing was reloaded, and the gateway goes on as before")

    def reload(self, pair, said):
        before = pair.gateway.log().lower().count("reloaded")
        pair.gateway.process.send_signal(signal.SIGHUP)
        lab.wait_until(lambda: pair.gateway.log().lower().count("reloaded") > before,
                       60, "the gateway did not follow")
        self.assertIn(said, pair.gateway.log())

    def test_others_policies_are_never_overwritten(self):
        with self.pair(names=["aes128gcm16"]) as pair:
            pair.gateway.stop()
            out = ("policy", "add", "src", "10.1.0.0/24", "dst", pair.tunnels[0].network(4), "dir", "out",
                   "action", "block")
            self.left(pair, *out)
            config = lab.FOLDER / "left.toml"
            self.fresh_keys(pair)
            refused = pair.espalier.call("run", config, "--site", "left", "--keys", lab.FOLDER, "--state",
                                         lab.FOLDER / "left.state", site="left")
            self.assertEqual(refused.returncode, 1)
            self.assertIn("which is not of this gateway", refused.stderr)
            self.assertEqual(self.left(pair, "state"), "")
            self.assertEqual(self.left(pair, "policy").count("dir "), 1)


if __name__ == "__main__":
    lab.run_tests()
