"""One page of messages, as messages.getHistory and messages.search cut it (core.telegram.org/api/offsets). Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from teltubby.simulator.messages import Message
from teltubby.simulator.timeline import Timeline


def seconds_of(date: datetime | None) -> int:
    """A date of a request in Unix seconds; 0 when it names none, which TL writes as 1970."""
    return int(date.timestamp()) if date else 0


def page_of(timeline: Timeline, request: Any, *, before: int = 0) -> list[Message]:
    """The page, newest first, that a request names by offset_id, add_offset, limit, max_id and min_id.

    `before` is Unix seconds, 0 for none; beside an offset_id it means nothing (assumed: Telethon gives both, and would
    lose parts of albums otherwise). The page starts at the first message older than the offset, moved by add_offset
    (negative: towards newer ones), and is as long as the limit; only then are those taken out of it that lie outside of
    min_id and max_id. So it may be shorter than the limit, or empty, without being the last one.
    """
    older = len(timeline)
    if request.offset_id:
        older = timeline.place_of_id(request.offset_id)
    elif before:
        older = timeline.place_of_date(before)
    end = min(len(timeline), older - request.add_offset)
    start = max(0, older - request.add_offset - request.limit)
    page = map(timeline.at, range(end - 1, start - 1, -1))
    return [
        message
        for message in page
        if message.id > request.min_id and (not request.max_id or message.id < request.max_id)
    ]
