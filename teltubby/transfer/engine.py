"""The download engine: fills a spool from a file at Telegram."""

from __future__ import annotations

from teltubby.errors import ContentMismatch
from teltubby.messages.transfer import GrowingFile, RemoteFile

PART_BYTES = 1 << 20
"""Aligned parts of 1 MiB are the largest that upload.getFile serves (telegram.md, Limits)."""


async def fetch(remote: RemoteFile, spool: GrowingFile) -> None:
    """Fetch all of `remote` into `spool`, front to back.

    Whoever reads the spool meanwhile is told when this fails. Raises ContentMismatch for a part of another length than
    its place demands, and what the adapter and the spool raise.
    """
    try:
        while spool.prefix < spool.size:
            expected = min(PART_BYTES, spool.size - spool.prefix)
            part = await remote.read(spool.prefix, PART_BYTES)
            if len(part) != expected:
                raise ContentMismatch(f"{len(part)} bytes came at offset {spool.prefix}, {expected} were due")
            await spool.append(part)
    except Exception as error:
        spool.fail(error)
        raise
