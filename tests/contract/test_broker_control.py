"""What every broker keeps of broadcasts: everybody who listens hears them, once and in order, and nobody else."""

from __future__ import annotations

import anyio
import pytest
from anyio.abc import ObjectReceiveStream

from teltubby.adapters.base import Broker, Destination, HeaderValue, Heard, Outgoing
from teltubby.errors import BrokerUnavailable
from tests.contract.brokers import JOBS, PATIENCE, BrokerWorld, assert_silent, message, opened, take_names

pytestmark = pytest.mark.anyio

Listener = ObjectReceiveStream[Heard]


def saying(text: str) -> Outgoing:
    """A broadcast of something."""
    return Outgoing(body=text.encode(), type="test.order", message_id=text, headers={"schema": "1.0", "n": 7})


async def next_of(listener: Listener) -> Heard:
    """What comes next, soon."""
    with anyio.fail_after(PATIENCE):
        return await listener.receive()


async def texts_of(listener: Listener, count: int) -> list[str]:
    """So many of them, in the order in which they come."""
    return [(await next_of(listener)).body.decode() for _ in range(count)]


async def assert_quiet(listener: Listener, seconds: float = 0.3) -> None:
    """Nothing is heard for this long."""
    with anyio.move_on_after(seconds):
        pytest.fail(f"unexpected broadcast {(await listener.receive()).body!r}")


BODIES = {"empty": b"", "unicode": "стоп 🦉".encode(), "binary": bytes(range(256)), "1 MiB": bytes(range(256)) * 4096}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
async def test_a_broadcast_arrives_as_it_was_given(brokers: BrokerWorld, body: bytes) -> None:
    headers: dict[str, HeaderValue] = {"schema": "1.0", "имя": "да", "n": 3, "last": False}
    async with opened(brokers.client()) as teller, opened(brokers.client()) as other:
        listener = await other.listen()
        await teller.broadcast(Outgoing(body=body, type="test.order", message_id="m", headers=headers))
        assert await next_of(listener) == Heard(body=body, type="test.order", headers=headers)


async def test_everybody_who_listens_hears_all_in_order(brokers: BrokerWorld) -> None:
    texts = [f"order {n}" for n in range(20)]
    async with opened(brokers.client()) as one, opened(brokers.client()) as two, opened(brokers.client()) as three:
        listeners = [await broker.listen() for broker in (one, one, two, three)]
        for text in texts:
            await one.broadcast(saying(text))
        for listener in listeners:
            assert await texts_of(listener, len(texts)) == texts
        await one.broadcast(saying("last"))
        for listener in listeners:
            assert await texts_of(listener, 1) == ["last"]
            await assert_quiet(listener, 0.05)


async def test_what_was_broadcast_before_is_not_heard(brokers: BrokerWorld) -> None:
    async with opened(brokers.client()) as teller, opened(brokers.client()) as other:
        await teller.broadcast(saying("to nobody"))
        early = await other.listen()
        await teller.broadcast(saying("one"))
        late = await other.listen()
        await teller.broadcast(saying("two"))
        assert await texts_of(early, 2) == ["one", "two"]
        assert await texts_of(late, 1) == ["two"]


async def test_a_listener_that_waits_is_told(brokers: BrokerWorld) -> None:
    heard: list[str] = []

    async def listen(listener: Listener) -> None:
        heard.extend(await texts_of(listener, 1))

    async with opened(brokers.client()) as teller, opened(brokers.client()) as other:
        async with anyio.create_task_group() as tasks:
            for broker in (teller, other):
                tasks.start_soon(listen, await broker.listen())
            await anyio.wait_all_tasks_blocked()
            await teller.broadcast(saying("now"))
        assert heard == ["now", "now"]


async def test_a_closed_listener_hears_nothing_more_and_disturbs_nobody(brokers: BrokerWorld) -> None:
    async with opened(brokers.client()) as broker:
        gone, stays = await broker.listen(), await broker.listen()
        await broker.broadcast(saying("one"))
        await gone.aclose()
        await gone.aclose()
        with pytest.raises(anyio.EndOfStream):
            await gone.receive()
        await broker.broadcast(saying("two"))
        assert await texts_of(stays, 2) == ["one", "two"]


async def test_broadcasts_meet_neither_messages_nor_questions(brokers: BrokerWorld) -> None:
    async with opened(brokers.client()) as broker:
        stream = await broker.consume([*JOBS, Destination.EVENTS, Destination.DEAD], prefetch=4)
        questions = await broker.questions()
        listener = await broker.listen()
        await broker.broadcast(saying("an order"))
        assert await broker.depths() == dict.fromkeys(Destination, 0)
        await assert_silent(stream)
        await broker.publish(Destination.JOBS, message("job"))
        assert await take_names(stream, 1) == ["job"]

        async def answer() -> None:
            await (await questions.receive()).answer(b"well")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(answer)
            assert await broker.ask(saying("a question"), within=PATIENCE) == b"well"
        assert await texts_of(listener, 1) == ["an order"]
        await assert_quiet(listener)


async def test_a_cancelled_receive_loses_nothing(brokers: BrokerWorld) -> None:
    texts, heard = [f"order {n}" for n in range(12)], list[str]()
    async with opened(brokers.client()) as broker:
        listener = await broker.listen()
        for n, text in enumerate(texts):
            await broker.broadcast(saying(text))
            with anyio.move_on_after(n * 0.001):
                heard.append((await listener.receive()).body.decode())
        heard += await texts_of(listener, len(texts) - len(heard))
        assert heard == texts


async def assert_ends(listener: Listener) -> None:
    """It ends without anything more."""
    with pytest.raises(anyio.EndOfStream):
        await listener.receive()


async def assert_closed(broker: Broker) -> None:
    """Nothing works on it, and it says so."""
    with pytest.raises(BrokerUnavailable):
        await broker.broadcast(saying("nothing"))
    with pytest.raises(BrokerUnavailable):
        await broker.listen()


async def test_closing_the_broker_ends_listening_until_it_is_opened_again(brokers: BrokerWorld) -> None:
    broker = brokers.client()
    await assert_closed(broker)
    async with opened(broker):
        waiting, closed = await broker.listen(), await broker.listen()
        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(assert_ends, waiting)
                await anyio.wait_all_tasks_blocked()
                await broker.aclose()
            await assert_ends(closed)
    await assert_closed(broker)
    async with opened(broker):
        listener = await broker.listen()
        await broker.broadcast(saying("again"))
        assert await texts_of(listener, 1) == ["again"]
