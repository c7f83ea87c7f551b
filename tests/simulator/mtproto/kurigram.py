"""Imports kurigram in a way that trio_asyncio survives, and makes clients of it that know only the simulated server."""

from __future__ import annotations

import asyncio
import importlib
from contextlib import closing
from pathlib import Path
from typing import Any

from teltubby.simulator.mtproto import RsaKey

MODULES = (
    "pyrogram",
    "pyrogram.connection.transport",
    "pyrogram.crypto.rsa",
    "pyrogram.errors",
    "pyrogram.handlers",
    "pyrogram.qrlogin",
    "pyrogram.storage",
)


async def _import() -> None:
    for module in MODULES:
        importlib.import_module(module)


# kurigram asks for the current event loop when it is imported. With no loop running, trio_asyncio's policy would start
# a trio run of its own in this thread, and everything that anyio does here afterwards would hang.
with closing(asyncio.SelectorEventLoop()) as _loop:
    _loop.run_until_complete(_import())

import pyrogram  # noqa: E402 - see above
import pyrogram.connection.transport  # noqa: E402 - see above
import pyrogram.crypto.rsa  # noqa: E402 - see above
import pyrogram.errors  # noqa: E402 - see above
import pyrogram.handlers  # noqa: E402 - see above
import pyrogram.qrlogin  # noqa: E402 - see above
import pyrogram.raw.functions.updates.get_state  # noqa: E402 - see above
import pyrogram.storage  # noqa: E402 - see above


class LoopbackStorage(pyrogram.storage.SQLiteStorage):
    """A session in memory that knows one server: the simulated one. By itself kurigram dials Telegram's addresses."""

    def __init__(self, port: int) -> None:
        super().__init__(":memory:", Path(), in_memory=True)
        self._simulated = port

    async def server_address(self, value: Any = object) -> str:
        return "127.0.0.1"

    async def port(self, value: Any = object) -> int:
        return self._simulated


def new_client(port: int, **options: Any) -> pyrogram.Client:
    """A client of the server at `port` that does its own waiting for nothing."""
    settings: dict[str, Any] = {"api_id": 1, "api_hash": "hash", "sleep_threshold": 0, "no_updates": True}
    return pyrogram.Client("test", storage_engine=LoopbackStorage(port), **{**settings, **options})


def known_keys(key: RsaKey) -> dict[int, Any]:
    """What to put into pyrogram.crypto.rsa.server_public_keys, so that the server is trusted and no other."""
    return {key.fingerprint: pyrogram.crypto.rsa.PublicKey(m=key.n, e=key.e)}
