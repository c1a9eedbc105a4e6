# SPDX-License-Identifier: Apache-2.0
"""`espalier esp encrypt | decrypt`: capture files through the engine, judged by tshark and scapy.
Needs neither root nor network."""

import itertools
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "scripts"))
import output  # noqa: E402
import wire  # noqa: E402
from gateway import Espalier  # noqa: E402
from pcap import RAW, read_pcap, write_pcap  # noqa: E402

CONFIG = """
[site.left]
address = "{left}"
networks = ["10.1.0.0/24", "fd00:1::/64"]
tun = {{ name = "esp0", addresses = ["10.1.0.1/24"] }}

[site.right]
address = "{right}"
networks = ["10.2.0.0/24", "fd00:2::/64"]
tun = {{ name = "esp0", addresses = ["10.2.0.1/24"] }}

[[tunnel]]
name = "office"
sites = ["left", "right"]
transform = "{transform}"
esn = {esn}
encapsulation = "{encapsulation}"
keys = {{ file = "{{site}}.keys" }}
"""
IPV4 = {"left": "192.0.2.1", "right": "192.0.2.2"}
IPV6 = {"left": "2001:db8::1", "right": "2001:db8::2"}
ETHERNET, SLL, SLL2, NULL = 1, 113, 276, 0
ARP = bytes.fromhex("ffffffffffff0200000000010806") + bytes(28)


def link_header(link, packet):
    ether = b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\x00"
    return {RAW: b"", ETHERNET: bytes(12) + ether, SLL: bytes(14) + ether,
            SLL2: ether + bytes(18)}[link]


def inner_packets(count=40):
    """Packets of several kinds and lengths that go from left to right."""
    from scapy.all import ICMP, IP, TCP, UDP, IPv6, Raw, raw
    made = []
    for i in range(count):
        layers = (IP(src="10.1.0.7", dst="10.2.0.9", id=i, tos=4 * (i % 8)),
                  IPv6(src="fd00:1::7", dst="fd00:2::9"))[i % 2]
        layers /= (TCP(sport=1000 + i, dport=80, seq=i), UDP(sport=53, dport=1000 + i),
                   ICMP(seq=i))[i % 3 if i % 2 == 0 else i % 2]
        made.append((1_700_000_000_123_456_789 + i * 1_000_000_001, raw(layers / Raw(b"x" * 33 * i))))
    return made


class Captures(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.espalier = Espalier(os.environ["ESPALIER_BUILD"])
        self.inner, self.outer, self.back = (self.folder / f"{name}.pcap"
                                             for name in ("inner", "outer", "back"))

    def configure(self, transform="aes256gcm16", esn="false", encapsulation="udp", ends=None):
        self.ends = ends or IPV4
        self.config = self.folder / "site.toml"
        self.config.write_text(CONFIG.format(transform=transform, esn=esn, **self.ends,
                                             encapsulation=encapsulation))
        for old in self.folder.glob("*.keys*"):
            old.unlink()
        self.espalier.make_keys(self.config, self.folder)
        self.sas = wire.outbound_sas(self.folder / "left.keys", self.ends["left"],
                                     self.ends["right"])

    def esp(self, verb, site, source, target, *options):
        state = ["--state", self.folder / "state"] if verb == "encrypt" else []
        return self.espalier.call("esp", verb, self.config, source, target, "--site", site,
                                  "--keys", self.folder, "--json", *state, *options)

    def converted(self, verb, site, source, target, *options):
        result = self.esp(verb, site, source, target, *options)
        self.assertEqual(result.returncode, 0, result.stderr)
        return output.check(self, f"esp {verb}", json.loads(result.stdout),
                            loose={"drops", "skipped"})

    def test_tshark_reads_what_is_encrypted(self):
        packets = inner_packets()
        write_pcap(self.inner, packets)
        for transform, ends in itertools.product(("aes256gcm16", "aes128-sha256"), (IPV4, IPV6)):
            self.configure(transform, ends=ends)
            summary = self.converted("encrypt", "left", self.inner, self.outer)
            self.assertEqual((summary["frames"], summary["written"]), (40, 40))
            frames = wire.dissect(self.outer, self.sas, "frame.time_epoch", "esp.sequence")
            self.assertEqual([time for _, time, _ in frames],
                             [f"{time // 10**9}.{time % 10**9:09}" for time, _ in packets])
            self.assertEqual([int(number) for *_, number in frames], list(range(1, 41)))
            kinds = wire.count_kinds(frames)
            self.assertEqual(set(kinds), {"tcp", "udp", "icmp"}, kinds)

    def test_a_round_trip_gives_the_same_packets_with_the_same_times(self):
        packets = inner_packets()
        for link, encapsulation, ends, esn in (
                (RAW, "udp", IPV4, "true"), (ETHERNET, "none", IPV6, "false"),
                (SLL, "none", IPV4, "true"), (SLL2, "udp", IPV6, "false")):
            self.configure(encapsulation=encapsulation, ends=ends, esn=esn)
            write_pcap(self.inner, [(t, link_header(link, p) + p) for t, p in packets], link)
            self.converted("encrypt", "left", self.inner, self.outer)
            self.converted("decrypt", "right", self.outer, self.back)
            self.assertEqual(read_pcap(self.back), packets)

    def test_numbers_begin_where_one_says_and_go_on_past_32_bits_with_esn_alone(self):
        packets = inner_packets(200)
        write_pcap(self.inner, packets)
        first = (1 << 32) - 10
        for esn, numbers in (("true", [*range(first, first + len(packets))]),
                             ("false", [*range(first, 1 << 32)])):
            self.configure(esn=esn)
            summary = self.converted("encrypt", "left", self.inner, self.outer,
                                     "--first-sequence", first)
            self.assertEqual(summary["written"], len(numbers))
            self.assertEqual(summary["drops"]["out_sequence_end"], len(packets) - len(numbers))
            after_udp = [frame[28:] for _, frame in read_pcap(self.outer)]
            self.assertEqual([int.from_bytes(esp[4:8]) for esp in after_udp],
                             [number % (1 << 32) for number in numbers])
            self.converted("decrypt", "right", self.outer, self.back)
            self.assertEqual(read_pcap(self.back), packets[:len(numbers)])
        self.configure(esn="false")
        refused = self.esp("encrypt", "left", self.inner, self.outer, "--first-sequence", 1 << 32)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("its numbers are 1 to 4294967295, since it has no ESN", refused.stderr)
        self.assertTrue((self.folder / "left.keys").exists(), "no key is used up")

    def test_a_capture_that_begins_beyond_32_bits_is_read_if_one_says_so(self):
        packets = inner_packets(20)
        write_pcap(self.inner, packets)
        first = (5 << 32) + 77
        for transform in ("aes256gcm16", "aes128-sha256"):
            self.configure(transform, esn="true")
            self.converted("encrypt", "left", self.inner, self.outer, "--first-sequence", first)
            blind = self.esp("decrypt", "right", self.outer, self.back)
            self.assertEqual(blind.returncode, 1)
            self.assertEqual(json.loads(blind.stdout)["drops"]["in_bad_icv"], len(packets))
            for said in (first, first - 77, first - 100_000):
                self.converted("decrypt", "right", self.outer, self.back, "--first-sequence", said)
                self.assertEqual(read_pcap(self.back), packets)
        self.configure(esn="false")
        refused = self.esp("decrypt", "right", self.outer, self.back, "--first-sequence", first)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("its numbers are 1 to 4294967295, since it has no ESN", refused.stderr)

    def test_what_follows_a_datagram_in_its_packet_is_no_esp(self):
        packets = inner_packets(10)
        write_pcap(self.inner, packets)
        self.configure()
        self.converted("encrypt", "left", self.inner, self.outer)
        longer = []
        for time, frame in read_pcap(self.outer):
            frame = bytearray(frame + b"behind")
            frame[2:4] = len(frame).to_bytes(2)  # of the IP packet alone
            longer.append((time, bytes(frame)))
        write_pcap(self.outer, longer)
        self.converted("decrypt", "right", self.outer, self.back)
        self.assertEqual(read_pcap(self.back), packets)

    def test_a_device_that_takes_its_time_loses_nothing_of_a_file(self):
        packets = inner_packets(500)
        write_pcap(self.inner, packets)
        self.configure()
        folder = pathlib.Path(os.environ["ESPALIER_BUILD"]) / "sdk/example"
        self.config.write_text(f'{self.config.read_text()}\n[plugins]\nfolders = ["{folder}"]\n'
                               '[policy]\nbackends = ["example"]\nfallback = "fail"\n')
        for verb, site, files in (("encrypt", "left", (self.inner, self.outer)),
                                  ("decrypt", "right", (self.outer, self.back))):
            summary = self.converted(verb, site, *files)
            self.assertEqual((summary["written"], summary["drops"]["queue_full"]), (500, 0))
        self.assertEqual([packet for _, packet in read_pcap(self.back)], [packet for _, packet in packets])

    def test_pcapng_and_vlans_are_read_and_padding_is_not(self):
        packets = inner_packets(6)
        self.configure()
        tag = b"\x88\xa8\x00\x05\x81\x00\x00\x07"
        frames = [(t, bytes(12) + tag + link_header(ETHERNET, p)[12:] + p + bytes(20))
                  for t, p in packets]
        write_pcap(self.inner, [*frames, (1, ARP)], ETHERNET)
        ng = self.folder / "inner.pcapng"
        subprocess.run(["editcap", "-F", "pcapng", self.inner, ng], check=True, capture_output=True)
        summary = self.converted("encrypt", "left", ng, self.outer)
        self.assertEqual((summary["frames"], summary["skipped"]["not_ip"]), (7, 1))
        self.converted("decrypt", "right", self.outer, self.back)
        self.assertEqual(read_pcap(self.back), packets)

    def test_what_scapy_made_is_decrypted_and_what_is_wrong_is_counted(self):
        from scapy.all import IP, UDP, raw
        from scapy.layers import ipsec
        self.configure()
        sa = self.sas[0]
        packets = inner_packets(20)[::2]  # IPv4: what scapy's tunnel header is for
        scapy = ipsec.SecurityAssociation(
            ipsec.ESP, spi=sa.spi, crypt_algo="AES-GCM", crypt_key=bytes.fromhex(sa.cipher_key),
            nat_t_header=UDP(sport=4500, dport=4500),
            tunnel_header=IP(src=sa.source, dst=sa.destination))

        def encrypted(packet):  # scapy 2.5 writes a UDP length of 8, whatever follows
            made = bytearray(raw(scapy.encrypt(IP(packet))))
            made[24:26] = (len(made) - 20).to_bytes(2)
            return bytes(made)
        esp = [(time, encrypted(packet)) for time, packet in packets]
        forged = esp[3][1][:-1] + bytes([esp[3][1][-1] ^ 1])
        stranger = raw(IP(src=sa.source, dst=sa.destination) / UDP(dport=53) / b"hello, world")
        late = raw(IP(src=sa.source, dst=sa.destination, frag=100) / UDP(dport=4500))
        write_pcap(self.outer, [*esp, (1, forged), (2, esp[0][1]), (3, stranger), (4, late)])
        summary = self.converted("decrypt", "right", self.outer, self.back)
        self.assertEqual(read_pcap(self.back), packets)
        self.assertEqual(summary["drops"]["in_replay"] + summary["drops"]["in_bad_icv"], 2)
        self.assertEqual((summary["skipped"]["not_esp"], summary["skipped"]["fragment"]), (1, 1))
        self.assertTrue((self.folder / "right.keys").exists(), "decrypting claims nothing")

    def test_a_capture_of_both_directions_is_taken_apart(self):
        """Nothing of the other direction is a drop, and what others said is told apart from it."""
        from scapy.all import ICMP, IP, UDP, Raw, raw
        self.configure()
        there = inner_packets(6)
        back = [(time + 500, raw(IP(src="10.2.0.9", dst="10.1.0.7") / ICMP(type=0, seq=i)))
                for i, (time, _) in enumerate(there[:4])]
        write_pcap(self.inner, sorted([*there, *back]))
        copies = {site: (self.folder / f"{site}.keys").read_bytes() for site in IPV4}
        to_right = self.converted("encrypt", "left", self.inner, self.outer)
        self.assertEqual((to_right["packets"], to_right["written"]), (6, 6))
        self.assertEqual(to_right["skipped"]["other_direction"], 4)
        self.assertEqual(sum(to_right["drops"].values()), 0, to_right["drops"])
        wire_back = self.folder / "wire-back.pcap"
        to_left = self.converted("encrypt", "right", self.inner, wire_back)
        self.assertEqual((to_left["written"], to_left["skipped"]["other_direction"]), (4, 6))

        stranger = raw(IP(src="198.51.100.1", dst="198.51.100.2") / UDP(sport=4500, dport=4500)
                       / Raw(b"\0\0\x99\x99" + bytes(60)))
        write_pcap(self.outer, sorted([*read_pcap(self.outer), *read_pcap(wire_back), (1, stranger)]))
        for site, sent in (("right", there), ("left", back)):
            for file in self.folder.glob("*.keys*"):
                file.unlink()
            (self.folder / f"{site}.keys").write_bytes(copies[site])
            (self.folder / f"{site}.keys").chmod(0o600)
            summary = self.converted("decrypt", site, self.outer, self.back)
            self.assertEqual(read_pcap(self.back), sent)
            self.assertEqual(sum(summary["drops"].values()), 0, summary["drops"])
            self.assertEqual((summary["skipped"]["other_direction"], summary["skipped"]["of_others"]),
                             (10 - len(sent), 1))
        told = self.espalier.call("esp", "decrypt", self.config, self.outer, self.back, "--site",
                                  "left", "--keys", self.folder).stdout
        self.assertIn("6 frames passed over: of the other direction\n", told)
        self.assertIn("1 frame passed over: ESP between others\n", told)
        self.assertIn("No packet was dropped.", told)

    def test_keys_that_encrypted_once_are_refused(self):
        self.configure()
        write_pcap(self.inner, inner_packets(2))
        self.converted("encrypt", "left", self.inner, self.outer)
        result = self.outer.read_bytes()
        again = self.esp("encrypt", "left", self.inner, self.outer)
        self.assertEqual(again.returncode, 1)
        self.assertEqual(self.outer.read_bytes(), result, "what is there cannot be made again")
        self.assertIn("left.keys' were used on", again.stderr)
        late = self.esp("decrypt", "left", self.outer, self.back)
        self.assertEqual(late.returncode, 1)
        self.assertIn("keep a copy of the key file from before it was used", late.stderr)
        self.assertFalse(self.back.exists())
        self.assertEqual(list(self.folder.glob("*.part")), [])

    def test_where_there_is_nothing_to_do_the_output_stays_and_no_key_is_used_up(self):
        self.configure()
        self.outer.write_text("of earlier")
        foreign = inner_packets(1)[0][1].replace(bytes([10, 2, 0, 9]), bytes([10, 9, 0, 9]))
        for frames, site in ((inner_packets(3), "right"), ([], "left"), ([(1, foreign)], "left")):
            write_pcap(self.inner, frames)
            for verb in ("encrypt", "decrypt"):
                result = self.esp(verb, site, self.inner, self.outer)
                self.assertEqual(result.returncode, 1, result.stderr)
                self.assertIn(f"Nothing of '{self.inner}' could be {verb}ed", result.stderr)
                self.assertEqual(self.outer.read_text(), "of earlier")
                self.assertTrue((self.folder / f"{site}.keys").exists())

    def test_packets_cut_by_the_capture_are_skipped_and_counted(self):
        self.configure()
        write_pcap(self.inner, inner_packets(10), cut=96)
        summary = self.converted("encrypt", "left", self.inner, self.outer)
        whole = sum(len(packet) <= 96 for _, packet in inner_packets(10))
        self.assertEqual((summary["written"], summary["skipped"]["truncated"]), (whole, 10 - whole))

    def test_a_capture_of_interfaces_that_differ_is_refused_in_words_that_help(self):
        def block(kind, body):
            body += bytes(-len(body) % 4)
            length = struct.pack("<I", 12 + len(body))
            return struct.pack("<I", kind) + length + body + length

        def capture(interfaces):
            packets = [packet for _, packet in inner_packets(2)]
            frames = [link_header(link, packet) + packet
                      for (link, _), packet in zip(interfaces, packets)]
            return (block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
                    + b"".join(block(1, struct.pack("<HHI", link, 0, snaplen))
                               for link, snaplen in interfaces)
                    + b"".join(block(6, struct.pack("<IIIII", i, 0, 1, len(f), len(f)) + f)
                               for i, f in enumerate(frames)))
        self.configure()
        several = self.folder / "several.pcapng"
        for interfaces in (((ETHERNET, 65535), (RAW, 65535)), ((ETHERNET, 65535), (ETHERNET, 262144))):
            several.write_bytes(capture(interfaces))
            result = self.esp("encrypt", "left", several, self.outer)
            self.assertEqual(result.returncode, 1)
            self.assertIn(f"'{several}' is of several interfaces", result.stderr)
            self.assertTrue((self.folder / "left.keys").exists(), "the keys must not be used up")
        self.assertIn(f"'editcap -F pcap {several} ONE.pcap'", result.stderr)
        one = self.folder / "one.pcap"
        subprocess.run(["editcap", "-F", "pcap", several, one], check=True, capture_output=True)
        self.assertEqual(self.converted("encrypt", "left", one, self.outer)["written"], 2)
        self.configure()
        several.write_bytes(capture(((ETHERNET, 65535), (ETHERNET, 65535))))
        self.assertEqual(self.converted("encrypt", "left", several, self.outer)["written"], 2)

    def test_what_cannot_be_read_is_said_in_a_sentence_and_no_key_is_used_up(self):
        self.configure()
        write_pcap(self.inner, inner_packets(2))
        whole = self.inner.read_bytes()
        bad = self.folder / "bad"
        for content, words in ((b"", "truncated dump file"), (b"not a capture" * 9, "unknown file format"),
                               (whole[:10], "truncated dump file")):
            bad.write_bytes(content)
            result = self.esp("encrypt", "left", bad, self.outer)
            self.assertEqual(result.returncode, 1)
            self.assertIn("'" + str(bad) + "' cannot be read: ", result.stderr)
            self.assertIn(words, result.stderr)
        write_pcap(bad, inner_packets(1), NULL)
        self.assertIn("link type 0 (NULL)", self.esp("encrypt", "left", bad, self.outer).stderr)
        self.assertIn("No such file", self.esp("encrypt", "left", self.folder / "none", bad).stderr)
        self.assertIn("same time", self.esp("encrypt", "left", self.inner, self.inner).stderr)
        self.assertEqual(self.inner.read_bytes(), whole, "and the input is as it was")
        self.assertTrue((self.folder / "left.keys").exists(), "the keys must not be used up")

    def test_a_file_cut_within_a_packet_gives_what_is_whole_and_fails(self):
        self.configure()
        packets = inner_packets(6)
        write_pcap(self.inner, packets)
        self.inner.write_bytes(self.inner.read_bytes()[:-5])
        result = self.esp("encrypt", "left", self.inner, self.outer)
        self.assertEqual(result.returncode, 1)
        self.assertIn("truncated dump file", result.stderr)
        self.converted("decrypt", "right", self.outer, self.back)
        self.assertEqual(read_pcap(self.back), packets[:5])

    def test_bad_usage_and_configuration_exit_with_2(self):
        self.configure()
        self.assertEqual(self.espalier.call("esp").returncode, 2)
        self.assertEqual(self.espalier.call("esp", "encrypt", self.config).returncode, 2)
        nobody = self.espalier.call("esp", "decrypt", self.config, self.inner, self.outer)
        self.assertEqual(nobody.returncode, 2)
        self.assertIn("--site", nobody.stderr)

    def test_people_are_told_what_happened(self):
        self.configure()
        write_pcap(self.inner, [*inner_packets(3), (5, inner_packets(1)[0][1].replace(
            bytes([10, 2, 0, 9]), bytes([10, 9, 0, 9])))])
        told = self.espalier.call("esp", "encrypt", self.config, self.inner, self.outer, "--site",
                                  "left", "--keys", self.folder, "--state", self.folder / "state")
        self.assertEqual(told.returncode, 0, told.stderr)
        self.assertIn(f"4 frames read, 3 packets written to {self.outer}", told.stdout)
        self.assertIn("office/out", told.stdout)
        self.assertRegex(told.stdout, r"out_no_policy +1")
        shutil.rmtree(self.folder / "state")


if __name__ == "__main__":
    unittest.main()
