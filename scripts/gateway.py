# SPDX-License-Identifier: Apache-2.0
"""The `espalier` command, and gateways that run in a laboratory (see lab.py)."""

import json
import pathlib
import subprocess

import lab
from lab import Lab, LabError


class Espalier:
    """The command of one build."""

    def __init__(self, build):
        self.program = pathlib.Path(build).resolve() / "bin/espalier"

    def command(self, *arguments, site=None):
        words = [str(word) for word in (self.program, *arguments)]
        return Lab.within(site, *words) if site else words

    def call(self, *arguments, site=None, **options):
        return subprocess.run(self.command(*arguments, site=site), text=True, capture_output=True,
                              stdin=subprocess.DEVNULL, check=False, timeout=60, **options)

    def ask(self, *arguments, site=None):
        """What the command answers with --json."""
        result = self.call(*arguments, "--json", site=site)
        if result.returncode:
            raise LabError(f"espalier {arguments[0]}: {(result.stderr + result.stdout).strip()}")
        return json.loads(result.stdout)

    def make_keys(self, config, folder=lab.FOLDER):
        self.ask("keygen", config, "--out", folder)


class Gateway:
    """`espalier run` for one site, with keys, state and socket in `folder`; in the namespace of the
    site's name, unless the configuration calls the site otherwise (`as_site`)."""

    def __init__(self, espalier, network, site, config, folder=lab.FOLDER, as_site=None):
        self.espalier, self.site, self.network = espalier, site, network
        self.socket, self.log_file = folder / f"{site}.sock", folder / f"{site}.log"
        self.process = network.start(
            site, *espalier.command("run", config, "--site", as_site or site, "--keys", folder, "--state",
                                    folder / f"{site}.state", "--socket", self.socket),
            log=self.log_file)

    def wait_until_ready(self, limit=20):
        lab.wait_until(lambda: self.process.poll() is not None or self.is_ready(), limit,
                       f"the gateway {self.site} was not ready")
        if self.process.poll() is not None:
            raise LabError(f"the gateway {self.site} ended: {self.log()}")
        return self

    def is_ready(self):
        if not self.socket.exists():
            return False
        try:
            return bool(self.sas())
        except LabError:
            return False

    def ask(self, verb, *arguments):
        return self.espalier.ask(verb, *arguments, "--socket", self.socket, site=self.site)

    def status(self):
        return self.ask("status")

    def sas(self):
        return self.status()["sas"]

    def log(self):
        return self.log_file.read_text().strip()

    def stop(self):
        """SIGTERM; what must not be left behind is checked."""
        if code := lab.stop(self.process):
            raise LabError(f"the gateway {self.site} ended with {code}: {self.log()}")
        tuns = self.network.run(self.site, "ip", "-o", "link", "show", "type", "tun").stdout.strip()
        if tuns or self.socket.exists():
            raise LabError(f"the gateway {self.site} left something behind: {tuns or self.socket}")
