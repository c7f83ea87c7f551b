"""When children start: in order, in time, and again after their backoff, which is a deadline and no sleep."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import anyio
import pytest

from teltubby.supervision import (
    Actor,
    Backoff,
    ChildSpec,
    Context,
    Intensity,
    IntensityExceeded,
    NotReady,
    Restart,
    State,
    Strategy,
    Supervisor,
)
from tests.supervision.household import (
    SLOW,
    Add,
    Bug,
    Clerk,
    Crash,
    Dumb,
    Message,
    Top,
    clerk,
    node,
    states,
    until,
    while_running,
)

pytestmark = pytest.mark.anyio


async def test_a_child_that_finishes_before_it_was_ready_holds_nobody_up() -> None:
    class Errand(Dumb):
        async def run(self, context: Context[Message]) -> None:
            await anyio.sleep(1)

    tree = Supervisor("root", [ChildSpec("e", Errand, restart=Restart.TRANSIENT), clerk("b", [])])

    async def body(context: Context[Any]) -> None:
        assert states(tree) == [State.FINISHED, State.READY]

    await while_running(tree, body)


async def test_the_first_restart_is_immediate_and_the_next_waits() -> None:
    journal: list[str] = []
    tree = Supervisor("root", [clerk("a", journal, backoff=SLOW)], rng=Top())

    async def body(context: Context[Any]) -> None:
        tree.ref("a").tell(Crash())
        await anyio.sleep(0.5)
        assert journal == ["+a", "-a", "+a"]
        tree.ref("a").tell(Crash())
        await anyio.sleep(99)
        assert node(tree, "a").state is State.BACKOFF
        await anyio.sleep(2)
        assert node(tree, "a").state is State.READY

    await while_running(tree, body)


async def test_who_was_healthy_for_long_restarts_at_once_again() -> None:
    journal: list[str] = []
    backoff = Backoff(first=100, cap=100, healthy_after=60)
    tree = Supervisor("root", [clerk("a", journal, backoff=backoff)], rng=Top())

    async def body(context: Context[Any]) -> None:
        tree.ref("a").tell(Crash())
        for pause, state in ((59, State.BACKOFF), (200, State.READY)):
            await anyio.sleep(pause)
            tree.ref("a").tell(Crash())
            await anyio.sleep(0.5)
            assert node(tree, "a").state is state

    await while_running(tree, body)


async def test_who_never_became_ready_is_not_healthy() -> None:
    starts: list[float] = []

    class Broken(Clerk):
        async def setup(self) -> None:
            starts.append(anyio.current_time())
            raise OSError("no")

    backoff = Backoff(first=10, factor=2, cap=1000, healthy_after=1)
    spec = ChildSpec("a", lambda: Broken("a", []), backoff=backoff)
    tree = Supervisor("root", [spec], intensity=Intensity(restarts=4, within=1e6), rng=Top())
    with pytest.raises(IntensityExceeded, match="OSError: no"):
        await tree.run(Context("root"))
    assert [round(b - a) for a, b in pairwise(starts)] == [0, 10, 20, 40]


async def test_while_one_child_is_in_backoff_the_others_crashes_are_dealt_with() -> None:
    journal: list[str] = []
    tree = Supervisor(
        "root",
        [clerk("a", journal, backoff=SLOW), clerk("b", journal)],
        intensity=Intensity(restarts=9),
        rng=Top(),
    )

    async def body(context: Context[Any]) -> None:
        for _ in range(2):
            tree.ref("a").tell(Crash())
        await until(lambda: node(tree, "a").state is State.BACKOFF)
        before = anyio.current_time()
        tree.ref("b").tell(Crash())
        assert await tree.ref("b").ask(Add(n=1), within=1) == 1
        assert node(tree, "b").restarts == 1
        assert node(tree, "a").state is State.BACKOFF
        assert anyio.current_time() - before < 1
        assert await tree.ref("a").ask(Add(n=1), within=200) == 1

    await while_running(tree, body)


async def test_a_crash_that_sweeps_along_a_child_in_backoff_does_not_shorten_its_wait() -> None:
    journal: list[str] = []
    tree = Supervisor(
        "root",
        [clerk("a", journal), clerk("b", journal, backoff=SLOW)],
        strategy=Strategy.REST_FOR_ONE,
        rng=Top(),
    )

    async def body(context: Context[Any]) -> None:
        for _ in range(2):
            tree.ref("b").tell(Crash())
        await until(lambda: node(tree, "b").state is State.BACKOFF)
        began = anyio.current_time()
        tree.ref("a").tell(Crash())
        await until(lambda: states(tree) == [State.READY, State.READY])
        assert anyio.current_time() - began == pytest.approx(100, abs=1)

    await while_running(tree, body)


async def test_children_start_one_after_the_other_each_when_the_one_before_is_ready() -> None:
    journal: list[str] = []

    class Slow(Clerk):
        async def setup(self) -> None:
            await anyio.sleep(10)
            await super().setup()

    tree = Supervisor("root", [ChildSpec("a", lambda: Slow("a", journal)), clerk("b", journal)])
    context = Context[Any]("root")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tree.run, context)
        await anyio.sleep(9)
        assert states(tree) == [State.STARTING, State.WAITING]
        assert not context.ready.is_set()
        assert tree.snapshot().state is State.STARTING
        await anyio.sleep(2)
        assert journal == ["+a", "+b"]
        assert context.ready.is_set()
        assert tree.snapshot().state is State.READY
        context.stop()


async def test_who_is_not_ready_in_time_has_crashed() -> None:
    class Never(Actor[Message]):
        async def setup(self) -> None:
            await anyio.sleep_forever()

        async def handle(self, message: Message, /) -> object:
            raise NotImplementedError

    tree = Supervisor("root", [ChildSpec("a", Never, ready_within=5)], intensity=Intensity(restarts=1, within=60))
    began = anyio.current_time()
    with pytest.raises(IntensityExceeded, match=r"root/a: not ready within 5 s") as caught:
        await tree.run(Context("root"))
    assert isinstance(caught.value.__cause__, NotReady)
    assert anyio.current_time() - began == pytest.approx(10, abs=0.1)


@pytest.mark.parametrize("where", ["start", "setup", "run"])
async def test_a_crash_before_readiness_is_a_crash_like_another(where: str) -> None:
    attempts: list[str] = []

    class Fails(Clerk):
        def __init__(self) -> None:
            super().__init__("a", [])
            self.fails("start")

        async def setup(self) -> None:
            self.fails("setup")

        async def run(self, context: Context[Message]) -> None:
            self.fails("run")
            await super().run(context)

        def fails(self, here: str) -> None:
            if here == where and len(attempts) < 2:
                attempts.append(here)
                raise Bug(here)

    tree = Supervisor("root", [ChildSpec("a", Fails)])

    async def body(context: Context[Any]) -> None:
        assert node(tree, "a").restarts == 2
        assert node(tree, "a").last_error == f"Bug: {where}"
        assert node(tree, "a").state is State.READY

    await while_running(tree, body)
