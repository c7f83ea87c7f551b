"""kurigram's `download_media`: requests of 1 MiB, one in flight, on a media session that it keeps.

It asks for TgCrypto, which has no wheels for Python 3.12 and later and does less than half of what cryptg does; without
it, a cipher in pure Python does half a megabyte per second. So it gets cryptg here, under the name that it looks for.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import cryptg

from benchmarks.clients.serving import requests, say, server, spending

_cipher: Any = ModuleType("tgcrypto")
_cipher.ige256_encrypt, _cipher.ige256_decrypt = cryptg.encrypt_ige, cryptg.decrypt_ige
sys.modules["tgcrypto"] = _cipher

from teltubby.simulator.mtproto import make_rsa_key  # noqa: E402 - kurigram looks for its cipher when it is imported
from tests.simulator.mtproto import kurigram  # noqa: E402 - see above


async def main() -> None:
    target = server()
    kurigram.pyrogram.crypto.rsa.server_public_keys = kurigram.known_keys(make_rsa_key())
    client = kurigram.new_client(target.port, bot_token=target.bot_token, sleep_threshold=60)
    await client.start()
    say(ready=True)
    async for request in requests():
        message = await client.get_messages(request["chat_id"], request["message_id"])
        with spending() as spent:
            await client.download_media(message, file_name=str(Path(request["into"])))
        say(**vars(spent))
    await client.stop()


if __name__ == "__main__":
    asyncio.run(main())
