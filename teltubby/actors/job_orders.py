"""What curators order of jobs: the ledger does it, then the queue, the artifact and the job's own line follow."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass

import anyio

from teltubby.actors.announcing import Announcing
from teltubby.actors.artifacts import Artifacts
from teltubby.actors.chat import Chat
from teltubby.actors.keyboards import job_keyboard
from teltubby.actors.phrases import ordered
from teltubby.adapters.metrics import Metrics
from teltubby.archive.settlement import OPEN, QueuedItem, SkippedItem
from teltubby.messages.control import StopJob
from teltubby.messages.jobs import JobCommand, JobState, Priority
from teltubby.messages.ledger import LedgerMessage
from teltubby.messages.ledger_jobs import CommandAnswer, CommandJob, FindJob, JobView
from teltubby.messages.media import ItemStatus
from teltubby.messages.queue import OutboxFilled, PublisherMessage, SendOrder
from teltubby.supervision import Ref, SupervisionError

_LOG = logging.getLogger(__name__)

ASK_SECONDS = 20.0
ORDER_SECONDS = 10.0
LINE_SECONDS = 45.0
"""The answer to an order waits so long for the job's line, which Telegram may keep from being edited for hours. It is
less than what Chat.conclude waits, whose end would look like a stop.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderAnswer:
    """What came of an order, in `words` without markup that continue "job 1234abcd …".

    `view` is None when no job, or more than one, has that id; `accepted` is False when its state did not allow it.
    """

    view: JobView | None
    accepted: bool
    words: str


class JobOrders:
    """Does what a curator orders. The ledger's command comes first and is durable; everything after it may be repeated.

    So an order that a crash cut off, or that was refused half-way (Transient, TimeoutError), is simply given again: it
    is answered as done before, and what was missing is made up for.
    """

    def __init__(
        self,
        *,
        ledger: Ref[LedgerMessage],
        queue: Ref[PublisherMessage],
        artifacts: Artifacts,
        chat: Chat,
        announcing: Announcing,
        metrics: Metrics,
    ) -> None:
        self._ledger = ledger
        self._queue = queue
        self._artifacts = artifacts
        self._chat = chat
        self._announcing = announcing
        self._metrics = metrics

    async def cancel(self, job_id: str, user_id: int) -> OrderAnswer:
        """Take a job out of the queue, or stop it where it runs."""
        answer = await self._command(CommandJob(job_id=job_id, command=JobCommand.CANCEL, user_id=user_id))
        view = answer.view
        if view is not None and view.state is JobState.CANCELLED:
            if answer.accepted:
                self._metrics.jobs_cancelled.inc()
            runs = view.previous is JobState.PROCESSING
            if runs:  # before its worker is told: what that says when it has stopped is the last word
                await self._tell(view, ordered.cancelled_line(answer), passing=True)
            if runs or not answer.accepted:
                await self._stop(view.job.job_id)
            await self._artifacts.settle(view, SkippedItem())
            if not runs:
                await self._tell(view, ordered.cancelled_line(answer))
        return OrderAnswer(view=view, accepted=answer.accepted, words=ordered.cancelled(answer))

    async def retry(self, job_id: str, user_id: int) -> OrderAnswer:
        """Put a job that failed, or was cancelled, into the queue again."""
        answer = await self._command(CommandJob(job_id=job_id, command=JobCommand.RETRY, user_id=user_id))
        view = answer.view
        if view is not None and view.state in OPEN:
            self._publish()
            if answer.accepted:
                self._metrics.jobs_retried.inc()
            missing = await self._artifacts.status(view) is not ItemStatus.QUEUED
            await self._artifacts.settle(view, QueuedItem(s3_key=view.job.target.key))
            if answer.accepted or missing:
                await self._tell(view, ordered.requeued_line(view.job))
        return OrderAnswer(view=view, accepted=answer.accepted, words=ordered.retried(answer))

    async def prioritise(self, job_id: str, priority: Priority, user_id: int) -> OrderAnswer:
        """Let a job that waits be taken sooner, or later."""
        command = CommandJob(job_id=job_id, command=JobCommand.PRIORITISE, user_id=user_id, priority=priority)
        answer = await self._command(command)
        if answer.view is not None and answer.accepted:
            self._publish()
            await self._tell(answer.view, ordered.prioritised_line(answer.view.job))
        return OrderAnswer(view=answer.view, accepted=answer.accepted, words=ordered.prioritised(answer, priority))

    async def _command(self, command: CommandJob) -> CommandAnswer:
        answer = await self._ledger.ask(command, within=ASK_SECONDS)
        known = command.job_id if answer.view is None else answer.view.job.job_id
        done = "done" if answer.accepted else "refused"
        _LOG.info("user %s orders job %s: %s, %s", command.user_id, known, command.command, done)
        return answer

    def _publish(self) -> None:
        """Wake who publishes; it looks at the outbox from time to time anyway."""
        with suppress(SupervisionError):
            self._queue.tell(OutboxFilled())

    async def _stop(self, job_id: str) -> None:
        """Have the worker stop; when it cannot be told now, its next report has it told again."""
        try:
            await self._queue.ask(SendOrder(order=StopJob(job_id=job_id)), within=ORDER_SECONDS)
        except (SupervisionError, TimeoutError) as error:
            _LOG.warning("the workers could not be told yet to stop job %s: %s", job_id, error)

    async def _tell(self, view: JobView, text: str, *, passing: bool = False) -> None:
        """Bring the job's line up to date, unless the job went on meanwhile: then who moved it says so.

        A `passing` word is not waited for: the worker's report brings the last one. Any other is wished for until it
        stands there. Raises NotAnswered at a stop: then the order is to be given again.
        """
        await self._announcing.over(view.job.job_id)
        now = await self._ledger.ask(FindJob(job_id=view.job.job_id), within=ASK_SECONDS)
        if now is not None and now.state is view.state and now.notice_message_id is not None:
            line, keyboard = (now.job.chat_id, now.notice_message_id), job_keyboard(now.job.job_id, now.state)
            if passing:
                self._chat.show(line, text, keyboard=keyboard)
            else:
                with anyio.move_on_after(LINE_SECONDS):
                    await self._chat.conclude(line, text, keyboard=keyboard)
