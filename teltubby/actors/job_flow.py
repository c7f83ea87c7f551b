"""What becomes of a job's message that this worker took: from the question whose turn it is to the acknowledgement."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import assert_never

import anyio

from teltubby.actors.job_ends import again, cancelled, failed, retrying, spent, unspent
from teltubby.actors.job_run import JobRun
from teltubby.actors.jobs_in_hand import JobInHand, JobsInHand
from teltubby.actors.letters import report_of
from teltubby.actors.link import Link
from teltubby.actors.turns import turn_told
from teltubby.adapters.base import Broker, Delivery, Destination
from teltubby.adapters.broker_rules import dead_letter_headers
from teltubby.archive.backoff import retry_delay
from teltubby.errors import (
    BrokerUnavailable,
    FloodWait,
    NoRouteNow,
    Permanent,
    SessionNotReady,
    SpoolBusy,
    SpoolFull,
    StoreRefused,
    StoreUnavailable,
)
from teltubby.messages.control import StopJob
from teltubby.messages.jobs import Job, JobEvent, JobProgress
from teltubby.messages.questions import Turn, TurnAsked
from teltubby.supervision import SupervisionError, tracing

_LOG = logging.getLogger(__name__)

NOT_THE_JOBS_FAULT = (StoreUnavailable, StoreRefused, SpoolFull, SpoolBusy)
"""What every job would meet now: such an attempt is not counted, however often it takes."""

UNSPENT_PAUSE_SECONDS = 1.0
"""Before a job goes back for want of a session: the news that the session is lost should overtake it."""
ASK_AGAIN_SECONDS = 2.0
HOLD_SECONDS = 15.0
"""How long a message is held whose job another worker runs; longer than it takes to know that this one is dead."""
NO_ROUTE_SECONDS, LONGEST_NO_ROUTE_SECONDS = 30.0, 300.0
"""How long a job is parked that no account can fetch now, first and at most: some wait for a person."""
PUT_OFF_SECONDS = 30.0
"""After which such a message comes again, so that it takes no worker's place meanwhile."""


class JobFlow:
    """Runs jobs, one call of `run` each, in tasks that outlive connections. Every final event is confirmed before its
    delivery is acknowledged; a lost delivery is not waited for.
    """

    def __init__(
        self, broker: Broker, *, link: Link, hands: JobsInHand, run: JobRun, retry_seconds: float, rng: random.Random
    ) -> None:
        self._broker = broker
        self._link = link
        self._hands = hands
        self._run = run
        self._retry_seconds = retry_seconds
        self._rng = rng

    async def run(self, hand: JobInHand) -> None:
        """Do what the job's message asks for, and settle it."""
        try:
            with tracing(hand.job.job_id):
                await self._settle(hand)
        except BrokerUnavailable as error:
            _LOG.warning("job %s was not begun and comes again: %s", hand.job.job_id, error)
        finally:
            self._hands.let_go(hand)

    async def stop(self, order: StopJob) -> None:
        """Stop the job, if it is here: unless the ledger says meanwhile that its message is good."""
        for hand in self._hands.of(order.job_id):
            if hand.verdict is None:
                verdict = await self._told(hand)
                if verdict in (Turn.GO, Turn.WAIT):
                    _LOG.info("job %s goes on: what was cancelled was an earlier message of it", order.job_id)
                else:
                    hand.stop(verdict or Turn.CANCELLED)

    async def drop(self, delivery: Delivery) -> None:
        """The message is spare or void."""
        await self._quietly(delivery.ack)

    async def refuse(self, delivery: Delivery, reason: str) -> None:
        """The message cannot be read."""
        _LOG.error("a job goes to the dead letters: %s", reason)
        await self._quietly(partial(delivery.dead_letter, reason, attempt=1))

    # -- whose turn

    async def _settle(self, hand: JobInHand) -> None:
        turn = await self._turn(hand)
        if turn is not Turn.GO:
            _LOG.info("job %s (attempt %d) is not run: %s", hand.job.job_id, hand.attempt, turn)
        match turn:
            case Turn.GO:
                await self._perform(hand)
            case Turn.WAIT:
                await self._put_off(hand)
            case Turn.CANCELLED | Turn.OVER:
                await self._run.bury(hand.job)
                if self._hands.take_back(hand) and turn is Turn.CANCELLED:
                    await self._report(cancelled(hand, self._run.worker))  # the curator waits for that word
                await self._ack(hand)
            case Turn.SUPERSEDED:
                await self._ack(hand)
            case Turn.UNKNOWN:
                await self._dead_letter(hand, "no ledger knows this job")
            case _:
                assert_never(turn)

    async def _turn(self, hand: JobInHand) -> Turn:
        """GO also when nobody answers: to store a file again is no harm. Raises BrokerUnavailable when the message is
        lost, or given back because this worker stops.
        """
        hold_until: float | None = None
        while True:
            turn = (await self._told(hand) or Turn.GO) if self._hands.is_first(hand) else Turn.WAIT
            if hand.verdict is not None:
                return hand.verdict
            if turn not in (Turn.GO, Turn.WAIT):
                return turn
            await self._check_still_ours(hand)
            if turn is Turn.GO:
                return turn
            now = anyio.current_time()
            hold_until = now + HOLD_SECONDS if hold_until is None else hold_until
            if now >= hold_until:
                return turn
            await hand.nudged.wait(at_most=min(ASK_AGAIN_SECONDS, hold_until - now))

    async def _told(self, hand: JobInHand) -> Turn | None:
        ticket, attempt = hand.number
        asked = TurnAsked(job_id=hand.job.job_id, ticket=ticket, attempt=attempt, worker=self._run.worker)
        return await turn_told(self._broker, asked)

    async def _check_still_ours(self, hand: JobInHand) -> None:
        if hand.delivery is not None and self._hands.leaving:
            await self._link.use(hand.delivery.requeue)
            raise BrokerUnavailable("this worker stops")
        if hand.delivery is None:
            raise BrokerUnavailable("the connection to the broker was lost")

    async def _put_off(self, hand: JobInHand) -> None:
        """The message comes again as it is: what happens with the job meanwhile is another worker's to report."""
        destination, message = again(hand.job)
        await self._link.use(partial(self._broker.publish, destination, message, delay=PUT_OFF_SECONDS))
        if hand.delivery is not None:
            await self._link.use(hand.delivery.ack)

    # -- an attempt and its end

    async def _perform(self, hand: JobInHand) -> None:
        _LOG.info("job %s is taken up by %s (attempt %d)", hand.job.job_id, self._run.worker, hand.attempt)
        self._hands.take_back(hand)
        try:
            completed = await self._run.perform(hand.job, hand.attempt, self._emit, hand.effort)
        except Exception as error:  # noqa: BLE001 - a bug that one job meets must not end the others
            await self._ended_by(hand, error)
        else:
            await self._report(completed)
            await self._ack(hand)
            _LOG.info("job %s is done in %.1f s (attempt %d)", hand.job.job_id, completed.seconds, hand.attempt)

    async def _ended_by(self, hand: JobInHand, error: Exception) -> None:
        match error:
            case BrokerUnavailable():
                raise error  # its start could not be told
            case _ if hand.effort.stopping:
                await self._stopped(hand)
            case SessionNotReady():
                await self._give_back(hand, str(error))
            case Permanent():
                await self._give_up(hand, str(error))
            case FloodWait():
                await self._park(hand, unspent(hand.job), str(error), error.seconds)
            case NoRouteNow():
                await self._park(hand, unspent(hand.job), str(error), self._delay_without_route(hand.job))
            case _ if isinstance(error, NOT_THE_JOBS_FAULT):
                await self._park(hand, unspent(hand.job), str(error), self._delay_after(1))
            case SupervisionError() | TimeoutError():  # every TeltubbyError is a SupervisionError
                await self._try_later(hand, str(error) or "an actor of the worker did not answer in time")
            case _:
                _LOG.error("job %s met a bug", hand.job.job_id, exc_info=error)
                await self._try_later(hand, SupervisionError.scrub(f"internal error: {error!r}"))

    async def _stopped(self, hand: JobInHand) -> None:
        _LOG.info("job %s was stopped: %s", hand.job.job_id, hand.verdict)
        if hand.verdict is not Turn.SUPERSEDED:  # else a later message goes on with what is there
            await self._run.bury(hand.job)
        await self._report(cancelled(hand, self._run.worker))
        await self._ack(hand)

    async def _give_back(self, hand: JobInHand, reason: str) -> None:
        _LOG.warning("job %s waits for the session: %s", hand.job.job_id, reason)
        self._hands.give_back(hand)
        await anyio.sleep(UNSPENT_PAUSE_SECONDS)
        if hand.delivery is not None:
            await self._quietly(hand.delivery.requeue)

    async def _try_later(self, hand: JobInHand, reason: str) -> None:
        metadata = hand.job.job_metadata
        tries = metadata.retry_count + 1
        if tries > metadata.max_retries:
            await self._give_up(hand, reason)
            return
        await self._park(hand, spent(hand.job), reason, self._delay_after(tries))

    def _delay_after(self, tries: int) -> float:
        return retry_delay(tries, base=self._retry_seconds, rng=self._rng)

    @staticmethod
    def _delay_without_route(job: Job) -> float:
        return min(NO_ROUTE_SECONDS * 2.0 ** min(job.job_metadata.times_parked, 8), LONGEST_NO_ROUTE_SECONDS)

    async def _park(self, hand: JobInHand, job: Job, reason: str, delay: float) -> None:
        """Have the job come back after `delay` seconds, with as many attempts left as it says."""
        _LOG.warning("job %s (attempt %d) comes again in %.0f s: %s", job.job_id, hand.attempt, delay, reason)
        await self._report(retrying(hand, self._run.worker, reason, delay))
        destination, message = again(job)
        await self._link.publish(destination, message, delay=delay)
        await self._ack(hand)

    async def _give_up(self, hand: JobInHand, reason: str) -> None:
        _LOG.error("job %s failed for good (attempt %d): %s", hand.job.job_id, hand.attempt, reason)
        await self._report(failed(hand, self._run.worker, reason))
        await self._dead_letter(hand, reason)
        await self._run.bury(hand.job)

    # -- what the broker is told

    async def _dead_letter(self, hand: JobInHand, reason: str) -> None:
        """Without a delivery the message is put there by itself; the one that is lost is void by then."""
        if hand.delivery is not None and await self._quietly(
            partial(hand.delivery.dead_letter, reason, attempt=hand.attempt)
        ):
            self._hands.remember(hand)
            return
        _, message = again(hand.job)
        headers = dead_letter_headers(message.headers, reason=reason, attempt=hand.attempt, at=time.time())
        await self._link.publish(Destination.DEAD, replace(message, headers=headers))
        await self._ack(hand)

    async def _ack(self, hand: JobInHand) -> None:
        self._hands.remember(hand)  # before the ack: one that is lost on its way brings the message back
        if hand.delivery is not None:
            await self._quietly(hand.delivery.ack)

    async def _quietly(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Settle a delivery; one that could not be settled comes again."""
        try:
            await self._link.use(work)
        except BrokerUnavailable as error:
            _LOG.info("a delivery could not be settled and comes again: %s", error)
            return False
        return True

    async def _report(self, event: JobEvent) -> None:
        """Return once the broker has it, however long it takes to reach the broker."""
        await self._link.publish(Destination.EVENTS, report_of(event))

    async def _emit(self, event: JobEvent) -> None:
        publish = partial(self._broker.publish, Destination.EVENTS, report_of(event))
        await (publish() if isinstance(event, JobProgress) else self._link.use(publish))
