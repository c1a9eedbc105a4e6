# SPDX-License-Identifier: Apache-2.0
"""A wire that loses, delays, reorders and doubles packets, between Espalier and the Linux kernel."""

import contextlib
import pathlib
import re
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import kernel_peer  # noqa: E402
from kernel_peer import lab  # noqa: E402
from tunnels import Tunnel, every_transform  # noqa: E402

SENT, LOT = 1500, 50  # datagrams, and how many are on their way at once: no buffer runs over
WAYS = {"left": "outbound", "right": "inbound"}  # who sends, and how Espalier calls it


class KernelLoss(unittest.TestCase):
    mode, encapsulation = "tunnel", "udp"

    def start(self, wire, window=1024):
        known = every_transform(kernel_peer.espalier())
        tunnel = Tunnel(1, known["aes256gcm16"], window=window, mode=self.mode)
        # Each packet for itself: a wire under load would lose whole runs of them.
        self.pair = kernel_peer.Pair([tunnel], "openssl", encapsulation=self.encapsulation,
                                     offloads=False)
        self.addCleanup(self.pair.close)
        self.before = self.pair.exchange([1])
        for site in lab.SITES:
            self.pair.network.run(site, "tc", "qdisc", "add", "dev", "wire", "root", "netem",
                                  "limit", "100000", *wire.split())
        left, right = self.pair.left[4, tunnel.name], self.pair.right[4, tunnel.name]
        self.ends = {"left": (left, right), "right": (right, left)}

    def carry(self, patience):
        """Numbered datagrams both ways at once; gives what arrived, by sender. Each lot is given so
        many seconds to arrive."""
        arrived = {"left": [], "right": []}

        def take(sender):
            _, end = self.ends[sender]
            end.settimeout(10)
            try:
                while True:
                    arrived[sender].append(int.from_bytes(end.recv(65536)[:4]))
            except TimeoutError:
                pass
        takers = [threading.Thread(target=take, args=[sender]) for sender in WAYS]
        for taker in takers:
            taker.start()
        for number in range(SENT):
            for source, destination in self.ends.values():
                source.sendto(number.to_bytes(4) + bytes(400), destination.getsockname()[:2])
            if (number + 1) % LOT == 0:
                with contextlib.suppress(lab.LabError):
                    lab.wait_until(lambda: min(map(len, arrived.values())) > number, patience, "")
        for taker in takers:
            taker.join()
        return arrived

    def lost(self, site):
        """How many packets the wire of the site lost, by its own account."""
        said = self.pair.network.run(site, "tc", "-s", "qdisc", "show", "dev", "wire").stdout
        return int(re.search(r"\(dropped (\d+),", said)[1])

    def sent_and_taken(self, sender):
        """By the counters of both ends, without those of exchange()."""
        kernel, ours = self.pair.kernel_states(), self.pair.our_states()
        name = self.pair.tunnels[0].name, WAYS[sender]
        numbers = ours[name]["packets"] - self.before, kernel[name].packets - self.before
        return numbers if sender == "left" else numbers[::-1]

    def no_packet_was_forged(self):
        self.assertEqual(self.pair.our_drops().get("in_bad_icv", 0), 0)
        self.assertEqual({state.failed for state in self.pair.kernel_states().values()}, {0})

    def test_what_is_lost_is_all_that_is_missing(self):
        self.start("delay 4ms 2ms loss 5%")
        arrived = self.carry(patience=0.3)
        for sender in WAYS:
            with self.subTest(sender=sender):
                lost = self.lost(sender)
                self.assertGreater(lost, SENT // 100)
                self.assertNotEqual(arrived[sender], sorted(arrived[sender]), "nothing overtook")
                self.assertEqual(len(set(arrived[sender])), len(arrived[sender]), "doubled")
                self.assertEqual(self.sent_and_taken(sender), (SENT, SENT - lost))
                self.assertEqual(len(arrived[sender]), SENT - lost)
        self.no_packet_was_forged()
        self.assertEqual((self.pair.our_drops(), self.pair.kernel_drops()), ({}, {}))

    def test_what_the_wire_doubles_arrives_once(self):
        self.start("delay 1ms duplicate 20%")
        arrived = self.carry(patience=30)
        for sender in WAYS:
            with self.subTest(sender=sender):
                self.assertEqual(sorted(arrived[sender]), list(range(SENT)))
                self.assertEqual(self.sent_and_taken(sender), (SENT, SENT))
        self.no_packet_was_forged()
        replays = self.pair.kernel_states()[self.pair.tunnels[0].name, "outbound"].replays
        self.assertGreater(replays, SENT // 20)
        self.assertEqual(self.pair.kernel_drops(), {"XfrmInStateSeqError": replays})
        self.assertEqual(list(self.pair.our_drops()), ["in_replay"])
        self.assertGreater(self.pair.our_drops()["in_replay"], SENT // 20)

    def test_tcp_gets_through_a_bad_wire(self):
        self.start("delay 2ms 1ms loss 2%")
        for sender in WAYS:
            self.pair.tcp(self.pair.tunnels[0], self.pair.outer, sender)
            self.assertGreater(self.lost(sender), 0)
        self.no_packet_was_forged()


if __name__ == "__main__":
    lab.run_tests()
