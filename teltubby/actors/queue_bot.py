"""The bot side's QueueActor: publishes the outbox with confirms, brings reports in, answers and orders workers."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, assert_never

import anyio
from anyio.abc import ObjectReceiveStream, TaskGroup

from teltubby.actors.letters import order_letter, schema_of
from teltubby.actors.outbox import Outbox, never
from teltubby.actors.queue import QueueActor
from teltubby.actors.signs_of_life import SignsOfLife
from teltubby.actors.troubles import Troubles
from teltubby.actors.turn_desk import TurnDesk
from teltubby.actors.wakeup import Wakeup
from teltubby.adapters.base import Broker, Delivery, Destination, Question
from teltubby.errors import BrokerUnavailable, MalformedMessage, Permanent, TopologyConflict
from teltubby.messages.ledger import LedgerMessage
from teltubby.messages.queue import (
    BotMessage,
    CollectorNews,
    CountQueues,
    DescribeQueue,
    JobNews,
    OutboxFilled,
    PublisherMessage,
    SendOrder,
    WorkerNews,
)
from teltubby.messages.relay import RelayMessage
from teltubby.messages.wire import (
    RELAY_TYPE,
    decode_collector_report,
    decode_event,
    decode_worker_report,
    is_collector_report,
    is_worker_report,
)
from teltubby.supervision import Backoff, Context, Ref, SupervisionError
from teltubby.transfer.upload import FirstCopy

_LOG = logging.getLogger(__name__)

OUTBOX_LOOK_SECONDS = 30.0
"""How often the outbox is looked at without being told: what a lost message would leave behind."""
EVENT_PREFETCH = 32
NEWS_SECONDS = 300.0
AGAIN_SECONDS = 1.0
BROKER_SECONDS = 5.0
"""What the mail asks of the broker holds up the mail behind it no longer."""


class PublishingQueueActor(QueueActor[PublisherMessage]):
    """Jobs go out at least once, in the outbox's order; a report is acknowledged after `news` handled it.

    Workers' questions are answered from the ledger and from `first_copy`, as far as it goes. `signs` hears every
    report before anybody else does. While the archive is `full`, files of channels are not published.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        ledger: Ref[LedgerMessage],
        news: Ref[BotMessage],
        relay: Ref[RelayMessage],
        first_copy: FirstCopy,
        signs: SignsOfLife,
        backoff: Backoff,
        rng: random.Random,
        troubles: Troubles | None = None,
        full: Callable[[], bool] = never,
    ) -> None:
        super().__init__(broker, backoff=backoff, rng=rng, troubles=troubles)
        self._outbox = Outbox(broker, ledger=ledger, full=full)
        self._turns = TurnDesk(broker, ledger=ledger, relay=relay, first_copy=first_copy, signs=signs, full=full)
        self._news = news
        self._signs = signs
        self._filled = Wakeup()

    async def handle(self, message: PublisherMessage, /) -> object:
        match message:
            case OutboxFilled():
                self._filled.ring()
                return None
            case DescribeQueue():
                return self.standing
            case CountQueues():
                with _in_time():
                    depths = await self._broker.depths()
                return {str(destination): count for destination, count in depths.items()}
            case SendOrder():
                with _in_time():
                    await self._broker.broadcast(order_letter(message.order))
                return None
            case _:
                assert_never(message)

    async def connected(self, context: Context[Any]) -> None:
        events = await self._broker.consume([Destination.EVENTS], prefetch=EVENT_PREFETCH)
        questions = await self._broker.questions()
        self._signs.listen()
        try:
            async with events, questions, anyio.create_task_group() as tasks:
                tasks.start_soon(self._publish_outbox, context)
                tasks.start_soon(self._answer_questions, questions)
                async with anyio.create_task_group() as reports:
                    await self._bring_events(context, events, reports)
                tasks.cancel_scope.cancel()
        finally:
            self._signs.deaf()

    async def _publish_outbox(self, context: Context[Any]) -> None:
        while not context.stopping.is_set():
            try:
                await self._outbox.drain()
            except (BrokerUnavailable, TopologyConflict):
                raise
            except (SupervisionError, TimeoutError) as error:
                _LOG.warning("the outbox waits: %s", error)
            await self._filled.wait(at_most=OUTBOX_LOOK_SECONDS)

    async def _bring_events(
        self, context: Context[Any], events: ObjectReceiveStream[Delivery], reports: TaskGroup
    ) -> None:
        """Pass reports on side by side, as many as are on loan: one whose line waits for Telegram holds up no other.

        Those that workers give of themselves go one after the other, by their kind: what they say replaces what they
        said before.
        """
        last: dict[str, anyio.Event] = {}
        while not context.stopping.is_set():
            delivery: Delivery | None = None
            with context.interruptible():
                try:
                    delivery = await events.receive()
                except anyio.EndOfStream:
                    raise BrokerUnavailable("the connection to the broker was lost") from None
            if delivery is not None:
                before, over = last.get(delivery.type), anyio.Event()
                if is_worker_report(delivery.type):
                    last[delivery.type] = over
                reports.start_soon(self._bring_in_turn, delivery, before, over)

    async def _bring_in_turn(self, delivery: Delivery, before: anyio.Event | None, over: anyio.Event) -> None:
        if before is not None:
            await before.wait()
        try:
            await self._bring(delivery)
        finally:
            over.set()

    async def _bring(self, delivery: Delivery) -> None:
        try:
            news, subject = self._news_of(delivery)
        except MalformedMessage as error:
            _LOG.error("an event goes to the dead letters: %s", error)
            await delivery.dead_letter(str(error), attempt=1)
            return
        try:
            await self._news.ask(news, within=NEWS_SECONDS)
        except Permanent as error:
            _LOG.error("a report of %s goes to the dead letters: %s", subject, error)
            await delivery.dead_letter(str(error), attempt=1)
        except (SupervisionError, TimeoutError) as error:
            _LOG.warning("a report of %s was not recorded and comes again: %s", subject, error)
            await anyio.sleep(AGAIN_SECONDS)
            await delivery.requeue()
        except Exception:  # noqa: BLE001 - what crashed the actor that was asked is not this one's crash too
            _LOG.exception("a report of %s crashed who handled it and comes again", subject)
            await anyio.sleep(AGAIN_SECONDS)
            await delivery.requeue()
        else:
            await delivery.ack()

    def _news_of(self, delivery: Delivery) -> tuple[BotMessage, str]:
        """What it brings, and whom it is about. Raises MalformedMessage."""
        if is_worker_report(delivery.type):
            report = decode_worker_report(delivery.body, type=delivery.type, schema=schema_of(delivery))
            return WorkerNews(report=report), f"worker {report.worker}"
        if is_collector_report(delivery.type):
            told = decode_collector_report(delivery.body, type=delivery.type, schema=schema_of(delivery))
            return CollectorNews(report=told), f"the collector of {told.worker}"
        event = decode_event(delivery.body, type=delivery.type, schema=schema_of(delivery))
        self._signs.hear(event)
        return JobNews(event=event), f"job {event.job_id}"

    async def _answer_questions(self, questions: ObjectReceiveStream[Question]) -> None:
        """One after the other: however many workers ask, reports never find the ledger's mailbox full of questions.

        Those about the relay wait for Telegram, and hold up no other.
        """
        async with anyio.create_task_group() as about_relay:
            async for question in questions:
                if question.type == RELAY_TYPE:
                    about_relay.start_soon(self._turns.answer, question)
                else:
                    await self._turns.answer(question)
            about_relay.cancel_scope.cancel()
        raise BrokerUnavailable("the connection to the broker was lost")


@contextmanager
def _in_time() -> Iterator[None]:
    """Raises BrokerUnavailable when the block takes too long."""
    try:
        with anyio.fail_after(BROKER_SECONDS):
            yield
    except TimeoutError:
        raise BrokerUnavailable("the broker did not answer in time") from None
