"""What a push or a difference means for a channel of which everything up to a pts is stored: pure.

The rules are those of https://core.telegram.org/api/updates#message-related-event-sequences. A channel's `newest` moves
with its pts: of a channel whose events are all applied, no message is missing up to the newest that they brought.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from enum import Enum, auto

from teltubby.collector.pages import Cursor, Page, Sweep
from teltubby.messages.channels import ChannelDifference, PushedChange
from teltubby.messages.collected import (
    AbsentMessage,
    CollectedMessage,
    Post,
    PostMetrics,
    ReadMessage,
    UnreadableMessage,
    id_of,
)

Wanted = Callable[[Post], bool]
"""Whether the file of a post is to be archived."""


def nothing_wanted(post: Post) -> bool:
    """No file of any post."""
    del post
    return False


class Step(Enum):
    """What a pushed change is for a channel: the next one, one that is applied already, or one after others."""

    NEXT = auto()
    KNOWN = auto()
    GAP = auto()


def step_of(change: PushedChange, pts: int | None) -> Step:
    """How a change stands to the `pts` that is stored, None where none is.

    One that overlaps with what is known is a gap too, where Telegram lets it be dropped: the difference tells the rest.
    """
    if pts is None:
        return Step.GAP
    if change.pts - change.pts_count == pts:
        return Step.NEXT
    return Step.KNOWN if change.pts <= pts else Step.GAP


def page_of(
    channel_id: int,
    messages: Sequence[ReadMessage],
    seen_at: datetime,
    *,
    wanted: Wanted,
    deleted: tuple[int, ...] = (),
    metrics: tuple[PostMetrics, ...] = (),
    cursor: Cursor | None = None,
    sweep: Sweep | None = None,
) -> Page:
    """What is recorded of messages that were read at `seen_at`; of those that are absent nothing is."""
    found = tuple(message for message in messages if isinstance(message, CollectedMessage))
    return Page(
        channel_id=channel_id,
        seen_at=seen_at,
        messages=found,
        metrics=metrics,
        deleted=deleted,
        unreadable=tuple(message for message in messages if isinstance(message, UnreadableMessage)),
        wanted=tuple(message.post.msg_id for message in found if wanted(message.post)),
        cursor=cursor,
        sweep=sweep,
    )


def page_of_change(change: PushedChange, seen_at: datetime, wanted: Wanted) -> Page:
    """What the next change brings, and the pts that is reached by it."""
    cursor = Cursor(newest=last_id(change.messages), pts=change.pts, complete_at=seen_at)
    return page_of(change.channel_id, change.messages, seen_at, wanted=wanted, deleted=change.deleted, cursor=cursor)


def page_of_difference(channel_id: int, difference: ChannelDifference, seen_at: datetime, wanted: Wanted) -> Page:
    """What a difference brings that is not too long, and was asked for at `seen_at`."""
    complete_at = seen_at if difference.is_final else None
    return page_of(
        channel_id,
        difference.messages,
        seen_at,
        wanted=wanted,
        deleted=difference.deleted,
        metrics=difference.metrics,
        cursor=Cursor(newest=last_id(difference.messages), pts=difference.pts, complete_at=complete_at),
    )


def page_by_id(
    channel_id: int, messages: Sequence[ReadMessage], seen_at: datetime, wanted: Wanted, *, sweep: Sweep | None = None
) -> Page:
    """What was asked for by id: what is absent is gone."""
    gone = tuple(message.msg_id for message in messages if isinstance(message, AbsentMessage))
    return page_of(channel_id, messages, seen_at, wanted=wanted, deleted=gone, sweep=sweep)


def last_id(messages: Iterable[ReadMessage]) -> int | None:
    """The largest id among messages, readable or not; None where there are none."""
    return max((id_of(message) for message in messages), default=None)
