# SPDX-License-Identifier: Apache-2.0
"""What a person sees of `espalier run` when something is wrong: the sentence, word for word, the
exit code, and that nothing half-applied stays behind."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "scripts"))
import lab  # noqa: E402
from gateway import Espalier, Gateway  # noqa: E402
from netns import udp_socket  # noqa: E402

CONFIG = """\
[site.left]
address = "192.0.2.1"
networks = ["10.1.0.0/24"]
tun = { name = "esp0", addresses = ["10.1.0.1/24"] }

[site.right]
address = "192.0.2.2"
networks = ["10.2.0.0/24"]

[[tunnel]]
name = "peer"
sites = ["left", "right"]
transform = "aes256gcm16"
keys = { file = "{site}.keys" }
"""
FROM_FILE = 'keys = { file = "{site}.keys" }'
KEYS_AT = 'keys = { static = { spi = [%s], forward = { cipher_key = "%s", integrity_key = "%s" }, ' \
          'backward = { cipher_key = "%s", integrity_key = "%s" } } }'
CHANGING = "bind,ioctl,sendmsg,sendto,mkdir,rename,renameat,renameat2,linkat,unlink,unlinkat,fsync"
FOLDER = lab.FOLDER
FILE = FOLDER / "site.toml"


def static_keys(spis="300, 301", cipher_key="0a" * 16):
    keys = KEYS_AT % (spis, cipher_key, "0b" * 32, "0c" * 16, "0d" * 32)
    return CONFIG.replace("aes256gcm16", "aes128-sha256").replace(FROM_FILE, keys)


class Messages(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.network = lab.Lab({"left": "192.0.2.1/24", "right": "192.0.2.2/24"})
        self.addCleanup(self.network.__exit__)
        self.espalier = Espalier(os.environ["ESPALIER_BUILD"])
        self.before = self.state_of_the_system()

    def state_of_the_system(self):
        """Everything that a gateway could leave behind."""
        return (self.network.run("left", "ip", "-br", "address").stdout,
                self.network.run("left", "ip", "route", "show", "table", "all").stdout,
                self.network.run("left", "ss", "-Hlun").stdout,
                self.network.run("left", "nft", "list", "ruleset").stdout,
                sorted(path.name for path in FOLDER.glob("*.sock")))

    def command(self, config=CONFIG, site="left", under=(), keys=True):
        FILE.write_text(config)
        FILE.chmod(0o600)
        if keys:
            self.espalier.make_keys(FILE)
        return self.network.within("left", *under, *self.espalier.command(
            "run", FILE, "--site", site, "--keys", FOLDER, "--state", FOLDER / "state", "--socket",
            FOLDER / "left.sock"))

    def run_it(self, *arguments, **options):
        return subprocess.run(self.command(*arguments, **options), text=True, capture_output=True,
                              stdin=subprocess.DEVNULL, check=False, timeout=60)

    @staticmethod
    def sentences(result):
        """What was said, without warnings about this machine and times that differ."""
        text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "TIME", result.stderr)
        text = re.sub(r"claimed-[0-9a-f]{32}", "claimed-ID", text)
        return [line for line in text.splitlines() if ": warning: " not in line]

    def refuses(self, exit_code, *sentences, said=None):
        self.assertEqual(self.sentences(said), list(sentences))
        for line in said.stderr.splitlines():
            if own := re.match(r"espalier: (?:\w+: )?(.*)", line):
                self.assertRegex(own[1], r"^['\"A-Z].*[.?:]$", "one style for all sentences")
        self.assertEqual(said.returncode, exit_code)
        self.assertEqual(said.stdout, "")
        self.assertEqual(self.state_of_the_system(), self.before, "it left something behind")

    def refuses_the_configuration(self, said, *findings):
        self.refuses(2, *(f"{FILE}{finding}" for finding in findings),
                     f"espalier: '{FILE}' is not a usable configuration.", said=said)

    # The configuration

    def test_an_unknown_transform(self):
        self.refuses_the_configuration(
            self.run_it(CONFIG.replace("aes256gcm16", "aes257gcm16"), keys=False),
            ":13:13: error: 'transform': unknown transform 'aes257gcm16'; did you mean 'aes256gcm16'?")

    def test_every_mistake_is_told_at_once(self):
        wrong = CONFIG.replace("aes256gcm16", "aes256gcm61") + "\n[gatway]\nworkers = 4\n"
        result = self.run_it(wrong, keys=False)
        self.refuses_the_configuration(
            result, *[line.removeprefix(str(FILE)) for line in self.sentences(result)[:2]])
        self.assertIn("did you mean 'aes256gcm16'?", result.stderr)
        self.assertIn(":16:2: error: unknown key 'gatway' in the file; did you mean 'gateway'?",
                      result.stderr)

    def test_a_site_that_is_not_there(self):
        self.refuses_the_configuration(self.run_it(site="middle"),
                                       ": error: there is no [site.middle]; the sites are left, right")

    def test_an_spi_of_the_reserved_range(self):
        self.refuses_the_configuration(
            self.run_it(static_keys(spis="255, 300"), keys=False),
            ":14:28: error: SPI 255 is reserved (RFC 4303 2.1): expected one from 256 up")

    def test_an_spi_that_is_taken(self):
        third = '[site.third]\naddress = "192.0.2.3"\nnetworks = ["10.3.0.0/24"]\n'
        first, second = static_keys().split("[[tunnel]]")
        again = second.replace('"peer"', '"other"').replace('"right"', '"third"')
        self.refuses_the_configuration(
            self.run_it(f"{first}[[tunnel]]{second}{third}[[tunnel]]{again}", keys=False),
            f":22:33: error: SPI 0x12d is taken already at site 'left', by {FILE}:14: expected one "
            "of its own for each SA that a site receives")

    def test_a_key_of_the_wrong_length(self):
        self.refuses_the_configuration(
            self.run_it(static_keys(cipher_key="0a" * 15), keys=False),
            ":14:64: error: 'cipher_key' has 30 hex digits: aes128-sha256 needs 32 (16 bytes)")

    def test_static_keys_for_a_counter_mode(self):
        keys = KEYS_AT % ("300, 301", "0a" * 32, "", "0c" * 32, "")
        self.refuses_the_configuration(
            self.run_it(CONFIG.replace(FROM_FILE, keys), keys=False),
            ":14:19: error: aes256gcm16 cannot run on static keys: after a restart it would use the "
            "same key and numbers again, which lays the traffic open and lets anybody forge it; "
            "write keys = { file = \"{site}.keys\" } and run 'espalier keygen', or hand keys over "
            "the control socket with keys = { socket = true }")

    # The keys

    def test_no_key_file(self):
        self.refuses(1, f"espalier: There is no key file '{FOLDER}/left.keys': make it with 'espalier "
                     "keygen', or say where it is with --keys FOLDER.", said=self.run_it(keys=False))

    def test_a_key_file_serves_one_run(self):
        gateway = subprocess.Popen(self.command(), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        shutil.copy(FOLDER / "left.keys", FOLDER / "copy")
        lab.wait_until((FOLDER / "left.sock").exists, 20, "the gateway did not start")
        lab.wait_until((FOLDER / "left.keys.used").exists, 20, "the keys were not claimed")
        self.assertEqual(lab.stop(gateway), 0)
        why = ("one-time keys serve one run, because numbers used twice under one key lay the "
               "traffic open; make new ones with 'espalier keygen' and bring them to all ends")
        self.refuses(1, f"espalier: The keys of '{FOLDER}/left.keys' were used on TIME (the file is now "
                     f"'{FOLDER}/left.keys.used'): {why}.", said=self.run_it(keys=False))
        (FOLDER / "copy").rename(FOLDER / "left.keys")
        self.refuses(1, f"espalier: The keys of '{FOLDER}/left.keys' were claimed on TIME already "
                     f"(recorded in '{FOLDER}/state/claimed-ID'): {why}.", said=self.run_it(keys=False))

    def test_keys_that_do_not_fit_are_not_used_up(self):
        self.command()
        advice = ("Make new key files with 'espalier keygen' from the configuration that is in use at "
                  "both ends.")
        result = self.run_it(CONFIG.replace("aes256gcm16", "aes128gcm16"), keys=False)
        self.refuses(1, f"espalier: The key file '{FOLDER}/left.keys' was made for the transform "
                     "aes256gcm16 of tunnel 'peer', but the configuration says aes128gcm16. " + advice,
                     said=result)
        more = CONFIG[CONFIG.index("[site.right]"):].replace("right", "third").replace("peer", "more")
        more = more.replace("192.0.2.2", "192.0.2.3").replace("10.2.", "10.3.")
        self.refuses(1, f"espalier: The key file '{FOLDER}/left.keys' has no keys for SA 'more/out'. "
                     + advice, said=self.run_it(CONFIG + more, keys=False))
        self.assertTrue((FOLDER / "left.keys").exists(), "the keys must not be used up")
        self.assertFalse(list((FOLDER / "state").glob("claimed-*")), "and no claim be recorded")

    # The machine

    def test_no_backend_is_left(self):
        result = self.run_it(CONFIG + '\n[policy]\nbackends = ["quickassist"]\nfallback = "fail"\n')
        self.refuses(1, "espalier: No backend is left for SA 'peer/out'. Allow another in the policy, "
                     "or change its transform. What was considered:",
                     "peer/out: no backend can take it (no rule, fallback fail)",
                     "   1  quickassist    device.absent  found no device on this machine", said=result)
        self.assertTrue((FOLDER / "left.keys").exists(), "the keys must not be used up")

    def test_no_plugin_folder(self):
        result = self.run_it(CONFIG + '\n[plugins]\nfolders = ["/nonexistent"]\n')
        self.refuses(1, "espalier: The plugin folder '/nonexistent' cannot be read: No such file or "
                     "directory; create it, or take it out of the list of plugin folders.", said=result)
        self.assertIn("warning: the plugin folder '/nonexistent' cannot be read: No such file or directory; create it, or "
                      "take it out of the list of plugin folders; the names of backends are not looked at\n",
                      self.espalier.call("check", FILE).stdout)

    def test_an_address_that_is_not_here(self):
        result = self.run_it(CONFIG.replace("192.0.2.1", "192.0.2.9"))
        self.refuses(1, "espalier: No interface of this machine has the address 192.0.2.9, so that "
                     "UDP port 4500 cannot be opened on it. Set the address up first ('ip "
                     "address'), or correct the 'address' of its [site] table.", said=result)

    def test_a_port_that_is_taken(self):
        with udp_socket("left", "192.0.2.1", 4500):
            self.before = self.state_of_the_system()
            name = pathlib.Path("/proc/self/comm").read_text().strip()
            pid = os.readlink("/proc/self")  # as the gateway sees it
            self.refuses(1, f"espalier: UDP port 4500 of 192.0.2.1 is taken by {name} (pid {pid}). Stop "
                         "it, or give this site another 'port' in its [site] table.",
                         said=self.run_it())

    def test_too_little_lockable_memory(self):
        under = ["prlimit", "--memlock=4096:4096", "setpriv", "--bounding-set=-ipc_lock",
                 "--inh-caps=-ipc_lock"]
        self.refuses(1, "espalier: Cannot lock 65536 bytes of memory for keys: the limit "
                     "RLIMIT_MEMLOCK is 4096 bytes and used up; raise it before the start with "
                     "'ulimit -l' in a shell of root, or with LimitMEMLOCK= where a systemd unit starts "
                     "the program, or give it CAP_IPC_LOCK.",
                     said=self.run_it(under=under))

    def test_no_permission_for_tun(self):
        result = self.run_it(under=["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"])
        self.refuses(1, "espalier: No permission to make a TUN device, addresses and rules. Run as root or with "
                     "CAP_NET_ADMIN, or try it out in namespaces of your own with 'unshare -Urn'.",
                     said=result)

    # A gateway that runs

    def gateway(self):
        FILE.write_text(CONFIG)
        self.espalier.make_keys(FILE)
        return Gateway(self.espalier, self.network, "left", FILE).wait_until_ready()

    def test_a_second_gateway_on_the_same_socket(self):
        gateway = self.gateway()
        self.before = self.state_of_the_system()
        (FOLDER / "left.keys.used").unlink()
        (FOLDER / "right.keys").unlink()
        self.refuses(1, f"espalier: Espalier is already running: pid {gateway.process.pid} serves "
                     f"'{FOLDER}/left.sock'. Stop it first, or set another 'control_socket'.",
                     said=self.run_it())

    def test_a_silent_peer(self):
        gateway = self.gateway()
        self.network.run("left", "ping", "-c", "1", "-W", "0.1", "10.2.0.1", check=False)
        told = ("espalier: warning: The peer 192.0.2.2 is silent: no packet of its SAs came in the 10 s "
                "since the first of SA 'peer/out' left. Check that Espalier runs there, that a "
                "firewall lets UDP port 4500 through both ways, and that its configuration has "
                "192.0.2.1 as this end.")
        lab.wait_until(lambda: told in gateway.log(), 20, "nothing was said of the peer")
        self.assertGreaterEqual(gateway.sas()[0]["peer_silent_seconds"], 10)
        table = self.espalier.call("status", "--socket", gateway.socket).stdout
        self.assertRegex(table, r"192\.0\.2\.2:4500 \(SILENT [1-9]\d s\)")
        self.assertRegex(self.espalier.call("explain", "peer/out", "--socket", gateway.socket).stdout,
                         r"Its peer 192\.0\.2\.2 is silent: for [1-9]\d s it has been sent packets, and "
                         r"no packet of its SAs came\.")

    def test_nobody_to_ask_for_a_status(self):
        result = self.espalier.call("status", "--socket", FOLDER / "left.sock", site="left")
        self.assertEqual(result.stderr, f"espalier: No gateway is running at '{FOLDER}/left.sock'. "
                         "Start one with 'espalier run CONFIG', or name its socket with --socket.\n")
        self.assertEqual(result.returncode, 1)

    # Ends

    def test_a_tun_device_that_somebody_deletes(self):
        gateway = self.gateway()
        self.network.run("left", "ip", "link", "delete", "esp0")
        self.assertEqual(gateway.process.wait(20), 1)
        self.assertIn("Somebody has deleted the TUN device 'esp0'", gateway.log())
        rules = self.network.run("left", "nft", "list", "tables").stdout
        self.assertIn("espalier-left", rules, "the networks of the peers were opened")

    def test_sigterm_ends_it_cleanly(self):
        gateway = self.gateway()
        self.assertNotEqual(self.state_of_the_system(), self.before)
        self.assertEqual(lab.stop(gateway.process), 0)
        self.assertEqual(self.state_of_the_system(), self.before)

    def start_of(self, *trace):
        """A start from fresh keys under strace, which sees nothing but the gateway's first thread."""
        for file in FOLDER.glob("*.keys*"):
            file.unlink()
        shutil.rmtree(FOLDER / "state", ignore_errors=True)  # which the first start makes
        return self.command(under=["strace", "-qq", "-o", FOLDER / "trace", *trace])

    def steps_of_a_start(self):
        """The system calls by which a start changes something, each as its name and number."""
        with subprocess.Popen(self.start_of("-e", f"trace={CHANGING}"), stderr=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL) as strace:
            lab.wait_until(lambda: self.espalier.call("status", "--socket", FOLDER / "left.sock",
                                                      site="left").returncode == 0, 30, "no start")
            # It ends by listening for control calls; what follows is for him who asked for the status.
            start, _, _ = (FOLDER / "trace").read_text().partition("FIONBIO")
            names = re.findall(r"^(\w+)\(", start, re.MULTILINE)
            self.espalier.call("stop", "--socket", FOLDER / "left.sock", site="left")
            self.assertEqual(strace.wait(20), 0)
        return [(name, names[:at + 1].count(name)) for at, name in enumerate(names)]

    def test_a_start_that_is_interrupted_leaves_nothing_behind(self):
        steps = self.steps_of_a_start()
        self.assertGreater(len(steps), 12, steps)
        ends = []
        for name, number in steps[::max(1, len(steps) // 32)]:
            said = subprocess.run(
                self.start_of("-e", f"inject={name}:signal=SIGTERM:when={number}"), text=True,
                capture_output=True, stdin=subprocess.DEVNULL, check=False, timeout=60)
            where = f"at {name} number {number}: {said.stderr}"
            self.assertNotIn("Something that should not happen", said.stderr)
            self.assertEqual(self.state_of_the_system(), self.before, where)
            self.assertIn(said.returncode, (0, 1, -signal.SIGTERM), where)
            ends.append("Stopped before it had started." in said.stderr)
        self.assertIn(True, ends, "no start was interrupted before it had keys")


if __name__ == "__main__":
    lab.run_tests()
