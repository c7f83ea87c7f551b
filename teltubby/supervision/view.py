"""What a tree looks like at one moment, as data and as text."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

LONG = 60.0
"""Seconds with one message that are worth a remark."""


class State(StrEnum):
    """Where a child is in its life."""

    WAITING = "waiting"  # its turn to start has not come
    STARTING = "starting"  # it runs and has not said that it is ready
    READY = "ready"
    BACKOFF = "backoff"  # it ended and waits for its restart
    STOPPING = "stopping"  # it was asked to end
    STOPPED = "stopped"  # it ended with its supervisor
    FINISHED = "finished"  # it ended by itself and is not restarted

    @property
    def alive(self) -> bool:
        """Whether an incarnation exists."""
        return self in (State.STARTING, State.READY, State.STOPPING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One actor or supervisor as it was when the picture was taken.

    `restarts` counts the restarts for its own ends, not those for a sibling's; `since` is when it entered
    `state`, in seconds of Unix time; `mailbox` is how many messages are queued, `oldest` for how many seconds the
    oldest of them has waited, `stalled` for how many nothing was taken although mail was there, `busy` for how many one
    message has been in hand.
    """

    name: str
    kind: str
    state: State
    restarts: int = 0
    last_error: str | None = None
    since: float = 0.0
    mailbox: int = 0
    oldest: float = 0.0
    stalled: float = 0.0
    busy: float = 0.0
    children: tuple[Node, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The tree as `json.dumps` takes it."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Node:
        """The tree that `as_dict` gave, also after a way through JSON. Raises KeyError, TypeError or ValueError."""
        children = tuple(cls.from_dict(child) for child in data["children"])
        return cls(**{**data, "state": State(data["state"]), "children": children})


def render(node: Node) -> str:
    """The tree as text, one line per node: name, kind, state, and what is remarkable about it."""
    rows = list(_rows(node, "", ""))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row[:3], widths, strict=True)), row[3]]).rstrip()
        for row in rows
    )


def _rows(node: Node, lead: str, below: str) -> Iterator[tuple[str, str, str, str]]:
    yield lead + node.name, node.kind, node.state.value, _remarks(node)
    for child in node.children:
        last = child is node.children[-1]
        yield from _rows(child, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  "))


def _remarks(node: Node) -> str:
    remarks = []
    if node.since:
        remarks.append(f"since {datetime.fromtimestamp(node.since, UTC):%Y-%m-%d %H:%M:%S}Z")
    if node.mailbox:
        remarks.append(f"{node.mailbox} queued")
    if node.busy >= LONG:
        remarks.append(f"at one message for {node.busy:.0f} s")
    if node.restarts:
        remarks.append("1 restart" if node.restarts == 1 else f"{node.restarts} restarts")
    if node.last_error:
        remarks.append(f"last error: {' '.join(node.last_error.split())}")
    return ", ".join(remarks)
