"""How a tree is declared: data only, checked when it is written down, not when it is run."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from teltubby.supervision.mailbox import Mailbox

if TYPE_CHECKING:
    from teltubby.supervision.actor import Runnable


class Strategy(StrEnum):
    """Who is restarted when a child ends."""

    ONE_FOR_ONE = "one_for_one"  # that child
    ONE_FOR_ALL = "one_for_all"  # every child
    REST_FOR_ONE = "rest_for_one"  # that child and those declared after it


class Restart(StrEnum):
    """Whether a child that ends by itself is started again."""

    PERMANENT = "permanent"  # always
    TRANSIENT = "transient"  # after a crash only
    TEMPORARY = "temporary"  # never, nor when it is stopped for a sibling's sake


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How long a restart is put off, in seconds: exponential with full jitter; the first restart is
    immediate.

    A child that was ready for `healthy_after` seconds before it ended counts as well again: its next restart
    is a first one.
    """

    first: float = 0.5
    factor: float = 2.0
    cap: float = 60.0
    healthy_after: float = 60.0

    def __post_init__(self) -> None:
        if not (0 < self.first <= self.cap < math.inf and 1 <= self.factor < math.inf):
            raise ValueError(f"backoff needs 0 < first <= cap and factor >= 1, all finite: {self}")

    def delay(self, attempt: int, rng: random.Random) -> float:
        """Seconds to wait before restart number `attempt`, counted from 1."""
        if attempt <= 1:
            return 0.0
        try:
            ceiling = self.first * self.factor ** (attempt - 2)
        except OverflowError:
            ceiling = self.cap
        return rng.uniform(0.0, min(self.cap, ceiling))


@dataclass(frozen=True, slots=True, kw_only=True)
class Intensity:
    """How many restarts a supervisor allows its children together in any `within` seconds before it gives up."""

    restarts: int = 3
    within: float = 60.0

    def __str__(self) -> str:
        return f"{self.restarts} in {self.within:g} s"


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """One child. `start` makes a new incarnation: it is called for every (re)start and must not block or do
    I/O.

    An incarnation that is not ready `ready_within` seconds after its start has failed; one that has not ended
    `stop_within` seconds after it was asked to stop is cancelled. `mailbox` is a capacity, or a mailbox that
    was made beforehand so that its address could be given to others.
    """

    name: str
    start: Callable[[], Runnable]
    _: KW_ONLY
    restart: Restart = Restart.PERMANENT
    backoff: Backoff = Backoff()
    ready_within: float = 30.0
    stop_within: float = 10.0
    mailbox: int | Mailbox[Any] = 64

    def __post_init__(self) -> None:
        if not self.name or "/" in self.name:
            raise ValueError(f"a child's name is not empty and has no '/': {self.name!r}")
        if self.ready_within <= 0 or self.stop_within < 0:
            raise ValueError(f"{self.name}: ready_within must be positive and stop_within not negative")
