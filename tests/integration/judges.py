# SPDX-License-Identifier: Apache-2.0
"""Every transform, judged by software that is not ours: tshark reads what the gateway sends, scapy
reads it and answers. What each knows is in the table of tests/README.md, which this holds to be true.
The Linux kernel judges in tests/vm."""

import os
import pathlib
import sys
import tomllib
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "scripts"))
import judges  # noqa: E402
import lab  # noqa: E402
import wire  # noqa: E402
from gateway import Espalier, Gateway  # noqa: E402
from netns import udp_socket  # noqa: E402
from tunnels import INSIDE_LEFT, LEFT, address_lines, configuration, every_transform  # noqa: E402
from tunnels import every_tunnel, outer_addresses, transforms_of  # noqa: E402

PORT = 50007  # which no protocol claims
SIZES = (*range(1, 18), 1200)  # every remainder of the block sizes
README = TOP / "tests/README.md"


class Judges(unittest.TestCase):
    def start(self, backend, knows):
        """A gateway with a tunnel for each transform that the judge knows. At the other end nobody
        but self.right, which takes ESP."""
        self.espalier = Espalier(os.environ["ESPALIER_BUILD"])
        self.network = lab.Lab(outer_addresses(4))
        self.addCleanup(self.network.__exit__)
        known = [entry for entry in transforms_of(self.espalier, backend) if knows(entry["name"])]
        self.assertGreaterEqual(len(known), 20, f"{backend} takes less than any CPU lets it")
        # 32-bit numbers: tshark and scapy leave the high bits of ESN out of an HMAC.
        self.tunnels = every_tunnel(known, esn=(False,))
        batch = lab.FOLDER / "right.batch"
        batch.write_text("\n".join(address_lines(self.tunnels, 4)) + "\n")
        self.network.run("right", "ip", "-batch", batch)
        config = lab.FOLDER / "left.toml"
        config.write_text(configuration(self.tunnels, backend))
        self.espalier.ask("keygen", config, "--out", lab.FOLDER, "--site", "left")
        keys = tomllib.loads((lab.FOLDER / "left.keys").read_text())["sa"]
        outer = {tunnel.name: tunnel.outer(4) for tunnel in self.tunnels}
        self.sas = {}  # (tunnel, direction)
        for sa in keys:
            ends = LEFT[4], outer[sa["tunnel"]]
            source, destination = ends if sa["direction"] == "outbound" else ends[::-1]
            self.sas[sa["tunnel"], sa["direction"]] = wire.Sa(
                sa["tunnel"], sa["spi"], sa["transform"], source, destination,
                sa.get("cipher_key", "") + sa.get("salt", ""), sa.get("integrity_key", ""))
        self.gateway = Gateway(self.espalier, self.network, "left", config).wait_until_ready()
        self.right = udp_socket("right", "0.0.0.0", 4500)
        self.left = udp_socket("left", INSIDE_LEFT[4], PORT)
        self.addCleanup(self.right.close)
        self.addCleanup(self.left.close)

    def send(self, tunnel):
        """Datagrams into the tunnel; gives their contents and the ESP packets."""
        # Text: tshark takes some random bytes for other protocols.
        contents = [(tunnel.name.encode() * size)[:size] for size in SIZES]
        for content in contents:
            self.left.sendto(content, (tunnel.inside(4), PORT))
        return contents, [self.right.recv(65536) for _ in contents]

    def read_by_tshark(self, backend):
        self.start(backend, wire.tshark_cipher)
        file = lab.FOLDER / "judges.pcapng"
        capture = self.network.capture("left", file, "udp dst port 4500")
        sent = {tunnel.name: self.send(tunnel)[0] for tunnel in self.tunnels}
        self.network.captured(capture)
        outbound = {sa.spi: sa for (_, direction), sa in self.sas.items() if direction == "outbound"}
        read = {}
        for _, spi, good, bad, content in wire.dissect(file, outbound.values(), "esp.spi", "esp.icv_good",
                                                       "esp.icv_bad", "udp.payload"):
            sa = outbound[int(spi, 16)]
            self.assertEqual((good, bad), ("1", "0"), f"the ICV of {sa.transform}")
            inner = content.split(",")[-1]  # behind the outer datagram's
            read.setdefault(sa.tunnel, []).append(bytes.fromhex(inner.replace(":", "")))
        for name, contents in sent.items():
            self.assertEqual(read[name], contents, name)

    def test_tshark_reads_and_verifies_openssl(self):
        self.read_by_tshark("openssl")

    def test_tshark_reads_and_verifies_aesni(self):
        self.read_by_tshark("aesni")

    def read_and_answered_by_scapy(self, backend):
        from scapy.layers.inet import IP, UDP
        self.start(backend, wire.scapy_cipher)
        for tunnel in self.tunnels:
            with self.subTest(transform=tunnel.transform["name"]):
                theirs = wire.scapy_association(self.sas[tunnel.name, "outbound"])
                ours = wire.scapy_association(self.sas[tunnel.name, "inbound"])
                contents, packets = self.send(tunnel)
                self.assertEqual([bytes(wire.scapy_open(theirs, packet)[UDP].payload)
                                  for packet in packets], contents)
                for content in contents:
                    inner = (IP(src=tunnel.inside(4), dst=INSIDE_LEFT[4])
                             / UDP(sport=PORT, dport=PORT) / content)
                    self.right.sendto(wire.scapy_seal(ours, inner), (LEFT[4], 4500))
                self.assertEqual([self.left.recv(65536) for _ in contents], contents)
        drops = self.gateway.status()["drops"]
        self.assertEqual({name: count for name, count in drops.items() if count}, {})

    def test_scapy_reads_and_answers_openssl(self):
        self.read_and_answered_by_scapy("openssl")

    def test_scapy_reads_and_answers_aesni(self):
        self.read_and_answered_by_scapy("aesni")

    def test_the_table_of_judges_is_true(self):
        espalier = Espalier(os.environ["ESPALIER_BUILD"])
        table = judges.table(every_transform(espalier).values())
        for transform in every_transform(espalier).values():
            self.assertTrue(transform["kernel_name"], "which the table says the kernel has")
            for file in judges.vectors(transform["name"]):
                self.assertTrue((judges.VECTORS / file).exists(), file)
        if os.environ.get("ESPALIER_UPDATE_GOLDEN") == "1":
            before, _, after = README.read_text().partition("<!-- judges -->\n")
            README.write_text(before + "<!-- judges -->\n" + table + "<!-- end -->"
                              + after.partition("<!-- end -->")[2])
        self.assertIn(f"<!-- judges -->\n{table}<!-- end -->", README.read_text(),
                      "ESPALIER_UPDATE_GOLDEN=1 writes the table anew")


if __name__ == "__main__":
    lab.run_tests()
