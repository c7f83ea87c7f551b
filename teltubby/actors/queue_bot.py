"""The bot side's QueueActor: publishes the outbox with confirms, brings reports in, and answers workers' questions."""

from __future__ import annotations

import logging
import random
from typing import Any, assert_never

import anyio
from anyio.abc import ObjectReceiveStream, TaskGroup

from teltubby.actors.queue import QueueActor, schema_of
from teltubby.actors.wakeup import Wakeup
from teltubby.adapters.base import Broker, Delivery, Destination, Outgoing, Question
from teltubby.errors import BrokerUnavailable, MalformedMessage, Permanent, TopologyConflict
from teltubby.messages.jobs import Job, Priority
from teltubby.messages.ledger import LedgerMessage, MarkPublished, PendingOutbox
from teltubby.messages.questions import FirstCopyTold
from teltubby.messages.queue import DescribeQueue, JobNews, OutboxFilled, PublisherMessage
from teltubby.messages.wire import JOB_TYPE, SCHEMA, decode_event, decode_question, encode_answer, encode_job
from teltubby.supervision import Backoff, Context, Ref, SupervisionError
from teltubby.transfer.upload import FirstCopy

_LOG = logging.getLogger(__name__)

OUTBOX_BATCH = 100
OUTBOX_LOOK_SECONDS = 30.0
"""How often the outbox is looked at without being told: what a lost message would leave behind."""
EVENT_PREFETCH = 32
ASK_SECONDS = 60.0
NEWS_SECONDS = 300.0
AGAIN_SECONDS = 1.0
ANSWER_SECONDS = 5.0
"""A ledger that takes longer answers nobody: who asked has gone on by then."""


class PublishingQueueActor(QueueActor[PublisherMessage]):
    """Jobs go out at least once, in the outbox's order; a report is acknowledged after `news` handled it.

    Workers' questions are answered by `first_copy`, as far as it can.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        ledger: Ref[LedgerMessage],
        news: Ref[JobNews],
        first_copy: FirstCopy,
        backoff: Backoff,
        rng: random.Random,
    ) -> None:
        super().__init__(broker, backoff=backoff, rng=rng)
        self._ledger = ledger
        self._news = news
        self._first_copy = first_copy
        self._filled = Wakeup()

    async def handle(self, message: PublisherMessage, /) -> object:
        match message:
            case OutboxFilled():
                self._filled.ring()
                return None
            case DescribeQueue():
                return self.standing
            case _:
                assert_never(message)

    async def connected(self, context: Context[Any]) -> None:
        events = await self._broker.consume([Destination.EVENTS], prefetch=EVENT_PREFETCH)
        questions = await self._broker.questions()
        async with events, questions, anyio.create_task_group() as tasks:
            tasks.start_soon(self._publish_outbox, context)
            tasks.start_soon(self._answer_questions, questions)
            async with anyio.create_task_group() as reports:
                await self._bring_events(context, events, reports)
            tasks.cancel_scope.cancel()

    async def _publish_outbox(self, context: Context[Any]) -> None:
        while not context.stopping.is_set():
            try:
                await self._drain_outbox()
            except (BrokerUnavailable, TopologyConflict):
                raise
            except (SupervisionError, TimeoutError) as error:
                _LOG.warning("the outbox waits: %s", error)
            await self._filled.wait(at_most=OUTBOX_LOOK_SECONDS)

    async def _drain_outbox(self) -> None:
        while jobs := await self._ledger.ask(PendingOutbox(limit=OUTBOX_BATCH), within=ASK_SECONDS):
            for job in jobs:
                await self._publish(job)

    async def _publish(self, job: Job) -> None:
        urgent = job.job_metadata.priority is not Priority.NORMAL
        destination = Destination.PRIORITY if urgent else Destination.JOBS
        message = Outgoing(body=encode_job(job), type=JOB_TYPE, message_id=job.job_id, headers={"schema": SCHEMA})
        await self._broker.publish(destination, message)
        await self._ledger.ask(MarkPublished(job_id=job.job_id), within=ASK_SECONDS)
        _LOG.info("job %s is in the queue", job.job_id)

    async def _bring_events(
        self, context: Context[Any], events: ObjectReceiveStream[Delivery], reports: TaskGroup
    ) -> None:
        """Pass reports on side by side, as many as are on loan: one whose line waits for Telegram holds up no other."""
        while not context.stopping.is_set():
            delivery: Delivery | None = None
            with context.interruptible():
                try:
                    delivery = await events.receive()
                except anyio.EndOfStream:
                    raise BrokerUnavailable("the connection to the broker was lost") from None
            if delivery is not None:
                reports.start_soon(self._bring, delivery)

    async def _bring(self, delivery: Delivery) -> None:
        try:
            event = decode_event(delivery.body, type=delivery.type, schema=schema_of(delivery))
        except MalformedMessage as error:
            _LOG.error("an event goes to the dead letters: %s", error)
            await delivery.dead_letter(str(error), attempt=1)
            return
        try:
            await self._news.ask(JobNews(event=event), within=NEWS_SECONDS)
        except Permanent as error:
            _LOG.error("a report of job %s goes to the dead letters: %s", event.job_id, error)
            await delivery.dead_letter(str(error), attempt=1)
        except (SupervisionError, TimeoutError) as error:
            _LOG.warning("a report of job %s was not recorded and comes again: %s", event.job_id, error)
            await anyio.sleep(AGAIN_SECONDS)
            await delivery.requeue()
        except Exception:  # noqa: BLE001 - what crashed the actor that was asked is not this one's crash too
            _LOG.exception("a report of job %s crashed who handled it and comes again", event.job_id)
            await anyio.sleep(AGAIN_SECONDS)
            await delivery.requeue()
        else:
            await delivery.ack()

    async def _answer_questions(self, questions: ObjectReceiveStream[Question]) -> None:
        """One after the other: however many workers ask, reports never find the ledger's mailbox full of questions."""
        async for question in questions:
            await self._answer(question)
        raise BrokerUnavailable("the connection to the broker was lost")

    async def _answer(self, question: Question) -> None:
        """Without an answer the worker goes on after some seconds, so that nothing here is worth a second try."""
        try:
            asked = decode_question(question.body, type=question.type, schema=schema_of(question))
            with anyio.fail_after(ANSWER_SECONDS):
                key = await self._first_copy(asked.sha256)
                await question.answer(encode_answer(FirstCopyTold(sha256=asked.sha256, key=key)))
        except (SupervisionError, TimeoutError) as error:  # every TeltubbyError is a SupervisionError
            _LOG.warning("a worker gets no answer: %s", str(error) or "the ledger did not answer in time")
        except Exception:  # noqa: BLE001 - what crashed the actor that was asked is not this one's crash too
            _LOG.exception("a worker gets no answer: its question crashed the ledger")
