"""What of a process is not as it should be, as the admins are told of it: dependencies, disks, crashes, troubles."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from teltubby.actors.backup_record import BACKUP
from teltubby.actors.readiness import Look, Outlook
from teltubby.archive.conditions import falls_short
from teltubby.messages.health import DependencyState, Standing
from teltubby.supervision import Node

OPERATOR = "operator."
"""Begins the names of troubles, which have a process as a whole and not a dependency in view."""
ACTORS = "actors"
CRASHES = 2
WITHIN = timedelta(minutes=10)
"""An actor that crashed so often within that time will again; a tree gives up after a few crashes in a minute."""
_DISK, _SESSION = "_disk", "session"


class Unwell:
    """Looks at what a process knows of itself: dependencies that are down, disks with less than `disk_free_bytes` left,
    backups that fail, and what an operator must mend. Sessions are left out: whoever they belong to is told of them
    anyway.
    """

    def __init__(self, outlook: Outlook, *, disk_free_bytes: int, clock: Callable[[], datetime]) -> None:
        self._outlook = outlook
        self._disk_free_bytes = disk_free_bytes
        self._clock = clock
        self._low: dict[str, datetime] = {}
        self._troubles: dict[str, datetime] = {}

    def standings(self) -> Sequence[Standing]:
        """All of it, each since it was seen first."""
        return (*self._dependencies(), *self._of_operators())

    def _dependencies(self) -> Iterator[Standing]:
        for standing in self._outlook.dependencies.standings():
            if standing.name.endswith(_SESSION):
                continue
            if standing.name == BACKUP:
                if standing.state is not DependencyState.OK:
                    yield replace(standing, name=f"{OPERATOR}{BACKUP}")
            elif standing.state is DependencyState.DOWN or standing.name == ACTORS:
                if standing.state is not DependencyState.OK:
                    yield standing
            elif standing.name.endswith(_DISK) and self._is_low(standing.name):
                since = self._low[standing.name]
                yield Standing(name=standing.name, state=DependencyState.DEGRADED, since=since, detail=standing.detail)

    def _is_low(self, name: str) -> bool:
        disks = self._outlook.facts.get("disks")
        disk = disks.get(name.removesuffix(_DISK)) if isinstance(disks, dict) else None
        if disk is None or not falls_short(disk["free_bytes"], self._disk_free_bytes, was=name in self._low):
            self._low.pop(name, None)
            return False
        self._low.setdefault(name, self._clock())
        return True

    def _of_operators(self) -> Iterator[Standing]:
        reasons = self._outlook.troubles.reasons
        self._troubles = {where: self._troubles.get(where, self._clock()) for where in reasons}
        for where, reason in reasons.items():
            if not where.endswith(_SESSION):
                since = self._troubles[where]
                yield Standing(name=f"{OPERATOR}{where}", state=DependencyState.DOWN, since=since, detail=reason)


def look_at_crashes(snapshot: Callable[[], Node], outlook: Outlook, *, clock: Callable[[], datetime]) -> Look:
    """Whether actors crash again and again: told as a dependency of the process, DEGRADED while they do."""
    dependency = outlook.dependencies.named(ACTORS)
    dependency.works()
    before: dict[str, int] = {}
    crashes: dict[str, deque[datetime]] = {}

    async def look() -> None:
        now = clock()
        for path, node in _actors(snapshot()):
            new = node.restarts - before.get(path, 0)
            before[path] = node.restarts
            crashes.setdefault(path, deque(maxlen=CRASHES)).extend([now] * new)
        often = [path for path, times in crashes.items() if len(times) == CRASHES and now - times[0] < WITHIN]
        if often:
            dependency.degraded(
                f"crashed {CRASHES} times or more within {WITHIN.seconds // 60} min: {', '.join(often)}"
            )
        else:
            dependency.works()

    return look


def _actors(node: Node, above: str = "") -> Iterator[tuple[str, Node]]:
    """Everything in the tree, with its path."""
    path = f"{above}/{node.name}" if above else node.name
    yield path, node
    for child in node.children:
        yield from _actors(child, path)
