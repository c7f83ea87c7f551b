"""What the bot does with a worker's report: the ledger, the artifact, the curator's line."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import assert_never

import anyio

from teltubby.actors import phrases
from teltubby.actors.announcing import Announcing
from teltubby.actors.artifacts import Artifacts
from teltubby.actors.chat import Chat
from teltubby.actors.keyboards import job_keyboard
from teltubby.actors.late_stops import LateStops
from teltubby.actors.phrases import intake as words
from teltubby.actors.phrases import ordered
from teltubby.actors.phrases.words import names_job
from teltubby.actors.quota import QuotaKeeper
from teltubby.adapters.metrics import Metrics
from teltubby.archive.channel_posts import is_channel_post
from teltubby.archive.lifecycle import as_stopped
from teltubby.archive.settlement import DuplicateItem, FailedItem, Settlement, SkippedItem, StoredItem
from teltubby.messages.jobs import (
    JobCancelled,
    JobCompleted,
    JobEvent,
    JobFailed,
    JobProgress,
    JobRetrying,
    JobStarted,
    JobState,
)
from teltubby.messages.ledger import FindContent, LedgerMessage, SettleFile
from teltubby.messages.ledger_jobs import ApplyEvent, FindJob, JobView, NoteStages, ReadHistory, SetNotice
from teltubby.messages.queue import SendOrder
from teltubby.messages.stages import Stage, Stages, known_stages
from teltubby.messages.transfer import DropObject, UploadMessage
from teltubby.supervision import Ref, SupervisionError, Tally, tracing

_LOG = logging.getLogger(__name__)

ASK_SECONDS = 20.0
STORE_SECONDS = 120.0


class News:
    """Handles reports; all of it may happen twice without harm, because a report can come twice."""

    def __init__(
        self,
        *,
        ledger: Ref[LedgerMessage],
        upload: Ref[UploadMessage],
        queue: Ref[SendOrder],
        quota: QuotaKeeper,
        artifacts: Artifacts,
        chat: Chat,
        announcing: Announcing,
        metrics: Metrics,
        location: Callable[[str], str],
        dedup: bool,
    ) -> None:
        self._ledger = ledger
        self._upload = upload
        self._late = LateStops(queue)
        self._quota = quota
        self._artifacts = artifacts
        self._chat = chat
        self._announcing = announcing
        self._metrics = metrics
        self._location = location
        self._dedup = dedup
        self._turns: dict[str, anyio.Lock] = {}
        self._uncounted: set[str] = set()
        """Jobs whose end is recorded and not counted yet: their report comes again when something failed after that."""

    async def handle(self, event: JobEvent) -> None:
        """Record the report and pass it on. Raises Transient when it has to be brought again.

        Reports of one job take turns, in the order they came; those of several jobs do not wait for each other.
        """
        turn = self._turns.setdefault(event.job_id, anyio.Lock())
        try:
            async with turn:
                with tracing(event.job_id, tally := Tally()):
                    await self._handle(event)
                    await self._note(event, known_stages(tally.seconds))
        finally:
            if not turn.locked():
                self._turns.pop(event.job_id, None)

    async def _handle(self, event: JobEvent) -> None:
        await self._announcing.over(event.job_id)
        view = await self._ledger.ask(ApplyEvent(event=event), within=ASK_SECONDS)
        if view is None:
            _LOG.warning("a report of the unknown job %s is ignored", event.job_id)
            return
        if not isinstance(event, JobProgress):
            _LOG.info("job %s (attempt %d): %s of %s", event.job_id, event.attempt, type(event).__name__, event.worker)
        for stage, seconds in view.waited.items():
            self._metrics.stage_seconds.labels(stage=stage).observe(seconds)
        if view.changed:
            self._uncounted.add(event.job_id)
        if view.void and isinstance(event, JobCompleted):
            _LOG.warning("job %s: %s, which it stored, was deleted meanwhile", event.job_id, event.key)
            if view.state is not JobState.COMPLETED:
                event = as_stopped(event)
        if view.state is JobState.CANCELLED and isinstance(event, JobRetrying | JobFailed):
            if event.attempt < view.attempt:
                return
            event = as_stopped(event)  # it had ended when its worker was told; nothing more comes of it
        match event:
            case JobStarted() | JobProgress() if view.state is JobState.CANCELLED:
                await self._late.stop(event.job_id)
            case JobStarted():
                self._show(view, JobState.PROCESSING, phrases.job_started(view.job, event.attempt))
            case JobProgress():
                self._show(view, JobState.PROCESSING, phrases.job_progress(view.job, event))
            case JobRetrying():
                if view.changed:
                    self._metrics.jobs_retried.inc()
                text = phrases.job_retrying(view.job, reason=event.reason, delay=event.delay_seconds)
                self._show(view, JobState.RETRYING, text)
            case JobFailed():
                if view.state is JobState.FAILED:
                    await self._failed(view, event)
            case JobCompleted():
                if view.state is JobState.COMPLETED:
                    await self._completed(view, event)
            case JobCancelled():
                if view.state is JobState.CANCELLED:
                    note = await self._settle(view, SkippedItem())
                    await self._conclude(view, ordered.stopped_line(view.job, event) + note)
            case _:
                assert_never(event)

    def _show(self, view: JobView, expected: JobState, text: str) -> None:
        """A passing state: late reports of a job that went on are not shown."""
        if view.state is expected and view.notice_message_id is not None:
            keyboard = job_keyboard(view.job.job_id, view.state)
            self._chat.show((view.job.chat_id, view.notice_message_id), text, keyboard=keyboard)

    async def _failed(self, view: JobView, event: JobFailed) -> None:
        note = await self._settle(view, FailedItem(reason=event.reason))
        if self._to_be_counted(view):
            self._metrics.jobs_failed.inc()
        await self._conclude(view, phrases.job_failed(view.job, reason=event.reason) + note)

    async def _completed(self, view: JobView, event: JobCompleted) -> None:
        info = view.job.file_info
        if view.void:
            first = await self._ledger.ask(FindContent(sha256=event.sha256), within=ASK_SECONDS)
            if first is None or event.key != view.job.target.key:
                return  # it was a copy of what is purged by now; or the job is done under another key
        else:
            first = await self._ledger.ask(
                SettleFile(
                    sha256=event.sha256,
                    s3_key=event.duplicate_of or event.key,
                    size_bytes=event.size_bytes,
                    mime=info.mime_type,
                    file_unique_id=info.file_unique_id,
                    job_id=event.job_id if self._dedup and event.duplicate_of is None else None,
                ),
                within=ASK_SECONDS,
            )
        settlement: Settlement
        if event.duplicate_of is None and not view.void and (first.s3_key == event.key or not self._dedup):
            settlement = StoredItem(
                s3_key=event.key,
                size_bytes=event.size_bytes,
                sha256=event.sha256,
                route=event.route,
                via=event.via,
                details=event.details,
                preview_key=None if event.preview is None else event.preview.key,
            )
            said = phrases.job_completed_late if await self._was_cancelled(view) else phrases.job_completed
            text = said(
                view.job,
                location=self._location(event.key),
                sha256=event.sha256,
                size_bytes=event.size_bytes,
                seconds=event.seconds,
            )
        else:
            settlement = DuplicateItem(
                duplicate_of=first.s3_key,
                size_bytes=event.size_bytes,
                sha256=event.sha256,
                route=event.route,
                via=event.via,
                details=event.details,
            )
            text = phrases.job_duplicate(view.job, location=self._location(first.s3_key), sha256=event.sha256)
        note = await self._settle(view, settlement)
        if isinstance(settlement, DuplicateItem) and event.duplicate_of is None and not note:
            # The artifact points to the first copy by now: only then may the second one go.
            await self._upload.ask(DropObject(key=event.key), within=STORE_SECONDS)
            if event.preview is not None:
                await self._upload.ask(DropObject(key=event.preview.key), within=STORE_SECONDS)
        if self._to_be_counted(view):
            self._metrics.jobs_completed.inc()
            self._metrics.job_seconds.observe(event.seconds)
            self._metrics.job_bytes.observe(event.size_bytes)
            if isinstance(settlement, StoredItem):
                self._metrics.ingested_bytes.inc(event.size_bytes)
                self._quota.count(event.size_bytes, 1)
                if event.preview is not None:
                    self._quota.count(event.preview.size_bytes, 1)
            else:
                self._metrics.dedup_hits.inc()
        await self._conclude(view, text + note)

    async def _was_cancelled(self, view: JobView) -> bool:
        """Whether it was the completion of a cancelled job: the curator reads why it is archived all the same."""
        history = await self._ledger.ask(ReadHistory(job_id=view.job.job_id), within=ASK_SECONDS)
        steps = () if history is None else history.transitions
        return any(step.from_state is JobState.CANCELLED and step.to_state is JobState.COMPLETED for step in steps)

    def _to_be_counted(self, view: JobView) -> bool:
        counted = view.job.job_id not in self._uncounted
        self._uncounted.discard(view.job.job_id)
        return not counted

    async def _settle(self, view: JobView, settlement: Settlement) -> str:
        """What the curator is told besides: the artifact may be damaged in the ledger."""
        with self._metrics.timed(Stage.ARTIFACT):
            is_settled = await self._artifacts.settle(view, settlement)
        return "" if is_settled else f"\n{words.RECORD_DAMAGED}"

    async def _note(self, event: JobEvent, stages: Stages) -> None:
        """Keep what the bot's part of an attempt took; that it is not known is no reason to hear the report again."""
        if not stages:
            return
        note = NoteStages(job_id=event.job_id, attempt=event.attempt, worker=event.worker, stages=stages)
        try:
            await self._ledger.ask(note, within=ASK_SECONDS)
        except (SupervisionError, TimeoutError) as error:  # every TeltubbyError is a SupervisionError
            _LOG.info("the ledger does not keep how long the end of job %s took: %s", event.job_id, error)

    async def _conclude(self, view: JobView, text: str) -> None:
        if is_channel_post(view.job):
            return  # nobody handed it in: /jobs and /queue show it to those who ask
        if view.state is not JobState.COMPLETED:  # which stays; of others, who moved it on says so
            now = await self._ledger.ask(FindJob(job_id=view.job.job_id), within=ASK_SECONDS)
            if now is None or now.state is not view.state:
                return
        with self._metrics.timed(Stage.TELL):
            if view.notice_message_id is None:
                async with self._announcing.line(view.job.job_id):
                    begun = await self._ledger.ask(FindJob(job_id=view.job.job_id), within=ASK_SECONDS)
                    await self._tell(view, text, line=None if begun is None else begun.notice_message_id)
            else:
                await self._tell(view, text, line=view.notice_message_id)

    async def _tell(self, view: JobView, text: str, *, line: int | None) -> None:
        job_id, chat_id = view.job.job_id, view.job.chat_id
        keyboard = job_keyboard(job_id, view.state)
        if line is None:  # nobody began it, or a crash came between its beginning and the record of that
            line = await self._chat.recall(chat_id, view.job.message_id, lambda told: names_job(told, job_id))
            if line is not None:
                await self._ledger.ask(SetNotice(job_id=job_id, message_id=line), within=ASK_SECONDS)
        if line is not None:
            await self._chat.conclude((chat_id, line), text, keyboard=keyboard)
            return
        sent = await self._chat.say(chat_id, text, reply_to=view.job.message_id, keyboard=keyboard)
        if sent is not None:
            await self._ledger.ask(SetNotice(job_id=job_id, message_id=sent), within=ASK_SECONDS)
