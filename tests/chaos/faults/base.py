"""What a fault is: something that strikes a stage, and is healed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from tests.chaos.installation import Installation

if TYPE_CHECKING:
    from tests.chaos.stage import Stage


class Fault(ABC):
    """Frozen data, so that it can be printed and struck again; what it takes with it is the stage's.

    Of two faults on one thing the second strikes what the first left, and the first to heal heals it: both cope.
    """

    family: ClassVar[str]

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
