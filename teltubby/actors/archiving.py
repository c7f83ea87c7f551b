"""What happens to one submission, a message or an album: its files, the record, the artifact, the acknowledgement."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

import anyio

from teltubby.actors import phrases
from teltubby.actors.announcing import Announcing
from teltubby.actors.artifacts import Artifacts
from teltubby.actors.chat import Chat
from teltubby.actors.items import Items
from teltubby.adapters.metrics import Metrics
from teltubby.archive.artifact import build, dumps
from teltubby.archive.keys import Layout, plan_layout
from teltubby.archive.origins import ChatSlugFrom
from teltubby.archive.recall import recall
from teltubby.messages.jobs import FileInfo, Job, JobMetadata, Target, TelegramContext
from teltubby.messages.ledger import (
    Acknowledged,
    FindJob,
    FindSubmission,
    LedgerMessage,
    SetNotice,
    Submission,
    Submit,
)
from teltubby.messages.media import IncomingMessage, ItemOutcome, ItemStatus
from teltubby.supervision import Ref

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
        chat: Chat,
        announcing: Announcing,
        metrics: Metrics,
        width: int,
    ) -> None:
        self._slots = anyio.Semaphore(width)
        self._books = books
        self._items = items
        self._ledger = ledger
        self._artifacts = artifacts
        self._chat = chat
        self._announcing = announcing
        self._metrics = metrics

    async def archive(self, messages: Sequence[IncomingMessage]) -> bool:
        """Archive the files of `messages` (by message id, each with media); answers whether there are jobs to publish.

        Raises Transient when the store, the database or Telegram cannot be reached: repeat the submission then.
        """
        known: dict[int, Submission] = {}
        members: dict[int | None, list[IncomingMessage]] = {}
        for message in messages:
            request = FindSubmission(chat_id=message.chat_id, message_id=message.message_id)
            submission = await self._ledger.ask(request, within=ASK_SECONDS)
            owner = None if submission is None else submission.message_id
            members.setdefault(owner, []).append(message)
            if submission is not None:
                known[submission.message_id] = submission
        jobs = False
        for owner, belonging in members.items():
            jobs |= await self._archive(belonging, None if owner is None else known[owner])
        return jobs

    async def _archive(self, messages: Sequence[IncomingMessage], known: Submission | None) -> bool:
        """One submission: a new one, or one that was recorded before a crash and is carried on."""
        began = anyio.current_time()
        layout = plan_layout(messages, chat_slug_from=self._books.chat_slug_from)
        with ExitStack() as announcing:
            async with self._slots:  # for the work only: what waits for the curator's chat must not hold up the others
                if known is None:
                    outcomes = await self._items.archive(messages, layout)
                    jobs = tuple(self._job(outcome) for outcome in outcomes if outcome.status is ItemStatus.QUEUED)
                    announcing.enter_context(self._announcing.of(job.job_id for job in jobs))
                    known = await self._submit(messages, layout, outcomes, jobs)
                    self._count(outcomes)
                else:
                    announcing.enter_context(self._announcing.of(known.jobs))
                await self._artifacts.store(known.chat_id, known.message_id)
            await self._acknowledge(known, messages)
        self._metrics.processing_seconds.observe(anyio.current_time() - began)
        return bool(known.jobs)

    async def _submit(
        self,
        messages: Sequence[IncomingMessage],
        layout: Layout,
        outcomes: Sequence[ItemOutcome],
        jobs: tuple[Job, ...],
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
            ),
            within=ASK_SECONDS,
        )

    async def _acknowledge(self, known: Submission, messages: Sequence[IncomingMessage]) -> None:
        """Tell the curator once: one answer for what is settled, and for each job the line that grows with it."""
        first = messages[0]
        outcomes = recall(known.artifact_json, messages)
        acknowledged = known.ack_message_id is not None
        if not acknowledged and (not known.jobs or any(outcome.job_id is None for outcome in outcomes)):
            text = phrases.acknowledgement(outcomes, location=self._books.location(known.base_path))
            line = await self._chat.say(first.chat_id, text, reply_to=first.message_id)
            acknowledged = await self._record_acknowledgement(known, line)
        for outcome in outcomes:
            if outcome.job_id is not None:
                line = await self._announce(outcome.job_id, outcome.message)
                acknowledged = acknowledged or await self._record_acknowledgement(known, line)

    async def _record_acknowledgement(self, known: Submission, line: int | None) -> bool:
        """At once, before anything else is said: what a crash cuts off here is said again."""
        if line is None:
            return False
        request = Acknowledged(chat_id=known.chat_id, message_id=known.message_id, ack_message_id=line)
        await self._ledger.ask(request, within=ASK_SECONDS)
        return True

    async def _announce(self, job_id: str, message: IncomingMessage) -> int | None:
        view = await self._ledger.ask(FindJob(job_id=job_id), within=ASK_SECONDS)
        if view is None or view.notice_message_id is not None:
            return None if view is None else view.notice_message_id
        line = await self._chat.say(message.chat_id, phrases.job_queued(view.job), reply_to=message.message_id)
        if line is not None:
            await self._ledger.ask(SetNotice(job_id=job_id, message_id=line), within=ASK_SECONDS)
        return line

    def _job(self, outcome: ItemOutcome) -> Job:
        message, media = outcome.message, outcome.message.media
        if media is None or outcome.s3_key is None:
            raise ValueError("a queued item has a file and a place for it")
        return Job(
            job_id=outcome.job_id or str(uuid.uuid4()),
            user_id=message.sender_id or message.chat_id,
            chat_id=message.chat_id,
            message_id=message.message_id,
            file_info=FileInfo(
                file_id=media.file_id,
                file_unique_id=media.file_unique_id,
                file_size=media.size_bytes,
                file_type=media.kind,
                file_name=media.file_name,
                mime_type=media.mime_type,
            ),
            telegram_context=TelegramContext(
                forward_origin=message.forward_origin,
                caption=message.caption,
                entities=message.caption_entities,
                media_group_id=message.media_group_id,
            ),
            job_metadata=JobMetadata(created_at=datetime.now(UTC), max_retries=self._books.max_retries),
            target=Target(key=outcome.s3_key),
        )

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
