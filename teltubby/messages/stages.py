"""What a file waits for, what is done with it, and for how long: one vocabulary for reports, ledger and metric."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Stage(StrEnum):
    """One thing that takes time. Several go on at once: a file is stored, and hashed, while it is fetched."""

    OUTBOX = "outbox"
    """Until the broker confirmed the job's message."""
    PARKED = "parked"
    """After an attempt that did not succeed, until the next was due."""
    QUEUE = "queue"
    """In the broker, until a worker took the message up."""
    TURN = "turn"
    """At the worker, until the ledger said that it is its turn."""
    WAY = "way"
    """Finding the file by one of the ways to it, and proving that it is the one that was handed in."""
    FETCH_SMALL = "fetch_small"
    FETCH_LARGE = "fetch_large"
    FLOOD = "flood"
    """Of the fetching: while Telegram had some part of the file wait."""
    STORE = "store"
    """From the first byte that is read to the store's last word; most of it beside the fetching."""
    HASH = "hash"
    """Of the storing: SHA-256 of the parts and of the whole."""
    FIRST_COPY = "first_copy"
    """Of the storing: whether the ledger knows the same bytes already."""
    COMPLETE = "complete"
    """Of the storing: until all parts had become one object."""
    DETAILS = "details"
    """Reading what the file says of itself, and its preview."""
    ARTIFACT = "artifact"
    """Writing the submission's `message.json` anew."""
    TELL = "tell"
    """Until the curator's line said how it ended."""


Stages = Mapping[Stage, float]
"""Seconds, from 0; a stage that is missing did not take place, or nobody measured it."""

_NAMES = frozenset(Stage)
_LONGEST_SECONDS = 1e9


def known_stages(said: Mapping[str, object]) -> Stages:
    """What of this can be true; what cannot, and what a newer program measures, is left out, and no error."""
    return {
        Stage(name): float(value)
        for name, value in said.items()
        if name in _NAMES
        and isinstance(value, int | float)
        and not isinstance(value, bool)
        and 0 <= value <= _LONGEST_SECONDS
    }
