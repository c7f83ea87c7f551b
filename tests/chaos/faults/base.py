"""What a fault is: something that strikes a stage, and is healed; and of which variants there are."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tests.chaos.installation import Installation

if TYPE_CHECKING:
    from tests.chaos.stage import Stage


class Fault(ABC):
    """Frozen data, so that it can be printed and struck again; what it takes with it is the stage's.

    Of two faults on one thing the second strikes what the first left, and the first to heal heals it: both cope.
    """

    family: ClassVar[str]
    at_once: ClassVar[bool] = True
    """Whether it meets something as soon as it begins; else it tells the stage when it does, if it ever does."""

    def fits(self, installation: Installation) -> bool:
        """Whether there is such a thing there."""
        del installation
        return True

    @abstractmethod
    def strike(self, stage: Stage) -> None:
        """Begin."""

    def heal(self, stage: Stage) -> None:
        """End; nothing to do for what is over at once."""
        _ = stage


class OfServers(Fault):
    """Of what a single box does not have: broker and store."""

    def fits(self, installation: Installation) -> bool:
        return not installation.is_box


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A way in which things go wrong, which some of any 200 seeds meet: `copies` of them at least.

    What is not told by its `name` follows from the dice. `lasts` as many seconds, if that is what it is about; with the
    account that fetches being a person's or the bot's, if that is.
    """

    name: str
    made: Callable[[random.Random], Fault]
    copies: int = 2
    lasts: float | None = None
    by_person: bool | None = None

    def fits(self, installation: Installation) -> bool:
        """Whether there can be such a thing in that installation."""
        suits = self.by_person is None or (self.by_person is installation.by_person and not installation.is_box)
        return suits and self.made(random.Random(0)).fits(installation)
