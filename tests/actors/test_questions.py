"""Workers ask the bot for first copies: answered from the ledger, and nothing else ever waits for it."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from teltubby.actors.first_copy import PATIENCE_SECONDS, asked_of_the_bot
from teltubby.actors.room_asked import PATIENCE_SECONDS as ROOM_SECONDS
from teltubby.actors.room_asked import room_asked
from teltubby.adapters.base import Broker, Destination, Outgoing
from teltubby.errors import BrokerUnavailable, DatabaseUnavailable, MalformedMessage, NotAnswered
from teltubby.messages.ledger import SettleFile
from teltubby.messages.questions import FirstCopyTold
from teltubby.messages.wire import FIRST_COPY_TYPE, encode_answer
from tests.actors.office import Office, office
from tests.actors.queues import queue_at
from tests.actors.stage import large_job, restarts, sha256
from tests.actors.test_queue_bot import started
from tests.virtual_time import until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

FIRST, SECOND, OTHER = sha256(b"first"), sha256(b"second"), sha256(b"other")
KEY = "teltubby/2026/11/anna/1/film.mp4"


async def archive(here: Office, digest: str, key: str = KEY) -> str:
    """A copy of this content is in the store; answers where its first one is."""
    settled = SettleFile(sha256=digest, s3_key=key, size_bytes=5, mime=None, file_unique_id=f"id of {key}")
    return (await here.ledger.ask(settled, within=100)).s3_key


async def test_a_worker_learns_what_the_ledger_knows(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        worker = here.queue.twin()
        await worker.open()
        first_copy = asked_of_the_bot(worker)
        assert await first_copy(FIRST) is None
        await archive(here, FIRST)
        assert (await first_copy(FIRST), await first_copy(SECOND)) == (KEY, None)
        await worker.aclose()
        assert restarts(here.tree) == {}


@pytest.mark.parametrize("is_full", [True, False])
async def test_a_collector_learns_whether_the_archive_has_room(tmp_path: Path, is_full: bool) -> None:
    async with office(tmp_path, full=lambda: is_full) as here:
        worker = here.queue.twin()
        await worker.open()
        assert await room_asked(worker, worker="host:1")() is not is_full
        await worker.aclose()


async def test_where_no_bot_answers_a_collector_goes_on(tmp_path: Path) -> None:
    async with queue_at(tmp_path / "queue.db") as queue:
        worker = queue.twin()
        await worker.open()
        began = anyio.current_time()
        assert await room_asked(worker, worker="host:1")()
        assert anyio.current_time() - began < ROOM_SECONDS + 1
        await worker.aclose()


async def test_two_who_ask_about_the_same_bytes_are_told_the_same(tmp_path: Path) -> None:
    """Both complete, and the ledger settles it afterwards: the first to be recorded is the first copy."""
    told: list[str | None] = []
    async with office(tmp_path) as here:
        one, two = here.queue.twin(), here.queue.twin()
        await one.open()
        await two.open()

        async def ask(worker: Broker) -> None:
            told.append(await asked_of_the_bot(worker)(FIRST))

        async with anyio.create_task_group() as tasks:
            for worker in (one, two):
                tasks.start_soon(ask, worker)
        assert told == [None, None]
        assert [await archive(here, FIRST, f"teltubby/{key}") for key in "ab"] == ["teltubby/a", "teltubby/a"]
        assert await asked_of_the_bot(two)(FIRST) == "teltubby/a"
        await one.aclose()
        await two.aclose()


@pytest.mark.parametrize("trouble", ["locked", "slow", "late"])
async def test_a_ledger_in_trouble_costs_the_worker_its_patience_and_no_more(tmp_path: Path, trouble: str) -> None:
    async with office(tmp_path) as here:
        await archive(here, FIRST)
        match trouble:
            case "locked":
                here.ledger_script.fail("FindContent", DatabaseUnavailable("locked"))
            case "late":
                here.ledger_script.fail("FindContent", TimeoutError())
            case "slow":
                here.ledger_script.slow("FindContent", PATIENCE_SECONDS + 1)
        worker = here.queue.twin()
        await worker.open()
        began = anyio.current_time()
        with pytest.raises(NotAnswered):
            await asked_of_the_bot(worker)(FIRST)
        assert PATIENCE_SECONDS <= anyio.current_time() - began < PATIENCE_SECONDS + 0.5
        here.ledger_script.slow("FindContent", 0)
        await anyio.sleep(30)
        assert await asked_of_the_bot(worker)(FIRST) == KEY
        await worker.aclose()
        assert restarts(here.tree).get("queue") is None


async def test_a_question_that_crashes_the_ledger_crashes_nobody_else(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        await archive(here, FIRST)
        here.ledger_script.fail("FindContent", ValueError("a bug"))
        worker = here.queue.twin()
        await worker.open()
        with pytest.raises(NotAnswered):
            await asked_of_the_bot(worker)(FIRST)
        await anyio.sleep(60)
        assert await asked_of_the_bot(worker)(FIRST) == KEY
        await worker.aclose()
        assert restarts(here.tree) == {"ledger": 1}


@pytest.mark.parametrize(
    ("body", "kind", "schema", "reason"),
    [
        (b"not json", FIRST_COPY_TYPE, "1.0", "not JSON"),
        (b"{}", FIRST_COPY_TYPE, "1.0", "sha256"),
        (b"{}", "teltubby.question.of_the_future", "1.0", "of_the_future"),
        (b"{}", FIRST_COPY_TYPE, "9.9", "9.9"),
        (b"{}", FIRST_COPY_TYPE, None, "no schema version"),
    ],
)
async def test_what_is_no_question_gets_no_answer_and_the_next_does(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, body: bytes, kind: str, schema: str | None, reason: str
) -> None:
    async with office(tmp_path) as here:
        worker = here.queue.twin()
        await worker.open()
        headers = {} if schema is None else {"schema": schema}
        with pytest.raises(NotAnswered):
            await worker.ask(Outgoing(body=body, type=kind, message_id="m", headers=headers), within=3)
        assert "a worker gets no answer" in caplog.text and reason in caplog.text
        assert await asked_of_the_bot(worker)(FIRST) is None
        await worker.aclose()
        assert restarts(here.tree) == {}


async def test_a_question_holds_up_neither_reports_nor_jobs(tmp_path: Path) -> None:
    asked: list[float] = []

    async def hang(digest: str) -> str | None:
        asked.append(anyio.current_time())
        await anyio.sleep_forever()
        return digest

    async with office(tmp_path, first_copy=hang) as here, anyio.create_task_group() as tasks:
        worker = here.queue.twin()
        await worker.open()
        for _ in range(20):
            tasks.start_soon(give_up_on, worker)
        await until(lambda: asked)
        began = anyio.current_time()
        for number in range(1, 40):
            await here.queue.put_event(started(number))
        await here.submit(large_job())
        await until(lambda: len(here.read) == 39)
        await here.queue.settle(Destination.JOBS, 1)
        assert anyio.current_time() - began < 2
        await until(lambda: len(asked) > 1)
        assert asked[1] - asked[0] >= 5, "one after the other: the ledger's mailbox is the reports' as well"
        tasks.cancel_scope.cancel()
    assert restarts(here.tree) == {}


async def give_up_on(worker: Broker) -> None:
    with pytest.raises(NotAnswered):
        await asked_of_the_bot(worker, within=60)(FIRST)


async def test_a_lost_connection_is_told_at_once_and_answers_come_again(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        worker = here.queue.twin()
        with pytest.raises(BrokerUnavailable):
            await asked_of_the_bot(worker)(FIRST)
        await worker.open()
        await here.broker.lose()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(assert_lost, worker)
            await anyio.sleep(0.05)
            await worker.lose()
        await worker.open()
        await until(lambda: here.broker.script.count("questions") == 2)
        assert await asked_of_the_bot(worker)(FIRST) is None
        await worker.aclose()
        assert restarts(here.tree) == {}


async def assert_lost(worker: Broker) -> None:
    began = anyio.current_time()
    with pytest.raises(BrokerUnavailable):
        await asked_of_the_bot(worker)(FIRST)
    assert anyio.current_time() - began < 1


async def test_a_stop_does_not_wait_for_answers(tmp_path: Path) -> None:
    asked: list[str] = []

    async def slow(digest: str) -> str | None:
        asked.append(digest)
        await anyio.sleep(4)
        return None

    async with office(tmp_path, first_copy=slow) as here, anyio.create_task_group() as tasks:
        worker = here.queue.twin()
        await worker.open()
        tasks.start_soon(give_up_on, worker)
        await until(lambda: asked)
        tasks.cancel_scope.cancel()
        began = anyio.current_time()
    assert anyio.current_time() - began < 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (encode_answer(FirstCopyTold(sha256=OTHER, key=KEY)), "the answer is about"),
        (encode_answer(FirstCopyTold(sha256=FIRST, key="mtproto/x")), "does not begin with teltubby/"),
        (b"{}", "sha256"),
        (b"", "not JSON"),
    ],
)
async def test_an_answer_that_cannot_be_acted_on_is_none(tmp_path: Path, answer: bytes, reason: str) -> None:
    async with queue_at(tmp_path / "queue.db") as queue, anyio.create_task_group() as tasks:
        bot, worker = queue.twin(), queue.twin()
        await bot.open()
        await worker.open()

        async def mislead() -> None:
            async for question in await bot.questions():
                await question.answer(answer)

        tasks.start_soon(mislead)
        with pytest.raises(MalformedMessage, match=reason):
            await asked_of_the_bot(worker)(FIRST)
        tasks.cancel_scope.cancel()
        await bot.aclose()
        await worker.aclose()
