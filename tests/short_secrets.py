"""Short secrets for Telethon's keys: of 256 bits in place of 2048, with which two powers take 42 ms for every new key.

All else of the exchange is as it is, and nothing can tell: a power of a short secret looks like any other. What is
started from the command line takes long ones.
"""

from __future__ import annotations

import os
import types

from telethon.network import authenticator

_SECRET_BYTES = 256
_SHORT_BYTES = 32


def shorten_secrets() -> None:
    """From now on, in this process and its forks."""

    def random(count: int) -> bytes:
        return os.urandom(_SHORT_BYTES).rjust(count, b"\0") if count == _SECRET_BYTES else os.urandom(count)

    authenticator.os = types.SimpleNamespace(urandom=random)
