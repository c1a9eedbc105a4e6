# SPDX-License-Identifier: Apache-2.0
"""What every verb prints with --json is what configs/schema/output.schema.json says."""

import json
import os
import pathlib
import signal
import sys
import unittest

import jsonschema

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "scripts"))
import lab  # noqa: E402
from gateway import Espalier, Gateway  # noqa: E402

SCHEMA = json.loads((TOP / "configs/schema/output.schema.json").read_text())
CONFIG = """\
[site.left]
address = "192.0.2.1"
networks = ["10.1.0.0/24"]
tun = { name = "esp0", addresses = ["10.1.0.1/24"] }

[site.right]
address = "192.0.2.2"
networks = ["10.2.0.0/24"]

[[tunnel]]
name = "office"
sites = ["left", "right"]
transform = "aes256gcm16"
keys = { file = "{site}.keys" }
"""
NOBODY_CAN = '[policy]\nbackends = ["openssl"]\nfallback = "fail"\n[backend.openssl]\nenabled = false\n'


def objects(schema):
    """Every part of a schema that describes an object."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        schema = list(schema.values())
    if isinstance(schema, list):
        for part in schema:
            yield from objects(part)


def spoilt(value):
    """Copies of a JSON value with one member more, or one less, in one of its objects."""
    if isinstance(value, dict):
        yield value | {"unexpected": 1}
        for name in value:
            yield {key: member for key, member in value.items() if key != name}
            for other in spoilt(value[name]):
                yield value | {name: other}
    elif isinstance(value, list) and value:
        for other in spoilt(value[0]):
            yield [other, *value[1:]]


class OutputSchema(unittest.TestCase):
    def setUp(self):
        self.network = lab.Lab({"left": "192.0.2.1/24", "right": "192.0.2.2/24"})
        self.addCleanup(self.network.__exit__)
        self.espalier = Espalier(os.environ["ESPALIER_BUILD"])
        self.config = self.write("site.toml", CONFIG)

    def write(self, name, text):
        file = lab.FOLDER / name
        file.write_text(text)
        file.chmod(0o600)
        return file

    def matches(self, definition, text):
        """That the text is as the schema says, and that the schema says it exactly."""
        value = json.loads(text)
        validator = jsonschema.Draft7Validator(
            {"$ref": f"#/definitions/{definition}", "definitions": SCHEMA["definitions"]})
        errors = [f"{list(error.absolute_path)}: {error.message}"
                  for error in validator.iter_errors(value)]
        self.assertEqual(errors, [], definition)
        for wrong in spoilt(value):
            self.assertFalse(validator.is_valid(wrong), f"{definition} takes {wrong}")

    def prints(self, definition, *words, code=0):
        result = self.espalier.call(*words, "--json", site="left")
        self.assertEqual(result.returncode, code, result.stderr)
        self.matches(definition, result.stdout)

    def test_the_schema_is_one_and_allows_nothing_that_it_does_not_name(self):
        jsonschema.Draft7Validator.check_schema(SCHEMA)
        for part in objects(SCHEMA):
            self.assertIs(part["additionalProperties"], False, part)
            self.assertEqual(part["required"], list(part["properties"]))

    def test_verbs_without_a_gateway(self):
        self.prints("version", "version")
        self.prints("transforms", "transforms")
        self.prints("probe", "probe")
        self.prints("check", "check", self.config)
        self.prints("check", "check", self.write("bad.toml", CONFIG + "x = 1\n"), code=2)
        self.prints("plan", "plan", self.config, "--site", "left")
        self.prints("plan", "plan", self.write("none.toml", NOBODY_CAN + CONFIG), "--site", "left",
                    code=1)
        self.prints("keygen", "keygen", self.config, "--folder", lab.FOLDER / "keys")

    def test_inventories_in_the_repository(self):
        for file in (TOP / "configs/inventories").glob("*.json"):
            with self.subTest(file.name):
                inventory = json.loads(file.read_text())
                inventory.pop("comment", None)  # of the person who wrote it
                self.matches("probe", json.dumps(inventory))

    def test_verbs_that_ask_a_gateway(self):
        self.espalier.make_keys(self.config)
        gateway = Gateway(self.espalier, self.network, "left", self.config).wait_until_ready()
        to_it = ("--socket", gateway.socket)
        self.prints("status", "status", *to_it)
        self.prints("explain", "explain", "office/out", *to_it)
        self.prints("sa_list", "sa", "list", *to_it)
        added = self.write("new.json", json.dumps({
            "sa": {"name": "new", "direction": "inbound", "spi": 0x1000, "transform": "aes256gcm16",
                   "local": "192.0.2.1:4500", "peer": "192.0.2.2:4500",
                   "selectors": [{"source": "10.2.0.0/24", "destination": "10.1.0.0/24"}]},
            "keys": {"cipher": "01" * 32, "salt": "02" * 4}}))
        self.prints("sa_placed", "sa", "add", added, *to_it)
        newer = self.write("newer.json", json.dumps({
            "sa": {"spi": 0x1001}, "keys": {"cipher": "03" * 32, "salt": "04" * 4}}))
        self.prints("sa_placed", "sa", "rekey", "new", newer, *to_it)
        self.prints("sa_delete", "sa", "delete", "new", *to_it)

    def test_the_end_of_a_run(self):
        self.espalier.make_keys(self.config)
        printed = lab.FOLDER / "end.json"
        process = self.network.start(
            "left", "sh", "-c", 'exec "$@" 2>/dev/null', "sh", *self.espalier.command(
                "run", self.config, "--site", "left", "--keys", lab.FOLDER, "--state",
                lab.FOLDER / "state", "--socket", lab.FOLDER / "left.sock", "--json"), log=printed)
        lab.wait_until((lab.FOLDER / "left.sock").exists, 20, "the gateway was not ready")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(20), 0)
        self.matches("run", printed.read_text())


if __name__ == "__main__":
    lab.run_tests()
