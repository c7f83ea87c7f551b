"""When it is looked at a doubtful key: one at which an object may lie, or appear, that nobody will ever name.

A store may carry a request out after whoever sent it stopped waiting: one look at one moment proves nothing.
"""

from __future__ import annotations

from datetime import timedelta

_LOOKS = (timedelta(minutes=1), timedelta(minutes=9), timedelta(minutes=50))
"""From one look to the next: after a minute, ten minutes and an hour, which no request outlives."""
LOOKS = len(_LOOKS)
"""So many looks settle a doubt."""
REMEMBERED = timedelta(days=30)
"""How long it is known of a key that what lay there was deleted: no worker holds back a report for longer."""
IN_THE_STEAD = timedelta(minutes=10)
"""Until the next look after one that does not count: it could not be finished, or what it saw is not the last word."""


def next_look(looks: int, *, claimed: bool) -> timedelta | None:
    """The time from look number `looks` (0: from the moment of the doubt) to the next one, None: there is no doubt.

    `claimed`: something was found there, and deleted.
    """
    if looks < LOOKS:
        return _LOOKS[looks]
    return REMEMBERED if claimed and looks == LOOKS else None
