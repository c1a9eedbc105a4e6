# SPDX-License-Identifier: Apache-2.0
"""What /proc/crypto says: the kernel's crypto drivers, who is first of a name, and who has users."""

import pathlib


def registered():
    """{driver: what /proc/crypto says of it}."""
    found = {}
    for entry in pathlib.Path("/proc/crypto").read_text().split("\n\n"):
        fields = dict(line.split(":", 1) for line in entry.splitlines() if ":" in line)
        fields = {key.strip(): value.strip() for key, value in fields.items()}
        if fields:
            found[fields["driver"]] = fields
    return found


def users(driver):
    """SAs that have it; None if there is no such driver."""
    entry = registered().get(driver)
    return int(entry["refcnt"]) - 1 if entry else None


def first(name):
    """The driver that whoever asks for this name gets."""
    of_name = [entry for entry in registered().values() if entry["name"] == name]
    return max(of_name, key=lambda entry: int(entry["priority"]))["driver"]


def priorities():
    return {driver: int(entry["priority"]) for driver, entry in registered().items()}
