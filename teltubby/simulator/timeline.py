"""The messages of one conversation in order, so that a page of it can be cut without making the others."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from teltubby.simulator.messages import Message


class Timeline(Protocol):
    """Messages by place, oldest first. Ids grow with the place, dates do not fall."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def at(self, place: int) -> Message:
        """The message at a place from 0."""
        ...

    def place_of_id(self, message_id: int) -> int:
        """How many messages have a smaller id."""
        ...

    def place_of_date(self, date: int) -> int:
        """How many messages are older than that, in Unix seconds."""
        ...


class Listed:
    """A Timeline of messages that are there already, given oldest first."""

    def __init__(self, messages: Iterable[Message]) -> None:
        self._messages: Sequence[Message] = tuple(messages)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._messages)

    def at(self, place: int) -> Message:
        """The message at a place from 0."""
        return self._messages[place]

    def place_of_id(self, message_id: int) -> int:
        """How many messages have a smaller id."""
        return bisect_left(self._messages, message_id, key=lambda message: message.id)

    def place_of_date(self, date: int) -> int:
        """How many messages are older than that, in Unix seconds."""
        return bisect_left(self._messages, date, key=lambda message: message.post.date)


def messages_of(timeline: Timeline) -> Iterator[Message]:
    """All of them, oldest first."""
    return map(timeline.at, range(len(timeline)))


def newest_of(timeline: Timeline) -> Message | None:
    """The last one, if there is any."""
    return timeline.at(len(timeline) - 1) if len(timeline) else None
