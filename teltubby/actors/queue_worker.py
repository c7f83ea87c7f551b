"""The worker side's QueueActor: takes jobs while the session is ready, and settles every delivery exactly once."""

from __future__ import annotations

import logging
import random
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, assert_never

import anyio
from anyio import to_thread
from anyio.abc import ObjectReceiveStream

from teltubby.actors.job_run import JobRun
from teltubby.actors.queue import QueueActor, schema_of
from teltubby.adapters.base import Broker, Delivery, Destination, Outgoing
from teltubby.archive.backoff import retry_delay
from teltubby.errors import (
    BrokerUnavailable,
    FloodWait,
    MalformedMessage,
    Permanent,
    SessionNotReady,
    SpoolBusy,
    SpoolFull,
    StoreRefused,
    StoreUnavailable,
)
from teltubby.messages.jobs import Job, JobEvent, JobFailed, JobRetrying
from teltubby.messages.queue import ConsumerMessage, DescribeQueue
from teltubby.messages.session import DescribeSession, SessionChanged, SessionState
from teltubby.messages.wire import JOB_TYPE, SCHEMA, decode_job, encode_event, encode_job, event_type
from teltubby.supervision import Backoff, Context, Ref, Signal, SupervisionError

_LOG = logging.getLogger(__name__)


NOT_THE_JOBS_FAULT = (StoreUnavailable, StoreRefused, SpoolFull, SpoolBusy)
"""What every job would meet now: such an attempt is not counted, however often it takes."""

DESCRIBE_SECONDS = 5.0
UNSPENT_PAUSE_SECONDS = 1.0
"""Before a job goes back for want of a session: the news that the session is lost should overtake it."""


class ConsumingQueueActor(QueueActor[ConsumerMessage]):
    """Runs up to `concurrency` jobs at once. A delivery is acknowledged after its final event is confirmed; one that
    cannot run for want of a session goes back unspent.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        run: JobRun,
        session: Ref[DescribeSession],
        concurrency: int,
        retry_seconds: float,
        backoff: Backoff,
        rng: random.Random,
    ) -> None:
        super().__init__(broker, backoff=backoff, rng=rng)
        self._run = run
        self._session = session
        self._concurrency = concurrency
        self._retry_seconds = retry_seconds
        self._session_ready = False
        self._times_told = 0
        self._session_changed = Signal()
        self._waiting: anyio.CancelScope | None = None

    async def setup(self) -> None:
        await to_thread.run_sync(self._run.spools.sweep)

    async def handle(self, message: ConsumerMessage, /) -> object:
        match message:
            case SessionChanged(state=state):
                self._session_ready = state is SessionState.READY
                self._times_told += 1
                self._session_changed.notify()
                if not self._session_ready and self._waiting is not None:
                    self._waiting.cancel()
                return None
            case DescribeQueue():
                return self.standing
            case _:
                assert_never(message)

    async def connected(self, context: Context[Any]) -> None:
        told = self._times_told
        with suppress(SupervisionError, TimeoutError):  # it tells us anyway once it is there again
            standing = await self._session.ask(DescribeSession(), within=DESCRIBE_SECONDS)
            if told == self._times_told:  # else the answer is older than what we were told meanwhile
                self._session_ready = standing.state is SessionState.READY
        while not context.stopping.is_set():
            with context.interruptible():
                while not self._session_ready:
                    await self._session_changed.wait()
            if not context.stopping.is_set():
                await self._take_jobs(context)

    async def _take_jobs(self, context: Context[Any]) -> None:
        """Take and run jobs until the session or the connection is lost, or a stop is asked for."""
        jobs = await self._broker.consume([Destination.PRIORITY, Destination.JOBS], prefetch=self._concurrency)
        async with jobs, anyio.create_task_group() as tasks:
            while self._session_ready and not context.stopping.is_set():
                delivery = await self._next(context, jobs)
                if delivery is not None:
                    tasks.start_soon(self._settle, delivery)

    async def _next(self, context: Context[Any], jobs: ObjectReceiveStream[Delivery]) -> Delivery | None:
        """The next delivery, or None when the session went away or a stop was asked for."""
        delivery: Delivery | None = None
        with context.interruptible() as self._waiting:
            try:
                delivery = await jobs.receive()
            except anyio.EndOfStream:
                raise BrokerUnavailable("the connection to the broker was lost") from None
        self._waiting = None
        return delivery

    async def _settle(self, delivery: Delivery) -> None:
        try:
            job = decode_job(delivery.body, schema=schema_of(delivery))
        except MalformedMessage as error:
            _LOG.error("a job goes to the dead letters: %s", error)
            await delivery.dead_letter(str(error), attempt=1)
            return
        attempt = job.job_metadata.retry_count + job.job_metadata.times_parked + 1
        try:
            completed = await self._run.perform(job, attempt, self._emit)
        except SessionNotReady as error:
            _LOG.warning("job %s waits for the session: %s", job.job_id, error)
            await anyio.sleep(UNSPENT_PAUSE_SECONDS)
            await delivery.requeue()
        except Permanent as error:
            await self._give_up(delivery, job, attempt, str(error))
        except BrokerUnavailable:
            raise  # nothing can be settled any more; the delivery comes again by itself
        except FloodWait as error:
            await self._park(delivery, _unspent(job), attempt, str(error), error.seconds)
        except NOT_THE_JOBS_FAULT as error:
            await self._park(delivery, _unspent(job), attempt, str(error), self._delay_after(1))
        except (SupervisionError, TimeoutError) as error:  # every TeltubbyError is a SupervisionError
            await self._try_later(delivery, job, attempt, str(error) or "an actor of the worker did not answer in time")
        except Exception as error:  # noqa: BLE001 - a bug that one job meets must not end the others
            _LOG.exception("job %s met a bug", job.job_id)
            await self._try_later(delivery, job, attempt, f"internal error: {error!r}")
        else:
            await self._emit(completed)
            await delivery.ack()

    async def _try_later(self, delivery: Delivery, job: Job, attempt: int, reason: str) -> None:
        metadata = job.job_metadata
        tries = metadata.retry_count + 1
        if tries > metadata.max_retries:
            await self._give_up(delivery, job, attempt, reason)
            return
        again = replace(job, job_metadata=replace(metadata, retry_count=tries))
        await self._park(delivery, again, attempt, reason, self._delay_after(tries))

    def _delay_after(self, tries: int) -> float:
        return retry_delay(tries, base=self._retry_seconds, rng=self._rng)

    async def _park(self, delivery: Delivery, job: Job, attempt: int, reason: str, delay: float) -> None:
        """Have the job come back after `delay` seconds, with as many attempts left as it says."""
        message = Outgoing(body=encode_job(job), type=JOB_TYPE, message_id=job.job_id, headers={"schema": SCHEMA})
        _LOG.warning("job %s (attempt %d) comes again in %.0f s: %s", job.job_id, attempt, delay, reason)
        await self._emit(
            JobRetrying(
                job_id=job.job_id,
                worker=self._run.worker,
                attempt=attempt,
                at=datetime.now(UTC),
                reason=reason,
                delay_seconds=delay,
            )
        )
        await self._broker.publish(Destination.RETRY, message, delay=delay)
        await delivery.ack()

    async def _give_up(self, delivery: Delivery, job: Job, attempt: int, reason: str) -> None:
        _LOG.error("job %s failed for good (attempt %d): %s", job.job_id, attempt, reason)
        await self._emit(
            JobFailed(job_id=job.job_id, worker=self._run.worker, attempt=attempt, at=datetime.now(UTC), reason=reason)
        )
        await delivery.dead_letter(reason, attempt=attempt)
        await self._run.bury(job)

    async def _emit(self, event: JobEvent) -> None:
        kind = event_type(event)
        message = Outgoing(
            body=encode_event(event),
            type=kind,
            message_id=f"{event.job_id}:{event.attempt}:{kind}",
            headers={"schema": SCHEMA},
        )
        await self._broker.publish(Destination.EVENTS, message)


def _unspent(job: Job) -> Job:
    """The job with as many tries left as before; parking counts too, so that no two attempts have one number."""
    metadata = job.job_metadata
    return replace(job, job_metadata=replace(metadata, times_parked=metadata.times_parked + 1))
