# SPDX-License-Identifier: Apache-2.0
"""The vendor kit: our own backends conform, and what `conform` and `capdiff` say of others."""
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import tempfile
import unittest

import output

BUILD = pathlib.Path(os.environ["ESPALIER_BUILD"])
PLUGINS = BUILD / "plugins"
DATA = pathlib.Path(__file__).resolve().parents[1] / "data/conform"


def espalier(*arguments):
    return subprocess.run([BUILD / "bin/espalier", *arguments], capture_output=True, text=True,
                          check=False)


class Conform(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def conforms(self, plugin, *arguments):
        """Quickly; with ESPALIER_CONFORM=full, as CI runs it, in full."""
        full = os.environ.get("ESPALIER_CONFORM") == "full"
        done = espalier("conform", plugin, *([] if full else ["--quick"]), "--json", *arguments)
        self.assertEqual(done.stderr, "")
        score = json.loads(done.stdout)
        output.check(self, "conform", score)
        wrong = [r for r in score["requirements"] if r["state"] in ("failed", "not_checked")]
        self.assertEqual(wrong, [])
        self.assertTrue(score["conforms"])
        self.assertEqual(done.returncode, 0)

    def test_openssl_conforms(self):
        self.conforms(PLUGINS / "openssl.so")

    def test_the_example_conforms_with_every_case_of_userspace(self):
        self.conforms(BUILD / "sdk/example/example.so", "--profile",
                      pathlib.Path(__file__).resolve().parents[2] / "sdk/example/card0.toml")

    def test_aesni_conforms(self):
        if not {"aes", "pclmulqdq"} <= set(pathlib.Path("/proc/cpuinfo").read_text().split()):
            self.skipTest("this CPU has no AES instructions")
        self.conforms(PLUGINS / "aesni.so")

    def test_the_backends_of_the_kernels_drivers_conform(self):
        """With drivers that this machine need not have."""
        entry = ("name : {}\ndriver : {}\nmodule : m\npriority : 100\nrefcnt : 1\nselftest : passed\n"
                 "internal : no\ntype : {}\n\n")
        listed = self.folder / "crypto"
        listed.write_text(entry.format("cbc(aes)", "cbc-aes-padlock", "skcipher") +
                          entry.format("authenc(hmac(sha1),cbc(aes))", "qat_aes_cbc_hmac_sha1", "aead"))
        (self.folder / "6.14").mkdir()
        (self.folder / "6.14/modules.dep").write_text("kernel/crypto/pcrypt.ko:\n")
        options = {"padlock": {}, "quickassist": {}, "kernel_crypto": {"drivers": ["cbc-aes-padlock"]},
                   "pcrypt": {"inside": ["qat_aes_cbc_hmac_sha1"], "modules": str(self.folder),
                              "release": "6.14", "cpus": 4}}
        for name, own in options.items():
            with self.subTest(name):
                self.conforms(PLUGINS / f"{name}.so", "--options",
                              json.dumps({"proc_crypto": str(listed)} | own))

    def fault(self, *arguments, **script):
        return espalier("conform", PLUGINS / "fault.so", "--quick", "--json", "--options",
                        json.dumps({"backend": "openssl"} | script), *arguments)

    def test_fault_conforms_over_openssl_also_when_unplugged_and_back(self):
        sheet = self.folder / "sheet.toml"
        sheet.write_text("""[conform]
packets = 200
sessions = 200
lost_options = '{"backend": "openssl", "unplug_at": 300}'
back_options = '{"backend": "openssl", "unplug_at": 300, "back_after_ms": 200}'
degraded_options = '{"backend": "openssl", "health": "degraded"}'
""")
        done = self.fault("--profile", sheet)
        states = {r["id"]: r["state"] for r in json.loads(done.stdout)["requirements"]}
        self.assertEqual([r for r, state in states.items() if state in ("failed", "not_checked")], [])
        for number in range(106, 111):
            self.assertEqual(states[f"ESP-R{number}"], "holds")
        self.assertEqual(done.returncode, 0)

    def test_each_fault_is_found_broken_by_its_requirement(self):
        for fault, broken in (("drop", "088"), ("twice", "086"), ("foreign", "087"),
                              ("leave_pending", "080"), ("done_without_work", "082")):
            done = self.fault("--case", "queue", ops=[{"fault": fault, "after": 100, "every": 50}])
            found = [r["id"] for r in json.loads(done.stdout)["requirements"]
                     if r["state"] == "failed"]
            self.assertEqual((found, done.returncode), ([f"ESP-R{broken}"], 1), fault)

    def test_fault_says_what_it_can_decorate_here(self):
        done = self.fault(backend="aesni")
        self.assertIn("conform has one backend to decorate: openssl", done.stdout)
        self.assertEqual(done.returncode, 1)
        done = espalier("conform", PLUGINS / "fault.so", "--quick")
        self.assertIn("No result: no device of it was here", done.stdout)
        self.assertEqual(done.returncode, 1)

    def test_it_says_how_many_packets_of_each_capability_were_compared(self):
        done = espalier("conform", PLUGINS / "openssl.so", "--quick", "--json", "--case",
                        "differential")
        compared = [c["compared"] for c in json.loads(done.stdout)["cases"]
                    if c["name"].startswith("differential:")]
        self.assertGreater(len(compared), 20)
        self.assertTrue(all(1500 <= each < 1600 for each in compared), compared)
        self.assertIn("random packets were compared with the reference",
                      espalier("conform", PLUGINS / "openssl.so", "--quick", "--case",
                               "differential:cpu:aes-gcm").stdout)

    def test_one_case_is_repeated_by_its_name_and_seed(self):
        done = espalier("conform", PLUGINS / "openssl.so", "--quick", "--case", "bursts:cpu",
                        "--seed", "7", "--html", self.folder / "report.html")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("seed 7", done.stdout)
        self.assertIn("Keeps what case 'bursts:cpu' checks", done.stdout)
        report = (self.folder / "report.html").read_text()
        self.assertTrue(report.startswith("<!doctype html>"))
        self.assertNotIn("http://", report)

    def test_a_mistake_of_the_command_line_is_not_the_plugins(self):
        plugin = PLUGINS / "openssl.so"
        done = espalier("conform", plugin, "--quick", "--case", "bursts", "--preload", "/etc/passwd")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("'/etc/passwd' cannot be preloaded: it is no shared library", done.stderr)
        done = espalier("conform", plugin, "--seed", "-1")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        done = espalier("conform", BUILD / "sdk/example/example.so", "--quick", "--options",
                        '{"sas": "many"}')
        self.assertEqual(done.returncode, 1)
        self.assertIn('the plugin refuses the options {"sas": "many"}:', done.stdout)
        self.assertIn("No result", done.stdout)
        self.assertNotIn("ESP-R030  ", done.stdout)

    def test_a_run_of_one_case_says_nothing_of_the_others(self):
        done = espalier("conform", PLUGINS / "openssl.so", "--quick", "--case", "declared:cpu:aes-gcm")
        self.assertEqual(done.returncode, 0)
        self.assertNotIn("no kernel device", done.stdout)

    def test_the_command_that_repeats_a_case_can_be_pasted(self):
        plugin = self.folder / "it's mine.so"
        shutil.copy(BUILD / "tests/zoo/feels_down.so", plugin)
        done = espalier("conform", plugin, "--quick", "--case", "health")
        again = next(line for line in done.stdout.splitlines() if line.startswith("    again: "))
        words = shlex.split(again.removeprefix("    again: "))
        self.assertEqual(words[:3], ["espalier", "conform", str(plugin)])
        self.assertEqual(espalier(*words[1:]).returncode, 1)

    def test_secret_memory_that_is_never_asked_for_is_not_judged(self):
        done = espalier("conform", BUILD / "sdk/example/example_c.so", "--quick", "--json", "--case",
                        "no-secret-memory")
        states = {r["id"]: r for r in json.loads(done.stdout)["requirements"]}
        self.assertEqual(states["ESP-R052"]["state"], "not_applicable")

    def test_a_sheet_that_promises_more_is_told_apart(self):
        sheet = self.folder / "sheet.toml"
        sheet.write_text("[[devices]]\nname = 'cpu'\n[[devices.pools]]\nname = 'sas'\n"
                         "capacity = 16\n")
        done = espalier("conform", PLUGINS / "openssl.so", "--quick", "--case", "profile",
                        "--profile", sheet)
        self.assertEqual(done.returncode, 1)
        self.assertIn("ESP-R035", done.stdout)
        self.assertIn("pool sas", done.stdout)

    def test_requirements_and_cases_are_listed(self):
        done = espalier("conform", "--requirements", "--json")
        self.assertEqual(done.returncode, 0)
        listed = json.loads(done.stdout)
        output.check(self, "conform --requirements", listed)
        self.assertIn("ESP-R066", [r["id"] for r in listed["requirements"]])
        self.assertIn("ESP-R066  A packet with any byte changed",
                      espalier("conform", "--requirements").stdout)
        self.assertIn("differential", espalier("conform", "--list").stdout)

    def test_what_was_asked_wrongly_is_said_in_a_sentence(self):
        for arguments, words in ((("nowhere.so",), "There is no plugin file"),
                                 ((), "Which plugin?"),
                                 ((PLUGINS / "openssl.so", "--case", "rubbish"), "no case 'rubbish'"),
                                 ((PLUGINS / "openssl.so", "--case", "bursts:gpu"),
                                  "nothing of that name"),
                                 ((PLUGINS / "openssl.so", "--profile", "nowhere"), "profile")):
            done = espalier("conform", *arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn(words, done.stderr)

    def test_a_case_process_is_not_to_be_started_by_hand(self):
        self.assertEqual(espalier("conform-case").returncode, 2)


class Capdiff(unittest.TestCase):
    def test_a_loss_is_exit_code_1(self):
        done = espalier("capdiff", DATA / "old.json", DATA / "new.json", "--json")
        self.assertEqual(done.returncode, 1)
        found = json.loads(done.stdout)
        output.check(self, "capdiff", found)
        self.assertTrue(found["loss"])

    def test_no_difference_is_exit_code_0(self):
        done = espalier("capdiff", DATA / "old.json", DATA / "old.json")
        self.assertEqual((done.returncode, done.stdout), (0, "0 losses, 0 gains, 0 other changes "
                                                             "from A to B.\n"))

    def test_plugins_profiles_and_inventories_are_all_compared(self):
        done = espalier("capdiff", DATA / "sheet.toml", DATA / "new.json")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("key bits 192", done.stdout)
        done = espalier("capdiff", PLUGINS / "openssl.so", PLUGINS / "openssl.so")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_a_sheet_that_promises_more_than_the_plugin_says_is_a_loss(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        sheet = pathlib.Path(folder.name) / "sheet.toml"

        def lost(text):
            sheet.write_text(text)
            done = espalier("capdiff", sheet, BUILD / "sdk/example/example.so")
            return done.returncode, [" ".join(line.split()[1:]) for line in done.stdout.splitlines()
                                     if line.startswith("loss")]

        device = "[backend]\nname = 'example'\n[[devices]]\nname = 'card0'\n"
        gcm = "[[devices.capabilities]]\ncipher = 'aes-gcm'\nintegrity = 'none'\n"
        pool = ("[[devices.pools]]\nname = 'queues'\nkind = 'queues'\ncapacity = 2\n"
                "[[devices.pools]]\nname = 'sas'\ncapacity = ")
        self.assertEqual(lost(device + gcm + pool + "16\n"), (0, []))
        self.assertEqual(lost(device + gcm + "key_bits = [128, 192, 256]\n"),
                         (1, ["example/card0, aes-gcm key bits 192 yes no"]))
        self.assertEqual(lost(device + pool + "17\n"),
                         (1, ["example/card0, pool sas capacity of sas 17 16"]))
        self.assertEqual(lost(device + "[[devices.pools]]\nname = 'sas'\ncapacity = 16\n"),
                         (1, ["example/card0, pool queues capacity of queues no limit 2"]))

    def test_no_limit_is_more_than_any(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        sheet = pathlib.Path(folder.name) / "sheet.toml"
        sheet.write_text("[backend]\nname = 'card'\n[[devices]]\nname = 'card0'\n"
                         "[[devices.capabilities]]\ncipher = 'aes-cbc'\n"
                         "integrity = 'hmac-sha1'\nmax_length = 0\n")
        done = espalier("capdiff", sheet, DATA / "old.json")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertRegex(done.stdout, r"loss .*longest packet +no limit +1600")
        self.assertRegex(espalier("capdiff", DATA / "old.json", sheet).stdout,
                         r"gain .*longest packet +1600 +no limit")

    def test_what_is_none_of_these_is_said(self):
        done = espalier("capdiff", DATA / "old.json", __file__)
        self.assertEqual(done.returncode, 2)
        self.assertIn("neither a plugin, nor a profile", done.stderr)


if __name__ == "__main__":
    unittest.main()
