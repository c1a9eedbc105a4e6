# SPDX-License-Identifier: Apache-2.0
"""SAs that somebody else adds, here 'ip xfrm', are adopted: by a card from their birth, by pcrypt; and stay theirs."""

import pathlib
import signal
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from kernel_peer import all_come_back, espalier, lab, udp_socket  # noqa: E402
from nic_offload import ROOM, Card, ip, run  # noqa: E402
from proc_crypto import first, priorities, registered, users  # noqa: E402

NEEDS_MODULE = "netdevsim"  # see tests/vm/run
FOLDER = pathlib.Path("/run/adopt")
HERE = "192.0.2.1"
GCM = "rfc4106(gcm(aes))"


def peer(number):
    return f"192.0.2.{100 + number}"


def add(number, way="out", more=""):
    """An SA of its own key to that peer, as an IKE daemon adds it; gives its SPI."""
    spi = (0x1000 if way == "out" else 0x2000) + number
    ends = (HERE, peer(number)) if way == "out" else (peer(number), HERE)
    run("ip", *f"xfrm state add src {ends[0]} dst {ends[1]} proto esp spi {spi:#x} reqid {number} mode tunnel".split(),
        *f"replay-window 32 {more} aead".split(), GCM, f"0x{spi:040x}", "128")
    return spi


def delete(number):
    ip(f"xfrm state delete src {HERE} dst {peer(number)} proto esp spi {0x1000 + number:#x}")


def states():
    """What 'ip xfrm state' says, without what changes by the clock."""
    return sorted(ip("-s xfrm state").replace("\n\t", " ").splitlines())


def held():
    """How many SAs the kernel says a device holds."""
    return ip("xfrm state").count("crypto offload parameters")


class Adopt:
    """`espalier adopt` of this namespace."""

    def __init__(self, *backends, site=None):
        FOLDER.mkdir(mode=0o700, exist_ok=True)
        self.site = site
        self.command, self.socket, self.log_file = espalier(), FOLDER / "sock", FOLDER / "log"
        self.config = FOLDER / "ike.toml"
        order = ", ".join(f'"{backend}"' for backend in backends)
        self.config.write_text('[gateway]\ndataplane = "kernel"\n[policy]\n'
                               f'backends = [{order}]\nfallback = "software"\n')
        self.start()

    def start(self):
        with self.log_file.open("w") as log:
            self.process = subprocess.Popen(
                self.command.command("adopt", self.config, "--state", FOLDER / "state", "--socket", self.socket,
                                     site=self.site),
                stdout=log, stderr=log)
        lab.wait_until(lambda: "adopted; new ones" in self.log() or self.process.poll() is not None, 600,
                       "it did not start")
        if self.process.poll() is not None:
            raise AssertionError(self.log())

    def log(self):
        return self.log_file.read_text()

    def sas(self):
        found = self.command.ask("status", "--socket", self.socket)["sas"]
        return {sa["spi"]: sa for sa in found}

    def home(self, spi):
        sa = self.sas()[spi]
        return sa["backend"]

    def wait_for(self, spis):
        lab.wait_until(lambda: set(spis) <= set(self.sas()), 30, f"not all were adopted: {self.log()}")
        return self.sas()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(60) != 0:
            raise AssertionError(self.log())


class AdoptIpXfrm(unittest.TestCase):
    def setUp(self):
        run("modprobe", "-a", "psample", "ptp_mock", "netdevsim", "esp4_offload", "esp4", "aesni_intel")
        run("mount", "-t", "debugfs", "debugfs", "/sys/kernel/debug", check=False)
        self.card = Card(1, f"{HERE}/24")
        self.addCleanup(self.card.remove)
        self.addCleanup(ip, "xfrm state flush")

    def adopt(self, *backends):
        started = Adopt(*backends)
        self.addCleanup(lambda: started.process.poll() is None and started.kill())
        return started

    def test_what_an_interface_loses_as_it_is_set_down_goes_on_in_software(self):
        adopt = self.adopt("nic_offload")
        out, into = add(1), add(1, "in")
        adopt.wait_for([out, into])
        self.assertEqual(held(), 2)
        time.sleep(2.5)  # it has been read back
        ip(f"link set {self.card.interface} down")
        lab.wait_until(lambda: adopt.home(out) == "kernel" and adopt.home(into) == "kernel", 30, adopt.log())
        self.assertEqual(held(), 0)
        before = ip("-s xfrm state")
        self.assertIn(f"{out:#010x}"[2:], before)
        sas = adopt.sas()
        self.assertFalse(sas[out]["expired"])
        self.assertGreaterEqual(sas[out]["sequence"], 2**28)
        self.assertTrue(sas[into]["expired"], "what came since it was read could pass twice")
        ip(f"link set {self.card.interface} up")
        ip(f"xfrm state delete src {HERE} dst {peer(1)} proto esp spi {out:#x}")
        time.sleep(2)  # the card is known to be up again
        new = add(2)  # the rekey
        adopt.wait_for([new])
        self.assertEqual(adopt.home(new), "nic_offload")
        self.assertNotIn(out, adopt.sas())
        ip("xfrm state flush")
        lab.wait_until(lambda: "were flushed" in adopt.log(), 30, adopt.log())
        self.assertEqual(ip("xfrm state"), "", "what was flushed came back")
        adopt.stop()

    def test_a_card_has_sas_from_their_birth_until_it_is_full_and_a_killed_adopt_changes_nothing(self):
        adopt = self.adopt("nic_offload")
        spis = [add(number) for number in range(1, ROOM)] + [add(1, "in"), add(2, "in"), add(3, "in")]
        sas = adopt.wait_for(spis)
        self.assertEqual(self.card.table(), ROOM)
        self.assertEqual(sum(sa["backend"] == "nic_offload" for sa in sas.values()), ROOM)
        left = [sa for sa in sas.values() if sa["backend"] != "nic_offload"]
        self.assertEqual({other["reason"] for sa in left for other in sa["others"]}, {"capacity.sas"})
        self.assertEqual(held(), ROOM)
        before = states()
        for spi in spis:
            self.assertIn(f"0x{spi:040x}", "".join(before))
        adopt.kill()
        adopt.start()
        adopt.wait_for(spis)
        time.sleep(2)
        self.assertEqual(states(), before)
        self.assertEqual(sum(sa["backend"] == "nic_offload" for sa in adopt.sas().values()), ROOM)
        delete(1)
        spi = add(40)
        lab.wait_until(lambda: spi in adopt.sas(), 30, "the next SA was not adopted")
        self.assertEqual(adopt.home(spi), "nic_offload")
        before = states()
        adopt.stop()
        self.assertEqual(states(), before)
        self.assertEqual(held(), ROOM)

    def test_what_cannot_be_put_back_is_not_touched(self):
        run("modprobe", "-a", "authenc", "sha1_generic", "cbc")
        adopt = self.adopt("nic_offload")
        odd = {add(1, more="mark 5 mask 0xff"): "attribute", add(2, more="flag esn"): "", add(3, more="tfcpad 64"):
               "attribute"}
        told = states()
        adopt.wait_for(odd)
        time.sleep(2)
        sas = adopt.wait_for(odd)
        self.assertEqual(states(), told)
        self.assertEqual(held(), 0)
        for spi, why in odd.items():
            self.assertEqual(sas[spi]["backend"], "kernel", sas[spi])
            self.assertIn(why, sas[spi].get("note", ""))
        adopt.stop()
        self.assertEqual(states(), told)

    def test_an_sa_that_has_carried_packets_is_left_and_its_daemon_asked_for_a_rekey_once(self):
        add(1)
        ip(f"xfrm policy add src 10.1.0.0/16 dst 10.2.0.0/16 dir out tmpl src {HERE} dst {peer(1)} proto esp reqid 1 "
           "mode tunnel")
        self.addCleanup(ip, "xfrm policy flush")
        ip("address add 10.1.0.1/16 dev lo")
        self.addCleanup(ip, "address delete 10.1.0.1/16 dev lo")
        ip(f"neighbour add {peer(1)} lladdr 02:00:00:00:00:01 dev {self.card.interface}")
        ip(f"route add 10.2.0.0/16 via {peer(1)} dev {self.card.interface}")
        run("ping", "-c", "3", "-W", "1", "-I", "10.1.0.1", "10.2.0.1", check=False)
        monitor = subprocess.Popen(["ip", "xfrm", "monitor", "expire"], stdout=subprocess.PIPE, text=True)
        adopt = self.adopt("nic_offload")
        lab.wait_until(lambda: "it had carried packets" in adopt.wait_for([0x1001])[0x1001].get("note", ""), 30,
                       "it was not said why the SA stays")
        self.assertGreaterEqual(adopt.wait_for([0x1001])[0x1001]["sequence"], 3)
        time.sleep(4)
        monitor.terminate()
        told = monitor.communicate()[0]
        self.assertEqual(told.count("Expired"), 1, told)
        self.assertEqual((held(), self.card.table()), (0, 0))
        spi = add(2)  # its successor
        adopt.wait_for([spi])
        self.assertEqual(adopt.home(spi), "nic_offload")
        adopt.stop()

    def test_pcrypt_is_held_in_front_so_that_new_sas_are_born_with_it_and_all_is_put_back(self):
        before = priorities()
        adopt = self.adopt("pcrypt")
        spis = [add(1), add(1, "in"), add(2), add(3)]
        sas = adopt.wait_for(spis)
        spread = [driver for driver in registered() if driver.startswith("pcrypt(seqiv(")]
        self.assertEqual(len(spread), 1, spread)
        self.assertEqual(users(spread[0]), len(spis))
        self.assertEqual(first(f"seqiv({GCM})"), spread[0])
        for sa in sas.values():
            self.assertEqual((sa["backend"], sa["driver"]["name"], sa["driver"]["status"]),
                             ("pcrypt", spread[0], "inferred"))
        log = adopt.log()
        self.assertIn(f"New SAs of seqiv({GCM}) get".lower(), log.lower())
        told = states()
        adopt.kill()
        adopt.start()
        adopt.wait_for(spis)
        self.assertEqual(states(), told)
        self.assertEqual(users(spread[0]), len(spis))
        adopt.stop()
        self.assertEqual(states(), told)
        self.assertEqual(users(spread[0]), len(spis))  # they keep what they have
        now = priorities()
        self.assertEqual({driver: now.get(driver) for driver in before}, before)
        self.assertNotEqual(first(f"seqiv({GCM})"), spread[0])


class AdoptAndTraffic(unittest.TestCase):
    """Two ends that 'ip xfrm' joins, one of which is adopted."""

    FAR = "192.0.2.2"

    def setUp(self):
        run("modprobe", "-a", "esp4", "aesni_intel")
        ip("netns add far")
        ip("link add near type veth peer name wire netns far")
        for words in (f"address add {HERE}/24 dev near", "link set near up", "address add 10.1.0.1/16 dev lo",
                      f"route add 10.2.0.0/16 via {self.FAR} src 10.1.0.1", "-n far link set lo up",
                      f"-n far address add {self.FAR}/24 dev wire", "-n far link set wire up",
                      "-n far address add 10.2.0.1/16 dev lo",
                      f"-n far route add 10.1.0.0/16 via {HERE} src 10.2.0.1"):
            ip(words)
        self.addCleanup(run, "ip", "netns", "delete", "far", check=False)
        self.addCleanup(ip, "address delete 10.1.0.1/16 dev lo")
        self.addCleanup(ip, "xfrm policy flush")
        self.addCleanup(ip, "xfrm state flush")

    def both(self, words):
        for where in ([], ["-n", "far"]):
            run("ip", *where, "xfrm", *words)

    def add(self, spi):
        """A pair of SAs at both ends: traffic takes the newest."""
        for source, destination, number in ((HERE, self.FAR, spi), (self.FAR, HERE, spi + 1)):
            self.both([*f"state add src {source} dst {destination} proto esp spi {number:#x} reqid 7 mode tunnel".split(),
                       *"replay-window 32 aead".split(), GCM, f"0x{number:040x}", "128"])

    def policies(self):
        for where, out, back in (([], "out", "in"), (["-n", "far"], "in", "out")):
            for way, nets, ends in ((out, "src 10.1.0.0/16 dst 10.2.0.0/16", f"src {HERE} dst {self.FAR}"),
                                    (back, "src 10.2.0.0/16 dst 10.1.0.0/16", f"src {self.FAR} dst {HERE}")):
                run("ip", *where, *f"xfrm policy add {nets} dir {way} tmpl {ends} proto esp reqid 7 mode tunnel".split())

    @staticmethod
    def counted():
        """What both ends say of SAs and of what they dropped."""
        said = ""
        for where in ([], ["ip", "netns", "exec", "far"]):
            said += run(*where, "ip", "-s", "xfrm", "state").stdout
            said += run(*where, "grep", "-v", " 0$", "/proc/net/xfrm_stat", check=False).stdout
        return said

    def test_packets_pass_what_was_adopted_and_its_rekeys_and_what_is_left_at_the_end(self):
        adopt = Adopt("pcrypt")
        self.addCleanup(lambda: adopt.process.poll() is None and adopt.kill())
        self.add(0x3001)
        self.policies()
        adopt.wait_for([0x3001, 0x3002])
        near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        near.bind(("10.1.0.1", 7000))
        far = udp_socket("far", "10.2.0.1", 7000)
        self.addCleanup(near.close)
        self.addCleanup(far.close)
        for spi in (0x3011, 0x3021, 0x3031):
            self.assertTrue(all_come_back(near, far, 20), adopt.log() + self.counted())
            self.add(spi)  # a rekey
            adopt.wait_for([spi, spi + 1])
        self.assertEqual({sa.get("driver", {}).get("status") for sa in adopt.sas().values()}, {"inferred"}, adopt.log())
        adopt.stop()
        self.assertTrue(all_come_back(near, far, 20), self.counted())


if __name__ == "__main__":
    unittest.main()
