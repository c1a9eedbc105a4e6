# SPDX-License-Identifier: Apache-2.0
"""What the command prints with --json, against configs/schema/output.schema.json."""

import copy
import functools
import json
import pathlib

SCHEMA = pathlib.Path(__file__).resolve().parents[2] / "configs/schema/output.schema.json"


@functools.cache
def validator(verb):
    import jsonschema
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator({"definitions": schema["definitions"],
                                       "$ref": f"#/definitions/{verb}"})


def members(value, path=()):
    """The path of every member of an object below value; of a list, its first element stands for
    all."""
    if isinstance(value, dict):
        for name, child in value.items():
            yield (*path, name)
            yield from members(child, (*path, name))
    elif isinstance(value, list) and value:
        yield from members(value[0], (*path, 0))


def without(value, path):
    value = copy.deepcopy(value)
    place = value
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    return value


def check(test, verb, answer, loose=()):
    """The answer must match the schema of its verb, and no longer match it when any member is
    missing, but for those below members named in `loose`, where the schema leaves more open."""
    test.assertEqual([error.message for error in validator(verb).iter_errors(answer)], [])
    for path in members(answer):
        if not set(path[:-1]) & set(loose) and path[-1] not in loose:
            test.assertFalse(validator(verb).is_valid(without(answer, path)),
                             f"{verb}: the schema does not ask for {path}")
    return answer
