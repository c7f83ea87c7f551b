"""Questions over RabbitMQ when something goes wrong: whoever asks is told at once, and goes on without an answer."""

from __future__ import annotations

import asyncio
import time

import aio_pika
import anyio
import anyio.to_thread
import pytest
from aio_pika.abc import AbstractChannel
from anyio.abc import ObjectReceiveStream

from teltubby.adapters.base import Broker, Outgoing, Question
from teltubby.adapters.rabbitmq_topology import BrokerNames
from teltubby.errors import BrokerUnavailable, NotAnswered
from teltubby.flavour import asyncio_hosted
from tests.contract.brokers import PATIENCE, RabbitWorld, as_a_stranger, depth_of, eventually, message, opened
from tests.servers.tcp_proxy import TcpProxy

pytestmark = pytest.mark.anyio

NAMES = BrokerNames()


async def ask(broker: Broker, *, within: float = PATIENCE) -> bytes:
    return await broker.ask(message("question"), within=within)


async def assert_lost(broker: Broker, reason: str | None = None) -> None:
    """The asker is told long before its patience ends."""
    began = time.monotonic()
    with pytest.raises(BrokerUnavailable, match=reason):
        await ask(broker, within=60)
    assert time.monotonic() - began < PATIENCE


async def assert_answered(asker: Broker, other: Broker) -> None:
    """Questions and answers go their way, also where others have left theirs."""

    async def answer() -> None:
        async with await other.questions() as questions:
            async for question in questions:
                await question.answer(b"well")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(answer)
        assert await ask(asker) == b"well"
        tasks.cancel_scope.cancel()


async def assert_ends(questions: ObjectReceiveStream[Question]) -> None:
    """It ends soon."""
    with anyio.fail_after(PATIENCE), pytest.raises(anyio.EndOfStream):
        while True:
            await questions.receive()


async def test_a_cut_wire_ends_asking_and_taking_until_opened_again(
    wired: RabbitWorld,
    rabbit_proxy: TcpProxy,
) -> None:
    asker, other = wired.client(), wired.client()
    async with opened(asker), opened(other):
        questions = await other.questions()
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(assert_lost, asker)
            taken = await questions.receive()
            tasks.start_soon(assert_ends, questions)
            await anyio.wait_all_tasks_blocked()
            rabbit_proxy.cut()
        with pytest.raises(BrokerUnavailable, match="did not take an answer"):
            await taken.answer(b"lost")
        await assert_lost(asker)
        await asker.open()
        await other.open()
        await assert_answered(asker, other)


async def test_a_broker_that_hangs_costs_the_patience_and_no_more(
    wired: RabbitWorld,
    rabbit_proxy: TcpProxy,
) -> None:
    async with opened(wired.client()) as first_time, opened(wired.client()) as again, opened(wired.client()) as other:
        await assert_answered(again, other)
        rabbit_proxy.stall()
        for broker, extra in ((again, 1.0), (first_time, 4.0)):  # a channel half open is closed first
            began = time.monotonic()
            with pytest.raises(NotAnswered, match=r"no answer within 0\.5 s"):
                await ask(broker, within=0.5)
            assert 0.5 <= time.monotonic() - began < 0.5 + extra
        rabbit_proxy.resume()
        await assert_answered(again, other)
        await assert_answered(first_time, other)


async def test_the_server_restarts(direct: RabbitWorld) -> None:
    asker, other = direct.client(), direct.client()
    async with opened(asker), opened(other):
        await assert_answered(asker, other)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(assert_lost, asker)
            await anyio.sleep(0.2)
            await anyio.to_thread.run_sync(direct.node.restart)
        await asker.open()
        await other.open()
        await assert_answered(asker, other)


async def test_a_deleted_queue_of_questions_is_named_and_declared_again(direct: RabbitWorld) -> None:
    asker, other = direct.client(), direct.client()
    async with opened(asker), opened(other):
        questions = await other.questions()
        direct.node.delete_queue(direct.vhost, NAMES.questions)
        await assert_ends(questions)
        await assert_lost(asker, r"no queue for 'teltubby\.questions'")
        await other.open()
        await assert_answered(asker, other)


async def test_a_deleted_queue_of_answers_is_noticed_and_made_again(direct: RabbitWorld) -> None:
    async with opened(direct.client()) as asker, opened(direct.client()) as other:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(assert_lost, asker, "the queue was deleted")
            await eventually(lambda: has_answer_queue(direct))
            (name,) = await answer_queues(direct)
            await anyio.to_thread.run_sync(direct.node.delete_queue, direct.vhost, name)
        await assert_answered(asker, other)
        (made,) = await answer_queues(direct)
        assert made != name


async def test_the_queue_of_answers_goes_with_its_connection(wired: RabbitWorld, rabbit_proxy: TcpProxy) -> None:
    async def gone() -> bool:
        return await answer_queues(wired) == []

    async with opened(wired.client()) as asker, opened(wired.client()) as other:
        await assert_answered(asker, other)
        (name,) = await answer_queues(wired)
        assert name.startswith("teltubby.answers.")
        rabbit_proxy.cut()
        await eventually(gone)
    async with opened(wired.client()) as asker, opened(wired.client()) as other:
        assert await answer_queues(wired) == [], "who never asked has none"
        await assert_answered(asker, other)
    assert await answer_queues(wired) == []


async def test_a_user_who_may_use_our_names_only(direct: RabbitWorld) -> None:
    ours = '<<"^teltubby[.]">>'
    direct.node.evaluate(
        f'rabbit_auth_backend_internal:set_permissions(<<"{direct.node.user}">>, <<"{direct.vhost}">>, '
        f'{ours}, {ours}, {ours}, <<"tests">>)'
    )
    async with opened(direct.client()) as asker, opened(direct.client()) as other:
        await assert_answered(asker, other)
        await assert_answered(asker, other)


async def test_classic_queues_serve_as_well(direct: RabbitWorld) -> None:
    async with opened(direct.client(queue_type="classic")) as asker, opened(direct.client(queue_type="classic")) as two:
        with pytest.raises(NotAnswered):
            await ask(asker, within=0.2)
        await assert_answered(asker, two)


async def test_a_question_is_not_kept_and_leaves_nothing(direct: RabbitWorld) -> None:
    seen: list[aio_pika.abc.AbstractIncomingMessage] = []
    async with opened(direct.client()) as asker:

        async def look(channel: AbstractChannel) -> None:
            queue = await channel.get_queue(NAMES.questions)
            while not (found := await queue.get(no_ack=False, fail=False)):
                await asyncio.sleep(0.01)
            seen.append(found)
            await found.nack(requeue=True)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(assert_unanswered, asker)
            await as_a_stranger(direct, look)
        (question,) = seen
        assert question.delivery_mode is aio_pika.DeliveryMode.NOT_PERSISTENT
        assert isinstance(question.expiration, float) and 0 < question.expiration <= 1

        async def empty() -> bool:
            return await depth_of(direct, NAMES.questions) == 0

        await eventually(empty)


async def assert_unanswered(broker: Broker) -> None:
    with pytest.raises(NotAnswered):
        await ask(broker, within=1)


async def test_a_question_without_a_sender_is_passed_over(
    direct: RabbitWorld, caplog: pytest.LogCaptureFixture
) -> None:
    async def anonymous(channel: AbstractChannel) -> None:
        exchange = await channel.get_exchange(NAMES.exchange)
        await exchange.publish(aio_pika.Message(b"?", reply_to="teltubby.events"), NAMES.questions)
        await exchange.publish(aio_pika.Message(b"?", correlation_id="1"), NAMES.questions)

    async with opened(direct.client()) as asker, opened(direct.client()) as other:
        await as_a_stranger(direct, anonymous)
        await assert_answered(asker, other)
        assert caplog.text.count("says not where its answer goes") == 2


async def test_answers_to_other_questions_are_not_taken_for_this_one(direct: RabbitWorld) -> None:
    async with opened(direct.client()) as asker, opened(direct.client()) as other:
        questions = await other.questions()

        async def mislead() -> None:
            question = await questions.receive()

            async def publish(channel: AbstractChannel) -> None:
                exchange = await channel.get_exchange(NAMES.exchange)
                (address,) = await answer_queues(direct)
                for number in (None, "", "another"):
                    await exchange.publish(aio_pika.Message(b"wrong", correlation_id=number), address)

            await as_a_stranger(direct, publish)
            await question.answer(b"right")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(mislead)
            assert await ask(asker) == b"right"


async def test_nothing_is_left_behind(wired: RabbitWorld, rabbit_proxy: TcpProxy) -> None:
    async with opened(wired.client()):
        before = await tasks_of_the_loop()
    for harm in (lambda: None, rabbit_proxy.cut, rabbit_proxy.stall):
        async with opened(wired.client()) as asker, opened(wired.client()) as other:
            await assert_answered(asker, other)
            questions = await other.questions()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda: asker.ask(Outgoing(body=b"", type="t", message_id="1"), within=60))
                await questions.receive()
                harm()
                tasks.cancel_scope.cancel()
    rabbit_proxy.resume()

    async def fewer_tasks() -> bool:
        return await tasks_of_the_loop() < before

    await eventually(fewer_tasks)


@asyncio_hosted
async def tasks_of_the_loop() -> int:
    """How many tasks the hosted asyncio loop has."""
    return len(asyncio.all_tasks())


async def has_answer_queue(world: RabbitWorld) -> bool:
    return bool(await answer_queues(world))


async def answer_queues(world: RabbitWorld) -> list[str]:
    """The queues of those who asked."""
    listed = await anyio.to_thread.run_sync(
        world.node.evaluate,
        f'[binary_to_list(N) || Q <- rabbit_amqqueue:list(<<"{world.vhost}">>), '
        "{resource, _, queue, N} <- [amqqueue:get_name(Q)]]",
    )
    return [name for name in listed.replace("]", '"').split('"') if name.startswith(NAMES.answers)]
