"""How long to wait for an answer about one part."""

from __future__ import annotations

FIRST_SECONDS, LEAST_SECONDS, MOST_SECONDS = 30.0, 10.0, 600.0
TIMES_USUAL = 4.0
WEIGHT = 0.2


class Patience:
    """Several times what parts take of late, as TCP's retransmission time-out; twice as long after it ran out in vain.

    A connection on which nothing comes at all is given up sooner, by the connection itself: this is for a request that
    alone is never answered, and must not mistake a slow line for that.
    """

    def __init__(self) -> None:
        self._usual: float | None = None
        self.seconds = FIRST_SECONDS

    def learn(self, took: float) -> None:
        """A part came after so many seconds."""
        self._usual = took if self._usual is None else WEIGHT * took + (1 - WEIGHT) * self._usual
        self.seconds = min(max(TIMES_USUAL * self._usual, LEAST_SECONDS), MOST_SECONDS)

    def ran_out(self, waited: float) -> None:
        """So much was too short, or the request is lost; several that ran out together were one event."""
        self.seconds = min(max(self.seconds, 2 * waited), MOST_SECONDS)
