"""Workers ask whose turn a job is: told from the ledger and from the signs of life, within seconds or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from teltubby.actors.signs_of_life import KEPT_SECONDS, LIVE_SECONDS, MANY_JOBS, SignsOfLife
from teltubby.actors.turn_desk import MOST_LOST_RUNS
from teltubby.adapters.base import Outgoing
from teltubby.errors import DatabaseUnavailable, NotAnswered
from teltubby.messages.jobs import (
    JobCancelled,
    JobCommand,
    JobCompleted,
    JobEvent,
    JobFailed,
    JobProgress,
    JobRetrying,
    JobStarted,
)
from teltubby.messages.ledger_jobs import ApplyEvent, CommandJob
from teltubby.messages.media import Route
from teltubby.messages.questions import Turn, TurnAsked
from teltubby.messages.wire import SCHEMA, decode_answer, encode_question, question_type
from tests.actors.office import Office, office
from tests.actors.stage import large_job, restarts
from tests.twins import BrokerTwin
from tests.virtual_time import BEGINNING, until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

JOB = large_job()


def started(worker: str = "one", number: int = 1) -> JobStarted:
    return JobStarted(job_id=large_job(number).job_id, worker=worker, attempt=1, at=BEGINNING)


def pulse(worker: str = "one", number: int = 1) -> JobProgress:
    return JobProgress(
        job_id=large_job(number).job_id,
        worker=worker,
        attempt=1,
        at=BEGINNING,
        downloaded_bytes=0,
        uploaded_bytes=0,
        total_bytes=0,
        bytes_per_second=0.0,
    )


COMPLETED = JobCompleted(
    job_id=JOB.job_id,
    worker="one",
    attempt=1,
    at=BEGINNING,
    key=JOB.target.key,
    size_bytes=1,
    sha256="0" * 64,
    route=Route.MTPROTO_BOT,
    seconds=1.0,
)
ENDS: tuple[JobEvent, ...] = (
    JobRetrying(job_id=JOB.job_id, worker="one", attempt=1, at=BEGINNING, reason="cut", delay_seconds=1.0),
    JobFailed(job_id=JOB.job_id, worker="one", attempt=1, at=BEGINNING, reason="gone"),
    JobCancelled(job_id=JOB.job_id, worker="one", attempt=1, at=BEGINNING),
    COMPLETED,
)


@asynccontextmanager
async def a_worker(here: Office) -> AsyncIterator[BrokerTwin]:
    worker = here.queue.twin()
    await worker.open()
    try:
        yield worker
    finally:
        with anyio.CancelScope(shield=True):
            await worker.aclose()


async def turn(
    worker: BrokerTwin, *, name: str = "two", ticket: int = 0, attempt: int = 1, job_id: str = JOB.job_id
) -> Turn:
    asked = TurnAsked(job_id=job_id, ticket=ticket, attempt=attempt, worker=name)
    question = Outgoing(
        body=encode_question(asked), type=question_type(asked), message_id="q", headers={"schema": SCHEMA}
    )
    return decode_answer(await worker.ask(question, within=5), asked).turn


async def submitted(here: Office) -> None:
    await here.submit(JOB)
    await until(lambda: here.ledger_script.count("MarkPublished") == 1)


async def test_a_job_that_waits_may_be_run_at_once(tmp_path: Path) -> None:
    async with office(tmp_path) as here, a_worker(here) as worker:
        await submitted(here)
        assert await turn(worker) is Turn.GO


async def test_an_unknown_job_is_told_so_even_where_its_id_begins_as_anothers(tmp_path: Path) -> None:
    async with office(tmp_path) as here, a_worker(here) as worker:
        await submitted(here)
        stranger = large_job(2).job_id
        assert await turn(worker, job_id=stranger) is Turn.UNKNOWN
        assert restarts(here.tree) == {}


async def test_who_gives_signs_of_life_keeps_the_others_waiting(tmp_path: Path) -> None:
    async with office(tmp_path) as here, a_worker(here) as worker:
        await submitted(here)
        await here.queue.put_event(started("one"))
        await until(lambda: here.read)
        assert await turn(worker, name="two") is Turn.WAIT
        assert await turn(worker, name="one") is Turn.GO
        for _ in range(30):
            await anyio.sleep(1)
            await here.queue.put_event(pulse("one"))
        assert await turn(worker, name="two") is Turn.WAIT
        await anyio.sleep(LIVE_SECONDS + 1)
        assert await turn(worker, name="two") is Turn.GO, "who has gone quiet does not run it any more"


@pytest.mark.parametrize("end", ENDS[:1], ids=lambda end: type(end).__name__)
async def test_who_says_that_it_ended_keeps_nobody_waiting(tmp_path: Path, end: JobEvent) -> None:
    async with office(tmp_path) as here, a_worker(here) as worker:
        await submitted(here)
        for event in (started("one"), end):
            await here.ledger.ask(ApplyEvent(event=event), within=10)
            await here.queue.put_event(event)
        await until(lambda: len(here.read) == 2)
        assert await turn(worker, attempt=2) is Turn.GO


async def test_after_a_start_of_the_bot_the_ledger_is_believed_for_some_seconds(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        await submitted(here)
        await here.ledger.ask(ApplyEvent(event=started("one")), within=10)
    async with office(tmp_path) as here, a_worker(here) as worker:
        assert await turn(worker, name="two") is Turn.WAIT
        assert await turn(worker, name="one") is Turn.GO
        await anyio.sleep(LIVE_SECONDS + 1)
        assert await turn(worker, name="two") is Turn.GO


async def test_what_was_said_while_the_connection_was_lost_may_have_been_missed(tmp_path: Path) -> None:
    async with office(tmp_path) as here, a_worker(here) as worker:
        await submitted(here)
        await here.ledger.ask(ApplyEvent(event=started("one")), within=10)
        await anyio.sleep(100)
        assert await turn(worker) is Turn.GO
        await here.broker.lose()
        await until(lambda: here.broker.script.count("questions") == 2)
        assert await turn(worker) is Turn.WAIT


async def test_a_command_makes_older_messages_void(tmp_path: Path) -> None:
    async with office(tmp_path) as here, a_worker(here) as worker:
        await submitted(here)
        cancel = CommandJob(job_id=JOB.job_id, command=JobCommand.CANCEL, user_id=7)
        await here.ledger.ask(cancel, within=10)
        assert await turn(worker) is Turn.CANCELLED
        await here.ledger.ask(CommandJob(job_id=JOB.job_id, command=JobCommand.RETRY, user_id=7), within=10)
        assert await turn(worker) is Turn.SUPERSEDED
        assert await turn(worker, ticket=1) is Turn.GO
        await here.ledger.ask(ApplyEvent(event=COMPLETED), within=10)
        assert await turn(worker, ticket=1) is Turn.OVER


async def test_a_worker_that_ends_while_it_stops_is_told_of_in_its_stead(tmp_path: Path) -> None:
    """Its message comes to another worker, which has nothing to stop: somebody must say that nothing runs any more."""
    async with office(tmp_path) as here, a_worker(here) as worker:
        await submitted(here)
        await here.ledger.ask(ApplyEvent(event=started("one")), within=10)
        await here.ledger.ask(CommandJob(job_id=JOB.job_id, command=JobCommand.CANCEL, user_id=7), within=10)
        assert await turn(worker, name="one") is Turn.CANCELLED
        await anyio.sleep(1)
        assert here.read == [], "one that is told to stop reports that itself"
        assert await turn(worker, name="two") is Turn.CANCELLED
        await until(lambda: here.read)
        (stopped,) = here.read
        assert isinstance(stopped, JobCancelled) and (stopped.worker, stopped.attempt) == ("one", 1)
        await here.ledger.ask(ApplyEvent(event=stopped), within=10)
        assert await turn(worker, name="two") is Turn.CANCELLED
        await anyio.sleep(1)
        assert here.read == [stopped], "once"


async def test_a_ledger_in_trouble_answers_nobody_and_crashes_nobody(tmp_path: Path) -> None:
    async with office(tmp_path) as here, a_worker(here) as worker:
        await submitted(here)
        here.ledger_script.fail("FindJob", DatabaseUnavailable("locked"))
        with pytest.raises(NotAnswered):
            await turn(worker)
        assert await turn(worker) is Turn.GO
        assert restarts(here.tree) == {}


async def test_so_is_one_whose_message_always_comes_again_at_once(tmp_path: Path) -> None:
    """Under the same number, to a new process each time."""
    async with office(tmp_path) as here, a_worker(here) as worker:
        await submitted(here)
        for number in range(MOST_LOST_RUNS):
            await here.ledger.ask(ApplyEvent(event=started(f"worker {number}")), within=10)
            await anyio.sleep(60)
        assert await turn(worker) is Turn.OVER
        await until(lambda: here.read)
        assert isinstance(here.read[0], JobFailed)


async def test_a_job_that_ends_its_workers_is_given_up_in_the_end(tmp_path: Path) -> None:
    async with office(tmp_path) as here, a_worker(here) as worker:
        await submitted(here)
        for attempt in range(1, MOST_LOST_RUNS + 1):
            assert await turn(worker, attempt=attempt) is Turn.GO
            await here.ledger.ask(ApplyEvent(event=replace(started("two"), attempt=attempt)), within=10)
        assert await turn(worker, attempt=MOST_LOST_RUNS + 1) is Turn.OVER
        await until(lambda: here.read)
        (failed,) = here.read
        assert isinstance(failed, JobFailed) and "without a word" in failed.reason
        await here.ledger.ask(ApplyEvent(event=failed), within=10)
        assert await turn(worker, attempt=MOST_LOST_RUNS + 1) is Turn.OVER
        await anyio.sleep(60)
        retry = CommandJob(job_id=JOB.job_id, command=JobCommand.RETRY, user_id=7)
        assert (await here.ledger.ask(retry, within=10)).accepted
        assert await turn(worker, ticket=1, attempt=MOST_LOST_RUNS + 2) is Turn.GO


# -- the signs themselves


async def test_silence_means_nothing_until_one_has_listened_long_enough() -> None:
    signs = SignsOfLife()
    assert signs.heard(JOB.job_id, within=5) is None
    signs.listen()
    await anyio.sleep(4.9)
    assert signs.heard(JOB.job_id, within=5) is None
    await anyio.sleep(0.2)
    assert signs.heard(JOB.job_id, within=5) is False
    signs.deaf()
    assert signs.heard(JOB.job_id, within=5) is None


@pytest.mark.parametrize("end", ENDS, ids=lambda end: type(end).__name__)
async def test_an_end_is_no_sign_of_life(end: JobEvent) -> None:
    signs = SignsOfLife()
    signs.listen()
    await anyio.sleep(60)
    signs.hear(started("one"))
    assert signs.heard(JOB.job_id, within=5) is True
    signs.hear(end)
    assert signs.heard(JOB.job_id, within=5) is False


async def test_one_workers_end_is_not_anothers() -> None:
    signs = SignsOfLife()
    signs.listen()
    await anyio.sleep(60)
    signs.hear(pulse("two"))
    signs.hear(pulse("one"))
    signs.hear(ENDS[0])
    assert signs.heard(JOB.job_id, within=5) is True
    assert signs.heard(JOB.job_id, within=5, apart_from="two") is False
    signs.hear(COMPLETED)
    assert signs.heard(JOB.job_id, within=5) is False, "a completion ends it for all"


async def test_old_signs_are_forgotten_and_new_ones_never() -> None:
    signs = SignsOfLife()
    for number in range(MANY_JOBS):
        signs.hear(pulse(number=number))
    await anyio.sleep(KEPT_SECONDS + 1)
    for number in range(MANY_JOBS, 2 * MANY_JOBS):
        signs.hear(pulse(number=number))
    remembered = [n for n in range(2 * MANY_JOBS) if signs.heard(large_job(n).job_id, within=1e9)]
    assert remembered == list(range(MANY_JOBS, 2 * MANY_JOBS))
