"""What a download cannot do without, each by itself: the cipher, the digest, the way through a socket.

Run as a process: it prints one JSON line. Rates are MB per CPU second, so that others on the machine do not matter,
and the best of several rounds.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable

import cryptg

BLOCK = 1 << 20
ROUNDS = 7
MB = 1e6


def rate(action: Callable[[], object], seconds: float) -> float:
    """MB per CPU second of an action over one block."""
    best = 0.0
    for _ in range(ROUNDS):
        began, done = time.thread_time(), 0
        while (spent := time.thread_time() - began) < seconds / ROUNDS:
            action()
            done += BLOCK
        best = max(best, done / spent / MB)
    return best


def socket_copy(size: int) -> dict[str, float]:
    """`size` bytes over a loopback connection between two threads: MB/s, and CPU seconds per GiB of either side."""
    cpu: dict[str, float] = {}
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def send() -> None:
            with socket.create_connection(listener.getsockname()) as out:
                block, began = bytes(BLOCK), time.thread_time()
                for _ in range(size // BLOCK):
                    out.sendall(block)
                cpu["send"] = time.thread_time() - began

        sender = threading.Thread(target=send)
        sender.start()
        with listener.accept()[0] as incoming:
            buffer, wall, began = bytearray(BLOCK), time.perf_counter(), time.thread_time()
            while incoming.recv_into(buffer):
                pass
            cpu["receive"], wall = time.thread_time() - began, time.perf_counter() - wall
        sender.join()
    gibibytes = size / (1 << 30)
    return {"rate": size / wall / MB, **{side: seconds / gibibytes for side, seconds in cpu.items()}}


def main() -> None:
    seconds = float(os.environ.get("BENCH_SECONDS", "1.5"))
    data, key, iv = os.urandom(BLOCK), os.urandom(32), os.urandom(32)
    found = {
        "aes_ige": rate(lambda: cryptg.decrypt_ige(data, key, iv), seconds),
        "sha256": rate(lambda: hashlib.sha256(data).digest(), seconds),
        "socket": socket_copy(int(seconds * 1.5 * (1 << 30))),
    }
    print(json.dumps(found))  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
