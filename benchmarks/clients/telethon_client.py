"""Telethon as it is: `download_media`, or `iter_download` in requests of 512 KiB; or FastTelethon's parallel recipe.

The second argument says which: "download_media", "iter_download" or "fast". The last is what people use who find
Telethon slow: 20 connections with a request in flight on each, here in its maintained form (aiofasttelethonhelper).
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from telethon import TelegramClient
from telethon.crypto import rsa
from telethon.sessions import MemorySession

from benchmarks.clients.serving import API_HASH, API_ID, DATA_CENTRE, HOST, requests, say, server, spending

REQUEST_BYTES = 512 * 1024


async def download_media(client: TelegramClient, message: Any, into: Path) -> None:
    await client.download_media(message, file=str(into))


async def iter_download(client: TelegramClient, message: Any, into: Path) -> None:
    with into.open("wb") as file:
        async for chunk in client.iter_download(message.media, request_size=REQUEST_BYTES):
            file.write(chunk)


async def fast(client: TelegramClient, message: Any, into: Path) -> None:
    helper = importlib.import_module("aiofasttelethonhelper")
    await helper.fast_download(client, message, file_path=str(into))


WAYS: dict[str, Callable[[TelegramClient, Any, Path], Awaitable[None]]] = {
    "download_media": download_media,
    "iter_download": iter_download,
    "fast": fast,
}


async def main() -> None:
    target, download = server(), WAYS[sys.argv[2]]
    rsa.add_key(target.public_key, old=False)
    session = MemorySession()
    session.set_dc(DATA_CENTRE, HOST, target.port)
    client = TelegramClient(session, API_ID, API_HASH, receive_updates=False)
    await client.connect()
    await client.sign_in(bot_token=target.bot_token)
    say(ready=True)
    async for request in requests():
        message = await client.get_messages(request["chat_id"], ids=request["message_id"])
        with spending() as spent:
            await download(client, message, Path(request["into"]))
        say(**vars(spent))
    await client.disconnect()


if __name__ == "__main__":
    asyncio.run(main())
