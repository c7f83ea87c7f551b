"""Intensity, and how giving up climbs through nested supervisors."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from teltubby.supervision import (
    Actor,
    ChildSpec,
    Context,
    Fatal,
    Intensity,
    IntensityExceeded,
    Mailbox,
    State,
    Strategy,
    Supervisor,
)
from tests.supervision.household import (
    Add,
    Bug,
    Crash,
    Message,
    clerk,
    node,
    states,
    while_running,
)

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
async def test_a_strategy_reaches_into_a_nested_tree(strategy: Strategy) -> None:
    journal: list[str] = []
    inner = Supervisor("inner", [clerk("x", journal), clerk("y", journal)])
    tree = Supervisor("root", [clerk("a", journal), inner, clerk("b", journal)], strategy=strategy)

    async def body(context: Context[Any]) -> None:
        tree.ref("inner/y").tell(Add(n=1))
        tree.ref("a").tell(Crash())
        await anyio.sleep(1)
        assert journal == ["+a", "+x", "+y", "+b", "-a", "-b", "-y", "-x", "+a", "+x", "+y", "+b"]
        assert states(tree) == [State.READY] * 3
        assert await tree.ref("inner/y").ask(Add(n=2), within=1) == 2

    await while_running(tree, body)


async def test_beyond_its_intensity_a_supervisor_stops_its_children_in_reverse_and_fails() -> None:
    journal: list[str] = []
    tree = Supervisor(
        "root", [clerk("a", journal), clerk("b", journal), clerk("c", journal)], intensity=Intensity(restarts=2)
    )
    for _ in range(3):
        tree.ref("b").tell(Crash())
    with pytest.raises(IntensityExceeded, match=r"root/b: more than 2 restarts in 60 s; Bug: crash") as caught:
        await tree.run(Context("root"))
    assert isinstance(caught.value.__cause__, Bug)
    assert journal[-3:] == ["-b", "-c", "-a"]
    assert tree.snapshot().state is State.STOPPED
    assert tree.snapshot().last_error == f"IntensityExceeded: {caught.value}"


async def test_restarts_that_are_long_ago_do_not_count() -> None:
    tree = Supervisor("root", [clerk("a", [])], intensity=Intensity(restarts=1, within=60))

    async def body(context: Context[Any]) -> None:
        for restarts in range(1, 6):
            tree.ref("a").tell(Crash())
            await anyio.sleep(200)
            assert node(tree, "a").restarts == restarts

    await while_running(tree, body)


async def test_giving_up_climbs_level_by_level_and_counts_as_a_crash_of_the_nested_supervisor() -> None:
    journal: list[str] = []
    never = Intensity(restarts=0)
    innermost = Supervisor("innermost", [clerk("x", journal)], intensity=never)
    inner = Supervisor("inner", [innermost], intensity=never)
    tree = Supervisor("root", [clerk("a", journal), inner], intensity=Intensity(restarts=1))

    async def body(context: Context[Any]) -> None:
        ref = tree.ref("inner/innermost/x")
        ref.tell(Crash())
        assert await ref.ask(Add(n=1), within=1) == 1
        assert journal == ["+a", "+x", "-x", "+x"]
        assert node(tree, "inner").restarts == 1
        assert "root/inner/innermost/x: more than 0 restarts" in (node(tree, "inner").last_error or "")
        ref.tell(Crash())
        await anyio.sleep(1)

    with pytest.raises(ExceptionGroup) as caught:
        await while_running(tree, body)
    (failure,) = caught.value.exceptions
    causes = []
    while failure is not None:
        causes.append(str(failure).split(":")[0])
        failure = failure.__cause__
    assert causes == ["root/inner", "root/inner/innermost", "root/inner/innermost/x", "crash"]


async def test_a_nested_supervisor_made_anew_at_each_restart_reads_the_mailboxes_made_beforehand() -> None:
    journal: list[str] = []
    mailbox = Mailbox[Message]("x")

    def make() -> Supervisor:
        return Supervisor("inner", [clerk("x", journal, mailbox=mailbox)], intensity=Intensity(restarts=0))

    tree = Supervisor("root", [ChildSpec("inner", make)])

    async def body(context: Context[Any]) -> None:
        mailbox.ref.tell(Crash())
        mailbox.ref.tell(Add(n=1))
        assert await mailbox.ref.ask(Add(n=1), within=1) == 2
        assert node(tree, "inner/x").state is State.READY

    await while_running(tree, body)


async def test_a_fatal_error_is_never_restarted_and_ends_every_supervisor_above() -> None:
    journal: list[str] = []

    class Misconfigured(Actor[Message]):
        async def setup(self) -> None:
            journal.append("tried")
            raise Fatal("the port is taken")

        async def handle(self, message: Message, /) -> object:
            raise AssertionError(f"it never starts: {message}")

    inner = Supervisor("inner", [clerk("x", journal), ChildSpec("bad", Misconfigured)])
    tree = Supervisor("root", [clerk("a", journal), inner])
    with pytest.raises(Fatal, match="the port is taken"):
        await tree.run(Context("root"))
    assert journal == ["+a", "+x", "tried", "-x", "-a"]
