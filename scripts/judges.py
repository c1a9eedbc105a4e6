# SPDX-License-Identifier: Apache-2.0
"""Who judges what Espalier makes of a packet, for each transform: software that is not ours, and
published vectors. tests/integration/judges.py and tests/vm hold it to that."""

import pathlib
import re

import wire

TOP = pathlib.Path(__file__).resolve().parent.parent
VECTORS = TOP / "tests/data/vectors"
# Files there, by the name of the cipher; the first pattern that fits.
CIPHER_VECTORS = {r"aes\d+gcm": ("esp_gcm.txt", "nist_aes_gcm.txt", "gcm_spec.txt"),
                  "aes128gmac": ("esp_gcm.txt", "nist_aes_gmac.txt"),
                  r"aes\d+gmac": ("nist_aes_gmac.txt",), "chacha20": ("esp_chacha20.txt",),
                  r"aes\d+ctr": ("rfc3686_ctr.txt",), "3des": ("nist_3des_cbc.txt",),
                  "aes128": ("nist_aes_cbc.txt", "rfc3602_cbc.txt"),
                  r"aes\d+": ("nist_aes_cbc.txt",), "null": ()}
HMAC_VECTORS = {"md5": "rfc2202_hmac_md5.txt", "sha1": "rfc2202_hmac_sha1.txt",
                "sha256": "rfc4231_hmac_sha256.txt", "sha384": "rfc4231_hmac_sha384.txt",
                "sha512": "rfc4231_hmac_sha512.txt"}
# That the Linux kernel judges in transport mode, too: one of each kind, and the shortest ICV.
IN_TRANSPORT_MODE = ("aes256gcm16", "aes128gcm8", "chacha20poly1305", "aes256gmac", "aes256-sha256",
                     "3des-sha1", "aes128ctr-sha256", "null-sha512")


def vectors(transform):
    cipher, _, integrity = transform.partition("-")
    files = next(files for pattern, files in CIPHER_VECTORS.items() if re.match(pattern, cipher))
    return [*files, HMAC_VECTORS[integrity]] if integrity else list(files)


def table(transforms):
    """Markdown; `transforms` as `espalier transforms --json` gives them."""
    lines = ["| Transform | tshark | scapy | Linux kernel | Published vectors |",
             "| --- | --- | --- | --- | --- |"]
    for transform in transforms:
        name = transform["name"]
        modes = "tunnel, transport" if name in IN_TRANSPORT_MODE else "tunnel"
        files = ", ".join(file.removesuffix(".txt") for file in vectors(name)) or "-"
        lines.append(f"| `{name}` | {'yes' if wire.tshark_cipher(name) else '-'} "
                     f"| {'yes' if wire.scapy_cipher(name) else '-'} | {modes} | {files} |")
    return "\n".join(lines) + "\n"
