# SPDX-License-Identifier: Apache-2.0
"""SAs of the kernel's own ESP are steered to its crypto drivers: pcrypt, AES-NI, generic, a card."""

import contextlib
import itertools
import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from kernel_peer import lab, states, udp_socket  # noqa: E402
from proc_crypto import first, priorities, registered, users  # noqa: E402

STEER = pathlib.Path(os.environ["ESPALIER_BUILD"]) / "bin/vm_steer"
JOURNAL = pathlib.Path("/var/lib/espalier/case/kernel-changes.json")
MASKS = pathlib.Path("/sys/kernel/pcrypt")

GCM = "seqiv(rfc4106(gcm(aes)))"
GENERIC = "rfc4106(gcm_base(ctr(aes-generic),ghash-generic))"
CBC = "echainiv(authenc(hmac(sha1),cbc(aes)))"
KEYS = {"aes128gcm16": "aead rfc4106(gcm(aes)) 0x{:040x} 128",
        "aes128-sha1": "auth-trunc hmac(sha1) 0x{0:040x} 96 enc cbc(aes) 0x{0:032x}"}


def call(*words, check=True):
    done = subprocess.run([STEER, JOURNAL, *words], text=True, capture_output=True, check=False,
                          timeout=300)
    if check and done.returncode:
        raise AssertionError(f"{words} failed: {done.stderr}")
    return json.loads(done.stdout) if check and done.stdout else done


def tune(*words):
    command = [STEER.parent / "espalier", "tune", "--json", *words]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


SPIS = itertools.count(0x1000)


def new_sa(transform, spi, ends=("10.0.0.1", "10.0.0.2"), namespace=None, esn=True):
    """The command that adds an SA."""
    key = 0x1234
    return [*(["ip", "-n", namespace] if namespace else ["ip"]),
            "xfrm", "state", "add", "src", ends[0], "dst", ends[1], "proto", "esp",
            "spi", str(spi), "mode", "transport", *KEYS[transform].format(key).split(),
            "replay-window", "128", *(["flag", "esn"] if esn else [])]


def add_sa(transform, **options):
    subprocess.run(new_sa(transform, next(SPIS), **options), check=True)


def numbered(transform, count, esn=True):
    """The same for `vm_steer`: with SPIs of their own for so many."""
    spis = [next(SPIS) for _ in range(count)]
    command = shlex.join(new_sa(transform, "SPI", esn=esn))
    return ["sh", "-c", command.replace("SPI", f"$(({spis[0]} + N))")]


def delete_all():
    subprocess.run(["ip", "xfrm", "state", "flush"], check=True)
    # The kernel lets go of them a moment later.
    lab.wait_until(lambda: not any(users(driver) for driver in registered()
                                   if driver.startswith(("seqiv(", "echainiv(", "pcrypt("))),
                   30, "SAs that were deleted did not go")


class CryptoDrivers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        modules = ["esp4", "xfrm_user", "crypto_user", "aesni_intel", "pcrypt", "seqiv", "echainiv",
                   "authenc", "authencesn", "virtio_crypto"]
        subprocess.run(["modprobe", "-a", *modules], check=True)

    def setUp(self):
        # Everybody's own choice is there, as on a gateway that has SAs.
        for transform in KEYS:
            add_sa(transform, esn=False)
        delete_all()
        self.before = priorities()
        self.addCleanup(self.all_is_as_before)

    def all_is_as_before(self):
        subprocess.run(["ip", "-all", "netns", "delete"], check=True)
        delete_all()
        self.assertEqual(call("undo")["left"], [])
        now = priorities()
        self.assertEqual({driver: now.get(driver) for driver in self.before}, self.before)
        self.assertFalse(JOURNAL.exists())
        self.assertEqual([driver for driver in now if "pcrypt" in driver], [])

    def steered(self, transform, driver, expected, count=1, verb="bind", esn=True, module=""):
        """Adds SAs while the driver is first; its users show it."""
        had = users(expected) or 0
        said = call(verb, transform + "+esn" * esn, driver, module, str(count),
                    *numbered(transform, count, esn))["sas"]
        self.assertEqual({sa["driver"] for sa in said}, {expected})
        self.assertEqual([sa for sa in said if not sa["inferred"] or sa["trouble"]], [])
        self.assertEqual(users(expected), had + count)

    def test_to_pcrypt_back_to_aesni_and_to_the_generic_driver(self):
        own = first(GCM)
        aesni = own.removeprefix("seqiv(").removesuffix(")")
        self.assertIn("aesni", aesni)
        parallel = f"pcrypt({own})"
        self.steered("aes128gcm16", f"pcrypt({aesni})", parallel, count=2)
        self.steered("aes128gcm16", aesni, own)
        self.steered("aes128gcm16", GENERIC, f"seqiv({GENERIC})")
        self.assertEqual(users(parallel), 2, "what an SA has it keeps")
        self.assertEqual(first(GCM), own)
        add_sa("aes128gcm16")
        self.assertEqual(users(own), 4, "who adds an SA afterwards gets what it always got")

    def test_a_card_takes_cbc_with_hmac(self):
        card = "echainiv(authenc(hmac(sha1-generic),virtio_crypto_aes_cbc))"
        self.steered("aes128-sha1", "virtio_crypto_aes_cbc", card, esn=False,
                     module="virtio_crypto")
        self.assertNotIn("virtio", first(CBC))

    def test_what_is_held_everybody_gets(self):
        own = first(GCM)
        self.steered("aes128gcm16", "pcrypt(rfc4106(gcm(aes)))", f"pcrypt({own})", verb="hold")
        add_sa("aes128gcm16")
        self.assertEqual(users(f"pcrypt({own})"), 2)
        self.assertEqual(users(own), 2, "they are at work on top of it")
        delete_all()
        call("undo")
        self.assertEqual(first(GCM), own)

    def test_killed_while_an_sa_is_added(self):
        own = first(GCM)
        for verb in ("bind", "hold"):
            for driver in ("pcrypt(rfc4106(gcm(aes)))", GENERIC):
                with self.subTest(verb=verb, driver=driver):
                    killed = call(verb, "aes128gcm16", driver, "", "1", "sh", "-c",
                                  "kill -9 $PPID", check=False)
                    self.assertEqual(killed.returncode, -signal.SIGKILL)
                    self.assertNotEqual(first(GCM), own)
                    self.assertTrue(JOURNAL.exists())
                    self.assertEqual(call("undo")["left"], [])
                    self.assertEqual(first(GCM), own)
                    self.assertFalse(JOURNAL.exists())

    def test_what_somebody_else_changed_stays(self):
        script = ("import socket, struct\n"
                  "with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 21) as s:\n"
                  "    body = struct.pack('64s64s64s4IHHI', b'', DRIVER, b'', 0, 0, 0, 0, 8, 1, 777)\n"
                  "    s.send(struct.pack('IHHII', 16 + len(body), 0x12, 5, 1, 0) + body)\n"
                  "    assert struct.unpack('i', s.recv(4096)[16:20]) == (0,)\n")
        own = first(GCM)
        call("hold", "aes128gcm16", "pcrypt(rfc4106(gcm(aes)))", "", "0", "true")
        driver = f"pcrypt({own})"
        subprocess.run(["python3", "-c", script.replace("DRIVER", repr(driver.encode()))],
                       check=True)
        self.assertIn("somebody else has set", call("undo")["left"][0])
        self.assertEqual(priorities()[driver], 777)
        subprocess.run(["python3", "-c", script.replace("DRIVER", repr(driver.encode()))
                        .replace("0x12", "0x11")], check=True)  # removes it

    def test_tune_holds_a_driver_and_goes_back(self):
        own = first(GCM)
        driver = f"pcrypt({own})"
        mask = MASKS / "pencrypt/parallel_cpumask"
        was = mask.read_text()
        wish = ["--first", "aes128gcm16=pcrypt(rfc4106(gcm(aes)))", "--parallel-cpus", "1"]
        for words, now in (([], own), (["--apply"], driver), (["--apply"], driver)):
            shown = {item["what"]: item for item in tune(*wish, *words)["tune"]}
            self.assertEqual((shown[GCM]["now"], shown[GCM]["wanted"]), (now, driver))
            self.assertEqual(first(GCM), now)
            self.assertEqual(int(mask.read_text(), 16), 2 if words else int(was, 16))
        add_sa("aes128gcm16")
        self.assertEqual(users(driver), 1)
        delete_all()
        self.assertEqual(tune("--undo")["left"], [])
        self.assertEqual((first(GCM), mask.read_text()), (own, was))
        self.assertEqual(tune("--undo"), {"done": [], "left": []})

    def test_masks_of_cpus(self):
        file = MASKS / "pencrypt/parallel_cpumask"
        was = file.read_text()
        call("masks", str(file), "1")
        self.assertEqual(int(file.read_text().replace(",", ""), 16), 1)
        call("undo")
        self.assertEqual(file.read_text(), was)

    def test_many_while_another_process_adds_sas(self):
        """No SA is said to have what it has not: those that nobody can tell are unknown."""
        own = first(GCM)
        command = shlex.join(new_sa("aes128gcm16", "SPI")).replace("SPI", "$((0x900000 + N))")
        other = subprocess.Popen(["sh", "-c", f"while N=$((N + 1)); do {command}; done"])
        try:
            said = call("bind", "aes128gcm16+esn", "pcrypt(rfc4106(gcm(aes)))", "", "100",
                        *numbered("aes128gcm16", 100))["sas"]
        finally:
            other.kill()
            other.wait()
        self.assertEqual(len(said), 100)
        unknown = [sa for sa in said if not sa["inferred"]]
        print(f"  {len(unknown)} of 100 are unknown; pcrypt has {users(f'pcrypt({own})')} users",
              flush=True)
        self.assertTrue(all(sa["why"] for sa in unknown))
        self.assertEqual([sa for sa in said if sa["trouble"]], [])
        self.assertGreaterEqual(users(f"pcrypt({own})"), 100)
        self.assertEqual(first(GCM), own)

    def test_traffic_flows_over_what_was_steered(self):
        own = first(GCM)
        card = "echainiv(authenc(hmac(sha1-generic),virtio_crypto_aes_cbc))"
        for transform, esn, left, expected in (
                ("aes128gcm16", True, "pcrypt(rfc4106(gcm(aes)))", f"pcrypt({own})"),
                ("aes128-sha1", True, "pcrypt(authencesn(hmac(sha1),cbc(aes)))", None),
                ("aes128-sha1", False, "virtio_crypto_aes_cbc", card)):
            with self.subTest(transform=transform, left=left), Wire() as wire:
                for sender, receiver in (wire.sites, wire.sites[::-1]):
                    spi = next(SPIS)
                    ends = wire.address[sender], wire.address[receiver]
                    had = users(expected) if expected else None
                    call("bind", transform + "+esn" * esn, left, "", "1",
                         *new_sa(transform, spi, ends, "left", esn))
                    if expected:
                        self.assertEqual(users(expected), (had or 0) + 1)
                    # The other end has the kernel's own choice.
                    subprocess.run(new_sa(transform, spi, ends, "right", esn), check=True)
                self.assertEqual(wire.carried(500), (500, 500))
            delete_all()


class Wire:
    """Two namespaces that protect what they say to each other with ESP in transport mode."""
    sites = lab.SITES
    address = {"left": "192.0.2.1", "right": "192.0.2.2"}

    def __enter__(self):
        lab.FOLDER.mkdir(exist_ok=True)
        self.network = lab.Lab({site: address + "/24" for site, address in self.address.items()})
        for here, there in (self.sites, self.sites[::-1]):
            for direction, source, destination in (("out", here, there), ("in", there, here)):
                lab.ip("-n", here, "xfrm", "policy", "add", "src", self.address[source], "dst",
                       self.address[destination], "proto", "udp", "dir", direction, "tmpl",
                       "proto", "esp", "mode", "transport")
        return self

    def __exit__(self, *_):
        self.network.__exit__()

    def carried(self, count):
        """Datagrams that arrived of so many, each way; sent as fast as they are taken."""
        ends = {site: udp_socket(site, self.address[site], 7000) for site in self.sites}
        result = []
        for sender, receiver in (self.sites, self.sites[::-1]):
            arrived = set()
            for burst in range(0, count, 50):
                sent = {number.to_bytes(1000) for number in range(burst, burst + 50)}
                for datagram in sent:
                    ends[sender].sendto(datagram, (self.address[receiver], 7000))
                for _ in sent:
                    with contextlib.suppress(TimeoutError):
                        arrived.add(ends[receiver].recv(2000))
            result.append(len(arrived))
        for end in ends.values():
            end.close()
        packets = {site: [state.packets for state in states(self.network.run(
            site, "ip", "-s", "xfrm", "state").stdout).values()] for site in self.sites}
        if packets != {site: [count, count] for site in self.sites}:
            raise AssertionError(f"the SAs of both ends have carried {packets}")
        return tuple(result)


if __name__ == "__main__":
    unittest.main()
