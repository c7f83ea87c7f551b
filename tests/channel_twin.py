"""A channel at the twin of the Bot API, in which the bot is an admin who may post, and delete what it posted itself."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import anyio

from teltubby.errors import BadRequest, ChatUnavailable, FileGone

DELETABLE_SECONDS = 48 * 3600


@dataclass(frozen=True, slots=True)
class Posted:
    """A post: a copy of (chat, message), or a text; `at` is the loop's time."""

    at: float
    source: tuple[int, int] | str
    is_ours: bool = True


@dataclass(slots=True)
class ChannelTwin:
    """Posts by id. `gone` are messages that no longer are where they were, `protected` those that nobody may copy."""

    posts: dict[int, Posted] = field(default_factory=dict)
    last_id: int = 0
    gone: set[tuple[int, int]] = field(default_factory=set)
    protected: set[tuple[int, int]] = field(default_factory=set)
    closed: str | None = None
    """Why the bot is not let in."""

    @property
    def ours(self) -> list[tuple[int, int] | str]:
        """What the bot posted and did not delete, oldest first."""
        return [post.source for post in self.posts.values() if post.is_ours]

    def write(self, text: str) -> int:
        """Somebody else posts."""
        return self._add(Posted(anyio.current_time(), text, is_ours=False))

    def post(self, text: str) -> int:
        """The bot posts a text."""
        self._let_in()
        return self._add(Posted(anyio.current_time(), text))

    def copy(self, source: tuple[int, int]) -> int:
        self._let_in()
        if source in self.gone:
            raise FileGone("Bad Request: message to copy not found")
        if source in self.protected:
            raise BadRequest("Bad Request: the message can't be copied")
        return self._add(Posted(anyio.current_time(), source))

    def delete(self, message_id: int) -> None:
        self._let_in()
        if message_id in self.posts and not self._deletable(message_id):
            raise BadRequest("Bad Request: message can't be deleted")
        self.posts.pop(message_id, None)

    def delete_all(self, message_ids: Collection[int]) -> None:
        self._let_in()
        if not 1 <= len(message_ids) <= 100:
            raise BadRequest("Bad Request: too many message identifiers specified")
        for message_id in filter(self._deletable, message_ids):
            del self.posts[message_id]

    def _deletable(self, message_id: int) -> bool:
        post = self.posts.get(message_id)
        return post is not None and post.is_ours and anyio.current_time() < post.at + DELETABLE_SECONDS

    def _let_in(self) -> None:
        if self.closed is not None:
            raise ChatUnavailable(self.closed)

    def _add(self, post: Posted) -> int:
        self.last_id += 1
        self.posts[self.last_id] = post
        return self.last_id
