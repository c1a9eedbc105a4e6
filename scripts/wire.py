# SPDX-License-Identifier: Apache-2.0
"""What crossed a wire: dumpcap filters that know the SAs, and tshark with their keys."""

import collections
import ipaddress
import re
import subprocess
import tomllib

from lab import LabError

# How tshark's table of ESP SAs (preference uat:esp_sa) names what a transform's name is made of.
CIPHERS = {r"aes\d+gcm(\d+)": "AES-GCM with {} octet ICV [RFC4106]", r"aes\d+-": "AES-CBC [RFC3602]",
           r"aes\d+ctr-": "AES-CTR [RFC3686]",
           r"3des-": "TripleDES-CBC [RFC2451]", r"null-": "NULL"}
INTEGRITY = {"-sha256": "HMAC-SHA-256-128 [RFC4868]", "-sha384": "HMAC-SHA-384-192 [RFC4868]",
             "-sha512": "HMAC-SHA-512-256 [RFC4868]", "-sha1": "HMAC-SHA-1-96 [RFC2404]",
             "-md5": "HMAC-MD5-96 [RFC2403]"}
# The same for scapy.
SCAPY_CIPHERS = {r"aes\d+gcm16": "AES-GCM", "chacha20poly1305": "CHACHA20-POLY1305", r"aes\d+ctr-": "AES-CTR",
                 r"aes\d+-": "AES-CBC", "3des-": "3DES", "null-": "NULL"}
SCAPY_INTEGRITY = {"-sha256": "SHA2-256-128", "-sha384": "SHA2-384-192", "-sha512": "SHA2-512-256",
                   "-sha1": "HMAC-SHA1-96", "-md5": "HMAC-MD5-96"}

Sa = collections.namedtuple("Sa", "tunnel spi transform source destination cipher_key integrity_key")


def outbound_sas(key_file, source, destination):
    """The SAs with which the owner of a one-time key file sends, between these outer addresses."""
    return [Sa(sa["tunnel"], sa["spi"], sa["transform"], source, destination,
               sa.get("cipher_key", "") + sa.get("salt", ""), sa.get("integrity_key", ""))
            for sa in tomllib.loads(key_file.read_text())["sa"] if sa["direction"] == "outbound"]


def everything_but(sas, port):
    """A capture filter: whatever is neither ESP in UDP of these SAs nor address resolution."""
    esp = []
    for sa in sas:
        spi = "udp[8:4]" if ipaddress.ip_address(sa.source).version == 4 else "ip6[48:4]"
        esp.append(f"(src host {sa.source} and dst host {sa.destination} and udp dst port {port} "
                   f"and {spi} = {sa.spi:#x})")
    resolution = "arp or (icmp6 and (ip6[40] = 135 or ip6[40] = 136))"
    return f"not ({resolution} or {' or '.join(esp)})"


def tshark_cipher(transform):
    """tshark's name for the cipher, or None where it knows none."""
    return next((name.format(*found.groups()) for pattern, name in CIPHERS.items()
                 if (found := re.match(pattern, transform))), None)


def tshark_sa(sa):
    """One line of tshark's table of SAs."""
    cipher = tshark_cipher(sa.transform)
    if cipher is None:
        raise LabError(f"tshark's name for {sa.transform} is not known here")
    integrity = next((name for end, name in INTEGRITY.items() if end in sa.transform), "NULL")
    version = ipaddress.ip_address(sa.source).version
    fields = (f"IPv{version}", sa.source, sa.destination, f"{sa.spi:#010x}", cipher,
              f"0x{sa.cipher_key}" if sa.cipher_key else "",
              integrity, f"0x{sa.integrity_key}" if sa.integrity_key else "")
    return "uat:esp_sa:" + ",".join(f'"{field}"' for field in fields)


def scapy_cipher(transform):
    """scapy's name for the cipher, or None where it knows none."""
    return next((name for pattern, name in SCAPY_CIPHERS.items() if re.match(pattern, transform)), None)


def scapy_association(sa, esn=False):
    """One SA in scapy's terms, tunnel mode."""
    from scapy.layers import inet, inet6, ipsec
    algorithms = {"crypt_algo": scapy_cipher(sa.transform), "crypt_key": bytes.fromhex(sa.cipher_key)}
    for end, name in SCAPY_INTEGRITY.items():
        if sa.transform.endswith(end):
            algorithms |= {"auth_algo": name, "auth_key": bytes.fromhex(sa.integrity_key)}
    header = inet6.IPv6 if ":" in sa.source else inet.IP
    return ipsec.SecurityAssociation(ipsec.ESP, spi=sa.spi, esn_en=esn, esn=0,
                                     tunnel_header=header(src=sa.source, dst=sa.destination),
                                     **algorithms)


def scapy_open(association, packet, esn=False):
    """The inner packet of an ESP packet."""
    from scapy.layers.ipsec import ESP
    outer = association.tunnel_header
    return association.decrypt(type(outer)(bytes(outer / ESP(packet))), esn_en=esn, esn=0)


def scapy_seal(association, inner, sequence=None, esn=False):
    """An ESP packet that holds the inner one."""
    from scapy.layers.ipsec import ESP
    return bytes(association.encrypt(inner, seq_num=sequence, esn_en=esn, esn=0)[ESP])


def dissect(capture, sas, *fields):
    """What tshark makes of a capture, given the keys: a tuple for each frame, of the protocols in
    it and of the named fields."""
    options = ["-o", "esp.enable_encryption_decode:TRUE", "-o", "esp.enable_authentication_check:TRUE"]
    for sa in sas:
        options += ["-o", tshark_sa(sa)]
    for field in ("frame.protocols", *fields):
        options += ["-e", field]
    result = subprocess.run(["tshark", "-n", "-r", str(capture), *options, "-T", "fields"], text=True,
                            capture_output=True, check=False)
    if result.returncode:
        raise LabError(f"tshark failed: {result.stderr.strip()}")
    return [tuple(line.split("\t")) for line in result.stdout.splitlines()]


def count_kinds(frames):
    """How many frames hold what: 'icmp', 'tcp', ... inside ESP; 'arp', 'plain udp', ...; or
    'undecoded ESP'."""
    kinds = collections.Counter()
    for protocols, *_ in frames:
        outer, esp, inner = protocols.partition(":esp")
        layers = inner.split(":")[1:]
        if esp:
            kinds[layers[1] if len(layers) > 1 and layers[0] in ("ip", "ipv6") else "undecoded ESP"] += 1
        else:
            last = outer.split(":")[-1]
            kinds[last if last == "arp" else f"plain {last}"] += 1
    return kinds
