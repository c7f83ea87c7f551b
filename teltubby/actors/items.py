"""The files of one submission: recognised, fetched and stored at once, or marked for a job."""

from __future__ import annotations

import contextlib
import logging
import math
import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
from anyio import to_thread

from teltubby.actors.job_run import content_type
from teltubby.actors.media_reading import NOTHING, MediaRead, MediaReading
from teltubby.actors.patience import Patience
from teltubby.actors.quota import QuotaKeeper
from teltubby.adapters.base import BotGateway
from teltubby.archive.keys import Layout, preview_key
from teltubby.archive.routing import Direct, Limits, Queue, Skip, after_refusal, route
from teltubby.errors import (
    BadRequest,
    ContentMismatch,
    FileGone,
    FileTooBig,
    FloodWait,
    Permanent,
    TelegramUnavailable,
)
from teltubby.messages.details import Preview
from teltubby.messages.ledger import FindFile, LedgerMessage, SettleFile
from teltubby.messages.media import (
    DedupReason,
    IncomingMessage,
    ItemOutcome,
    ItemStatus,
    Media,
    Route,
    SkipReason,
)
from teltubby.messages.transfer import DropObject, FetchSmall, FindObject, MeasurePrefix, StoreFile, UploadMessage
from teltubby.supervision import Backoff, Ref
from teltubby.transfer.spool import FileSource

_LOG = logging.getLogger(__name__)

ASK_SECONDS = 60.0
QUICK_TRIES = 6
"""Of one download in a row, over a few seconds; then the submission waits and is repeated."""
ROUNDS = 240
"""Of such tries, up to half a minute apart, before one file counts as lost at Telegram: about two hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRules:
    """The operator's settings that decide what is archived, and by which way."""

    limits: Limits
    dedup: bool
    spool_dir: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    """One file with its place."""

    ordinal: int
    message: IncomingMessage
    media: Media
    key: str
    earlier: tuple[str, ...]

    @property
    def served_as(self) -> str:
        """The object's content type."""
        return content_type(self.media.file_name, self.media.mime_type)

    def outcome(self, status: ItemStatus, *, reason: str | None = None) -> ItemOutcome:
        return ItemOutcome(ordinal=self.ordinal, message=self.message, status=status, reason=reason)


class Items:
    """Archives the small files of submissions; `width` downloads at once are the DownloadActor's concern."""

    def __init__(
        self,
        rules: ItemRules,
        *,
        ledger: Ref[LedgerMessage],
        download: Ref[FetchSmall],
        upload: Ref[UploadMessage],
        gateway: BotGateway,
        quota: QuotaKeeper,
        patience: Patience,
        backoff: Backoff,
        rng: random.Random,
        media: MediaReading,
    ) -> None:
        self._media = media
        self._quota = quota
        self._rules = rules
        self._ledger = ledger
        self._download = download
        self._upload = upload
        self._gateway = gateway
        self._patience = patience
        self._rounds: dict[str, int] = {}
        self._backoff = backoff
        self._rng = rng

    async def archive(self, messages: Sequence[IncomingMessage], layout: Layout) -> tuple[ItemOutcome, ...]:
        """What became of each file, in the order of message ids; queued ones have their job's id and planned key.

        Raises Transient when store, database or Telegram as a whole cannot be reached.
        """
        ordered = sorted((message for message in messages if message.media), key=lambda message: message.message_id)
        items = [
            _Item(ordinal=ordinal, message=message, media=message.media, key=key, earlier=earlier)
            for ordinal, (message, key, earlier) in enumerate(
                zip(ordered, layout.keys, layout.earlier, strict=True), start=layout.first_ordinal
            )
            if message.media is not None
        ]
        # One after the other: an album may hold the same file twice, and its second copy must meet the first.
        return tuple([await self._archive(item) for item in items])

    async def earlier(self, layout: Layout) -> tuple[tuple[str, ...], ...]:
        """For each file, where a run may have stored it that was cut off before more of the album came; to be asked
        before `archive`. Raises Transient.
        """
        if any(layout.earlier):
            there = await self._upload.ask(MeasurePrefix(prefix=layout.base_path), within=ASK_SECONDS)
            if there.objects:
                return layout.earlier
        return ((),) * len(layout.keys)

    async def _archive(self, item: _Item) -> ItemOutcome:
        outcome = await self._outcome(item)
        if outcome.status is ItemStatus.DUPLICATE:
            await self._drop_leftover(item, outcome)
        return outcome

    async def _drop_leftover(self, item: _Item, outcome: ItemOutcome) -> None:
        """Delete what a run stored that was cut off before it could record it: the same file came again meanwhile, and
        was recorded first. What has another size is not that file, and stays.
        """
        if outcome.size_bytes is None or await self._size_at(item.key) != outcome.size_bytes:
            return
        _LOG.info("message %d is a duplicate: %s goes, which a run left", item.message.message_id, item.key)
        # The file last: a preview is stored after its file, and is looked for only where that is.
        preview = preview_key(item.key)
        if preview is not None and await self._size_at(preview) is not None:
            await self._upload.ask(DropObject(key=preview), within=ASK_SECONDS)
        await self._upload.ask(DropObject(key=item.key), within=ASK_SECONDS)

    async def _size_at(self, key: str) -> int | None:
        return await self._upload.ask(FindObject(key=key), within=ASK_SECONDS)

    async def _outcome(self, item: _Item) -> ItemOutcome:
        if item.message.protected:
            return item.outcome(ItemStatus.SKIPPED, reason=SkipReason.PROTECTED_CONTENT)
        decision = route(item.media, self._rules.limits)
        if isinstance(decision, Skip):
            return item.outcome(ItemStatus.SKIPPED, reason=decision.reason)
        if (known := await self._known(item)) is not None:
            return known
        if isinstance(decision, Direct):
            try:
                return await self._archive_now(item)
            except FileTooBig:
                decision = after_refusal(item.media)
            except Permanent as error:
                _LOG.warning("message %d: %s", item.message.message_id, error)
                lost = isinstance(error, FileGone | BadRequest)
                return item.outcome(ItemStatus.FAILED, reason=SkipReason.DOWNLOAD_FAILED if lost else str(error))
        if isinstance(decision, Queue):
            queued = item.outcome(ItemStatus.QUEUED)
            return replace(queued, s3_key=item.key, job_id=str(uuid.uuid4()), size_bytes=item.media.size_bytes)
        return item.outcome(ItemStatus.SKIPPED, reason=decision.reason)

    async def _known(self, item: _Item) -> ItemOutcome | None:
        """The outcome without a download, when the archive has this very file."""
        if not self._rules.dedup:
            return None
        request = FindFile(file_unique_id=item.media.file_unique_id)
        file = await self._ledger.ask(request, within=ASK_SECONDS)
        if file is None:
            return None
        read = NOTHING
        if file.s3_key in item.earlier:  # where it stays: the album has grown since
            item = replace(item, key=file.s3_key)
        if file.s3_key == item.key:  # a run that was cut off stored it
            preview = await self._media.stored_before(item.key, item.media.kind, item.served_as, upload=self._upload)
            read = MediaRead(preview=preview)
        return _archived(item, file.s3_key, file.size_bytes, file.sha256, DedupReason.FILE_UNIQUE_ID, read)

    async def _archive_now(self, item: _Item) -> ItemOutcome:
        spooled = self._rules.spool_dir / f"{item.message.chat_id}-{item.message.message_id}.small"
        try:
            size = await self._fetch(item, spooled)
            stored = await self._upload.ask(
                StoreFile(
                    key=item.key,
                    source=FileSource(spooled, size),
                    content_type=item.served_as,
                    stored=lambda _: None,
                ),
                within=math.inf,
            )
            is_new = stored.duplicate_of is None
            place = item.key if is_new and not self._quota.full else None
            read = await self._media.read(spooled, item.media.kind, item.served_as, key=place, upload=self._upload)
        finally:
            with anyio.CancelScope(shield=True), contextlib.suppress(OSError):
                await to_thread.run_sync(lambda: spooled.unlink(missing_ok=True))
        bytes_up, objects_up = _grown(stored.size_bytes, read.preview)
        if is_new:
            self._quota.count(bytes_up, objects_up)
        first = await self._ledger.ask(
            SettleFile(
                sha256=stored.sha256,
                s3_key=stored.duplicate_of or item.key,
                size_bytes=stored.size_bytes,
                mime=item.media.mime_type,
                file_unique_id=item.media.file_unique_id,
            ),
            within=ASK_SECONDS,
        )
        if not self._rules.dedup:
            return _archived(item, item.key, stored.size_bytes, stored.sha256, DedupReason.SHA256, read)
        if first.s3_key != item.key and is_new:
            # Two copies went up side by side and the other was recorded first: nothing points to this one yet.
            for key in (item.key,) if read.preview is None else (item.key, read.preview.key):
                await self._upload.ask(DropObject(key=key), within=ASK_SECONDS)
            self._quota.count(-bytes_up, -objects_up)
        return _archived(item, first.s3_key, stored.size_bytes, stored.sha256, DedupReason.SHA256, read)

    async def _fetch(self, item: _Item, into: Path) -> int:
        """Fetch, with a few quick tries for what passes in seconds. Longer trouble is raised: the inbox repeats it."""
        failures = 0
        while True:
            try:
                size = await self._download.ask(FetchSmall(file_id=item.media.file_id, into=into), within=math.inf)
            except FloodWait as error:
                await self._patience.wait(error.seconds)
            except (TelegramUnavailable, ContentMismatch) as error:
                failures += 1
                _LOG.info("message %d, try %d: %s", item.message.message_id, failures, error)
                if failures == QUICK_TRIES:
                    await self._count_round(item, error)
                    raise
                await self._patience.wait(self._backoff.delay(failures + 1, self._rng))
            else:
                self._rounds.pop(item.key, None)
                return size

    async def _count_round(self, item: _Item, error: Exception) -> None:
        """Raises FileGone when this file has been in trouble for hours while Telegram itself was well."""
        await self._gateway.identify()  # raises when it is Telegram that is away, not this file
        self._rounds[item.key] = self._rounds.get(item.key, 0) + 1
        if self._rounds[item.key] >= ROUNDS:
            del self._rounds[item.key]
            raise FileGone(f"Telegram did not hand the file out in hours: {error}")


def _grown(size: int, preview: Preview | None) -> tuple[int, int]:
    """The bytes and objects of a file and its preview."""
    return (size, 1) if preview is None else (size + preview.size_bytes, 2)


def _archived(item: _Item, key: str, size: int, sha256: str, reason: DedupReason, read: MediaRead) -> ItemOutcome:
    """Stored where it belongs, or a duplicate of an object elsewhere."""
    stored_here = key == item.key
    return ItemOutcome(
        ordinal=item.ordinal,
        message=item.message,
        status=ItemStatus.STORED if stored_here else ItemStatus.DUPLICATE,
        s3_key=key,
        sha256=sha256,
        size_bytes=size,
        duplicate_of=None if stored_here else key,
        dedup_reason=None if stored_here else reason,
        route=Route.BOT_API if stored_here or reason is DedupReason.SHA256 else None,  # nothing was fetched
        details=read.details,
        preview_key=read.preview.key if stored_here and read.preview is not None else None,
    )
