"""Actors to supervise, and a way to run a tree around a test."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, assert_never

import anyio

from teltubby.supervision import Actor, Backoff, ChildSpec, Context, Node, Refused, Request, State, Supervisor

FOREVER = 1e9

SLOW = Backoff(first=100, cap=100)
"""The second restart waits up to 100 s."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Add(Request[int]):
    """Adds, and answers the sum so far."""

    n: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Crash(Request[None]):
    """Is a bug."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Decline(Request[None]):
    """Is refused."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Work(Request[str]):
    """Takes `seconds`, then writes `name` into the journal and answers it."""

    name: str
    seconds: float


Message = Add | Crash | Decline | Work


class Bug(Exception):
    """What Crash raises."""


class Clerk(Actor[Message]):
    """Writes "+name" at its start and "-name" at its end into a journal."""

    def __init__(self, name: str, journal: list[str]) -> None:
        self.name = name
        self.journal = journal
        self.total = 0

    async def setup(self) -> None:
        self.journal.append(f"+{self.name}")

    async def teardown(self) -> None:
        self.journal.append(f"-{self.name}")

    async def handle(self, message: Message, /) -> object:
        match message:
            case Add(n=n):
                self.total += n
                return self.total
            case Crash():
                raise Bug("crash")
            case Decline():
                raise Refused("no")
            case Work(name=name, seconds=seconds):
                await anyio.sleep(seconds)
                self.journal.append(name)
                return name
            case never:
                assert_never(never)


class Dumb(Actor[Message]):
    """For those who override `run` and take no mail."""

    async def handle(self, message: Message, /) -> object:
        raise NotImplementedError


class Top(random.Random):
    """The jitter that never shortens."""

    def uniform(self, a: float, b: float) -> float:
        del a
        return b


def clerk(name: str, journal: list[str], **options: Any) -> ChildSpec:
    return ChildSpec(name, lambda: Clerk(name, journal), **options)


async def while_running(tree: Supervisor, body: Callable[[Context[Any]], Awaitable[None]]) -> None:
    """Runs `body` when the tree is ready, then stops the tree in order."""
    context = Context[Any](tree.name)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tree.run, context)
        with anyio.fail_after(FOREVER):
            await context.ready.wait()
        await body(context)
        context.stop()


async def until(condition: Callable[[], bool]) -> None:
    """Polls, in virtual time."""
    with anyio.fail_after(3600):
        while not condition():
            await anyio.sleep(0.01)


def node(tree: Supervisor, path: str) -> Node:
    """The picture of one child: "a", or "inner/a"."""
    found = tree.snapshot()
    for name in path.split("/"):
        found = next(child for child in found.children if child.name == name)
    return found


def states(tree: Supervisor) -> list[State]:
    return [child.state for child in tree.snapshot().children]
