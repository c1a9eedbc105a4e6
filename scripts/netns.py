# SPDX-License-Identifier: Apache-2.0
"""Sockets of this process in the network namespace of a site."""

import contextlib
import ctypes
import os
import socket

CLONE_NEWNET = 0x40000000
ETH_P_ALL = 3


@contextlib.contextmanager
def inside(site):
    """The thread is in the site's namespace; a socket made here stays there."""
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{site}", os.O_RDONLY)
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        if libc.setns(there, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        yield
    finally:
        libc.setns(here, CLONE_NEWNET)
        os.close(here)
        os.close(there)


def udp_socket(site, address, port):
    with inside(site):
        result = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        result.bind((address, port))
        result.settimeout(5)
        return result


def frame_socket(site, interface):
    """Sends whole frames and sees those that come and go."""
    with inside(site):
        result = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        result.bind((interface, ETH_P_ALL))
        result.settimeout(5)
        return result


def raw_udp_socket(site, address):
    """Sees each UDP datagram that comes to the address, also one whose checksum is wrong."""
    with inside(site):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        result = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_UDP)
        result.bind((address, 0))
        result.settimeout(5)
        return result
