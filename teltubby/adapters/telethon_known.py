"""What is known of the channels that answers and updates name: how to ask for them, and how to read their messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from telethon import types

from teltubby.adapters.telethon_chats import names_of
from teltubby.adapters.telethon_records import read_message
from teltubby.messages.collected import ReadMessage

Reader = Callable[[Any], ReadMessage]
"""Reads a message of one answer; never raises."""


@dataclass(frozen=True, slots=True)
class _Manners:
    """Whether a channel has topics, and whether nothing of it may be copied."""

    forum: bool = False
    protected: bool = False


class KnownChannels:
    """Keeps of each channel what does not come with every message of it."""

    def __init__(self) -> None:
        self._hashes: dict[int, int] = {}
        self._manners: dict[int, _Manners] = {}

    def note(self, chats: Any) -> None:
        """Keep what these say. `min` ones are abridged, and their access hashes good for little."""
        for chat in chats:
            if not isinstance(chat, types.Channel):
                continue
            manners = _Manners(forum=bool(chat.forum), protected=bool(chat.noforwards))
            if chat.min:
                self._manners.setdefault(chat.id, manners)
                continue
            self._manners[chat.id] = manners
            if chat.access_hash is not None:
                self._hashes[chat.id] = chat.access_hash

    def access_hash(self, channel_id: int) -> int | None:
        """That of this account; None where it was not told."""
        return self._hashes.get(channel_id)

    def reader(self, channel_id: int, answer: Any, seen_at: datetime) -> Reader:
        """For the messages of the channel in an answer, or in a container of updates, with its `chats` and `users`."""
        chats, users = getattr(answer, "chats", ()), getattr(answer, "users", ())
        self.note(chats)
        manners = self._manners.get(channel_id, _Manners())
        return partial(
            read_message,
            channel_id=channel_id,
            seen_at=seen_at,
            forum=manners.forum,
            protected=manners.protected,
            names=names_of(chats, users),
        )
