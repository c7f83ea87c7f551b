"""Poison in the queues: what is nearly a job, a report or an order is obeyed, dropped or a dead letter: no loop."""

from __future__ import annotations

import json
from collections.abc import Callable

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.adapters.base import Destination, Outgoing
from teltubby.errors import MalformedMessage
from teltubby.messages.wire import (
    FIRST_COPY_TYPE,
    JOB_TYPE,
    SCHEMA,
    TURN_TYPE,
    decode_collector_report,
    decode_event,
    decode_job,
    decode_order,
    decode_question,
    decode_worker_report,
    encode_collector_report,
    encode_event,
    encode_job,
    encode_order,
    encode_question,
    encode_worker_report,
    event_type,
)
from tests.actors.bot_wing import bot_wing
from tests.actors.clerk import clerk_at
from tests.actors.queues import queue_at
from tests.actors.stage import MIB, large_job, noise, restarts
from tests.actors.updates import sent, update
from tests.actors.worker_wing import worker_wing
from tests.actors.world import World
from tests.fuzz.quiet import assert_for_people, no_tracebacks
from tests.fuzz.shapes import damaged, examples, nearly
from tests.unit.test_wire_collector import CHANNELS as LISTED
from tests.unit.test_wire_collector import FOUND, LIST, MEDIA, TOLD, TRACKED
from tests.unit.test_wire_orders import GOLDEN as ORDERS
from tests.unit.test_wire_questions import ASKED as FIRST_COPY
from tests.unit.test_wire_turns import ASKED as TURN
from tests.unit.test_wire_workers import SHOWN, STANDING, STANDING_TYPE, TOLD_TYPE
from tests.unit.wire_samples import GOLDEN_EVENTS, JOB
from tests.virtual_time import until

JOBS, DEAD, EVENTS = Destination.JOBS, Destination.DEAD, Destination.EVENTS
Kind = tuple[str, bytes]
EVENT_KINDS: list[Kind] = [(event_type(event), encode_event(event)) for _, event, _ in GOLDEN_EVENTS]
REPORT_KINDS: list[Kind] = [
    (STANDING_TYPE, encode_worker_report(STANDING)),
    (TOLD_TYPE, encode_worker_report(SHOWN)),
    (TRACKED, encode_collector_report(TOLD)),
    (LISTED, encode_collector_report(LIST)),
    (FOUND, encode_collector_report(MEDIA)),
]
ORDER_KINDS: list[Kind] = [(kind, encode_order(order)) for kind, order, _ in ORDERS]
QUESTION_KINDS: list[Kind] = [(FIRST_COPY_TYPE, encode_question(FIRST_COPY)), (TURN_TYPE, encode_question(TURN))]
READERS: list[tuple[list[Kind], Callable[[bytes, str], object]]] = [
    (EVENT_KINDS, decode_event),
    (REPORT_KINDS[:2], decode_worker_report),
    (REPORT_KINDS[2:], decode_collector_report),
    (ORDER_KINDS, decode_order),
    (QUESTION_KINDS, decode_question),
    ([(JOB_TYPE, encode_job(JOB))], lambda body, _: decode_job(body)),
]


def of(kinds: list[Kind]) -> st.SearchStrategy[Kind]:
    """Messages of these kinds that are nearly right, in what they say or in their bytes."""

    def hostile(kind: Kind) -> st.SearchStrategy[Kind]:
        said = nearly(json.loads(kind[1])).map(lambda value: json.dumps(value).encode())
        return st.tuples(st.just(kind[0]), said | said | damaged(kind[1]))

    return st.sampled_from(kinds).flatmap(hostile)


@pytest.mark.parametrize(("kinds", "decode"), READERS, ids=["event", "worker", "collector", "order", "question", "job"])
@examples(40)
@given(data=st.data())
def test_what_is_nearly_a_message_is_read_or_refused(
    kinds: list[Kind], decode: Callable[[bytes, str], object], data: st.DataObject
) -> None:
    type_name, body = data.draw(of(kinds))
    try:
        decode(body, type_name)
    except MalformedMessage as error:
        assert str(error).isprintable() and len(str(error)) < 500


@pytest.mark.parametrize(("kinds", "decode"), READERS, ids=["event", "worker", "collector", "order", "question", "job"])
def test_what_is_nested_without_an_end_is_refused(kinds: list[Kind], decode: Callable[[bytes, str], object]) -> None:
    for body in (b"[" * 100_000, b'{"job_id": ' * 100_000):
        with pytest.raises(MalformedMessage):
            decode(body, kinds[0][0])


@pytest.mark.anyio
@pytest.mark.usefixtures("virtual_time")
@examples(3, shrunk=False)
@given(st.lists(of(EVENT_KINDS + REPORT_KINDS), min_size=20, max_size=20))
async def test_poison_reports_are_settled_and_the_next_one_is_heard(
    tmp_path_factory: pytest.TempPathFactory, poison: list[Kind]
) -> None:
    world = World(folder=tmp_path_factory.mktemp("world"))
    with no_tracebacks():
        async with bot_wing(world) as wing:
            await wing.receives(update(11, sent(world.telegram, "video", 1, size=10 * MIB)))
            await wing.queue.settle(JOBS, 1)
            (job,) = await wing.queue.jobs()
            for number, (type_name, body) in enumerate(poison):
                about_it = body.replace(JOB.job_id.encode(), job.job_id.encode())
                await wing.queue.put(EVENTS, about_it, type=type_name, message_id=str(number))
            await wing.reads_events()
            await wing.receives(update(12, photo := sent(world.telegram, "photo", 2)))
            assert photo.body in world.objects.values()
            assert restarts(wing.tree) == {}
            assert_for_people(wing.said())
            assert len(await wing.queue.take(DEAD)) <= len(poison)


@pytest.mark.anyio
@pytest.mark.usefixtures("virtual_time")
@examples(2, shrunk=False)
@given(
    st.lists(of([(JOB_TYPE, encode_job(large_job(5, max_retries=0)))]), min_size=8, max_size=8),
    st.lists(of(ORDER_KINDS), min_size=8, max_size=8),
)
async def test_poison_jobs_and_orders_are_settled_and_the_next_job_runs(
    tmp_path_factory: pytest.TempPathFactory, jobs: list[Kind], orders: list[Kind]
) -> None:
    home, whole, body = tmp_path_factory.mktemp("worker"), large_job(1), noise(2 * MIB + 77)
    with no_tracebacks():
        async with (
            queue_at(home / "queue.db") as queue,
            clerk_at(queue),
            worker_wing(home / "spool", broker=queue.twin(), concurrency=2, retry_seconds=5.0) as wing,
        ):
            wing.hand_in(whole, body)
            sender = queue.client()
            await sender.open()
            for number, (kind, poison) in enumerate(orders):
                order = Outgoing(body=poison, type=kind, message_id=str(number), headers={"schema": SCHEMA})
                await sender.broadcast(order)
            for number, (kind, poison) in enumerate(jobs):
                await queue.put(JOBS, poison, type=kind, message_id=str(number))
            await queue.put_job(whole)
            await until(lambda: wing.store.objects.get(whole.target.key) == body, within=50_000)
            with anyio.fail_after(500_000):
                while sum([await queue.depth(each) for each in (JOBS, Destination.PRIORITY, Destination.RETRY)]):
                    await anyio.sleep(60)
            assert restarts(wing.tree) == {}
            await sender.aclose()
