"""The same archive as its author would write it in an afternoon: stock aiogram handlers, one update after the other.

Each file is fetched, hashed, looked up in SQLite, written (durably, under the same kind of key) with its
message.json, recorded and acknowledged. The arguments are the Bot API's URL, the token, and the archive's folder.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sqlite3
import sys
from pathlib import Path

from aiogram import Bot, Dispatcher, F
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.types import Message

url, token, folder = sys.argv[1:]
root = Path(folder)
database = sqlite3.connect(root.parent / "aiogram.db", isolation_level=None)
database.execute("PRAGMA journal_mode=WAL")
database.execute("PRAGMA synchronous=FULL")
database.execute("CREATE TABLE files (sha256 TEXT PRIMARY KEY, s3_key TEXT NOT NULL)")
dispatcher = Dispatcher()


def write(path: Path, body: bytes) -> None:
    """Durably and all at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".part").open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    path.with_suffix(".part").rename(path)


@dispatcher.message(F.document)
async def archive(message: Message, bot: Bot) -> None:
    """One document."""
    assert message.document is not None
    content = await bot.download(message.document)
    assert content is not None
    body = content.read()
    digest = hashlib.sha256(body).hexdigest()
    base = f"teltubby/{message.date:%Y/%m}/{message.chat.id}/{message.message_id}"
    key = f"{base}/{message.document.file_name}"
    known = database.execute("SELECT s3_key FROM files WHERE sha256 = ?", (digest,)).fetchone()
    if known is None:
        write(root / key, body)
        database.execute("INSERT INTO files VALUES (?, ?)", (digest, key))
    artifact = {
        "keys": [known[0] if known else key],
        "telegram": json.loads(message.model_dump_json(exclude_none=True)),
    }
    write(root / base / "message.json", json.dumps(artifact, indent=2).encode())
    await message.reply(f"Archived {len(body)} bytes: {key}")


@dispatcher.message()
async def ignore(message: Message) -> None:
    """Everything else is none of its business here."""
    del message


async def main() -> None:
    bot = Bot(token, session=AiohttpSession(api=TelegramAPIServer.from_base(url)))
    await dispatcher.start_polling(bot, handle_as_tasks=False, handle_signals=False)


if __name__ == "__main__":
    asyncio.run(main())
