"""Actors that do more than one thing at once, and what a stop or a crash means to them."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from teltubby.supervision import (
    ActorCrashed,
    ActorStopped,
    ChildSpec,
    Context,
    Pool,
    Refused,
    Supervisor,
)
from tests.supervision.household import Add, Bug, Clerk, Crash, Decline, Dumb, Message, Work, node, while_running

pytestmark = pytest.mark.anyio


class Workshop(Pool[Message]):
    width = 3

    def __init__(self, journal: list[str]) -> None:
        self.clerk = Clerk("w", journal)

    async def handle(self, message: Message, /) -> object:
        return await self.clerk.handle(message)


async def test_a_pool_handles_several_at_once() -> None:
    journal: list[str] = []
    tree = Supervisor("root", [ChildSpec("w", lambda: Workshop(journal))])

    async def body(context: Context[Any]) -> None:
        for number in range(7):
            tree.ref("w").tell(Work(name=str(number), seconds=2))
        await anyio.sleep(1)
        assert node(tree, "w").mailbox == 4
        await anyio.sleep(1.5)
        assert sorted(journal) == ["0", "1", "2"]
        with pytest.raises(Refused):
            await tree.ref("w").ask(Decline(), within=10)
        assert sorted(journal[:6]) == ["0", "1", "2", "3", "4", "5"]

    await while_running(tree, body)
    assert sorted(journal) == ["0", "1", "2", "3", "4", "5", "6"]


async def test_a_crash_in_a_pool_fails_the_other_askers_and_keeps_the_queue() -> None:
    journal: list[str] = []
    tree = Supervisor("root", [ChildSpec("w", lambda: Workshop(journal))])
    outcomes: list[str] = []

    async def ask(message: Any) -> None:
        try:
            await tree.ref("w").ask(message, within=100)
        except (Bug, ActorCrashed) as exc:
            outcomes.append(type(exc).__name__)

    async def body(context: Context[Any]) -> None:
        async with anyio.create_task_group() as tasks:
            for name in "ab":
                tasks.start_soon(ask, Work(name=name, seconds=10))
            await anyio.sleep(1)
            tasks.start_soon(ask, Crash())
            tree.ref("w").tell(Work(name="queued", seconds=0))
        assert sorted(outcomes) == ["ActorCrashed", "ActorCrashed", "Bug"]
        await anyio.sleep(1)
        assert journal == ["queued"]
        assert node(tree, "w").last_error == "Bug: crash"
        assert node(tree, "w").restarts == 1

    await while_running(tree, body)


async def test_a_pool_drains_too_and_is_cut_off_too() -> None:
    journal: list[str] = []
    tree = Supervisor("root", [ChildSpec("w", lambda: Workshop(journal), stop_within=5)])

    async def body(context: Context[Any]) -> None:
        for number in range(9):
            tree.ref("w").tell(Work(name=str(number), seconds=2))
        await anyio.sleep(0.5)

    began = anyio.current_time()
    await while_running(tree, body)
    assert sorted(journal) == ["0", "1", "2", "3", "4", "5"]
    assert anyio.current_time() - began == pytest.approx(5.5, abs=0.1)


class Poller(Clerk):
    """Polls every 30 s beside its mail, and finishes a poll that has brought something."""

    async def run(self, context: Context[Message]) -> None:
        self.context = context
        context.started()
        await context.serve(self.handle, self.poll)

    async def poll(self) -> None:
        while not self.context.stopping.is_set():
            with self.context.interruptible():
                await anyio.sleep(30)
                self.journal.append("poll")
        await anyio.sleep(1)
        self.journal.append("poll loop ended")


async def test_an_actor_may_receive_by_itself_and_answer_later() -> None:
    class Batcher(Dumb):
        async def run(self, context: Context[Message]) -> None:
            context.started()
            batch = []
            while (envelope := await context.receive()) is not None:
                batch.append(envelope)
                if len(batch) == 2:
                    for waiting in batch:
                        waiting.answer(len(batch))
                    batch = []

    tree = Supervisor("root", [ChildSpec("b", Batcher)])
    answers: list[int] = []
    failed: list[str] = []

    async def ask() -> None:
        try:
            answers.append(await tree.ref("b").ask(Add(n=1), within=100))
        except ActorStopped as exc:
            failed.append(str(exc))

    async with anyio.create_task_group() as tasks:

        async def body(context: Context[Any]) -> None:
            for _ in range(3):
                tasks.start_soon(ask)
            await anyio.sleep(1)
            assert answers == [2, 2]

        await while_running(tree, body)
    assert failed == ["root/b: actor has stopped"]


async def test_a_poller_serves_its_mail_and_a_stop_ends_the_polling_first() -> None:
    journal: list[str] = []
    tree = Supervisor("root", [ChildSpec("p", lambda: Poller("p", journal))])

    async def body(context: Context[Any]) -> None:
        await anyio.sleep(70)
        assert await tree.ref("p").ask(Add(n=1), within=1) == 1
        tree.ref("p").tell(Work(name="queued", seconds=3))
        tree.ref("p").tell(Work(name="queued too", seconds=3))

    began = anyio.current_time()
    await while_running(tree, body)
    assert journal == ["+p", "poll", "poll", "poll loop ended", "queued", "queued too", "-p"]
    assert anyio.current_time() - began == pytest.approx(76, abs=0.1)


async def test_a_poller_answers_while_its_polling_ends() -> None:
    journal: list[str] = []
    tree = Supervisor("root", [ChildSpec("p", lambda: Poller("p", journal))])

    async def body(context: Context[Any]) -> None:
        context.stop()
        await anyio.sleep(0.5)
        assert await tree.ref("p").ask(Add(n=1), within=0.1) == 1

    await while_running(tree, body)
    assert journal == ["+p", "poll loop ended", "-p"]


async def test_a_poll_loop_that_crashes_crashes_its_actor() -> None:
    class Broken(Poller):
        async def poll(self) -> None:
            await anyio.sleep(1)
            raise Bug("poll")

    tree = Supervisor("root", [ChildSpec("p", lambda: Broken("p", []))])

    async def body(context: Context[Any]) -> None:
        with pytest.raises(ActorCrashed):
            await tree.ref("p").ask(Work(name="x", seconds=5), within=10)
        await anyio.sleep(0.1)
        assert node(tree, "p").last_error == "Bug: poll"

    await while_running(tree, body)
