"""What stands in the way of a process although all of its actors are well: an operator must act."""

from __future__ import annotations

from collections.abc import Mapping


class Troubles:
    """Kept by those who meet trouble, read by whoever reports health; one per process."""

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}

    def enter(self, where: str, reason: str) -> None:
        self._reasons[where] = reason

    def leave(self, where: str) -> None:
        self._reasons.pop(where, None)

    @property
    def reasons(self) -> Mapping[str, str]:
        """Where there is trouble now, and why."""
        return dict(self._reasons)
