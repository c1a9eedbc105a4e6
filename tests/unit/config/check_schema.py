#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check_schema.py SCHEMA FILE...: each TOML file must match the schema, and must no longer match
it after any of its keys was misspelt or any of its values replaced by one of another kind."""
import copy
import json
import sys
import tomllib

import jsonschema

NAMED = {("site",), ("backend",)}  # tables whose keys are names


def places(value, path=()):
    """Every (path, key) of a table or list below value."""
    children = value.items() if isinstance(value, dict) else enumerate(value)
    for key, child in children:
        yield path, key
        if isinstance(child, (dict, list)) and key != "options":
            yield from places(child, path + (key,))


def at(document, path):
    for key in path:
        document = document[key]
    return document


def mutations(document):
    for path, key in places(document):
        wrong_kind = copy.deepcopy(document)
        at(wrong_kind, path)[key] = {"nonsense": [1.5]}
        if isinstance(key, str) and path in NAMED:
            yield wrong_kind, f"{path + (key,)} of another kind"
            continue
        if key != "options":
            yield wrong_kind, f"{path + (key,)} of another kind"
        if isinstance(key, str):
            misspelt = copy.deepcopy(document)
            table = at(misspelt, path)
            table[key + "_"] = table.pop(key)
            yield misspelt, f"{path + (key,)} misspelt"


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        schema = json.load(file)
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    failures = 0
    tried = 0
    for name in sys.argv[2:]:
        with open(name, "rb") as file:
            document = tomllib.load(file)
        for error in validator.iter_errors(document):
            print(f"{name}: {list(error.absolute_path)}: {error.message}")
            failures += 1
        for mutant, what in mutations(document):
            tried += 1
            if validator.is_valid(mutant):
                print(f"{name}: still valid with {what}")
                failures += 1
    print(f"{len(sys.argv) - 2} files, {tried} mistakes made in them, {failures} failures")
    return 1 if failures or not tried else 0


if __name__ == "__main__":
    sys.exit(main())
