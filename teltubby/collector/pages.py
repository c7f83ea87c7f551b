"""What is recorded together, or not at all: a page of history, a batch of updates, a reading of counters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from teltubby.messages.collected import CollectedMessage, PostMetrics, UnreadableMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """How far a channel is collected; None where nothing is known yet.

    As a part of a Page it says how far that page brings the channel, and only what it says moves: `oldest` down,
    all else up, `backfill_done` from False to True. So a page that is recorded again, or late, moves nothing back.
    """

    oldest: int | None = None
    """The smallest message id that was passed on the way back through history."""
    newest: int | None = None
    """The largest message id up to which nothing is missing."""
    backfill_done: bool = False
    """The beginning of the channel was reached."""
    pts: int | None = None
    """The channel's state of updates (https://core.telegram.org/api/updates) that is applied."""
    complete_at: datetime | None = None
    """When the channel was last known to be collected up to that moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """How far all stored posts of a channel are read again: those with ids `below` are yet to be, of 0 none.

    Sweeps of a channel are numbered: as a part of a Page a later one takes the place of an earlier, of the same one
    `below` moves down, and an earlier one moves nothing.
    """

    number: int
    below: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What one answer or update of Telegram brought of one channel, read at `seen_at`, and the cursor that it moves.

    `metrics` are readings beside those in `messages`; `deleted` are ids that Telegram says are gone; `wanted` are ids
    of posts whose files are to be archived, which are stored or in this page. `sweep` is how far a sweep is with it.
    """

    channel_id: int
    seen_at: datetime
    messages: tuple[CollectedMessage, ...] = ()
    metrics: tuple[PostMetrics, ...] = ()
    deleted: tuple[int, ...] = ()
    unreadable: tuple[UnreadableMessage, ...] = ()
    wanted: tuple[int, ...] = ()
    cursor: Cursor | None = None
    sweep: Sweep | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What a page changed: posts that were new, whose content is another now, or that are known to be gone now."""

    new: int = 0
    edited: int = 0
    deleted: int = 0
