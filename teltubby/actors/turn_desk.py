"""Answers to what workers ask across the broker: whose turn it is, which object holds some bytes, where a copy is, and
whether the archive has room.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import assert_never

import anyio

from teltubby.actors.letters import report_of, schema_of
from teltubby.actors.signs_of_life import LIVE_SECONDS, SignsOfLife
from teltubby.adapters.base import Broker, Destination, Question
from teltubby.archive.turns import lost_runs, turn_of
from teltubby.messages.jobs import JobCancelled, JobEvent, JobFailed
from teltubby.messages.ledger import LedgerMessage
from teltubby.messages.ledger_jobs import FindJob, ReadHistory
from teltubby.messages.questions import (
    AnswerTold,
    FirstCopyAsked,
    FirstCopyTold,
    QuestionAsked,
    RelayAsked,
    RoomAsked,
    RoomTold,
    Turn,
    TurnAsked,
    TurnTold,
)
from teltubby.messages.relay import CopyForJob, RelayMessage
from teltubby.messages.wire import decode_question, encode_answer
from teltubby.supervision import Ref, SupervisionError, tracing
from teltubby.transfer.upload import FirstCopy

_LOG = logging.getLogger(__name__)

ANSWER_SECONDS = 5.0
"""A ledger that takes longer answers nobody: who asked has gone on by then."""
RELAY_SECONDS = 25.0
"""A copy takes one request to Telegram, behind those for other jobs; who asked waits no longer."""
MOST_LOST_RUNS = 30
"""A job whose worker ended without a word so often ends its workers: it is given up, or it would do so for ever."""


class TurnDesk:
    """Answers from the ledger and from the signs of life, as far as it can; nothing here is worth a second try.

    `full` says whether the archive has reached its quota.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        ledger: Ref[LedgerMessage],
        relay: Ref[RelayMessage],
        first_copy: FirstCopy,
        signs: SignsOfLife,
        full: Callable[[], bool],
    ) -> None:
        self._broker = broker
        self._ledger = ledger
        self._relay = relay
        self._first_copy = first_copy
        self._signs = signs
        self._full = full

    async def answer(self, question: Question) -> None:
        """Tell the asker. Without an answer it goes on after some seconds, as when no bot runs at all."""
        try:
            asked = decode_question(question.body, type=question.type, schema=schema_of(question))
            with anyio.fail_after(RELAY_SECONDS if isinstance(asked, RelayAsked) else ANSWER_SECONDS):
                await question.answer(encode_answer(await self._told(asked)))
        except (SupervisionError, TimeoutError) as error:  # every TeltubbyError is a SupervisionError
            _LOG.warning("a worker gets no answer: %s", str(error) or "who knows it did not answer in time")
        except Exception:  # noqa: BLE001 - what crashed the actor that was asked is not this one's crash too
            _LOG.exception("a worker gets no answer: its question crashed who knows it")

    async def _told(self, asked: QuestionAsked) -> AnswerTold:
        match asked:
            case FirstCopyAsked():
                with tracing(asked.job_id):
                    key = await self._first_copy(asked.sha256)
                    if key is not None:
                        _LOG.info("the bytes that a worker has are those of %s", key)
                return FirstCopyTold(sha256=asked.sha256, key=key)
            case TurnAsked():
                with tracing(asked.job_id):
                    return await self._turn(asked)
            case RelayAsked():
                with tracing(asked.job_id):
                    return await self._relay.ask(CopyForJob(job_id=asked.job_id, lost=asked.lost), within=RELAY_SECONDS)
            case RoomAsked():
                return RoomTold(full=self._full())
            case _:
                assert_never(asked)

    async def _turn(self, asked: TurnAsked) -> TurnTold:
        view = await self._ledger.ask(FindJob(job_id=asked.job_id), within=ANSWER_SECONDS)
        if view is not None and view.job.job_id != asked.job_id:
            view = None  # the beginning of another job's id is not that job's id
        alive = self._signs.heard(asked.job_id, within=LIVE_SECONDS, apart_from=asked.worker)
        turn = turn_of(view, asked, alive)
        if turn is Turn.GO and await self._ends_its_workers(asked):
            await self._give_up(asked)
            turn = Turn.OVER
        if turn is Turn.CANCELLED:
            await self._end_lost_runs(asked)
        _LOG.info("job %s (attempt %d), asked by %s: %s", asked.job_id, asked.attempt, asked.worker, turn)
        return TurnTold(job_id=asked.job_id, ticket=asked.ticket, turn=turn)

    async def _ends_its_workers(self, asked: TurnAsked) -> bool:
        history = await self._ledger.ask(ReadHistory(job_id=asked.job_id), within=ANSWER_SECONDS)
        return history is not None and lost_runs(history, asked) >= MOST_LOST_RUNS

    async def _give_up(self, asked: TurnAsked) -> None:
        """Report it failed in the worker's stead, as durably as the worker would: it is told of as any failure is."""
        _LOG.error("job %s is given up: %d workers ended while they ran it", asked.job_id, MOST_LOST_RUNS)
        failed = JobFailed(
            job_id=asked.job_id,
            worker=asked.worker,
            attempt=asked.attempt,
            at=datetime.now(UTC),
            reason=f"{MOST_LOST_RUNS} runs ended without a word: it seems to end the workers that run it",
        )
        await self._report(failed)

    async def _end_lost_runs(self, asked: TurnAsked) -> None:
        """Report them stopped in the stead of workers that ended while they stopped: the curator waits for that word.

        One that lives after all, and only lost its message to another worker, says the same again a little later.
        """
        history = await self._ledger.ask(ReadHistory(job_id=asked.job_id), within=ANSWER_SECONDS)
        for run in () if history is None else history.attempts:
            if run.success is None and run.worker is not None and run.worker != asked.worker:
                at = datetime.now(UTC)
                stopped = JobCancelled(job_id=asked.job_id, worker=run.worker, attempt=run.attempt, at=at)
                await self._report(stopped)

    async def _report(self, event: JobEvent) -> None:
        await self._broker.publish(Destination.EVENTS, report_of(event))
