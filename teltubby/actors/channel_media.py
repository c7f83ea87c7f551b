"""Files of collected channels: the bot makes a submission and a job of each post, and says nothing in any chat."""

from __future__ import annotations

import logging
import uuid
from contextlib import suppress
from datetime import UTC, datetime

import anyio

from teltubby.actors.archiving import Bookkeeping
from teltubby.actors.artifacts import Artifacts
from teltubby.actors.in_turn import InTurn
from teltubby.actors.new_jobs import jobs_for
from teltubby.adapters.metrics import Metrics
from teltubby.archive.album import exchanged, has_file, next_ordinal
from teltubby.archive.artifact import build, dumps
from teltubby.archive.channel_posts import message_of
from teltubby.archive.keys import Layout, plan_layout
from teltubby.errors import RecordDamaged
from teltubby.messages.collector import ChannelMediaFound
from teltubby.messages.ledger import ExtendSubmission, FindFile, FindSubmission, LedgerMessage, Submission, Submit
from teltubby.messages.media import DedupReason, IncomingMessage, ItemOutcome, ItemStatus, JsonObject, Media, SkipReason
from teltubby.messages.queue import OutboxFilled, PublisherMessage
from teltubby.supervision import Ref, SupervisionError

_LOG = logging.getLogger(__name__)

ASK_SECONDS = 60.0


class ChannelMedia:
    """Takes in what collectors found, `width` at a time. A post is one submission, whenever and however often it comes;
    a file that an edit put in the place of another joins it.

    `max_bytes` is MAX_FILE_GB; `dedup`: a file that the archive has is not fetched again.
    """

    def __init__(
        self,
        books: Bookkeeping,
        *,
        ledger: Ref[LedgerMessage],
        queue: Ref[PublisherMessage],
        artifacts: Artifacts,
        metrics: Metrics,
        max_bytes: int,
        dedup: bool,
        width: int,
    ) -> None:
        self._books = books
        self._ledger = ledger
        self._queue = queue
        self._artifacts = artifacts
        self._metrics = metrics
        self._max_bytes = max_bytes
        self._dedup = dedup
        self._slots = anyio.Semaphore(width)
        self._posts = InTurn()

    async def take(self, found: ChannelMediaFound) -> None:
        """Return when the post is recorded: then the collector need not tell again.

        What belongs to a post whose artifact is damaged in the ledger is left to whoever mends that; the trail tells.
        Raises what the ledger does, and the store where a duplicate joins: it has to be brought again then. In a full
        archive the job waits in the outbox, and an artifact that the store does not take now is the reconciler's to
        store.
        """
        message = message_of(found)
        if message is None or message.media is None:
            _LOG.warning("post %d of channel %d has no file", found.post.msg_id, found.post.channel_id)
            return
        async with self._posts.at((message.chat_id, message.message_id)), self._slots:
            request = FindSubmission(chat_id=message.chat_id, message_id=message.message_id)
            known = await self._ledger.ask(request, within=ASK_SECONDS)
            try:
                if known is None:
                    known = await self._record(message, message.media, found.user_id)
                elif not await self._artifacts.read(known, lambda artifact: has_file(artifact, message)):
                    known = await self._exchange(known, message, message.media, found.user_id)
            except RecordDamaged as error:
                _LOG.error("post %d of channel %d is not looked at: %s", message.message_id, message.chat_id, error)
                return
            try:
                await self._artifacts.store(known.chat_id, known.message_id)
            except (SupervisionError, TimeoutError) as error:  # every TeltubbyError is a SupervisionError
                _LOG.warning("the artifact of %s is stored later: %s", known.base_path, error)
        if known.jobs:
            with suppress(SupervisionError):  # whoever publishes looks at the outbox from time to time anyway
                self._queue.tell(OutboxFilled())

    async def _record(self, message: IncomingMessage, media: Media, user_id: int) -> Submission:
        layout = plan_layout([message])  # after the channel, which is the origin, whatever KEY_CHAT_SLUG says
        outcome = await self._outcome(message, media, layout)
        artifact = build(
            [message],
            [outcome],
            bucket=self._books.bucket,
            base_path=layout.base_path,
            archived_at=datetime.now(UTC),
            bot_api_max_file_size_bytes=self._books.bot_api_max_file_size_bytes,
        )
        jobs = await jobs_for([outcome], ledger=self._ledger, max_retries=self._books.max_retries, user_id=user_id)
        submit = Submit(
            chat_id=message.chat_id,
            message_id=message.message_id,
            media_group_id=message.media_group_id,
            base_path=layout.base_path,
            artifact_json=dumps(artifact).decode(),
            jobs=jobs,
            member_message_ids=(message.message_id,),
        )
        known = await self._ledger.ask(submit, within=ASK_SECONDS)
        self._count(outcome)
        return known

    async def _exchange(self, known: Submission, message: IncomingMessage, media: Media, user_id: int) -> Submission:
        ordinal = await self._artifacts.read(known, next_ordinal)
        layout = plan_layout([message], base_path=known.base_path, first_ordinal=ordinal)
        outcome = await self._outcome(message, media, layout)
        jobs = await jobs_for([outcome], ledger=self._ledger, max_retries=self._books.max_retries, user_id=user_id)

        def extension(artifact: JsonObject) -> ExtendSubmission:
            return ExtendSubmission(
                chat_id=known.chat_id,
                message_id=known.message_id,
                artifact_json=dumps(exchanged(artifact, outcome)).decode(),
                jobs=jobs,
                member_message_ids=(message.message_id,),
            )

        if jobs:
            extended = await self._artifacts.extend(extension, known)
        else:
            extended = known
            await self._artifacts.change(known.chat_id, known.message_id, lambda newest: exchanged(newest, outcome))
        self._count(outcome)
        return extended

    async def _outcome(self, message: IncomingMessage, media: Media, layout: Layout) -> ItemOutcome:
        """Queued, known already, or not to be archived."""
        if message.protected:
            return _skipped(message, SkipReason.PROTECTED_CONTENT, layout)
        if media.size_bytes is not None and media.size_bytes > self._max_bytes:
            return _skipped(message, SkipReason.EXCEEDS_CFG_LIMIT, layout)
        request = FindFile(file_unique_id=media.file_unique_id)
        file = await self._ledger.ask(request, within=ASK_SECONDS) if self._dedup else None
        if file is not None:
            return ItemOutcome(
                ordinal=layout.first_ordinal,
                message=message,
                status=ItemStatus.DUPLICATE,
                s3_key=file.s3_key,
                sha256=file.sha256,
                size_bytes=file.size_bytes,
                duplicate_of=file.s3_key,
                dedup_reason=DedupReason.FILE_UNIQUE_ID,
            )
        return ItemOutcome(
            ordinal=layout.first_ordinal,
            message=message,
            status=ItemStatus.QUEUED,
            s3_key=layout.keys[0],
            size_bytes=media.size_bytes,
            job_id=str(uuid.uuid4()),
        )

    def _count(self, outcome: ItemOutcome) -> None:
        self._metrics.ingested_messages.inc()
        match outcome.status:
            case ItemStatus.QUEUED:
                self._metrics.jobs_created.inc()
            case ItemStatus.DUPLICATE:
                self._metrics.dedup_hits.inc()
            case _:
                self._metrics.skipped_items.inc()


def _skipped(message: IncomingMessage, reason: SkipReason, layout: Layout) -> ItemOutcome:
    return ItemOutcome(ordinal=layout.first_ordinal, message=message, status=ItemStatus.SKIPPED, reason=reason)
