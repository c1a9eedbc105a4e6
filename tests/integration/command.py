# SPDX-License-Identifier: Apache-2.0
"""The `espalier` command where no gateway runs: what it prints, where, and with which exit code."""

import json
import os
import pathlib
import pty
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "scripts"))
import output  # noqa: E402
from gateway import Espalier  # noqa: E402

DONE, FAILED, USAGE = 0, 1, 2
VERBS = ("run", "adopt", "check", "plan", "probe", "keygen", "sa", "status", "explain", "stop", "tune",
         "transforms", "version")
# Members of the inventory that the schema leaves to inventory_from_json().
PROBE_IS_OPEN = {"comment", "vendor", "version", "description", "id", "asynchronous", "needs_dma",
                 "numa_node", "interface", "state_reason", "retry_in_ms", "directions", "modes",
                 "encapsulations", "families", "esn", "max_replay_window", "max_length", "refusals",
                 "load", "format"}
SITES = """
[site.left]
address = "192.0.2.1"
networks = ["10.1.0.0/24"]
tun = { name = "esp0", addresses = ["10.1.0.1/24"] }

[site.right]
address = "192.0.2.2"
networks = ["10.2.0.0/24"]
tun = { name = "esp0", addresses = ["10.2.0.1/24"] }
"""
TUNNEL = """
[[tunnel]]
name = "office"
sites = ["left", "right"]
transform = "aes256gcm16"
keys = { file = "{site}.keys" }
"""


class Command(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.config = self.write("site.toml", SITES + TUNNEL)
        self.espalier = Espalier(os.environ["ESPALIER_BUILD"])

    def write(self, name, text):
        file = self.folder / name
        file.write_text(text)
        return file

    def call(self, *arguments, code=DONE, **options):
        result = self.espalier.call(*arguments, **options)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result

    def ask(self, verb, *arguments, code=DONE):
        answer = json.loads(self.call(verb, *arguments, "--json", code=code).stdout)
        return output.check(self, verb, answer)

    def complaint(self, *arguments, code=FAILED, **options):
        """The sentence on stderr of a call that fails and prints nothing else."""
        result = self.call(*arguments, code=code, **options)
        self.assertEqual(result.stdout, "")
        return result.stderr

    def test_every_verb_has_help_with_an_example(self):
        for verb in VERBS:
            result = self.call(verb, "--help")
            self.assertTrue("espalier " + verb in result.stdout or verb == "sa", result.stdout)
        for part in ("add", "rekey", "delete", "list"):
            self.assertIn("Example:\n  espalier sa " + part, self.call("sa", part, "--help").stdout)
        overview = self.call("--help").stdout
        for verb in VERBS:
            self.assertIn(f"\n  {verb} ", overview)

    def test_bad_usage_has_its_own_exit_code(self):
        for words in ((), ("plan",), ("plan", "--bogus"), ("sa",), ("sa", "add"), ("explain",)):
            self.assertNotEqual(self.complaint(*words, code=USAGE), "", words)
        self.assertIn("did you mean 'plan'?", self.complaint("pln", code=USAGE))
        file = """FILE (a file with "sa" and "keys" as JSON, or '-' for standard input)"""
        for words, said in (
                (("sa", "rekey", "x"), f"'espalier sa rekey' needs {file}."),
                (("sa", "rekey"), f"'espalier sa rekey' needs SA (the SA to be replaced) and {file}."),
                (("sa", "add"), f"'espalier sa add' needs {file}."),
                (("sa",), "'espalier sa' needs one of: add, rekey, delete, list."),
                (("sa", "rekye"), "'espalier sa' has no verb 'rekye'; did you mean 'rekey'?"),
                (("plan",), "'espalier plan' needs CONFIG (the configuration, a TOML file)."),
                (("plan", "a", "b"), "'espalier plan' does not expect 'b'."),
                (("plan", "a", "--inventry", "b"), "'espalier plan' has no option '--inventry'; did "
                                                   "you mean '--inventory'?"),
                (("esp", "decrypt", "a", "b"), "'espalier esp decrypt' needs OUTPUT (the pcap file to "
                                               "write; replaced at the end, if a packet came "
                                               "out)."),
                (("keygen",), "'espalier keygen' needs CONFIG (the configuration, a TOML file)."),
                (("explain",), "'espalier explain' needs SA (its name, as in 'espalier status').")):
            self.assertEqual(self.complaint(*words, code=USAGE),
                             f"espalier: {said} '{said.split(chr(39))[1]} --help' has more.\n")
        self.assertIn("'espalier --help' lists them", self.complaint("bogus", code=USAGE))
        self.assertEqual(self.complaint("--socket", "x", "status", code=USAGE),
                         "espalier: '--socket' comes before its verb: write 'espalier status "
                         "--socket'. 'espalier status --help' has more.\n")

    def test_a_configuration_may_come_on_standard_input(self):
        for text, code, said in ((SITES + TUNNEL, DONE, "-: 2 sites, 1 tunnel: good\n"),
                                 ("[site.left", USAGE, "-:1:11: error: not valid TOML")):
            result = subprocess.run(self.espalier.command("check", "-"), input=text, text=True,
                                    capture_output=True, check=False)
            self.assertEqual((result.returncode, result.stderr), (code, ""))
            self.assertIn(said, result.stdout)
        self.assertIn("name a file instead of '-'", self.complaint("run", "-", code=USAGE))

    def test_output_that_is_lost_is_a_failure(self):
        for words in (("transforms",), ("--help",), ("version", "--json")):
            with open("/dev/full", "w") as full:
                result = subprocess.run(self.espalier.command(*words), stdout=full, text=True,
                                        stderr=subprocess.PIPE, check=False)
            self.assertEqual(result.returncode, 1, words)
            self.assertEqual(result.stderr, "espalier: The output cannot be written: No space left "
                                            "on device.\n")

    def test_version(self):
        version = self.ask("version")
        self.assertEqual(sorted(version), ["plugin_abi", "version"])
        self.assertIn(version["version"], self.call("version").stdout)
        self.assertEqual(self.call("--version").stdout, self.call("version").stdout)

    def test_tune_shows_and_changes_nothing(self):
        """What it sets is tested in a virtual machine."""
        items = self.ask("tune", "--first", "aes128gcm16=no-such-driver")["tune"]
        output.check(self, "tune", {"tune": items})
        self.assertIn("module esp4", [item["what"] for item in items])
        self.assertIn("no-such-driver", items[-1]["why"])
        journal = self.folder / "tune.json"
        self.assertEqual(self.ask("tune", "--undo", "--journal", journal), {"done": [], "left": []})
        self.assertFalse(journal.exists())
        self.assertIn("is not TRANSFORM=DRIVER", self.complaint("tune", "--first", "x", code=USAGE))
        self.assertIn("is no set of CPUs",
                      self.complaint("tune", "--parallel-cpus", "all", code=USAGE))

    def test_transforms(self):
        entries = self.ask("transforms")["transforms"]
        names = [entry["name"] for entry in entries]
        self.assertEqual(len(names), 53)
        self.assertEqual({entry["name"] for entry in entries if entry["warning"]},
                         {name for name in names if "3des" in name or "md5" in name
                          or "null" in name or "gmac" in name})
        for name in names:
            self.assertIn(f"\n{name} ", self.call("transforms").stdout)

    def test_check_finds_nothing_in_a_good_configuration(self):
        self.assertIn("2 sites, 1 tunnel: good", self.call("check", self.config).stdout)
        self.assertEqual(self.ask("check", self.config)["findings"], [])
        self.assertIn("0 sites, 0 tunnels: nothing to run",
                      self.call("check", self.write("empty.toml", "")).stdout)

    def test_check_prints_every_finding_with_its_place(self):
        bad = self.write("bad.toml", SITES + TUNNEL.replace("transform", "transfrom") + "x = 1\n")
        lines = self.call("check", bad, code=USAGE).stdout.splitlines()
        self.assertGreaterEqual(len(lines), 2, lines)
        self.assertTrue(any(f"{bad}:15:1: error" in line and "transform" in line
                            for line in lines), lines)
        answer = self.ask("check", bad, code=USAGE)
        self.assertFalse(answer["usable"])
        self.assertEqual(len(answer["findings"]), len(lines))
        self.assertEqual({finding["severity"] for finding in answer["findings"]}, {"error"})

    def test_every_verb_refuses_a_bad_configuration(self):
        bad = self.write("bad.toml", "[gatway]\n")
        for verb in ("plan", "keygen", "run"):
            self.assertIn("bad.toml:1:", self.complaint(verb, bad, code=USAGE))
        self.assertIn("missing.toml", self.complaint("plan", self.folder / "missing.toml",
                                                     code=USAGE))

    def test_probe_lists_backends_and_saves_what_plan_reads(self):
        saved = self.folder / "here.json"
        printed = self.call("probe", "--save", saved, "--json").stdout
        self.assertEqual(saved.read_text(), printed)
        inventory = output.check(self, "probe", json.loads(printed), loose=PROBE_IS_OPEN)
        names = [backend["name"] for backend in inventory["backends"]]
        self.assertIn("openssl", names)
        here = self.ask("plan", self.config, "--site", "left")
        there = self.ask("plan", self.config, "--site", "left", "--inventory", saved)
        self.assertEqual(here, there)

    def test_the_kernels_last_resort_is_there_with_an_inventory_too(self):
        """Also with one that does not say so."""
        saved = self.folder / "here.json"
        self.call("probe", "--save", saved)
        config = self.write("kernel.toml", '[gateway]\ndataplane = "kernel"\n' + SITES + TUNNEL)
        words = ("plan", config, "--site", "left")
        self.assertEqual(self.ask(*words), self.ask(*words, "--inventory", saved))
        inventory = json.loads(saved.read_text())
        saved.write_text(json.dumps(inventory | {"backends": [
            backend for backend in inventory["backends"] if backend["name"] == "openssl"]}))
        for decision in self.ask(*words, "--inventory", saved)["decisions"]:
            chosen = decision["candidates"][decision["chosen"]]
            self.assertEqual((chosen["backend"], chosen["device"]), ("kernel", "software"))
        self.assertEqual(self.ask("check", config, "--site", "left", "--inventory", saved)["homeless"], [])

    def test_check_plan_and_run_agree_on_limits_that_no_machine_could_keep(self):
        file = self.write("small.toml", SITES + TUNNEL + '\n[policy]\nbackends = ["openssl"]\n'
                          'fallback = "fail"\n[backend.openssl]\nmax_sas = 1\n')
        told = self.call("check", file, "--site", "left", code=USAGE).stdout
        self.assertIn("site 'left' has 2 for them", told)
        for verb in ("plan", "run"):
            self.assertIn(told, self.complaint(verb, file, "--site", "left", code=USAGE))

    def test_check_with_an_inventory_names_the_sas_without_a_place_there(self):
        inventory = self.folder / "machine.json"
        self.call("probe", "--save", inventory)
        there = (self.config, "--site", "left", "--inventory", inventory)
        self.assertIn("2 sites, 1 tunnel: good", self.call("check", *there).stdout)
        self.assertEqual(self.ask("check", *there)["homeless"], [])
        machine = json.loads(inventory.read_text())
        inventory.write_text(json.dumps(machine | {"backends": []}))
        self.assertIn("no backend is left for 2 SAs: office/out, office/in; 'espalier plan' with "
                      "--verbose shows why\n", self.call("check", *there, code=FAILED).stdout)
        self.assertEqual(self.ask("check", *there, code=FAILED)["homeless"],
                         ["office/out", "office/in"])
        inventory.unlink()
        self.assertIn("'espalier probe --save FILE' writes one",
                      self.complaint("check", *there, code=USAGE))

    def test_a_plugin_that_was_set_aside_has_one_name_everywhere(self):
        plugins = self.folder / "plugins"
        plugins.mkdir(mode=0o755)
        built = pathlib.Path(os.environ["ESPALIER_BUILD"]) / "plugins/openssl.so"
        for name in ("openssl.so", "other.so"):
            shutil.copy(built, plugins / name)
            (plugins / name).chmod(0o644)
        (plugins / "broken.so").write_text("this is no shared library")
        text = self.call("probe", "--plugins", plugins).stdout
        self.assertIn(f"openssl (2) rejected, {plugins}/other.so\n", text)
        config = self.write("own.toml", SITES + TUNNEL + f'\n[plugins]\nfolders = ["{plugins}"]\n')
        text = self.call("plan", config, "--site", "left", "--verbose").stdout
        for name in ("openssl (2)", "broken"):
            self.assertRegex(text, rf"-  {re.escape(name)} +plugin\.rejected")
        self.assertNotIn(f"{plugins}/other.so", text)

    def test_probe_names_a_rejected_plugin_and_keeps_the_others(self):
        plugins = self.folder / "plugins"
        plugins.mkdir(mode=0o755)
        (plugins / "broken.so").write_text("this is no shared library")
        text = self.call("probe", "--plugins", plugins).stdout
        self.assertRegex(text, r"rejected, .*/broken\.so\n  \S")
        self.assertEqual(text.count("broken.so"), 1, text)
        self.assertIn("openssl", text)
        (plugins / "open.so").write_text("this is no shared library")
        (plugins / "open.so").chmod(0o666)
        text = self.call("probe", "--plugins", plugins).stdout
        self.assertRegex(text, r"open rejected, .*/open\.so\n  it can be changed by")
        self.assertEqual(text.count("open.so"), 1, text)

    def test_probe_takes_plugin_folders_and_options_from_a_configuration(self):
        plugins = self.folder / "plugins"
        plugins.mkdir(mode=0o755)
        (plugins / "broken.so").write_text("this is no shared library")
        config = self.write("site.toml", SITES + TUNNEL + f'\n[plugins]\nfolders = ["{plugins}"]\n'
                            "\n[backend.openssl]\nenabled = false\n")
        inventory = json.loads(self.call("probe", config, "--json").stdout)
        rejected = {backend["name"]: backend["rejected"] for backend in inventory["backends"]}
        self.assertEqual(sorted(rejected), ["broken", "kernel", "openssl"])
        self.assertIn("disabled in the configuration", rejected["openssl"])
        self.assertIn(f"{config}:", self.complaint("probe", self.write("site.toml", "[gatway]\n"),
                                                   code=USAGE))

    def test_probe_without_its_folder_says_so(self):
        self.assertIn("/no/such/folder", self.complaint("probe", "--plugins", "/no/such/folder"))

    def test_plan_shows_where_each_sa_would_go(self):
        text = self.call("plan", self.config, "--site", "left").stdout
        for sa in ("office/out", "office/in"):
            self.assertIn(f"\n{sa} ", text)
        decisions = self.ask("plan", self.config, "--site", "left")["decisions"]
        self.assertEqual([decision["sa"] for decision in decisions], ["office/out", "office/in"])
        for decision in decisions:
            self.assertEqual(decision["candidates"][decision["chosen"]]["reason"], "chosen")

    def test_plan_is_the_same_every_time(self):
        arguments = ("plan", self.config, "--site", "left", "--json")
        self.assertEqual(self.call(*arguments).stdout, self.call(*arguments).stdout)

    def test_plan_is_the_same_in_whatever_order_plugins_are_found(self):
        built = sorted((pathlib.Path(os.environ["ESPALIER_BUILD"]) / "plugins").glob("*.so"))
        self.assertGreater(len(built), 1, "there is but one plugin to load")
        plans = set()
        for order in (built, built[::-1]):
            folders = []
            for number, plugin in enumerate(order):
                folders.append(self.folder / f"{order[0].stem}-{number}")
                folders[-1].mkdir(mode=0o755)
                shutil.copy(plugin, folders[-1] / f"{number}.so")
                (folders[-1] / f"{number}.so").chmod(0o644)
            names = ", ".join(f'"{folder}"' for folder in folders)
            config = self.write("site.toml", SITES + TUNNEL + f"\n[plugins]\nfolders = [{names}]\n")
            plans.add(self.call("plan", config, "--site", "left", "--json").stdout)
        self.assertEqual(len(plans), 1)

    def test_plan_counts_the_sas_before_each_against_capacity(self):
        saved = self.folder / "here.json"
        self.call("probe", "--save", saved)
        inventory = json.loads(saved.read_text())
        inventory["backends"] = [b for b in inventory["backends"] if b["name"] == "openssl"]
        inventory["backends"][0]["devices"][0]["pools"] = [
            {"name": "table", "kind": "sas", "directions": ["outbound", "inbound"],
             "use": "counted", "capacity": 1, "used": 0}]
        saved.write_text(json.dumps(inventory))
        result = self.call("plan", self.config, "--site", "left", "--inventory", saved, "--json",
                           code=FAILED)
        first, second = json.loads(result.stdout)["decisions"]
        self.assertEqual(first["candidates"][first["chosen"]]["backend"], "openssl")
        self.assertIsNone(second["chosen"])
        self.assertIn("capacity.sas", [c["reason"] for c in second["candidates"]])
        self.assertIn("No backend is left for 1 of 2 SAs", result.stderr)

    def test_the_kernel_appliance_fits_the_inventory_that_it_names(self):
        """As its header says: for another card with that card's interface."""
        appliance = (TOP / "configs/appliances/kernel-gateway.toml").read_text()
        for card, interface, device in (("mlx5-connectx7", "ens1f0np0", "ens1f0np0"),
                                        ("ixgbe-82599", "enp4s0f0", "software"),  # has no tunnel mode
                                        ("netdevsim", "eni0np1", "software")):    # has no ESN
            file = self.write("kernel.toml", appliance.replace('interface = "ens1f0np0"',
                                                               f'interface = "{interface}"'))
            decisions = self.ask("plan", file, "--inventory",
                                 TOP / f"configs/inventories/{card}.json")["decisions"]
            chosen = {decision["sa"]: decision["candidates"][decision["chosen"]]["device"]
                      for decision in decisions}
            self.assertEqual(chosen, {"branch/out": device, "branch/in": device,
                                      "old-branch/out": "software", "old-branch/in": "software"}, card)
            reasons = {candidate["reason"] for decision in decisions
                       for candidate in decision["candidates"] if candidate["device"] == interface}
            self.assertNotIn("device.not_on_path", reasons, card)

    def test_exit_codes_say_whose_fault_it_is(self):
        """2: what was given is at fault, before anything was tried; 1: what was asked failed."""
        bad, none = self.write("bad.toml", "[gatway]\n"), self.folder / "none"
        empty, text = self.write("empty", ""), self.write("text", "not json")
        for file in (empty, text):
            file.chmod(0o600)
        misspelt = self.write("misspelt.toml", SITES + TUNNEL + '[policy]\nbackends = ["aesnii"]\n')
        here, socket = ("--site", "left"), ("--socket", none)
        for code, *words in (
                (USAGE, "check", bad), (USAGE, "check", none), (USAGE, "check", self.config, "--site", "x"),
                (USAGE, "plan", bad, *here), (USAGE, "plan", none, *here), (USAGE, "plan", self.config),
                (USAGE, "plan", self.config, "--site", "x"),
                (USAGE, "plan", self.config, *here, "--inventory", none),
                (USAGE, "plan", self.config, *here, "--inventory", empty),
                (USAGE, "plan", self.config, *here, "--inventory", text),
                (USAGE, "run", bad, *here), (USAGE, "run", none, *here), (USAGE, "run", self.config),
                (USAGE, "run", self.config, "--site", "x"), (USAGE, "run", misspelt, *here),
                (FAILED, "run", self.config, *here, "--keys", none),
                (USAGE, "keygen", bad), (USAGE, "keygen", none),
                (FAILED, "keygen", self.config, "--out", empty / "keys"),
                (USAGE, "probe", bad), (USAGE, "probe", none), (FAILED, "probe", "--plugins", none),
                (FAILED, "probe", "--save", none / "inventory.json"),
                (USAGE, "sa", "add", none, *socket), (USAGE, "sa", "add", text, *socket),
                (USAGE, "sa", "rekey", "x", empty, *socket), (FAILED, "sa", "list", *socket),
                (FAILED, "sa", "delete", "x", *socket), (FAILED, "status", *socket),
                (FAILED, "explain", "x", *socket), (FAILED, "stop", *socket),
                (USAGE, "check", misspelt), (USAGE, "plan", misspelt, *here)):
            with self.subTest(words=words):
                result = self.call(*words, code=code)
                self.assertTrue(result.stderr + result.stdout, "nothing was said")

    def test_a_misspelt_backend_is_pointed_at(self):
        """The same from every verb: what `check` calls good can be planned and run."""
        config = self.write("site.toml", SITES + TUNNEL + '[policy]\nbackends = ["opensl", "fpga9"]\n')
        hint = "no plugin here is named 'opensl'; did you mean 'openssl'?"
        said = self.call("check", config, code=USAGE).stdout
        self.assertIn(f"site.toml:18:13: error: {hint}", said)
        self.assertIn("site.toml:18:23: warning: no plugin here is named 'fpga9': it is passed over",
                      said)
        answer = self.ask("check", config, code=USAGE)
        self.assertEqual([finding["severity"] for finding in answer["findings"]], ["error", "warning"])
        self.assertFalse(answer["usable"])
        passed_over = "site.toml:18:23: warning: no plugin here is named 'fpga9': it is passed over"
        for verb in ("plan", "run"):
            said = self.complaint(verb, config, "--site", "left", code=USAGE)
            self.assertIn(f"site.toml:18:13: error: {hint}", said)
            self.assertIn(passed_over, said)
        saved = self.write("card.json", json.dumps(json.loads(self.call("probe", "--json").stdout)
                                                   | {"backends": []}))
        self.assertNotIn(hint, self.call("plan", config, "--site", "left", "--inventory", saved,
                                         code=FAILED).stderr, "it is for that machine")
        config = self.write("site.toml", SITES + TUNNEL + '[policy]\nbackends = ["opensl"]\nx = 1\n')
        said = self.call("check", config, code=USAGE).stdout
        self.assertIn(hint, said, "also where there are other errors")
        self.assertIn("unknown key 'x'", said)

    def test_plan_asks_which_site_is_meant(self):
        self.assertIn("--site", self.complaint("plan", self.config, code=USAGE))
        self.assertIn("did you mean 'left'?",
                      self.complaint("plan", self.config, "--site", "lfet", code=USAGE))
        self.assertIn("the sites are left, right",
                      self.complaint("plan", self.config, "--site", "nowhere", code=USAGE))

    def test_keygen_writes_a_file_for_each_site_once(self):
        files = self.ask("keygen", self.config, "--out", self.folder / "keys")["files"]
        self.assertEqual([pathlib.Path(file).name for file in files], ["left.keys", "right.keys"])
        for file in files:
            self.assertEqual(os.stat(file).st_mode & 0o777, 0o600)
        self.assertIn("left.keys", self.complaint("keygen", self.config, "--out",
                                                  self.folder / "keys"))

    def test_the_last_resort_of_the_kernel_dataplane_is_the_kernel(self):
        for policy in ('backends = ["aesni"]\nfallback = "software"', 'backends = ["kernel"]'):
            file = self.write("kernel.toml", '[gateway]\nsite = "left"\ndataplane = "kernel"\n'
                              f"[policy]\n{policy}\n" + SITES + TUNNEL)
            self.assertEqual(self.call("check", file).stdout.count("warning"), 0)
            for decision in self.ask("plan", file)["decisions"]:
                chosen = decision["candidates"][decision["chosen"]]
                self.assertEqual((chosen["backend"], chosen["device"]), ("kernel", "software"))
        userspace = self.ask("plan", self.config, "--site", "left")["decisions"]
        self.assertNotIn("kernel", [candidate["backend"] for decision in userspace
                                    for candidate in decision["candidates"]])

    def test_run_in_the_kernel_touches_no_keys_where_no_backend_is_left(self):
        self.call("keygen", self.config)
        file = self.write("kernel.toml", '[gateway]\nsite = "left"\ndataplane = "kernel"\n'
                          '[policy]\nbackends = ["aesni"]\nfallback = "fail"\n' + SITES + TUNNEL)
        self.assertIn("espalier: ", self.complaint("run", file))
        self.assertTrue((self.folder / "left.keys").exists())

    def test_a_transform_to_be_avoided_is_told_before_anything_else(self):
        self.call("keygen", self.config)
        for name, words in (("3des-sha1", "3DES SHOULD NOT be used (RFC 8221)"),
                            ("aes128-md5", "HMAC-MD5 MUST NOT be used (RFC 8221)"),
                            ("null-sha256", "not encrypted"), ("aes256gmac", "not encrypted")):
            tunnel = TUNNEL.replace("aes256gcm16", name)
            file = self.write("old.toml", SITES + tunnel)
            warning = f"15:13: warning: {name}: {words}"
            self.assertIn(warning, self.call("check", file).stdout)
            (finding,) = self.ask("check", file)["findings"]
            self.assertEqual(finding["severity"], "warning")
            self.assertIn(warning, self.call("plan", file, "--site", "left").stderr)
            nobody = self.write("nobody.toml", SITES + tunnel + '\n[gateway]\nsite = "left"\n'
                                '[policy]\nbackends = ["none"]\nfallback = "fail"\n')
            self.assertIn(warning, self.complaint("run", nobody))

    def test_without_a_gateway_its_verbs_say_so(self):
        socket = self.folder / "none.sock"
        self.write("sa.json", "{}").chmod(0o600)
        for words in (("status",), ("explain", "x"), ("sa", "list"), ("sa", "delete", "x"),
                      ("sa", "add", self.folder / "sa.json")):
            self.assertIn("No gateway is running", self.complaint(*words, "--socket", socket))

    def test_a_file_with_the_keys_of_an_sa_is_its_owners_alone(self):
        file, socket = self.write("sa.json", "{}"), ("--socket", self.folder / "none.sock")
        link = self.folder / "link.json"
        link.symlink_to(file)
        for words in (("sa", "add"), ("sa", "rekey", "office/out")):
            for mode in (0o644, 0o640, 0o602):
                file.chmod(mode)
                self.assertEqual(self.complaint(*words, file, *socket, code=USAGE),
                                 f"espalier: Others can open {file} (mode {mode:04o}), so its keys are not "
                                 "secret: make new ones, and chmod 600.\n")
                with file.open() as opened:
                    said = subprocess.run(self.espalier.command(*words, "-", *socket), stdin=opened,
                                          text=True, capture_output=True, check=False).stderr
                self.assertIn("No gateway is running", said, "a pipe is nobody else's")
            file.chmod(0o600)
            self.assertIn("No gateway is running", self.complaint(*words, file, *socket))
            self.assertIn("is a symbolic link", self.complaint(*words, link, *socket, code=USAGE))
            shell = f"{shlex.join(self.espalier.command(*words))} <(echo '{{}}') {shlex.join(map(str, socket))}"
            said = subprocess.run(["bash", "-c", shell], text=True, capture_output=True, check=False)
            self.assertIn("No gateway is running", said.stderr)

    def test_names_from_outside_are_shown_without_their_control_characters(self):
        (self.folder / "a\x1b[2J\x07.so").write_text("no plugin")
        config = self.write("b\x1b[2J.toml", "x = 1\n")
        for words in (("probe", "--plugins", self.folder), ("check", config), ("plan", config),
                      ("status", "--socket", self.folder / "c\x1b[2J.sock")):
            said = self.espalier.call(*words)
            with self.subTest(words=words):
                self.assertIn("\\u001b[2J", said.stdout + said.stderr)
                self.assertNotIn("\x1b", said.stdout + said.stderr)
                self.assertNotIn("\x07", said.stdout + said.stderr)
        found = json.loads(self.espalier.call("probe", "--json", "--plugins", self.folder).stdout)
        self.assertTrue(any(b["path"].endswith("a\x1b[2J\x07.so") for b in found["backends"]), found)

    def test_a_plugin_that_leaves_a_process_behind_does_not_hold_the_output(self):
        shutil.copy(self.espalier.program.parents[1] / "tests/plugins/forks.so", self.folder)
        (self.folder / "forks.so").chmod(0o755)
        piped = shlex.join(self.espalier.command("probe", "--plugins", str(self.folder))) + " | cat"
        said = subprocess.run(piped, shell=True, text=True, capture_output=True, check=True, timeout=60)
        self.assertIn("it started a process that runs on", said.stdout)

    def test_colour_is_for_terminals_without_no_color_alone(self):
        self.assertNotIn("\x1b", self.call("transforms").stdout)
        plain = os.environ | {"NO_COLOR": "1", "TERM": "xterm"}
        bright = {name: value for name, value in plain.items() if name != "NO_COLOR"}
        self.assertIn("\x1b[1m", self.on_terminal(bright))
        self.assertNotIn("\x1b", self.on_terminal(plain))

    def on_terminal(self, environment):
        """What `espalier transforms` writes to a terminal."""
        ours, its = pty.openpty()
        with subprocess.Popen(self.espalier.command("transforms"), stdout=its,
                              stdin=subprocess.DEVNULL, env=environment):
            os.close(its)
            text = b""
            try:
                while part := os.read(ours, 65536):
                    text += part
            except OSError:  # the other end is closed
                pass
        os.close(ours)
        return text.decode()


class Memory(unittest.TestCase):
    """Law 7, of verbs that wait for what may hold keys to come out of a pipe."""

    VERBS = {"check": ("{}",), "plan": ("{}",), "keygen": ("{}", "--out", "keys"),
             "esp encrypt": ("{}", "in.pcap", "out.pcap"), "esp decrypt": ("{}", "in.pcap", "out.pcap"),
             "sa add": ("{}", "--socket", "gateway.sock"),
             "sa rekey": ("office/out", "{}", "--socket", "gateway.sock")}
    # Not root, whose processes are root's in any case.
    NOBODY = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}

    def waiting(self, verb, *arguments, **user):
        """The folder in /proc of a verb that waits for the file that is named {}."""
        folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        folder.chmod(0o755)
        pipe = folder / "pipe"
        os.mkfifo(pipe)
        pipe.chmod(0o644)
        words = [*verb.split(), *(word.format(pipe) for word in arguments)]
        process = subprocess.Popen([Espalier(os.environ["ESPALIER_BUILD"]).program, *words],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, **user)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        # It has come there when a writer finds a reader.
        for _ in range(1000):
            self.assertIsNone(process.poll(), words)
            try:
                self.addCleanup(os.close, os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
                return pathlib.Path("/proc") / str(process.pid)
            except OSError:
                time.sleep(0.01)
        return self.fail(f"{words} did not come to its file")

    @staticmethod
    def locked_kib(proc):
        return int(re.search(r"VmLck:\s+(\d+)", (proc / "status").read_text())[1])

    def test_is_locked(self):
        kib = self.locked_kib(self.waiting("run", "{}"))
        self.assertGreaterEqual(kib, 64, "its keys' own memory")
        if os.geteuid() == 0:
            self.assertGreater(kib, 1024, "a library's key schedules are locked as well")

    def test_of_every_verb_is_locked(self):
        if os.geteuid() != 0:
            self.skipTest("needs root: a user may lock 8 MiB at most, and not all memory")
        for verb, arguments in self.VERBS.items():
            with self.subTest(verb=verb):
                self.assertGreater(self.locked_kib(self.waiting(verb, *arguments)), 1024)

    def test_cannot_be_dumped(self):
        # The kernel gives what belongs to a process that cannot be dumped to root.
        self.assertEqual((self.waiting("run", "{}", **self.NOBODY) / "environ").stat().st_uid, 0)

    def test_of_no_verb_can_be_dumped(self):
        for verb, arguments in self.VERBS.items():
            with self.subTest(verb=verb):
                proc = self.waiting(verb, *arguments, **self.NOBODY)
                self.assertEqual((proc / "environ").stat().st_uid, 0)


if __name__ == "__main__":
    unittest.main()
