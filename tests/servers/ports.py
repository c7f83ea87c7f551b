"""Ports for servers that cannot be told to choose one themselves, or that keep theirs over a restart."""

from __future__ import annotations

import random
import socket
from pathlib import Path

HOST = "127.0.0.1"
LOWEST = 10_000
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_EPHEMERAL = 32_768
"""Where the ports begin that the system hands out itself (ip(7)), unless it says otherwise."""


def free_port() -> int:
    """A port of loopback that is free, and that the system gives to nobody who asks for any port.

    Those that it gives away, to every outgoing connection too, may be taken between the look and the server's start,
    or while the server is down: with several test processes on one machine that happens.
    """
    dice = random.SystemRandom()  # Hypothesis and others seed the shared one: two workers would get the same numbers
    highest = _first_ephemeral()
    while True:
        port = dice.randrange(LOWEST, highest)
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port


def _first_ephemeral() -> int:
    """Where such ports end; where the system leaves too few below, all ports are as good as each other."""
    try:
        first = int(_RANGE.read_text().split()[0])
    except OSError:
        first = _EPHEMERAL
    return first if first >= 2 * LOWEST else 65_536
