"""How long mail has waited, and whether anybody takes it: what tells a busy actor from one that hangs."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from teltubby.supervision import Actor, ChildSpec, Context, Mailbox, Supervisor, context, mailbox, render


class Idle(Actor[str]):
    async def handle(self, message: str, /) -> None:
        """There is nothing to do."""


class Clock:
    """Stands in for the module `time`."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(mailbox, "time", clock)
    return clock


def test_an_empty_mailbox_neither_waits_nor_stalls(clock: Clock) -> None:
    box = Mailbox[str]("box")
    clock.now += 1000
    assert (box.oldest, box.stalled) == (0, 0)


def test_the_oldest_message_counts(clock: Clock) -> None:
    box = Mailbox[str]("box")
    box.ref.tell("first")
    clock.now += 5
    box.ref.tell("second")
    clock.now += 7
    assert box.oldest == 12
    box.take()
    assert box.oldest == 7
    box.take()
    assert box.oldest == 0


def test_who_takes_some_of_it_does_not_hang(clock: Clock) -> None:
    box = Mailbox[str]("box")
    for number in range(3):
        box.ref.tell(str(number))
    clock.now += 50
    assert box.stalled == 50
    box.take()
    clock.now += 1
    assert (box.oldest, box.stalled) == (51, 1)


def test_after_a_long_rest_mail_stalls_from_its_arrival(clock: Clock) -> None:
    box = Mailbox[str]("box")
    box.ref.tell("taken")
    box.take()
    clock.now += 1000
    box.ref.tell("waits")
    clock.now += 2
    assert box.stalled == 2


def test_the_picture_of_the_tree_tells(clock: Clock) -> None:
    box = Mailbox[str]("box")
    tree = Supervisor("root", [ChildSpec("idle", Idle, mailbox=box)])
    box.ref.tell("waits")
    clock.now += 3
    (node,) = tree.snapshot().children
    assert (node.mailbox, node.oldest, node.stalled) == (1, 3, 3)
    box.close()
    assert box.oldest == 0


class Slow(Actor[str]):
    """Handles two at a time, each until it is told to end."""

    def __init__(self, ends: dict[str, anyio.Event]) -> None:
        self._ends = ends

    async def run(self, context: Context[str]) -> None:
        context.started()
        await context.serve(self.handle, width=2)

    async def handle(self, message: str, /) -> None:
        await self._ends[message].wait()


@pytest.mark.anyio
async def test_how_long_one_message_is_in_hand(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """It tells of an actor that hangs although no more mail comes; the oldest one in hand counts."""
    monkeypatch.setattr(context, "time", clock)
    ends = {"first": anyio.Event(), "second": anyio.Event()}
    box = Mailbox[str]("box")
    tree, root = Supervisor("root", [ChildSpec("slow", lambda: Slow(ends), mailbox=box)]), Context[Any]("root")

    def busy() -> float:
        (node,) = tree.snapshot().children
        return node.busy

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tree.run, root)
        await root.ready.wait()
        assert busy() == 0
        for message in ends:
            box.ref.tell(message)
            await anyio.wait_all_tasks_blocked()
            clock.now += 50
        assert busy() == 100 and "at one message for 100 s" in render(tree.snapshot())
        ends["first"].set()
        await anyio.wait_all_tasks_blocked()
        assert busy() == 50 and "at one message" not in render(tree.snapshot())
        ends["second"].set()
        await anyio.wait_all_tasks_blocked()
        assert busy() == 0
        root.stop()
