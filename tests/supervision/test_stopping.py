"""Ordered stops, their time limits, and what a second signal does."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from teltubby.supervision import (
    TEARDOWN_WITHIN,
    ActorStopped,
    Backoff,
    ChildSpec,
    Context,
    Intensity,
    State,
    Strategy,
    Supervisor,
)
from tests.supervision.household import Add, Clerk, Crash, Top, Work, clerk, node, states, until, while_running

pytestmark = pytest.mark.anyio


async def test_the_last_child_stops_first_and_nested_ones_in_their_place() -> None:
    journal: list[str] = []
    inner = Supervisor("inner", [clerk("x", journal), clerk("y", journal)])
    tree = Supervisor("root", [clerk("a", journal), inner, clerk("b", journal)])

    async def body(context: Context[Any]) -> None:
        for path in ("a", "inner/x", "inner/y", "b"):
            tree.ref(path).tell(Work(name=f"work {path}", seconds=1))

    await while_running(tree, body)
    assert sorted(journal[4:])[4:] == ["work a", "work b", "work inner/x", "work inner/y"]
    assert [line for line in journal[4:] if line.startswith("-")] == ["-b", "-y", "-x", "-a"]
    assert states(tree) == [State.STOPPED] * 3


async def test_a_child_drains_its_mail_until_stop_within_and_is_cancelled_then() -> None:
    journal: list[str] = []
    tree = Supervisor("root", [clerk("a", journal), clerk("b", journal, stop_within=5)])
    asked: list[BaseException | str] = []

    async def ask(seconds: float, name: str) -> None:
        try:
            asked.append(await tree.ref("b").ask(Work(name=name, seconds=seconds), within=60))
        except ActorStopped as exc:
            asked.append(exc)

    began = anyio.current_time()
    async with anyio.create_task_group() as tasks:

        async def body(context: Context[Any]) -> None:
            for number in range(1, 5):
                tasks.start_soon(ask, 2.5, f"job {number}")
                await anyio.sleep(0.1)
            await anyio.sleep(0.6)  # the stop comes at 1 s, and cuts job 3 off at 6 s

        await while_running(tree, body)
        assert anyio.current_time() - began == pytest.approx(6, abs=0.1)
    assert journal[2:] == ["job 1", "job 2", "-b", "-a"]
    assert asked[:2] == ["job 1", "job 2"]
    assert [type(error) for error in asked[2:]] == [ActorStopped, ActorStopped]
    with pytest.raises(ActorStopped):
        tree.ref("b").tell(Add(n=1))
    with pytest.raises(ActorStopped):
        await tree.ref("b").send(Add(n=1))


async def test_those_above_still_answer_while_those_below_drain() -> None:
    journal: list[str] = []

    class Front(Clerk):
        async def handle(self, message: Any, /) -> object:
            await anyio.sleep(1)
            self.total = await house.ref("back").ask(Add(n=1), within=1)
            self.journal.append(f"back said {self.total}")
            return self.total

    house = Supervisor("root", [clerk("back", journal), ChildSpec("front", lambda: Front("front", journal))])

    async def body(context: Context[Any]) -> None:
        for _ in range(3):
            house.ref("front").tell(Add(n=1))

    await while_running(house, body)
    assert journal[2:] == ["back said 1", "back said 2", "back said 3", "-front", "-back"]


async def test_those_below_are_gone_as_soon_as_they_have_stopped() -> None:
    tree = Supervisor("root", [clerk("a", [], stop_within=100), clerk("b", [])])
    context = Context[Any]("root")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tree.run, context)
        await context.ready.wait()
        tree.ref("a").tell(Work(name="long", seconds=50))
        await anyio.sleep(1)
        context.stop()
        await anyio.sleep(1)
        assert states(tree) == [State.STOPPING, State.STOPPED]
        with pytest.raises(ActorStopped):
            tree.ref("b").tell(Add(n=1))
        assert await tree.ref("a").ask(Add(n=1), within=60) == 1


async def test_a_stop_during_backoff_is_immediate() -> None:
    tree = Supervisor("root", [clerk("a", [], backoff=Backoff(first=100, cap=100))], rng=Top())

    async def body(context: Context[Any]) -> None:
        for _ in range(2):
            tree.ref("a").tell(Crash())
        await until(lambda: node(tree, "a").state is State.BACKOFF)
        began.append(anyio.current_time())

    began: list[float] = []
    await while_running(tree, body)
    assert anyio.current_time() - began[0] < 0.1
    assert node(tree, "a").state is State.STOPPED


async def test_a_stop_during_the_start_is_not_waiting_for_readiness() -> None:
    class Slow(Clerk):
        async def setup(self) -> None:
            await anyio.sleep(20)

    journal: list[str] = []
    tree = Supervisor("root", [ChildSpec("a", lambda: Slow("a", journal), stop_within=3), clerk("b", journal)])
    context = Context[Any]("root")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tree.run, context)
        await anyio.sleep(1)
        context.stop()
        assert not context.ready.is_set()
        await anyio.sleep(3.1)
        assert states(tree) == [State.STOPPED, State.STOPPED]
    assert journal == []


async def test_a_stop_before_the_start_starts_nobody() -> None:
    journal: list[str] = []
    tree = Supervisor("root", [clerk("a", journal)])
    context = Context[Any]("root")
    context.stop()
    await tree.run(context)
    assert journal == []
    with pytest.raises(ActorStopped):
        tree.ref("a").tell(Add(n=1))


async def test_a_stop_in_the_middle_of_a_restart_turns_it_into_a_stop_that_drains() -> None:
    journal: list[str] = []
    children = [clerk(name, journal) for name in "abc"]
    tree = Supervisor("root", children, strategy=Strategy.ONE_FOR_ALL)

    async def body(context: Context[Any]) -> None:
        for name in ("first", "second"):
            tree.ref("c").tell(Work(name=name, seconds=2))
        await anyio.sleep(1)
        tree.ref("b").tell(Crash())
        await anyio.sleep(0.5)
        assert states(tree) == [State.READY, State.BACKOFF, State.STOPPING]

    await while_running(tree, body)
    assert journal[3:] == ["-b", "first", "second", "-c", "-a"]


async def test_who_becomes_ready_while_it_is_stopped_is_still_being_stopped() -> None:
    class Slow(Clerk):
        async def setup(self) -> None:
            await anyio.sleep(5)

        async def teardown(self) -> None:
            await anyio.sleep(3)

    tree = Supervisor("root", [ChildSpec("a", lambda: Slow("a", []))])
    context = Context[Any]("root")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tree.run, context)
        await anyio.sleep(1)
        context.stop()
        await anyio.sleep(6)
        assert states(tree) == [State.STOPPING]
    assert not context.ready.is_set()
    assert states(tree) == [State.STOPPED]


async def test_a_crash_during_the_stop_restarts_nobody() -> None:
    journal: list[str] = []
    tree = Supervisor("root", [clerk("a", journal), clerk("b", journal)], strategy=Strategy.ONE_FOR_ALL)

    async def body(context: Context[Any]) -> None:
        tree.ref("b").tell(Work(name="work", seconds=1))
        tree.ref("b").tell(Crash())
        tree.ref("b").tell(Work(name="lost", seconds=1))

    await while_running(tree, body)
    assert journal == ["+a", "+b", "work", "-b", "-a"]
    assert node(tree, "b").last_error == "Bug: crash"
    assert node(tree, "b").mailbox == 0


async def test_giving_up_lets_the_others_finish_their_message_and_keeps_the_mail_for_the_restart() -> None:
    journal: list[str] = []
    inner = Supervisor("inner", [clerk("x", journal), clerk("y", journal)], intensity=Intensity(restarts=0))
    tree = Supervisor("root", [inner])

    async def body(context: Context[Any]) -> None:
        tree.ref("inner/y").tell(Work(name="first", seconds=2))
        tree.ref("inner/y").tell(Work(name="second", seconds=2))
        await anyio.sleep(1)
        tree.ref("inner/x").tell(Crash())
        await anyio.sleep(5)
        assert journal == ["+x", "+y", "-x", "first", "-y", "+x", "+y", "second"]

    await while_running(tree, body)


async def test_a_tree_can_run_again() -> None:
    journal: list[str] = []
    tree = Supervisor("root", [clerk("a", journal)])
    for expected in (1, 1):

        async def body(context: Context[Any], expected: int = expected) -> None:
            assert await tree.ref("a").ask(Add(n=1), within=1) == expected
            with pytest.raises(RuntimeError, match="runs already"):
                await tree.run(Context("root"))

        await while_running(tree, body)
    assert journal == ["+a", "-a", "+a", "-a"]


async def test_the_longest_stop_is_the_sum() -> None:
    inner = Supervisor("inner", [clerk("x", [], stop_within=1), clerk("y", [], stop_within=2)])
    tree = Supervisor("root", [clerk("a", [], stop_within=4), inner])
    assert tree.stop_within == 1 + 2 + 4 + 3 * TEARDOWN_WITHIN
