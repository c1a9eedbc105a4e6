# SPDX-License-Identifier: Apache-2.0
"""Replay windows and forged packets: the Linux kernel and Espalier refuse the same ones."""

import pathlib
import select
import socket
import struct
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import kernel_peer  # noqa: E402
from kernel_peer import lab  # noqa: E402
from tunnels import Tunnel, every_transform  # noqa: E402

# Two AEADs, and a cipher with a separate ICV, into which ESN enters differently.
TRANSFORMS = ("aes256gcm16", "chacha20poly1305", "aes128-sha256")
WINDOW = 32
TWO_TO_32 = 1 << 32


class Exchange(unittest.TestCase):
    """What two sites send each other over IPv4: datagrams that say their number."""

    @staticmethod
    def tunnels(esn, **options):
        known = every_transform(kernel_peer.espalier())
        wanted = [(name, long) for name in TRANSFORMS for long in esn]
        return [Tunnel(index, known[name], long, **options)
                for index, (name, long) in enumerate(wanted, start=1)]

    def ends(self, tunnel, sender):
        left, right = self.pair.left[4, tunnel.name], self.pair.right[4, tunnel.name]
        return (left, right) if sender == "left" else (right, left)

    def send(self, tunnel, sender, count):
        source, destination = self.ends(tunnel, sender)
        for number in range(count):
            source.sendto(number.to_bytes(4), destination.getsockname()[:2])

    def held(self, tunnel, sender, count):
        """Frames that carry so many datagrams, and that have reached nobody yet."""
        with self.pair.hold(sender) as frames:
            self.send(tunnel, sender, count)
        self.assertEqual(len(frames), count)
        return frames

    def receive(self, tunnel, sender, numbers):
        """These datagrams arrive, in this order."""
        _, end = self.ends(tunnel, sender)
        for number in numbers:
            try:
                self.assertEqual(int.from_bytes(end.recv(65536)), number)
            except TimeoutError:
                self.fail(f"datagram {number} of {numbers} did not arrive")

    def nothing_more(self, tunnel, sender):
        _, end = self.ends(tunnel, sender)
        self.assertEqual(select.select([end], [], [], 0)[0], [], "a datagram too many arrived")


class KernelReplay(Exchange):
    mode = "tunnel"

    @classmethod
    def setUpClass(cls):
        tunnels = cls.tunnels((True, False), window=WINDOW, mode=cls.mode)
        cls.pair = kernel_peer.Pair(tunnels, "openssl")
        cls.addClassCleanup(cls.pair.close)

    def count(self, tunnel, sender):
        """What the receiver did with packets: (taken, refused as too old or seen, as forged)."""
        if sender == "left":
            state = self.pair.kernel_states()[tunnel.name, "outbound"]
            return state.packets, state.too_old + state.replays, state.failed
        status = self.pair.gateway.status()
        taken = next(sa["packets"] for sa in status["sas"] if sa["name"] == f"{tunnel.name}/in")
        return taken, status["drops"]["in_replay"], status["drops"]["in_bad_icv"]

    def for_each(self, check):
        """Through each tunnel, and each way."""
        for tunnel in self.pair.tunnels:
            for sender in ("left", "right"):
                with self.subTest(tunnel=tunnel.name, sender=sender):
                    self.before = self.count(tunnel, sender)
                    check(tunnel, sender)

    def judge(self, tunnel, sender, **expected):
        """The counters agree, once all is done; and nothing else came out."""
        wanted = tuple(expected[name] for name in ("taken", "replays", "forged"))

        def counted():
            now = self.count(tunnel, sender)
            return tuple(after - before for before, after in zip(self.before, now))
        try:
            lab.wait_until(lambda: counted() == wanted, 5, "the counters did not come")
        except lab.LabError:
            self.assertEqual(counted(), wanted)
        self.nothing_more(tunnel, sender)

    def test_what_was_delivered_is_never_delivered_again(self):
        def check(tunnel, sender):
            frames = self.held(tunnel, sender, 20)
            self.pair.inject(sender, frames)
            self.receive(tunnel, sender, range(20))
            self.pair.inject(sender, frames + frames[::-1])
            self.judge(tunnel, sender, taken=20, replays=40, forged=0)
        self.for_each(check)

    def test_the_window_ends_where_it_should(self):
        sent = 50

        def check(tunnel, sender):
            frames = self.held(tunnel, sender, sent)
            newest = sent - 1
            self.pair.inject(sender, frames[newest:])  # before the others, which are then too old
            self.receive(tunnel, sender, [newest])
            self.pair.inject(sender, frames[:newest])
            self.receive(tunnel, sender, range(sent - WINDOW, newest))
            # With ESN a number below the window is taken for one after the next wrap (RFC 4303,
            # appendix A), for which the ICV is wrong.
            too_old = {"replays": sent - WINDOW, "forged": 0}
            if tunnel.esn:
                too_old = {"replays": 0, "forged": sent - WINDOW}
            self.judge(tunnel, sender, taken=WINDOW, **too_old)
        self.for_each(check)

    def test_a_changed_packet_is_refused_and_leaves_the_window_alone(self):
        def check(tunnel, sender):
            frames = self.held(tunnel, sender, 4)
            esp = self.pair.esp_offset(frames[0])
            places = (esp + 6, esp + 8, esp + 20, len(frames[0]) - 1)  # number, IV, content, ICV
            forged = [flipped(frame, place) for frame in frames for place in places]
            self.pair.inject(sender, forged + frames)
            self.receive(tunnel, sender, range(4))
            self.judge(tunnel, sender, taken=4, replays=0, forged=len(forged))
        self.for_each(check)


class KernelWrap(Exchange):
    """Where the low half of the sequence number starts anew; the kernel sends."""

    def start(self, esn):
        before = 16  # numbers until the low half is used up
        self.pair = kernel_peer.Pair(
            self.tunnels((esn,), window=64, kernel_sent=TWO_TO_32 - 1 - before), "openssl")
        self.addCleanup(self.pair.close)
        return before

    def test_esn_goes_on_in_the_next_subspace(self):
        self.start(esn=True)
        for tunnel in self.pair.tunnels:
            with self.subTest(tunnel=tunnel.name):
                frames = self.held(tunnel, "right", 40)
                order = [0, *range(2, 40, 2), *range(39, 0, -2)]  # back and forth over the boundary
                self.pair.inject("right", frames[:1])  # which is a leap for the window
                self.receive(tunnel, "right", order[:1])
                self.pair.inject("right", [frames[number] for number in order[1:]])
                self.receive(tunnel, "right", order[1:])
                name = tunnel.name, "inbound"
                self.assertEqual(self.pair.our_states()[name]["sequence"],
                                 self.pair.kernel_states()[name].sequence)
                self.assertEqual(self.pair.our_states()[name]["packets"], 40)
        self.assertEqual(self.pair.our_drops(), {})

    def test_without_esn_the_sa_ends(self):
        left = self.start(esn=False)
        for tunnel in self.pair.tunnels:
            with self.subTest(tunnel=tunnel.name):
                self.send(tunnel, "right", left)
                self.receive(tunnel, "right", range(left))
                state = self.pair.our_states()[tunnel.name, "inbound"]
                self.assertEqual(state["sequence"], TWO_TO_32 - 1)
                try:
                    self.send(tunnel, "right", 1)
                except OSError:
                    pass  # the kernel says so to the sender
                self.assertEqual(self.pair.our_states()[tunnel.name, "inbound"]["packets"], left)
        self.assertEqual(self.pair.kernel_drops(), {"XfrmOutStateSeqError": len(TRANSFORMS)})


class OurWrap(Exchange):
    """The same; Espalier sends."""

    def judge(self, esn, first, count):
        """Each SA begins with number `first` and is to send so many packets: what it sends, the kernel
        takes, with each number in its place. Gives what was dropped, by reason."""
        with kernel_peer.Pair(self.tunnels((esn,), window=64, kernel_received=first - 1), "openssl",
                              runs=False) as self.pair:
            last = first + count - 1 if esn else min(first + count - 1, TWO_TO_32 - 1)
            sent = last - first + 1
            packets = [datagram(tunnel, number) for tunnel in self.pair.tunnels for number in range(count)]
            frames, report = self.pair.encrypt(packets, "--first-sequence", first)
            self.assertEqual(len(frames), sent * len(self.pair.tunnels))
            esp = self.pair.esp_offset(frames[0])
            for tunnel in self.pair.tunnels:
                spi = self.pair.keys[tunnel.name, "outbound"]["spi"]
                own = [frame for frame in frames if int.from_bytes(frame[esp:esp + 4]) == spi]
                self.assertEqual([int.from_bytes(frame[esp + 4:esp + 8]) for frame in own],
                                 [(first + number) % TWO_TO_32 for number in range(sent)])
                order = [*range(0, sent, 2), *range(sent - 1 - sent % 2, 0, -2)]  # back and forth
                self.pair.inject("left", [own[number] for number in order])
                self.receive(tunnel, "left", order)
                self.pair.inject("left", own)
                lab.wait_until(lambda: self.kernel(tunnel).replays >= sent, 5,
                               f"{tunnel.name}: the kernel refused no replays: {self.kernel(tunnel)}")
                self.assertEqual(self.kernel(tunnel), kernel_peer.State(
                    packets=sent, sequence=last, too_old=0, replays=sent, failed=0))
                self.nothing_more(tunnel, "left")
            return {name: drops for name, drops in report["drops"].items() if drops}

    def kernel(self, tunnel):
        return self.pair.kernel_states()[tunnel.name, "outbound"]

    def ends(self, tunnel, sender):
        return None, self.pair.right[4, tunnel.name]

    def test_esn_goes_on_in_the_next_subspace(self):
        for subspace in (1, 5):
            with self.subTest(subspace=subspace):
                self.assertEqual(self.judge(True, subspace * TWO_TO_32 - 16, 40), {})

    def test_without_esn_the_last_number_is_taken_and_the_sa_ends(self):
        self.assertEqual(self.judge(False, TWO_TO_32 - 16, 20),
                         {"out_sequence_end": 4 * len(TRANSFORMS)})


def datagram(tunnel, number):
    """An inner packet that says its number."""
    ports = struct.pack("!HHHH", kernel_peer.PORT, kernel_peer.PORT, 12, 0)  # no checksum
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 32, 0, 0, 64, socket.IPPROTO_UDP, 0,
                         socket.inet_aton(tunnel.inside_left(4)), socket.inet_aton(tunnel.inside(4)))
    checksum = ~(sum(struct.unpack("!10H", header)) % 0xffff) & 0xffff
    return header[:10] + checksum.to_bytes(2) + header[12:] + ports + number.to_bytes(4)


def flipped(frame, place):
    return frame[:place] + bytes([frame[place] ^ 0x80]) + frame[place + 1:]


if __name__ == "__main__":
    lab.run_tests()
