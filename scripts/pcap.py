# SPDX-License-Identifier: Apache-2.0
"""Capture files: lists of times in nanoseconds and frames."""

import struct

NANOSECONDS = 0xa1b23c4d
RAW = 101  # link type: IP packets, and nothing before them


def write_pcap(file, frames, link=RAW, cut=None):
    """Frames of times in nanoseconds and bytes; `cut`: of each no more is captured."""
    data = struct.pack("<IHHiIII", NANOSECONDS, 2, 4, 0, 0, 262144, link)
    for time, frame in frames:
        kept = frame[:cut]
        data += struct.pack("<IIII", *divmod(time, 10**9), len(kept), len(frame)) + kept
    file.write_bytes(data)


def read_pcap(file):
    data, at, frames = file.read_bytes(), 24, []
    assert struct.unpack_from("<I", data)[0] == NANOSECONDS
    while at < len(data):
        seconds, nanoseconds, kept, length = struct.unpack_from("<IIII", data, at)
        assert kept == length
        frames.append((seconds * 10**9 + nanoseconds, data[at + 16:at + 16 + kept]))
        at += 16 + kept
    return frames
