"""A channel that the collector is to keep, and what its database says of it, read without the product."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from teltubby.simulator.messages import Message
from teltubby.simulator.people import Chat
from tests.acceptance.accounts import Person, person, sign_in_by_qr, start_unsigned
from tests.acceptance.household import Household
from tests.acceptance.polling import eventually

COLLECTED_WITHIN = 90.0


@dataclass(frozen=True, slots=True)
class Kept:
    """A channel of the simulated Telegram, and the collector's database."""

    house: Household
    chat: Chat
    database: Path

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """What the database says."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            return list(connection.execute(query, values))

    def stored(self) -> dict[int, str]:
        """The texts of the posts that are not deleted, by id."""
        if not self.database.exists():
            return {}
        query = "SELECT msg_id, text FROM posts WHERE channel_id = ? AND deleted_at IS NULL"
        try:
            return dict(self.rows(query, self.chat.id))
        except sqlite3.OperationalError:  # its tables are being made
            return {}

    def real(self) -> dict[int, str]:
        """The same, as the simulated Telegram has them."""
        return dict(
            self.house.in_world(
                lambda: {number: message.post.text for number, message in self.chat.mailbox.messages.items()}
            )
        )

    def await_equal(self, *, within: float = COLLECTED_WITHIN) -> None:
        """Return when the database has exactly the channel's posts, as they are now."""
        eventually(lambda: self.stored() == self.real(), within=within, what=f"all posts of {self.chat.title}")

    def in_channel(self, function: Callable[[], Message]) -> int:
        """Do something in the world that makes a message, and return its id."""
        return int(self.house.in_world(function).id)


def collecting(
    house: Household,
    posts: int,
    *,
    roles: tuple[str, ...] = ("bot", "worker"),
    username: str | None = "the_news",
    peers: str | None = "@the_news",
    **settings: str,
) -> Kept:
    """Start a product that collects a channel which a person's account reads, and have that person sign in."""
    someone = person(house)
    kept = seeded(house, posts, someone, username=username)
    house.settings |= {
        "MTPROTO_ENABLED": "true",
        "MTPROTO_HISTORY_ENABLED": "true",
        "MTPROTO_UPDATES_ENABLED": "true",
        "MTPROTO_DATABASE_PATH": str(kept.database),
        "MTPROTO_SYNC_INTERVAL": "2",
        **({} if peers is None else {"MTPROTO_PEERS": peers}),
        **settings,
    }
    start_unsigned(house, *roles)
    sign_in_by_qr(house, someone)
    return kept


def seeded(house: Household, posts: int, someone: Person, *, username: str | None = "the_news") -> Kept:
    """A channel with so many posts, in which Ada writes and that person reads."""
    world = house.telegram.world
    chat = house.in_world(
        lambda: world.add_seeded_channel(
            "The News",
            posts,
            seed=7,
            username=username,
            members=(someone.user, house.ada.user),
            admins=(house.ada.user,),
            subscribers=1234,
        )
    )
    return Kept(house, chat, house.home / "collector.db")
