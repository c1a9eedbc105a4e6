# SPDX-License-Identifier: Apache-2.0
"""strongSwan with ESP in user space (its plugin kernel-libipsec): a charon in each of two sites of a
laboratory, and one tunnel between them, in UDP, by IKEv2."""

import json
import pathlib
import secrets
import shutil
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "scripts"))
import lab  # noqa: E402
from lab import LabError  # noqa: E402

CHARON = "charon-systemd"  # which needs no systemd
PLUGIN = pathlib.Path("/usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so")
PACKAGES = "charon-systemd, strongswan-swanctl and libcharon-extra-plugins"
TUN = "ipsec0"  # the plugin's
ESP_IN_UDP = "udp port 4500 and udp[8:4] != 0"  # IKE has zeros there (RFC 3948)

# The plugin comes before kernel-netlink, so that it is the one for SAs, and that the one for routes.
DAEMON = """
charon-systemd {{
  load = random nonce openssl kdf kernel-libipsec kernel-netlink socket-default vici
  plugins {{
    vici {{
      socket = unix://{socket}
    }}
  }}
}}
"""
CONNECTION = """
connections {{
  site {{
    version = 2
    local_addrs = {outer}
    remote_addrs = {peer_outer}
    encap = yes
    proposals = aes256gcm16-prfsha256-curve25519
    local {{
      auth = psk
      id = {site}
    }}
    remote {{
      auth = psk
      id = {peer}
    }}
    children {{
      net {{
        local_ts = {inside}/32
        remote_ts = {peer_inside}/32
        esp_proposals = aes256gcm16
      }}
    }}
  }}
}}
secrets {{
  ike {{
    secret = {secret}
  }}
}}
"""


def missing():
    """What there must be to compare with it, or None."""
    for program in (CHARON, "swanctl"):
        if not shutil.which(program):
            return f"{program} is missing: install {PACKAGES}"
    return None if PLUGIN.exists() else f"{PLUGIN} is missing: install {PACKAGES}"


class Libipsec(lab.Closing):
    """Both daemons, with the tunnel up. Use as a context: at its end, and when the start fails, what
    it made is gone."""

    def __init__(self, network, outer, inside):
        self.network, self.outer, self.inside = network, outer, inside
        self.folder = lab.FOLDER / "strongswan"
        self.daemons = {}
        self.folder.mkdir(mode=0o700)
        with self.closed_on_failure():
            secret = secrets.token_hex(32)
            for site, peer in zip(lab.SITES, reversed(lab.SITES)):
                self.start(site, peer, secret)
            self.swanctl("left", "--initiate", "--child", "net")
            self.require_user_space()

    def close(self):
        for daemon in self.daemons.values():
            lab.stop(daemon)
        for site in lab.SITES:
            self.network.run(site, "ip", "address", "delete", f"{self.inside[site]}/32", "dev", "lo",
                             check=False)
        shutil.rmtree(self.folder)

    def start(self, site, peer, secret):
        self.network.run(site, "ip", "address", "add", f"{self.inside[site]}/32", "dev", "lo")
        daemon, connection = (self.folder / f"{site}.{kind}" for kind in ("strongswan", "swanctl"))
        daemon.write_text(DAEMON.format(socket=self.socket(site)))
        connection.write_text(CONNECTION.format(
            site=site, peer=peer, secret=secret, outer=self.outer[site], inside=self.inside[site],
            peer_outer=self.outer[peer], peer_inside=self.inside[peer]))
        self.daemons[site] = self.network.start(site, "env", f"STRONGSWAN_CONF={daemon}", CHARON,
                                                log=self.log(site))
        lab.wait_until(lambda: self.socket(site).exists() or self.daemons[site].poll() is not None,
                       20, f"charon of {site} did not start")
        if (code := self.daemons[site].poll()) is not None:
            raise LabError(f"charon of {site} ended with {code}: {self.log(site).read_text().strip()}")
        self.swanctl(site, "--load-all", "--file", connection)

    def socket(self, site):
        return self.folder / f"{site}.vici"

    def log(self, site):
        return self.folder / f"{site}.log"

    def swanctl(self, site, verb, *words):
        try:
            return self.network.run(site, "swanctl", verb, *words, "--uri",
                                    f"unix://{self.socket(site)}").stdout
        except (LabError, subprocess.TimeoutExpired) as error:
            said = "\n".join(self.log(site).read_text().splitlines()[-20:])
            raise LabError(f"{error}\nwhat charon of {site} said:\n{said}") from None

    def require_user_space(self):
        """The tunnel is AES-256-GCM, and in UDP; the kernel has no SA; a ping through it crosses the
        wire as ESP in UDP."""
        said = self.swanctl("left", "--list-sas")
        if "TUNNEL-in-UDP, ESP:AES_GCM_16-256" not in said:
            raise LabError(f"strongSwan has another tunnel than it was asked for:\n{said}")
        for site in lab.SITES:
            if states := self.network.run(site, "ip", "xfrm", "state", check=False).stdout.strip():
                raise LabError(f"strongSwan gave the kernel an SA in {site}: {states}")
        capture = self.network.capture("right", self.folder / "esp.pcapng", ESP_IN_UDP)
        self.network.run("left", "ping", "-q", "-c", "3", "-i", "0.1", "-I", self.inside["left"],
                         self.inside["right"])
        if (seen := self.network.captured(capture)) < 6:
            raise LabError(f"of 3 pings and their answers {seen} crossed the wire as ESP in UDP")

    def carried(self):
        """Bytes of inner packets that left's device took, and right's gave, so far: the fewer."""
        counts = []
        for site, way in (("left", "tx"), ("right", "rx")):
            said = self.network.run(site, "ip", "-j", "-s", "link", "show", TUN).stdout
            counts.append(json.loads(said)[0]["stats64"][way]["bytes"])
        return min(counts)
