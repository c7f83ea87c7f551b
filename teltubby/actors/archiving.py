"""What happens to one submission, a message or an album: its files, the record, the artifact, the acknowledgement."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import anyio

from teltubby.actors.acknowledging import Acknowledging
from teltubby.actors.announcing import Announcing
from teltubby.actors.artifacts import Artifacts
from teltubby.actors.chat import Chat
from teltubby.actors.in_turn import InTurn
from teltubby.actors.items import Items
from teltubby.actors.new_jobs import jobs_for
from teltubby.actors.phrases import intake as words
from teltubby.actors.quota import ArchiveFull, QuotaKeeper
from teltubby.adapters.metrics import Metrics
from teltubby.archive.album import joined, next_ordinal
from teltubby.archive.artifact import build, dumps
from teltubby.archive.keys import Layout, plan_layout
from teltubby.archive.origins import ChatSlugFrom
from teltubby.errors import RecordDamaged
from teltubby.messages.jobs import Job
from teltubby.messages.ledger import ExtendSubmission, FindAlbum, FindSubmission, LedgerMessage, Submission, Submit
from teltubby.messages.media import IncomingMessage, ItemOutcome, ItemStatus, JsonObject
from teltubby.supervision import Ref, tracing

_LOG = logging.getLogger(__name__)

ASK_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookkeeping:
    """What artifacts and jobs say beside the files themselves; `location` shows a person where a key lies."""

    bucket: str
    location: Callable[[str], str]
    chat_slug_from: ChatSlugFrom
    bot_api_max_file_size_bytes: int
    max_retries: int


class Archiving:
    """Archives submissions, `width` at a time. Repeating one after a crash does what is not done, and nothing else."""

    def __init__(
        self,
        books: Bookkeeping,
        *,
        items: Items,
        ledger: Ref[LedgerMessage],
        artifacts: Artifacts,
        quota: QuotaKeeper,
        chat: Chat,
        announcing: Announcing,
        metrics: Metrics,
        width: int,
        obstacle: Callable[[], str | None],
    ) -> None:
        self._slots = anyio.Semaphore(width)
        self._books = books
        self._items = items
        self._ledger = ledger
        self._artifacts = artifacts
        self._quota = quota
        self._acknowledging = Acknowledging(
            ledger=ledger,
            artifacts=artifacts,
            chat=chat,
            announcing=announcing,
            location=books.location,
            obstacle=obstacle,
        )
        self._chat = chat
        self._announcing = announcing
        self._metrics = metrics
        self._albums = InTurn()

    async def archive(self, messages: Sequence[IncomingMessage], *, publish: Callable[[], None]) -> None:
        """Archive the files of `messages` (by message id, each with media); `publish` tells that there are jobs.

        Raises ArchiveFull when there is no room for what is new, and Transient when the store, the database or Telegram
        cannot be reached: repeat the submission then.
        """
        began, first, homeless = anyio.current_time(), messages[0], False
        album = first.message_id if first.media_group_id is None else first.media_group_id
        with ExitStack() as announcing:
            # Turn and slot for the work only: what waits for the curator's chat must not hold up the others.
            async with self._albums.at((first.chat_id, album)), self._slots:
                recorded, new = await self._sort(messages)
                for known, _ in recorded:  # before a crash
                    announcing.enter_context(self._announcing.of(known.jobs))
                    await self._store(known)
                paused = bool(new) and self._quota.full
                if new and not paused:
                    async with self._chat.typing(first.chat_id):
                        try:
                            recorded.append((await self._record(new, announcing), new))
                        except RecordDamaged:
                            homeless = True
            if any(known.jobs for known, _ in recorded):
                publish()  # before the curator's chat, which Telegram may hold up for hours; news of them wait for it
            for known, belonging in recorded:
                await self._acknowledging.acknowledge(known, belonging)
        if homeless:
            await self._chat.say(first.chat_id, words.ITEM_OF_DAMAGED, reply_to=new[0].message_id)
            return
        if paused:
            raise ArchiveFull("the archive is full: what arrives waits in the inbox")
        if new:
            self._metrics.processing_seconds.observe(anyio.current_time() - began)

    async def _sort(
        self, messages: Sequence[IncomingMessage]
    ) -> tuple[list[tuple[Submission, list[IncomingMessage]]], list[IncomingMessage]]:
        """What is recorded already, by submission, and what is not."""
        found: dict[int, tuple[Submission, list[IncomingMessage]]] = {}
        new: list[IncomingMessage] = []
        for message in messages:
            request = FindSubmission(chat_id=message.chat_id, message_id=message.message_id)
            known = await self._ledger.ask(request, within=ASK_SECONDS)
            belonging = new if known is None else found.setdefault(known.message_id, (known, []))[1]
            belonging.append(message)
        return list(found.values()), new

    async def _record(self, messages: Sequence[IncomingMessage], announcing: ExitStack) -> Submission:
        """Archive what is small, and record all of it. Raises RecordDamaged where the album is that it should join."""
        first = messages[0]
        album = None
        if first.media_group_id is not None:
            request = FindAlbum(chat_id=first.chat_id, media_group_id=first.media_group_id)
            album = await self._ledger.ask(request, within=ASK_SECONDS)
        layout = plan_layout(
            messages,
            chat_slug_from=self._books.chat_slug_from,
            base_path=None if album is None else album.base_path,
            first_ordinal=1 if album is None else await self._artifacts.read(album, _next_ordinal),
        )
        earlier = await self._items.earlier(layout)
        outcomes = await self._items.archive(messages, layout)
        doubtful = _unnamed(layout, outcomes, earlier)
        jobs = await jobs_for(outcomes, ledger=self._ledger, max_retries=self._books.max_retries)
        announcing.enter_context(self._announcing.of(job.job_id for job in jobs))
        if album is None:
            known = await self._submit(messages, layout, outcomes, jobs, doubtful)
        else:
            known = await self._extend(album, messages, outcomes, jobs, doubtful)
        for job in jobs:
            with tracing(job.job_id):
                _LOG.info(
                    "job %s is handed in by user %d with message %d, submission %d of chat %d",
                    *(job.job_id, job.user_id, job.message_id, known.message_id, known.chat_id),
                )
        self._count(outcomes)
        await self._store(known)
        return known

    async def _store(self, known: Submission) -> None:
        with suppress(RecordDamaged):  # the trail has it, and whoever looks through the artifacts tries again
            await self._artifacts.store(known.chat_id, known.message_id)

    async def _submit(
        self,
        messages: Sequence[IncomingMessage],
        layout: Layout,
        outcomes: Sequence[ItemOutcome],
        jobs: tuple[Job, ...],
        doubtful: _Unnamed,
    ) -> Submission:
        first = messages[0]
        artifact = build(
            messages,
            outcomes,
            bucket=self._books.bucket,
            base_path=layout.base_path,
            archived_at=datetime.now(UTC),
            bot_api_max_file_size_bytes=self._books.bot_api_max_file_size_bytes,
        )
        return await self._ledger.ask(
            Submit(
                chat_id=first.chat_id,
                message_id=first.message_id,
                media_group_id=first.media_group_id,
                base_path=layout.base_path,
                artifact_json=dumps(artifact).decode(),
                jobs=jobs,
                member_message_ids=tuple(message.message_id for message in messages),
                doubtful=doubtful.elsewhere,
                left_out=doubtful.left_out,
            ),
            within=ASK_SECONDS,
        )

    async def _extend(
        self,
        album: Submission,
        messages: Sequence[IncomingMessage],
        outcomes: Sequence[ItemOutcome],
        jobs: tuple[Job, ...],
        doubtful: _Unnamed,
    ) -> Submission:
        def extension(artifact: JsonObject) -> ExtendSubmission:
            return ExtendSubmission(
                chat_id=album.chat_id,
                message_id=album.message_id,
                artifact_json=dumps(joined(artifact, messages, outcomes)).decode(),
                jobs=jobs,
                member_message_ids=tuple(message.message_id for message in messages),
                doubtful=doubtful.elsewhere,
                left_out=doubtful.left_out,
            )

        return await self._artifacts.extend(extension, album)

    def _count(self, outcomes: Sequence[ItemOutcome]) -> None:
        self._metrics.ingested_messages.inc()
        for outcome in outcomes:
            match outcome.status:
                case ItemStatus.STORED:
                    self._metrics.ingested_bytes.inc(outcome.size_bytes or 0)
                case ItemStatus.DUPLICATE:
                    self._metrics.dedup_hits.inc()
                case ItemStatus.QUEUED:
                    self._metrics.jobs_created.inc()
                case ItemStatus.SKIPPED | ItemStatus.FAILED:
                    self._metrics.skipped_items.inc()


def _next_ordinal(album: JsonObject) -> int:
    """Of the first that joins. Raises what `joined` does, too: before anything is archived."""
    joined(album, (), ())
    return next_ordinal(album)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unnamed:
    """Keys of files that are archived elsewhere, and of those that are not archived."""

    elsewhere: tuple[str, ...]
    left_out: tuple[str, ...]


def _unnamed(layout: Layout, outcomes: Sequence[ItemOutcome], earlier: Sequence[Sequence[str]]) -> _Unnamed:
    """Where nobody names what a run may have stored that was cut off."""
    elsewhere: list[str] = []
    left_out: list[str] = []
    for key, others, outcome in zip(layout.keys, earlier, outcomes, strict=True):
        match outcome.status:
            case ItemStatus.STORED:
                elsewhere += [other for other in others if other != outcome.s3_key]
            case ItemStatus.DUPLICATE:
                elsewhere += (key, *others)
            case ItemStatus.QUEUED:
                left_out += others
            case ItemStatus.SKIPPED | ItemStatus.FAILED:
                left_out += (key, *others)
    return _Unnamed(elsewhere=tuple(elsewhere), left_out=tuple(left_out))
