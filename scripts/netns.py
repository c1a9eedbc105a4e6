# SPDX-License-Identifier: Apache-2.0
"""Sockets of this process in the network namespace of a site."""

import ctypes
import os
import socket

CLONE_NEWNET = 0x40000000


def udp_socket(site, address, port):
    """The thread enters the site's namespace only to make the socket."""
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{site}", os.O_RDONLY)
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        if libc.setns(there, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        result = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        result.bind((address, port))
        result.settimeout(5)
        return result
    finally:
        libc.setns(here, CLONE_NEWNET)
        os.close(here)
        os.close(there)
