"""How fast MTProto's cipher decrypts here: without cryptg it is a hundred times slower (telegram.md, "Signing in")."""

from __future__ import annotations

import time

from teltubby.errors import ExtraNotInstalled

BLOCK_BYTES = 1 << 20


def decrypt_speed(*, seconds: float = 0.2) -> float:
    """Bytes per second of this thread's CPU time. Blocking. Raises ExtraNotInstalled where cryptg is missing."""
    try:
        import cryptg
    except ImportError as error:
        raise ExtraNotInstalled(f"cryptg cannot be used: {error}") from error
    block, key, iv = bytes(BLOCK_BYTES), bytes(32), bytes(32)
    cryptg.decrypt_ige(block, key, iv)
    done, begun = 0, time.thread_time()
    while (taken := time.thread_time() - begun) < seconds:
        cryptg.decrypt_ige(block, key, iv)
        done += BLOCK_BYTES
    return done / taken
