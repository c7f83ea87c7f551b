"""Who answers workers' questions in the bot's stead, and gives orders."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio

from teltubby.adapters.base import Broker, Outgoing
from teltubby.errors import BrokerUnavailable
from teltubby.messages.control import StopJob
from teltubby.messages.questions import FirstCopyTold, Turn, TurnAsked, TurnTold
from teltubby.messages.wire import SCHEMA, decode_question, encode_answer, encode_order, order_type
from tests.actors.queues import Queue


class Clerk:
    """Tells whose turn it is: that of whoever asks, unless `turns` names the job, or there is another `rule`."""

    def __init__(self, broker: Broker, rule: Callable[[TurnAsked], Turn] | None = None) -> None:
        self.turns: dict[str, Turn] = {}
        self.rule = rule or self._turn
        self.asked: list[TurnAsked] = []
        self.answers = True
        self._broker = broker

    async def work(self) -> None:
        """Answer, for ever."""
        async with await self._broker.questions() as questions:
            async for question in questions:
                asked = decode_question(question.body, question.type)
                told: TurnTold | FirstCopyTold
                if isinstance(asked, TurnAsked):
                    self.asked.append(asked)
                    told = TurnTold(job_id=asked.job_id, ticket=asked.ticket, turn=self.rule(asked))
                else:
                    told = FirstCopyTold(sha256=asked.sha256, key=None)
                if self.answers:
                    try:
                        await question.answer(encode_answer(told))
                    except BrokerUnavailable:
                        continue  # who asked has gone

    def _turn(self, asked: TurnAsked) -> Turn:
        return self.turns.get(asked.job_id, Turn.GO)

    async def order(self, job_id: str) -> None:
        """Everybody stops this job."""
        order = StopJob(job_id=job_id)
        message = Outgoing(
            body=encode_order(order), type=order_type(order), message_id=f"stop:{job_id}", headers={"schema": SCHEMA}
        )
        await self._broker.broadcast(message)

    async def cancel(self, job_id: str) -> None:
        """The job is cancelled, and everybody is told."""
        self.turns[job_id] = Turn.CANCELLED
        await self.order(job_id)


@asynccontextmanager
async def clerk_at(queue: Queue) -> AsyncIterator[Clerk]:
    """A clerk at work."""
    broker = queue.client()
    await broker.open()
    clerk = Clerk(broker)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clerk.work)
        yield clerk
        tasks.cancel_scope.cancel()
    await broker.aclose()
