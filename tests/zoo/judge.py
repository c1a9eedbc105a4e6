#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""judge.py ESPALIER PLUGIN PROFILE [--preload=LIBRARY] [REQUIREMENT...]: conform finds just these broken.

With --nothing-tested: it finds no device to judge, and does not say that the plugin conforms."""
import json
import subprocess
import sys


def main(espalier, plugin, profile, *expected):
    preload = [word for word in expected if word.startswith("--preload=")]
    expected = tuple(word for word in expected if word not in preload)
    absent = expected == ("--nothing-tested",)
    expected = () if absent else expected
    done = subprocess.run([espalier, "conform", plugin, "--quick", "--json", "--profile", profile,
                           *preload],
                          capture_output=True, text=True, check=False)
    try:
        score = json.loads(done.stdout)
    except json.JSONDecodeError:
        sys.exit(f"no score came out (exit code {done.returncode}): {done.stderr}")
    broken = {r["id"]: r for r in score["requirements"] if r["state"] == "failed"}
    for identity, requirement in broken.items():
        for seen in requirement["seen"]:
            print(f"{identity} {seen['case']}: {seen['words']}")
    if score["kit_errors"]:
        sys.exit(f"the kit failed: {score['kit_errors']}")
    if set(broken) != set(expected):
        sys.exit(f"expected broken: {sorted(expected)}, found: {sorted(broken)}")
    if score["tested"] and absent:
        sys.exit("a device was tested, although none was there")
    refused = bool(expected) or absent
    if done.returncode != (1 if refused else 0) or score["conforms"] == refused:
        sys.exit(f"exit code {done.returncode}, conforms: {score['conforms']}")


main(*sys.argv[1:])
