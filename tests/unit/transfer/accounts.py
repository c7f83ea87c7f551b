"""An account's pacing, led to where a test begins."""

from __future__ import annotations

from teltubby.transfer.pacing import Pacing

HERE, THERE = 2, 4
MANY = 1000


def opened(pacing: Pacing, count: int, data_centre: int = HERE, *, first: int = 1) -> list[int]:
    """So many connections, each with a part that came; grown as the policy allows it."""
    connections: list[int] = []
    while len(connections) < count:
        assert pacing.may_dial(data_centre, MANY, 0.0)
        pacing.dialling(data_centre)
        connections.append(first + len(connections))
        pacing.opened(connections[-1], data_centre, 0.0)
        succeed(pacing, connections[-1])
    return connections


def succeed(pacing: Pacing, connection: int, now: float = 0.0, *, seconds: float = 0.1, times: int = 1) -> None:
    for _ in range(times):
        pacing.sent(connection, now)
        pacing.succeeded(connection, seconds, now)


def flood(pacing: Pacing, connection: int, wait: float, now: float) -> float:
    """A part is asked for, and put off."""
    pacing.sent(connection, now)
    return pacing.flooded(connection, wait, now)
