"""Strategies, restart policies, intensity, backoff, readiness: what a supervisor decides when a child ends."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from teltubby.supervision import (
    ChildSpec,
    Context,
    Intensity,
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


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (Strategy.ONE_FOR_ONE, ["-b", "+b"]),
        (Strategy.REST_FOR_ONE, ["-b", "-c", "+b", "+c"]),
        (Strategy.ONE_FOR_ALL, ["-b", "-c", "-a", "+a", "+b", "+c"]),
    ],
)
async def test_a_crash_restarts_whom_the_strategy_names(strategy: Strategy, expected: list[str]) -> None:
    journal: list[str] = []
    tree = Supervisor("root", [clerk(name, journal) for name in "abc"], strategy=strategy)

    async def body(context: Context[Any]) -> None:
        assert journal == ["+a", "+b", "+c"]
        tree.ref("b").tell(Crash())
        await anyio.sleep(1)
        assert journal[3:] == expected
        assert states(tree) == [State.READY] * 3
        assert [child.restarts for child in tree.snapshot().children] == [0, 1, 0]

    await while_running(tree, body)
    assert journal[-3:] == ["-c", "-b", "-a"]


async def test_a_restarted_actor_has_fresh_state_and_its_old_mail() -> None:
    journal: list[str] = []
    tree = Supervisor("root", [clerk("a", journal)])

    async def body(context: Context[Any]) -> None:
        ref = tree.ref("a")
        assert await ref.ask(Add(n=5), within=1) == 5
        for message in (Crash(), Add(n=1), Add(n=1)):
            ref.tell(message)
        assert await ref.ask(Add(n=1), within=1) == 3

    await while_running(tree, body)


async def test_mail_for_those_swept_along_waits_for_their_restart() -> None:
    children = [clerk("a", [], backoff=SLOW), clerk("b", [])]
    tree = Supervisor("root", children, strategy=Strategy.REST_FOR_ONE, rng=Top())

    async def body(context: Context[Any]) -> None:
        for _ in range(2):
            tree.ref("a").tell(Crash())
        await until(lambda: states(tree) == [State.BACKOFF, State.WAITING])
        tree.ref("b").tell(Add(n=1))
        assert await tree.ref("b").ask(Add(n=1), within=200) == 2

    await while_running(tree, body)


class Brief(Dumb):
    """Ends by itself after 1 s, or crashes."""

    def __init__(self, *, crash: bool) -> None:
        self.crash = crash

    async def run(self, context: Context[Message]) -> None:
        context.started()
        await anyio.sleep(1)
        if self.crash:
            raise Bug


@pytest.mark.parametrize(
    ("policy", "crash", "restarted"),
    [
        (Restart.PERMANENT, False, True),
        (Restart.PERMANENT, True, True),
        (Restart.TRANSIENT, False, False),
        (Restart.TRANSIENT, True, True),
        (Restart.TEMPORARY, False, False),
        (Restart.TEMPORARY, True, False),
    ],
)
async def test_the_policy_decides_about_an_end(policy: Restart, crash: bool, restarted: bool) -> None:
    brief = ChildSpec("brief", lambda: Brief(crash=crash), restart=policy)
    tree = Supervisor("root", [clerk("a", []), brief], strategy=Strategy.ONE_FOR_ALL)

    async def body(context: Context[Any]) -> None:
        await anyio.sleep(1.5)
        assert states(tree) == [State.READY, State.READY if restarted else State.FINISHED]
        assert [child.restarts for child in tree.snapshot().children] == [0, int(restarted)]

    await while_running(tree, body)


async def test_a_temporary_child_is_not_restarted_for_a_siblings_sake() -> None:
    journal: list[str] = []
    tree = Supervisor(
        "root",
        [clerk("a", journal), clerk("t", journal, restart=Restart.TEMPORARY), clerk("c", journal)],
        strategy=Strategy.ONE_FOR_ALL,
    )

    async def body(context: Context[Any]) -> None:
        tree.ref("c").tell(Crash())
        await anyio.sleep(1)
        assert journal[3:] == ["-c", "-t", "-a", "+a", "+c"]
        assert states(tree) == [State.READY, State.FINISHED, State.READY]

    await while_running(tree, body)


async def test_a_transient_child_that_was_stopped_for_a_siblings_sake_has_not_finished() -> None:
    journal: list[str] = []
    children = [clerk("a", journal), clerk("t", journal, restart=Restart.TRANSIENT)]
    tree = Supervisor("root", children, strategy=Strategy.ONE_FOR_ALL)

    async def body(context: Context[Any]) -> None:
        tree.ref("a").tell(Crash())
        await anyio.sleep(1)
        assert journal[2:] == ["-a", "-t", "+a", "+t"]

    await while_running(tree, body)


async def test_a_supervisor_whose_children_have_all_finished_ends() -> None:
    brief = ChildSpec("brief", lambda: Brief(crash=False), restart=Restart.TRANSIENT)
    with anyio.fail_after(2):
        await Supervisor("root", [brief]).run(Context("root"))


async def test_a_crash_while_a_sibling_is_being_stopped_widens_the_circle() -> None:
    journal: list[str] = []

    class Reluctant(Clerk):
        async def teardown(self) -> None:
            await anyio.sleep(2)
            await super().teardown()

    tree = Supervisor(
        "root",
        [clerk("a", journal), clerk("b", journal), ChildSpec("c", lambda: Reluctant("c", journal))],
        strategy=Strategy.REST_FOR_ONE,
    )

    async def body(context: Context[Any]) -> None:
        tree.ref("b").tell(Crash())
        await anyio.sleep(1)
        tree.ref("a").tell(Crash())
        await anyio.sleep(5)
        assert journal[3:] == ["-b", "-a", "-c", "+a", "+b", "+c"]
        assert [child.restarts for child in tree.snapshot().children] == [1, 1, 0]

    await while_running(tree, body)


async def test_an_end_that_the_supervisor_asked_for_is_not_news() -> None:
    class BadLoser(Clerk):
        async def run(self, context: Context[Message]) -> None:
            context.started()
            await context.stopping.wait()
            raise Bug("I did not want to stop")

    tree = Supervisor(
        "root",
        [clerk("a", []), ChildSpec("b", lambda: BadLoser("b", []))],
        strategy=Strategy.ONE_FOR_ALL,
        intensity=Intensity(restarts=1),
    )

    async def body(context: Context[Any]) -> None:
        tree.ref("a").tell(Crash())
        await anyio.sleep(1)
        assert states(tree) == [State.READY, State.READY]
        assert node(tree, "b").restarts == 0
        assert node(tree, "b").last_error == "Bug: I did not want to stop"

    await while_running(tree, body)
