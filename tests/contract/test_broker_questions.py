"""What every broker keeps of questions: answered by one taker, to the one who asked, in time or not at all."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.abc import ObjectReceiveStream

from teltubby.adapters.base import Broker, Destination, Outgoing, Question
from teltubby.errors import BrokerUnavailable, NotAnswered
from tests.contract.brokers import JOBS, PATIENCE, BrokerWorld, assert_silent, message, opened, take, take_names

pytestmark = pytest.mark.anyio

Questions = ObjectReceiveStream[Question]


def about(text: str) -> Outgoing:
    """A question about something."""
    return Outgoing(body=text.encode(), type="test.question", message_id=text, headers={"schema": "1.0", "n": 7})


async def next_of(questions: Questions) -> Question:
    """The next question, soon."""
    with anyio.fail_after(PATIENCE):
        return await questions.receive()


async def assert_nobody_asks(questions: Questions, seconds: float = 0.4) -> None:
    """No question comes for this long."""
    with anyio.move_on_after(seconds):
        pytest.fail(f"unexpected question {(await questions.receive()).body!r}")


@asynccontextmanager
async def echoing(broker: Broker) -> AsyncIterator[None]:
    """Somebody answers every question with itself, in capitals."""

    async def echo(questions: Questions) -> None:
        async for question in questions:
            await question.answer(question.body.upper())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(echo, await broker.questions())
        yield
        tasks.cancel_scope.cancel()


async def assert_unanswered(broker: Broker, text: str, *, within: float) -> None:
    """The asker is told so in time, neither early nor late."""
    began = time.monotonic()
    with pytest.raises(NotAnswered, match=f"no answer within {within:g} s"):
        await broker.ask(about(text), within=within)
    assert within <= time.monotonic() - began < within + 2


BODIES = {"empty": b"", "unicode": "ответ 🦉".encode(), "binary": bytes(range(256)), "1 MiB": bytes(range(256)) * 4096}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
async def test_question_and_answer_arrive_as_they_were_given(brokers: BrokerWorld, body: bytes) -> None:
    answers = []
    async with opened(brokers.client()) as asker, opened(brokers.client()) as other:

        async def ask() -> None:
            asked = Outgoing(body=body, type="test.question", message_id="m", headers={"schema": "1.0", "имя": "да"})
            answers.append(await asker.ask(asked, within=PATIENCE))

        async with anyio.create_task_group() as tasks:
            questions = await other.questions()
            tasks.start_soon(ask)
            question = await next_of(questions)
            assert (question.body, question.type, question.message_id) == (body, "test.question", "m")
            assert question.headers == {"schema": "1.0", "имя": "да"}
            await question.answer(body[::-1])
        assert answers == [body[::-1]]


async def test_everybody_gets_the_answer_to_their_own_question(brokers: BrokerWorld) -> None:
    """Several clients ask at once, many questions each, and the answers come in another order."""
    told: dict[str, bytes] = {}
    names = [f"question {n}" for n in range(24)]
    async with (
        opened(brokers.client()) as one,
        opened(brokers.client()) as two,
        opened(brokers.client()) as other,
        anyio.create_task_group() as tasks,
    ):

        async def ask(broker: Broker, name: str) -> None:
            told[name] = await broker.ask(about(name), within=PATIENCE)

        questions = await other.questions()
        for number, name in enumerate(names):
            tasks.start_soon(ask, (one, two, other)[number % 3], name)
        taken = [await next_of(questions) for _ in names]
        assert sorted(question.body.decode() for question in taken) == sorted(names)
        for question in reversed(taken):
            await question.answer(question.body.upper())
    assert told == {name: name.upper().encode() for name in names}


async def test_without_a_taker_the_asker_is_told_in_time_and_the_question_is_gone(brokers: BrokerWorld) -> None:
    async with opened(brokers.client()) as asker, opened(brokers.client()) as other:
        await assert_unanswered(asker, "lost", within=0.3)
        await anyio.sleep(0.1)  # the broker learns it some milliseconds later
        questions = await other.questions()
        await assert_nobody_asks(questions)
        async with echoing(other):  # the one above would be a second taker
            await questions.aclose()
            assert await asker.ask(about("again"), within=PATIENCE) == b"AGAIN"


async def test_a_question_waits_for_who_comes_in_time(brokers: BrokerWorld) -> None:
    answers = []
    async with opened(brokers.client()) as asker, opened(brokers.client()) as other:

        async def ask() -> None:
            answers.append(await asker.ask(about("early"), within=PATIENCE))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await anyio.sleep(0.3)
            async with echoing(other):
                while not answers:
                    await anyio.sleep(0.01)
    assert answers == [b"EARLY"]


async def test_what_its_asker_gave_up_does_not_come(brokers: BrokerWorld) -> None:
    """Also where the broker has lent it to a taker who was busy."""
    async with opened(brokers.client()) as asker, opened(brokers.client()) as other:
        questions = await other.questions()
        await assert_unanswered(asker, "given up", within=0.3)
        await anyio.sleep(0.1)
        await assert_nobody_asks(questions)


async def test_a_late_answer_is_dropped(brokers: BrokerWorld) -> None:
    async with opened(brokers.client()) as asker, opened(brokers.client()) as other:
        questions = await other.questions()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: assert_unanswered(asker, "slow", within=1.5))
            late = await next_of(questions)
        await late.answer(b"too late")
        await questions.aclose()
        async with echoing(other):
            assert await asker.ask(about("next"), within=PATIENCE) == b"NEXT"


async def test_an_answer_to_who_has_gone_is_dropped(brokers: BrokerWorld) -> None:
    asker = brokers.client()
    await asker.open()
    async with opened(brokers.client()) as other:
        questions = await other.questions()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(assert_lost, asker, "gone")
            question = await next_of(questions)
            await asker.aclose()
        await question.answer(b"to nobody")
        await other.publish(Destination.JOBS, message())  # the connection took no harm
        assert await take_names(await other.consume(JOBS, prefetch=1), 1) == ["job"]


async def assert_lost(broker: Broker, text: str) -> None:
    """The asker is told at once that there is no connection."""
    with pytest.raises(BrokerUnavailable), anyio.fail_after(PATIENCE):
        await broker.ask(about(text), within=10 * PATIENCE)


async def test_the_first_answer_counts(brokers: BrokerWorld) -> None:
    answers = []
    async with opened(brokers.client()) as asker, opened(brokers.client()) as other:

        async def ask() -> None:
            answers.append(await asker.ask(about("which"), within=PATIENCE))

        async with anyio.create_task_group() as tasks:
            questions = await other.questions()
            tasks.start_soon(ask)
            question = await next_of(questions)
            await question.answer(b"first")
            await question.answer(b"second")
    assert answers == [b"first"]


async def test_every_question_goes_to_one_taker(brokers: BrokerWorld) -> None:
    taken: list[str] = []
    names = [f"question {n}" for n in range(20)]

    async def answer_all(broker: Broker) -> None:
        async for question in await broker.questions():
            taken.append(question.body.decode())
            await question.answer(b"")

    async with (
        opened(brokers.client()) as asker,
        opened(brokers.client()) as one,
        opened(brokers.client()) as two,
        anyio.create_task_group() as takers,
    ):
        for broker in (one, two, one):
            takers.start_soon(answer_all, broker)
        async with anyio.create_task_group() as tasks:
            for name in names:
                tasks.start_soon(lambda name: asker.ask(about(name), within=PATIENCE), name)
        takers.cancel_scope.cancel()
    assert sorted(taken) == sorted(names)


async def test_what_was_taken_and_not_answered_does_not_come_again(brokers: BrokerWorld) -> None:
    async with (
        opened(brokers.client()) as asker,
        opened(brokers.client()) as other,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(lambda: assert_unanswered(asker, "dropped", within=1.5))
        async with opened(brokers.client()) as forgetful:
            await next_of(await forgetful.questions())
        await assert_nobody_asks(await other.questions())


async def test_what_a_closed_stream_did_not_hand_out_is_left_to_others(brokers: BrokerWorld) -> None:
    async with opened(brokers.client()) as asker, opened(brokers.client()) as other:
        idle = await other.questions()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: asker.ask(about("whose"), within=PATIENCE))
            await anyio.sleep(0.2)
            await idle.aclose()
            await idle.aclose()
            question = await next_of(await other.questions())
            await question.answer(b"mine")


async def test_questions_and_messages_do_not_meet(brokers: BrokerWorld) -> None:
    async with opened(brokers.client()) as broker:
        stream = await broker.consume([*JOBS, Destination.EVENTS], prefetch=4)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: broker.ask(about("aside"), within=PATIENCE))
            await assert_silent(stream)
            assert await broker.depths() == dict.fromkeys(Destination, 0)
            questions = await broker.questions()
            await broker.publish(Destination.EVENTS, message("event"))
            await (await next_of(questions)).answer(b"")
            await assert_nobody_asks(questions)
        await (await take(stream)).ack()


async def test_who_asks_is_no_longer_held_up_when_cancelled(brokers: BrokerWorld) -> None:
    async with opened(brokers.client()) as asker, opened(brokers.client()) as other:
        for n in range(10):
            with anyio.move_on_after(n * 0.002):
                await asker.ask(about("given up"), within=0.2)
                pytest.fail("answered by nobody")
        await anyio.sleep(0.3)
        questions = await other.questions()
        await assert_nobody_asks(questions)
        await questions.aclose()
        async with echoing(other):
            assert await asker.ask(about("next"), within=PATIENCE) == b"NEXT"


async def test_closing_the_broker_ends_asking_and_taking(brokers: BrokerWorld) -> None:
    broker = brokers.client()
    await broker.open()
    waiting, closed = await broker.questions(), await broker.questions()
    async with opened(brokers.client()) as other:
        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(assert_ends, waiting)
                await anyio.wait_all_tasks_blocked()
                for n in range(3):
                    tasks.start_soon(assert_lost, broker, f"question {n}")
                await anyio.sleep(0.2)
                await broker.aclose()
        await assert_ends(closed)
        with pytest.raises(BrokerUnavailable):
            await broker.ask(about("closed"), within=1)
        with pytest.raises(BrokerUnavailable):
            await broker.questions()
        await broker.open()
        async with echoing(other):
            assert await broker.ask(about("open"), within=PATIENCE) == b"OPEN"
        await broker.aclose()


async def assert_ends(questions: Questions) -> None:
    """It ends; what it hands out before that is not answered."""
    with pytest.raises(anyio.EndOfStream):
        while True:
            await questions.receive()
