# SPDX-License-Identifier: Apache-2.0
"""One gateway with a tunnel for each transform, all at once: each leads to an outer address and an
inner network of its own, and all of these belong to the site 'right' of a laboratory (see lab.py)."""

import dataclasses
import json

import lab

LEFT = {4: "198.18.0.1", 6: "2001:db8::1"}
RIGHT = {4: "198.18.0.2", 6: "2001:db8::2"}
PREFIX = {4: 15, 6: 32}
INSIDE_LEFT = {4: "10.1.0.1", 6: "fd00:1::1"}
NETWORK_LEFT = {4: "10.1.0.0/24", 6: "fd00:1::/64"}
HOST = {4: 32, 6: 128}  # the prefix of a single address

GATEWAY = """
[gateway]
dataplane = "{dataplane}"
workers = {workers}
offloads = {offloads}
[policy]
backends = ["{backend}"]
fallback = "fail"
[site.left]
address = "{outer}"
networks = ["10.1.0.0/24", "fd00:1::/64"]
tun = {{ name = "esp0", addresses = ["10.1.0.1/24", "fd00:1::1/64"], mtu = 1380 }}
"""
TUNNEL = """
[site.{name}]
address = "{outer}"
networks = [{networks}]
tun = {{ name = "esp0", addresses = ["{inside4}/24"] }}
[[tunnel]]
name = "{name}"
sites = ["left", "{name}"]
transform = "{transform}"
mode = "{mode}"
encapsulation = "{encapsulation}"
esn = {esn}
replay_window = {window}
keys = {{ file = "{{site}}.keys" }}
"""


@dataclasses.dataclass(frozen=True)
class Tunnel:
    """`transform` is an entry of `espalier transforms --json`, `window` the replay window of both
    ends. What only the other end can do is for tests/vm, where that is the kernel. In transport mode
    the ends of the traffic are the outer addresses themselves."""
    index: int
    transform: dict
    esn: bool = True
    window: int = 1024
    kernel_sent: int = 0  # the number that the kernel sent last
    kernel_received: int = 0  # and the highest that it received
    mode: str = "tunnel"  # or "transport"

    @property
    def name(self):
        return f"{self.transform['name']}-{'esn' if self.esn else '32bit'}"

    def outer(self, version):
        return f"198.18.1.{self.index}" if version == 4 else f"2001:db8:1::{self.index:x}"

    def versions(self, outer):
        """Of IP, inside of a tunnel that is over this one outside."""
        return (4, 6) if self.mode == "tunnel" else (outer,)

    def inside(self, version):
        if self.mode == "transport":
            return self.outer(version)
        return f"10.2.{self.index}.1" if version == 4 else f"fd00:2:0:{self.index:x}::1"

    def inside_left(self, version):
        return (INSIDE_LEFT if self.mode == "tunnel" else LEFT)[version]

    def network(self, version):
        if self.mode == "transport":
            return f"{self.outer(version)}/{HOST[version]}"
        return f"10.2.{self.index}.0/24" if version == 4 else f"fd00:2:0:{self.index:x}::/64"

    def network_left(self, version):
        return NETWORK_LEFT[version] if self.mode == "tunnel" else f"{LEFT[version]}/{HOST[version]}"


def every_tunnel(transforms, esn=(True, False), **options):
    """One for each transform, with and without ESN."""
    wanted = [(transform, long) for transform in transforms for long in esn]
    return [Tunnel(index, *what, **options) for index, what in enumerate(wanted, start=1)]


def configuration(tunnels, backend, outer=4, encapsulation="udp", workers=1, offloads=True,
                  dataplane="userspace"):
    """The TOML of the gateway."""
    text = GATEWAY.format(workers=workers, offloads=str(offloads).lower(), backend=backend,
                          outer=LEFT[outer], dataplane=dataplane)
    for tunnel in tunnels:
        text += TUNNEL.format(
            name=tunnel.name, outer=tunnel.outer(outer), inside4=tunnel.inside(4),
            networks=", ".join(f'"{tunnel.network(version)}"' for version in tunnel.versions(outer)),
            transform=tunnel.transform["name"], mode=tunnel.mode, encapsulation=encapsulation,
            esn=str(tunnel.esn).lower(), window=tunnel.window)
    return text


def every_transform(espalier):
    """{name: what `espalier transforms` says of it}."""
    listed = espalier.ask("transforms")["transforms"]
    return {entry["name"]: entry for entry in listed}


def transforms_of(espalier, backend):
    """The transforms that a backend takes on this machine."""
    every = every_transform(espalier)
    config = lab.FOLDER / "plan.toml"
    config.write_text(configuration(every_tunnel(every.values(), esn=(True,)), backend))
    plan = json.loads(espalier.call("plan", config, "--site", "left", "--json").stdout)
    refused = {decision["sa"].rpartition("-esn/")[0] for decision in plan["decisions"]
               if decision["chosen"] is None}
    return [entry for name, entry in every.items() if name not in refused]


def outer_addresses(version):
    """For Lab(): each site to its outer address."""
    return {"left": f"{LEFT[version]}/{PREFIX[version]}", "right": f"{RIGHT[version]}/{PREFIX[version]}"}


def address_lines(tunnels, version):
    """What `ip -batch` does at the right site, so that the tunnels' outer addresses are its own."""
    nodad = "nodad" if version == 6 else ""
    return [f"address add {tunnel.outer(version)}/{PREFIX[version]} dev wire {nodad}"
            for tunnel in tunnels]
