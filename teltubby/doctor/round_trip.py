"""A file of 25 MiB goes the whole way: sent by the bot, fetched over MTProto, stored, read back, and removed."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio
from anyio import to_thread

from teltubby.actors.upload import PARALLEL_PARTS
from teltubby.adapters.base import MtprotoGateway, ObjectStore
from teltubby.config import Config
from teltubby.doctor.bot import inspector
from teltubby.doctor.findings import Findings
from teltubby.doctor.sessions import signed_in, why_closed
from teltubby.doctor.store import KEYS, opened
from teltubby.doctor.troubles import Trouble
from teltubby.doctor.words import size
from teltubby.errors import ContentMismatch, TeltubbyError
from teltubby.messages.routes import AccountKind
from teltubby.messages.transfer import ChannelPlace, FetchLarge, MailboxPlace, Place, StoreFile
from teltubby.transfer.spool import Spool
from teltubby.transfer.spool_folder import SpoolFolder
from teltubby.transfer.upload import Upload, abort_unfinished
from teltubby.trees import parts

FILE_BYTES = 25 << 20
"""More than the Bot API serves (20 MiB), less than bots may send (50 MB)."""

WITHIN_SECONDS = 900.0
READ_BYTES = 1 << 20
TIDY_SECONDS = 20.0
SAID = "teltubby doctor tries the way of a large file. This message is deleted again in a moment."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    """Where the file lies at Telegram, and its SHA-256 (hex)."""

    place: Place
    sha256: str


async def go_round(config: Config, findings: Findings) -> None:
    """Leg by leg, each with its speed; whatever was made on the way is removed, also when it is cut off."""
    if config.mtproto.api_id is None or parts.mtproto_missing(config) is not None:
        findings.skipped("round trip", "nothing can be fetched over MTProto, as said above")
        return
    accounts = [account for account in sorted(config.mtproto.accounts) if await _can_fetch(config, account, findings)]
    if not accounts:
        return
    try:
        async with _folder(config.storage.spool_dir) as folder, _sent(config, folder, findings) as sent:
            if sent is not None:
                await _by_each(accounts, config, sent, folder, findings)
    except OSError as error:
        findings.trouble("spool", Trouble.SPOOL_UNUSABLE, f"{config.storage.spool_dir}: {error.strerror}")


@asynccontextmanager
async def _folder(spool: Path) -> AsyncIterator[Path]:
    """A folder beside the spools, which is gone afterwards with all that is in it. Raises OSError."""
    folder = spool / f"doctor-{secrets.token_hex(4)}"

    def make() -> list[Path]:
        missing = [path for path in folder.parents if not path.exists()]
        folder.mkdir(parents=True)
        return missing

    def remove(made: list[Path]) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        for path in made:
            with suppress(OSError):  # somebody else has begun to use it
                path.rmdir()

    made = await to_thread.run_sync(make)
    try:
        yield folder
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(remove, made)


# -- to Telegram


@asynccontextmanager
async def _sent(config: Config, folder: Path, findings: Findings) -> AsyncIterator[_Sent | None]:
    """Send the file to the relay, or else to the first on the whitelist; the message is deleted at the end."""
    relay = config.mtproto.relay_chat_id
    chat_id = relay if relay is not None else next(iter(config.telegram.whitelist_ids), None)
    if chat_id is None:
        findings.skipped("send", "there is neither a relay nor anybody on the whitelist to whom it could be sent")
        yield None
        return
    path = folder / "teltubby-doctor.bin"
    sha256 = await to_thread.run_sync(_make_file, path)
    async with inspector(config) as bot:
        begun = anyio.current_time()
        try:
            message_id = await bot.send_file(chat_id, path, html=SAID)
        except TeltubbyError as error:
            findings.trouble("send", Trouble.ROUND_TRIP_FAILED, f"to chat {chat_id}: {error}")
            yield None
            return
        try:
            findings.well("send", f"message {message_id} in chat {chat_id}: {_speed(begun)}")
            yield _Sent(
                place=ChannelPlace(channel_id=chat_id, message_id=message_id)
                if relay is not None
                else MailboxPlace(chat_id=chat_id, message_id=message_id),
                sha256=sha256,
            )
        finally:
            with anyio.move_on_after(TIDY_SECONDS, shield=True):
                try:
                    await bot.delete(chat_id, message_id)
                    findings.well("tidy up", "the message is deleted")
                except TeltubbyError as error:
                    found = f"message {message_id} in chat {chat_id} is left: {error}"
                    findings.trouble("tidy up", Trouble.ROUND_TRIP_FAILED, found)


def _make_file(path: Path) -> str:
    body = os.urandom(FILE_BYTES)
    path.write_bytes(body)
    return hashlib.sha256(body).hexdigest()


# -- from Telegram


async def _can_fetch(config: Config, account: AccountKind, findings: Findings) -> bool:
    why = await why_closed(config, account)
    if account is AccountKind.USER and config.mtproto.relay_chat_id is None:
        why = "it sees no messages of the bot without MTPROTO_RELAY_CHAT_ID"
    if why is not None:
        findings.skipped(f"{account} session", why)
    return why is None


async def _by_each(
    accounts: Sequence[AccountKind], config: Config, sent: _Sent, folder: Path, findings: Findings
) -> None:
    """Fetch it by one account after the other; what came first is stored, too."""
    is_stored = False
    for account in accounts:
        async with signed_in(config, account, findings) as gateway:
            if gateway is not None:
                is_stored = await _leg(config, sent, folder, account, gateway, findings, is_stored=is_stored)


async def _leg(
    config: Config,
    sent: _Sent,
    folder: Path,
    account: AccountKind,
    gateway: MtprotoGateway,
    findings: Findings,
    *,
    is_stored: bool,
) -> bool:
    """Fetch the file by one account, and store it unless that was done; whether it is."""
    subject = "fetch"
    spools = SpoolFolder(folder / account, keep_seconds=WITHIN_SECONDS)
    key = f"{KEYS}round-trip-{secrets.token_hex(4)}.bin"
    try:
        location = await gateway.locate(sent.place)
        spool = spools.open("doctor", document_id=location.document_id, size=location.size, key=key)
        async with spool, anyio.create_task_group() as tasks:
            engine = parts.engine(config)(gateway.dial)
            tasks.start_soon(engine.run)
            begun = anyio.current_time()
            await engine.fetch(
                FetchLarge(account=account, location=location, refresh=partial(gateway.locate, sent.place), into=spool)
            )
            speed = _speed(begun)
            if await _digest(spool) != sent.sha256:
                raise ContentMismatch(f"other bytes came by the {account} session than were sent")
            findings.well(subject, f"by the {account} session: {speed}, the SHA-256 is right")
            if not is_stored:
                subject = "store"
                await _store(config, sent, key, spool, findings)
                is_stored = True
            tasks.cancel_scope.cancel()
    except* ContentMismatch as errors:
        findings.trouble(subject, Trouble.ROUND_TRIP_ALTERED, errors.exceptions[0])
    except* TeltubbyError as errors:
        findings.trouble(subject, Trouble.ROUND_TRIP_FAILED, errors.exceptions[0])
    return is_stored


async def _digest(spool: Spool) -> str:
    digest = hashlib.sha256()
    for offset in range(0, spool.size, READ_BYTES):
        await to_thread.run_sync(digest.update, await spool.read(offset, READ_BYTES))
    return digest.hexdigest()


# -- to the store and back


async def _store(config: Config, sent: _Sent, key: str, spool: Spool, findings: Findings) -> None:
    async with opened(config) as store:
        await store.open()
        request = StoreFile(key=key, source=spool, content_type="application/octet-stream", stored=lambda _: None)
        upload = Upload(
            store,
            request,
            multipart_bytes=config.s3.multipart_threshold,
            parallel=PARALLEL_PARTS,
            first_copy=parts.nobody_knows,
        )
        try:
            begun = anyio.current_time()
            await upload.run()
            findings.well("store", _speed(begun))
            begun = anyio.current_time()
            if await _digest_of_object(store, key) != sent.sha256:
                raise ContentMismatch("other bytes came back from the store than were stored")
            findings.well("read back", f"{_speed(begun)}, the SHA-256 is right")
        finally:
            with anyio.move_on_after(TIDY_SECONDS, shield=True):
                try:
                    await store.delete(key)
                    await abort_unfinished(store, key)  # one that was cut off before its id was told
                except TeltubbyError as error:
                    found = f"{store.location(key)} may be left: {error}"
                    findings.trouble("tidy up", Trouble.ROUND_TRIP_FAILED, found)


async def _digest_of_object(store: ObjectStore, key: str) -> str:
    digest = hashlib.sha256()
    for offset in range(0, FILE_BYTES, store.part_size):
        await to_thread.run_sync(digest.update, await store.read(key, offset, store.part_size))
    return digest.hexdigest()


def _speed(begun: float) -> str:
    """25 MiB since then, in words."""
    seconds = max(anyio.current_time() - begun, 1e-3)
    return f"{size(FILE_BYTES)} in {seconds:.1f} s, {FILE_BYTES / 1e6 / seconds:,.1f} MB/s"
